# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copier: what arrives, what a second pass does, what it never follows."""

from __future__ import annotations

import os
import random
import subprocess
import threading
from contextlib import nullcontext

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import copier, files, manifest, trees

from .world import UID, populate, read, write


@pytest.fixture
def trees_of(tmp_path):
    source, target = str(tmp_path / "source"), str(tmp_path / "target")
    populate(source)
    os.mkdir(target)
    return source, target


def same(source, target):
    return manifest.compare(manifest.build(source, digest=True), manifest.build(target, digest=True))


def test_everything_arrives_and_a_second_pass_finds_nothing_to_do(trees_of):
    report = copier.Copier(*trees_of).run()
    assert same(*trees_of) == []
    assert report.files > 40 and report.bytes > 50 << 20
    assert copier.Copier(*trees_of).run().changes == 0


def test_a_pass_takes_over_every_kind_of_change(trees_of):
    source, target = trees_of
    copier.Copier(source, target).run()
    write(source, ".bashrc", "new text of another length\n")
    os.unlink(os.path.join(source, "three"))
    write(source, "three", "no longer linked" * 1000)
    os.chmod(os.path.join(source, "run.sh"), 0o711)
    os.lchown(os.path.join(source, "dangling"), 1, 1)
    os.unlink(os.path.join(source, "to-directory"))
    os.mkdir(os.path.join(source, "to-directory"))
    subprocess.run(["rm", "-r", os.path.join(source, "src")], check=True)
    write(source, "src", "a file where a directory was")
    copier.Copier(source, target).run()
    assert same(source, target) == []


def test_files_that_were_linked_and_are_not_any_more_do_not_share_content(trees_of):
    source, target = trees_of
    copier.Copier(source, target).run()
    os.unlink(os.path.join(target, "secret"))
    os.link(os.path.join(target, "empty"), os.path.join(target, "secret"))
    os.chmod(os.path.join(source, "empty"), 0o600)
    copier.copy_until_same(source, target)
    assert same(source, target) == []


def test_a_copy_that_replaced_a_link_is_separate_although_it_looks_the_same(trees_of):
    """As with cp -p: what is written to one later must not show in the other."""
    source, target = trees_of
    for name in ("one", "two"):
        write(source, f"pair/{name}", "the same")
        os.utime(os.path.join(source, "pair", name), ns=(10**18, 10**18))
    copier.Copier(source, target).run()
    one, two = (os.path.join(target, "pair", name) for name in ("one", "two"))
    os.unlink(two)
    os.link(one, two)
    copier.Copier(source, target).run()
    assert not os.path.samefile(one, two)
    assert same(source, target) == []


def test_a_half_written_file_is_written_again(trees_of):
    source, target = trees_of
    write(target, "linked/one", "linked")
    copier.Copier(source, target).run()
    assert same(source, target) == []


def test_excluded_names_are_neither_copied_nor_removed(trees_of):
    source, target = trees_of
    write(source, "ours/a", "not copied")
    write(target, "ours/b", "not removed")
    copier.Copier(source, target, exclude=["ours"]).run()
    assert os.listdir(os.path.join(target, "ours")) == ["b"]


def test_links_in_the_target_are_not_followed(trees_of, tmp_path):
    source, target = trees_of
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "settings.toml").write_text("mine")
    (tmp_path / "passwd").write_text("mine")
    os.symlink(victim, os.path.join(target, ".config"))
    os.symlink(tmp_path / "passwd", os.path.join(target, "secret"))
    copier.Copier(source, target).run()
    assert same(source, target) == []
    assert os.listdir(victim) == ["settings.toml"]
    assert (tmp_path / "passwd").read_text() == "mine"


def test_a_mount_in_the_target_is_never_emptied(trees_of):
    source, target = trees_of
    inner = os.path.join(target, "mounted")
    os.mkdir(inner)
    subprocess.run(["mount", "-t", "tmpfs", "inner", inner], check=True)
    try:
        write(inner, "precious", "data")
        with pytest.raises(AzlinError) as caught:
            copier.Copier(source, target).run()
        assert caught.value.error_code == "internal_error"
        assert read(inner, "precious") == b"data"
    finally:
        subprocess.run(["umount", inner], check=True)


