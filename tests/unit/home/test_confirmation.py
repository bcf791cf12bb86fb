# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A switch that counts only after a new login, and the guard that takes it back."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import dataclass, field, replace

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    attach,
    confirmation,
    copier,
    folder,
    guard,
    manifest,
    records,
    recover,
    run,
    users,
    watchdog,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal, exclusive
from ansible_collections.azlin.storage.plugins.module_utils._home.users import User

from .world import KEY, OTHER_KEY, SOURCE, UID, USER, World, populate, read, write


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
    units = os.path.join(world.base, "units")
    world.host = replace(world.host, systemd=world.base, units=units, python=sys.executable)
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


def test_what_was_put_on_record_is_known_when_a_login_has_made_it_count(world, login):
    device = os.path.join(world.home, "device")
    os.mknod(device, stat.S_IFCHR | 0o640, os.makedev(1, 3))
    awaited = world.apply(unsupported="save", confirm_timeout=60)["confirmation"]
    login("8")
    confirm(world, awaited["id"])
    assert world.apply("detached")["unsupported"] == []
    assert os.lstat(device).st_rdev == os.makedev(1, 3)


def test_check_mode_confirms_nothing(world, login):
    identifier = world.apply(confirm_timeout=60)["confirmation"]["id"]
    login("8")
    assert world.apply("confirmed", confirmation=identifier, check_mode=True)["changed"]
    assert run_of(world).transaction["state"] == "unconfirmed"


def test_another_attach_through_a_new_login_confirms_only_the_same(world, login):
    world.apply(confirm_timeout=60)
    login("8")
    result = world.apply(local_paths=(".cache",))
    assert result["recovered"] and run_of(world).last["outcome"] == "committed"
    assert result["home"]["local_paths"] == [".cache"]


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


@pytest.mark.parametrize("first, then, action", [("none", "full", "detach"), ("full", "none", "detach_to_backup")])
def test_another_way_to_detach_undoes_the_one_that_waits(world, login, first, then, action):
    world.apply()
    write(world.home, "since", "written on the share")
    world.apply("detached", copy_back=first, confirm_timeout=60)
    login("8")
    result = world.apply("detached", copy_back=then, confirm_timeout=0)
    assert result["action"] == action and result["recovered"]
    assert os.path.exists(os.path.join(world.home, "since")) == (then == "full")


def test_whoever_got_a_key_on_the_share_can_confirm_that_the_old_home_is_back(world, login):
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{OTHER_KEY}\n", 0o600)
    identifier = world.apply("detached", copy_back="none", confirm_timeout=60)["confirmation"]["id"]
    keys = read(world.home, ".ssh/authorized_keys")
    assert keys == f"# my keys\n{KEY}\n{OTHER_KEY}\n".encode()
    login("8")
    confirm(world, identifier)
    assert read(world.home, ".ssh/authorized_keys") == keys


@pytest.mark.parametrize(
    ("old", "added", "left"),
    [
        (f"{KEY}\n", "", f"{KEY}\n"),
        # Somebody who came in while nobody had confirmed.
        (f"{KEY}\n", "# work\n", f"{KEY}\n{OTHER_KEY}\n# work\n"),
        (None, "", None),
    ],
)
def test_an_old_home_that_is_set_aside_again_has_the_keys_it_had(world, login, old, added, left):
    world.apply()
    backup = f"{world.home}.backup"
    os.unlink(os.path.join(backup, ".ssh/authorized_keys"))
    os.rmdir(os.path.join(backup, ".ssh"))
    if old:
        write(backup, ".ssh/authorized_keys", old, 0o600)
    write(world.home, ".ssh/authorized_keys", f"{OTHER_KEY}\n", 0o600)
    before = world.snapshot()
    identifier = world.apply("detached", copy_back="none", confirm_timeout=1)["confirmation"]["id"]
    with open(os.path.join(world.home, ".ssh/authorized_keys"), "a", encoding="utf-8") as stream:
        stream.write(added)
    assert recover.guard(world.host, USER, identifier) == 0
    assert world.snapshot() == before
    assert os.path.exists(os.path.join(backup, ".ssh")) == (left is not None)
    assert left is None or read(backup, ".ssh/authorized_keys") == left.encode()


