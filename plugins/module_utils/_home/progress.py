# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is, in a small file that can be looked at from outside while it works.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress

RUN_DIR = "/run/azlin"
# Seconds between two writes: many threads report every file they have done.
_INTERVAL = 1.0


def path_of(user_name, run_dir=RUN_DIR):
    """Where the progress of a run on the home of a user stands."""
    return os.path.join(run_dir, f"progress.{user_name}.json")


class Progress:
    """Counts what is done and tells it in a JSON file, at most once a second within a phase.

    The file holds ``phase``, ``files``, ``bytes``, ``files_total``, ``bytes_total`` (null when not known),
    ``bytes_per_second`` of this phase, ``remaining_seconds`` (null when not known) and ``updated`` (Unix time).
    A file that cannot be written is no error: nothing depends on it.

    :param path: see :func:`path_of`; its directory is made when it is missing.
    :param clock: seconds that never go back.
    """

    def __init__(self, path, clock=time.monotonic):
        self._path = path
        self._temporary = f"{path}.new"
        self._clock = clock
        self._lock = threading.Lock()
        self._name = ""
        self._totals = (None, None)
        self._done = [0, 0]
        self._began = self._written = clock()

    def phase(self, name, files=None, bytes=None):
        """Begin something new, with the totals of it as far as they are known."""
        with self._lock:
            self._name = name
            self._totals = (files, bytes)
            self._done = [0, 0]
            self._began = self._clock()
            self._write()

    def add(self, files, bytes):
        """Count files and bytes that are done; may be called by any thread."""
        with self._lock:
            self._done[0] += files
            self._done[1] += bytes
            if self._clock() - self._written >= _INTERVAL:
                self._write()

    def close(self):
        """Remove the file: nothing is being done any more."""
        with self._lock:
            for path in (self._path, self._temporary):
                with suppress(OSError):
                    os.unlink(path)

    def _write(self):
        self._written = self._clock()
        with suppress(OSError):
            os.makedirs(os.path.dirname(self._path), mode=0o700, exist_ok=True)
            with open(self._temporary, "w", encoding="utf-8") as stream:
                json.dump(self._document(self._written - self._began), stream)
            os.rename(self._temporary, self._path)

    def _document(self, elapsed):
        files, size = self._done
        return {
            "phase": self._name,
            "files": files,
            "bytes": size,
            "files_total": self._totals[0],
            "bytes_total": self._totals[1],
            "bytes_per_second": round(size / elapsed) if elapsed > 0 else 0,
            "remaining_seconds": remaining(self._done, self._totals, elapsed),
            "updated": time.time(),
        }


def remaining(done, totals, elapsed):
    """Seconds left at the pace so far, or None when it cannot be told.

    Small files take their time by number and large ones by size; what lasts longer counts.

    :param done: (files, bytes), as is ``totals``, where each may be None.
    """
    known = [(part, whole) for part, whole in zip(done, totals) if whole]
    if not known or elapsed <= 0 or any(part == 0 for part, _whole in known):
        return None
    return round(max(elapsed * max(0, whole - part) / part for part, whole in known))
