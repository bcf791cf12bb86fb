# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs on a host without Ansible: the guard of a transaction, and what happens at boot.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.endpoints import parse_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    confirmation,
    local_paths,
    mountinfo,
    run,
    squash,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home import guard as programs
from ansible_collections.azlin.storage.plugins.module_utils._home import journal as journals
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter
from ansible_collections.azlin.storage.plugins.module_utils._home.transaction import text_of

MOUNT_TIMEOUT = 30
_POLL = 1.0
_REMOUNT_POLL = 10.0
_DIED = "The run that moved the home ended before it was done."
_INTERRUPTED = "The host was restarted, or the run ended, before the move of the home was done or confirmed."


def host(mounter):
    """This host. A module that gets it here has all that the guard's program is made of loaded."""
    return Host(mounter=mounter)


def main():
    """``guard USER ID``, ``boot``, ``remount`` or ``check``; writes what it did to the journal of systemd."""
    command, arguments = sys.argv[1], sys.argv[2:]
    squash.forget_refusals()
    actions = {"guard": guard, "boot": boot, "remount": remount, "check": check}
    raise SystemExit(actions[command](host(Mounter(mount_options(), MOUNT_TIMEOUT)), *arguments))


def guard(host, user_name, identifier):
    """Settle one transaction: at once when its run has died, at the deadline when nobody has confirmed it."""
    while True:
        # Waits as long as the run lives.
        with journals.exclusive(host.state_dir, user_name, wait=None):
            journal = journals.Journal(host.state_dir, user_name)
            transaction = journal.transaction
            if transaction is None or transaction["id"] != identifier:
                return 0
            left = _seconds_left(transaction)
            if not left:
                return 0 if _attempt(_settle, user_name, host, journal, _reason(transaction)) else 1
        time.sleep(min(left, _POLL))


def check(_host):
    """Do nothing: a Python that comes this far can run the program."""
    return 0


def boot(host):
    """Settle what the reboot interrupted; before remote file systems are mounted and before anybody logs in.

    Returns 1 when a transaction is still open, else 0.
    """
    settled = [_attempt(_settle_interrupted, name, host) for name in journals.users(host.state_dir)]
    return 0 if all(settled) else 1


def remount(host):
    """Settle what boot could not (a user that only the network knows), then mount what is missing, however late.

    Returns 1 when a transaction is still open, or something has failed, else 0.
    """
    renewed = {}
    while True:
        status = boot(host)
        mounted = {name: _attempt(_mounted, name, host) for name in journals.users(host.state_dir)}
        for name in mounted:
            if mounted[name] and name not in renewed:
                renewed[name] = _attempt(_renew, name, host)
        if False not in mounted.values():
            return 1 if None in (*mounted.values(), *renewed.values()) else status
        time.sleep(_REMOUNT_POLL)


def _attempt(action, user_name, host, *arguments):
    """Return what an action returns, or None after saying why it failed: no user has to wait for another."""
    try:
        return action(host, user_name, *arguments)
    except Exception as error:
        _say(user_name, text_of(error))
        return None


def _settle_interrupted(host, user_name):
    if journals.Journal(host.state_dir, user_name).transaction is None:
        return True
    # A run that lives has it in hand; others must not wait for that.
    with journals.exclusive(host.state_dir, user_name, wait=0):
        journal = journals.Journal(host.state_dir, user_name)
        # What waits to be confirmed since this boot has its own guard.
        if journal.transaction is not None and not _seconds_left(journal.transaction):
            _settle(host, user_name, journal, _INTERRUPTED)
    return True


def _renew(host, user_name):
    """See run.seen; a run that has the home in hand does it itself."""
    journal = journals.Journal(host.state_dir, user_name)
    if journal.attachment is not None and _is_mounted(journal):
        with suppress(AzlinError), journals.exclusive(host.state_dir, user_name, wait=0):
            for warning in run.seen(host, users.lookup(user_name), journal.attachment["home"])[1]:
                _say(user_name, warning)
    return True


def _seconds_left(transaction):
    if transaction["state"] != "unconfirmed":
        return 0.0
    return confirmation.seconds_left(transaction["confirm"])


def _reason(transaction):
    confirm = transaction.get("confirm")
    # By the state, a second attempt to undo it looks like a run that died.
    if confirm and transaction["state"] != "finishing" and not confirmation.seconds_left(confirm):
        return f"Nobody came back through a new login within {confirm['seconds']} s, so the home was put back."
    return transaction["facts"].get("hung", _DIED)


def _settle(host, user_name, journal, reason):
    run.recover(host, users.lookup(user_name), journal, reason)
    _say(user_name, f"{reason} The transaction was {journal.last['outcome']}.")
    if journal.attachment is not None and not _is_mounted(journal):
        programs.start_remount(host)
    return True


def _say(user_name, text):
    """Systemd keeps what its services write."""
    sys.stdout.write(f"{user_name}: {text}\n")


def _is_mounted(journal):
    mounts = mountinfo.read()
    home = journal.attachment["home"]
    return mountinfo.at(mounts, home) is not None and not _hidden(journal, mounts)


def _hidden(journal, mounts):
    return local_paths.missing(mounts, journal.attachment["home"], journal.attachment.get("local_paths", ()))


def _mounted(host, user_name):
    """Whether a user's home needs nothing (more); mounts it when the server answers."""
    journal = journals.Journal(host.state_dir, user_name)
    # Whoever settles a transaction mounts the home if need be; until then it may have been unmounted on purpose.
    if journal.transaction is not None or journal.attachment is None or _is_mounted(journal):
        return True
    try:
        host.mounter.probe(parse_endpoint(journal.attachment["source"]).host)
    except AzlinError:
        return False
    # By systemd, which knows the entry of fstab and whether a mount is under way already.
    home = journal.attachment["home"]
    host.start_mount(home)
    for path in _hidden(journal, mountinfo.read()):
        host.start_mount(local_paths.mount_point(home, path))
    return _is_mounted(journal)
