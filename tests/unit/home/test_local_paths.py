# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a home that stay local: what may be one, and how they get out of a home and back."""

from __future__ import annotations

import os

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    fstab,
    local_paths,
    manifest,
    mountinfo,
    trees,
    users,
)

from .world import UID, USER, populate, write

PATHS = (".cache", ".local/share/containers", "builds")


@pytest.fixture
def home(base):
    path = os.path.join(base, "home", USER)
    os.makedirs(path)
    write(path, ".cache/pip/wheel", "cached", 0o600)
    write(path, ".local/share/containers/storage/layer", "layer")
    write(path, ".local/share/other", "other")
    populate(path)
    return path


def test_lines_of_fstab_wait_for_the_home():
    [(point, line)] = local_paths.fstab_lines("/home/u", [".cache"]).items()
    assert point == "/home/u/.cache"
    assert line == (
        "/home/u.local/.cache /home/u/.cache none bind,_netdev,nofail,x-systemd.requires-mounts-for=/home/u 0 0"
    )
    assert fstab.parse_line(line).path == point


@pytest.mark.parametrize(
    ("root", "path", "ours"),
    [
        ("/home/u.local/.cache", "/home/u/.cache", True),
        ("/u.local/.cache", "/home/u/.cache", True),
        ("/home/other.local/.cache", "/home/u/.cache", False),
        ("/home/u.local/.cache", "/home/u/.cache2", False),
        ("/", "/home/u/.cache", False),
    ],
)
def test_only_our_own_binds_are_ours(root, path, ours):
    [mount] = mountinfo.parse(f"50 22 8:1 {root} {path} rw - ext4 /dev/sda1 rw\n")
    assert local_paths.is_ours(mount, "/home/u", [".cache"]) == ours


def test_there_and_back_is_exactly_as_before(home):
    before = manifest.build(home, digest=True)
    noted = {}
    local_paths.take(home, home, PATHS, lambda **facts: noted.update(facts))
    assert noted["local_moved"] == [".cache", ".local/share/containers"]
    assert not os.path.lexists(os.path.join(home, ".cache"))
    assert os.path.exists(os.path.join(home + ".local", ".local/share/containers/storage/layer"))
    assert os.stat(home + ".local").st_mode & 0o777 == 0o700
    user = users.lookup(USER)
    local_paths.give_back(home, home, PATHS, user, noted["local_moved"], noted["local_times"])
    local_paths.discard_store(home)
    assert manifest.compare(before, manifest.build(home, digest=True)) == []
    assert os.listdir(os.path.dirname(home)) == [USER]


@pytest.mark.parametrize("moved", [0, 1])
def test_a_move_that_was_cut_short_is_undone_too(home, moved):
    before = manifest.build(home, digest=True)
    noted = {}
    local_paths.take(home, home, (), lambda **facts: None)
    local_paths.take(home, home, PATHS[:moved], lambda **facts: None)
    with pytest.raises(KeyboardInterrupt):
        local_paths.take(home, home, PATHS[moved:], lambda **facts: (noted.update(facts), interrupt()))
    local_paths.give_back(home, home, PATHS, users.lookup(USER))
    local_paths.discard_store(home)
    assert manifest.compare(before, manifest.build(home, digest=True)) == []


def interrupt():
    raise KeyboardInterrupt


def test_what_was_made_while_attached_comes_along(home):
    user = users.lookup(USER)
    local_paths.take(home, home, PATHS, lambda **facts: None)
    write(home + ".local", "builds/result", "made while attached")
    os.chown(os.path.join(home + ".local", "builds"), UID, UID)
    local_paths.give_back(home, home, PATHS, user, moved=[".cache", ".local/share/containers"])
    with open(os.path.join(home, "builds", "result"), encoding="utf-8") as stream:
        assert stream.read() == "made while attached"


def test_what_is_in_the_way_is_kept_beside(home):
    local_paths.take(home, home, PATHS, lambda **facts: None)
    write(home, ".cache/other", "in the way")
    write(home, ".cache.backup/older", "in the way of that")
    local_paths.give_back(home, home, PATHS, users.lookup(USER))
    assert os.listdir(os.path.join(home, ".cache")) == ["pip"]
    assert os.listdir(os.path.join(home, ".cache.backup")) == ["older"]
    assert os.listdir(os.path.join(home, ".cache.backup.1")) == ["other"]


def test_parents_that_are_gone_are_made_for_the_user(home, base):
    local_paths.take(home, home, PATHS, lambda **facts: None)
    other = os.path.join(base, "fresh")
    os.mkdir(other)
    local_paths.give_back(home, other, PATHS, users.lookup(USER))
    for path in (".local", ".local/share"):
        assert os.stat(os.path.join(other, path)).st_uid == UID
    local_paths.take_again(home, other, PATHS)
    assert sorted(os.listdir(home + ".local")) == [".cache", ".local"]


def test_nothing_is_moved_through_a_link(home, base):
    elsewhere = os.path.join(base, "elsewhere")
    write(elsewhere, "share/containers/precious", "not the user's")
    os.rename(os.path.join(home, ".local"), os.path.join(home, ".local-real"))
    os.symlink(elsewhere, os.path.join(home, ".local"))
    with pytest.raises(AzlinError) as caught:
        local_paths.check(home, PATHS)
    assert caught.value.error_code == "unsupported" and ".local/share/containers" in caught.value.msg
    with pytest.raises(OSError):
        local_paths.take(home, home, PATHS, lambda **facts: None)
    assert os.path.exists(os.path.join(elsewhere, "share/containers/precious"))


def test_a_file_cannot_be_a_local_path(home):
    with pytest.raises(AzlinError, match="secret"):
        local_paths.check(home, ["secret"])


def test_a_store_with_something_in_it_is_refused(home):
    write(home + ".local", ".cache/old", "left by hand")
    with pytest.raises(AzlinError) as caught:
        local_paths.check(home, PATHS)
    assert caught.value.error_code == "in_use" and home + ".local/.cache" in caught.value.msg


def test_a_store_of_somebody_else_is_refused(home):
    os.mkdir(home + ".local")
    os.chown(home + ".local", UID, UID)
    with pytest.raises(AzlinError, match="does not belong to root"):
        local_paths.take(home, home, PATHS, lambda **facts: None)


def test_mount_points_are_made_by_the_user_and_only_where_missing(home):
    root = trees.open_directory(home)
    try:
        local_paths.make_mount_points(root, (".cache", "new/deep"), users.lookup(USER))
    finally:
        os.close(root)
    for path in ("new", "new/deep"):
        assert os.stat(os.path.join(home, path)).st_uid == UID
    assert os.listdir(os.path.join(home, ".cache")) == ["pip"]


def test_a_tree_is_looked_at_without_what_is_left_out(home):
    whole = trees.survey(home)
    rest = trees.survey(home, exclude=PATHS)
    assert (whole.files - rest.files, whole.directories - rest.directories) == (2, 4)
    assert ".local/share/other" in manifest.build(home, exclude=PATHS)
    assert ".cache" not in manifest.build(home, exclude=PATHS)
