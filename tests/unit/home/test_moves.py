# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving homes for real: what arrives, what stays, what a second run does."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import struct
import subprocess
import types

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    attach,
    child,
    info,
    manifest,
    preflight,
    recover,
    rescue,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request

from .world import KEY, OTHER_KEY, RESCUE, SOURCE, UID, USER, World, fill, mount_share, populate, read, write


def keys_of(home):
    with open(os.path.join(home, ".ssh", "authorized_keys"), encoding="utf-8") as stream:
        return stream.read()


def error_of(call):
    with pytest.raises(AzlinError) as caught:
        call()
    return caught.value


def test_attach_moves_everything(world):
    before = world.tree()
    result = world.apply()
    assert manifest.compare(before, world.tree()) == []
    assert world.mount().source == SOURCE
    assert {"nosuid", "nodev"} <= set(world.mount().options)
    assert result["changed"] and result["seeded"] and result["copied"]["files"] > 40
    assert result["home"]["state"] == "attached" and result["home"]["backup"] == world.home + ".backup"
    assert manifest.compare(before, world.tree(world.home + ".backup")) == []
    assert os.listdir(world.host.run_dir) == []
    assert sorted(os.listdir(world.homes)) == ["azhomer", "azhomer.backup"]


def test_holes_stay_holes_both_ways(world):
    world.apply()
    assert os.stat(os.path.join(world.home, "sparse")).st_blocks < 1000
    world.apply("detached")
    assert os.stat(os.path.join(world.home, "sparse")).st_blocks < 1000


def test_fstab_gets_one_line_and_loses_it_again(world):
    with open(world.fstab, "rb") as stream:
        before = stream.read()
    world.apply()
    with open(world.fstab, "rb") as stream:
        lines = stream.read().split(b"\n")
    assert b"\n".join(lines[:-2]) == before
    assert lines[-2].startswith(f"{SOURCE} {world.home} nfs ".encode())
    assert b"_netdev" in lines[-2] and b"nofail" in lines[-2]
    world.apply("detached")
    with open(world.fstab, "rb") as stream:
        assert stream.read() == before + b"\n"


def test_second_run_changes_nothing(world):
    world.apply()
    before = world.snapshot()
    assert world.apply()["changed"] is False
    assert world.snapshot() == before
    world.apply("detached")
    before = world.snapshot()
    assert world.apply("detached")["changed"] is False
    assert world.apply("rolled_back")["changed"] is False
    assert world.snapshot() == before


def test_a_home_whose_share_was_deleted_is_not_as_it_should_be(world, monkeypatch):
    """Also where one of the same name was made or restored since: the mount keeps to the old one."""

    def statvfs(path):
        if path == world.home:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)
        return real(path)

    world.apply()
    real = os.statvfs
    monkeypatch.setattr(os, "statvfs", statvfs)
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "mount_failed" and "Stale file handle" in caught.value.msg and caught.value.causes


def make_anew(world, share):
    """Another share has the name, and no home is mounted."""
    for path in (world.home, share):
        subprocess.run(["umount", path], check=True)
    mount_share(share)


def test_a_share_that_was_made_anew_is_not_the_home(world, share):
    """After a reboot the new one of the old name is mounted. Nobody gets in there, and nothing is in it."""
    before = world.tree()
    world.apply()
    make_anew(world, share)
    subprocess.run(["mount", "--bind", share, world.home], check=True)
    error = error_of(world.apply)
    assert error.error_code == "mount_failed" and "belongs to root" in error.msg
    assert "copy_back: none" in str(error.causes)
    request = Request(state="attached", user=users.lookup(USER), home=world.home, source=SOURCE)
    assert error.msg in info.collect(world.host, request)["problems"]
    world.apply("detached", copy_back="none")
    assert world.apply()["seeded"] and manifest.compare(before, world.tree()) == []


def test_a_share_that_was_made_anew_is_not_mounted_as_the_home(world, share):
    """The boot found no server, so it is this run that mounts the new one of the old name."""
    before = world.tree()
    world.apply()
    make_anew(world, share)
    error = error_of(world.apply)
    assert error.error_code == "mount_failed" and "copy_back: none" in str(error.causes)
    assert world.mount() is None and rescue.is_rescue(world.home)
    world.apply("detached", copy_back="none")
    assert world.apply()["seeded"] and manifest.compare(before, world.tree()) == []