def test_a_full_target_is_an_error_that_leaves_nothing_open(trees_of, tmp_path):
    source, target = trees_of
    write(source, "big", "x" * (4 << 20))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", target], check=True)
    with pytest.raises(AzlinError) as caught:
        copier.Copier(source, target).run()
    assert caught.value.error_code == "no_space"
    subprocess.run(["umount", target], check=True)


def test_a_copy_can_be_stopped(trees_of):
    stop = threading.Event()
    stop.set()
    with pytest.raises(AzlinError):
        copier.Copier(*trees_of, cancelled=stop.is_set).run()


def test_a_source_that_never_rests_is_an_error_in_the_end(trees_of):
    source, target = trees_of
    passes = iter(range(1000))

    def touch():
        write(source, "busy", str(next(passes)) * 3)
        return False

    with pytest.raises(AzlinError) as caught:
        copier.copy_until_same(source, target, cancelled=touch)
    assert caught.value.error_code == "copy_failed"


def test_a_large_sparse_file_takes_no_more_room(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    source.mkdir()
    target.mkdir()
    with open(source / "disk.img", "wb") as stream:
        stream.truncate(5 << 30)
        stream.seek(4_500_000_000)
        stream.write(b"data beyond four gibibytes")
    copier.Copier(str(source), str(target)).run()
    status = (target / "disk.img").stat()
    assert status.st_size == 5 << 30 and status.st_blocks * 512 < 1 << 20
    with open(target / "disk.img", "rb") as stream:
        stream.seek(4_500_000_000)
        assert stream.read(26) == b"data beyond four gibibytes"


def test_zeros_of_a_sparse_file_become_holes_where_holes_cannot_be_seen():
    pages = [b"\0" * 4096, b"a" * 4096, b"b" * 4096, b"\0" * 4096, b"c" * 10]
    assert list(files.pieces(b"".join(pages))) == [(4096, pages[1] + pages[2]), (16384, pages[4])]


def test_removing_a_tree_stops_at_a_mount(tmp_path):
    inner = tmp_path / "tree" / "mounted"
    inner.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "inner", str(inner)], check=True)
    try:
        (inner / "precious").write_text("data")
        with pytest.raises(AzlinError):
            trees.remove(str(tmp_path / "tree"))
        assert (inner / "precious").read_text() == "data"
    finally:
        subprocess.run(["umount", str(inner)], check=True)
    trees.remove(str(tmp_path / "tree"))
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize(("late", "gone"), [(3, True), (1000, False)])
def test_removing_a_tree_that_threads_of_an_ended_copy_still_add_to(tmp_path, monkeypatch, late, gone):
    folder = tmp_path / "tree" / "folder"
    folder.mkdir(parents=True)
    rmdir, names = os.rmdir, iter(range(late))

    def add_and_remove(name, **options):
        if name == "folder" and (number := next(names, None)) is not None:
            (folder / f"late{number}").touch()
        rmdir(name, **options)

    monkeypatch.setattr(os, "rmdir", add_and_remove)
    with nullcontext() if gone else pytest.raises(OSError, match="not empty"):
        trees.remove(str(tmp_path / "tree"))
    assert (tmp_path / "tree").exists() is not gone


def test_names_that_vanish_during_a_survey_do_not_count(trees_of, monkeypatch):
    source, _target = trees_of
    count = trees._count

    def vanish(*arguments):
        count(*arguments)
        subprocess.run(["find", source, "-mindepth", "1", "-delete"], check=True)

    monkeypatch.setattr(trees, "_count", vanish)
    assert trees.survey(source).names <= 1


