# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Homes of which parts stay local: there, back, and at every point where a run may end."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    child,
    info,
    local_paths,
    manifest,
    mounter,
    mountinfo,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request

from .test_faults import GOALS, POINTS, killed
from .world import UID, USER, BindMounter, World, populate, read, write

PATHS = (".cache", ".local/share/containers", "builds")
LAYER = ".local/share/containers/layer"


class Hybrid(World):
    """A host that attaches with local paths."""

    def apply(self, state="attached", **options):
        if state == "attached":
            options.setdefault("local_paths", PATHS)
        return super().apply(state, **options)


@pytest.fixture
def hybrid(base, share):
    world = Hybrid(base, share)
    write(world.home, ".cache/pip/wheel", "cached", 0o600)
    write(world.home, LAYER, "layer")
    write(world.home, ".local/share/other", "other")
    populate(world.home)
    return world


def shown(world):
    mounts = [mount for mount in mountinfo.read() if mount.path.startswith(world.home + "/")]
    return {mount.path[len(world.home) + 1 :]: mount.root for mount in mounts}


def give(world, *paths):
    for path in paths:
        os.chown(os.path.join(world.home, path), UID, UID)


def test_local_paths_stay_and_the_rest_moves(hybrid):
    before = manifest.build(hybrid.home, exclude=("builds", ".azlin"), digest=True)
    inode = os.stat(os.path.join(hybrid.home, LAYER)).st_ino
    result = hybrid.apply()
    assert result["home"]["local_paths"] == list(PATHS)
    assert manifest.compare(before, manifest.build(hybrid.home, exclude=("builds", ".azlin"), digest=True)) == []
    assert set(shown(hybrid)) == set(PATHS)
    for path in PATHS:
        assert os.listdir(os.path.join(hybrid.share, path)) == []
        assert os.stat(os.path.join(hybrid.home, path)).st_uid == UID
    assert os.stat(os.path.join(hybrid.home, LAYER)).st_ino == inode
    assert os.path.exists(os.path.join(hybrid.share, ".local/share/other"))
    assert hybrid.apply()["changed"] is False


def test_a_way_to_a_local_part_that_the_user_redirects_meanwhile_unmounts_nothing_else(hybrid, base, monkeypatch):
    hybrid.apply()
    victim, trap = os.path.join(base, "victim"), os.path.join(base, "trap")
    os.mkdir(victim)
    subprocess.run(["mount", "-t", "tmpfs", "victim", victim], check=True)
    os.makedirs(os.path.join(trap, "share"))
    os.symlink(victim, os.path.join(trap, "share/containers"))
    real = local_paths._shown

    def redirect_then(mounts, home, path):
        answer = real(mounts, home, path)
        if path.startswith(".local/") and not os.path.islink(os.path.join(home, ".local")):
            os.rename(os.path.join(home, ".local"), os.path.join(home, "aside"))
            os.symlink(trap, os.path.join(home, ".local"))
        return answer

    monkeypatch.setattr(local_paths, "_shown", redirect_then)
    local_paths.hide(hybrid.host.mounter, hybrid.home, PATHS)
    assert mountinfo.at(mountinfo.read(), victim) is not None
    assert set(shown(hybrid)) == {"aside/share/containers"}


@pytest.fixture
def lay_link(hybrid, base):
    """Exchanges a local part for a link: what others have is often protected by the mode of their home alone."""
    documents = os.path.join(base, "private/documents")
    os.makedirs(documents)
    os.chmod(os.path.dirname(documents), 0o700)

    def lay():
        os.rename(os.path.join(hybrid.home, ".cache"), os.path.join(hybrid.home, "aside"))
        os.symlink(documents, os.path.join(hybrid.home, ".cache"))

    return lay


def test_a_local_part_that_became_a_link_since_it_was_looked_at_shows_nothing_of_others(hybrid, lay_link):
    def exchange(when, step):
        if (when, step) == ("after", "quiesce"):
            lay_link()

    with pytest.raises(AzlinError) as caught:
        hybrid.apply(checkpoint=exchange)
    assert caught.value.error_code == "unsupported" and ".cache" in caught.value.msg
    assert hybrid.mount() is None and shown(hybrid) == {}
    assert os.path.islink(os.path.join(hybrid.home, ".cache"))
    assert sorted(os.listdir(hybrid.homes)) == [USER]


