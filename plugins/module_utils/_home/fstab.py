# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fstab(5): one exact entry per mount point, everything else byte for byte as it was.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._home import atomic
from ansible_collections.azlin.storage.plugins.module_utils._home.mountinfo import unescape

_BLANKS = re.compile("[ \t]+")


@dataclass(frozen=True)
class Entry:
    """One effective line of fstab."""

    source: str
    path: str
    fstype: str
    options: str


def parse_line(line):
    """Return the :class:`Entry` of a line, or None for comments, blank and unknown lines."""
    fields = _BLANKS.split(line.strip())
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    path = unescape(fields[1])
    # mount(8) does without options.
    options = fields[3] if len(fields) > 3 else "defaults"
    return Entry(unescape(fields[0]), path.rstrip("/") or path, fields[2], options)


def entries_for(text, path):
    """Return the entries whose mount point is exactly ``path``."""
    parsed = (parse_line(line) for line in text.split("\n"))
    return [entry for entry in parsed if entry is not None and entry.path == path]


def with_entry(text, path, line):
    """Return the text in which ``line`` is the only entry of ``path``, in the place of the first old one."""
    result = []
    placed = False
    for old in io.StringIO(text):
        entry = parse_line(old)
        if entry is None or entry.path != path:
            result.append(old)
        elif not placed:
            result.append(line + "\n")
            placed = True
    if not placed:
        if result and not result[-1].endswith("\n"):
            result[-1] += "\n"
        result.append(line + "\n")
    return "".join(result)


def without_entry(text, path):
    """Return the text without entries of ``path``."""
    kept = []
    for line in io.StringIO(text):
        entry = parse_line(line)
        if entry is None or entry.path != path:
            kept.append(line)
    return "".join(kept)


def read(path):
    """Return the text of an fstab; bytes that are not UTF-8 survive a round trip."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def tidy(path):
    """Remove what a :func:`write` that was cut short has left."""
    atomic.tidy(os.path.realpath(path))


def write(path, text):
    """Replace an fstab in one rename, keeping its mode, owner and label."""
    real = os.path.realpath(path)
    data = text.encode("utf-8", "surrogateescape")
    if os.path.exists(real):
        atomic.replace(real, data, like=real)
    else:
        atomic.replace(real, data, mode=0o644)