def test_check_mode_predicts_and_touches_nothing(world):
    before = world.snapshot()
    predicted = world.apply(check_mode=True)
    assert world.snapshot() == before and not os.path.exists(world.host.state_dir)
    assert predicted["changed"] and predicted["home"]["state"] == "attached"
    assert predicted["diff"]["after"]["fstab"] != predicted["diff"]["before"]["fstab"]
    world.apply()
    assert world.apply(check_mode=True)["changed"] is False
    before = world.snapshot()
    assert world.apply("detached", check_mode=True)["home"]["state"] == "local"
    assert world.snapshot() == before


def test_detach_brings_back_what_is_on_the_share(world):
    world.apply()
    write(world.home, "new-on-share", "written while attached")
    os.chown(os.path.join(world.home, "new-on-share"), UID, UID)
    os.unlink(os.path.join(world.home, "secret"))
    before = world.tree()
    result = world.apply("detached")
    assert result["home"]["state"] == "local" and world.mount() is None
    assert manifest.compare(before, world.tree()) == []
    assert sorted(os.listdir(world.homes)) == ["azhomer", "azhomer.backup"]
    assert os.path.exists(os.path.join(world.share, "new-on-share"))


def test_detach_without_copy_brings_the_old_home_back_and_keeps_new_keys(world):
    before = world.tree()
    world.apply()
    write(world.home, "new-on-share", "stays there")
    with open(os.path.join(world.home, ".ssh", "authorized_keys"), "a", encoding="utf-8") as stream:
        stream.write(OTHER_KEY + "\n")
    world.apply("detached", copy_back="none")
    differences = [line for line in manifest.compare(before, world.tree()) if not line.startswith(".ssh")]
    assert differences == []
    assert KEY in keys_of(world.home) and OTHER_KEY in keys_of(world.home)
    assert os.listdir(world.homes) == ["azhomer"]
    assert os.path.exists(os.path.join(world.share, "new-on-share"))


def test_backups_are_numbered_and_never_overwritten(world):
    for _round in range(2):
        world.apply()
        world.apply("detached")
    os.symlink("nowhere", world.home + ".backup.2")
    assert world.apply()["home"]["backup"] == world.home + ".backup.3"
    assert sorted(os.listdir(world.homes)) == ["azhomer"] + [
        "azhomer.backup" + number for number in ("", ".1", ".2", ".3")
    ]


def test_a_second_host_adopts_the_share_and_adds_its_keys(base, share, world):
    world.apply()
    other = World(base, share, "other")
    populate(other.home, key=OTHER_KEY)
    write(other.home, "only-local", "stays in the backup")
    result = other.apply()
    assert result["seeded"] is False and result["keys_added"] == 1
    assert not os.path.exists(os.path.join(other.home, "only-local"))
    assert os.path.exists(os.path.join(other.home + ".backup", "only-local"))
    for host in (world, other):
        assert KEY in keys_of(host.home) and OTHER_KEY in keys_of(host.home)
    status = os.stat(os.path.join(share, ".ssh", "authorized_keys"))
    assert (status.st_uid, status.st_mode & 0o777) == (UID, 0o600)


def test_never_seed_leaves_an_empty_share_empty_but_lets_the_user_in(world):
    result = world.apply(seed="never")
    assert result["seeded"] is False
    assert sorted(os.listdir(world.home)) == [".azlin", ".ssh"]
    assert KEY in keys_of(world.home)
    assert os.stat(world.home).st_mode & 0o777 == 0o750


def test_rescue_directory_lets_the_user_in_while_the_share_is_not_mounted(world):
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    assert KEY in keys_of(world.home)
    assert sorted(os.listdir(world.home)) == RESCUE
    assert (os.stat(world.home).st_uid, os.stat(world.home).st_mode & 0o777) == (0, 0o755)
    result = world.apply()
    assert result["action"] == "mount" and world.mount().source == SOURCE


