# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A home that cloud-init has made meets a share, empty or filled, at the first boot."""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import replace

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import cloud_init
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import first_boot, manifest

from .world import KEY, OTHER_KEY, SOURCE, USER, World, populate, read


class Away:
    """A server that does not answer the first times it is asked."""

    def __init__(self, mounter, times, code="server_unreachable"):
        self._mounter = mounter
        self._left = times
        self._code = code
        self.asked = 0

    def __getattr__(self, name):
        return getattr(self._mounter, name)

    def with_client(self, client, extra):
        return self

    def probe(self, host):
        self.asked += 1
        if self._left:
            self._left -= 1
            raise AzlinError(self._code, f"{host} does not answer.")


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(first_boot, "_PAUSE", 0)


def params(world):
    return cloud_init.request(SOURCE, USER, home=world.home)


def told(capsys):
    return json.loads(capsys.readouterr().out.removeprefix("azlin.storage: "))


def test_an_empty_share_is_filled_with_the_home_of_the_image(world, capsys):
    before = world.tree()
    assert first_boot.attach(world.host, params(world)) == 0
    assert told(capsys)["seeded"] is True
    assert manifest.compare(before, world.tree()) == []
    assert world.mount().source == SOURCE
    assert b"nofail" in read(os.path.dirname(world.fstab), "fstab")


def test_a_home_on_the_share_is_adopted_with_the_keys_of_the_new_machine(world, base, share, capsys):
    world.apply()
    on_share = manifest.build(share, exclude=(".azlin", ".ssh"), digest=True)
    new = World(base, share, "new")
    populate(new.home, OTHER_KEY)
    image = new.tree()
    assert first_boot.attach(new.host, params(new)) == 0
    assert told(capsys)["seeded"] is False
    keys = read(new.home, ".ssh/authorized_keys").decode()
    assert KEY in keys and OTHER_KEY in keys
    assert manifest.compare(on_share, manifest.build(share, exclude=(".azlin", ".ssh"), digest=True)) == []
    assert manifest.compare(image, new.tree(new.home + ".backup")) == []


def test_the_role_finds_nothing_left_to_do(world):
    first_boot.attach(world.host, params(world))
    before = world.snapshot()
    assert world.apply(confirm_timeout=0)["changed"] is False
    assert world.snapshot() == before


def test_a_machine_without_its_server_stays_as_the_cloud_made_it(world, capsys):
    before = world.snapshot()
    host = replace(world.host, mounter=Away(world.host.mounter, -1))
    assert first_boot.attach(host, params(world), patience=0.2) == 1
    answer = told(capsys)
    assert answer["failed"] and answer["error_code"] == "server_unreachable"
    assert world.snapshot() == before


def test_a_network_that_comes_up_late_is_waited_for(world):
    host = replace(world.host, mounter=Away(world.host.mounter, 2, "name_resolution_failed"))
    assert first_boot.attach(host, params(world)) == 0
    assert host.mounter.asked == 3


def test_what_does_not_pass_is_told_at_once(world, capsys):
    host = replace(world.host, mounter=Away(world.host.mounter, -1, "access_denied"))
    assert first_boot.attach(host, params(world)) == 1
    assert host.mounter.asked == 1 and told(capsys)["error_code"] == "access_denied"


@pytest.mark.parametrize(("manage", "status"), [(True, 0), (False, 1)])
def test_a_policy_that_keeps_sshd_from_the_share_is_changed_first_or_the_home_stays(
    world, manage, status, tmp_path, monkeypatch, capsys
):
    """In place of the kernel's files, of setsebool a program that writes to them, and of restorecon one that can."""
    boolean = pathlib.Path(world.host.selinux, "booleans/use_nfs_home_dirs")
    boolean.parent.mkdir(parents=True)
    boolean.write_text("0 0")
    pathlib.Path(world.host.selinux, "enforce").write_text("1")
    turns_on = f'[ "$*" = "-P use_nfs_home_dirs on" ] && echo "1 1" > {boolean}'
    for name, action in (("setsebool", turns_on), ("restorecon", "exit 0")):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{action}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    wanted = cloud_init.request(SOURCE, USER, home=world.home, manage_selinux=manage)
    assert first_boot.attach(world.host, wanted) == status
    assert ("error_code" in told(capsys)) is not manage
    assert boolean.read_text().strip() == ("1 1" if manage else "0 0")
