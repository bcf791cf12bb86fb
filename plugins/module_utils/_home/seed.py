# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who fills an empty share, when many hosts come at once.

A lock on the share (NFS 4.1 byte range lock, which dies with its holder) lets one host at a time look and
decide. A marker says how far the filling came. A share that has content is adopted, or merged into on request.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import threading
import time

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import files, folder, keys, trees

DIRECTORY = folder.DIRECTORY
PROBE = folder.PROBE
OURS = folder.OURS
_LOCK = "seed.lock"
_MARKER = "seed.json"
_KEYS = ([keys.DIRECTORY, keys.FILE], [keys.DIRECTORY, keys.TEMPORARY])
# Seconds. A holder that died loses its lock with its lease; this bounds waiting for one that lives.
WAIT = 4 * 3600
# Seconds between two looks at the lock, and at the marker while copying.
_AGAIN = 0.5
_FENCE = 1.0
SEED, ADOPT, FRESH, MERGE = "seed", "adopt", "fresh", "merge"


class Lock:
    """The lock on a mounted share; waits for other hosts.

    :param cancelled: called while waiting; True ends the wait.
    :param waiting: called with the name of the host that fills the share, or None, when that is waited for.
    """

    def __init__(self, share, user, wait=WAIT, cancelled=lambda: False, waiting=lambda _host: None):
        with folder.opened(share, user) as directory:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._handle = os.open(f"{directory}/{_LOCK}", flags, 0o600)
        try:
            status = os.fstat(self._handle)
            # What is not empty is a file of others, which the user has given this name.
            if status.st_uid != user.uid and not status.st_size:
                os.fchown(self._handle, user.uid, user.gid)
            self._wait(share, time.monotonic() + wait, cancelled, waiting)
        except BaseException:
            self.release()
            raise

    def release(self):
        """Give the lock up; closing any descriptor of the file does."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _wait(self, share, deadline, cancelled, waiting):
        waited_for = ()
        while not self._try():
            if cancelled():
                raise AzlinError("rolled_back", "The run was told to stop while another host held the share.")
            if time.monotonic() > deadline:
                raise AzlinError(
                    "timeout",
                    f"{_filling_host(share) or 'Another host'} has been filling the share for too long.",
                    causes=[("it copies a very large home", "run again when it has finished")],
                )
            if waited_for != (_filling_host(share),):
                waited_for = (_filling_host(share),)
                waiting(*waited_for)
            time.sleep(_AGAIN)

    def _try(self):
        try:
            fcntl.lockf(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except (BlockingIOError, PermissionError):
            return False


class Fence:
    """Notices that another host has taken the share over, as it does when this one was cut off for so long that the
    server dropped its lock. To be called often by the threads that write: it raises then.

    The thread that made it is never held up: it has to notice a request to stop while the server is silent.
    """

    def __init__(self, share, identifier):
        self._share = share
        self._identifier = identifier
        self._maker = threading.get_ident()
        self._next = 0.0

    def __call__(self):
        """Look at the marker, at most once a second."""
        if threading.get_ident() == self._maker or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _FENCE
        check_ours(self._share, self._identifier)


def decide(share, policy, uncommitted):
    """Return SEED, ADOPT, MERGE or FRESH (empty, and to be left so). To be called with the lock held.

    :param policy: ``if_empty``, ``never`` or ``merge``.
    :param uncommitted: ids of this host's own seeds that it rolled back.
    """
    adopt = MERGE if policy == "merge" else ADOPT
    marker = read_marker(share)
    if marker is None:
        if _has_content(share):
            return adopt
        return FRESH if policy == "never" else SEED
    # A share that was to be left empty may have been filled by hand since.
    half_done = marker["state"] != "complete" and (not marker["fresh"] or _holds_only_keys(share))
    if marker["state"] == "abandoned" and not marker["fresh"] and _used(share):
        raise AzlinError(
            "journal_conflict",
            f"The share holds a copy that {marker['host']} began on {marker['time']} and gave up, and it was changed"
            " since.",
            causes=[
                (
                    "somebody went on with it by hand",
                    f"remove {DIRECTORY}/{_MARKER} on the share to adopt what it holds",
                ),
                ("it is of no use", "empty the share"),
            ],
        )
    # This host filled the share and then went back to its local home, which has lived on since. After a crash the
    # user may have worked on the share first; that is not copied over, and the local home becomes the backup.
    given_up = marker["id"] in uncommitted and not marker["adopted_by"] and not _used(share)
    if not (half_done or given_up):
        return adopt
    if policy == "never":
        if marker["fresh"]:
            return FRESH
        raise AzlinError(
            "journal_conflict",
            f"The share holds a copy that {marker['host']} began on {marker['time']} and did not finish.",
            causes=[("that attach failed or was cut short", "run with seed: if_empty to finish it from this host")],
        )
    return SEED


def is_foreign(share, uncommitted):
    """Whether a share that is to be filled holds what another host began to copy to it."""
    marker = read_marker(share)
    return marker is not None and marker["id"] not in uncommitted


def mark_seeding(share, user, identifier, fresh=False):
    """Note that the share is being filled: until it is complete, whoever holds the lock starts over from its home.

    :param fresh: whether it gets nothing but the keys.
    """
    _write(share, user, {"state": "seeding", "id": identifier, "adopted_by": [], "fresh": fresh})


def mark_complete(share, user, identifier, fresh=False):
    """Note that the share holds a whole home.

    :raises AzlinError: ``journal_conflict`` when another host fills the share by now.
    """
    check_ours(share, identifier)
    _write(share, user, {"state": "complete", "id": identifier, "adopted_by": [], "fresh": fresh})


def abandon(share, user, identifier):
    """Note that the filling ended half way: what changes from now on is somebody's work."""
    marker = read_marker(share)
    if marker is not None and (marker["id"], marker["state"]) == (identifier, "seeding"):
        # What a run that was killed had not sent yet is no such work.
        with folder.present(share) as directory:
            files.sync_file_system(directory)
        _save(share, user, dict(marker, state="abandoned"))


