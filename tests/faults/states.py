# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at before and after a fault, and compared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ansible_collections.azlin.storage.plugins.module_utils._home import keys, manifest, rescue, seed


@dataclass(frozen=True)
class State:
    """A host and its share at one moment.

    ``content`` are the digests of all files in homes, backups and the share. ``left`` is what a transaction makes
    for itself and has to take away.
    """

    tree: dict
    mounted: bool
    fstab: str
    names: tuple
    content: frozenset
    left: tuple


def comparable(tree: dict) -> dict:
    """A manifest without the time of what keys are added to and what is probed, which may be that of the run."""
    added_to = (".", keys.DIRECTORY, f"{keys.DIRECTORY}/{keys.FILE}")
    return {name: replace(item, mtime_ns=0) if name in added_to else item for name, item in tree.items()}


def digests(tree: dict) -> Iterator[str]:
    """The content of the files in a manifest, but for keys, which are merged, and what the product writes itself."""
    stand_ins = {os.path.dirname(path) for path in tree if os.path.basename(path) == rescue.NOTE}
    for path, item in tree.items():
        made = os.path.dirname(path) in stand_ins or {keys.DIRECTORY, seed.DIRECTORY} & set(path.split("/"))
        if item.sha256 and item.size and not made:
            yield item.sha256


def differences(wanted: State, found: State) -> list[str]:
    """What distinguishes two states, in words."""
    texts = manifest.compare(wanted.tree, found.tree)
    for name in ("mounted", "fstab", "names", "left"):
        if getattr(wanted, name) != getattr(found, name):
            texts.append(f"{name} is {getattr(found, name)!r}, not {getattr(wanted, name)!r}")
    return texts


def neither(before: State, after: State, found: State) -> list[str]:
    """What distinguishes a state from the legal one that it is nearer to; nothing if it is one of them."""
    return min((differences(state, found) for state in (before, after)), key=len)


def lost(before: State, found: State) -> list[str]:
    """Content that was there before and is nowhere now, in words."""
    missing = len(before.content - found.content)
    return [f"the content of {missing} files is nowhere"] if missing else []
