# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch that counts only after a new login, and the guard that takes it back."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field, replace

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    confirmation,
    guard,
    manifest,
    records,
    recover,
    users,
    watchdog,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal

from .world import SOURCE, USER


@pytest.fixture
def login(tmp_path, monkeypatch):
    """Sets the audit session of this process, which pam_loginuid sets at a login."""
    path = tmp_path / "sessionid"
    monkeypatch.setattr(confirmation, "SESSION", str(path))
    path.write_text("7")
    return path.write_text


@pytest.fixture
def world(world, monkeypatch):
    """The guard is a program that systemd starts; here it is called."""
    world.host = replace(world.host, systemd=world.base, units=os.path.join(world.base, "units"))
    os.mkdir(world.host.units)
    monkeypatch.setattr(guard, "start", lambda *_arguments: None)
    monkeypatch.setattr(guard, "start_remount", lambda *_arguments: None)
    monkeypatch.setattr("subprocess.run", forbid_systemctl(subprocess.run))
    return world


def forbid_systemctl(run):
    def checked(argv, *arguments, **options):
        # The units of this host are not those of the test.
        return None if argv[0] == "systemctl" else run(argv, *arguments, **options)

    return checked


def run_of(world):
    return Journal(world.host.state_dir, USER)


def error_of(call):
    with pytest.raises(AzlinError) as caught:
        call()
    return caught.value


def confirm(world, identifier):
    return world.apply("confirmed", confirmation=identifier)


@pytest.mark.parametrize("action", ["attached", "detached"])
def test_a_new_login_makes_it_count(world, login, action):
    tree = world.tree()
    if action == "detached":
        world.apply()
    result = world.apply(action, confirm_timeout=60)
    awaited = result["confirmation"]
    # What it will be, so that a caller need not ask again.
    assert result["home"]["state"] == {"attached": "attached", "detached": "local"}[action]
    assert awaited["seconds"] == 60 and run_of(world).transaction["state"] == "unconfirmed"
    login("8")
    result = confirm(world, awaited["id"])
    assert result["changed"] and result["confirmation"] is None
    assert run_of(world).transaction is None
    assert (world.mount() is not None) == (action == "attached")
    assert manifest.compare(tree, world.tree()) == []
    assert confirm(world, awaited["id"])["changed"] is False


def test_the_connection_from_before_does_not_count(world, login):
    identifier = world.apply(confirm_timeout=60)["confirmation"]["id"]
    error = error_of(lambda: confirm(world, identifier))
    assert error.error_code == "not_confirmed" and "connection" in error.msg
    assert run_of(world).transaction["state"] == "unconfirmed"


def test_another_run_through_a_new_login_confirms(world, login):
    world.apply(confirm_timeout=60)
    login("8")
    result = world.apply(confirm_timeout=60)
    assert result["recovered"] and result["action"] == "recover" and result["confirmation"] is None
    assert run_of(world).attachment["backup"] == world.home + ".backup"


def test_another_run_that_wants_something_else_undoes_it(world, login):
    before = world.snapshot()
    world.apply(confirm_timeout=60)
    login("8")
    assert world.apply("detached", confirm_timeout=60)["recovered"]
    assert dict(world.snapshot(), names=None) == dict(before, names=None)


@pytest.mark.parametrize("action", ["attached", "detached"])
def test_at_the_deadline_the_guard_takes_it_back(world, login, action):
    if action == "detached":
        world.apply()
    before = world.snapshot()
    identifier = world.apply(action, confirm_timeout=1)["confirmation"]["id"]
    assert recover.guard(world.host, USER, identifier) == 0
    assert world.snapshot() == before
    # They are there as long as a home is attached.
    assert os.path.exists(os.path.join(world.host.units, guard.REMOUNT_UNIT)) == (action == "detached")
    login("8")
    error = error_of(lambda: confirm(world, identifier))
    assert error.error_code == "not_confirmed" and "within 1 s" in error.msg


def test_the_guard_of_something_confirmed_does_nothing(world, login):
    identifier = world.apply(confirm_timeout=60)["confirmation"]["id"]
    login("8")
    confirm(world, identifier)
    before = world.snapshot()
    assert recover.guard(world.host, USER, identifier) == 0
    assert world.snapshot() == before


