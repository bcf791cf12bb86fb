# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files of a directory may be copied, and why the others may not.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.plugin_utils._sync import places, secrets

EXCLUDED = "excluded by the user"
# How many paths a warning names.
_FEW = 10
# Beginnings of files whose content cannot be read without unpacking it.
_PACKED = (
    *(b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"),
    # Git's packs, and its objects, which zlib packs.
    *(b"PACK\x00\x00\x00", b"x\x01"),
)


@dataclass(frozen=True)
class Policy:
    """What a user decides.

    :param allow: paths that are copied although they look like secrets; a compiled pattern or None.
    :param deny: paths that are not copied, whatever they are; a compiled pattern or None.
    :param scan_limit: how many bytes of a file are looked at.
    :param send_unscanned: whether files go out that could not be looked at as a whole.
    """

    allow: object = None
    deny: object = None
    scan_limit: int = 5 << 20
    send_unscanned: bool = True


@dataclass
class Listing:
    """The outcome: paths relative to the source, as bytes, each directory before what is in it."""

    paths: list = field(default_factory=list)
    directories: int = 0
    links: int = 0
    files: int = 0
    size: int = 0
    blocked: list = field(default_factory=list)
    unscanned: list = field(default_factory=list)
    allowed: list = field(default_factory=list)

    def file(self):
        """The content of a file for ``rsync --from0 --files-from``."""
        # The slash is dropped there. Without it rsync takes a name that begins with # or ; for a comment.
        return b"".join(b"/" + path + b"\0" for path in self.paths)

    def idle(self, deny):
        """Those of the denied patterns that kept nothing out, such as one with a typing error."""
        excluded = [one["path"].rstrip("/") for one in self.blocked if one["reason"] == EXCLUDED]
        patterns = {glob: places.pattern([glob], "deny") for glob in deny}
        return [glob for glob, pattern in patterns.items() if not any(map(pattern.fullmatch, excluded))]

    def as_result(self):
        """What the module azlin_home_files returns of it."""
        return {
            "files": self.files,
            "directories": self.directories,
            "links": self.links,
            "bytes": self.size,
            "blocked": self.blocked,
            "unscanned": self.unscanned,
            "allowed": self.allowed,
        }


def shown(path):
    """A path as text that every program can print."""
    return path.decode("utf-8", errors="backslashreplace")


def few(texts):
    """The first of some texts, for a warning; all of them are in the result."""
    more = len(texts) - _FEW
    return ", ".join(texts[:_FEW]) + (f" and {more} more" if more > 0 else "")


def read_list(content):
    """The paths in what :meth:`Listing.file` returned."""
    return [path[1:] for path in content.split(b"\0") if path]


def within(paths, folders):
    """Those of the paths that lie in one of the folders, or are it."""
    tops = [os.fsencode(folder) for folder in folders]
    return [path for path in paths if any(path == top or path.startswith(top + b"/") for top in tops)]


def without(paths, names):
    """Those of the paths that neither are one of the names, as :func:`shown` shows them, nor lie below one."""
    names, tops = set(names), tuple(f"{name}/" for name in names)
    return [path for path in paths if shown(path) not in names and not shown(path).startswith(tops)]


def collect(source, policy):
    """Return the :class:`Listing` of a directory. Nothing in it is written to, and no link in it is followed."""
    listing = Listing()
    try:
        _walk(os.fsencode(source), b"", policy, listing)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AzlinError(
            "not_found",
            f"source: {source} is no directory of this machine.",
            causes=[("nothing was put there yet", f"mkdir -p {source}, and put into it what hosts are to have")],
        ) from error
    except PermissionError as error:
        raise AzlinError(
            "invalid_argument",
            f"source: {source} cannot be read: {error.strerror}.",
            causes=[("it belongs to somebody else", "name a directory of the user who runs Ansible")],
        ) from error
    return listing


def _walk(source, folder, policy, listing):
    """Add what is in a folder; return whether something of it is copied or nothing is in it."""
    with os.scandir(os.path.join(source, folder)) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    useful = not entries
    for entry in entries:
        path = os.path.join(folder, entry.name)
        if entry.is_dir(follow_symlinks=False):
            useful = _add_folder(source, path, policy, listing) or useful
        else:
            useful = _add(source, path, entry, policy, listing) or useful
    return useful


def _add_folder(source, path, policy, listing):
    text = shown(path)
    if policy.deny and policy.deny.fullmatch(text):
        return _block(listing, text + "/", EXCLUDED)
    place = len(listing.paths)
    try:
        useful = _walk(source, path, policy, listing)
    except PermissionError:
        return _block(listing, text + "/", "cannot be read")
    # Not for a folder of which nothing is left. That of ssh has to keep the mode that sshd accepts it with.
    if useful and path != b".ssh":
        listing.paths.insert(place, path)
        listing.directories += 1
    return useful


def _add(source, path, entry, policy, listing):
    text = shown(path)
    if policy.deny and policy.deny.fullmatch(text):
        return _block(listing, text, EXCLUDED)
    status = entry.stat(follow_symlinks=False)
    reason = places.harmful_place(text) or _unusable(source, path, status)
    if reason:
        return _block(listing, text, reason)
    reason = places.secret_place(text)
    if reason is None and stat.S_ISREG(status.st_mode):
        try:
            reason, gap = _look(os.path.join(source, path), status.st_size, policy.scan_limit)
        except OSError as error:
            return _block(listing, text, f"cannot be read: {error.strerror}")
        if reason is None and gap:
            listing.unscanned.append({"path": text, "reason": gap, "bytes": status.st_size})
            if not policy.send_unscanned:
                return _block(listing, text, f"not scanned: {gap}")
    if reason and policy.allow and policy.allow.fullmatch(text):
        listing.allowed.append({"path": text, "reason": reason})
    elif reason:
        return _block(listing, text, reason)
    listing.paths.append(path)
    if stat.S_ISLNK(status.st_mode):
        listing.links += 1
    else:
        listing.files += 1
        listing.size += status.st_size
    return True


def _block(listing, text, reason):
    listing.blocked.append({"path": text, "reason": reason})
    return False


def _unusable(source, path, status):
    """Why something of this kind is not copied, or None."""
    if stat.S_ISREG(status.st_mode):
        return None
    if not stat.S_ISLNK(status.st_mode):
        return "neither a file nor a link"
    return _stray(os.readlink(os.path.join(source, path)), path)


def _stray(target, path):
    """Why a link is not copied, or None. These are rsync's own rules for safe links, which drops others silently."""
    if target.startswith(b"/"):
        return f"a link to the absolute path {shown(target)}"
    parts = [part for part in target.split(b"/") if part not in (b"", b".")]
    upwards = 0
    while parts[upwards : upwards + 1] == [b".."]:
        upwards += 1
    if upwards > path.count(b"/") or b".." in parts[upwards:]:
        return f"a link that leads out of the source, {shown(target)}"
    return None


def _look(path, size, limit):
    """Return what kind of secret a file holds, and what of it was not looked at; None for nothing."""
    # A file that was exchanged for a link or a pipe since is not followed or waited for.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        content = file.read(limit)
    if content.startswith(_PACKED):
        return None, "a packed file"
    gap = f"only its first {limit} of {size} bytes" if size > limit else None
    return secrets.find(content), gap