def test_an_old_home_that_cannot_take_keys_stays_where_it_is(world):
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{OTHER_KEY}\n", 0o600)
    keys = os.path.join(f"{world.home}.backup", ".ssh", "authorized_keys")
    os.rename(keys, f"{keys}.real")
    os.symlink("authorized_keys.real", keys)
    before = world.snapshot()
    error = error_of(lambda: world.apply("detached", copy_back="none"))
    assert error.error_code == "unsupported" and run_of(world).transaction is None
    # By the name that it has afterwards.
    assert keys in error.msg
    assert world.snapshot() == before
    os.rename(f"{keys}.real", keys)
    assert world.apply("detached", copy_back="none")["home"]["state"] == "local"


@pytest.mark.parametrize("answers", [True, False])
def test_an_old_home_that_needs_no_keys_comes_back_however_its_keys_are_kept(world, monkeypatch, answers):
    world.apply()
    keys = os.path.join(f"{world.home}.backup", ".ssh", "authorized_keys")
    os.rename(keys, f"{keys}.real")
    os.symlink("authorized_keys.real", keys)
    if not answers:
        present = run.detach.keys.read

        def silent(user, home):
            if home == world.home:
                raise AzlinError("server_unreachable", "no answer")
            return present(user, home)

        monkeypatch.setattr(run.detach.keys, "read", silent)
    assert world.apply("detached", copy_back="none")["home"]["state"] == "local"
    assert os.readlink(os.path.join(world.home, ".ssh", "authorized_keys")) == "authorized_keys.real"


@pytest.mark.parametrize("seconds", [0, 60])
def test_the_keys_of_a_home_that_was_adopted_open_without_the_server_too(base, share, world, login, seconds):
    other = World(base, share, "other")
    populate(other.home, key=OTHER_KEY)
    other.apply()
    awaited = world.apply(confirm_timeout=seconds)["confirmation"]
    if seconds:
        login("8")
        confirm(world, awaited["id"])
    subprocess.run(["umount", world.home], check=True)
    assert read(world.home, ".ssh/authorized_keys") == f"# my keys\n{KEY}\n{OTHER_KEY}\n".encode()


def test_keys_on_a_share_that_cannot_be_written_open_without_the_server_too(world):
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{KEY}\n{OTHER_KEY}\n")
    hosts = os.path.join(world.home, folder.DIRECTORY, records.DIRECTORY)
    shutil.rmtree(hosts)
    write(world.home, hosts, "no directory")
    result = world.apply()
    assert not result["changed"] and result["host_record"] == "left"
    subprocess.run(["umount", world.home], check=True)
    assert OTHER_KEY.encode() in read(world.home, ".ssh/authorized_keys")


def test_keys_that_a_renewal_left_closed_are_opened_by_the_next(world):
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    file = os.path.join(world.home, ".ssh", "authorized_keys")
    for path in (file, os.path.dirname(file)):
        os.chmod(path, 0o600)
    assert world.apply()["action"] == "mount"
    world.apply()
    subprocess.run(["umount", world.home], check=True)
    assert [os.stat(path).st_mode & 0o777 for path in (file, os.path.dirname(file))] == [0o644, 0o755]


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


