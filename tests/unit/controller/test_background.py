# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following a background job: when to look, what to ask, what to show."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys

import pytest

from ansible_collections.azlin.storage.plugins.plugin_utils import _background as background

RUNNING = {"started": True, "finished": False, "ansible_job_id": "j583920184733.4711"}
COPYING = {
    "phase": "copying",
    "files": 1200,
    "files_total": 50000,
    "bytes": 12 << 20,
    "bytes_total": 340 << 20,
    "bytes_per_second": 3250586,
    "remaining_seconds": 100,
}


def waits(seconds):
    """The times of all looks at a job that runs that long."""
    times = [0.0]
    while times[-1] < seconds:
        times.append(times[-1] + background.next_look(times[-1]))
    return times


def test_a_short_job_is_hardly_delayed_and_a_long_one_seldom_asked():
    assert waits(1)[-1] < 1.5
    assert waits(30)[-1] < 37
    assert len(waits(600)) < 125


@pytest.fixture
def job(tmp_path):
    """A job whose process lives; its file and that of the progress."""
    folder = tmp_path / "jobs of root"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "j583920184733"], stdin=subprocess.PIPE
    )
    yield folder / "j583920184733.4711", tmp_path / "progress.a'b.json", process
    process.communicate()


def look(file, progress):
    """The look that a shell takes which stands as the login shell of a connection does."""
    command = background.look_command(str(file.parent), "583920184733", str(progress))
    argv = ["sh", "-c", f"sh -c {shlex.quote(command)}; :"]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return background.parse(f"Welcome!\n{done.stdout}".replace("\n", "\r\n"))


def test_a_job_that_works_is_alive_and_tells_how_far_it_is(job):
    file, progress, _process = job
    file.write_text(json.dumps(RUNNING))
    progress.write_text(json.dumps(COPYING))
    assert look(file, progress) == background.Look(alive=True, result=None, progress=COPYING)


def test_a_job_without_a_process_is_dead(job):
    file, progress, process = job
    file.write_text(json.dumps(RUNNING))
    process.communicate()
    assert look(file, progress) == background.Look(alive=False, result=None, progress=None)


def test_a_job_whose_file_is_gone_is_dead(job):
    file, progress, process = job
    process.communicate()
    assert look(file, progress) == background.Look(alive=False, result=None, progress=None)


def test_the_answer_of_the_module_is_the_result(job):
    file, progress, process = job
    process.communicate()
    file.write_text(json.dumps({"changed": True, "msg": "azlin-end"}))
    assert json.loads(look(file, progress).result) == {"changed": True, "msg": "azlin-end"}


def test_the_file_of_a_job_is_removed(job):
    file, _progress, _process = job
    other = file.parent / "j5.4711"
    for job_file in (file, other):
        job_file.write_text("{}")
    subprocess.run(["sh", "-c", background.forget_command(str(file.parent), "583920184733")], check=True)
    assert os.listdir(file.parent) == [other.name]


def test_what_is_half_written_is_not_read(job):
    file, progress, _process = job
    file.write_text(json.dumps({"changed": False}))
    file.with_name(file.name + ".tmp").write_text('{"chan')
    assert json.loads(look(file, progress).result) == {"changed": False}


@pytest.mark.parametrize("output", ["", "azlin-job\n{}\n", "sudo: a password is required\n"])
def test_an_answer_that_did_not_come_to_its_end_is_none(output):
    assert background.parse(output) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("j583920184733.4711", "583920184733"),
        ("LC_ALL=C /usr/bin/python3 /var/tmp/x/async_wrapper.py j5839 2592000 /var/tmp/x/AnsiballZ_j.py _", "5839"),
        ("python3 /x/async_wrapper.py j12 99 true /x/AnsiballZ.py /usr/bin/python3 /x/AnsiballZ.py", "12"),
        ("chmod u+x /var/tmp/x/async_wrapper.py && sleep 0", None),
        ("", None),
    ],
)
def test_the_number_of_a_job_is_known_from_the_moment_it_is_started(text, number):
    assert background.job_number(text) == number


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (COPYING, "copying 1200/50000 files, 12 MiB of 340 MiB, 3.1 MiB/s, about 100 s left"),
        ({"phase": "copying", "files": 3, "bytes": 2048}, "copying 3 files, 2.0 KiB"),
        (
            {"phase": "copying", "files": 1, "files_total": 9, "bytes": 99, "bytes_total": 9},
            "copying 1/9 files, 9 B of 9 B",
        ),
        ({"phase": "waiting for busy processes", "files": 0, "bytes": 0}, "waiting for busy processes, 42 s so far"),
        ({}, "at work for 42 s"),
        (None, "at work for 42 s"),
    ],
)
def test_one_line_tells_how_far_it_is(progress, line):
    assert background.describe(progress, 42.4) == line


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (340 << 20, "340 MiB"), (5 << 50, "5120 TiB")],
)
def test_sizes_are_told_in_short(size, text):
    assert background.in_units(size) == text


@pytest.mark.parametrize(
    ("transport", "login"),
    [
        ("ssh", True),
        ("paramiko", True),
        ("ansible.netcommon.libssh", True),
        ("local", False),
        ("community.docker.docker_api", False),
        ("containers.podman.podman", False),
        ("community.general.chroot", False),
    ],
)
def test_only_some_connections_log_in(transport, login):
    assert background.has_login(transport) is login
