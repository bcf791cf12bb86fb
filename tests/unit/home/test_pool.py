# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that share work: all of it is done, and it ends when something fails or hangs."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import pool


def test_work_that_makes_work_is_all_done():
    workers, done, lock = pool.Pool(8), [], threading.Lock()

    def count(number):
        with lock:
            done.append(number)
        if number < 1000:
            workers.push(count, number * 2)
            workers.go_on(count, number * 2 + 1)

    workers.push(count, 1)
    workers.run()
    assert sorted(done) == list(range(1, 2000))


def test_the_first_error_ends_it():
    workers, done = pool.Pool(1), []

    def fail():
        raise OSError("no more")

    workers.push(done.append, "never")
    workers.push(fail)
    with pytest.raises(OSError, match="no more") as caught:
        workers.run()
    assert done == [] and not caught.value.threads_hang


def test_a_task_that_hangs_does_not_keep_a_run_from_being_stopped(monkeypatch):
    monkeypatch.setattr(pool, "PATIENCE", 0)
    started, release = threading.Event(), threading.Event()

    def hang():
        started.set()
        release.wait()

    workers = pool.Pool(2, cancelled=started.is_set)
    workers.push(hang)
    with pytest.raises(AzlinError) as caught:
        workers.run()
    assert pool.hang()
    release.set()
    assert caught.value.error_code == "rolled_back" and caught.value.threads_hang
    deadline = time.monotonic() + 10
    while pool.hang() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not pool.hang()


def test_a_long_task_ends_when_another_one_fails():
    workers, started, stopped = pool.Pool(2), threading.Event(), threading.Event()

    def long():
        started.set()
        try:
            while True:
                workers.check()
        except pool.Stopped:
            stopped.set()
            raise

    def fail():
        started.wait()
        raise ValueError("broken")

    workers.push(fail)
    workers.push(long)
    with pytest.raises(ValueError, match="broken"):
        workers.run()
    assert stopped.is_set()
