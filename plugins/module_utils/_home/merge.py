# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging the home of a host into a share that has content of its own.

What the share lacks is copied, what is the same on both is left, and what differs goes by a policy. Nothing of the
share is ever removed or written over: a name is taken by a link, which fails where there is one already. What this
host has put there itself is on record, so that a later pass, or a run after a crash, may bring it up to date.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import folder, keys, trees
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import fsync_dir, write_all

FAIL, KEEP_SHARE, KEEP_HOME = "fail", "keep_share", "keep_home"
# Keys of all hosts are wanted, whatever the policy: they are added line by line elsewhere.
_KEYS = f"{keys.DIRECTORY}/{keys.FILE}"
# Below our folder on the share: files that are not yet whole.
_UNFINISHED = "merge"
_REPLACED = "azlin-replaced"
_WORKERS = 16
_PASSES = 6
_EXAMPLES = 10
_CHUNK = 1 << 20
# How many files are handed to the workers at a time.
_BATCH = 1024
# Azure Files keeps times in units of 100 ns.
_TIME_UNIT_NS = 100
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass
class Plan:
    """What a merge would do. Paths are relative, parents before what lies in them."""

    directories: list = field(default_factory=list)
    files: list = field(default_factory=list)
    symlinks: list = field(default_factory=list)
    # (path, why) of what differs on the share and is not this host's own.
    conflicts: list = field(default_factory=list)
    # Paths that this host put on the share and that changed in the home since.
    outdated: list = field(default_factory=list)
    # Pairs of files of one size whose times differ: only their content tells.
    unclear: list = field(default_factory=list)
    # Directories of this host's own, whose attributes an earlier pass may not have come to.
    present: list = field(default_factory=list)
    same: int = 0
    size: int = 0

    @property
    def names(self):
        """How many names the share would gain."""
        return len(self.directories) + len(self.files) + len(self.symlinks)

    @property
    def done(self):
        """Whether there is nothing left to do."""
        return not (self.names or self.outdated)


@dataclass
class Report:
    """What a merge did. ``kept`` are conflicts in which the share's version stayed, ``replaced`` new names of those in
    which it had to make way."""

    files: int = 0
    bytes: int = 0
    same: int = 0
    kept: list = field(default_factory=list)
    replaced: list = field(default_factory=list)


class Placed:
    """What this host has put on a share: path -> [size, time in 100 ns], target of a link, or "directory".

    Kept on the host, a line for each, so that a run after a crash knows it. A line that is lost makes a conflict of
    what was the host's own, and harms nothing else.
    """

    def __init__(self, path, source):
        self._path = path
        self._lock = threading.Lock()
        self.known = self._load(source)
        # Only what this process placed may it take back.
        self.fresh = set()
        mode = "a" if self.known else "w"
        # Closed by close(), after many threads have written to it.
        self._stream = open(path, mode, encoding="ascii")  # noqa: SIM115
        if not self.known:
            self._write([None, source])

    def add(self, path, what):
        """Note what was put at a path."""
        with self._lock:
            self.known[path] = what
            self.fresh.add(path)
            self._write([path, what])

    def close(self):
        """Stop writing."""
        self._stream.close()

    def _write(self, entry):
        self._stream.write(json.dumps(entry) + "\n")
        self._stream.flush()

    def _load(self, source):
        try:
            with open(self._path, encoding="ascii", errors="replace") as stream:
                lines = stream.read().splitlines()
        except FileNotFoundError:
            return {}
        entries = list(filter(None, map(_entry, lines)))
        if not entries or entries[0] != [None, source]:
            return {}
        return dict(entries[1:])


def forget(path):
    """Remove the record of what was placed: a merge that counts is not gone on with."""
    with suppress(FileNotFoundError):
        os.unlink(path)
        fsync_dir(os.path.dirname(path))


