# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a home have to be on the share, and which may stay on the local disk.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

KEYS = ".ssh"
FOLDER = ".azlin"
# A file that shows for an instant whether a home can be written to.
PROBE = ".azlin-probe"
# What a share may hold and still count as empty, and what is never copied or removed.
OURS = (FOLDER, PROBE, "lost+found", ".snapshot", ".snapshots")
# As for homes: what fstab takes without escapes.
_PATH = re.compile(r"[A-Za-z0-9._+@-]+(?:/[A-Za-z0-9._+@-]+)*", re.ASCII)


def local_paths(values, option="local_paths"):
    """Return the sorted tuple of relative paths of an option.

    :raises AzlinError: ``invalid_argument``.
    """
    paths = []
    for value in values:
        text = str(value).rstrip("/")
        parts = text.split("/")
        if not _PATH.fullmatch(text) or {".", ".."} & set(parts):
            raise invalid(
                option,
                value,
                "a local path is relative to the home, of letters, digits and the characters . _ + @ -",
                "Use for example .cache.",
            )
        if parts[0] in (KEYS, *OURS):
            raise invalid(option, value, "it has to be on the share for every host to find it", "Leave it out.")
        paths.append(text)
    for path in paths:
        for other in paths:
            if other.startswith(path + "/"):
                raise invalid(option, other, f"it lies in {path}, which is local already", "Leave it out.")
    if len(set(paths)) != len(paths):
        raise invalid(option, list(values), "a path is named twice", "Name it once.")
    return tuple(sorted(paths))