def mark_adopted(share, user):
    """Note that this host lives on what another one copied, which from now on is never copied over."""
    marker = read_marker(share)
    host = socket.gethostname()
    if marker is not None and host not in marker["adopted_by"]:
        _save(share, user, dict(marker, adopted_by=marker["adopted_by"] + [host]))


def check_ours(share, identifier):
    """Fail unless the share is still being filled by this transaction."""
    marker = read_marker(share)
    if marker is None or marker["id"] != identifier:
        who = "nobody" if marker is None else marker["host"]
        raise AzlinError(
            "journal_conflict",
            f"This host lost the lock of the share while it copied, and {who} fills it now.",
            causes=[("the connection to the server was gone for longer than its lease", "run again to adopt the home")],
        )


def read_marker(share):
    """Return the marker of a share, or None; what an older version did not write is None."""
    try:
        marker = json.loads(folder.read(share, _MARKER))
        found = {key: marker[key] for key in ("state", "id", "adopted_by", "host", "time")}
        return dict(found, **{key: marker.get(key) for key in ("uid", "gid", "user", "fresh")})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise AzlinError(
            "journal_conflict",
            f"The share's {DIRECTORY}/{_MARKER} cannot be understood, so it is not known whether the share is whole.",
            causes=[("it was edited, or written by a newer version", "restore it, or remove it to adopt the share")],
        ) from error


def _filling_host(share):
    try:
        marker = read_marker(share)
    except (AzlinError, OSError):
        return None
    return marker["host"] if marker is not None and marker["state"] == "seeding" else None


def _used(share):
    """Whether anything on the share is younger than the marker."""
    with folder.present(share) as directory:
        marked = os.stat(_MARKER, dir_fd=directory, follow_symlinks=False).st_ctime_ns
    return trees.changed_since(share, marked, exclude=OURS)


def _has_content(share):
    handle = trees.open_directory(share)
    try:
        return bool(set(os.listdir(handle)) - set(OURS))
    finally:
        os.close(handle)


def _holds_only_keys(share):
    """Directories without anything else, such as the mount points of local paths, do not make it a home."""
    handle = trees.open_directory(share)
    try:
        found = ((parents + [name], status) for _directory, parents, name, status in trees.walk(handle, OURS))
        return all(path in _KEYS or (status and stat.S_ISDIR(status.st_mode)) for path, status in found)
    finally:
        os.close(handle)


def _write(share, user, marker):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    ids = {"user": user.name, "uid": user.uid, "gid": user.gid}
    _save(share, user, dict(marker, host=socket.gethostname(), time=now, **ids))


def _save(share, user, marker):
    folder.write(share, user, _MARKER, json.dumps(marker, indent=1, sort_keys=True).encode() + b"\n")
