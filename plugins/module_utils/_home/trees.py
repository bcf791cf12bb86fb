# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at, copying and removing trees that belong to somebody else, as root.

Every name is resolved below an open directory, never through a symbolic link: the owner of the tree may
change it at any moment. Mount points inside a tree are never entered.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A name vanished, or became something else, between looking at it and opening it.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Azure docs, "Scalability and performance targets for Azure Files": hard links per file.
MAX_LINKS = 178
# Extended attributes that mean something to a user and that NFS 4.1 on Azure cannot hold.
_ACLS = ("system.posix_acl_access", "system.posix_acl_default")


@dataclass
class Survey:
    """What a tree holds: counts, bytes and paths of what a share cannot hold or need not hold."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    size: int = 0
    refused: list = field(default_factory=list)
    skipped: list = field(default_factory=list)

    @property
    def names(self):
        """How many names there are."""
        return self.files + self.directories + self.symlinks


def open_directory(path, dir_fd=None):
    """Open a directory that must not be a symbolic link."""
    return os.open(path, _DIRECTORY, dir_fd=dir_fd)


def open_below(root, path):
    """Open the directory at a relative path below an open one, without following any symbolic link."""
    handle = os.dup(root)
    for part in path.split("/") if path else ():
        try:
            below = open_directory(part, handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def by_directory(exclude):
    """Return {relative path of a directory: set of names in it to leave out} of relative paths; "" is the root."""
    result = {}
    for path in exclude:
        directory, name = os.path.split(path)
        result.setdefault(directory, set()).add(name)
    return result


def survey(path, exclude=()):
    """Return the :class:`Survey` of a tree; ``exclude`` are relative paths to leave out."""
    result = Survey()
    seen = set()
    root = open_directory(path)
    try:
        _survey_directory(root, "", result, seen, by_directory(exclude))
    finally:
        os.close(root)
    return result


def remove(path):
    """Remove a local tree, refusing to cross into another file system."""
    parent = open_directory(os.path.dirname(path))
    try:
        name = os.path.basename(path)
        remove_below(parent, name, os.fstat(parent).st_dev)
    finally:
        os.close(parent)


def remove_below(parent, name, device):
    """Remove a name and all below it, as long as it lies on ``device``."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if status.st_dev != device:
        raise AzlinError(
            "internal_error", f"{name!r} is a mount point; nothing is ever removed from a file system mounted below."
        )
    if not stat.S_ISDIR(status.st_mode):
        os.unlink(name, dir_fd=parent)
        return
    handle = open_directory(name, parent)
    try:
        for below in os.listdir(handle):
            remove_below(handle, below, device)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=parent)


def changed_since(path, moment_ns, exclude=()):
    """Whether anything below a directory was changed or created after a moment (ns) of its file system's clock."""
    root = open_directory(path)
    try:
        return _changed_below(root, moment_ns, exclude)
    finally:
        os.close(root)


def _changed_below(handle, moment_ns, exclude):
    with os.scandir(handle) as entries:
        for entry in entries:
            if entry.name in exclude:
                continue
            status = _unless_gone(entry.stat, follow_symlinks=False)
            if status is None:
                return True
            if status.st_ctime_ns > moment_ns:
                return True
            if stat.S_ISDIR(status.st_mode):
                child = open_directory(entry.name, handle)
                try:
                    if _changed_below(child, moment_ns, ()):
                        return True
                finally:
                    os.close(child)
    return False


def _survey_directory(handle, path, result, seen, exclude):
    _note_attributes(handle, ".", path or ".", result)
    with os.scandir(handle) as entries:
        for entry in entries:
            if entry.name in exclude.get(path, ()):
                continue
            status = _unless_gone(entry.stat, follow_symlinks=False)
            if status is None:
                continue
            below = f"{path}/{entry.name}" if path else entry.name
            _count(status, below, result, seen)
            if stat.S_ISDIR(status.st_mode):
                child = _unless_gone(open_directory, entry.name, handle)
                if child is None:
                    continue
                try:
                    _survey_directory(child, below, result, seen, exclude)
                finally:
                    os.close(child)
                result.directories += 1
            else:
                _note_attributes(handle, entry.name, below, result)


def _unless_gone(function, *arguments, **options):
    """The result of a function, or None when its owner has removed or replaced the name meanwhile."""
    try:
        return function(*arguments, **options)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def _count(status, path, result, seen):
    mode = status.st_mode
    if stat.S_ISREG(mode):
        result.files += 1
        if (status.st_dev, status.st_ino) not in seen:
            result.size += min(status.st_size, status.st_blocks * 512)
        if status.st_nlink > 1:
            seen.add((status.st_dev, status.st_ino))
        if status.st_nlink > MAX_LINKS:
            result.refused.append(f"{path}: {status.st_nlink} hard links, and Azure Files keeps {MAX_LINKS}")
    elif stat.S_ISLNK(mode):
        result.symlinks += 1
    elif stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
        # They hold no data, and the program that listens makes them anew.
        result.skipped.append(path)
    elif not stat.S_ISDIR(mode):
        result.refused.append(f"{path}: a device file")


def _note_attributes(handle, name, path, result):
    # listxattr has no dir_fd; the link in /proc leads to the open directory itself, wherever that is now.
    try:
        names = os.listxattr(f"/proc/self/fd/{handle}/{name}", follow_symlinks=False)
    except OSError:
        return
    for attribute in names:
        if attribute in _ACLS:
            result.refused.append(f"{path}: an access control list")
        elif attribute.startswith("user.") or attribute == "security.capability":
            result.refused.append(f"{path}: extended attribute {attribute}")