def test_a_guard_that_fails_tries_again(world, monkeypatch):
    """The user is one that only the network knows, say, which is away for a while."""
    monkeypatch.undo()
    log = os.path.join(world.base, "log")
    script(os.path.join(world.base, "bin", "systemd-run"), f'printf "%s\\n" "$@" >{log}')
    monkeypatch.setenv("PATH", os.path.join(world.base, "bin"), prepend=":")
    guard.start(world.host, sys.executable, USER, "x")
    with open(log, encoding="utf-8") as stream:
        arguments = stream.read().splitlines()
    assert {"--collect", "--property=Restart=on-failure", "--property=RestartSec=30"} <= set(arguments)
    assert arguments[-3:] == ["guard", USER, "x"]
    # Not for ever where the program went with what it was needed for.
    missing = subprocess.run(arguments[-6:], check=False, capture_output=True)
    assert f"--property=RestartPreventExitStatus={missing.returncode}" in arguments


def test_a_guard_that_tries_again_gives_the_reason_of_the_first_attempt(world, login, monkeypatch):
    world.apply()
    world.apply("detached", copy_back="none")
    identifier = world.apply(confirm_timeout=1)["confirmation"]["id"]
    with monkeypatch.context() as patch:
        patch.setattr(attach.Attach, "unprepare", fail)
        assert recover.guard(world.host, USER, identifier) == 1
    login("8")
    error = error_of(lambda: confirm(world, identifier))
    # Not how another one ended.
    assert error.error_code == "not_confirmed" and error.msg.endswith(f"{identifier}. It is being put back.")
    assert recover.guard(world.host, USER, identifier) == 0
    assert "within 1 s" in run_of(world).last["reason"]
    error = error_of(lambda: confirm(world, "another"))
    assert error.msg.endswith("another.")


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


def test_a_killed_run_that_nobody_would_confirm_is_taken_back_too(world, monkeypatch):
    def start(host, _python, *transaction):
        in_child(lambda: recover.guard(host, *transaction))

    monkeypatch.setattr(guard, "start", start)
    before = world.snapshot()
    child = in_child(lambda: world.apply(checkpoint=lambda *point: kill(point == ("after", "mount"))))
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    deadline = time.monotonic() + 120
    while run_of(world).transaction is not None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert world.snapshot() == before


def test_only_a_run_that_is_to_be_confirmed_needs_a_guard(world, login, monkeypatch):
    def start(*_arguments):
        raise AzlinError("unsupported", "systemd starts nothing")

    monkeypatch.setattr(guard, "start", start)
    assert error_of(lambda: world.apply(confirm_timeout=60)).error_code == "unsupported"
    assert world.apply()["home"]["state"] == "attached"


@pytest.mark.parametrize("seconds", [0, 60])
def test_a_run_that_hangs_while_the_home_is_switched_ends_and_is_taken_back(world, login, monkeypatch, seconds):
    before = world.snapshot()
    # An idle process cannot be told from a hanging one, so this one hangs in the way that is quickest to see.
    monkeypatch.setattr(watchdog, "WINDOW_LIMIT", 5)
    child = os.fork()
    if child == 0:
        try:
            world.apply(confirm_timeout=seconds, checkpoint=lambda *point: hang(point == ("before", "mount")))
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert recover.guard(world.host, USER, run_of(world).transaction["id"]) == 0
    assert world.snapshot() == before
    assert "in the step mount" in run_of(world).last["reason"]


@pytest.mark.parametrize("alive", [False, True])
def test_a_copy_ends_when_all_its_threads_hang_and_not_while_they_work(world, login, monkeypatch, alive):
    before = world.snapshot()
    monkeypatch.setattr(watchdog, "WINDOW_LIMIT", 2)
    go_on = copier.Copier._go_on

    def slowly(copy, directory):
        for _number in range(40):
            time.sleep(0.1 if alive else 600)
            copy._pool.check()
        go_on(copy, directory)

    def slow_down(*point):
        if point == ("before", "final"):
            copier.Copier._go_on = slowly

    child = os.fork()
    if child == 0:
        try:
            world.apply(confirm_timeout=60, checkpoint=slow_down)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == (0 if alive else signal.SIGKILL)
    if not alive:
        assert recover.guard(world.host, USER, run_of(world).transaction["id"]) == 0
        assert world.snapshot() == before
        assert "in the step final" in run_of(world).last["reason"]


