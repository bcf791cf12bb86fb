# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mount table of this machine."""

from __future__ import annotations

import os
import pathlib
import re

from lab.processes import run


def mount_points() -> list[str]:
    """All mount points in the order of mounting (proc(5), mountinfo; there \\040 stands for a space)."""
    with open("/proc/self/mountinfo", encoding="utf-8") as table:
        fields = (line.split(" ")[4] for line in table)
        return [re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field) for field in fields]


def mounted(path: pathlib.Path) -> bool:
    """Whether something is mounted at ``path``; unlike os.path.ismount() it knows bind mounts."""
    return str(path) in mount_points()


def unmount_below(top: pathlib.Path) -> None:
    """Unmount everything at or under a path, last mounted first."""
    for point in reversed(mount_points()):
        if point == str(top) or point.startswith(f"{top}{os.sep}"):
            run(["umount", "--lazy", point], check=False)
