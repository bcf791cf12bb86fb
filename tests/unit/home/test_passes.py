# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes of the copier that look only at what changed since the one before: whatever happens in between."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import tempfile
import threading
import time
import types

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._home import (
    copier,
    exchange,
    files,
    manifest,
    memory,
    trees,
)

from .world import populate, read, write

# Long enough for the kernel's tick, short enough for passes that follow each other at once to differ.
SHORT_MARGIN = 20 * 10**6


@pytest.fixture
def place():
    """Two directories on a disk: the passes do not rely on change times of a tmpfs, which /tmp may be."""
    path = tempfile.mkdtemp(prefix="azlin-passes-", dir="/var/tmp")
    os.mkdir(os.path.join(path, "target"))
    populate(os.path.join(path, "source"))
    yield os.path.join(path, "source"), os.path.join(path, "target")
    shutil.rmtree(path)


def differences(source, target):
    return manifest.compare(manifest.build(source, digest=True), manifest.build(target, digest=True))


def settled(source, target, **options):
    """Pass after pass until one finds nothing; return its memory."""
    report = copier.Copier(source, target, **options).run()
    while report.changes:
        report = copier.Copier(source, target, since=report.memory, **options).run()
    return report.memory


def everything(source):
    """(directories, files, links) of a tree, as paths."""
    directories, files, links = [], [], []
    for top, names, others in os.walk(source):
        for name in names + others:
            path = os.path.join(top, name)
            kind = links if os.path.islink(path) else directories if os.path.isdir(path) else files
            kind.append(path)
    return directories, files, links


