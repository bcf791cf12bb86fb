# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ending a run that hangs, so that its guard can undo it.

A hard NFS mount waits for its server without end, and with it whoever reads or writes there. While a home is being
switched its user would wait, too. A process that waits for NFS can be killed, but cannot notice by itself.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import signal
import threading
import time

# The kernel's counters of NFS mounts. Source: nfs_show_stats() in fs/nfs/super.c.
MOUNTSTATS = "/proc/self/mountstats"
# Seconds without a sign of life: while the home is not usable, and otherwise.
WINDOW_LIMIT = 60
LIMIT = 900
_POLL = 1.0
# Seconds of processor time between two looks. Waiting, and this watchdog itself, take less.
_BUSY = 0.02


class Watchdog:
    """Watches one operation from a thread until it is closed.

    :param operation: has ``alive_at`` (monotonic, seconds), ``stage`` (where the share is mounted), ``in_window`` and
        ``hangs(seconds)``, which is called before the end.
    """

    def __init__(self, operation):
        self._operation = operation
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self):
        """Stop watching."""
        self._closed.set()
        self._thread.join()

    def _watch(self):
        used, moved = time.process_time(), transferred(self._operation.stage)
        while not self._closed.wait(_POLL):
            now, moved_now = time.process_time(), transferred(self._operation.stage)
            if now - used > _BUSY or moved_now != moved:
                self._operation.alive_at = time.monotonic()
            used, moved = now, moved_now
            limit = WINDOW_LIMIT if self._operation.in_window else LIMIT
            if time.monotonic() - self._operation.alive_at > limit:
                self._operation.hangs(limit)
                os.kill(os.getpid(), signal.SIGKILL)


def transferred(path):
    """What was read from and written to the NFS share mounted at a path so far, for comparison; None if nothing is.

    A single call, such as the one that closes a file, may write out gigabytes, which a slow server takes minutes for.
    """
    try:
        with open(MOUNTSTATS, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read()
    except OSError:
        return None
    _before, _found, statistics = text.partition(f" mounted on {path} with ")
    own = statistics.partition("\ndevice ")[0]
    return next((line for line in own.splitlines() if line.startswith("\tbytes:")), None)
