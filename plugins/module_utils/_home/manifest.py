# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a tree is, in comparable form.

Used to prove that a home is the same before and after. Names are bytes decoded with surrogateescape, so
names that are not UTF-8 survive.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, fields

from ansible_collections.azlin.storage.plugins.module_utils._home import trees

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
}


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


def type_name(mode):
    """Return the word for the file type in ``st_mode``."""
    return _TYPES.get(stat.S_IFMT(mode), "unknown")


def build(root, exclude=(), digest=False):
    """Return {relative path: Item} of a tree; "." is its root.

    :param exclude: relative paths that do not count.
    :param digest: also read every file and note its SHA-256.
    """
    statuses = dict(_walk(root, exclude))
    groups = {}
    for path, status in statuses.items():
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            groups.setdefault((status.st_dev, status.st_ino), []).append(path)
    return {path: _item(root, path, status, groups, digest) for path, status in statuses.items()}


def compare(before, after, precision_ns=1):
    """Return a list of sentences, one for each difference; empty when the trees are the same.

    :param precision_ns: times are compared in this unit. Azure Files keeps 100 ns.
    """
    differences = [f"{path}: missing" for path in sorted(set(before) - set(after))]
    differences += [f"{path}: unexpected" for path in sorted(set(after) - set(before))]
    for path in sorted(set(before) & set(after)):
        differences += _item_differences(path, before[path], after[path], precision_ns)
    return differences


def _walk(root, exclude):
    yield ".", os.lstat(root)
    left_out = trees.by_directory(exclude)
    pending = [""]
    while pending:
        directory = pending.pop()
        with os.scandir(os.path.join(root, directory)) as entries:
            for entry in entries:
                if entry.name in left_out.get(directory, ()):
                    continue
                path = os.path.join(directory, entry.name)
                status = entry.stat(follow_symlinks=False)
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    pending.append(path)


def _item(root, path, status, groups, digest):
    full = os.path.join(root, path)
    regular = stat.S_ISREG(status.st_mode)
    link = stat.S_ISLNK(status.st_mode)
    names = groups.get((status.st_dev, status.st_ino), ()) if regular else ()
    return Item(
        type=type_name(status.st_mode),
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if regular else 0,
        mtime_ns=status.st_mtime_ns,
        target=os.readlink(full) if link else "",
        links=tuple(sorted(names)) if len(names) > 1 else (),
        sha256=_sha256(full) if digest and regular else "",
    )


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _item_differences(path, before, after, precision_ns):
    for field in fields(Item):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name == "mtime_ns":
            old, new = old // precision_ns, new // precision_ns
        if old != new:
            yield f"{path}: {field.name} was {old!r}, is {new!r}"