STATS = """device /dev/vda1 mounted on / with fstype ext4
device server:/other mounted on /run/azlin/stage.other with fstype nfs4 statvers=1.1
\tbytes:\t{other} 0 0 0 0 0 0 0
device server:/share mounted on /run/azlin/stage.x with fstype nfs4 statvers=1.1
\tage:\t{age}
\tbytes:\t0 0 0 0 0 {written} 0 0
"""


def test_what_the_share_takes_is_a_sign_of_life_and_what_others_do_is_not(tmp_path, monkeypatch):
    """One call may write out gigabytes."""

    def transferred(**numbers):
        (tmp_path / "mountstats").write_text(STATS.format(**{"other": 0, "age": 0, "written": 0, **numbers}))
        return watchdog.transferred("/run/azlin/stage.x")

    monkeypatch.setattr(watchdog, "MOUNTSTATS", str(tmp_path / "mountstats"))
    assert transferred() == transferred(other=1, age=1)
    assert transferred() != transferred(written=1)
    assert watchdog.transferred("/run/azlin/stage") is None
    monkeypatch.setattr(watchdog, "MOUNTSTATS", str(tmp_path / "none"))
    assert watchdog.transferred("/run/azlin/stage.x") is None


@dataclass
class Quiet:
    """An operation in the window that gives no sign of life itself."""

    stage: str = "/run/azlin/stage.x"
    in_window: bool = True
    alive_at: float = 0.0
    ended: threading.Event = field(default_factory=threading.Event)

    def hangs(self, _seconds):
        self.ended.set()


def test_a_run_whose_share_takes_what_one_call_writes_out_is_not_ended(monkeypatch):
    written = iter(range(10**6))
    monkeypatch.setattr(watchdog, "transferred", lambda _path: next(written))
    monkeypatch.setattr(watchdog, "WINDOW_LIMIT", 1)
    monkeypatch.setattr(watchdog, "_POLL", 0.01)
    monkeypatch.setattr(watchdog, "_BUSY", 10**6)
    killed = []
    monkeypatch.setattr(os, "kill", lambda *arguments: killed.append(arguments))
    operation = Quiet(alive_at=time.monotonic())
    watch = watchdog.Watchdog(operation)
    assert not operation.ended.wait(3) and not killed
    monkeypatch.setattr(watchdog, "transferred", lambda _path: 0)
    assert operation.ended.wait(30)
    watch.close()
    assert killed[0] == (os.getpid(), signal.SIGKILL)


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


def test_a_home_that_a_run_has_unmounted_is_not_mounted_behind_its_back(world):
    world.apply()
    subprocess.check_call(["umount", world.home])
    run_of(world).begin("x", "detach", {})
    host = HostWithServerAway(**vars(world.host))
    assert recover._mounted(host, USER) and host.asked == []


def test_a_journal_that_cannot_be_read_stops_neither_recovery_nor_remounting(world, login, capsys):
    world.apply()
    subprocess.check_call(["umount", world.home])
    run_of(world).begin("x", "mount", attach_facts(world))
    with open(os.path.join(world.host.state_dir, "aaa.json"), "w", encoding="utf-8") as stream:
        stream.write("{")
    assert recover.boot(world.host) == 1
    assert run_of(world).last["outcome"] == "undone"
    host = HostWithServerAway(**vars(world.host), asked=["", ""])
    assert recover.remount(host) == 1
    assert world.mount() is not None
    assert "aaa: The journal" in capsys.readouterr().out