class Merge:
    """The merge of a home into a mounted share.

    :param placed: the :class:`Placed` of this home.
    :param policy: FAIL, KEEP_SHARE or KEEP_HOME.
    :param exclude: relative paths of the home that stay where they are.
    :param cancelled: called now and then; it raises, or returns True, to stop the merge.
    """

    def __init__(self, share, user, policy, placed, exclude=(), cancelled=lambda: False):
        self._share = share
        self._user = user
        self._policy = policy
        self._placed = placed
        self._left_out = {*folder.OURS, *exclude}
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self.report = Report()

    def close(self):
        """Stop writing to the record of what was placed."""
        self._placed.close()

    def plan(self, home):
        """Compare a home with the share and return the :class:`Plan`; nothing is changed."""
        plan = Plan()
        with _open(home) as source, _open(self._share) as target:
            self._compare(source, target, "", plan)
            self._settle(source, target, plan)
        return plan

    def check(self, plan):
        """Fail when the policy does not allow the conflicts of a plan."""
        # By its keys others come in, also while it is not known whether this ends well.
        door = next((why for path, why in plan.conflicts if path == keys.DIRECTORY), None)
        if self._policy == KEEP_HOME and door:
            raise AzlinError(
                "merge_conflict",
                f"{keys.DIRECTORY} differs ({door}). To replace the share's would lock out whoever has a key there.",
                causes=[("one of the two is a link", "make both directories, or run with merge_conflicts: keep_share")],
            )
        if self._policy != FAIL or not plan.conflicts:
            return
        shown = "; ".join(f"{path} ({why})" for path, why in plan.conflicts[:_EXAMPLES])
        raise AzlinError(
            "merge_conflict",
            f"{len(plan.conflicts)} names differ between the home and the share: {shown}. Nothing was changed.",
            causes=[
                ("the share's versions count", "run with merge_conflicts: keep_share"),
                ("this host's versions count", "run with merge_conflicts: keep_home, which renames those of the share"),
                ("neither", "make them the same, or rename one of each, then run again"),
            ],
        )

    def run(self, home, plan):
        """Carry a plan out."""
        try:
            with _open(home) as source, _open(self._share) as target, self._unfinished() as unfinished:
                self._make_way(target, plan)
                for path in plan.directories:
                    self._make_directory(target, path)
                self._each(lambda path: self._symlink(source, target, path), plan.symlinks)
                self._copy(source, target, unfinished, plan.files)
                self._finish_directories(source, target, plan)
        except OSError as error:
            raise self._failed(home, error) from error
        self.report.same = self.report.same or plan.same
        if self._policy == KEEP_SHARE:
            self.report.kept = [path for path, _why in plan.conflicts]

    def finish(self, home):
        """Merge what changed since the first pass, until nothing does.

        :raises AzlinError: ``copy_failed`` when the home keeps changing.
        """
        self._drop_vanished(home)
        for _number in range(_PASSES):
            plan = self.plan(home)
            self.check(plan)
            self.run(home, plan)
            if plan.done:
                return
        raise AzlinError(
            "copy_failed",
            f"{home} keeps changing while it is merged into the share.",
            causes=[("a program of the user is writing", "log the user out or stop the program, and run again")],
        )

    def _failed(self, home, error):
        what = f"{home} could not be merged into the share: {error}."
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return AzlinError("no_space", what, causes=[("the share is full", "make it larger or free space")])
        return AzlinError("copy_failed", what, causes=[("the server broke off", "run again: what is merged stays")])

    # Comparing.

    def _compare(self, source, target, path, plan):
        """Walk a directory of the home beside that of the share, which is None where the share lacks it."""
        self._check_cancelled()
        theirs = {} if target is None else _statuses(target)
        for name, status in sorted(_statuses(source).items()):
            below = f"{path}/{name}" if path else name
            if below in self._left_out:
                continue
            if below == _KEYS and name in theirs:
                plan.same += 1
                continue
            self._judge(source, target, name, below, status, theirs.get(name), plan)

    def _judge(self, source, target, name, path, status, present, plan):
        if stat.S_IFMT(status.st_mode) not in (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK):
            return
        if stat.S_ISDIR(status.st_mode) and present is not None and stat.S_ISDIR(present.st_mode):
            if self._placed.known.get(path) == "directory":
                plan.present.append(path)
            with _below(target, name) as inner_target:
                self._descend(source, name, inner_target, path, plan)
            return
        if present is None:
            self._missing(source, name, path, status, plan)
            return
        why = _difference(source, target, name, status, present)
        if why is None:
            plan.same += 1
        elif self._own(target, name, path, present):
            plan.outdated.append(path)
            self._missing(source, name, path, status, plan)
        elif why == "content":
            plan.unclear.append((path, status))
        else:
            self._conflict(source, name, path, status, why, plan)

    def _descend(self, source, name, inner_target, path, plan):
        try:
            inner = trees.open_directory(name, source)
        except OSError as error:
            # Its owner may remove or replace it at any moment; the last pass finds it at rest.
            if error.errno not in trees.GONE:
                raise
            return
        try:
            self._compare(inner, inner_target, path, plan)
        finally:
            os.close(inner)

    def _missing(self, source, name, path, status, plan):
        if stat.S_ISDIR(status.st_mode):
            plan.directories.append(path)
            self._descend(source, name, None, path, plan)
        elif stat.S_ISREG(status.st_mode):
            plan.files.append((path, (status.st_dev, status.st_ino) if status.st_nlink > 1 else None))
            plan.size += min(status.st_size, status.st_blocks * 512)
        elif stat.S_ISLNK(status.st_mode):
            plan.symlinks.append(path)

    def _conflict(self, source, name, path, status, why, plan):
        plan.conflicts.append((path, why))
        if self._policy == KEEP_HOME:
            self._missing(source, name, path, status, plan)

    def _settle(self, source, target, plan):
        """Read what only its content can tell apart."""
        unclear, plan.unclear = plan.unclear, []
        equal = self._each(lambda one: _same_content(source, target, one[0]), unclear)
        for (path, status), same in zip(unclear, equal):
            if same:
                plan.same += 1
                continue
            directory, _slash, name = path.rpartition("/")
            with _below(source, directory) as parent:
                self._conflict(parent, name, path, status, "their content differs", plan)

    def _own(self, target, name, path, present):
        """Whether what the share has at a path is what this host has put there, unchanged since."""
        known = self._placed.known.get(path)
        if stat.S_ISREG(present.st_mode):
            return known == _stamp(present)
        return stat.S_ISLNK(present.st_mode) and known == os.readlink(name, dir_fd=target)

    # Acting.

    def _each(self, function, items):
        """Return the results of a function for all items, many at a time; the first error counts."""

        def guarded(item):
            self._check_cancelled()
            return function(item)

        results = []
        # Threads of its own for each use: they take the ids that count on the share from the one that starts them.
        with ThreadPoolExecutor(_WORKERS) as pool:
            for start in range(0, len(items), _BATCH):
                results.extend(pool.map(guarded, items[start : start + _BATCH]))
        return results

    def _check_cancelled(self):
        if self._cancelled():
            raise AzlinError("rolled_back", "The run was told to stop while it merged.")

    def _unfinished(self):
        """Our folder for files that are not yet whole, emptied of what a run that was cut short left there."""
        with folder.opened(self._share, self._user, _UNFINISHED) as directory, os.scandir(directory) as entries:
            for entry in entries:
                os.unlink(f"{directory}/{entry.name}")
        return folder.present(self._share, _UNFINISHED)

    def _make_way(self, target, plan):
        if self._policy == KEEP_HOME:
            for path, _why in plan.conflicts:
                self._set_aside(target, path)
        for path in plan.outdated:
            self._take_back(target, path)

    def _set_aside(self, target, path):
        directory, _slash, name = path.rpartition("/")
        with _below(target, directory) as parent:
            new = f"{name}.{_REPLACED}"
            number = 0
            while trees.status_of(parent, new) is not None:
                number += 1
                new = f"{name}.{_REPLACED}.{number}"
            os.rename(name, new, src_dir_fd=parent, dst_dir_fd=parent)
            os.fsync(parent)
        self.report.replaced.append(f"{directory}/{new}" if directory else new)

    def _take_back(self, target, path):
        """Remove what this host put on the share and what is out of date."""
        directory, _slash, name = path.rpartition("/")
        with _below(target, directory) as parent:
            present = trees.status_of(parent, name)
            if present is not None and self._own(parent, name, path, present):
                os.unlink(name, dir_fd=parent)

    def _make_directory(self, target, path):
        directory, _slash, name = path.rpartition("/")
        with _below(target, directory) as parent:
            self._placed.add(path, "directory")
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)

    def _finish_directories(self, source, target, plan):
        """Give the directories that were made owner, mode and times, what lies deepest first."""
        for path in sorted(plan.directories + plan.present, reverse=True):
            gone = suppress(FileNotFoundError, NotADirectoryError)
            with gone, _below(source, path) as origin, _below(target, path) as handle:
                _take_attributes(handle, os.fstat(origin))
        os.fsync(target)

    def _symlink(self, source, target, path):
        directory, _slash, name = path.rpartition("/")
        try:
            with _below(source, directory) as origin:
                text, status = os.readlink(name, dir_fd=origin), trees.status_of(origin, name)
        except OSError as error:
            if error.errno in (*trees.GONE, errno.EINVAL):
                return
            raise
        with _below(target, directory) as parent:
            self._placed.add(path, text)
            with suppress(FileExistsError):
                os.symlink(text, name, dir_fd=parent)
                os.chown(name, status.st_uid, status.st_gid, dir_fd=parent, follow_symlinks=False)
                os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _copy(self, source, target, unfinished, files):
        first, further, names = {}, [], Counter()
        for path, inode in files:
            # One with more names than the share allows becomes several.
            key = path if inode is None else (inode, names[inode] // trees.MAX_LINKS)
            names[inode] += 1
            if key in first:
                further.append((first[key], path))
            else:
                first[key] = path
        self._each(lambda path: self._file(source, target, unfinished, path), list(first.values()))
        for origin, path in further:
            self._link(target, origin, path)

    def _file(self, source, target, unfinished, path):
        """Copy a file beside the tree, then take its name by a link, which never replaces anything."""
        directory, _slash, name = path.rpartition("/")
        temporary = str(threading.get_ident())
        try:
            with _below(source, directory) as parent:
                origin = os.open(name, _READ, dir_fd=parent)
        except OSError as error:
            if error.errno in trees.GONE:
                return
            raise
        try:
            status = _copy_whole(origin, unfinished, temporary)
            if status is not None:
                self._take_name(unfinished, temporary, target, path, status)
        finally:
            os.close(origin)
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=unfinished)

    def _take_name(self, unfinished, temporary, target, path, status):
        directory, _slash, name = path.rpartition("/")
        # Somebody on another host may have taken the name; the next pass finds that out.
        with _below(target, directory) as parent, suppress(FileExistsError):
            self._placed.add(path, _stamp(status))
            os.link(temporary, name, src_dir_fd=unfinished, dst_dir_fd=parent, follow_symlinks=False)
            with self._lock:
                self.report.files += 1
                self.report.bytes += status.st_size

    def _link(self, target, origin, path):
        """Give a file that was copied its further name; the next pass sees to a first name that vanished."""
        origin_directory, _slash, origin_name = origin.rpartition("/")
        directory, _slash, name = path.rpartition("/")
        with _below(target, origin_directory) as first, _below(target, directory) as parent:
            status = trees.status_of(first, origin_name)
            if status is None:
                return
            self._placed.add(path, _stamp(status))
            with suppress(FileExistsError):
                os.link(origin_name, name, src_dir_fd=first, dst_dir_fd=parent, follow_symlinks=False)
                self.report.files += 1

    def _drop_vanished(self, home):
        """Take back what this process put on the share and what the home has no more; directories when empty."""
        with _open(home) as source, _open(self._share) as target:
            for path in sorted(self._placed.fresh, reverse=True):
                if _exists(source, path):
                    continue
                if self._placed.known[path] == "directory":
                    _remove_if_empty(target, path)
                else:
                    self._take_back(target, path)


