# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one tree the same as another, many files at once.

Over NFS each file costs several round trips, so what counts is how many are under way at the same time.
A file is created under its final name; its time is set last, so a half-written one never looks complete and
a run that was cut short is continued by running again.

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
from ansible_collections.azlin.storage.plugins.module_utils._home import trees
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import write_all

WORKERS = 16
_CHUNK = 1 << 20
_PAGE = 4096
# How many paths a report names.
_EXAMPLES = 5
_ZEROS = bytes(_PAGE)
# Azure Files keeps times in units of 100 ns (that of NTFS).
_TIME_UNIT_NS = 100
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Report:
    """What one pass did. ``unstable`` are files that changed or vanished while they were copied.

    ``changed`` names some of what was different, ``changes`` counts all of it.
    """

    files: int = 0
    bytes: int = 0
    changes: int = 0
    changed: list = field(default_factory=list)
    unstable: list = field(default_factory=list)
    skipped: list = field(default_factory=list)


class _Directory:
    """A directory of both trees, open while any of its entries is still to be handled."""

    def __init__(self, path, source, target, status, parent):
        self.path = path
        self.source = source
        self.target = target
        self.status = status
        self.parent = parent
        self.users = 1

    def below(self, name):
        return f"{self.path}/{name}" if self.path else name


