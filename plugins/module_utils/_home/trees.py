# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking at and removing trees that belong to somebody else, as root.

Every name is resolved below an open directory, never through a symbolic link: the owner of the tree may
change it at any moment. Nothing recurses, so a tree may be as deep as there are descriptors.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
import stat
import threading
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home.pool import Pool

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A name vanished, or became something else, between looking at it and opening it.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
# Azure docs, "Scalability and performance targets for Azure Files": hard links per file.
MAX_LINKS = 178
# Extended attributes that mean something to a user and that NFS 4.1 on Azure cannot hold.
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
# statfs(2).
NFS_MAGIC = 0x6969
# How many paths a report names; all are counted.
EXAMPLES = 1000
# Directories of a tree that are open at a time: two for each level where it is copied.
_OPEN_FILES = 65536
# More than one is needed only while threads end.
_ATTEMPTS = 10
_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


@dataclass
class Survey:
    """What a tree holds: counts, bytes, and examples of what a share cannot hold or need not hold.

    ``refusals`` counts all that ``refused`` gives examples of.
    """

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    size: int = 0
    refusals: int = 0
    refused: list = field(default_factory=list)
    skipped: list = field(default_factory=list)

    @property
    def names(self):
        """How many names there are."""
        return self.files + self.directories + self.symlinks

    def refuse(self, text):
        """Note something that a share cannot hold."""
        self.refusals += 1
        if len(self.refused) < EXAMPLES:
            self.refused.append(text)

    def skip(self, path):
        """Note something that is not worth holding."""
        if len(self.skipped) < EXAMPLES:
            self.skipped.append(path)


def open_directory(path, dir_fd=None):
    """Open a directory that must not be a symbolic link."""
    return os.open(path, _DIRECTORY, dir_fd=dir_fd)


def identity(handle):
    """What tells an open file from every other."""
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def type_name(mode):
    """Return the word for the file type in ``st_mode``."""
    return _TYPES.get(stat.S_IFMT(mode), "unknown")


def status_of(parent, name):
    """The status of a name in an open directory, of a symbolic link itself; None if there is none."""
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


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


