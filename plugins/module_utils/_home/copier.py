# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one tree the same as another, many files at once.

Over NFS each file costs several round trips, so what counts is how few they are and how many are under way at the
same time. A new file costs OPEN, WRITE, SETATTR (times) and CLOSE: it is created by the identity of its owner and with
its mode, and nothing is asked about a name in a directory that this pass has made or listed. (A server that does not
report changes of directories atomically is asked for ACCESS as well.)

A file is created under its final name; its time is set last, so a half-written one never looks complete and
a run that was cut short is continued by running again.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
import time
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import files, trees
from ansible_collections.azlin.storage.plugins.module_utils._home.memory import SETTLING, Memory
from ansible_collections.azlin.storage.plugins.module_utils._home.pool import Pool

WORKERS = 64
# Names that a worker takes from a directory at a time.
_BATCH = 8
# Entries that are found unchanged before a worker looks at another directory.
_SCAN = 4096
# While one part of a file is copied the next one, of this size (bytes), is read already.
_PART = 8 << 20
# How many paths a report names.
_EXAMPLES = 5


@dataclass
class Report:
    """What one pass did. ``unstable`` are files that changed or vanished while they were copied.

    ``changed`` names some of what was different, ``changes`` counts all of it. ``tamed`` are programs that lost their
    set-id bits. ``memory`` is for the next pass.
    """

    files: int = 0
    bytes: int = 0
    changes: int = 0
    changed: list = field(default_factory=list)
    unstable: list = field(default_factory=list)
    skipped: list = field(default_factory=list)
    tamed: list = field(default_factory=list)
    memory: Memory = None


class _Directory(trees.Node):
    """A directory of both trees, open while any of its entries is still to be handled.

    ``handle`` is that of the source and None for a directory that only the target has, and which is removed.
    ``target`` is None as long as nothing had to be done there. ``names`` are those of the target that are not known
    to be in the source, or None where the source's are known to be the target's.
    """

    def __init__(self, handle, name="", parent=None, status=None, target=None, excluded=None):
        super().__init__(handle, name, parent, excluded)
        self.status = status
        self.target = target
        self.entries = None
        self.names = None
        self.known = False
        self.made = None
        # Users who may not make files here.
        self.refused = set()

    def close(self):
        """Close all that is open of it."""
        if self.entries is not None:
            self.entries.close()
        for handle in (self.handle, self.target):
            if handle is not None:
                os.close(handle)


class _File:
    """A file while it is copied.

    ``before`` is the status of the source and ``made`` that of the target, both when they were opened.
    """

    def __init__(self, directory, name, source):
        self.directory = directory
        self.name = name
        self.source = source
        self.target = None
        self.before = os.fstat(source)
        self.made = None

    def close(self):
        """Close both."""
        for handle in (self.source, self.target):
            if handle is not None:
                os.close(handle)


