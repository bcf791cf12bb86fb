# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file system per share: a sparse image of the share's size, so that clients see that size."""

from __future__ import annotations

import os
import pathlib
import shutil
import stat

from lab.mounts import mounted, unmount_below
from lab.paths import LabPaths
from lab.processes import run

GIB = 1 << 30
# An ext4 file cannot be larger than 16 TiB; larger shares show this size.
LARGEST_GIB = 15 * 1024
SMALLEST_GIB = 1


def prepare(paths: LabPaths) -> None:
    """Make the folder of mount points pass later mounts on to the container."""
    top = paths.shares / "exports"
    top.mkdir(parents=True, exist_ok=True)
    if not mounted(top):
        run(["mount", "--bind", str(top), str(top)])
        run(["mount", "--make-shared", str(top)])


def image_of(paths: LabPaths, account: str, share: str) -> pathlib.Path:
    """The image file of a share."""
    return paths.shares / "images" / account / f"{share}.xfs"


def mount_of(paths: LabPaths, account: str, share: str) -> pathlib.Path:
    """Where a share is mounted on this machine."""
    return paths.shares / "exports" / account / share


def ensure(paths: LabPaths, account: str, share: str, quota_gib: int) -> None:
    """Make, mount and grow a share's file system. XFS cannot shrink: a lower quota keeps the size seen so far."""
    size = min(max(quota_gib, SMALLEST_GIB), LARGEST_GIB) * GIB
    image = image_of(paths, account, share)
    point = mount_of(paths, account, share)
    if not image.exists():
        make(image, size)
    if not mounted(point):
        point.mkdir(parents=True, exist_ok=True)
        run(["mount", "-o", "loop,nouuid", str(image), str(point)])
        if not any(point.iterdir()):
            point.chmod(0o777)  # the root of a new share on Azure: 0777 root root
    if image.stat().st_size < size:
        os.truncate(image, size)
        run(["losetup", "--set-capacity", loop_device(image)])
        run(["xfs_growfs", str(point)])


def make(image: pathlib.Path, size: int) -> None:
    """A new file system; under another name until it is whole."""
    image.parent.mkdir(parents=True, exist_ok=True)
    unfinished = image.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch()
    os.truncate(unfinished, size)
    run(["mkfs.xfs", "-q", "-K", "-m", "reflink=0,rmapbt=0", "-l", "size=64m", str(unfinished)])
    unfinished.rename(image)


def loop_device(image: pathlib.Path) -> str:
    """The loop device of a mounted image."""
    return run(["losetup", "--noheadings", "--output", "NAME", "--associated", str(image)]).split()[0]


def usage_bytes(paths: LabPaths, account: str, share: str) -> int:
    """Bytes that the files of a share occupy on disk, a file with several names counted once."""
    top = mount_of(paths, account, share)
    if not top.exists():
        return 0
    seen: set[int] = set()
    total = 0
    folders = [str(top)]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if status.st_ino not in seen:
                    seen.add(status.st_ino)
                    total += status.st_blocks * 512
                if stat.S_ISDIR(status.st_mode):
                    folders.append(entry.path)
    return total


def destroy(paths: LabPaths, account: str, share: str) -> None:
    """Remove a share with its data."""
    point = mount_of(paths, account, share)
    if mounted(point):
        # The server may still hold the file system for a moment; nobody can reach it under this name any more.
        run(["umount", "--lazy", str(point)])
    if point.exists():
        point.rmdir()
    image_of(paths, account, share).unlink(missing_ok=True)


def remove_all(paths: LabPaths) -> None:
    """Unmount every share and remove all data."""
    unmount_below(paths.shares / "exports")
    shutil.rmtree(paths.shares, ignore_errors=True)
