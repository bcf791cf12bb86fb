# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our own folder on a share, ``.azlin``: lock, marker and records of hosts.

It belongs to the user whose home the share is. Where the share squashes root, the user's ids are all that can be
used there; where it does not, the folder loses nothing: the user could rename it anyway.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common import homes
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic, trees

DIRECTORY = homes.FOLDER
PROBE = homes.PROBE
OURS = homes.OURS
# Bytes. What is kept here is small; the user may put anything in its place.
_LONGEST = 1 << 20


@contextmanager
def opened(share, user, *below):
    """A path of the folder, or of a folder below it, that its owner cannot redirect meanwhile; made where missing."""
    handle = trees.open_directory(share)
    try:
        for name in (DIRECTORY, *below):
            handle = _enter(handle, name, user)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


@contextmanager
def present(share, *below):
    """An open directory in the folder, or below it, for reading; FileNotFoundError where there is none."""
    root = trees.open_directory(share)
    try:
        handle = trees.open_below(root, "/".join((DIRECTORY, *below)))
    finally:
        os.close(root)
    try:
        yield handle
    finally:
        os.close(handle)


def read(share, name, *below):
    """Return the bytes of a file in the folder, and make nothing.

    :raises FileNotFoundError: when there is none; also when something else has its name.
    """
    with present(share, *below) as directory:
        return read_in(directory, name)


def read_in(directory, name):
    """Return the bytes of a file in an open directory.

    :raises FileNotFoundError: when there is none; also when something else has its name.
    """
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    except OSError as error:
        if error.errno in trees.GONE:
            raise FileNotFoundError(error.errno, error.strerror, name) from error
        raise
    with os.fdopen(handle, "rb") as stream:
        return stream.read(_LONGEST)


def write(share, user, name, content, *below):
    """Give a file in the folder its content: whole or not at all, durable, and the user's."""
    with opened(share, user, *below) as directory:
        atomic.replace(f"{directory}/{name}", content, mode=0o600, owner=(user.uid, user.gid))


def _enter(handle, name, user):
    """Close ``handle`` and return the directory ``name`` in it, which is made, and given to the user, where needed."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=handle)
    inner = trees.open_directory(name, handle)
    try:
        # What holds more than a probe (see squash) is a directory of others, which the user has given this name.
        if os.fstat(inner).st_uid != user.uid and all(name.startswith("probe.") for name in os.listdir(inner)):
            os.fchown(inner, user.uid, user.gid)
    except OSError:
        os.close(inner)
        raise
    os.close(handle)
    return inner
