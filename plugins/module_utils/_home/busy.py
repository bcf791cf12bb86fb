# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What to do about programs that use a home while it is switched.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import holders

POLICIES = ("fail", "wait", "terminate", "ignore")
# Seconds. A program that is gone at a second look was passing by, such as the shell of somebody's remote command.
_SECOND_LOOK = 0.5
_POLL = 0.5
_GRACE = 10.0


def settle(find, home, policy, seconds, cancelled=lambda: False, dead_server=lambda: False):
    """Apply a policy until nothing uses the home; return what still does (only with ``ignore``; None: unknown).

    :param find: returns the list of processes, or None when that could not be found out.
    :param seconds: how long ``wait`` and ``terminate`` try.
    :param dead_server: asked when it is not known: whether the home's own server is silent, which hinders nothing.
    :raises AzlinError: ``home_busy`` with the list of processes, which is None when they are not known.
    """
    deadline = time.monotonic() + seconds
    found = _lasting(find)
    terminated_at = {}
    while found and policy != "ignore":
        if policy == "fail" or time.monotonic() >= deadline or cancelled():
            raise _busy(home, found, policy, seconds)
        if policy == "terminate":
            _terminate(found, terminated_at)
        time.sleep(_POLL)
        found = find()
    if found is None and not dead_server():
        check_known(home, policy)
    return found


def check_known(home, policy):
    """Fail unless a policy goes on although it could not be found out who uses the home."""
    if policy != "ignore":
        error = AzlinError(
            "home_busy",
            f"It could not be found out in time whether programs use {home}.",
            causes=[
                ("the host is overloaded, or very many files are open on it", "run again when it has less to do"),
                ("another file system that programs use does not answer", "repair that mount, or unmount it"),
                ("it is known that nobody uses the home", "run with busy: ignore"),
            ],
        )
        error.details["holders"] = None
        raise error


def _lasting(find):
    found = find()
    if not found:
        return found
    time.sleep(_SECOND_LOOK)
    again = find()
    if again is None:
        return None
    first = {one["pid"] for one in found}
    return [one for one in again if one["pid"] in first]


def _terminate(found, terminated_at):
    """Ask each process to end, and end those that have not within the grace time."""
    now = time.monotonic()
    for one in found:
        pid = one["pid"]
        if pid == 1:
            continue
        overdue = now - terminated_at.setdefault(pid, now) >= _GRACE
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL if overdue else signal.SIGTERM)


def _busy(home, found, policy, seconds):
    tried = {"wait": f" after waiting {seconds} s", "terminate": f" after {seconds} s of ending them"}.get(policy, "")
    error = AzlinError(
        "home_busy",
        f"{home} is in use by {len(found)} processes{tried}: {holders.describe(found[:10])}.",
        causes=[
            ("the user is logged in or left programs running", "end these processes, then run again"),
            ("they may be ended, or will end by themselves", "run with busy: terminate, or busy: wait"),
        ],
    )
    error.details["holders"] = found
    return error
