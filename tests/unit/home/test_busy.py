# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that use a home while it is switched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import holders, mounter

from .world import UID, read, write

# Says that it is ready, and ends at SIGTERM only if it was told to.
_HOLD = "import signal, time; {ignore}; print('ready', flush=True); time.sleep(600)"
_IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"


@contextmanager
def holder(directory, ignore="pass"):
    program = [sys.executable, "-c", _HOLD.format(ignore=ignore)]
    with subprocess.Popen(program, cwd=directory, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def error_of(call):
    with pytest.raises(AzlinError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("state", ["attached", "detached"])
@pytest.mark.parametrize("check_mode", [False, True])
def test_fail_names_them_and_changes_nothing(world, state, check_mode):
    if state == "detached":
        world.apply()
    before = world.snapshot()
    with holder(world.home) as process:
        error = error_of(lambda: world.apply(state, check_mode=check_mode))
    assert error.error_code == "home_busy" and f"pid {process.pid}" in error.msg
    assert [one["pid"] for one in error.as_result()["holders"]] == [process.pid]
    assert world.snapshot() == before


@pytest.mark.parametrize("state", ["attached", "detached"])
def test_wait_goes_on_when_they_are_gone(world, state):
    if state == "detached":
        world.apply()
    with holder(world.home) as process:
        result = world.apply(
            state,
            busy="wait",
            busy_timeout=60,
            checkpoint=lambda when, step: step == "quiesce" and when == "before" and end_soon(process),
        )
    assert result["changed"] and result["holders"] == []


def end_soon(process):
    # Only after it was seen.
    if os.fork() == 0:
        time.sleep(1)
        os.kill(process.pid, signal.SIGKILL)
        os._exit(0)


def test_wait_gives_up(world):
    before = world.snapshot()
    with holder(world.home) as process:
        error = error_of(lambda: world.apply(busy="wait", busy_timeout=1))
    assert error.error_code == "home_busy" and "after waiting 1 s" in error.msg and str(process.pid) in error.msg
    assert world.snapshot() == before


@pytest.mark.parametrize(("ignore", "status"), [("pass", -15), (_IGNORE, -9)])
def test_terminate_ends_them(world, ignore, status):
    with holder(world.home, ignore) as process:
        # A killed child stays visible until it is waited for, without holding anything.
        result = world.apply(busy="terminate", busy_timeout=60)
        assert process.wait(10) == status
    assert result["home"]["state"] == "attached" and result["holders"] == []


def test_ignore_reports_them_and_keeps_what_they_write(world):
    with open(os.path.join(world.home, "open.log"), "w", encoding="utf-8") as log, holder(world.home) as process:
        result = world.apply(busy="ignore")
        log.write("written afterwards")
        assert process.pid in {one["pid"] for one in result["holders"]}
    assert read(world.home + ".backup", "open.log") == b"written afterwards"


def test_a_bind_mount_elsewhere_does_not_hide_them(world):
    elsewhere = os.path.join(world.base, "elsewhere")
    os.mkdir(elsewhere)
    subprocess.run(["mount", "--bind", world.home, elsewhere], check=True)
    with holder(elsewhere) as process:
        assert [one["pid"] for one in holders.of_directory(world.home)] == [process.pid]
    # Somebody beside the home is no business of ours, whatever the path.
    with holder(world.homes):
        assert holders.of_directory(world.home) == []


def test_a_container_does_not_hide_them(world):
    script = f'mount --bind "{world.home}" /mnt && cd /mnt && echo ready && exec sleep 600'
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = holders.of_directory(world.home)
        process.kill()
    assert [one["uses"] for one in found] == [["cwd /mnt"]]


@contextmanager
def container(script, propagation="private"):
    argv = ["unshare", "--mount", "--propagation", propagation, "sh", "-c", f"{script} && echo ready && exec sleep 600"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd="/") as process:
        assert process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("part", ["", "src"])
def test_a_container_that_would_keep_a_part_of_the_home_uses_it(world, part):
    """A web server opens its files only when they are asked for."""
    before = world.snapshot()
    with container(f'mount --bind "{os.path.join(world.home, part)}" /mnt') as process:
        error = error_of(world.apply)
    assert error.error_code == "home_busy"
    assert [(one["pid"], one["uses"]) for one in error.as_result()["holders"]] == [(process.pid, ["mount /mnt"])]
    assert world.snapshot() == before


def test_a_service_with_mounts_of_its_own_does_not_use_what_it_has_from_the_host(world):
    os.mkdir(os.path.join(world.home, ".cache"))
    os.chown(os.path.join(world.home, ".cache"), UID, UID)
    # As systemd does for ReadWritePaths.
    with container(f'mount --bind "{world.home}/src" "{world.home}/src"', "slave"):
        world.apply(local_paths=(".cache",))
    with container("true", "slave"):
        assert world.apply("detached")["home"]["state"] == "local"


def test_an_oddly_named_mount_of_somebody_hides_nobody(world):
    """A user may have one in a namespace of their own."""
    odd = '"$(printf "/mnt/a\\fb")"'
    script = (
        f"mount -t tmpfs x /mnt && mkdir {odd} && mount -t tmpfs x {odd} && cd {odd} && echo ready && exec sleep 600"
    )
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process, holder(world.home) as inside:
        ready = process.stdout.readline()
        try:
            found = holders.of_directory(world.home)
        finally:
            process.kill()
    assert ready and [one["pid"] for one in found] == [inside.pid]


@pytest.mark.parametrize("policy", ["fail", "wait", "terminate"])
def test_not_to_know_who_uses_a_local_home_is_an_error(world, policy, monkeypatch):
    monkeypatch.setattr(holders, "find", lambda *_arguments, **_options: None)
    before = world.snapshot()
    error = error_of(lambda: world.apply(busy=policy))
    assert error.error_code == "home_busy" and error.as_result()["holders"] is None
    assert world.snapshot() == before


def test_not_to_know_who_uses_a_local_home_is_no_hindrance_when_it_does_not_matter(world, monkeypatch):
    monkeypatch.setattr(holders, "find", lambda *_arguments, **_options: None)
    assert world.apply(busy="ignore")["home"]["state"] == "attached"


def test_not_to_know_who_uses_a_local_path_is_an_error(world, monkeypatch):
    os.mkdir(os.path.join(world.home, ".cache"))
    os.chown(os.path.join(world.home, ".cache"), UID, UID)
    world.apply(local_paths=(".cache",))
    before = world.snapshot()
    monkeypatch.setattr(holders, "of_directory", lambda *_arguments, **_options: None)
    assert error_of(lambda: world.apply("detached", local_paths=(".cache",))).error_code == "home_busy"
    assert world.snapshot() == before


@pytest.fixture
def unknown(world, monkeypatch):
    """Who uses the attached home cannot be found out."""
    world.apply()
    find = holders.find
    monkeypatch.setattr(holders, "find", lambda device, path=None, **options: path and find(device, path, **options))


@pytest.mark.parametrize(("policy", "check_mode"), [("fail", True), ("fail", False), ("wait", False)])
def test_another_server_that_does_not_answer_is_no_reason_not_to_know(world, unknown, policy, check_mode):
    """Programs that work in a home whose own server is there would go on writing to the share."""
    before = world.snapshot()
    error = error_of(lambda: world.apply("detached", busy=policy, check_mode=check_mode))
    assert error.error_code == "home_busy" and error.as_result()["holders"] is None
    assert world.snapshot() == before


def test_a_server_that_does_not_answer_does_not_keep_a_home_attached(world, unknown, monkeypatch):
    monkeypatch.setattr(mounter, "is_silent", lambda _path: True)
    result = world.apply("detached")
    assert result["home"]["state"] == "local" and result["holders"] is None


_WRITER = """
import os, sys, time
path, acknowledged = sys.argv[1], open(sys.argv[2], "a")
os.setuid(int(sys.argv[3]))
number = 0
while True:
    try:
        with open(path, "a") as log:
            log.write(f"{number}\\n")
        print(number, file=acknowledged, flush=True)
        number += 1
    except OSError:
        pass
    time.sleep(0.001)
"""


@pytest.mark.parametrize("state", ["attached", "detached"])
def test_what_a_writer_was_told_is_written_is_never_lost(world, state):
    if state == "detached":
        world.apply()
    acknowledged = os.path.join(world.base, "acknowledged")
    write(world.base, "acknowledged", "")
    argv = [sys.executable, "-c", _WRITER, os.path.join(world.home, "log"), acknowledged, str(UID)]
    with subprocess.Popen(argv, cwd="/") as writer:
        try:
            wait_for_more(acknowledged)
            world.apply(state, busy="wait", busy_timeout=60)
            wait_for_more(acknowledged)
        finally:
            writer.kill()
    told = read(world.base, "acknowledged").split()
    assert set(told) <= set(read(world.home, "log").split())


_LATE = """
import sys, time
with open(sys.argv[1], "w") as log:
    print("ready", flush=True)
    time.sleep(2)
    log.write("late")
"""


@pytest.mark.parametrize(("state", "step"), [("attached", "exchange"), ("detached", "release")])
def test_what_was_opened_in_the_last_instant_is_waited_for(world, state, step):
    if state == "detached":
        world.apply()
    late = []

    def open_late(when, name):
        if (when, name) == ("before", step):
            argv = [sys.executable, "-c", _LATE, os.path.join(world.home, "log")]
            late.append(subprocess.Popen(argv, cwd="/", stdout=subprocess.PIPE))
            late[0].stdout.readline()

    world.apply(state, checkpoint=open_late)
    with late[0]:
        assert read(world.home, "log") == b"late"


def wait_for_more(path):
    size = os.path.getsize(path)
    deadline = time.monotonic() + 60
    while os.path.getsize(path) <= size + 20:
        assert time.monotonic() < deadline, "the writer does not get on"
        time.sleep(0.01)