class Copier:
    """One pass that makes the tree ``target`` equal to ``source``.

    :param exclude: relative paths that are neither copied nor removed.
    :param remove: whether to remove from the target what the source does not have.
    :param cancelled: called now and then; True stops the pass.
    :param since: the ``memory`` of the pass before, after which nobody else changed the target. Then only what
        changed in the source is looked at in the target, and is copied whatever its size and time say.
    :param checksum: whether to read every file back and compare its SHA-256.
    :param progress: something with ``add(files, bytes)``.
    :param rights: (uid, gids) of the only user whose rights a program may give, and have set-id bits for; None: any.
    """

    def __init__(
        self,
        source,
        target,
        exclude=(),
        remove=True,
        workers=WORKERS,
        cancelled=lambda: False,
        since=None,
        checksum=False,
        progress=None,
        rights=None,
    ):
        self._roots = (source, target)
        self._excluded = trees.left_out(exclude)
        self._remove = remove
        self._workers = workers
        self._cancelled = cancelled
        self._since = since
        self._checksum = checksum
        self._progress = progress
        self._rights = rights
        self._report = Report()
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._pool = Pool(workers, cancelled)
        # (device, inode) of a source file with several names -> [directory, name, names so far] of its copy.
        self._links = {}
        # The same -> (directory, name) of one that has not changed.
        self._kept = {}
        # Directory -> further names of such files, made when all files are there: [(name, may exist, origin)].
        self._later = {}
        # (device, inode) of a target file with several names -> that of the source it was copied from.
        self._claims = {}
        self._open = set()
        self._device = None
        self._memory = None

    def run(self):
        """Do the pass and return its :class:`Report`."""
        trees.raise_open_files_limit()
        source, target = (trees.open_directory(root) for root in self._roots)
        umask = os.umask(0)
        try:
            self._device = os.fstat(target).st_dev
            self._remember(source, target)
            self._enter_root(source, target)
            self._work()
            self._prefer_kept()
            for directory, links in self._later.items():
                self._pool.push(self._link_all, target, directory, links)
            self._work()
            if self._report.changes:
                files.sync_file_system(target)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            os.umask(umask)
            os.close(source)
            os.close(target)
        self._report.memory = self._memory
        return self._report

    def _remember(self, source, target):
        if self._since is not None and not self._since.applies_to(target):
            self._since = None
        self._memory = Memory(source, target)
        # What a program writes to memory that it has mapped counts as a change only once per write-out.
        files.sync_file_system(source)

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

    def _work(self):
        try:
            self._pool.run()
        except Exception as error:
            # Tasks were dropped; an open directory would keep its file system from being unmounted.
            if not error.threads_hang:
                for opened in self._open:
                    opened.close()
            raise

    # Directories.

    def _enter_root(self, source, target):
        root = _Directory(os.dup(source), status=os.fstat(source), target=os.dup(target), excluded=self._excluded)
        self._opened(root)
        self._memory.add_directory(root.status, None, "")
        self._memory.settle(root.status)
        root.known = self._since is not None and self._since.knows(root.status, None, "")
        self._start(root, made=False)

    def _opened(self, directory):
        with self._lock:
            self._open.add(directory)

    def _enter(self, parent, name, exists):
        """Go on in a directory of the source. ``exists`` tells whether the target may have that name."""
        try:
            source = trees.open_directory(name, parent.handle)
        except OSError as error:
            if error.errno not in trees.GONE:
                raise
            self._unstable(parent, name)
            self._leave(parent)
            return
        directory = _Directory(source, name, parent, os.fstat(source))
        self._opened(directory)
        status = directory.status
        self._memory.add_directory(status, parent.status, name)
        self._memory.settle(status)
        made = False
        directory.known = parent.known and self._since.knows(status, parent.status, name)
        if not directory.known:
            made = self._provide(directory, exists)
        self._start(directory, made)

    def _start(self, directory, made):
        """Find out what the target has, unless it is known to be the same, and begin with the entries."""
        if directory.known and self._since.unchanged(directory.status):
            self._memory.carry(directory.status)
        elif made:
            directory.names = set()
        else:
            excluded = {name for name, what in directory.excluded.items() if what is True}
            directory.names = set(os.listdir(self._target(directory))) - excluded
        directory.entries = os.scandir(directory.handle)
        self._pool.go_on(self._go_on, directory)

    def _provide(self, directory, exists):
        """Open the directory in the target; make it if it is not there, and return whether that was so."""
        parent = self._target(directory.parent)
        if exists:
            present = trees.status_of(parent, directory.name)
            if present is not None and stat.S_ISDIR(present.st_mode):
                directory.target = trees.open_directory(directory.name, parent)
                return False
            if present is not None:
                trees.remove_below(parent, directory.name, self._device)
        mode = stat.S_IMODE(directory.status.st_mode) & 0o777 | 0o700
        self._as_owner(directory.parent, directory.status, os.mkdir, directory.name, mode, dir_fd=parent)
        # Opening it for no more than finding names spares asking for the permission to read it.
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        directory.target = os.open(directory.name, flags, dir_fd=parent)
        directory.made = os.fstat(directory.target)
        # Now rather than at the end: its owner can make what is in it.
        if (directory.made.st_uid, directory.made.st_gid) != (directory.status.st_uid, directory.status.st_gid):
            os.chown(_path_of(directory.target), directory.status.st_uid, directory.status.st_gid)
            directory.made = os.fstat(directory.target)
        self._changed(directory)
        return True

    def _target(self, directory):
        """The open directory in the target, which a pass after another one opens only if it has to."""
        if directory.target is None:
            # Another worker may have opened it, and those above it, by the time this one has the lock.
            with self._opening:
                missing = []
                above = directory
                while above.target is None:
                    missing.append(above)
                    above = above.parent
                for below in reversed(missing):
                    below.target = trees.open_directory(below.name, below.parent.target)
        return directory.target

    def _go_on(self, directory):
        """Take the next entries of a directory, let others have those after them, and copy them."""
        batch, ended = self._next_entries(directory)
        with self._lock:
            directory.users += 1
        if ended:
            directory.entries.close()
            self._remove_rest(directory)
            self._leave(directory)
        else:
            self._pool.go_on(self._go_on, directory)
        for name, exists in batch:
            self._pool.check()
            if directory.handle is None:
                os.unlink(name, dir_fd=directory.target)
            else:
                self._entry(directory, name, exists)
        self._leave(directory)

    def _next_entries(self, directory):
        """Return ([(name, may exist in the target)], whether these were the last); directories become new work."""
        batch = []
        for _number in range(_SCAN):
            entry = next(directory.entries, None)
            if entry is None:
                return batch, True
            name = entry.name
            if directory.excluded.get(name) is True:
                continue
            exists = directory.names is None or name in directory.names
            if directory.names is not None:
                directory.names.discard(name)
            if entry.is_dir(follow_symlinks=False):
                self._descend(directory, name, exists)
            elif not (directory.known and self._is_unchanged(directory, entry)):
                batch.append((name, exists))
                if len(batch) == _BATCH:
                    break
        return batch, False

    def _descend(self, directory, name, exists):
        with self._lock:
            directory.users += 1
        if directory.handle is None:
            self._pool.push(self._enter_doomed, directory, name)
        else:
            self._pool.push(self._enter, directory, name, exists)

    def _is_unchanged(self, directory, entry):
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            return False
        if not self._since.unchanged(status):
            return False
        self._memory.carry(status)
        if stat.S_ISREG(status.st_mode):
            self._count(status)
        if status.st_nlink > 1:
            self._kept.setdefault((status.st_dev, status.st_ino), (directory, entry.name))
        return True

    def _leave(self, directory):
        """One thing less to do below; the last one gives the directory its owner, mode and time."""
        while directory is not None:
            with self._lock:
                directory.users -= 1
                if directory.users:
                    return
                self._open.discard(directory)
            self._finish(directory)
            directory.close()
            if directory.handle is None:
                os.rmdir(directory.name, dir_fd=directory.parent.target)
            directory = directory.parent

    def _finish(self, directory):
        if directory.handle is None or directory.target is None:
            return
        where = _path_of(directory.target)
        if directory.made is not None:
            files.set_attributes(where, directory.made, directory.status, times=False)
            _set_times(where, directory.status)
        elif files.set_attributes(where, os.fstat(directory.target), directory.status):
            self._changed(directory)

    # Removal.

    def _remove_rest(self, directory):
        """Remove what the source does not have, each directory as work of its own."""
        if directory.handle is None or not self._remove:
            return
        for name in directory.names or ():
            self._changed(directory, name)
            try:
                os.unlink(name, dir_fd=directory.target)
            except (IsADirectoryError, PermissionError):
                # unlink(2) of a directory: EISDIR on Linux, EPERM in POSIX.
                self._descend_doomed(directory, name)

    def _descend_doomed(self, directory, name):
        with self._lock:
            directory.users += 1
        self._pool.push(self._enter_doomed, directory, name)

    def _enter_doomed(self, parent, name):
        directory = _Directory(None, name, parent, target=trees.open_directory(name, parent.target))
        self._opened(directory)
        trees.refuse_other(os.fstat(directory.target), name, self._device)
        directory.entries = os.scandir(directory.target)
        self._pool.go_on(self._go_on, directory)

    # Entries.

    def _entry(self, directory, name, exists):
        try:
            self._copy_entry(directory, name, exists)
        except OSError as error:
            # Expected of the source, which its owner may change at any moment; anything else is a failure.
            if error.errno not in trees.GONE or error.filename != name:
                raise
            self._unstable(directory, name)

    def _copy_entry(self, directory, name, exists):
        found = os.stat(name, dir_fd=directory.handle, follow_symlinks=False)
        status = self._tamed(found)
        if status is not found:
            self._note(self._report.tamed, trees.EXAMPLES, directory, name)
        present = trees.status_of(self._target(directory), name) if exists else None
        if present is not None and stat.S_IFMT(present.st_mode) != stat.S_IFMT(status.st_mode):
            trees.remove_below(directory.target, name, self._device)
            present = None
        if stat.S_ISDIR(status.st_mode):
            # A directory in the place of what was listed.
            self._descend(directory, name, present is not None)
            return
        if stat.S_ISLNK(status.st_mode):
            self._symlink(directory, name, status, present)
        elif stat.S_ISREG(status.st_mode):
            self._regular(directory, name, status, present)
            return
        else:
            self._note(self._report.skipped, trees.EXAMPLES, directory, name)
        self._memory.settle(status)

    def _symlink(self, directory, name, status, present):
        target = self._target(directory)
        text = os.readlink(name, dir_fd=directory.handle)
        if present is not None and os.readlink(name, dir_fd=target) != text:
            os.unlink(name, dir_fd=target)
            present = None
        if present is None:
            self._as_owner(directory, status, os.symlink, text, name, dir_fd=target)
            present = os.stat(name, dir_fd=target, follow_symlinks=False)
        elif (present.st_uid, present.st_gid) == (status.st_uid, status.st_gid):
            # Not every NFS server keeps the time of a link, so another one does not tell that something changed. A run
            # that was cut short may not have come to setting it.
            if present.st_mtime_ns != status.st_mtime_ns:
                _set_link_times(target, name, status)
            return
        if (present.st_uid, present.st_gid) != (status.st_uid, status.st_gid):
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        _set_link_times(target, name, status)
        self._changed(directory, name)

    def _regular(self, directory, name, status, present):
        if status.st_nlink > 1 and self._is_further_name(directory, name, status, present):
            self._memory.settle(status)
            return
        if present is not None and not self._replaceable(status, present):
            self._count(status)
            self._repair_attributes(directory, name, status, present)
            self._memory.settle(status)
            return
        if present is not None:
            os.unlink(name, dir_fd=directory.target)
        self._content(directory, name)

    def _is_further_name(self, directory, name, status, present):
        """Whether a file with several names is copied under another one; then this name is made at the end."""
        key = (status.st_dev, status.st_ino)
        with self._lock:
            origin = self._links.get(key)
            if origin is None or origin[2] == trees.MAX_LINKS:
                self._links[key] = [directory, name, 1]
                return False
            origin[2] += 1
            if status.st_nlink > trees.MAX_LINKS and present is not None and files.same_content(status, present):
                # Several copies, and which name belongs to which does not matter.
                return self._claims.get((present.st_dev, present.st_ino)) == key
            self._later.setdefault(directory, []).append((name, present is not None, origin))
            return True

    def _replaceable(self, status, present):
        """Whether a file of the target has to be copied anew."""
        if self._since is not None or not files.same_content(status, present):
            return True
        if status.st_nlink == 1:
            # Linked to something from which it is separate in the source.
            return present.st_nlink > 1
        with self._lock:
            origin = (status.st_dev, status.st_ino)
            return self._claims.setdefault((present.st_dev, present.st_ino), origin) != origin

    def _repair_attributes(self, directory, name, status, present):
        if self._checksum and not self._same_bytes(directory, name):
            os.unlink(name, dir_fd=directory.target)
            self._content(directory, name)
            return
        if files.same_attributes(status, present):
            return
        target = files.open_to_read(name, directory.target)
        try:
            files.set_attributes(target, present, status)
        finally:
            os.close(target)
        self._changed(directory, name)

    # Content.

    def _content(self, directory, name):
        file = _File(directory, name, files.open_to_read(name, directory.handle))
        try:
            if not stat.S_ISREG(file.before.st_mode):
                self._unstable(directory, name)
                return
            self._create(file)
            self._copy_parts(file)
            self._complete(file)
        finally:
            file.close()

    def _create(self, file):
        mode = stat.S_IMODE(file.before.st_mode) & 0o777
        target = self._target(file.directory)
        file.target = self._as_owner(file.directory, file.before, files.create, file.name, mode, target)
        file.made = os.fstat(file.target)
        if not files.is_new(file.made):
            raise AzlinError(
                "copy_failed",
                f"{self._target_path(file)} was made by somebody else during the copy.",
                causes=[
                    ("another host uses the share", "detach it there, or let this host adopt what the share holds")
                ],
            )

    def _copy_parts(self, file):
        size, sparse = file.before.st_size, files.is_sparse(file.before)
        if size > files.CHUNK:
            files.read_ahead(file.source, 0, _PART)
        for start in range(0, size, _PART):
            end = min(start + _PART, size)
            if end < size:
                files.read_ahead(file.source, end, _PART)
            files.copy_range(file.source, file.target, start, end, sparse, self._pool.check)
            self._tell(0, end - start)

    def _target_path(self, file):
        return os.path.join(self._roots[1], file.directory.path(file.name))

    def _complete(self, file):
        """Give a written file its length, owner, mode and time, in this order, and look whether it has them."""
        before, target = file.before, file.target
        if files.is_sparse(before):
            os.ftruncate(target, before.st_size)
        after = self._tamed(os.fstat(file.source))
        files.set_attributes(target, file.made, after, times=False)
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            self._unstable(file.directory, file.name)
            # The time of a file whose content may be torn must not match, so that the next pass takes it.
            os.utime(target, ns=(0, 0))
        else:
            _set_times(target, after)
            self._prove(file, after)
            if before.st_ctime_ns == after.st_ctime_ns:
                self._memory.settle(after)
        self._count(after, told=True)
        self._changed(file.directory, file.name)

    def _prove(self, file, wanted):
        present = os.fstat(file.target)
        whole = files.same_content(wanted, present) and files.same_attributes(wanted, present)
        if whole and self._checksum:
            files.forget_pages(file.target)
            whole = self._same_bytes(file.directory, file.name)
        if not whole:
            raise AzlinError(
                "verify_failed",
                f"{self._target_path(file)} is not what was written to it.",
                causes=[
                    ("the share maps users to others (squash)", "use a share with root_squash NoRootSquash"),
                    ("another host writes to the share", "detach it there and run again"),
                ],
            )

    def _same_bytes(self, directory, name):
        handles = []
        try:
            for place in (directory.handle, directory.target):
                handles.append(files.open_to_read(name, place))
            size = os.fstat(handles[0]).st_size
            one, other = (files.digest(handle, size, self._pool.check) for handle in handles)
            return one == other
        finally:
            for handle in handles:
                os.close(handle)

    # Hard links.

    def _prefer_kept(self):
        """A file that lies unchanged in one place and in a directory that was moved was copied from the latter."""
        for key in self._kept.keys() & self._links.keys():
            origin = self._links[key]
            self._later.setdefault(origin[0], []).append((origin[1], True, origin))
            origin[:2] = self._kept[key]

    def _link_all(self, root, directory, links):
        """Make the further names in one directory."""
        target = trees.open_below(root, _relative(directory))
        place = place_of = None
        try:
            for name, exists, origin in links:
                self._pool.check()
                if place_of is not origin[0]:
                    if place is not None:
                        os.close(place)
                    place, place_of = None, origin[0]
                    place = trees.open_below(root, _relative(place_of))
                self._link(place, origin[1], target, name, exists, directory)
            files.set_attributes(target, os.fstat(target), directory.status)
        finally:
            for handle in (target, place):
                if handle is not None:
                    os.close(handle)

    def _link(self, place, first, target, name, exists, directory):
        with self._lock:
            self._report.files += 1
        self._tell(1, 0)
        if exists:
            wanted, present = trees.status_of(place, first), trees.status_of(target, name)
            if present is not None and wanted is not None and os.path.samestat(present, wanted):
                return
            if present is not None:
                os.unlink(name, dir_fd=target)
        try:
            os.link(first, name, src_dir_fd=place, dst_dir_fd=target, follow_symlinks=False)
        except FileNotFoundError:
            # The first name vanished while it was copied, which is on record already.
            return
        self._changed(directory, name)

    # Small things.

    def _tamed(self, status):
        """The status that the copy of a file is to have."""
        if self._rights is None or not stat.S_ISREG(status.st_mode):
            return status
        uid, gids = self._rights
        foreign = (status.st_uid != uid) * stat.S_ISUID | (status.st_gid not in gids) * stat.S_ISGID
        return files.without_set_id(status) if status.st_mode & foreign else status

    def _as_owner(self, directory, status, function, *arguments, **options):
        """Make something as the user it is to belong to, or, where that user may not, as root."""
        if status.st_uid and status.st_uid not in directory.refused:
            try:
                with files.acting_as(status.st_uid, status.st_gid):
                    return function(*arguments, **options)
            except PermissionError:
                directory.refused.add(status.st_uid)
        return function(*arguments, **options)

    def _count(self, status, told=False):
        """Count a file, the bytes of which are ``told`` already where they were copied."""
        with self._lock:
            self._report.files += 1
            self._report.bytes += status.st_size
        self._tell(1, 0 if told else status.st_size)

    def _tell(self, count, size):
        if self._progress is not None:
            self._progress.add(count, size)

    def _changed(self, directory, *name):
        with self._lock:
            self._report.changes += 1
        self._note(self._report.changed, _EXAMPLES, directory, *name)

    def _unstable(self, directory, *name):
        self._note(self._report.unstable, trees.EXAMPLES, directory, *name)

    def _note(self, paths, most, directory, *name):
        # Only then, for the path of what lies deep is long.
        if len(paths) < most:
            with self._lock:
                paths.append(directory.path(*name))


def copy_until_same(source, target, passes=6, since=None, **options):
    """Repeat passes until one finds nothing to do, which proves the trees equal; return the first's Report.

    :raises AzlinError: ``copy_failed`` when the source changes faster than it can be copied.
    """
    first = report = Copier(source, target, since=since, **options).run()
    for _number in range(passes):
        if not report.changes and not report.unstable:
            return first
        # Passes take milliseconds where little has changed, and all of them would find the same file too young.
        time.sleep(SETTLING)
        report = Copier(source, target, since=report.memory, **options).run()
    names = ", ".join((report.unstable + report.changed)[:_EXAMPLES])
    raise AzlinError(
        "copy_failed",
        f"{source} keeps changing while it is copied ({names}).",
        causes=[("a program of the user is writing", "log the user out or stop the program, and run again")],
    )


def _relative(directory):
    return directory.path() if directory.parent is not None else ""


def _path_of(handle):
    return f"/proc/self/fd/{handle}"


def _set_times(where, status):
    os.utime(where, ns=(status.st_atime_ns, status.st_mtime_ns))


def _set_link_times(directory, name, status):
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=directory, follow_symlinks=False)