def test_a_local_part_that_became_a_link_in_a_local_home_that_is_undone_shows_nothing_of_others(hybrid, lay_link):
    def exchange(when, step):
        if (when, step) == ("after", "exchange"):
            lay_link()
            raise AzlinError("timeout", "Nobody has logged in.")

    hybrid.apply()
    with pytest.raises(AzlinError) as caught:
        hybrid.apply("detached", checkpoint=exchange)
    assert caught.value.error_code == "timeout"
    roots = shown(hybrid)
    assert set(roots) == set(PATHS) and roots[".cache"].endswith(f"/{USER}.local/.cache")
    assert os.path.isdir(os.path.join(f"{hybrid.home}.local", ".cache"))


def redirect(tree):
    """What a user does who moves the directory above a local part to another disk."""
    os.rename(os.path.join(tree, ".local"), os.path.join(tree, "aside"))
    os.symlink("aside", os.path.join(tree, ".local"))


@pytest.mark.parametrize("copy_back", ["full", "none"])
def test_a_link_above_a_local_part_in_a_local_home_does_not_hold_up_its_undo(hybrid, copy_back):
    def exchange(when, step):
        if (when, step) == ("after", "exchange"):
            redirect(hybrid.home)
            raise AzlinError("timeout", "Nobody has logged in.")

    hybrid.apply()
    with pytest.raises(AzlinError) as caught:
        hybrid.apply("detached", copy_back=copy_back, checkpoint=exchange)
    assert caught.value.error_code == "timeout"
    assert set(shown(hybrid)) == set(PATHS)
    # What was moved away is kept with the local home in which that was done.
    backups = [name for name in os.listdir(hybrid.homes) if name.startswith(f"{USER}.backup")]
    layer = os.path.join("aside", os.path.relpath(LAYER, ".local"))
    assert [name for name in backups if os.path.exists(os.path.join(hybrid.homes, name, layer))]


def test_a_link_that_another_host_has_laid_above_a_local_part_does_not_keep_a_home_on_its_share(hybrid):
    hybrid.apply()
    # As the kernel does when a server says that the directory is there no more.
    subprocess.run(["umount", os.path.join(hybrid.home, os.path.dirname(LAYER))], check=True)
    redirect(hybrid.share)
    hybrid.apply("detached")
    assert read(hybrid.home, LAYER) == b"layer"
    assert os.readlink(os.path.join(hybrid.home, ".local.backup")) == "aside"
    assert read(hybrid.home, "aside/share/other") == b"other"


def test_local_paths_are_shown_when_the_stage_is_gone(hybrid):
    hybrid.apply()
    assert set(shown(hybrid)) == set(PATHS)
    assert hybrid.apply()["changed"] is False
    subprocess.run(["umount", "--recursive", hybrid.home], check=True)
    assert hybrid.apply()["action"] == "mount"
    assert set(shown(hybrid)) == set(PATHS)


def test_an_undone_detach_shows_local_paths_again(hybrid):
    hybrid.apply()

    def fail(*at):
        if at == ("after", "verify"):
            raise OSError("on purpose")

    with pytest.raises(AzlinError):
        hybrid.apply("detached", checkpoint=fail)
    assert set(shown(hybrid)) == set(PATHS)


def test_lines_of_fstab_come_and_go(hybrid):
    before = read("/", hybrid.fstab)
    hybrid.apply()
    added = read("/", hybrid.fstab).decode("latin-1").splitlines()[-4:]
    assert [line.split()[1] for line in added] == [hybrid.home] + [os.path.join(hybrid.home, path) for path in PATHS]
    hybrid.apply("detached")
    assert read("/", hybrid.fstab) == before + b"\n"


@pytest.mark.parametrize("action", ["attached", "detached"])
def test_an_undo_puts_every_line_of_fstab_right_that_somebody_has_edited_since(hybrid, action):
    if action == "detached":
        hybrid.apply()
    before = read("/", hybrid.fstab)

    def edit_and_fail(*at):
        if at == ("after", {"attached": "persist", "detached": "verify"}[action]):
            with open(hybrid.fstab, "ab") as stream:
                stream.write(b"late /late ext4 noauto 0 0\n")
            raise OSError("on purpose")

    with pytest.raises(AzlinError):
        hybrid.apply(action, checkpoint=edit_and_fail)
    lines = [*before.removesuffix(b"\n").split(b"\n"), b"late /late ext4 noauto 0 0", b""]
    assert sorted(read("/", hybrid.fstab).split(b"\n")) == sorted(lines)


