# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps that either all count or are all taken back.

The journal is synced before each step acts. A step's ``undo`` looks at what is really there, so it is right
whether the step ran, was cut short or never began; after a crash the next run undoes from the journal alone.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from typing import Callable

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import confirmation


def _nothing():
    return None


@dataclass(frozen=True)
class Step:
    """One small change of the host and how to take it back."""

    name: str
    do: Callable
    undo: Callable = _nothing


class Interrupts:
    """While active, a lost connection is ignored, and a request to stop is seen between steps, not in them."""

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self._pending = False
        self._old = {}

    def pending(self):
        """Whether somebody asked the run to stop."""
        return self._pending

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._note) for number in self._SIGNALS}
            self._old[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return self

    def __exit__(self, *_details):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _note(self, _number, _frame):
        self._pending = True


def leave_home():
    """A working directory under the home would keep it busy."""
    os.chdir("/")


def run(operation, journal, interrupts, checkpoint):
    """Do all steps of an operation, or none of them.

    :param operation: has ``action``, ``facts()``, ``steps``, ``begin_step()``, ``commit()`` (which changes the
        journal's attachment), ``finish()`` (what is left to do afterwards, in any number of attempts),
        ``require_home()`` (fails where an undo could not see what there is to do), ``ended()`` and
        ``confirm_seconds``: when that is not 0, the steps count only once :func:`confirm` is called.
    :param checkpoint: called with ("before" or "after", step name); for tests of failures at every point.
    """
    journal.begin(operation.identifier, operation.action, operation.facts())
    try:
        _run(operation, journal, interrupts, checkpoint)
    finally:
        operation.ended()


def _run(operation, journal, interrupts, checkpoint):
    attachment = journal.attachment
    try:
        for step in operation.steps:
            if interrupts.pending():
                raise AzlinError("rolled_back", f"The run was told to stop before the step {step.name}.")
            journal.begin_step(step.name)
            operation.begin_step(step.name)
            checkpoint("before", step.name)
            step.do()
            checkpoint("after", step.name)
        if operation.confirm_seconds:
            journal.await_confirmation(confirmation.expected(operation.confirm_seconds))
            return
        operation.commit()
        # The one write that makes it count.
        journal.set_state("finishing")
    except Exception as error:
        journal.attachment = attachment
        _undo_after(operation, journal, error)
    _finish(operation, journal)


def confirm(operation, journal):
    """Make an unconfirmed transaction count, given the operation rebuilt from its journal."""
    operation.commit()
    journal.set_state("finishing")
    _finish(operation, journal)


def recover(operation, journal, reason):
    """Finish or undo what an earlier run left, given the operation rebuilt from its journal."""
    try:
        if journal.transaction["state"] == "finishing":
            _finish(operation, journal)
        else:
            undo(operation, journal, reason)
    except AzlinError:
        raise
    except Exception as error:
        raise _rollback_failed(journal, text_of(error)) from error
    finally:
        operation.ended()


def undo(operation, journal, reason):
    """Take the begun steps back, last one first."""
    journal.spend_reserve()
    journal.set_state("undoing")
    operation.require_home()
    begun = set(journal.transaction["begun"])
    for step in reversed(operation.steps):
        if step.name in begun:
            step.undo()
    operation.undone()
    journal.close("undone", reason)


def _undo_after(operation, journal, error):
    try:
        undo(operation, journal, text_of(error))
    except Exception as second:
        raise _rollback_failed(journal, f"{text_of(error)} Undoing it failed too: {text_of(second)}") from error
    if isinstance(error, AzlinError):
        raise error.with_addition("Everything on this host is as it was before.") from error
    raise AzlinError("rolled_back", f"{text_of(error)} Everything on this host is as it was before.") from error


def _rollback_failed(journal, why):
    return AzlinError(
        "rollback_failed",
        f"{why} The journal {journal.path} says what is left.",
        causes=[("what hindered the undo may be temporary", "run again with state: rolled_back")],
    )


def _finish(operation, journal):
    journal.spend_reserve()
    operation.finish()
    journal.close("committed")


def text_of(error):
    """What to say of an exception."""
    return error.msg if isinstance(error, AzlinError) else f"{type(error).__name__}: {error}."