@contextmanager
def _open(path):
    handle = trees.open_directory(path)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _below(root, path):
    handle = trees.open_below(root, path)
    try:
        yield handle
    finally:
        os.close(handle)


def _entry(line):
    """A line of the record as a list of two; None for one that a crash cut off."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, list) and len(entry) == 2 else None


def _statuses(handle):
    """Return {name: lstat} of an open directory; names that vanish meanwhile are left out."""
    found = {}
    with os.scandir(handle) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found[entry.name] = entry.stat(follow_symlinks=False)
    return found


def _exists(root, path):
    directory, _slash, name = path.rpartition("/")
    try:
        with _below(root, directory) as parent:
            return trees.status_of(parent, name) is not None
    except OSError as error:
        if error.errno in trees.GONE:
            return False
        raise


def _remove_if_empty(root, path):
    directory, _slash, name = path.rpartition("/")
    with suppress(OSError), _below(root, directory) as parent:
        os.rmdir(name, dir_fd=parent)


def _stamp(status):
    """What tells one version of a file from another."""
    return [status.st_size, status.st_mtime_ns // _TIME_UNIT_NS]


def _difference(source, target, name, status, present):
    """Why two entries of one name differ, ``content`` when that has to be read, None when they are the same."""
    here, there = trees.type_name(status.st_mode), trees.type_name(present.st_mode)
    if here != there:
        return f"{here} here, {there} on the share"
    if stat.S_ISLNK(status.st_mode):
        same = os.readlink(name, dir_fd=source) == os.readlink(name, dir_fd=target)
        return None if same else "their targets differ"
    if status.st_size != present.st_size:
        return "their sizes differ"
    return None if _stamp(status) == _stamp(present) else "content"


def _same_content(source, target, path):
    directory, _slash, name = path.rpartition("/")
    handles = []
    try:
        for root in (source, target):
            with _below(root, directory) as parent:
                handles.append(os.open(name, _READ, dir_fd=parent))
        position = 0
        while True:
            one, other = (os.pread(handle, _CHUNK, position) for handle in handles)
            if one != other:
                return False
            if not one:
                return True
            position += len(one)
    finally:
        for handle in handles:
            os.close(handle)


def _copy_whole(origin, directory, name):
    """Copy an open file, durably; return its status, None when it changed meanwhile (or is no file any more)."""
    before = os.fstat(origin)
    if not stat.S_ISREG(before.st_mode):
        return None
    target = os.open(name, _CREATE, 0o600, dir_fd=directory)
    try:
        _copy_data(origin, target, before)
        _take_attributes(target, before)
        os.fsync(target)
    finally:
        os.close(target)
    after = os.fstat(origin)
    return before if _stamp(before) == _stamp(after) else None


def _copy_data(origin, target, status):
    """NFS 4.1 cannot tell where holes are, so zeros of a file that has holes become holes again."""
    sparse = status.st_blocks * 512 < status.st_size
    position = 0
    while position < status.st_size:
        chunk = os.pread(origin, _CHUNK, position)
        if not chunk:
            break
        if not sparse or chunk.count(0) != len(chunk):
            os.lseek(target, position, os.SEEK_SET)
            write_all(target, chunk)
        position += len(chunk)
    os.ftruncate(target, status.st_size)


def _take_attributes(handle, status):
    present = os.fstat(handle)
    if (present.st_uid, present.st_gid) != (status.st_uid, status.st_gid):
        os.fchown(handle, status.st_uid, status.st_gid)
    os.fchmod(handle, stat.S_IMODE(status.st_mode))
    os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
