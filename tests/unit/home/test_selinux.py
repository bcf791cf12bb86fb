# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux: files in place of the kernel's, and programs in place of setsebool and restorecon."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import selinux

from .world import KEY, OTHER_KEY

LABEL = "security.selinux"
HOME_LABEL = b"of a home"
# A restorecon: what is at and below a path gets the label of a home, but for one path with a rule of its own.
LABELS = f"""exec {sys.executable} -c '
import os, sys
own = os.environ.get("OWN_LABEL_OF")
for folder, folders, files in os.walk(sys.argv[2]):
    for path in [folder, *(os.path.join(folder, name) for name in folders + files)]:
        label = b"its own" if path == own else b"{HOME_LABEL.decode()}"
        os.setxattr(path, "{LABEL}", label, follow_symlinks=False)
' "$@"
"""


@pytest.fixture(autouse=True)
def program(tmp_path, monkeypatch):
    """``program(name, action)`` makes one that does this and is counted; returns the file that counts."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def make(name, action):
        calls = tmp_path / f"{name}.calls"
        calls.touch()
        (folder / name).write_text(f'#!/bin/sh\necho "$*" >> {calls}\n{action}\n')
        (folder / name).chmod(0o755)
        return calls

    # Every host with SELinux has one.
    make("restorecon", LABELS)
    return make


def policy(world, enforce, allowed):
    """A kernel's SELinux in files, as it shows itself below /sys/fs/selinux; ``None`` leaves one out."""
    folder = pathlib.Path(world.host.selinux)
    (folder / "booleans").mkdir(parents=True)
    for name, text in (("enforce", enforce), ("booleans/use_nfs_home_dirs", allowed)):
        if text is not None:
            (folder / name).write_text(text)


def unlabelled(home):
    """What of a tree has not the label of a home."""
    paths = [home]
    for folder, folders, files in os.walk(home):
        paths += [os.path.join(folder, name) for name in folders + files]
    return [path for path in paths if label(path) != HOME_LABEL]


def label(path):
    listed = os.listxattr(path, follow_symlinks=False)
    return os.getxattr(path, LABEL, follow_symlinks=False) if LABEL in listed else None


@pytest.mark.parametrize("allowed", ["0 0", "0 1", None])
@pytest.mark.parametrize("check_mode", [True, False])
def test_a_policy_that_keeps_sshd_from_a_share_is_told_before_anything_changes(world, allowed, check_mode):
    policy(world, "1", allowed)
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply(check_mode=check_mode)
    assert caught.value.error_code == "unsupported" and "use_nfs_home_dirs" in caught.value.msg
    assert "setsebool -P use_nfs_home_dirs on" in str(caught.value.causes)
    assert world.snapshot() == before


@pytest.mark.parametrize(("enforce", "allowed"), [("1", "1 1"), ("0", "0 0"), (None, None)])
def test_a_policy_that_lets_sshd_in_or_is_not_enforced_is_no_obstacle(world, enforce, allowed):
    policy(world, enforce, allowed)
    assert world.apply()["changed"] is True


def test_a_policy_is_changed_before_the_move_where_that_is_wanted(world, program):
    policy(world, "1", "0 0")
    calls = program("setsebool", f'echo "1 1" > {world.host.selinux}/booleans/use_nfs_home_dirs')
    assert world.apply(check_mode=True, manage_selinux=True)["changed"] is True
    assert calls.read_text() == ""
    assert world.apply(manage_selinux=True)["changed"] is True
    assert world.apply(manage_selinux=True)["changed"] is False
    assert calls.read_text() == "-P use_nfs_home_dirs on\n"


@pytest.mark.parametrize(("enforce", "allowed"), [("0", "0 0"), ("1", "1 1"), (None, None)])
def test_a_policy_that_is_no_obstacle_is_not_changed(world, program, enforce, allowed):
    policy(world, enforce, allowed)
    calls = program("setsebool", "exit 1")
    assert world.apply(manage_selinux=True)["changed"] is True
    assert calls.read_text() == ""


def test_a_policy_that_cannot_be_changed_leaves_everything_as_it_was(world, program):
    policy(world, "1", "0 0")
    program("setsebool", "exit 1")
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply(manage_selinux=True)
    assert caught.value.error_code == "unsupported" and "use_nfs_home_dirs" in caught.value.msg
    assert world.snapshot() == before


