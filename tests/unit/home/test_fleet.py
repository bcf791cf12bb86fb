# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts and one empty share."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child as processes
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    info,
    manifest,
    pool,
    records,
    seed,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request

from .world import SOURCE, UID, USER, World, populate, read, write

HOSTS = 6


def start(world):
    """Attach in a process of its own; returns (pid, pipe that will carry the result)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = world.apply()
            os.write(writer, json.dumps([result["seeded"], result["keys_added"]]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    return child, reader


def outcome(child, reader):
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text)


def hosts(base, share, number):
    worlds = [World(base, share, f"host{index}") for index in range(number)]
    for index, world in enumerate(worlds):
        populate(world.home, key=f"ssh-ed25519 AAAAkey{index} host{index}")
        write(world.home, "from", str(index))
    return worlds


def test_exactly_one_of_many_hosts_fills_an_empty_share(base, share):
    worlds = hosts(base, share, HOSTS)
    trees = [world.tree() for world in worlds]
    results = [outcome(*running) for running in [start(world) for world in worlds]]
    assert [seeded for seeded, _added in results].count(True) == 1
    assert sorted(added for _seeded, added in results) == [0] + [1] * (HOSTS - 1)
    seeder = [seeded for seeded, _added in results].index(True)
    differences = manifest.compare(trees[seeder], worlds[0].tree())
    assert [line for line in differences if not line.startswith(".ssh")] == []
    with open(os.path.join(share, ".ssh", "authorized_keys"), encoding="utf-8") as stream:
        keys = stream.read()
    assert all(f"AAAAkey{index} " in keys for index in range(HOSTS))


def belongs_to_another(share, path):
    """Something private in a directory of the user, who may rename it but not look into it."""
    os.chown(os.path.join(share, path), 7, 7)
    os.chmod(os.path.join(share, path), 0o700 if os.path.isdir(os.path.join(share, path)) else 0o600)


def test_a_file_of_others_that_the_user_has_moved_to_our_folder_is_not_given_to_the_user(base, share, world):
    world.apply()
    write(share, "shared/letter", "private")
    belongs_to_another(share, "shared/letter")
    os.rename(os.path.join(share, "shared/letter"), os.path.join(share, ".azlin/seed.lock"))
    second = World(base, share, "second")
    populate(second.home)
    assert not second.apply()["seeded"]
    assert os.stat(os.path.join(share, ".azlin/seed.lock")).st_uid == 7


def test_a_pipe_that_the_user_has_laid_in_our_folder_holds_no_host_up(base, share, world):
    world.apply()
    os.mkfifo(os.path.join(share, ".azlin/.seed.json.azlin-new"))
    second = World(base, share, "second")
    populate(second.home)
    assert processes.call(lambda: second.apply()["home"]["state"], 30) == "attached"


def test_a_directory_of_others_that_the_user_has_made_our_folder_is_not_given_to_the_user(base, share, world):
    world.apply()
    write(share, "letters/letter", "private")
    belongs_to_another(share, "letters")
    os.rename(os.path.join(share, ".azlin"), os.path.join(share, "aside"))
    os.rename(os.path.join(share, "letters"), os.path.join(share, ".azlin"))
    second = World(base, share, "second")
    populate(second.home)
    second.apply()
    assert os.stat(os.path.join(share, ".azlin")).st_uid == 7


def records_of(share):
    return [(one["host"], one["home"]) for one in records.listed(share)]


def test_an_attached_host_is_on_record_until_it_is_detached(base, share, world):
    request = Request(state="attached", user=users.lookup(USER), home=world.home, source=SOURCE)
    assert world.apply()["host_record"] == "written"
    assert info.collect(world.host, request)["hosts"][0]["home"] == world.home
    assert world.apply()["host_record"] == "written"
    assert world.apply("detached")["host_record"] == "removed"
    assert records_of(share) == []
    assert info.collect(world.host, request)["hosts"] is None
    world.apply()
    assert records_of(share) == [(socket.gethostname(), world.home)]
    assert world.apply("detached", copy_back="none")["host_record"] == "removed"
    assert records_of(share) == []


def test_a_run_that_finds_the_home_attached_renews_the_record(share, world):
    world.apply()
    path = f".azlin/hosts/{records.name_of(users.lookup(USER))}"
    write(share, path, read(share, path).decode().replace('"seen": "2', '"seen": "1'))
    os.chown(os.path.join(share, path), UID, UID)
    assert world.apply()["changed"] is False
    assert records.listed(share)[0]["seen"].startswith("2")


def test_a_detach_without_the_share_says_that_the_record_stayed(share, world):
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    assert world.apply("detached", copy_back="none")["host_record"] == "left"
    assert len(records_of(share)) == 1


def test_an_undone_attach_leaves_no_record_and_an_undone_detach_leaves_it(share, world):
    def fail(step):
        def checkpoint(*point):
            if point == ("after", step):
                raise AzlinError("verify_failed", "A fault of the test.")

        return checkpoint

    with pytest.raises(AzlinError):
        world.apply(checkpoint=fail("persist"))
    assert records_of(share) == []
    world.apply()
    before = records.listed(share)
    for copy_back in ("full", "none"):
        with pytest.raises(AzlinError):
            world.apply("detached", copy_back=copy_back, checkpoint=fail("verify"))
        assert records.listed(share) == before


def test_other_numbers_than_the_share_has_are_refused_before_anything_is_changed(share, world):
    os.chown(share, UID, UID)
    os.chmod(share, 0o750)
    seed.mark_seeding(share, dataclasses.replace(users.lookup(USER), gid=1234), "other")
    seed.mark_complete(share, dataclasses.replace(users.lookup(USER), gid=1234), "other")
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "uid_mismatch"
    assert f"{UID}" in caught.value.msg and "1234" in caught.value.msg
    assert world.snapshot() == before
    assert set(os.listdir(share)) == {".azlin"}


def test_a_user_with_another_number_than_the_attached_home_is_told_so(share, world):
    """The user was removed and made again, and got the next number that was free."""
    world.apply()
    os.chown(share, UID + 1, UID)
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "uid_mismatch"
    assert f"{UID}" in caught.value.msg and f"{UID + 1}" in caught.value.msg
    request = Request(state="attached", user=users.lookup(USER), home=world.home, source=SOURCE)
    assert not info.collect(world.host, request)["healthy"]


@pytest.fixture
def two_homes(base, share):
    """A share with the home of one host, and another host whose home differs in one file."""
    first, second = hosts(base, share, 2)
    first.apply()
    write(second.home, "second", "on the second only")
    os.chown(os.path.join(second.home, "second"), UID, UID)
    return first, second


def test_a_merge_is_refused_where_files_differ(share, two_homes):
    first, second = two_homes
    before, tree = second.snapshot(), first.tree()
    with pytest.raises(AzlinError) as caught:
        second.apply(seed="merge")
    assert caught.value.error_code == "merge_conflict" and "from" in caught.value.msg
    assert second.snapshot() == before
    assert manifest.compare(tree, first.tree()) == []


def test_a_merge_by_policy_loses_nothing(share, two_homes):
    first, second = two_homes
    result = second.apply(seed="merge", merge_conflicts="keep_share")
    assert result["merged"]["kept"] == ["from"] and result["copied"]["files"] == 1
    assert read(first.home, "second") == b"on the second only"
    assert read(first.home, "from") == b"0"
    assert result["keys_added"] == 1 and b"AAAAkey0 " in read(second.home, ".ssh/authorized_keys")
    second.apply("detached", copy_back="none")
    result = second.apply(seed="merge", merge_conflicts="keep_home")
    assert result["merged"]["replaced"] == ["from.azlin-replaced"]
    assert (read(first.home, "from"), read(first.home, "from.azlin-replaced")) == (b"1", b"0")
    assert not [name for name in os.listdir(second.host.state_dir) if name.endswith(".merge")]


@pytest.mark.parametrize("linked_here", [True, False])
def test_a_merge_takes_nobody_the_directory_of_the_keys(base, share, linked_here):
    """The home counts, and on one side .ssh is a link into a checkout of dotfiles."""
    first, second = hosts(base, share, 2)
    first.apply()
    home = second.home if linked_here else share
    os.makedirs(os.path.join(home, "dotfiles"))
    os.rename(os.path.join(home, ".ssh"), os.path.join(home, "dotfiles/ssh"))
    os.symlink("dotfiles/ssh", os.path.join(home, ".ssh"))
    for path in ("dotfiles", ".ssh"):
        os.lchown(os.path.join(home, path), UID, UID)
    with pytest.raises(AzlinError) as caught:
        second.apply(seed="merge", merge_conflicts="keep_home")
    assert caught.value.error_code == "merge_conflict" and ".ssh" in caught.value.msg
    assert b"AAAAkey0 " in read(first.home, ".ssh/authorized_keys")


NEW_KEY = "ssh-ed25519 AAAAnew new@laptop"


def key_lines(home):
    return read(home, ".ssh/authorized_keys").decode().splitlines()[1:]


@pytest.mark.parametrize("point", [("after", "seed"), ("before", "quiesce"), ("before", "exchange")])
@pytest.mark.parametrize("seed", ["if_empty", "merge"])
@pytest.mark.parametrize("empty", [True, False])
def test_the_keys_that_count_are_those_of_the_end(base, share, point, seed, empty):
    """Hours may pass while another host holds the share and while files are copied."""
    other, host = hosts(base, share, 2)
    present = []
    if not empty:
        other.apply()
        present = key_lines(other.home)
    path = os.path.join(host.home, ".ssh/authorized_keys")
    removed = "ssh-ed25519 AAAAremoved removed@laptop"
    with open(path, "a", encoding="utf-8") as stream:
        stream.write(removed + "\n")

    def edit(*reached):
        if reached == point:
            with open(path, encoding="utf-8") as stream:
                text = stream.read().replace(removed, NEW_KEY)
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)

    host.apply(seed=seed, merge_conflicts="keep_share", checkpoint=edit)
    lines = key_lines(host.home)
    assert NEW_KEY in lines and set(present) <= set(lines)
    if empty or point == ("after", "seed"):
        assert lines == [*present, key_lines(host.home + ".backup")[0], NEW_KEY]
    subprocess.run(["umount", host.home], check=True)
    if point != ("before", "exchange"):
        kept = key_lines(host.home + ".backup")
        assert key_lines(host.home) == [*kept, *(line for line in lines if line not in kept)]


def test_a_merge_that_dies_is_finished_by_the_next_run(share, two_homes):
    first, second = two_homes
    os.unlink(os.path.join(second.home, "from"))
    die_at(second, "after", "seed", seed="merge")
    write(second.home, "second", "edited since")
    os.chown(os.path.join(second.home, "second"), UID, UID)
    second.apply("rolled_back")
    assert second.apply(seed="merge")["merged"]["kept"] == []
    assert read(first.home, "second") == b"edited since"


def test_a_merge_fills_an_empty_share(share, world):
    assert world.apply(seed="merge")["seeded"]


def die_at(world, when, step, **options):
    child = os.fork()
    if child == 0:
        try:
            world.apply(
                checkpoint=lambda *point: os.kill(os.getpid(), signal.SIGKILL) if point == (when, step) else None,
                **options,
            )
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_a_half_done_seed_is_taken_over(base, share):
    first, second = hosts(base, share, 2)
    tree = second.tree()
    die_at(first, "after", "seed")
    assert second.apply()["seeded"]
    assert manifest.compare(tree, second.tree()) == []
    assert first.apply()["seeded"] is False
    assert read(first.home, "from") == b"1"


def give_up_after(world, step):
    def fail(*reached):
        if reached == ("after", step):
            raise AzlinError("home_busy", "a shell")

    with pytest.raises(AzlinError):
        world.apply(checkpoint=fail)


@pytest.mark.parametrize("dies", [False, True])
def test_a_half_done_seed_that_somebody_goes_on_with_by_hand_is_not_cleared(base, share, dies):
    """All was copied, and whoever was told that the home is busy mounts the share without us."""
    first, second = hosts(base, share, 2)
    if dies:
        die_at(first, "after", "keys")
        first.apply("rolled_back")
    else:
        give_up_after(first, "keys")
    write(share, "work", "of weeks")
    before = second.snapshot()
    for world in (first, second):
        with pytest.raises(AzlinError) as caught:
            world.apply()
        assert caught.value.error_code == "journal_conflict" and ".azlin/seed.json" in str(caught.value.causes)
    assert second.snapshot() == before
    assert (read(share, "work"), read(share, "from")) == (b"of weeks", b"0")
    os.unlink(os.path.join(share, ".azlin/seed.json"))
    assert second.apply()["seeded"] is False
    assert read(second.home, "work") == b"of weeks"


def test_what_threads_that_hang_may_still_write_is_nobodys_work(base, share, monkeypatch):
    (host,) = hosts(base, share, 1)
    tree = host.tree()
    with monkeypatch.context() as patch:
        patch.setattr(pool, "hang", lambda: True)
        give_up_after(host, "keys")
    write(share, "half", "wri")
    assert host.apply()["seeded"]
    assert manifest.compare(tree, host.tree()) == []


def test_a_seed_that_was_given_up_and_left_alone_is_taken_over(base, share):
    first, second = hosts(base, share, 2)
    tree = second.tree()
    give_up_after(first, "keys")
    assert second.apply()["seeded"]
    assert manifest.compare(tree, second.tree()) == []


def test_a_seed_that_was_rolled_back_is_done_again_with_what_changed_since(base, share):
    (first,) = hosts(base, share, 1)
    die_at(first, "after", "verify")
    first.apply("rolled_back")
    write(first.home, "from", "edited after the rollback")
    tree = first.tree()
    assert first.apply()["seeded"]
    assert manifest.compare(tree, first.tree()) == []


def undone_attach(world, *point):
    """Attach an empty share as it is, and fail."""

    def fail(*reached):
        if reached == point:
            raise AzlinError("home_busy", "a shell")

    with pytest.raises(AzlinError):
        world.apply(seed="never", checkpoint=fail)
    assert sorted(os.listdir(world.share)) == [".azlin", ".ssh"]


@pytest.mark.parametrize("point", [("after", "keys"), ("before", "keep")])
def test_keys_of_an_attach_that_was_undone_do_not_pass_for_a_home(base, share, point):
    (host,) = hosts(base, share, 1)
    tree = host.tree()
    undone_attach(host, *point)
    assert host.apply()["seeded"]
    assert manifest.compare(tree, host.tree()) == []


@pytest.mark.parametrize("left", [".ssh/.authorized_keys.azlin-new", None])
def test_what_else_an_attach_that_was_undone_leaves_does_not_pass_for_a_home(base, share, left, monkeypatch):
    (host,) = hosts(base, share, 1)
    tree = host.tree()
    with monkeypatch.context() as patch:
        patch.setattr(seed, "mark_complete", lambda *_arguments: os.unlink("/no/such/file"))
        with pytest.raises(AzlinError):
            host.apply(seed="never", local_paths=(".cache", ".local/share"))
    assert sorted(os.listdir(share)) == [".azlin", ".cache", ".local", ".ssh"]
    if left:
        write(share, left, "half a li")
    assert host.apply()["seeded"]
    assert manifest.compare(tree, host.tree()) == []


def test_after_an_attach_that_was_undone_the_share_can_still_be_left_empty(base, share):
    first, second = hosts(base, share, 2)
    undone_attach(first, "after", "keys")
    assert first.apply(seed="never")["seeded"] is False
    # It is a home now, however empty.
    assert second.apply()["seeded"] is False
    assert sorted(os.listdir(share)) == [".azlin", ".ssh"]


def test_what_was_put_on_a_share_that_was_to_be_left_empty_stays(base, share):
    (host,) = hosts(base, share, 1)
    undone_attach(host, "after", "keys")
    write(share, "mine", "put there by hand")
    assert host.apply()["seeded"] is False
    assert read(share, "mine") == b"put there by hand"


def test_a_rolled_back_seed_that_another_host_lives_on_is_not_copied_over(base, share):
    first, second = hosts(base, share, 2)
    die_at(first, "after", "verify")
    assert second.apply()["seeded"] is False
    write(second.home, "from", "second lives here")
    first.apply("rolled_back")
    assert first.apply()["seeded"] is False
    assert read(first.home, "from") == b"second lives here"


def test_a_host_need_not_have_worked_on_a_share_to_live_on_it(base, share):
    first, second = hosts(base, share, 2)
    # Not even a key of its own: nothing is younger than the word that the share is whole.
    write(second.home, ".ssh/authorized_keys", read(first.home, ".ssh/authorized_keys").decode(), 0o600)
    os.chown(os.path.join(second.home, ".ssh/authorized_keys"), UID, UID)
    die_at(first, "after", "verify")
    assert second.apply()["seeded"] is False
    first.apply("rolled_back")
    write(first.home, "from", "edited after the rollback")
    assert first.apply()["seeded"] is False
    assert read(second.home, "from") == b"0"


def test_a_rolled_back_seed_that_was_worked_on_is_not_copied_over(base, share):
    (first,) = hosts(base, share, 1)
    die_at(first, "after", "verify")
    write(first.home, "from", "worked on the share before the rollback")
    first.apply("rolled_back")
    assert first.apply()["seeded"] is False
    assert read(first.home, "from") == b"worked on the share before the rollback"