def raise_open_files_limit():
    """Let this process hold a deep tree open. Root may go beyond its hard limit, unless it is a restricted root."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= _OPEN_FILES:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, max(hard, _OPEN_FILES)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def file_system_type(handle):
    """The number that statfs(2) gives for the type of file system of an open file."""
    buffer = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None, use_errno=True).fstatfs(handle, buffer) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return ctypes.c_long.from_buffer(buffer).value & 0xFFFFFFFF


def left_out(paths):
    """Return relative paths as a tree: {name: True, where it ends, or what is below it}."""
    result = {}
    for path in paths:
        *parents, name = path.split("/")
        below = result
        for parent in parents:
            below = below.setdefault(parent, {})
        below[name] = True
    return result


def walk(root, exclude=()):
    """Yield (directory, parents, name, status) of all below an open directory, each directory before its entries.

    ``directory`` is open until the next step and ``parents`` the list of names that lead there, which changes with
    the next step. ``status`` is None if the name has vanished meanwhile.
    """
    raise_open_files_limit()
    handle = os.dup(root)
    stack, parents = [(handle, os.scandir(handle), left_out(exclude))], []
    try:
        while stack:
            handle, entries, excluded = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                os.close(handle)
                del parents[-1:]
                continue
            if excluded.get(entry.name) is True:
                continue
            status = _unless_gone(entry.stat, follow_symlinks=False)
            yield handle, parents, entry.name, status
            if status is None or not stat.S_ISDIR(status.st_mode):
                continue
            child = _unless_gone(open_directory, entry.name, handle)
            if child is not None:
                stack.append((child, os.scandir(child), excluded.get(entry.name, {})))
                parents.append(entry.name)
    finally:
        for handle, entries, _excluded in stack:
            entries.close()
            os.close(handle)


def remove(path):
    """Remove a local tree, refusing to cross into another file system.

    Threads of an ended copy that hung may add to it meanwhile: each makes the name that it was about to, and no more.
    """
    parent = open_directory(os.path.dirname(path))
    try:
        for left in reversed(range(_ATTEMPTS)):
            try:
                remove_below(parent, os.path.basename(path), os.fstat(parent).st_dev)
                return
            except OSError as error:
                if error.errno != errno.ENOTEMPTY or not left:
                    raise
    finally:
        os.close(parent)


def remove_below(parent, name, device):
    """Remove a name and all below it, as long as it lies on ``device``."""
    status = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not stat.S_ISDIR(status.st_mode):
        refuse_other(status, name, device)
        os.unlink(name, dir_fd=parent)
        return
    raise_open_files_limit()
    # Of each directory on the way down: where it is, its name, itself, and what is left in it.
    stack = [_open_to_remove(parent, name, device)]
    try:
        while stack:
            above, own_name, handle, names = stack[-1]
            if not names:
                stack.pop()
                os.close(handle)
                os.rmdir(own_name, dir_fd=above)
                continue
            below = names.pop()
            status = os.stat(below, dir_fd=handle, follow_symlinks=False)
            refuse_other(status, below, device)
            if stat.S_ISDIR(status.st_mode):
                stack.append(_open_to_remove(handle, below, device))
            else:
                os.unlink(below, dir_fd=handle)
    finally:
        for _above, _name, handle, _names in stack:
            os.close(handle)


def _open_to_remove(parent, name, device):
    handle = open_directory(name, parent)
    try:
        refuse_other(os.fstat(handle), name, device)
        return parent, name, handle, os.listdir(handle)
    except BaseException:
        os.close(handle)
        raise


def refuse_other(status, name, device):
    """Raise for what lies on another file system: a mount point."""
    if status.st_dev != device:
        raise AzlinError(
            "internal_error", f"{name!r} is a mount point; nothing is ever removed from a file system mounted below."
        )


def changed_since(path, moment_ns, exclude=(), began_ns=0):
    """Whether anything below a directory was changed or created after a moment (ns) of its file system's clock.

    What was changed before ``began_ns``, when nothing of it was there, was changed after the clock was set back.
    """
    root = open_directory(path)
    try:
        statuses = (status for _handle, _parents, _name, status in walk(root, exclude))
        return any(status is None or not began_ns <= status.st_ctime_ns <= moment_ns for status in statuses)
    finally:
        os.close(root)


class Node:
    """A directory of a tree, held open as long as anything below it may be opened from it.

    ``excluded`` is what to leave out of it, as :func:`left_out` tells.
    """

    def __init__(self, handle, name="", parent=None, excluded=None):
        self.handle = handle
        self.name = name
        self.parent = parent
        self.excluded = parent.excluded.get(name, {}) if parent is not None else excluded or {}
        self.users = 1

    def path(self, *names):
        """Where it is, or something in it, from the root of the tree; "." is the root itself."""
        parts = list(reversed(names))
        directory = self
        while directory.parent is not None:
            parts.append(directory.name)
            directory = directory.parent
        return "/".join(reversed(parts)) or "."


class _Surveyor:
    """Counts a tree, several directories at once."""

    def __init__(self, root, exclude, workers, cancelled):
        self._result = Survey()
        # Nothing to find there, and a round trip for each name.
        self._attributes = file_system_type(root) != NFS_MAGIC
        self._seen = set()
        self._lock = threading.Lock()
        self._open = set()
        self._pool = Pool(workers, cancelled)
        self._pool.push(self._scan, self._opened(os.dup(root), "", None, left_out(exclude)))

    def run(self):
        """Return the :class:`Survey`."""
        try:
            self._pool.run()
        except Exception as error:
            if not error.threads_hang:
                for directory in self._open:
                    os.close(directory.handle)
            raise
        return self._result

    def _opened(self, *arguments):
        directory = Node(*arguments)
        with self._lock:
            self._open.add(directory)
        return directory

    def _enter(self, parent, name):
        handle = _unless_gone(open_directory, name, parent.handle)
        if handle is None:
            self._leave(parent)
            return
        with self._lock:
            self._result.directories += 1
        self._scan(self._opened(handle, name, parent))

    def _scan(self, directory):
        if self._attributes:
            self._note_attributes(directory)
        with os.scandir(directory.handle) as entries:
            for entry in entries:
                if directory.excluded.get(entry.name) is True:
                    continue
                status = _unless_gone(entry.stat, follow_symlinks=False)
                if status is not None:
                    self._entry(directory, entry.name, status)
        self._leave(directory)

    def _entry(self, directory, name, status):
        if stat.S_ISDIR(status.st_mode):
            with self._lock:
                directory.users += 1
            self._pool.push(self._enter, directory, name)
            return
        with self._lock:
            _count(status, directory, name, self._result, self._seen)
        if self._attributes:
            self._note_attributes(directory, name)

    def _note_attributes(self, directory, *name):
        for attribute in filter(is_unsupported, list_attributes(directory.handle, *name)):
            what = "an access control list" if attribute in ACLS else f"extended attribute {attribute}"
            with self._lock:
                self._result.refuse(f"{directory.path(*name)}: {what}")

    def _leave(self, directory):
        while directory is not None:
            with self._lock:
                directory.users -= 1
                if directory.users:
                    return
                self._open.discard(directory)
            os.close(directory.handle)
            directory = directory.parent


def survey(path, exclude=(), workers=1, cancelled=lambda: False):
    """Return the :class:`Survey` of a tree; ``exclude`` are relative paths to leave out.

    Many ``workers`` help over a network only.
    """
    raise_open_files_limit()
    root = open_directory(path)
    try:
        return _Surveyor(root, exclude, workers, cancelled).run()
    finally:
        os.close(root)


def entry_path(handle, name=""):
    """A path of an entry of an open directory, for calls without dir_fd: it leads there wherever that is now."""
    return f"/proc/self/fd/{handle}/{name}"


def list_attributes(handle, name=""):
    """The names of extended attributes of an entry of an open directory, or of that itself."""
    try:
        return os.listxattr(entry_path(handle, name), follow_symlinks=False)
    except OSError:
        return []


def is_unsupported(attribute):
    """Whether NFS 4.1 on Azure cannot hold an extended attribute that somebody may rely on."""
    return attribute in ACLS or attribute.startswith("user.") or attribute == "security.capability"


def _unless_gone(function, *arguments, **options):
    """The result of a function, or None when its owner has removed or replaced the name meanwhile."""
    try:
        return function(*arguments, **options)
    except OSError as error:
        if error.errno not in GONE:
            raise
        return None


def _count(status, directory, name, result, seen):
    mode = status.st_mode
    if stat.S_ISREG(mode):
        result.files += 1
        if (status.st_dev, status.st_ino) not in seen:
            result.size += min(status.st_size, status.st_blocks * 512)
        if status.st_nlink > 1:
            seen.add((status.st_dev, status.st_ino))
        if status.st_nlink > MAX_LINKS:
            text = f"{status.st_nlink} hard links, and Azure Files keeps {MAX_LINKS}"
            result.refuse(f"{directory.path(name)}: {text}")
    elif stat.S_ISLNK(mode):
        result.symlinks += 1
    elif stat.S_ISSOCK(mode) or stat.S_ISFIFO(mode):
        # They hold no data, and the program that listens makes them anew.
        result.skip(directory.path(name))
    elif not stat.S_ISDIR(mode):
        result.refuse(f"{directory.path(name)}: a device file")
