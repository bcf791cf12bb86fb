# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts use a share: each leaves a record there while its home is attached.

One file for each host and user, ``.azlin/hosts/HOST.MACHINE.USER.json``. The records inform; nothing is decided by
them but whether numeric ids agree, so one that cannot be understood is passed over.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._home import child, folder, squash, users

DIRECTORY = "hosts"
MACHINE_ID = "/etc/machine-id"
TIMEOUT = 20
_FIELDS = {
    "host": str,
    "machine": str,
    "vm_id": (str, type(None)),
    "user": str,
    "uid": int,
    "gid": int,
    "home": str,
    "attached": str,
    "seen": str,
}
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.-]", re.ASCII)


def name_of(user):
    """The file name of this host's record for a user: hosts that share a name differ in their machine-id(5)."""
    host = _NOT_IN_NAMES.sub("-", socket.gethostname())[:64]
    return f"{host}.{_machine()[:8]}.{user.name}.json"


def write(share, user, home, vm_id=None):
    """Write this host's record, whole and durable; the time of an earlier one is kept.

    :param vm_id: resource id of the virtual machine; None when it is not known, which keeps what is recorded.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    before = own(share, user) or {}
    record = {
        "host": socket.gethostname(),
        "machine": _machine(),
        "vm_id": vm_id or before.get("vm_id"),
        "user": user.name,
        "uid": user.uid,
        "gid": user.gid,
        "home": home,
        "attached": before.get("attached") or now,
        "seen": now,
    }
    folder.write(share, user, name_of(user), _rendered(record), DIRECTORY)


def touch(share, user, home, timeout=TIMEOUT):
    """Note on a mounted home that this host was seen now.

    As the user, whose folder it is, so that it works however the share squashes; never an error.

    :returns: whether that worked; None when the server did not answer within ``timeout`` seconds.
    """

    try:
        users.call_as(user, lambda: write(share, user, home), timeout)
        return True
    except child.ChildFailed:
        return False
    except child.ChildTimeout:
        return None


def remove(share, user):
    """Remove this host's record; True if there was one."""
    with suppress(FileNotFoundError), folder.present(share, DIRECTORY) as directory:
        os.unlink(name_of(user), dir_fd=directory)
        os.fsync(directory)
        return True
    return False


def forget(share, user):
    """As :func:`remove`, with the user's ids and in time; True when no record is left for sure."""

    def act():
        remove(share, user)
        return True

    return bool(bounded(user, act))


def own_as(user, share):
    """As :func:`own`, with the user's ids and in time."""
    return bounded(user, lambda: own(share, user))


def put_back(share, user, record):
    """Write a record that was removed again, as it was; never an error."""
    content = _rendered(record)
    bounded(user, lambda: folder.write(share, user, name_of(user), content, DIRECTORY))


def own(share, user):
    """Return this host's record, or None."""
    try:
        return _parsed(folder.read(share, name_of(user), DIRECTORY))
    except OSError:
        return None


def named(share):
    """Return (file name, record) of all hosts."""
    try:
        with folder.present(share, DIRECTORY) as directory:
            names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
            found = [(name, _parsed(_content(directory, name))) for name in names]
    except FileNotFoundError:
        return []
    return [(name, record) for name, record in found if record is not None]


def listed(share):
    """Return the records of all hosts, by host and user."""
    found = (record for _name, record in named(share))
    return sorted(found, key=lambda one: (one["host"], one["machine"], one["user"]))


def listed_as(user, share, timeout=TIMEOUT):
    """As :func:`listed`, as the user and within ``timeout`` seconds; None when that cannot be found out."""
    try:
        return users.call_as(user, lambda: listed(share), timeout)
    except (child.ChildFailed, child.ChildTimeout):
        return None


def bounded(user, function):
    """The result of a function in a child process that acts on the share as the user; None when it fails or hangs.

    Root's privileges on this host stay: the way to a staged share is open to root only.
    """

    def act():
        with squash.acting_as(user):
            return function()

    try:
        return child.call(act, TIMEOUT)
    except (child.ChildFailed, child.ChildTimeout):
        return None


def _rendered(record):
    return json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"


def _content(directory, name):
    try:
        return folder.read_in(directory, name)
    except OSError:
        return b""


def _parsed(content):
    try:
        document = json.loads(content)
    except ValueError:
        return None
    if not isinstance(document, dict):
        return None
    record = {field: document.get(field) for field in _FIELDS}
    # A bool is an int, but no id.
    proper = all(isinstance(value, _FIELDS[field]) and not isinstance(value, bool) for field, value in record.items())
    return record if proper else None


def _machine():
    try:
        # The codec of ASCII would be imported here, with the rights of the user, who may not be able to read it.
        with open(MACHINE_ID, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip()
    except OSError:
        return "unknown"
