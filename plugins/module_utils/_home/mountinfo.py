# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is mounted where, read from /proc/self/mountinfo.

Nothing here looks at a mount point itself: stat(2) on a mount whose server is gone hangs. Source: proc(5).

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

MOUNTINFO = "/proc/self/mountinfo"
NFS_TYPES = ("nfs", "nfs4")
_OCTAL = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo; ``device`` is "major:minor" as the kernel writes it."""

    mount_id: int
    parent_id: int
    device: str
    root: str
    path: str
    options: tuple
    fstype: str
    source: str
    super_options: tuple

    @property
    def device_number(self):
        """The ``st_dev`` of files on it, known without asking the file system."""
        major, minor = self.device.split(":")
        return os.makedev(int(major), int(minor))


def unescape(text):
    """Undo the octal escapes (blank, tab, newline, backslash, ``#``) of mountinfo and fstab."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), text)


def parse(text):
    """Return the list of :class:`Mount` of a mountinfo text, in its order: later ones lie on top.

    Names may hold what else Python takes for the end of a line; the kernel escapes only newlines.
    """
    return [_parse_line(line) for line in text.split("\n") if line]


def read(path=MOUNTINFO):
    """Return the list of :class:`Mount` of this process."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as stream:
        return parse(stream.read())


def at(mounts, path):
    """Return the topmost mount at exactly this path, or None."""
    found = [mount for mount in mounts if mount.path == path]
    return found[-1] if found else None


def holding(mounts, path):
    """Return the mount that a path lies on, or None."""
    return topmost(by_path(mounts), path)


def by_path(mounts):
    """Return {path: mount}; of several at one path the one on top."""
    return {mount.path: mount for mount in mounts}


def topmost(table, path):
    """As :func:`holding`, for many paths: ``table`` is what :func:`by_path` returned."""
    while path not in table:
        above = os.path.dirname(path)
        if above == path:
            return None
        path = above
    return table[path]


def below(mounts, path):
    """Return the mounts strictly under a path."""
    return [mount for mount in mounts if mount.path.startswith(path.rstrip("/") + "/")]


def _parse_line(line):
    # The optional fields between the sixth and the lone hyphen vary in number.
    head, _dash, tail = line.partition(" - ")
    mount_id, parent_id, device, root, path, options = head.split(" ")[:6]
    fstype, source, super_options = (tail.split(" ") + ["", ""])[:3]
    return Mount(
        int(mount_id),
        int(parent_id),
        device,
        unescape(root),
        unescape(path),
        tuple(options.split(",")),
        fstype,
        unescape(source),
        tuple(super_options.split(",")),
    )
