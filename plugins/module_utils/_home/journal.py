# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of a home: what is attached, and how far a transaction came.

One JSON file per user on the root file system, never under a home. It is written and synced before each
step acts, so that any later run can undo what an earlier one left. A file of a newer format is refused.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic

VERSION = 1
# Bytes: some journals and an fstab.
_RESERVE = 256 << 10
_LOCK_POLL = 0.1


class Journal:
    """The journal of one user.

    ``attachment`` is None or what a committed attach left (see Mount.attachment).
    ``transaction`` is None or the unfinished one: id, action, state (running, unconfirmed, undoing, finishing), begun
    steps and ``facts``, whatever its steps need to undo themselves; while it is unconfirmed, also ``confirm``.
    ``uncommitted_seeds`` are the ids of seeds of this host that were rolled back since its last attach.
    ``last`` is None or how the transaction before ended: id, outcome (committed, undone) and reason.
    """

    def __init__(self, directory, user):
        self.path = os.path.join(directory, f"{user}.json")
        self._directory = directory
        self._reserve = os.path.join(directory, f".{user}.reserve")
        self._user = user
        self.attachment = None
        self.transaction = None
        self.uncommitted_seeds = []
        self.last = None
        self._load()

    @property
    def facts(self):
        """What the steps of the running transaction noted."""
        return self.transaction["facts"]

    def note(self, **facts):
        """Add facts and make them durable before what they describe happens."""
        self.facts.update(facts)
        self.save()

    def begin(self, identifier, action, facts):
        """Open a transaction."""
        self._keep_reserve()
        self.transaction = {"id": identifier, "action": action, "state": "running", "begun": [], "facts": facts}
        self.save()

    def begin_step(self, name):
        """Note that a step is about to act."""
        self.transaction["begun"].append(name)
        self.save()

    def set_state(self, state):
        """Note that the transaction is being undone or finished."""
        self.transaction["state"] = state
        self.save()

    def await_confirmation(self, confirm):
        """Note that all steps are done and what has to happen for them to count (see confirmation.expected)."""
        self.transaction["state"] = "unconfirmed"
        self.transaction["confirm"] = confirm
        self.save()

    def close(self, outcome, reason=""):
        """Forget the transaction, except for how it ended."""
        self.last = {"id": self.transaction["id"], "outcome": outcome, "reason": reason}
        self.transaction = None
        self.save()

    def save(self):
        """Write and sync the journal."""
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        document = {
            "version": VERSION,
            "user": self._user,
            "attachment": self.attachment,
            "transaction": self.transaction,
            "uncommitted_seeds": self.uncommitted_seeds,
            "last": self.last,
        }
        atomic.replace(self.path, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n", mode=0o600)

    def spend_reserve(self):
        """Give back the room that was kept, so that undoing and finishing need none on a disk that is full."""
        with suppress(FileNotFoundError):
            os.unlink(self._reserve)

    def _keep_reserve(self):
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            handle = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, _RESERVE)
            finally:
                os.close(handle)
        except OSError as error:
            self.spend_reserve()
            raise _unwritable(self._directory, error) from error

    def tidy(self):
        """Remove what a run that was killed while it saved has left; the lock is held."""
        atomic.tidy(self.path)

    def _load(self):
        try:
            with open(self.path, encoding="utf-8") as stream:
                document = json.load(stream)
        except FileNotFoundError:
            return
        except ValueError as error:
            raise self._unreadable(f"it is not JSON ({error})") from error
        if not isinstance(document, dict) or document.get("version") != VERSION:
            raise self._unreadable("its format is not the one this version writes")
        try:
            self.attachment = document["attachment"]
            self.transaction = document["transaction"]
            self.uncommitted_seeds = document["uncommitted_seeds"]
            self.last = document.get("last")
        except KeyError as error:
            raise self._unreadable(f"it lacks {error}") from error

    def _unreadable(self, reason):
        return AzlinError(
            "journal_conflict",
            f"The journal {self.path} cannot be used: {reason}. Nothing was changed.",
            causes=[("it was edited, or written by a newer version", "use the version that wrote it, or restore it")],
        )


def _unwritable(directory, error):
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return AzlinError(
            "no_space",
            f"There is no room for the journal of the move in {directory}: {error}.",
            causes=[("the file system is full", "free some space first")],
        )
    return AzlinError(
        "unsupported",
        f"The journal of the move cannot be written in {directory}: {error}.",
        causes=[("the file system is read-only, as it becomes when its disk has errors", "repair it, then run again")],
    )


def users(directory):
    """Return the names of the users that have a journal."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    return sorted(name[: -len(".json")] for name in names if name.endswith(".json") and not name.startswith("."))


@contextmanager
def exclusive(directory, user, wait):
    """Hold this host's lock on the home of a user; the kernel drops it when the process dies.

    :param wait: seconds to wait for another run that holds it; None waits as long as that lives.
    """
    try:
        handle = _open_lock(directory, f"{user}.lock")
    except OSError as error:
        raise _unwritable(directory, error) from error
    try:
        if not _locked(handle, wait):
            raise AzlinError(
                "journal_conflict",
                f"Another run is changing the home of {user} on this host right now. Nothing was changed.",
                causes=[("an earlier run still works, for example after its connection broke", "wait until it ends")],
            )
        yield
    finally:
        os.close(handle)


def exclusive_fstab(directory):
    """Hold this host's lock on fstab, which runs for several users change."""
    return _exclusive_for_host(directory, ".fstab.lock")


def exclusive_units(directory):
    """Hold this host's lock on what brings homes back when no run is there, which all users share."""
    return _exclusive_for_host(directory, ".units.lock")


@contextmanager
def _exclusive_for_host(directory, name):
    handle = _open_lock(directory, name)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _locked(handle, wait):
    # Locks of lockf belong to the process: a child that hangs on a dead server does not hold them.
    if wait is None:
        fcntl.lockf(handle, fcntl.LOCK_EX)
        return True
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOCK_POLL)


def _open_lock(directory, name):
    os.makedirs(directory, mode=0o700, exist_ok=True)
    return os.open(os.path.join(directory, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
