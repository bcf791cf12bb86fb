# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Failures at every step: by an exception, and by SIGKILL with a later run that finds the journal."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    attach,
    detach,
    holders,
    journal,
    manifest,
    mountinfo,
    recover,
    trees,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host, Request
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from ansible_collections.azlin.storage.plugins.module_utils._home.users import User

from .world import KEY, RESCUE, SOURCE, UID, USER, read


def points(*operations):
    request = Request(state="attached", user=User("u", 1, 1, "/home/u"), home="/home/u", source=SOURCE)
    return [
        (operation.action, when, step.name)
        for operation in operations
        for step in operation(Host(mounter=None), request, None, "x").steps
        for when in ("before", "after")
    ]


POINTS = points(attach.Attach, detach.Detach, detach.DetachToBackup)
GOALS = {
    "attach": {"state": "attached"},
    "detach": {"state": "detached"},
    "detach_to_backup": {"state": "detached", "copy_back": "none"},
}


class Injected(Exception):
    pass


def arrange(world, action):
    """Bring the world to where the action starts."""
    if action != "attach":
        world.apply()


def assert_reached(world, action, tree):
    assert (world.mount() is not None) == (action == "attach")
    differences = manifest.compare(tree, world.tree())
    assert differences == []
    assert os.listdir(world.host.run_dir) == []
    assert not [name for name in os.listdir(world.homes) if name.startswith(".")]


@pytest.mark.parametrize(("action", "when", "step"), POINTS)
def test_failure_leaves_everything_as_it_was(world, action, when, step):
    arrange(world, action)
    tree = world.tree()
    before = world.snapshot()

    def fail(*point):
        if point == (when, step):
            raise Injected(step)

    with pytest.raises(AzlinError) as caught:
        world.apply(checkpoint=fail, **GOALS[action])
    assert caught.value.error_code == "rolled_back"
    assert world.snapshot() == before
    world.apply(**GOALS[action])
    assert_reached(world, action, tree)


def test_an_undo_that_cannot_mount_the_share_again_does_not_pass_for_one(world, monkeypatch):
    world.apply()
    before = world.snapshot()
    bind = type(world.host.mounter).bind

    def refuse(mounter, source, target):
        if target == world.home:
            raise AzlinError("mount_failed", "on purpose")
        bind(mounter, source, target)

    def fail(*point):
        if point == ("after", "release"):
            raise Injected("release")

    with monkeypatch.context() as patch:
        patch.setattr(type(world.host.mounter), "bind", refuse)
        with pytest.raises(AzlinError) as caught:
            world.apply("detached", checkpoint=fail)
    assert caught.value.error_code == "rollback_failed"
    world.apply("rolled_back")
    assert world.snapshot() == before


def killed(world, action, when, step):
    """Run the action in a process that dies at a point."""
    child = os.fork()
    if child == 0:
        try:
            world.apply(checkpoint=lambda *point: kill(point == (when, step)), **GOALS[action])
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def kill(now):
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def assert_login_works(world):
    with open(os.path.join(world.home, ".ssh", "authorized_keys"), encoding="utf-8") as stream:
        assert KEY in stream.read()


@pytest.mark.parametrize(("action", "when", "step"), POINTS)
def test_rollback_after_a_kill(world, action, when, step):
    arrange(world, action)
    before = world.snapshot()
    killed(world, action, when, step)
    assert_login_works(world)
    result = world.apply("rolled_back")
    assert result["changed"] and result["recovered"]
    assert world.snapshot() == before
    assert world.apply("rolled_back")["changed"] is False


@pytest.mark.parametrize(("action", "when", "step"), POINTS)
def test_next_run_after_a_kill_reaches_the_goal(world, action, when, step):
    arrange(world, action)
    tree = world.tree()
    killed(world, action, when, step)
    result = world.apply(**GOALS[action])
    assert result["recovered"]
    assert_reached(world, action, tree)


def test_a_kill_during_the_undo_is_recovered_too(world):
    before = world.snapshot()
    child = os.fork()
    if child == 0:
        unkeep = attach.Attach.unkeep

        def die_after(operation):
            unkeep(operation)
            os.kill(os.getpid(), signal.SIGKILL)

        attach.Attach.unkeep = die_after
        try:
            world.apply(checkpoint=lambda *point: 1 / 0 if point == ("after", "persist") else None)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert_login_works(world)
    world.apply("rolled_back")
    assert world.snapshot() == before


