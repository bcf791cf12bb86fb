# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel itself does with a home, which no list of processes shows.

Found in tables of the kernel; the home is not looked at, since that may trigger a mount or hang.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import glob
import os

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import mountinfo

_LOOPS = "/sys/block/loop*/loop/backing_file"
_SWAPS = "/proc/swaps"
# The threads of the kernel's NFS server, and what it exports. Source: nfsd(7), exportfs(8).
_SERVER = "/proc/fs/nfsd/threads"
_EXPORTS = "/var/lib/nfs/etab"


def refuse_automount(mounts, home):
    """Fail when an automounter serves a home or the directory above it, whatever lies on top of its mount."""
    for mount in mounts:
        if mount.fstype == "autofs" and mount.path in (home, os.path.dirname(home)):
            raise AzlinError(
                "in_use",
                f"{mount.path} is served by an automounter ({mount.source}), which would mount over the home.",
                causes=[
                    (
                        "its entry in fstab has x-systemd.automount",
                        "take that option out, then run systemctl daemon-reload and stop its .automount unit",
                    ),
                    ("autofs has a map for it", "take the home out of the map, then reload autofs"),
                ],
            )


def refuse_kernel_users(mounts, home, local):
    """Fail when a file or directory of a home is a loop device, swap space, mounted elsewhere or exported.

    :param local: whether the home is on the local disk, so that what is mounted elsewhere, or by others, would not
        follow it.
    """
    found = _loops(home) + _swaps(home) + (_elsewhere(mounts, home) + _exports(home) if local else [])
    if found:
        raise AzlinError(
            "home_busy",
            f"The kernel uses parts of {home}: {'; '.join(found)}.",
            causes=[("it would go on with the old files after the move", "unmount or end that, then run again")],
        )


def _loops(home):
    return [
        f"{file} is the loop device /dev/{path.split('/')[3]}"
        for path in sorted(glob.glob(_LOOPS))
        for file in _lines(path)
        if _inside(file, home)
    ]


def _swaps(home):
    files = [mountinfo.unescape(line.split()[0]) for line in _lines(_SWAPS)]
    return [f"{file} is swap space" for file in files if _inside(file, home)]


def _exports(home):
    if _lines(_SERVER) in ([], ["0"]):
        return []
    paths = {mountinfo.unescape(line.partition("\t")[0]) for line in _lines(_EXPORTS)}
    found = (path for path in sorted(paths) if _inside(path, home) or _inside(home, path.rstrip("/")))
    return [f"{path} is exported by NFS" for path in found]


def _lines(path):
    """The lines of a table; none where there is no such table, as in a kernel without swap, or no more."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return [line.rstrip("\n") for line in stream if line.strip()]
    except OSError:
        return []


def _elsewhere(mounts, home):
    holding = mountinfo.holding([mount for mount in mounts if mount.path != home], home)
    place = holding.root.rstrip("/") + home[len(holding.path.rstrip("/")) :]
    return [
        f"{place if mount.root == place else home + mount.root[len(place) :]} is mounted at {mount.path}"
        for mount in mounts
        if mount.device == holding.device and _inside(mount.root, place) and not _inside(mount.path, home)
    ]


def _inside(path, directory):
    return path == directory or path.startswith(directory + "/")
