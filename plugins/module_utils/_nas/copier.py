# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run rsync, and leave alone what is of another kind in the target: rsync would remove a file there for a folder.

Warns when the export is nearly full. Lies on the hosts of NAS servers as a program of its own; its arguments are the
export and the words of rsync, source and target last.
Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys

# Per cent of an export from which on its copies warn.
FULL = 90


def conflicts(source, target):
    """Paths below two directories, as bytes, that are of different kinds there; not what lies below them in turn."""
    for folder, folders, files in os.walk(source):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, source)
            try:
                same = kind(path) == kind(os.path.join(target, relative))
            except FileNotFoundError:
                continue
            if not same:
                yield relative
                if name in folders:
                    folders.remove(name)


def kind(path):
    """Whether a path is a file, a directory, a link and so on."""
    return stat.S_IFMT(os.lstat(path).st_mode)


def pattern(path):
    """A rule of rsync for one path. Backslashes mean themselves unless there is a wildcard. rsync(1)."""
    return b"/" + (re.sub(rb"([\\*?\[])", rb"\\\1", path) if re.search(rb"[*?\[]", path) else path)


def used_percent(path):
    """How full the file system of a path is, by room or by number of files, whichever is more."""
    status = os.statvfs(path)
    return max(
        100 * (total - free) // total
        for total, free in ((status.f_blocks, status.f_bavail), (status.f_files, status.f_favail))
        if total
    )


def main(arguments):
    """Return the status of rsync."""
    export, *words = arguments
    source, target = (os.fsencode(word.rstrip("/")) for word in words[-2:])
    found = list(conflicts(source, target))
    for path in found:
        # The journal takes the number for the level of a warning. sd-daemon(3)
        kept, other = os.fsdecode(os.path.join(target, path)), os.fsdecode(source)
        sys.stderr.write(f"<4>{kept!a} is of another kind in {other!a} and stays\n")
    rules = b"".join(pattern(path) + b"\0" for path in found)
    command = [words[0], "--from0", "--exclude-from=-", *words[1:]]
    status = subprocess.run(command, input=rules, check=False).returncode
    used = used_percent(export)
    if used >= FULL:
        sys.stderr.write(f"<4>{export!a} is full to {used} %\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