def test_a_kill_between_commit_and_tidying_up_is_finished(world):
    world.apply()
    tree = world.tree()
    child = os.fork()
    if child == 0:
        detach.Detach.finish = lambda _operation: os.kill(os.getpid(), signal.SIGKILL)
        try:
            world.apply("detached")
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert world.apply("detached")["recovered"]
    assert_reached(world, "detach", tree)


def test_what_a_run_killed_at_its_very_end_left_is_taken_away(world):
    os.makedirs(world.host.run_dir)
    for name in (f"progress.{USER}.json", f"progress.{USER}.json.new"):
        with open(os.path.join(world.host.run_dir, name), "w", encoding="utf-8"):
            pass
    assert world.apply("rolled_back")["changed"] is False
    assert os.listdir(world.host.run_dir) == []


def test_a_request_to_stop_rolls_back(world):
    before = world.snapshot()

    def stop(*point):
        if point == ("after", "mount"):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(AzlinError) as caught:
        world.apply(checkpoint=stop)
    assert caught.value.error_code == "rolled_back"
    assert world.snapshot() == before


@pytest.mark.parametrize(
    ("action", "step"), [("attach", "persist"), ("detach", "verify"), ("detach_to_backup", "verify")]
)
def test_an_undo_keeps_what_somebody_has_put_into_fstab_meanwhile(world, action, step):
    arrange(world, action)
    before = read("/", world.fstab)
    killed(world, action, "after", step)
    assert (world.home.encode() in before) != (world.home.encode() in read("/", world.fstab))
    with open(world.fstab, "ab") as stream:
        stream.write(b"late /late ext4 noauto 0 0\n")

    world.apply("rolled_back")

    # Our line may come back in another place.
    assert sorted(read("/", world.fstab).split(b"\n")) == sorted(
        [*before.removesuffix(b"\n").split(b"\n"), b"late /late ext4 noauto 0 0", b""]
    )


def work(directory, name="work"):
    """What a user does who finds the home in order after a crash."""
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write("a week of work")
    os.chown(path, UID, UID)


def test_work_on_the_share_after_a_kill_is_not_copied_over(world):
    killed(world, "attach", "before", "verify")
    work(world.home)
    result = world.apply()
    assert result["recovered"] and result["seeded"] is False
    assert read(world.home, "work") == b"a week of work"


def test_work_in_the_local_copy_after_a_kill_is_kept(world):
    world.apply()
    killed(world, "detach", "after", "verify")
    work(world.home)
    world.apply("rolled_back")
    assert world.mount() is not None
    assert read(world.home + ".backup.1", "work") == b"a week of work"


def test_a_local_copy_is_kept_when_nobody_can_say_who_is_in_it(world, monkeypatch):
    world.apply()
    killed(world, "detach", "after", "verify")
    monkeypatch.setattr(holders, "of_directory", lambda *_arguments, **_options: None)
    world.apply("rolled_back")
    assert world.mount() is not None
    assert read(world.home + ".backup.1", "secret") == b"s"


HOUR = 3600 * 10**9


@pytest.mark.parametrize(
    "ahead",
    [
        {"began_ns": HOUR, "exchanged_ns": HOUR},
        {"exchanged_ns": HOUR, "ahead_ns": HOUR},
    ],
    ids=["since before the copy", "during the copy"],
)
def test_work_in_the_local_copy_is_kept_when_the_clock_was_set_back(world, ahead):
    world.apply()
    killed(world, "detach", "after", "verify")
    record = Journal(world.host.state_dir, USER)
    # As if the clock had been ahead, and was set right before the work was done.
    record.note(**{fact: record.facts[fact] + lead for fact, lead in ahead.items()})
    work(world.home)
    world.apply("rolled_back")
    assert world.mount() is not None
    assert read(world.home + ".backup.1", "work") == b"a week of work"


def places_of(world, name):
    return [place for place in os.listdir(world.homes) if os.path.exists(os.path.join(world.homes, place, name))]


