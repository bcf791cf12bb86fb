# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of the NFS server's container."""

from __future__ import annotations

import pathlib

from lab.processes import run
from lab.recipe import cached, digest

SUITE = "bookworm"
PACKAGES = ("nfs-ganesha", "nfs-ganesha-vfs")


def root_file_system() -> pathlib.Path:
    """Folder with the server's files; 15 s to make, nothing when cached.

    podman runs it with a throw-away layer on top, so that it is neither imported nor changed.
    """
    return cached("nfs", digest(SUITE, PACKAGES), build) / "rootfs"


def build(folder: pathlib.Path) -> None:
    """Make the tree in ``folder``."""
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--format=directory",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            str(folder / "rootfs"),
        ],
        timeout=3600,
    )
