# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exchanging two directories in one rename, so that a name never stops existing.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import fsync_dir

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCHANGE = 2
# For C libraries without the wrapper (glibc before 2.28). Source: the kernel's syscall tables.
_SYSCALL = {"x86_64": 316, "aarch64": 276, "ppc64le": 357, "s390x": 347}


def exchange(one, other):
    """Swap two existing names atomically (renameat2 with RENAME_EXCHANGE) and make it durable.

    There is no fallback of several renames: between them the home would not exist.
    """
    _renameat2(one, other, _RENAME_EXCHANGE)
    _sync_parents(one, other)


def move(source, target):
    """Rename to a name that must not exist, atomically and durably."""
    _renameat2(source, target, _RENAME_NOREPLACE)
    _sync_parents(source, target)


def move_below(source, source_name, target, target_name):
    """As :func:`move`, between open directories: no path that can be redirected. The caller makes it durable."""
    _renameat2(source_name, target_name, _RENAME_NOREPLACE, source, target)


def _sync_parents(*paths):
    for parent in {os.path.dirname(path) for path in paths}:
        fsync_dir(parent)


def _renameat2(source, target, flags, source_directory=_AT_FDCWD, target_directory=_AT_FDCWD):
    libc = ctypes.CDLL(None, use_errno=True)
    old, new = os.fsencode(source), os.fsencode(target)
    if hasattr(libc, "renameat2"):
        result = libc.renameat2(source_directory, old, target_directory, new, flags)
    elif platform.machine() in _SYSCALL:
        number = ctypes.c_long(_SYSCALL[platform.machine()])
        result = libc.syscall(number, source_directory, old, target_directory, new, flags)
    else:
        raise _unsupported(source, "this C library has no renameat2")
    if result == 0:
        return
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS):
        raise _unsupported(source, "its file system cannot exchange two names in one step")
    raise OSError(code, os.strerror(code), source, None, target)


def _unsupported(path, reason):
    return AzlinError(
        "unsupported",
        f"{path} cannot be switched atomically: {reason}. Doing it in two steps could leave the user without a home.",
        causes=[(reason, "keep homes on ext4, xfs, btrfs, f2fs or tmpfs with Linux 3.15 or newer")],
    )
