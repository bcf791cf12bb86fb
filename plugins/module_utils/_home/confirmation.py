# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switched home counts only when somebody has logged in since.

Whoever switched the home still holds a connection from before; it works however broken the keys are. So the
journal notes the login session of that run, and only another session can confirm.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import time

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# The kernel's audit session: new at every login, the same for all that descends from it. Source: pam_loginuid(8).
SESSION = "/proc/self/sessionid"
BOOT = "/proc/sys/kernel/random/boot_id"
_UNSET = str(2**32 - 1)


def expected(seconds):
    """What has to come: a login other than this one, before the deadline (seconds since this boot)."""
    deadline = time.clock_gettime(time.CLOCK_BOOTTIME) + seconds
    return {"session": _session(), "boot": _read(BOOT), "deadline": deadline, "seconds": seconds}


def seconds_left(confirm):
    """How long the deadline is away; 0 when it is over or the host was rebooted since."""
    if confirm["boot"] != _read(BOOT):
        return 0.0
    return max(0.0, confirm["deadline"] - time.clock_gettime(time.CLOCK_BOOTTIME))


def is_new_login(confirm):
    """Whether this process descends from another login than the one that switched the home."""
    session = _session()
    # Without audit sessions (some containers) the caller's word has to do.
    return session is None or session != confirm["session"]


def require(journal, identifier):
    """Fail unless the transaction that waits is this one and the login is new; True if it was confirmed before."""
    transaction = journal.transaction
    state = transaction["state"] if transaction is not None and transaction["id"] == identifier else None
    last = journal.last if journal.last is not None and journal.last["id"] == identifier else {}
    if transaction is None and last.get("outcome") == "committed":
        return True
    if state != "unconfirmed":
        why = "It is being put back." if state == "undoing" else last.get("reason", "")
        raise AzlinError(
            "not_confirmed",
            f"Nothing waits to be confirmed as {identifier}. {why}".strip(),
            causes=[("it was undone because nobody confirmed it in time", "see to the login, then run again")],
        )
    if not is_new_login(transaction["confirm"]):
        raise AzlinError(
            "not_confirmed",
            "This run came through the connection that was there before the home was switched, which proves nothing.",
            causes=[("the connection was kept open", "reset the connection before state: confirmed")],
        )
    return False


def _session():
    text = _read(SESSION)
    return None if text in (None, _UNSET) else text


def _read(path):
    try:
        with open(path, encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return None