def stand_in(world):
    """Keys, owner, modes and time of what the mounted share covers."""
    view = os.path.join(world.base, "view")
    os.makedirs(view, exist_ok=True)
    subprocess.run(["mount", "--bind", world.homes, view], check=True)
    try:
        keys = os.path.join(view, USER, ".ssh", "authorized_keys")
        if not os.path.exists(keys):
            return None
        parts = [os.stat(path) for path in (os.path.dirname(keys), keys)]
        return keys_of(os.path.join(view, USER)), [(one.st_uid, one.st_mode & 0o777, one.st_mtime_ns) for one in parts]
    finally:
        subprocess.run(["umount", view], check=True)


@pytest.mark.parametrize("at_boot", [False, True])
@pytest.mark.parametrize("keys", [True, False])
def test_rescue_directory_lets_in_whoever_got_a_key_on_the_share_since(world, keys, at_boot):
    if not keys:
        shutil.rmtree(os.path.join(world.home, ".ssh"))
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{OTHER_KEY}\n")
    before = stand_in(world)
    assert world.apply(check_mode=True)["changed"] is False and stand_in(world) == before
    assert recover.remount(world.host) == 0 if at_boot else world.apply()["changed"] is False
    content, parts = after = stand_in(world)
    assert OTHER_KEY in content and (KEY in content) == keys
    assert [part[:2] for part in parts] == [(0, 0o755), (0, 0o644)]
    world.apply()
    assert stand_in(world) == after and os.listdir(world.host.run_dir) == []
    # It is still known for what it is.
    world.apply("detached")
    assert sorted(os.listdir(world.homes)) == [USER, f"{USER}.backup"]


def test_a_full_local_disk_does_not_hinder_a_run_that_has_nothing_to_do(base, share, capsys):
    local = os.path.join(base, "local")
    os.mkdir(local)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "local", local], check=True)
    world = World(local, share)
    populate(world.home)
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{OTHER_KEY}\n")
    fill(local, free=100 << 10)
    before = stand_in(world)
    result = world.apply()
    assert result["changed"] is False and result["host_record"] == "written"
    (warning,) = result["warnings"]
    assert f"{world.home}/.ssh/authorized_keys needs" in warning
    assert recover.remount(world.host) == 0 and warning in capsys.readouterr().out
    assert stand_in(world) == before


def test_a_directory_below_a_mount_that_is_none_of_ours_gets_no_keys(world):
    os.rename(world.home, world.home + ".old")
    write(world.home, "of-somebody", "")
    populate(world.share)
    subprocess.run(["mount", "--bind", world.share, world.home], check=True)
    world.apply()
    assert world.apply()["host_record"] == "written" and stand_in(world) is None


@pytest.mark.parametrize("at_boot", [False, True])
def test_a_stand_in_that_is_gone_is_made_again(world, at_boot):
    """Homes move to another disk by a copy that does not cross file systems, which finds no more than a directory."""
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    shutil.rmtree(world.home)
    os.mkdir(world.home, 0o700)
    os.chown(world.home, UID, UID)
    subprocess.run(["mount", "--bind", world.share, world.home], check=True)
    before = world.tree()
    assert recover.remount(world.host) == 0 if at_boot else world.apply()["changed"] is False
    content, parts = stand_in(world)
    assert KEY in content and [part[:2] for part in parts] == [(0, 0o755), (0, 0o644)]
    subprocess.run(["umount", world.home], check=True)
    assert sorted(os.listdir(world.home)) == RESCUE
    assert (os.stat(world.home).st_uid, os.stat(world.home).st_mode & 0o777) == (0, 0o755)
    assert world.apply()["action"] == "mount" and manifest.compare(before, world.tree()) == []


def test_detach_while_not_mounted_still_copies_everything(world):
    before = world.tree()
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    world.apply("detached")
    assert manifest.compare(before, world.tree()) == []


def test_work_left_in_the_rescue_directory_is_kept(world):
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    write(world.home, "written-without-share", "keep me")
    world.apply("detached")
    assert os.path.exists(os.path.join(world.home + ".backup.1", "written-without-share"))


def test_a_small_home_of_somebody_does_not_pass_for_the_rescue_directory(world):
    path = os.path.join(world.homes, "small")
    write(path, ".profile", "echo mine\n")
    write(path, ".ssh/authorized_keys", f"{KEY}\n")
    assert rescue.retire(path, world.home) == world.home + ".backup"
    assert read(world.home + ".backup", ".profile") == b"echo mine\n"