def test_a_home_that_is_on_the_share_already_is_left_alone_whatever_the_policy(world):
    world.apply()
    policy(world, "1", "0 0")
    assert world.apply()["changed"] is False


@pytest.mark.parametrize("enforce", ["0", "1"])
def test_what_is_below_the_share_has_the_labels_of_a_home(world, enforce):
    """Without them sshd takes no keys from it while the server is away."""
    policy(world, enforce, "1 1")
    world.apply()
    world.host.mounter.unmount(world.home)
    assert KEY in pathlib.Path(world.home, ".ssh/authorized_keys").read_text()
    assert unlabelled(world.home) == []
    assert label(f"{world.home}.backup") is None, "the old home has its own"


def test_a_home_that_is_made_by_a_detach_has_the_labels_of_a_home(world):
    policy(world, "1", "1 1")
    world.apply()
    world.apply(state="detached")
    assert unlabelled(world.home) == []


def test_the_policy_may_have_a_rule_for_a_name_in_the_home(world, monkeypatch):
    """The home is made beside, under another name."""
    policy(world, "1", "1 1")
    world.apply()
    pathlib.Path(world.home, "www").mkdir()
    monkeypatch.setenv("OWN_LABEL_OF", f"{world.home}/www")
    world.apply(state="detached")
    assert label(f"{world.home}/www") == b"its own"


def test_the_policy_may_have_a_rule_for_the_home_itself(world, monkeypatch):
    policy(world, "1", "1 1")
    monkeypatch.setenv("OWN_LABEL_OF", world.home)
    world.apply()
    world.host.mounter.unmount(world.home)
    assert label(world.home) == b"its own"


def test_what_changes_in_the_last_moment_has_its_label_too(world):
    policy(world, "1", "1 1")
    world.apply()
    late = pathlib.Path(world.home, "late")

    def checkpoint(when, step):
        if (when, step) == ("before", "quiesce"):
            late.write_text("x")

    world.apply(state="detached", checkpoint=checkpoint)
    assert late.read_text() == "x"
    assert unlabelled(world.home) == []


def test_an_old_home_that_comes_back_keeps_its_labels_and_new_keys_get_theirs(world):
    world.apply()
    keys = pathlib.Path(world.home, ".ssh/authorized_keys")
    keys.write_text(f"{keys.read_text()}{OTHER_KEY}\n")
    own = f"{world.home}.backup"
    os.setxattr(own, LABEL, b"its own")
    policy(world, "1", "1 1")
    world.apply(state="detached", copy_back="none")
    assert OTHER_KEY in keys.read_text()
    assert label(world.home) == b"its own"
    assert unlabelled(os.path.join(world.home, ".ssh")) == []


def test_labels_that_cannot_be_set_leave_everything_as_it_was(world, program):
    policy(world, "1", "1 1")
    program("restorecon", "echo 'no such policy' >&2; exit 255")
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "unsupported" and "no such policy" in caught.value.msg
    assert world.snapshot() == before


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_host_that_could_not_label_a_home_is_told_so_before_anything_changes(world, monkeypatch, check_mode):
    policy(world, "1", "1 1")
    monkeypatch.setattr(selinux, "_RELABEL", ["no-such-restorecon", "-R"])
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply(check_mode=check_mode)
    assert caught.value.error_code == "unsupported" and "policycoreutils" in str(caught.value.causes)
    assert world.snapshot() == before
    assert os.listdir(world.share) == []


def test_labels_that_nobody_enforces_may_be_missing(world, program, tmp_path):
    policy(world, "0", "0 0")
    program("restorecon", "exit 255")
    world.apply()
    (tmp_path / "bin/restorecon").unlink()
    assert world.apply(state="detached")["changed"] is True


def test_a_long_relabelling_does_not_look_like_a_dead_server(world, program):
    """It lasts longer than the watchdog of the window waits for a sign of life."""
    asked = []
    program("restorecon", "sleep 3")
    policy(world, "1", "1 1")
    selinux.relabel(world.host.selinux, world.home, cancelled=lambda: asked.append(1))
    assert len(asked) >= 2


def test_a_relabelling_ends_when_the_run_is_to_end(world, program):
    program("restorecon", "exec sleep 1000")
    policy(world, "1", "1 1")
    with pytest.raises(AzlinError):
        selinux.relabel(world.host.selinux, world.home, cancelled=lambda: True)
