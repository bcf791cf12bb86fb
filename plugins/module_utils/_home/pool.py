# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads that share work which makes more work.

Over NFS what counts is how many requests are under way at the same time, so threads do, although they are Python's.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import threading
import time
from collections import deque

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# Seconds that a stopped run waits for threads that sit in a system call, as they do when a server is silent.
PATIENCE = 30
_NAME = "azlin-pool"


class Stopped(Exception):
    """Another thread has failed; this one just ends."""


def hang():
    """Whether threads of a run that has ended still sit in system calls."""
    return any(thread.name == _NAME for thread in threading.enumerate())


class Pool:
    """Runs tasks until none is left.

    New work is taken last in, first out: depth first in a tree, so that little of it is open at a time. Work that
    goes on (the next part of a directory) is taken in turn, so that the threads spread over many directories: a
    server, and the kernel, create one name at a time in each.

    :param cancelled: called now and then; True ends the run with an AzlinError ``rolled_back``.
    """

    def __init__(self, workers, cancelled=lambda: False):
        self._workers = workers
        self._cancelled = cancelled
        self._lock = threading.Condition()
        self._new = []
        self._continued = deque()
        self._busy = 0
        self._error = None

    def push(self, task, *arguments):
        """Add new work."""
        with self._lock:
            self._new.append((task, arguments))
            self._lock.notify()

    def go_on(self, task, *arguments):
        """Add work that continues a task that runs."""
        with self._lock:
            self._continued.append((task, arguments))
            self._lock.notify()

    def run(self):
        """Work until nothing is left.

        :raises: the first error of any task, with the attribute ``threads_hang``: whether threads still sit in system
            calls, so that what they use must stay open.
        """
        threads = [threading.Thread(None, self._work, _NAME, daemon=True) for _number in range(self._workers)]
        for thread in threads:
            thread.start()
        deadline = None
        for thread in threads:
            while thread.is_alive() and (deadline is None or time.monotonic() < deadline):
                thread.join(timeout=0.5)
                if deadline is None and thread.is_alive() and self._ends():
                    deadline = time.monotonic() + PATIENCE
        if self._error is not None:
            self._error.threads_hang = any(thread.is_alive() for thread in threads)
            raise self._error

    def check(self):
        """To be called between the parts of a long task: ends it when the run has failed or is cancelled."""
        if self._error is not None:
            raise Stopped
        if self._cancelled():
            raise AzlinError("rolled_back", "The run was told to stop while it copied.")

    def _ends(self):
        try:
            self.check()
            return False
        except Stopped:
            return True
        except AzlinError as error:
            self._fail(error)
            return True

    def _fail(self, error):
        with self._lock:
            self._error = self._error or error
            self._lock.notify_all()

    def _work(self):
        while True:
            with self._lock:
                while not (self._new or self._continued) and self._busy and self._error is None:
                    self._lock.wait()
                if self._error is not None or not (self._new or self._continued):
                    self._lock.notify_all()
                    return
                task, arguments = self._take()
                self._busy += 1
            try:
                self.check()
                task(*arguments)
            except Stopped:
                pass
            except Exception as error:  # handed to the caller's thread
                self._fail(error)
            finally:
                with self._lock:
                    self._busy -= 1
                    if not self._busy:
                        self._lock.notify_all()

    def _take(self):
        if self._new and len(self._continued) < self._workers:
            return self._new.pop()
        return self._continued.popleft()