def test_missing_fstab_line_is_repaired(world):
    original = read("/", world.fstab)
    world.apply()
    with open(world.fstab, "wb") as stream:
        stream.write(original)
    assert world.apply()["action"] == "persist"
    assert world.home.encode() in read("/", world.fstab)


def test_a_local_home_that_somebody_brought_back_by_hand_is_not_covered(world):
    """The share was away and the controller as well, so an administrator went back to the backup."""
    fstab = read(world.base, "etc/fstab")
    journal = world.apply()["home"]["journal"]
    subprocess.run(["umount", world.home], check=True)
    with open(world.fstab, "wb") as stream:
        stream.write(fstab)
    os.rename(world.home, os.path.join(world.homes, "old"))
    os.rename(f"{world.home}.backup", world.home)
    write(world.home, "work", "of weeks")
    before = world.snapshot()
    for state in ("attached", "detached"):
        error = error_of(lambda wanted=state: world.apply(wanted))
        assert error.error_code == "in_use" and journal in str(error.causes)
        assert world.snapshot() == before
    os.unlink(journal)
    assert world.apply("detached")["changed"] is False
    assert world.apply()["action"] == "attach"
    assert read(f"{world.home}.backup", "work") == b"of weeks"


def test_another_share_is_refused_until_detached(world):
    world.apply()
    before = world.snapshot()
    error = error_of(lambda: world.apply(source="other01.file.core.test:/other01/home"))
    assert error.error_code == "in_use" and "detach" in error.causes[0][1]
    assert world.snapshot() == before


def test_what_nfs_cannot_hold_is_refused_by_name(world):
    os.setxattr(os.path.join(world.home, ".bashrc"), "user.note", b"x")
    os.mknod(os.path.join(world.home, "device"), 0o020600, os.makedev(1, 3))
    before = world.snapshot()
    error = error_of(world.apply)
    assert error.error_code == "unsupported"
    assert ".bashrc: extended attribute user.note" in error.msg and "device: a device file" in error.msg
    assert world.snapshot() == before


def add_unsupported(home):
    os.setxattr(os.path.join(home, ".bashrc"), "user.note", b"x")
    os.mknod(os.path.join(home, "device"), 0o020640, os.makedev(1, 3))
    os.chown(os.path.join(home, "device"), UID, UID)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_in_the_place_of_the_keys_does_not_hold_an_undo_up(world, make):
    """At boot the homes of others wait for it, and everybody who would log in."""

    def exchange(when, step):
        if (when, step) == ("after", "keys"):
            path = f"{world.home}.backup/.ssh/authorized_keys"
            os.unlink(path)
            make(path)
            raise AzlinError("timeout", "Nobody has logged in.")

    world.apply()
    with open(os.path.join(world.home, ".ssh", "authorized_keys"), "a", encoding="utf-8") as stream:
        stream.write(OTHER_KEY + "\n")
    undone = child.call(
        lambda: error_of(lambda: world.apply("detached", copy_back="none", checkpoint=exchange)).error_code, 30
    )
    assert undone == "timeout" and world.mount() is not None


def test_a_program_with_the_rights_of_somebody_else_comes_back_without_them(world):
    """The share is mounted nosuid: root of any host may have put it there."""

    def put(path, uid, gid, mode):
        write(world.share, path, "#!/bin/sh\n")
        os.chown(os.path.join(world.share, path), uid, gid)
        os.chmod(os.path.join(world.share, path), mode)

    def late(when, step):
        if (when, step) == ("after", "copy"):
            # Meanwhile the user gets at the copy, so that it must never have had them.
            seen.append(os.stat(os.path.join(world.homes, f".{USER}.azlin-local", "tools/of-root")).st_mode & 0o7777)
            put("tools/late", 0, 0, 0o4755)

    world.apply()
    seen = []
    put("tools/of-root", 0, 0, 0o6755)
    os.link(os.path.join(world.share, "tools/of-root"), os.path.join(world.share, "tools/again"))
    put("tools/of-group", UID, 5, 0o2755)
    put("tools/own", UID, UID, 0o6755)
    lost = ["tools/again", "tools/late", "tools/of-group", "tools/of-root"]
    result = world.apply("detached", checkpoint=late)
    modes = {name: os.stat(os.path.join(world.home, name)).st_mode & 0o7777 for name in [*lost, "tools/own", "run.sh"]}
    assert modes == {**dict.fromkeys(lost, 0o755), "tools/own": 0o6755, "run.sh": 0o4755}
    assert sorted(line.partition(":")[0] for line in result["unsupported"]) == lost
    assert seen == [0o755]