@pytest.mark.parametrize("local_paths", [(), (".config/deep",)])
@pytest.mark.parametrize("folder", [".", "src"])
def test_a_program_that_is_still_in_the_local_copy_loses_nothing(world, folder, local_paths, monkeypatch):
    world.apply(local_paths=local_paths)
    pid = os.fork()
    if pid == 0:
        try:
            world.apply("detached", checkpoint=lambda *point: kill(point == ("after", "verify")))
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    status = os.stat(world.home)
    inside = os.open(os.path.join(world.home, folder), os.O_RDONLY)

    def save(name):
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=inside))

    remove = trees.remove

    def save_and_remove(path):
        save("during")
        remove(path)

    monkeypatch.setattr(trees, "remove", save_and_remove)
    for _attempt in range(2):
        with suppress(AzlinError):
            world.apply("rolled_back")
    if not places_of(world, os.path.join(folder, "during")):
        save("during")
    os.close(inside)
    world.apply("rolled_back")
    assert world.mount() is not None
    (kept,) = places_of(world, os.path.join(folder, "during"))
    found = os.stat(os.path.join(world.homes, kept))
    assert (found.st_uid, found.st_gid, found.st_mode) == (status.st_uid, status.st_gid, status.st_mode)


# More than the undo writes, so that the last one is not cut short at all.
JOURNAL_WRITES = range(8)


@pytest.mark.parametrize("number", JOURNAL_WRITES)
def test_a_kill_while_it_is_found_out_whether_the_local_copy_was_worked_in(world, number, monkeypatch):
    """Each journal write of the undo is one more moment at which it may be cut short."""
    world.apply()
    killed(world, "detach", "after", "verify")
    work(world.home)
    expected = os.stat(world.home)
    pid = os.fork()
    if pid == 0:
        try:
            die_at_save(number)
            world.apply("rolled_back")
            os._exit(0)
        finally:
            os._exit(1)
    status = os.waitpid(pid, 0)[1]
    assert status in (0, signal.SIGKILL)
    assert number != JOURNAL_WRITES[0] or status == signal.SIGKILL
    assert number != JOURNAL_WRITES[-1] or status == 0
    world.apply("rolled_back")
    assert world.mount() is not None
    assert read(world.home + ".backup.1", "work") == b"a week of work"
    kept = os.stat(world.home + ".backup.1")
    assert (kept.st_uid, kept.st_gid, kept.st_mode) == (expected.st_uid, expected.st_gid, expected.st_mode)
    assert not [name for name in os.listdir(world.homes) if name.startswith(".")]


def die_at_save(number):
    left = [number]
    save = Journal.save

    def dying(journal):
        kill(left[0] == 0)
        left[0] -= 1
        save(journal)

    Journal.save = dying


@pytest.mark.parametrize("action", ["detach", "detach_to_backup"])
def test_a_share_that_is_mounted_over_the_local_home_after_a_kill(world, action):
    tree = world.tree()
    world.apply()
    killed(world, action, "after", "verify")
    for path in [mount.path for mount in mountinfo.below(mountinfo.read(), world.host.run_dir)]:
        subprocess.run(["umount", path], check=True)
    world.host.mounter.mount(SOURCE, world.home)
    world.apply("rolled_back")
    assert world.mount() is not None
    assert manifest.compare(tree, world.tree(world.home + ".backup")) == []
    subprocess.run(["umount", world.home], check=True)
    assert sorted(os.listdir(world.home)) == RESCUE


def test_a_boot_before_the_home_was_unmounted_that_found_no_line_in_fstab(world):
    """Nothing is on record of a share that was mounted by hand, so that only the undo can mount it."""
    world.apply()
    before = world.snapshot()
    known = Journal(world.host.state_dir, USER)
    known.attachment = None
    known.save()
    killed(world, "detach", "after", "unpersist")
    for mount in (*mountinfo.below(mountinfo.read(), world.host.run_dir), world.mount()):
        subprocess.run(["umount", mount.path], check=True)
    assert recover.boot(world.host) == 0
    assert Journal(world.host.state_dir, USER).transaction is None
    assert world.snapshot()["fstab"] == before["fstab"] and world.mount() is not None


def test_a_boot_in_the_middle_of_an_attach_that_found_its_line_in_fstab(world):
    before = world.snapshot()
    killed(world, "attach", "after", "keep")
    world.host.mounter.mount(SOURCE, world.home)
    world.apply("rolled_back")
    assert world.snapshot() == before