def test_an_undo_that_fails_in_an_unforeseen_way_stops_nothing_else(world, login, monkeypatch):
    world.apply()
    subprocess.check_call(["umount", world.home])
    broken = Journal(world.host.state_dir, "aaa")
    broken.begin("x", "mount", attach_facts(world))
    broken.begin_step("mount")
    monkeypatch.setattr(users, "lookup", lambda name: User(name, UID, UID, world.home))
    monkeypatch.setattr(attach.Mount, "unmount_home", fail)
    assert recover.guard(world.host, "aaa", "x") == 1
    assert recover.remount(HostWithServerAway(**vars(world.host), asked=["", ""])) == 1
    assert world.mount() is not None
    broken = Journal(world.host.state_dir, "aaa")
    assert broken.transaction is not None
    with pytest.raises(AzlinError) as caught:
        run.recover(world.host, users.lookup("aaa"), broken, "test")
    assert caught.value.error_code == "rollback_failed" and "OSError: disk" in caught.value.msg


def fail(_operation):
    raise OSError("disk")


def attach_facts(world):
    return {"home": world.home, "source": SOURCE, "fstab_before": None, "fstab_after": None}


class ServerStillAway(Exception):
    """Ends a wait that would not end."""


def test_a_server_that_is_away_keeps_nobody_elses_keys_waiting(world, monkeypatch):
    world.apply()
    write(world.home, ".ssh/authorized_keys", f"{KEY}\n{OTHER_KEY}\n")
    other = Journal(world.host.state_dir, "aaa")
    other.begin("x", "mount", attach_facts(world))
    other.close("undone", "a test")
    mounted = recover._mounted
    monkeypatch.setattr(recover, "_mounted", lambda host, name: name != "aaa" and mounted(host, name))

    sleep = time.sleep

    def give_up(seconds):
        if seconds == recover._REMOUNT_POLL:
            raise ServerStillAway
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", give_up)
    with pytest.raises(ServerStillAway):
        recover.remount(world.host)
    subprocess.run(["umount", world.home], check=True)
    assert OTHER_KEY.encode() in read(world.home, ".ssh/authorized_keys")


def test_another_run_that_works_keeps_nobody_from_being_mounted(world, login, tmp_path):
    world.apply()
    subprocess.check_call(["umount", world.home])
    Journal(world.host.state_dir, "aaa").begin("x", "mount", attach_facts(world))
    (tmp_path / "go").touch()
    child = os.fork()
    if child == 0:
        with exclusive(world.host.state_dir, "aaa", 0):
            (tmp_path / "go").unlink()
            time.sleep(600)
    while (tmp_path / "go").exists():
        time.sleep(0.01)
    try:
        recover.remount(HostWithServerAway(**vars(world.host), asked=["", ""]))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert world.mount() is not None
    assert Journal(world.host.state_dir, "aaa").transaction is not None


def test_remounting_leaves_what_waits_to_be_confirmed_alone(world, login):
    world.apply(confirm_timeout=60)
    assert recover.remount(world.host) == 0
    assert run_of(world).transaction["state"] == "unconfirmed"


def test_the_program_stays_while_a_journal_cannot_be_read(world):
    world.apply()
    with open(os.path.join(world.host.state_dir, "aaa.json"), "w", encoding="utf-8") as stream:
        stream.write("{")
    world.apply("detached")
    assert os.path.exists(os.path.join(world.host.state_dir, guard.PROGRAM))


def test_the_program_of_the_guard_runs_without_this_collection(world):
    guard.install(world.host, world.home)
    program = os.path.join(world.host.state_dir, guard.PROGRAM)
    with zipfile.ZipFile(program) as archive:
        assert "__main__.py" in archive.namelist()
    # With nothing but the standard library on its path; there is no journal, so there is nothing to settle.
    argv = [sys.executable, "-I", program, "guard", USER, "none"]
    subprocess.check_call(argv, cwd="/", env={"PATH": os.environ["PATH"]})


