# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that tells how far a run is."""

from __future__ import annotations

import json
import os
import threading

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._home.progress import Progress, path_of, remaining


class Clock:
    """A clock that stands still until it is told otherwise."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return path_of("azureuser", str(tmp_path / "run"))


def read(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def test_a_phase_is_told_at_once_with_its_totals(path, clock):
    Progress(path, clock).phase("copying", files=10, bytes=1000)
    told = read(path)
    assert path.endswith("/progress.azureuser.json")
    assert (told["phase"], told["files"], told["files_total"], told["bytes_total"]) == ("copying", 0, 10, 1000)
    assert told["remaining_seconds"] is None and told["bytes_per_second"] == 0
    assert oct(os.stat(os.path.dirname(path)).st_mode & 0o777) == "0o700"


def test_what_is_done_is_told_once_a_second(path, clock):
    progress = Progress(path, clock)
    progress.phase("copying", files=10, bytes=1000)
    progress.add(1, 100)
    assert read(path)["files"] == 0
    clock.now += 2
    progress.add(1, 100)
    told = read(path)
    assert (told["files"], told["bytes"], told["bytes_per_second"], told["remaining_seconds"]) == (2, 200, 100, 8)


def test_a_new_phase_begins_to_count_anew(path, clock):
    progress = Progress(path, clock)
    progress.phase("copying", files=10, bytes=1000)
    progress.add(10, 1000)
    progress.phase("waiting for confirmation")
    assert (read(path)["files"], read(path)["files_total"]) == (0, None)


def test_many_threads_lose_no_count(path, clock):
    progress = Progress(path, clock)
    progress.phase("copying")
    threads = [threading.Thread(target=lambda: [progress.add(1, 3) for _file in range(2000)]) for _number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    clock.now += 1
    progress.add(0, 0)
    assert (read(path)["files"], read(path)["bytes"]) == (16000, 48000)


def test_nothing_is_left_at_the_end(path, clock):
    progress = Progress(path, clock)
    progress.phase("copying")
    progress.close()
    progress.close()
    assert os.listdir(os.path.dirname(path)) == []


def test_a_file_that_cannot_be_written_stops_nothing(tmp_path, clock):
    (tmp_path / "run").write_text("in the way")
    progress = Progress(path_of("azureuser", str(tmp_path / "run")), clock)
    progress.phase("copying", files=1)
    clock.now += 5
    progress.add(1, 1)
    progress.close()
    assert (tmp_path / "run").read_text() == "in the way"


@pytest.mark.parametrize(
    ("done", "totals", "elapsed", "seconds"),
    [
        ((50, 10), (100, 100), 10, 90),
        ((10, 50), (100, 100), 10, 90),
        ((100, 100), (100, 100), 10, 0),
        ((120, 100), (100, 100), 10, 0),
        ((5, 7), (10, None), 10, 10),
        ((5, 7), (None, None), 10, None),
        ((0, 0), (10, 10), 10, None),
        ((0, 0), (0, 0), 10, None),
        ((5, 5), (10, 10), 0, None),
    ],
)
def test_what_lasts_longer_tells_the_time_that_is_left(done, totals, elapsed, seconds):
    assert remaining(done, totals, elapsed) == seconds
