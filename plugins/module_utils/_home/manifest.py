# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree is, in comparable form.

Used to prove that a home is the same before and after. Names are bytes decoded with surrogateescape, so
names that are not UTF-8 survive.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, fields, replace

from ansible_collections.azlin.storage.plugins.module_utils._home import files, trees


@dataclass(frozen=True)
class Item:
    """One name of a tree. ``links`` is the tuple of all names of the same file, when it has several."""

    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    target: str
    links: tuple
    sha256: str


def build(root, exclude=(), digest=False):
    """Return {relative path: Item} of a tree; "." is its root.

    :param exclude: relative paths that do not count.
    :param digest: also read every file and note its SHA-256.
    """
    handle = trees.open_directory(root)
    groups = {}
    try:
        items = {".": _item(handle, ".", os.fstat(handle), digest)}
        for directory, parents, name, status in trees.walk(handle, exclude):
            if status is None:
                continue
            path = "/".join((*parents, name))
            items[path] = _item(directory, name, status, digest)
            if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                groups.setdefault((status.st_dev, status.st_ino), []).append(path)
    finally:
        os.close(handle)
    for paths in groups.values():
        if len(paths) > 1:
            items.update((path, replace(items[path], links=tuple(sorted(paths)))) for path in paths)
    return items


def compare(before, after, precision_ns=1):
    """Return a list of sentences, one for each difference; empty when the trees are the same.

    :param precision_ns: times are compared in this unit. Azure Files keeps 100 ns.
    """
    differences = [f"{path}: missing" for path in sorted(set(before) - set(after))]
    differences += [f"{path}: unexpected" for path in sorted(set(after) - set(before))]
    for path in sorted(set(before) & set(after)):
        differences += _item_differences(path, before[path], after[path], precision_ns)
    return differences


def _item(directory, name, status, digest):
    regular = stat.S_ISREG(status.st_mode)
    link = stat.S_ISLNK(status.st_mode)
    return Item(
        type=trees.type_name(status.st_mode),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if regular else 0,
        mtime_ns=status.st_mtime_ns,
        target=os.readlink(name, dir_fd=directory) if link else "",
        links=(),
        sha256=_sha256(directory, name) if digest and regular else "",
    )


def _sha256(directory, name):
    handle = files.open_to_read(name, directory)
    try:
        return files.digest(handle, os.fstat(handle).st_size).hex()
    finally:
        os.close(handle)


def _item_differences(path, before, after, precision_ns):
    for field in fields(Item):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "mtime_ns":
            old, new = old // precision_ns, new // precision_ns
        if old != new:
            yield f"{path}: {field.name} was {old!r}, is {new!r}"
