# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one pass of a copy remembers of the source, so that the next one touches only what has changed.

The kernel sets the change time (ctime) of a file whenever its content, attributes, number of links or, on the file
systems named here, name changes, and nobody can set it back. So a file whose ctime is older than the beginning of the
previous pass is on the target as it is now, as long as it lies in the directory in which that pass saw it. Only
directories have to be remembered for that, and the few files that changed shortly before that time.

What a program writes to memory that it has mapped sets the ctime only at the first write to a page after that was
written out. A pass has everything written out when it begins, so the ctime of what changed later proves nothing, and
the next pass takes it once more.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import time

from ansible_collections.azlin.storage.plugins.module_utils._home import trees

# statfs(2): ext2 to ext4, XFS, Btrfs, F2FS. Their times are those of this kernel's clock, and renaming a file
# counts as a change of it. Others (network, FUSE, overlay, tmpfs) are compared in full.
_TRUSTED = (0xEF53, 0x58465342, 0x9123683E, 0xF2F52010)
# A ctime may lag behind the clock by one tick of the kernel, 10 ms at most. All margins are in nanoseconds.
_MARGIN = 2 * 10**9
# A file may be changed twice within one tick, and look the same after the second change.
_TICK = 10**8
# Seconds until what was changed just now can be told from what is changed again.
SETTLING = 0.12
# Setting the clock shows as a change of what it is ahead of the monotonic one; slewing moves both alike.
CLOCK_TOLERANCE = 5 * 10**8
# Beyond this the next pass compares in full.
_MOST_RECENT = 200_000


class Memory:
    """Of one pass, made right before everything of the source is written out.

    :param source: the open root of the source.
    :param target: the open root of the target, to which alone this applies.
    """

    def __init__(self, source, target):
        self._trusted = trees.file_system_type(source) in _TRUSTED
        self._target = trees.identity(target)
        self._ahead = ahead()
        self._began = time.time_ns()
        self._floor = self._began - _MARGIN
        self._directories = {}
        self._recent = {}

    def applies_to(self, target):
        """Whether it can be relied on."""
        clock_was_set = abs(ahead() - self._ahead) > CLOCK_TOLERANCE
        known_whole = len(self._recent) < _MOST_RECENT
        return self._trusted and known_whole and not clock_was_set and self._target == trees.identity(target)

    def unchanged(self, status):
        """Whether a file or directory is as that pass saw it."""
        return status.st_ctime_ns < self._floor or self._recent.get(_key(status)) == status.st_ctime_ns

    def knows(self, status, parent, name):
        """Whether that pass saw this directory in this place.

        :param parent: stat result of the directory above, or None for the root.
        """
        return self._directories.get(_key(status)) == (parent and _key(parent), name)

    def add_directory(self, status, parent, name):
        """Remember where a directory was."""
        self._directories[_key(status)] = (parent and _key(parent), name)

    def settle(self, status):
        """Remember that what this pass looked at had this ctime before and after, unless it changed too late for it."""
        # One that is ahead of the clock is of a time before that was set back.
        too_late = self._began - _TICK <= status.st_ctime_ns <= time.time_ns() + _TICK
        if status.st_ctime_ns >= self._floor and not too_late:
            self._keep(status)

    def carry(self, status):
        """Remember what the pass before had settled."""
        if status.st_ctime_ns >= self._floor:
            self._keep(status)

    def _keep(self, status):
        if len(self._recent) < _MOST_RECENT:
            self._recent[_key(status)] = status.st_ctime_ns


def _key(status):
    return status.st_dev, status.st_ino


def ahead():
    """What the clock is ahead of the monotonic one (ns): when this host was booted, as the clock has it now."""
    return time.time_ns() - time.monotonic_ns()