@pytest.mark.parametrize("copy_back", ["full", "none"])
def test_local_paths_come_back_as_they_are(hybrid, copy_back):
    inode = os.stat(os.path.join(hybrid.home, LAYER)).st_ino
    hybrid.apply()
    write(hybrid.home, ".cache/new", "while attached")
    write(hybrid.home, "builds/result", "while attached")
    give(hybrid, ".cache/new", "builds/result")
    before = {path: manifest.build(os.path.join(hybrid.home, path), digest=True) for path in PATHS}
    result = hybrid.apply("detached", copy_back=copy_back)
    assert result["home"]["local_paths"] == [] and shown(hybrid) == {}
    for path in PATHS:
        assert manifest.compare(before[path], manifest.build(os.path.join(hybrid.home, path), digest=True)) == []
    assert os.stat(os.path.join(hybrid.home, LAYER)).st_ino == inode
    assert sorted(os.listdir(hybrid.homes)) == [USER] + ([USER + ".backup"] if copy_back == "full" else [])


def test_there_and_back_is_the_same_home(hybrid):
    os.mkdir(os.path.join(hybrid.home, "builds"))
    give(hybrid, "builds")
    before = hybrid.tree()
    for _round in range(2):
        hybrid.apply()
        hybrid.apply("detached")
        assert manifest.compare(before, hybrid.tree()) == []


@pytest.mark.parametrize("other", [(), (".cache",), (*PATHS, "more")])
def test_other_local_paths_than_attached_are_refused(hybrid, other):
    hybrid.apply()
    before = hybrid.snapshot()
    with pytest.raises(AzlinError) as caught:
        hybrid.apply(local_paths=other)
    assert caught.value.error_code == "in_use" and "detach" in caught.value.causes[0][1]
    assert hybrid.snapshot() == before


def test_a_local_path_that_is_not_shown_is_reported_and_repaired(hybrid):
    hybrid.apply()
    subprocess.run(["umount", os.path.join(hybrid.home, ".cache")], check=True)
    request = Request(state="attached", user=users.lookup(USER), home=hybrid.home)
    problems = info.collect(hybrid.host, request)["problems"]
    assert [problem for problem in problems if ".cache" in problem]
    assert hybrid.apply()["action"] == "persist"
    assert set(shown(hybrid)) == set(PATHS) and os.listdir(os.path.join(hybrid.home, ".cache")) == ["pip"]


def test_all_is_back_after_a_boot_without_the_server(hybrid):
    hybrid.apply()
    before = hybrid.tree()
    for path in PATHS:
        subprocess.run(["umount", os.path.join(hybrid.home, path)], check=True)
    subprocess.run(["umount", hybrid.home], check=True)
    assert hybrid.apply()["action"] == "mount"
    assert manifest.compare(before, hybrid.tree()) == [] and set(shown(hybrid)) == set(PATHS)


@pytest.mark.parametrize(("action", "made"), [("attach", []), ("detach", ["builds: unexpected"])])
@pytest.mark.parametrize("trouble", [child.ChildTimeout(), child.ChildFailed("Stale file handle")])
def test_a_share_that_is_out_of_reach_does_not_keep_a_home_with_local_paths(hybrid, monkeypatch, action, made, trouble):
    """The way to the local paths leads through the share, so that not even umount(8) gets at them."""
    before = hybrid.tree()
    unmount = hybrid.host.mounter.unmount

    def hangs(_self, path, lazy=False):
        return not path.startswith(f"{hybrid.home}/") and unmount(path, lazy)

    def fall_silent(*reached):
        if reached == ("after", "verify"):
            monkeypatch.setattr(BindMounter, "unmount", hangs)
            monkeypatch.setattr(BindMounter, "unmount_below", lambda *_arguments: False)
            monkeypatch.setattr(mounter, "trouble", lambda path: trouble if path == hybrid.home else None)
            raise AzlinError("verify_failed", "The server went away.")

    if action == "detach":
        hybrid.apply()
        with pytest.raises(AzlinError):
            fall_silent("after", "verify")
        hybrid.apply("detached", copy_back="none")
    else:
        with pytest.raises(AzlinError) as caught:
            hybrid.apply(checkpoint=fall_silent)
        assert caught.value.error_code == "verify_failed"
    assert hybrid.mount() is None and shown(hybrid) == {}
    assert manifest.compare(before, hybrid.tree()) == made


