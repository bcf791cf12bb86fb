# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who fills an empty share, when many hosts come at once.

A lock on the share (NFS 4.1 byte range lock, which dies with its holder) lets one host at a time look and
decide. A marker says how far the filling came. A share that has content is adopted, never merged over.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from contextlib import contextmanager, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic, trees

DIRECTORY = ".azlin"
# What a share may hold and still count as empty, and what is never copied or removed.
OURS = (DIRECTORY, "lost+found", ".snapshot", ".snapshots")
# Seconds. A holder that died loses its lock with its lease; this bounds waiting for one that lives.
WAIT = 4 * 3600
SEED, ADOPT, FRESH = "seed", "adopt", "fresh"


class Lock:
    """The lock on a mounted share; waits for other hosts."""

    def __init__(self, share, wait=WAIT, cancelled=lambda: False):
        self._handle = _open_lock(share)
        deadline = time.monotonic() + wait
        while not self._try():
            if cancelled() or time.monotonic() > deadline:
                self.release()
                raise AzlinError(
                    "timeout",
                    "Another host has been filling the share for too long.",
                    causes=[("it copies a very large home", "run again when it has finished")],
                )
            time.sleep(0.2)

    def release(self):
        """Give the lock up; closing any descriptor of the file does."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _try(self):
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            return False


def decide(share, policy, uncommitted):
    """Return SEED, ADOPT or FRESH (empty, and to be left so). To be called with the lock held.

    :param policy: ``if_empty`` or ``never``.
    :param uncommitted: ids of this host's own seeds that it rolled back.
    """
    marker = _read(share)
    if marker is None:
        if _has_content(share):
            return ADOPT
        return SEED if policy == "if_empty" else FRESH
    half_done = marker["state"] == "seeding"
    # This host filled the share and then went back to its local home, which has lived on since. After a crash the
    # user may have worked on the share first; that is not copied over, and the local home becomes the backup.
    given_up = marker["id"] in uncommitted and not marker["adopted_by"] and not _used(share)
    if not (half_done or given_up):
        return ADOPT
    if policy == "never":
        raise AzlinError(
            "journal_conflict",
            f"The share holds a copy that {marker['host']} began on {marker['time']} and did not finish.",
            causes=[("that attach failed or was cut short", "run with seed: if_empty to finish it from this host")],
        )
    return SEED


def mark_seeding(share, identifier):
    """Note that the share is being filled: until it is complete, whoever holds the lock starts over from its home."""
    _write(share, {"state": "seeding", "id": identifier, "adopted_by": []})


def mark_complete(share, identifier):
    """Note that the share holds a whole home."""
    _write(share, {"state": "complete", "id": identifier, "adopted_by": []})


def mark_adopted(share):
    """Note that this host lives on what another one copied, which from now on is never copied over."""
    marker = _read(share)
    host = socket.gethostname()
    if marker is not None and host not in marker["adopted_by"]:
        _save(share, dict(marker, adopted_by=marker["adopted_by"] + [host]))


def _used(share):
    """Whether anything on the share is younger than the marker that says it is whole."""
    with _directory(share) as directory:
        complete = os.lstat(f"{directory}/seed.json").st_ctime_ns
    return trees.changed_since(share, complete, exclude=OURS)


def _has_content(share):
    handle = trees.open_directory(share)
    try:
        return bool(set(os.listdir(handle)) - set(OURS))
    finally:
        os.close(handle)


@contextmanager
def _directory(share):
    """A path of our directory on the share that the owner of the share's root cannot redirect meanwhile."""
    root = trees.open_directory(share)
    try:
        with suppress(FileExistsError):
            os.mkdir(DIRECTORY, 0o700, dir_fd=root)
        handle = trees.open_directory(DIRECTORY, root)
    finally:
        os.close(root)
    try:
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)


def _open_lock(share):
    with _directory(share) as directory:
        return os.open(f"{directory}/seed.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _read(share):
    try:
        with _directory(share) as directory:
            handle = os.open(f"{directory}/seed.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, encoding="utf-8") as stream:
            marker = json.load(stream)
        return {key: marker[key] for key in ("state", "id", "adopted_by", "host", "time")}
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise AzlinError(
            "journal_conflict",
            f"The share's {DIRECTORY}/seed.json cannot be understood, so it is not known whether the share is whole.",
            causes=[("it was edited, or written by a newer version", "restore it, or remove it to adopt the share")],
        ) from error


def _write(share, marker):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    _save(share, dict(marker, host=socket.gethostname(), time=now))


def _save(share, marker):
    content = json.dumps(marker, indent=1, sort_keys=True).encode() + b"\n"
    with _directory(share) as directory:
        atomic.replace(f"{directory}/seed.json", content, mode=0o600)