def script(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(f"#!/bin/sh\n{text}\n")
    os.chmod(path, 0o755)
    return path


def pythons_in_units(world):
    for unit in (guard.RECOVER_UNIT, guard.REMOUNT_UNIT):
        with open(os.path.join(world.host.units, unit), encoding="utf-8") as stream:
            yield from (line.split("=")[1].split()[0] for line in stream if line.startswith("ExecStart="))


def test_the_python_of_the_system_runs_the_program_if_it_can(world):
    works = script(os.path.join(world.base, "bin", "works"), f'exec {sys.executable} "$@"')
    world.host = replace(world.host, python=works)
    world.apply()
    assert list(pythons_in_units(world)) == [works, works]


@pytest.mark.parametrize("there", [True, False])
def test_a_python_of_the_system_that_cannot_run_the_program_is_not_relied_on(world, monkeypatch, there):
    """It may be older than the one that Ansible was given."""
    started = []
    monkeypatch.setattr(guard, "start", lambda _host, python, *_arguments: started.append(python))
    old = os.path.join(world.base, "bin", "old")
    world.host = replace(world.host, python=script(old, "exit 1") if there else old)
    world.apply(confirm_timeout=60)
    present = os.path.realpath(sys.executable)
    assert list(pythons_in_units(world)) == [present, present] and started == [present]


def test_a_python_among_the_homes_does_not_run_the_program(world, monkeypatch):
    old = script(os.path.join(world.base, "bin", "old"), "exit 1")
    world.host = replace(world.host, python=old)
    works = script(os.path.join(world.homes, "other", "python"), f'exec {sys.executable} "$@"')
    monkeypatch.setattr(sys, "executable", works)
    before = world.snapshot()
    error = error_of(world.apply)
    assert error.error_code == "unsupported" and old in error.msg and works in error.msg
    assert world.snapshot() == before and os.listdir(world.host.units) == []


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


def in_child(call):
    """Call something in a process of its own; locks of this host are between processes."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            call()
            status = 0
        finally:
            os._exit(status)
    return child


def assert_installed(world):
    assert zipfile.is_zipfile(os.path.join(world.host.state_dir, guard.PROGRAM))
    assert len(list(pythons_in_units(world))) == 2


def test_two_runs_at_once_put_program_and_units_in_place(world, monkeypatch):
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: time.sleep(0.2) or fsync(handle))
    children = [in_child(lambda: guard.install(world.host, world.home)) for _run in range(2)]
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
    assert_installed(world)


def test_what_another_run_needs_is_there_although_the_last_home_goes_at_that_moment(world, tmp_path, monkeypatch):
    guard.install(world.host, world.home)
    other = Journal(world.host.state_dir, "other")
    remove = guard._remove

    def remove_late(path):
        (tmp_path / "looked").touch()
        while not os.path.exists(other.path):
            time.sleep(0.01)
        time.sleep(0.5)
        remove(path)

    monkeypatch.setattr(guard, "_remove", remove_late)
    child = in_child(lambda: guard.retire(world.host, USER))
    while not (tmp_path / "looked").exists():
        time.sleep(0.01)
    other.begin("x", "attach", {})
    guard.install(world.host, world.home)
    assert os.waitpid(child, 0)[1] == 0
    assert_installed(world)


@pytest.mark.parametrize("folder", ["units", "etc"])
def test_a_file_system_that_cannot_be_written_hinders_no_undo(world, folder):
    path = os.path.join(world.base, folder)
    subprocess.check_call(["mount", "--bind", path, path])
    subprocess.check_call(["mount", "-o", "remount,bind,ro", path])
    before = world.snapshot()
    assert error_of(world.apply).error_code == "rolled_back"
    assert world.snapshot() == before and run_of(world).transaction is None


def test_a_host_without_systemd_cannot_take_it_back(world):
    world.host = replace(world.host, systemd=os.path.join(world.base, "none"))
    before = world.snapshot()
    error = error_of(lambda: world.apply(confirm_timeout=60))
    assert error.error_code == "unsupported" and "confirm_timeout" in error.causes[0][1]
    assert world.snapshot() == before