@pytest.mark.parametrize("when", [("before", "exchange"), ("before", "verify")])
@pytest.mark.parametrize("action", ["detach", "detach_to_backup"])
def test_a_share_that_is_mounted_again_during_a_detach_takes_it_back(world, action, when):
    world.apply()
    before = world.snapshot()

    def mount(*point):
        if point == when:
            world.host.mounter.mount(SOURCE, world.home)

    with pytest.raises(AzlinError) as caught:
        world.apply(checkpoint=mount, **GOALS[action])
    assert caught.value.error_code == "verify_failed" and "mounted" in caught.value.msg
    assert world.snapshot() == before


def test_what_lies_in_the_place_of_the_copy_is_not_removed(world):
    world.apply()
    os.mkdir(os.path.join(world.homes, ".azhomer.azlin-local"))
    work(os.path.join(world.homes, ".azhomer.azlin-local"))
    world.apply("detached")
    assert read(world.home + ".backup.1", "work") == b"a week of work"


def test_recovery_and_return_to_the_backup_need_no_server(world):
    tree = world.tree()
    world.apply()
    killed(world, "detach", "before", "exchange")
    for mount in reversed(mountinfo.below(mountinfo.read(), world.host.run_dir)):
        subprocess.run(["umount", mount.path], check=True)
    subprocess.run(["umount", world.share], check=True)
    os.rmdir(world.share)
    assert world.apply("detached", copy_back="none")["home"]["state"] == "local"
    assert manifest.compare(tree, world.tree()) == []


@pytest.mark.parametrize(
    ("action", "when", "step"),
    [
        point
        for point in POINTS
        if point[1] == "after" and point[2] in ("prepare", "exchange", "final", "keep", "verify")
    ],
)
def test_a_boot_before_the_disk_of_the_homes_is_mounted_does_not_pass_for_an_undo(world, action, when, step):
    disk = os.path.join(world.base, "disk")
    os.rename(world.homes, disk)
    os.mkdir(world.homes)
    mount_disk(world, disk)
    arrange(world, action)
    before = world.snapshot()
    killed(world, action, when, step)
    for mount in reversed(mountinfo.below(mountinfo.read(), world.base)):
        subprocess.run(["umount", mount.path], check=True)
    assert os.listdir(world.homes) == []
    assert recover.boot(world.host) == 1
    assert journal.Journal(world.host.state_dir, USER).transaction is not None
    mount_disk(world, disk)
    assert recover.boot(world.host) == 0
    if action != "attach" and world.mount() is None:
        world.host.mounter.mount(SOURCE, world.home)
    assert {**world.snapshot(), "mounts": None} == {**before, "mounts": None}


def mount_disk(world, path):
    subprocess.run(["mount", "--bind", path, world.homes], check=True)
    subprocess.run(["mount", "--make-private", world.homes], check=True)


def test_an_undo_that_was_cut_short_at_its_end_knows_the_home_below_a_mount(world):
    """A boot in between has mounted the share, by a line that fstab had before."""
    before = world.snapshot()
    killed(world, "attach", "before", "mount")
    child = os.fork()
    if child == 0:
        journal.Journal.close = lambda *_arguments: os.kill(os.getpid(), signal.SIGKILL)
        try:
            world.apply("rolled_back")
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    world.host.mounter.mount(SOURCE, world.home)
    assert world.apply("rolled_back")["recovered"]
    assert world.snapshot() == before


def test_check_mode_sees_that_an_unfinished_run_comes_first(world):
    killed(world, "attach", "after", "exchange")
    before = world.snapshot()
    predicted = world.apply(check_mode=True)
    assert predicted["changed"] and predicted["action"] == "recover"
    assert predicted["home"]["state"] == "attached" and predicted["home"]["source"] == SOURCE
    assert world.snapshot() == before


@pytest.mark.parametrize("copy_back", ["full", "none"])
def test_fstab_lets_the_home_go_before_it_is_unmounted(world, copy_back):
    """systemd mounts what fstab has for every login of the user."""
    world.apply()
    seen = {}

    def look(*point):
        with open(world.fstab, "rb") as stream:
            seen[point] = world.home.encode() in stream.read()

    world.apply("detached", copy_back=copy_back, checkpoint=look)
    assert seen["before", "unpersist"] and not seen["before", "quiesce"] and not seen["before", "verify"]
