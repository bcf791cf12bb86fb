# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A home and a share that both have content."""

from __future__ import annotations

import os
import signal
import stat

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import manifest, merge, seed, trees, users

from .world import KEY, OTHER_KEY, SOURCE, UID, USER, fill, read, write

THEN = 1_500_000_000_123_456_700


@pytest.fixture
def user():
    return users.lookup(USER)


@pytest.fixture
def record(base):
    return os.path.join(base, "placed")


def put(root, path, text, mtime=THEN):
    write(root, path, text)
    os.utime(os.path.join(root, path), ns=(mtime, mtime))


def own(root):
    for directory, names, files in os.walk(os.fsencode(root)):
        for name in names + files:
            os.lchown(os.path.join(directory, name), UID, UID)
    os.chown(root, UID, UID)


@pytest.fixture
def filled(world, share):
    """Another home on the share: two files are the same, two differ, one name is of another type."""
    put(share, "theirs", "on the share only")
    put(share, ".bashrc", "alias ll='ls -l'\n", mtime=THEN + 10**9)
    put(share, "empty", "not empty here")
    put(share, "src/package1/module1.py", "VALUE = 2\n", mtime=THEN + 10**9)
    put(share, "linked", "a file, and a directory at home")
    put(share, ".ssh/authorized_keys", f"{OTHER_KEY}\n")
    own(share)
    os.chmod(os.path.join(share, ".ssh"), 0o700)
    os.chmod(share, 0o750)
    return share


CONFLICTS = ["empty", "linked", "src/package1/module1.py"]


def merged(world, share, user, record, policy, **options):
    placed = merge.Placed(record, SOURCE)
    work = merge.Merge(share, user, policy, placed, **options)
    plan = work.plan(world.home)
    work.check(plan)
    work.run(world.home, plan)
    work.finish(world.home)
    work.close()
    merge.forget(record)
    return work.report


def view(root):
    return manifest.build(root, exclude=seed.OURS, digest=True)


def same_but(before, after, paths):
    return [line for line in manifest.compare(before, after, precision_ns=100) if line.split(":")[0] not in paths]


def test_conflicts_are_listed_and_nothing_is_changed(world, filled, user, record):
    before = view(filled)
    with pytest.raises(AzlinError) as caught:
        merged(world, filled, user, record, merge.FAIL)
    assert caught.value.error_code == "merge_conflict"
    assert all(path in caught.value.msg for path in CONFLICTS)
    assert f"{len(CONFLICTS)} names differ" in caught.value.msg
    assert "authorized_keys" not in caught.value.msg
    assert manifest.compare(before, view(filled)) == []


def test_what_the_share_has_stays(world, filled, user, record):
    home, before = world.tree(), view(filled)
    report = merged(world, filled, user, record, merge.KEEP_SHARE)
    after = view(filled)
    assert sorted(report.kept) == CONFLICTS and report.replaced == []
    # Whatever was there is as it was, but for the times of directories that gained names.
    kept = {path: item for path, item in before.items() if item.type != "directory"}
    assert manifest.compare(kept, {path: after[path] for path in kept}) == []
    # Whatever was not there came over whole.
    brought = {path: item for path, item in home.items() if path not in before and not path.startswith("linked")}
    differences = manifest.compare(brought, {path: after[path] for path in brought}, precision_ns=100)
    # Of a file with three names two lie below what the share has a file for.
    assert [line for line in differences if not line.startswith("three: links")] == []
    assert report.files == sum(item.type == "file" for item in brought.values())


def test_what_the_home_has_takes_the_name_and_nothing_is_lost(world, filled, user, record):
    home, before = world.tree(), view(filled)
    report = merged(world, filled, user, record, merge.KEEP_HOME)
    after = view(filled)
    assert sorted(report.replaced) == [f"{path}.azlin-replaced" for path in CONFLICTS]
    for path in CONFLICTS:
        assert after[f"{path}.azlin-replaced"] == before[path]
    ours = {path: item for path, item in home.items() if item.type != "directory" and path in after}
    skipped = {".ssh/authorized_keys", ".bashrc"}
    assert same_but(ours, {path: after[path] for path in ours}, skipped) == []
    assert set(home) <= set(after)
    assert read(filled, "theirs") == b"on the share only"


def test_an_older_replaced_file_is_not_replaced_again(world, filled, user, record):
    put(filled, "empty.azlin-replaced", "from an earlier merge")
    report = merged(world, filled, user, record, merge.KEEP_HOME)
    assert "empty.azlin-replaced.1" in report.replaced
    assert read(filled, "empty.azlin-replaced") == b"from an earlier merge"


def test_a_file_gets_no_more_names_than_the_share_allows(world, share, user, record):
    number = 2 * trees.MAX_LINKS + 1
    write(world.home, "cache/0", "many names")
    for name in range(1, number):
        os.link(os.path.join(world.home, "cache/0"), os.path.join(world.home, f"cache/{name}"))
    own(world.home)
    merged(world, share, user, record, merge.FAIL)
    links = [os.stat(os.path.join(share, f"cache/{name}")).st_nlink for name in range(number)]
    assert sorted(links) == [1] + [trees.MAX_LINKS] * (number - 1)


def test_keys_are_never_a_conflict_and_come_over_where_there_are_none(world, filled, user, record):
    merged(world, filled, user, record, merge.KEEP_HOME)
    assert read(filled, ".ssh/authorized_keys").decode() == f"{OTHER_KEY}\n"
    os.unlink(os.path.join(filled, ".ssh/authorized_keys"))
    merged(world, filled, user, record, merge.KEEP_HOME)
    assert read(filled, ".ssh/authorized_keys").decode() == f"# my keys\n{KEY}\n"