class Copier:
    """One pass that makes the tree ``target`` equal to ``source``.

    :param exclude: relative paths that are neither copied nor removed.
    :param remove: whether to remove from the target what the source does not have.
    :param cancelled: called now and then; True stops the pass.
    """

    def __init__(self, source, target, exclude=(), remove=True, workers=WORKERS, cancelled=lambda: False):
        self._roots = (source, target)
        self._exclude = trees.by_directory(exclude)
        self._remove = remove
        self._workers = workers
        self._cancelled = cancelled
        self._report = Report()
        self._lock = threading.Condition()
        # Last in, first out: depth first, so that few directories are open at a time.
        self._tasks = []
        self._busy = 0
        self._error = None
        # (device, inode) -> path that was copied; further names are linked to it at the end.
        self._links = {}
        self._later = []
        # (device, inode) in the target -> that of the source it was copied from: no two may share one.
        self._claims = {}
        self._open = set()
        self._device = None

    def run(self):
        """Do the pass and return its :class:`Report`."""
        _raise_open_files_limit()
        source, target = (trees.open_directory(root) for root in self._roots)
        try:
            self._device = os.fstat(target).st_dev
            root = _Directory("", os.dup(source), os.dup(target), os.fstat(source), None)
            self._open.add(root)
            self._put(self._list, root)
            self._work()
            self._link_all(target)
            _sync_file_system(target)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.close(source)
            os.close(target)
        return self._report

    def _failed(self, error):
        what = f"{self._roots[0]} could not be copied to {self._roots[1]}: {error}."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return AzlinError("no_space", what, causes=[("the target is full", "make it larger or free space")])
        return AzlinError(
            "copy_failed",
            what,
            causes=[
                ("the share squashes root, who then may not set owners", "use a share with root_squash NoRootSquash"),
                ("the server broke off", "run again: what is copied already is kept"),
            ],
        )

    # The pool.

    def _put(self, task, *arguments):
        with self._lock:
            self._tasks.append((task, arguments))
            self._lock.notify()

    def _work(self):
        threads = [threading.Thread(target=self._worker) for _number in range(self._workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._error is not None:
            self._close_leftovers()
            raise self._error

    def _worker(self):
        while True:
            with self._lock:
                while not self._tasks and self._busy and self._error is None:
                    self._lock.wait()
                if self._error is not None or not self._tasks:
                    self._lock.notify_all()
                    return
                task, arguments = self._tasks.pop()
                self._busy += 1
            try:
                if self._cancelled():
                    raise AzlinError("rolled_back", "The run was told to stop while it copied.")
                task(*arguments)
            except Exception as error:  # handed to the caller's thread
                with self._lock:
                    self._error = self._error or error
            finally:
                with self._lock:
                    self._busy -= 1
                    self._lock.notify_all()

    def _close_leftovers(self):
        # After an error tasks are dropped; an open directory would keep its file system from being unmounted.
        for directory in self._open:
            os.close(directory.source)
            os.close(directory.target)
        self._open.clear()

    # Directories.

    def _list(self, directory):
        names = self._names(directory.source, directory)
        if self._remove:
            for name in self._names(directory.target, directory) - names:
                trees.remove_below(directory.target, name, self._device)
                self._changed(directory.below(name))
        with self._lock:
            directory.users += len(names)
        for name in names:
            self._put(self._entry, directory, name)
        self._leave(directory)

    def _names(self, handle, directory):
        return set(os.listdir(handle)).difference(self._exclude.get(directory.path, ()))

    def _enter(self, directory, name, status):
        source = trees.open_directory(name, directory.source)
        try:
            try:
                os.mkdir(name, 0o700, dir_fd=directory.target)
                self._changed(directory.below(name))
            except FileExistsError:
                pass
            target = trees.open_directory(name, directory.target)
        except BaseException:
            os.close(source)
            raise
        below = _Directory(directory.below(name), source, target, status, directory)
        with self._lock:
            directory.users += 1
            self._open.add(below)
        self._put(self._list, below)

    def _leave(self, directory):
        """One entry less to handle; the last one gives the directory its owner, mode and time."""
        while directory is not None:
            with self._lock:
                directory.users -= 1
                if directory.users:
                    return
            if _set_attributes(directory.target, directory.status):
                self._changed(directory.path or ".")
            with self._lock:
                self._open.discard(directory)
            os.close(directory.source)
            os.close(directory.target)
            directory = directory.parent

    # Entries.

    def _entry(self, directory, name):
        try:
            self._copy_entry(directory, name)
        except OSError as error:
            # Expected of the source, which its owner may change at any moment; anything else is a failure.
            if error.errno not in trees.GONE or error.filename != name:
                raise
            self._unstable(directory.below(name))
        self._leave(directory)

    def _copy_entry(self, directory, name):
        status = os.stat(name, dir_fd=directory.source, follow_symlinks=False)
        present = _status(directory.target, name)
        if present is not None and stat.S_IFMT(present.st_mode) != stat.S_IFMT(status.st_mode):
            trees.remove_below(directory.target, name, self._device)
            present = None
        if stat.S_ISDIR(status.st_mode):
            self._enter(directory, name, status)
        elif stat.S_ISLNK(status.st_mode):
            self._symlink(directory, name, status, present)
        elif stat.S_ISREG(status.st_mode):
            self._regular(directory, name, status, present)
        else:
            with self._lock:
                self._report.skipped.append(directory.below(name))

    def _symlink(self, directory, name, status, present):
        text = os.readlink(name, dir_fd=directory.source)
        if present is not None and os.readlink(name, dir_fd=directory.target) != text:
            os.unlink(name, dir_fd=directory.target)
            present = None
        if present is None:
            os.symlink(text, name, dir_fd=directory.target)
        elif (present.st_uid, present.st_gid) == (status.st_uid, status.st_gid):
            # Not every NFS server keeps the time of a link, so it cannot tell whether one changed.
            return
        os.chown(name, status.st_uid, status.st_gid, dir_fd=directory.target, follow_symlinks=False)
        times = (status.st_atime_ns, status.st_mtime_ns)
        os.utime(name, ns=times, dir_fd=directory.target, follow_symlinks=False)
        self._changed(directory.below(name))

    def _regular(self, directory, name, status, present):
        if status.st_nlink > 1:
            with self._lock:
                first = self._links.setdefault((status.st_dev, status.st_ino), directory.below(name))
                if first != directory.below(name):
                    self._later.append((first, directory.path, name, directory.status))
                    return
        with self._lock:
            self._report.files += 1
            self._report.bytes += status.st_size
        if present is not None and self._claimed(present, status):
            os.unlink(name, dir_fd=directory.target)
            present = None
        if present is not None and present.st_size == status.st_size and _same_time(present, status):
            self._repair_attributes(directory, name, status, present)
            return
        if present is not None:
            os.unlink(name, dir_fd=directory.target)
        self._content(directory, name)

    def _claimed(self, present, status):
        """Whether the file in the target already stands for another file of the source."""
        with self._lock:
            origin = (status.st_dev, status.st_ino)
            return self._claims.setdefault((present.st_dev, present.st_ino), origin) != origin

    def _repair_attributes(self, directory, name, status, present):
        if _owner_and_mode(status) != _owner_and_mode(present):
            target = os.open(name, _READ, dir_fd=directory.target)
            try:
                _set_attributes(target, status)
            finally:
                os.close(target)
            self._changed(directory.below(name))

    def _content(self, directory, name):
        source = os.open(name, _READ, dir_fd=directory.source)
        try:
            target = os.open(name, _CREATE, 0o600, dir_fd=directory.target)
            try:
                before = os.fstat(source)
                _copy_data(source, target, before)
                after = os.fstat(source)
                _set_attributes(target, after)
                if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
                    self._unstable(directory.below(name))
                    # The time of a file whose content may be torn must not match, so that the next pass takes it.
                    os.utime(target, ns=(0, 0))
            finally:
                os.close(target)
        finally:
            os.close(source)
        self._changed(directory.below(name))

    def _link_all(self, root):
        for first, path, name, status in self._later:
            with self._lock:
                self._report.files += 1
            self._link(root, first, path, name, status)

    def _link(self, root, first, path, name, status):
        first_path, _slash, first_name = first.rpartition("/")
        target = trees.open_below(root, path)
        origin = trees.open_below(root, first_path)
        try:
            wanted = _status(origin, first_name)
            if wanted is None:
                # The first name vanished while it was copied, which is on record already.
                return
            present = _status(target, name)
            if present is not None and (present.st_dev, present.st_ino) == (wanted.st_dev, wanted.st_ino):
                return
            if present is not None:
                os.unlink(name, dir_fd=target)
            os.link(first_name, name, src_dir_fd=origin, dst_dir_fd=target, follow_symlinks=False)
            _set_attributes(target, status)
            self._changed(f"{path}/{name}")
        finally:
            os.close(origin)
            os.close(target)

    def _changed(self, path):
        with self._lock:
            self._report.changes += 1
            if len(self._report.changed) < _EXAMPLES:
                self._report.changed.append(path)

    def _unstable(self, path):
        with self._lock:
            self._report.unstable.append(path)


def copy_until_same(source, target, passes=6, **options):
    """Repeat passes until one finds nothing to do, which proves the trees equal; return the first's Report.

    :raises AzlinError: ``copy_failed`` when the source changes faster than it can be copied.
    """
    first = report = Copier(source, target, **options).run()
    for _number in range(passes):
        if not report.changes and not report.unstable:
            return first
        report = Copier(source, target, **options).run()
    names = ", ".join((report.unstable + report.changed)[:_EXAMPLES])
    raise AzlinError(
        "copy_failed",
        f"{source} keeps changing while it is copied ({names}).",
        causes=[("a program of the user is writing", "log the user out or stop the program, and run again")],
    )


def _copy_data(source, target, status):
    if not status.st_size:
        return
    sparse = status.st_blocks * 512 < status.st_size
    for start, end in _extents(source, status.st_size):
        _copy_extent(source, target, start, end, sparse)
    os.ftruncate(target, status.st_size)


def _extents(handle, size):
    """Yield the (start, end) of data; all of the file where the file system does not tell holes."""
    position = 0
    while position < size:
        try:
            start = os.lseek(handle, position, os.SEEK_DATA)
            position = min(os.lseek(handle, start, os.SEEK_HOLE), size)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno != errno.EINVAL:
                raise
            start, position = position, size
        if start < position:
            yield start, position


def _copy_extent(source, target, start, end, sparse):
    """Copy a range. NFS 4.1 cannot tell where holes are, so zeros in a sparse file become holes again."""
    position = start
    while position < end:
        chunk = os.pread(source, min(_CHUNK, end - position), position)
        if not chunk:
            return
        for offset, data in _pieces(chunk) if sparse else ((0, chunk),):
            os.lseek(target, position + offset, os.SEEK_SET)
            write_all(target, data)
        position += len(chunk)


def _pieces(chunk):
    """Yield the runs of pages of a chunk that are not all zeros, as (offset, data)."""
    start = None
    for offset in range(0, len(chunk), _PAGE):
        page = chunk[offset : offset + _PAGE]
        if page == _ZEROS[: len(page)]:
            if start is not None:
                yield start, chunk[start:offset]
                start = None
        elif start is None:
            start = offset
    if start is not None:
        yield start, chunk[start:]


def _set_attributes(handle, status):
    """Give an open file or directory owner, mode and times of another; True if anything differed."""
    present = os.fstat(handle)
    differs = False
    if (present.st_uid, present.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(handle, status.st_uid, status.st_gid)
        differs = True
    # After the owner: a change of owner clears the set-id bits.
    if differs or stat.S_IMODE(present.st_mode) != stat.S_IMODE(status.st_mode):
        os.fchmod(handle, stat.S_IMODE(status.st_mode))
        differs = True
    if not _same_time(present, status):
        os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
        differs = True
    return differs


def _owner_and_mode(status):
    return status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)


def _same_time(one, other):
    return one.st_mtime_ns // _TIME_UNIT_NS == other.st_mtime_ns // _TIME_UNIT_NS


def _status(handle, name):
    try:
        return os.stat(name, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _sync_file_system(handle):
    if ctypes.CDLL(None, use_errno=True).syncfs(handle) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _raise_open_files_limit():
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