def test_a_tree_of_thousands_of_levels(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    depth = 5000
    for top in (source, target):
        top.mkdir()
    handle = os.open(source, os.O_RDONLY)
    for level in range(depth):
        os.mkdir(f"level{level}", dir_fd=handle)
        os.close(os.open(f"file{level}", os.O_CREAT | os.O_WRONLY, 0o640, dir_fd=handle))
        below = os.open(f"level{level}", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    report = copier.Copier(str(source), str(target)).run()
    assert report.files == depth
    assert copier.Copier(str(source), str(target), since=report.memory).run().unstable == []
    assert trees.survey(str(target)).names == 2 * depth
    assert not trees.changed_since(str(target), 2**62)
    for top in (source, target):
        trees.remove(str(top))
        assert not top.exists()


def test_a_large_file_is_copied_in_parts_and_can_be_stopped_in_the_middle(tmp_path, monkeypatch):
    monkeypatch.setattr(copier, "_PART", 3 << 20)
    source, target = tmp_path / "a", tmp_path / "b"
    for top in (source, target):
        top.mkdir()
    (source / "large").write_bytes(random.Random(1).randbytes((20 << 20) + 17))
    (source / "sparse").write_bytes(b"start")
    os.truncate(source / "sparse", 40 << 20)
    calls = iter(range(10))
    with pytest.raises(AzlinError) as caught:
        copier.Copier(str(source), str(target), cancelled=lambda: next(calls, None) is None).run()
    assert caught.value.error_code == "rolled_back"
    report = copier.Copier(str(source), str(target)).run()
    assert same(str(source), str(target)) == []
    assert report.bytes == (60 << 20) + 17
    assert (target / "sparse").stat().st_blocks * 512 < 1 << 20


def test_a_file_that_becomes_shorter_while_it_is_copied_ends_the_copy(tmp_path):
    (tmp_path / "a").write_bytes(bytes(range(256)))
    with (tmp_path / "a").open("rb") as source, (tmp_path / "b").open("wb") as target:
        files.copy_range(source.fileno(), target.fileno(), 16, 1 << 20, sparse=False)
    assert (tmp_path / "b").read_bytes() == bytes(16) + bytes(range(16, 256))


def test_a_checksum_finds_what_size_and_time_hide(trees_of):
    source, target = trees_of
    copier.Copier(source, target).run()
    path = os.path.join(target, ".bashrc")
    before = os.stat(path)
    write(target, ".bashrc", "alias ll='ls -m'\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert copier.Copier(source, target).run().changes == 0
    report = copier.Copier(source, target, checksum=True).run()
    assert report.changed == [".bashrc", "."]
    assert same(source, target) == []


def test_more_names_of_a_file_than_a_share_keeps_become_several_copies(tmp_path):
    source, target = tmp_path / "a", tmp_path / "b"
    for top in (source, target):
        top.mkdir()
    (source / "0").write_text("content")
    for number in range(1, 400):
        os.link(source / "0", source / str(number))
    report = copier.Copier(str(source), str(target)).run()
    copies = {(target / str(number)).stat().st_ino for number in range(400)}
    assert len(copies) == 3
    assert max((target / str(number)).stat().st_nlink for number in range(400)) == trees.MAX_LINKS
    assert copier.Copier(str(source), str(target)).run().changes == 0
    assert copier.Copier(str(source), str(target), since=report.memory).run().unstable == []


def test_progress_counts_every_file_and_byte(trees_of):
    class Progress:
        """Adds up what it is told."""

        def __init__(self):
            self.told = []

        def add(self, files, size):
            self.told.append((files, size))

    progress = Progress()
    report = copier.Copier(*trees_of, progress=progress).run()
    assert sum(files for files, _size in progress.told) == report.files
    assert sum(size for _files, size in progress.told) == report.bytes
    assert report.files == trees.survey(trees_of[0]).files


def test_files_belong_to_their_owner_also_where_that_may_not_create_them(trees_of):
    source, target = trees_of
    write(source, "closed/of-root", "x")
    os.mkdir(os.path.join(source, "closed/inner"), 0o2750)
    os.chown(os.path.join(source, "closed/inner"), UID, 1)
    write(source, "closed/inner/of-another", "x", 0o4755)
    os.chown(os.path.join(source, "closed/inner/of-another"), 7, 8)
    os.chmod(os.path.join(source, "closed/inner/of-another"), 0o4755)
    os.chmod(target, 0o700)
    copier.Copier(source, target).run()
    assert same(source, target) == []