def test_the_guard_takes_back_what_a_killed_run_left(world, login):
    before = world.snapshot()
    child = os.fork()
    if child == 0:
        try:
            world.apply(confirm_timeout=60, checkpoint=lambda *point: kill(point == ("after", "mount")))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    identifier = run_of(world).transaction["id"]
    assert recover.guard(world.host, USER, identifier) == 0
    assert world.snapshot() == before
    assert "ended before" in run_of(world).last["reason"]


def test_a_run_that_hangs_while_the_home_is_switched_ends_and_is_taken_back(world, login, monkeypatch):
    before = world.snapshot()
    # An idle process cannot be told from a hanging one, so this one hangs in the way that is quickest to see.
    monkeypatch.setattr(watchdog, "WINDOW_LIMIT", 5)
    child = os.fork()
    if child == 0:
        try:
            world.apply(confirm_timeout=60, checkpoint=lambda *point: hang(point == ("before", "mount")))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert recover.guard(world.host, USER, run_of(world).transaction["id"]) == 0
    assert world.snapshot() == before
    assert "in the step mount" in run_of(world).last["reason"]


def hang(now):
    if now:
        time.sleep(600)


def kill(now):
    if now:
        os.kill(os.getpid(), signal.SIGKILL)


def test_after_a_reboot_nobody_can_confirm_any_more(world, login, tmp_path, monkeypatch):
    before = world.snapshot()
    world.apply(confirm_timeout=60)
    boot = tmp_path / "boot_id"
    boot.write_text("another")
    monkeypatch.setattr(confirmation, "BOOT", str(boot))
    assert recover.boot(world.host) == 0
    assert world.snapshot() == before


@dataclass(frozen=True)
class HostWithServerAway(Host):
    """Its server is back when it is asked for the third time."""

    asked: list = field(default_factory=list)

    def start_mount(self, path):
        self.asked.append(path)
        if len(self.asked) == 3:
            self.mounter.mount(SOURCE, path)


def test_remounting_goes_on_until_the_server_is_back(world, monkeypatch):
    monkeypatch.setattr(recover, "_REMOUNT_POLL", 0.01)
    world.apply()
    subprocess.check_call(["umount", world.home])
    records.remove(world.share, users.lookup(USER))
    host = HostWithServerAway(**vars(world.host))
    assert recover.remount(host) == 0
    assert len(host.asked) == 3 and world.mount() is not None
    # Other hosts learn that this one is there.
    assert [one["home"] for one in records.listed(world.share)] == [world.home]


def test_the_program_of_the_guard_runs_without_this_collection(world):
    guard.install(world.host)
    program = os.path.join(world.host.state_dir, guard.PROGRAM)
    with zipfile.ZipFile(program) as archive:
        assert "__main__.py" in archive.namelist()
    # With nothing but the standard library on its path; there is no journal, so there is nothing to settle.
    argv = [sys.executable, "-I", program, "guard", USER, "none"]
    subprocess.check_call(argv, cwd="/", env={"PATH": os.environ["PATH"]})


def test_boot_looks_at_journals_without_the_program_and_sees_what_it_would(world, login):
    world.apply(confirm_timeout=60)
    with open(os.path.join(world.host.units, guard.RECOVER_UNIT), encoding="utf-8") as stream:
        lines = dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line)
    condition = shlex.split(lines["ExecCondition"])
    assert subprocess.call(condition) == 0
    login("8")
    world.apply(confirm_timeout=60)
    assert subprocess.call(condition) == 1


def test_program_and_units_go_with_the_last_home(world):
    world.apply()
    assert sorted(os.listdir(world.host.units)) == sorted(
        [guard.RECOVER_UNIT, guard.REMOUNT_UNIT, "multi-user.target.wants"]
    )
    world.apply("detached")
    assert os.listdir(world.host.units) == ["multi-user.target.wants"]
    assert not os.path.exists(os.path.join(world.host.state_dir, guard.PROGRAM))


def test_a_host_without_systemd_cannot_take_it_back(world):
    world.host = replace(world.host, systemd=os.path.join(world.base, "none"))
    before = world.snapshot()
    error = error_of(lambda: world.apply(confirm_timeout=60))
    assert error.error_code == "unsupported" and "confirm_timeout" in error.causes[0][1]
    assert world.snapshot() == before
