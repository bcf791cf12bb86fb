# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes that are not plain directories, and what the kernel does with parts of them: each has its own answer."""

from __future__ import annotations

import ctypes
import os
import subprocess

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import info, manifest, obstacles, users
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request

from .world import SOURCE, UID, USER, World, populate, read, write


def refused(world, state="attached", **options):
    """The error of a run that must leave everything as it was."""
    plain = os.path.isdir(world.home) and not os.path.islink(world.home)
    before = world.snapshot() if plain else None
    with pytest.raises(AzlinError) as caught:
        world.apply(state, **options)
    assert caught.value.causes
    if before is not None:
        assert world.snapshot() == before
    return caught.value


def bind(source, target):
    subprocess.run(["mount", "--bind", source, target], check=True)


def test_a_mount_of_the_right_share_is_taken_over(world):
    """Such as one that was made by hand and is not in fstab."""
    os.rename(world.home, world.home + ".old")
    os.mkdir(world.home)
    populate(world.share)
    bind(world.share, world.home)
    result = world.apply()
    assert result["action"] == "persist" and result["home"]["state"] == "attached"
    assert SOURCE.encode() in read("/", world.fstab)
    assert world.apply()["changed"] is False
    before = world.tree()
    world.apply("detached")
    assert world.mount() is None and manifest.compare(before, world.tree()) == []


def test_a_share_that_took_the_place_of_the_recorded_one_is_recorded(base, world):
    """Who moves to another storage by hand changes the lines of fstab, and boots."""
    other = SOURCE.replace("teamhomes01", "teamhomes02")
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    share = os.path.join(base, "other")
    os.mkdir(share)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", other, share], check=True)
    populate(share)
    bind(share, world.home)
    write("/", world.fstab, read("/", world.fstab).decode("utf-8", "replace").replace(SOURCE, other))
    assert world.apply(source=other)["action"] == "persist"
    assert world.apply(source=other)["changed"] is False
    # As after a boot without the server, when only the record tells what to wait for.
    subprocess.run(["umount", world.home], check=True)
    assert world.apply("detached", check_mode=True)["diff"]["before"]["source"] == other


def test_a_mount_of_another_share_is_refused(world):
    subprocess.run(["mount", "-t", "tmpfs", "other01.file.core.test:/other01/home", world.home], check=True)
    os.chown(world.home, UID, UID)
    error = refused(world)
    assert error.error_code == "in_use" and "other01" in error.msg


@pytest.mark.parametrize("state", ["attached", "detached"])
def test_a_bind_of_the_home_onto_itself_is_refused(world, state):
    bind(world.home, world.home)
    if state == "detached":
        assert world.apply(state)["changed"] is False
        return
    error = refused(world, state)
    assert error.error_code == "in_use" and "unmount" in error.causes[0][1]


@pytest.mark.parametrize("where", ["home", "homes"])
def test_an_automounter_is_refused_whatever_it_has_mounted(world, where):
    path = getattr(world, where)
    reader, writer = os.pipe()
    options = f"fd={writer},pgrp={os.getpgrp()},minproto=5,maxproto=5,{'direct' if where == 'home' else 'indirect'}"
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mount(b"systemd-1", path.encode(), b"autofs", 0, options.encode()) == 0, ctypes.get_errno()
    try:
        with pytest.raises(AzlinError) as caught:
            world.apply()
        assert caught.value.error_code == "in_use" and "automount" in caught.value.msg
        assert path in caught.value.msg
    finally:
        subprocess.run(["umount", path], check=True)
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("kind", ["to itself", "to elsewhere", "to nothing"])
def test_a_home_that_is_a_link_is_refused(world, kind):
    os.rename(world.home, world.home + "-real")
    os.symlink({"to itself": world.home, "to elsewhere": world.home + "-real", "to nothing": "none"}[kind], world.home)
    error = refused(world)
    assert error.error_code == "unsupported" and "symbolic link" in error.causes[0][0]


def test_a_loop_of_links_above_the_home_is_refused(world):
    os.symlink("loop", os.path.join(world.base, "loop"))
    world.home = os.path.join(world.base, "loop", "azhomer")
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "unsupported"


def test_a_home_that_is_a_file_is_refused(world):
    os.rename(world.home, world.home + "-real")
    with open(world.home, "wb"):
        pass
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "unsupported"


def test_a_loop_device_in_the_home_is_refused_and_named(world):
    image = os.path.join(world.home, "disk.img")
    with open(image, "wb") as stream:
        stream.truncate(1 << 20)
    os.chown(image, UID, UID)
    device = subprocess.run(["losetup", "--show", "-f", image], check=True, capture_output=True, text=True).stdout
    try:
        error = refused(world)
        assert error.error_code == "home_busy" and image in error.msg and device.strip() in error.msg
    finally:
        subprocess.run(["losetup", "-d", device.strip()], check=True)
    assert world.apply()["home"]["state"] == "attached"