def test_a_foreign_mount_in_the_home_is_still_refused(hybrid):
    hybrid.apply()
    os.mkdir(os.path.join(hybrid.home, "foreign"))
    subprocess.run(["mount", "-t", "tmpfs", "inner", os.path.join(hybrid.home, "foreign")], check=True)
    for state in ("attached", "detached"):
        with pytest.raises(AzlinError) as caught:
            hybrid.apply(state)
        assert caught.value.error_code == "unsupported" and "foreign" in caught.value.msg
        assert ".cache" not in caught.value.msg


def test_who_works_in_a_local_path_is_named(hybrid):
    hybrid.apply()
    holder = subprocess.Popen(["sleep", "600"], cwd=os.path.join(hybrid.home, ".cache"))
    try:
        with pytest.raises(AzlinError) as caught:
            hybrid.apply("detached")
    finally:
        holder.kill()
        holder.wait()
    assert caught.value.error_code == "home_busy" and f"pid {holder.pid}" in caught.value.msg
    assert set(shown(hybrid)) == set(PATHS)


@pytest.mark.parametrize("kind", ["link", "file"])
def test_what_is_on_the_share_instead_of_a_directory_is_refused(hybrid, base, share, kind):
    first = World(base, share, "first")
    populate(first.home)
    first.apply()
    path = os.path.join(first.home, ".cache")
    if kind == "link":
        os.symlink("/etc", path)
    else:
        write(first.home, ".cache", "a file")
    before = hybrid.snapshot()
    with pytest.raises(AzlinError) as caught:
        hybrid.apply()
    assert caught.value.error_code == "unsupported" and ".cache" in caught.value.msg
    assert hybrid.snapshot() == before


@pytest.mark.parametrize("kind", ["directory", "link", "file"])
def test_a_store_of_somebody_else_is_refused_before_anything_is_changed(hybrid, kind):
    """Such as the home of a user whose name ends like that: an undo could not open it either."""
    store = hybrid.home + ".local"
    if kind == "directory":
        os.mkdir(store)
        os.chown(store, UID + 1, UID + 1)
    elif kind == "link":
        os.symlink(hybrid.base, store)
    else:
        write(hybrid.homes, os.path.basename(store), "")
    before = hybrid.snapshot()
    with pytest.raises(AzlinError) as caught:
        hybrid.apply(check_mode=True)
    assert caught.value.error_code == "unsupported" and store in caught.value.msg
    with pytest.raises(AzlinError):
        hybrid.apply()
    assert hybrid.snapshot() == before


def test_what_the_share_holds_at_a_local_path_stays_there(hybrid, base, share):
    first = World(base, share, "first")
    write(first.home, ".cache/of-the-first", "on the share")
    populate(first.home)
    first.apply()
    hybrid.apply()
    assert os.listdir(os.path.join(hybrid.home, ".cache")) == ["pip"]
    hybrid.apply("detached")
    assert os.listdir(os.path.join(hybrid.home, ".cache")) == ["pip"]
    assert os.listdir(os.path.join(first.home, ".cache")) == ["of-the-first"]


@pytest.mark.parametrize(("action", "when", "step"), [point for point in POINTS if point[1] == "after"])
def test_wherever_a_run_dies_nothing_is_lost(hybrid, action, when, step):
    if action != "attach":
        hybrid.apply()
    before = hybrid.snapshot()
    killed(hybrid, action, when, step)
    hybrid.apply("rolled_back")
    assert hybrid.snapshot() == before
    killed(hybrid, action, when, step)
    hybrid.apply(**GOALS[action])
    assert read(hybrid.home, LAYER) == b"layer" and read(hybrid.home, ".cache/pip/wheel") == b"cached"
    assert (set(shown(hybrid)) == set(PATHS)) == (action == "attach")
    assert os.path.lexists(hybrid.home + ".local") == (action == "attach")