def test_what_nfs_cannot_hold_is_saved_and_comes_back(world):
    add_unsupported(world.home)
    before = world.tree()
    assert world.apply(unsupported="save")["unsupported"] == []
    assert not os.path.lexists(os.path.join(world.home, "device"))
    assert os.listxattr(os.path.join(world.home, ".bashrc")) == []
    assert world.apply(state="detached")["unsupported"] == []
    assert manifest.compare(before, world.tree()) == []
    assert os.getxattr(os.path.join(world.home, ".bashrc"), "user.note") == b"x"
    assert os.lstat(os.path.join(world.home, "device")).st_rdev == os.makedev(1, 3)


def plant_record(world, owner, **parts):
    """Put a record on the share that this host has not written."""
    path = f".azlin/unsupported.{USER}.json"
    write(world.share, path, json.dumps({"format": 1, "attributes": [], "devices": [], "links": [], **parts}))
    os.chown(os.path.join(world.share, path), owner, owner)


def test_a_device_comes_back_only_from_the_record_that_this_host_has_written(world):
    """A file of root on the share may be of root of any host that mounts it, or have been moved there by the user."""
    add_unsupported(world.home)
    world.apply(unsupported="save")
    memory = {"path": "memory", "type": "character", "major": 1, "minor": 1, "mode": 0o666, "mtime_ns": 0}
    plant_record(world, 0, devices=[dict(memory, uid=UID, gid=UID)])
    assert [line.partition(":")[0] for line in world.apply(state="detached")["unsupported"]] == ["memory"]
    assert not os.path.lexists(os.path.join(world.home, "memory"))


def test_what_this_host_has_written_is_known_after_its_home_was_mounted_again(world):
    add_unsupported(world.home)
    world.apply(unsupported="save")
    subprocess.run(["umount", world.home], check=True)
    assert world.apply()["action"] == "mount"
    assert world.apply(state="detached")["unsupported"] == []
    assert os.lstat(os.path.join(world.home, "device")).st_rdev == os.makedev(1, 3)