def test_same_content_with_another_time_is_no_conflict(world, filled, user, record):
    before = view(filled)[".bashrc"]
    report = merged(world, filled, user, record, merge.KEEP_SHARE)
    assert ".bashrc" not in report.kept and report.same >= 2
    assert view(filled)[".bashrc"] == before


def test_what_changed_in_the_home_meanwhile_comes_over_and_what_vanished_goes(world, filled, user, record):
    placed = merge.Placed(record, SOURCE)
    work = merge.Merge(filled, user, merge.KEEP_SHARE, placed)
    work.run(world.home, work.plan(world.home))
    write(world.home, "secret", "changed since")
    write(world.home, "new/file", "new")
    write(world.home, "theirs", "a conflict by now")
    os.unlink(os.path.join(world.home, "run.sh"))
    os.unlink(os.path.join(world.home, "odd \n name -- *"))
    write(filled, "odd \n name -- *", "changed on the share meanwhile")
    own(world.home)
    work.finish(world.home)
    assert read(filled, "secret") == b"changed since"
    assert read(filled, "new/file") == b"new"
    assert read(filled, "theirs") == b"on the share only" and "theirs" in work.report.kept
    assert not os.path.lexists(os.path.join(filled, "run.sh"))
    assert read(filled, "odd \n name -- *") == b"changed on the share meanwhile"


def test_a_new_conflict_in_the_last_pass_is_refused_where_conflicts_are(world, share, user, record):
    put(share, "theirs", "on the share only")
    own(share)
    placed = merge.Placed(record, SOURCE)
    work = merge.Merge(share, user, merge.FAIL, placed)
    work.run(world.home, work.plan(world.home))
    write(world.home, "theirs", "a conflict by now")
    with pytest.raises(AzlinError) as caught:
        work.finish(world.home)
    assert caught.value.error_code == "merge_conflict"
    assert read(share, "theirs") == b"on the share only"


def killed_at(number, world, share, user, record, policy):
    """Merge in a process that is killed at its ``number``-th look at whether to go on; True if it came that far."""
    child = os.fork()
    if child == 0:
        calls = []

        def cancelled():
            calls.append(None)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return False

        try:
            merged(world, share, user, record, policy, cancelled=cancelled)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("policy", [merge.KEEP_SHARE, merge.KEEP_HOME])
def test_a_merge_that_died_anywhere_is_brought_to_its_end_by_the_next(world, filled, user, record, policy):
    home, before = world.tree(), view(filled)
    number, deaths = 1, 0
    while killed_at(number, world, filled, user, record, policy):
        number, deaths = number * 2, deaths + 1
        after = view(filled)
        for path, item in before.items():
            if item.type != "directory":
                assert item in (after.get(path), after.get(f"{path}.azlin-replaced"))
    assert deaths > 5
    after = view(filled)
    assert set(home) - set(after) <= {path for path in home if path.startswith("linked/")}
    if policy == merge.KEEP_HOME:
        assert not any(path.endswith(".azlin-replaced.1") for path in after)
    assert os.listdir(os.path.join(filled, ".azlin", "merge")) == []


def test_after_a_crash_what_this_host_placed_and_changed_since_is_no_conflict(world, share, user, record):
    put(share, "theirs", "on the share only")
    own(share)
    placed = merge.Placed(record, SOURCE)
    work = merge.Merge(share, user, merge.FAIL, placed)
    work.run(world.home, work.plan(world.home))
    placed.close()
    with open(record, "a", encoding="ascii") as stream:
        stream.write('["cut off')
    write(world.home, "secret", "edited after the crash")
    os.unlink(os.path.join(world.home, "run.sh"))
    own(world.home)
    merged(world, share, user, record, merge.FAIL)
    assert read(share, "secret") == b"edited after the crash"
    # Somebody may have come to rely on it since: taken back is only what the same run has put there.
    assert read(share, "run.sh") == b"#!/bin/sh\n"
    assert not os.path.lexists(record)


def test_what_was_placed_on_another_share_says_nothing(record):
    placed = merge.Placed(record, "other.file.core.test:/other/home")
    placed.add("secret", [1, 2])
    placed.close()
    again = merge.Placed(record, SOURCE)
    assert again.known == {}
    again.close()


def test_a_full_share_is_an_error_that_leaves_no_half_file(world, share, user, record):
    put(share, "theirs", "on the share only")
    own(share)
    put(world.home, "large", "x" * (4 << 20))
    fill(share, free=2 << 20)
    with pytest.raises(AzlinError) as caught:
        merged(world, share, user, record, merge.KEEP_SHARE)
    assert caught.value.error_code == "no_space"
    assert not os.path.lexists(os.path.join(share, "large"))


def test_a_merge_told_to_stop_stops(world, filled, user, record):
    asked = []
    with pytest.raises(AzlinError) as caught:
        merged(world, filled, user, record, merge.KEEP_SHARE, cancelled=lambda: asked.append(None) or len(asked) > 9)
    assert caught.value.error_code == "rolled_back"


def test_sockets_are_left_and_directories_get_their_modes(world, filled, user, record):
    os.mkfifo(os.path.join(world.home, "fifo"))
    merged(world, filled, user, record, merge.KEEP_SHARE)
    assert not os.path.lexists(os.path.join(filled, "fifo"))
    assert stat.S_IMODE(os.lstat(os.path.join(filled, "empty-directory")).st_mode) == 0o500
