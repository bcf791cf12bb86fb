# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole-file replacement that a crash cannot leave half done.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
from contextlib import suppress


def fsync_dir(path):
    """Make renames and creations in a directory durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_all(handle, data):
    """Write every byte: write(2) may take fewer."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def replace(path, data, mode=None, like=None, owner=None):
    """Give ``path`` the content ``data`` by a synced temporary file and one rename.

    :param mode: permission bits of the result.
    :param owner: (uid, gid) of the result; by default it belongs to whoever writes.
    :param like: a file whose mode, owner and SELinux label the result takes instead.
    """
    temporary = _temporary(path)
    # What a user has put there may be a pipe, or somebody else's.
    remove(temporary)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        write_all(handle, data)
        if like is not None:
            _take_attributes(handle, like)
        else:
            if owner is not None and os.fstat(handle).st_uid != owner[0]:
                os.fchown(handle, *owner)
            os.fchmod(handle, mode)
        os.fsync(handle)
    except BaseException:
        os.unlink(temporary)
        raise
    finally:
        os.close(handle)
    os.rename(temporary, path)
    fsync_dir(os.path.dirname(path))


def tidy(path):
    """Remove what a replacement that was cut short has left. Nobody else may be replacing the file."""
    remove(_temporary(path))


def remove(path):
    """Remove a name, if there is one."""
    # Where nothing can be written, unlink(2) fails even for what does not exist.
    if os.path.lexists(path):
        with suppress(FileNotFoundError):
            os.unlink(path)


def _temporary(path):
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.azlin-new")


def _take_attributes(handle, like):
    status = os.stat(like)
    os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, status.st_mode & 0o7777)
    if "security.selinux" in os.listxattr(like):
        os.setxattr(handle, "security.selinux", os.getxattr(like, "security.selinux"))