def test_a_record_of_the_user_gives_no_access_to_files_of_others(world):
    write(world.home, "shared/private", "of somebody else", 0o600)
    os.chown(os.path.join(world.home, "shared/private"), 7, 7)
    # Owner rw, the user rw, group none, mask rw, others none.
    entries = [(1, 6, 0xFFFFFFFF), (2, 6, UID), (4, 0, 0xFFFFFFFF), (0x10, 6, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    value = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    item = {"values": {"system.posix_acl_access": base64.b64encode(value).decode()}}
    world.apply()
    plant_record(world, UID, attributes=[dict(item, path="shared/private"), dict(item, path=".bashrc")])
    result = world.apply(state="detached")
    assert [line.partition(":")[0] for line in result["unsupported"]] == ["shared/private"]
    assert os.listxattr(os.path.join(world.home, "shared/private")) == []
    assert os.listxattr(os.path.join(world.home, ".bashrc")) == ["system.posix_acl_access"]


def test_what_nfs_cannot_hold_is_left_behind_on_request_and_reported(world):
    add_unsupported(world.home)
    lines = ["device: a device file", ".bashrc: extended attribute user.note"]
    assert sorted(world.apply(check_mode=True)["unsupported"]) == sorted(lines)
    assert sorted(world.apply(unsupported="skip")["unsupported"]) == sorted(lines)
    assert world.apply(state="detached")["unsupported"] == []
    assert not os.path.lexists(os.path.join(world.home, "device"))


def test_a_record_that_cannot_be_understood_stops_a_detach_before_it_begins(world):
    add_unsupported(world.home)
    world.apply(unsupported="save")
    before = world.snapshot()
    write(world.share, f".azlin/unsupported.{USER}.json", "no json")
    assert error_of(lambda: world.apply(state="detached")).error_code == "journal_conflict"
    assert world.snapshot() == before


def test_pipes_are_skipped_and_reported(world):
    os.mkfifo(os.path.join(world.home, "pipe"))
    assert world.apply()["not_copied"] == ["pipe"]


def test_mounts_below_a_home_are_refused(world):
    subprocess.run(["mount", "-t", "tmpfs", "inner", os.path.join(world.home, "empty-directory")], check=True)
    assert error_of(world.apply).error_code == "unsupported"


def test_an_oddly_named_mount_elsewhere_is_no_obstacle(world):
    path = os.path.join(world.base, "a\fb\x85c")
    os.mkdir(path)
    subprocess.run(["mount", "-t", "tmpfs", "odd", path], check=True)
    world.apply()
    world.apply("detached")
    assert world.mount() is None


def test_a_home_that_is_a_link_is_refused(world):
    os.rename(world.home, world.home + "-real")
    os.symlink(world.home + "-real", world.home)
    assert error_of(world.apply).error_code == "unsupported"


def test_files_of_another_uid_are_refused(base, share, world):
    world.apply()
    os.chown(share, 4711, 4711)
    other = World(base, share, "other")
    populate(other.home)
    before = other.snapshot()
    error = error_of(other.apply)
    assert error.error_code == "uid_mismatch" and "4711" in error.msg and str(UID) in error.msg
    assert other.snapshot() == before


def test_too_small_a_share_is_refused(world):
    subprocess.run(["mount", "-o", "remount,size=16m", world.share], check=True)
    before = world.snapshot()
    assert error_of(world.apply).error_code == "no_space"
    assert world.snapshot() == before


@pytest.mark.parametrize(("files", "free", "fits"), [(1000, 9, False), (1000, 10, True), (0, 0, True)])
def test_there_has_to_be_room_for_every_name_where_names_are_counted(monkeypatch, files, free, fits):
    status = types.SimpleNamespace(f_bavail=1 << 30, f_frsize=1, f_files=files, f_favail=free)
    monkeypatch.setattr(preflight.os, "statvfs", lambda _path: status)
    if fits:
        preflight.check_space("/", 5, 10, "It")
    else:
        assert error_of(lambda: preflight.check_space("/", 5, 10, "It")).error_code == "no_space"


def test_busy_home_is_named_and_left_attached(world):
    world.apply()
    before = world.snapshot()
    holder = subprocess.Popen(["sleep", "600"], cwd=world.home)
    try:
        error = error_of(lambda: world.apply("detached"))
    finally:
        holder.kill()
        holder.wait()
    assert error.error_code == "home_busy" and f"pid {holder.pid}" in error.msg
    assert world.snapshot() == before
    assert world.apply("detached")["home"]["state"] == "local"


def test_what_started_the_run_may_sit_in_the_home(world):
    before = world.tree()
    world.apply()
    shell = os.fork()
    if shell == 0:
        os.chdir(world.home)
        # What a login shell does for a command: it waits for it, with the home as working directory.
        child = os.fork()
        if child == 0:
            world.apply("detached")
            os._exit(0)
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert os.waitstatus_to_exitcode(os.waitpid(shell, 0)[1]) == 0
    assert world.mount() is None and manifest.compare(before, world.tree()) == []


def test_a_run_beside_another_is_refused(world):
    codes = []

    def beside(_when, step):
        if step == "seed":
            codes.append(child.call(lambda: error_of(world.apply).error_code, 60))

    world.apply(checkpoint=beside)
    assert set(codes) == {"journal_conflict"}


def test_a_journal_of_a_newer_version_is_left_alone(world):
    os.makedirs(world.host.state_dir)
    path = os.path.join(world.host.state_dir, "azhomer.json")
    with open(path, "w", encoding="utf-8") as stream:
        json.dump({"version": 99}, stream)
    assert error_of(world.apply).error_code == "journal_conflict"


def test_a_share_that_squashes_root_is_named(world, monkeypatch):
    def squashed(_operation):
        raise PermissionError(1, "Operation not permitted")

    before = world.snapshot()
    monkeypatch.setattr(attach.Attach, "_own_root", squashed)
    error = error_of(lambda: world.apply(seed="never"))
    assert error.error_code == "access_denied" and "root_squash" in error.causes[0][1]
    assert world.snapshot() == before