def test_a_loop_device_on_the_share_hinders_going_back(world):
    world.apply()
    image = os.path.join(world.home, "disk.img")
    with open(image, "wb") as stream:
        stream.truncate(1 << 20)
    device = subprocess.run(["losetup", "--show", "-f", image], check=True, capture_output=True, text=True).stdout
    try:
        assert refused(world, "detached").error_code == "home_busy"
    finally:
        subprocess.run(["losetup", "-d", device.strip()], check=True)
    assert world.apply("detached")["home"]["state"] == "local"


@pytest.mark.parametrize("exported", ["/", "above", "home", "home/src"])
def test_a_home_that_the_kernel_exports_to_others_is_refused(world, monkeypatch, exported):
    """Its clients know files by their inodes: they would go on writing to the copy that is set aside."""
    path = {"/": "/", "above": world.homes}.get(exported, exported.replace("home", world.home))
    threads, table = os.path.join(world.base, "threads"), os.path.join(world.base, "etab")
    monkeypatch.setattr(obstacles, "_SERVER", threads)
    monkeypatch.setattr(obstacles, "_EXPORTS", table)
    write("/", table, f"/srv/odd\\040name\t*(ro,sync)\n{path}\t10.0.0.0/24(rw,sync,wdelay,hide)\n")
    write("/", threads, "8\n")
    error = refused(world)
    assert error.error_code == "home_busy" and f" {path} is exported " in error.msg and "/srv" not in error.msg
    # What a server that was stopped has left.
    write("/", threads, "0\n")
    assert world.apply()["home"]["state"] == "attached"
    # What is exported of a share goes on to be the share.
    write("/", threads, "8\n")
    assert world.apply("detached")["home"]["state"] == "local"


@pytest.mark.parametrize("part", ["src", ""])
def test_a_part_of_the_home_that_is_mounted_elsewhere_is_refused(world, part):
    elsewhere = os.path.join(world.base, "www")
    os.mkdir(elsewhere)
    bind(os.path.join(world.home, part), elsewhere)
    error = refused(world)
    assert error.error_code == "home_busy" and elsewhere in error.msg
    subprocess.run(["umount", elsewhere], check=True)
    assert world.apply()["home"]["state"] == "attached"


def test_the_share_may_be_mounted_elsewhere_too(world):
    world.apply()
    elsewhere = os.path.join(world.base, "www")
    os.mkdir(elsewhere)
    bind(world.share, elsewhere)
    assert world.apply("detached")["home"]["state"] == "local"


def test_a_home_without_a_file_moves_too(base, share):
    world = World(base, share)
    os.mkdir(world.home, 0o700)
    os.chown(world.home, UID, UID)
    before = world.tree()
    result = world.apply()
    assert result["seeded"] and result["copied"] == {"files": 0, "bytes": 0}
    assert world.apply()["changed"] is False
    world.apply("detached")
    assert manifest.compare(before, world.tree()) == []


def test_a_home_larger_than_the_local_disk_stays_on_the_share(base, share):
    world = World(base, share)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m,mode=0755", "small", world.homes], check=True)
    populate(world.home)
    world.apply()
    with open(os.path.join(world.home, "large"), "wb") as stream:
        stream.write(b"x" * (30 << 20))
    os.chown(os.path.join(world.home, "large"), UID, UID)
    error = refused(world, "detached")
    assert error.error_code == "no_space" and world.home in error.msg
    os.unlink(os.path.join(world.home, "large"))
    assert world.apply("detached")["home"]["state"] == "local"


@pytest.mark.parametrize("kind", ["directory", "file", "link"])
def test_a_backup_that_is_left_is_kept_whatever_it_is(world, kind):
    left = world.home + ".backup"
    if kind == "directory":
        os.mkdir(left)
    elif kind == "file":
        with open(left, "wb") as stream:
            stream.write(b"kept")
    else:
        os.symlink("nowhere", left)
    before = os.lstat(left)
    assert world.apply()["home"]["backup"] == left + ".1"
    world.apply("detached")
    assert os.lstat(left).st_ino == before.st_ino and os.lstat(left).st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("state", ["attached", "detached"])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_stand_in_whose_journal_is_gone_is_named(world, state, check_mode):
    without_journal(world)
    with pytest.raises(AzlinError) as caught:
        world.apply(state, check_mode=check_mode)
    assert caught.value.error_code == "journal_conflict" and "stand-in" in caught.value.msg


def test_a_stand_in_whose_journal_is_gone_does_not_look_healthy(world):
    without_journal(world)
    found = info.collect(world.host, Request(state="attached", user=users.lookup(USER), home=world.home))
    assert not found["healthy"] and ["stand-in" in problem for problem in found["problems"]] == [True]


def without_journal(world):
    """As on a machine whose system disk was made anew, and whose homes lie on another one."""
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    os.unlink(os.path.join(world.host.state_dir, f"{USER}.json"))