class Mutator:
    """Does to a tree what users and programs do, and what nobody does."""

    def __init__(self, source, seed):
        self.source = source
        self.random = random.Random(seed)
        self.number = 0

    def mutate(self):
        action = self.random.choice([name for name in dir(self) if name.startswith("do_")])
        self.directories, self.files, self.links = everything(self.source)
        try:
            getattr(self, action)()
        except (IndexError, ValueError, OSError):
            # Nothing left to do it to, or a directory into itself.
            return

    def file(self):
        return self.random.choice(self.files)

    def directory(self):
        return self.random.choice(self.directories)

    def new(self):
        self.number += 1
        return os.path.join(self.random.choice([self.source, *self.directories]), f"new{self.number}")

    def do_write(self):
        with open(self.new(), "w", encoding="utf-8") as stream:
            stream.write("x" * self.random.randrange(9000))

    def do_change_without_a_trace_in_size_and_time(self):
        path = self.file()
        before = os.stat(path)
        with open(path, "r+b") as stream:
            stream.write(self.random.randbytes(min(before.st_size, 100)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def do_append(self):
        with open(self.file(), "ab") as stream:
            stream.write(b"more")

    def do_chmod(self):
        os.chmod(self.random.choice(self.files + self.directories), self.random.choice([0o600, 0o755, 0o4711, 0o2750]))

    def do_chown(self):
        path = self.random.choice(self.files + self.directories + self.links)
        os.lchown(path, self.random.randrange(3), self.random.randrange(3))

    def do_touch(self):
        moment = self.random.randrange(10**18)
        os.utime(self.random.choice(self.files + self.directories), ns=(moment, moment))

    def do_rename_file(self):
        os.rename(self.file(), self.new())

    def do_rename_file_over_another(self):
        os.rename(self.file(), self.file())

    def do_rename_directory(self):
        os.rename(self.directory(), self.new())

    def do_swap(self):
        one, other = self.random.sample(self.random.choice([self.files, self.directories]), 2)
        if not (one + "/").startswith(other + "/") and not (other + "/").startswith(one + "/"):
            exchange.exchange(one, other)

    def do_link(self):
        os.link(self.file(), self.new())

    def do_unlink(self):
        os.unlink(self.random.choice(self.files + self.links))

    def do_remove_directory(self):
        shutil.rmtree(self.directory())

    def do_directory_for_file(self):
        path = self.file()
        os.unlink(path)
        os.mkdir(path)
        with open(os.path.join(path, "inner"), "w", encoding="utf-8") as stream:
            stream.write("where a file was")

    def do_file_for_directory(self):
        path = self.directory()
        shutil.rmtree(path)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write("where a directory was")

    def do_symlink_for_file(self):
        path = self.file()
        os.unlink(path)
        os.symlink("somewhere", path)

    def do_file_for_symlink(self):
        path = self.random.choice(self.links)
        os.unlink(path)
        shutil.copy2(self.file(), path)

    def do_other_symlink(self):
        path = self.random.choice(self.links)
        os.unlink(path)
        os.symlink(f"elsewhere{self.number}", path)

    def do_copy_with_times(self):
        shutil.copy2(self.file(), self.new())

    def do_copy_directory_with_times(self):
        origin, copy = self.directory(), self.new()
        if not copy.startswith(origin + "/"):
            shutil.copytree(origin, copy, symlinks=True)

    def do_new_directory_in_the_place_of_another(self):
        path = self.directory()
        os.rename(path, path + "-before")
        os.mkdir(path)
        for name in os.listdir(path + "-before")[::2]:
            os.rename(os.path.join(path + "-before", name), os.path.join(path, name))


@pytest.mark.parametrize("margin", [SHORT_MARGIN, memory._MARGIN])
@pytest.mark.parametrize("seed", range(10))
def test_passes_take_over_whatever_happens_in_between(place, seed, margin, monkeypatch):
    monkeypatch.setattr(memory, "_MARGIN", margin)
    mutator = Mutator(place[0], seed)
    report = copier.Copier(*place).run()
    for _round in range(5):
        for _number in range(mutator.random.randrange(1, 12)):
            mutator.mutate()
        report = copier.Copier(*place, since=report.memory).run()
        assert differences(*place) == []
        assert not report.unstable


def test_what_has_not_changed_is_not_looked_at(place):
    source, target = place
    since = settled(source, target)
    write(target, ".bashrc", "only a full comparison would see this")
    os.unlink(os.path.join(target, "secret"))
    write(source, "src/package1/module1.py", "changed")
    report = copier.Copier(source, target, since=since).run()
    # The root is among them because the test has changed it in the target.
    assert report.changed == ["src/package1/module1.py", "src/package1", "."]
    assert read(target, "src/package1/module1.py") == b"changed"
    assert read(target, ".bashrc") == b"only a full comparison would see this"
    assert {line.split(":")[0] for line in differences(source, target)} == {".bashrc", "secret"}
    assert copier.Copier(source, target).run().changes > 0
    assert differences(source, target) == []


class Meeting:
    """A lock that admits nobody before two have come."""

    def __init__(self):
        self.lock = threading.Lock()
        self.barrier = threading.Barrier(2, timeout=60)

    def __enter__(self):
        self.barrier.wait()
        self.lock.acquire()

    def __exit__(self, *_error):
        self.lock.release()


def test_two_workers_may_want_the_same_directory_of_the_target_at_once(place):
    source, target = place
    # More than one worker takes at once.
    names = [f"many/{number}" for number in range(copier._BATCH + 1)]
    for name in names:
        write(source, name, "before")
    since = settled(source, target)
    for name in names:
        write(source, name, "changed")
    later = copier.Copier(source, target, since=since)
    later._opening = Meeting()
    later.run()
    assert differences(source, target) == []


def test_nothing_is_relied_on_when_the_clock_was_set(place, monkeypatch):
    source, target = place
    since = settled(source, target)
    os.unlink(os.path.join(target, "secret"))
    ahead = memory.ahead
    monkeypatch.setattr(memory, "ahead", lambda: ahead() - 10**9)
    copier.Copier(source, target, since=since).run()
    assert differences(source, target) == []


def test_nothing_is_relied_on_for_another_target(place, tmp_path):
    source, target = place
    since = settled(source, target)
    copier.Copier(source, str(tmp_path), since=since).run()
    assert differences(source, str(tmp_path)) == []


def test_a_file_linked_to_one_in_a_directory_that_was_moved_stays_linked(place):
    source, target = place
    write(source, "elsewhere/x", "x")
    since = settled(source, target)
    os.rename(os.path.join(source, "linked"), os.path.join(source, "elsewhere", "moved"))
    copier.Copier(source, target, since=since).run()
    assert differences(source, target) == []
    assert os.path.samefile(os.path.join(target, "three"), os.path.join(target, "elsewhere/moved/one"))


def test_a_file_written_just_now_does_not_count_as_one_that_keeps_changing():
    path = tempfile.mkdtemp(prefix="azlin-passes-", dir="/var/tmp")
    source, target = os.path.join(path, "source"), os.path.join(path, "target")
    os.mkdir(source)
    os.mkdir(target)
    try:
        before = settled(source, target)
        write(source, "log", "just now")
        copier.copy_until_same(source, target, since=before)
        assert read(target, "log") == b"just now"
    finally:
        shutil.rmtree(path)


def test_files_from_the_future_do_not_count_as_ones_that_keep_changing(place, monkeypatch):
    """The clock was set back since they were written."""
    past = types.SimpleNamespace(time_ns=lambda: time.time_ns() - 3600 * 10**9, monotonic_ns=time.monotonic_ns)
    monkeypatch.setattr(memory, "time", past)
    since = copier.copy_until_same(*place).memory
    copier.copy_until_same(*place, since=since)
    write(place[0], "log", "now, which is later for the file system only")
    copier.copy_until_same(*place, since=since)
    assert differences(*place) == []


def test_what_is_written_again_to_mapped_memory_without_a_new_time_is_copied(place, monkeypatch):
    source, _target = place
    write(source, "mapped", "0" * mmap.PAGESIZE)
    root = trees.open_directory(source)
    assert trees.file_system_type(root) in memory._TRUSTED, "/var/tmp has to be on a disk for this"
    os.close(root)
    real = files.sync_file_system
    # Synced on its own, which would have the next write to the page count as a change.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as target, open(os.path.join(source, "mapped"), "r+b") as stream:
        mapping = mmap.mmap(stream.fileno(), 0)

        def write_then(handle):
            monkeypatch.setattr(files, "sync_file_system", real)
            real(handle)
            mapping[0:1] = b"1"
            time.sleep(2 * memory._TICK / 10**9)

        monkeypatch.setattr(files, "sync_file_system", write_then)
        report = copier.Copier(source, target).run()
        assert read(target, "mapped")[:1] == b"1"
        mapping[0:1] = b"2"
        mapping.close()
        copier.copy_until_same(source, target, since=report.memory)
        assert read(target, "mapped")[:1] == b"2"
