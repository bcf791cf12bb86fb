# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NFS 4.1 on Azure cannot hold, kept in a file on the share and put back when the home becomes local again.

The file is ``.azlin/unsupported.<user>.json``, an object with

- ``format``: 1
- ``attributes``: list of {``path``, ``values``: {name of the extended attribute: its value in base64}} and, where one
  of them is ``security.capability``, ``sha256`` of the file. An ACL is its raw ``system.posix_acl_*`` value.
- ``devices``: list of {``path``, ``type``: ``character`` or ``block``, ``major``, ``minor``, ``mode``, ``uid``,
  ``gid``, ``mtime_ns``}
- ``links``: list of lists of paths that are names of one file, of which a share keeps 178 at most.

Paths are relative; bytes that are not UTF-8 are there as lone surrogates (Python's surrogateescape).

The owner of the share's root could put a file of the same name there, and so could root of any other host. So devices
and capabilities, which give power over the host, and what concerns files of others are only taken from what this host
has written itself, and capabilities only for an unchanged program.
And the owner of a tree can exchange names in it at any moment, so each thing is held open while it is worked on.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
from contextlib import contextmanager, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic, files, trees

# What to do about such things: refuse to copy the home, keep them in the file, or leave them behind.
POLICIES = ("fail", "save", "skip")
_FORMAT = 1
_CAPABILITY = "security.capability"
_DEVICES = {stat.S_IFCHR: "character", stat.S_IFBLK: "block"}
_EXCHANGE = ".azlin-link"
# Bytes; a larger record would cost more memory than a host may have.
_MOST = 64 << 20


def collect(path, exclude=()):
    """Return the document of a tree; see :func:`is_empty`.

    :param exclude: relative paths to leave out.
    """
    document = {"format": _FORMAT, "attributes": [], "devices": [], "links": []}
    groups = {}
    root = trees.open_directory(path)
    try:
        _note_attributes(document, root, "", ".")
        for directory, parents, name, status in trees.walk(root, exclude):
            if status is None:
                continue
            place = "/".join((*parents, name))
            _note_attributes(document, directory, name, place)
            if stat.S_IFMT(status.st_mode) in _DEVICES:
                document["devices"].append(_device(place, status))
            elif stat.S_ISREG(status.st_mode) and status.st_nlink > trees.MAX_LINKS:
                groups.setdefault((status.st_dev, status.st_ino), []).append(place)
    finally:
        os.close(root)
    document["links"] = [paths for paths in groups.values() if len(paths) > trees.MAX_LINKS]
    return document


def is_empty(document):
    """Whether a share can hold everything."""
    return not any(document[part] for part in ("attributes", "devices", "links"))


def save(share, directory_name, user_name, document):
    """Write the document of a user's home to the share, or remove an earlier one when nothing has to be kept.

    Returns what :func:`load` knows it by.
    """
    with _directory(share, directory_name) as directory:
        path = os.path.join(directory, _name(user_name))
        if is_empty(document):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return None
        content = json.dumps(document, indent=1).encode() + b"\n"
        if len(content) > _MOST:
            raise AzlinError(
                "unsupported",
                f"The record of what a share cannot keep would take {len(content)} bytes, and {_MOST} are the most.",
                causes=[("very many files have such things", "remove them, or set unsupported to skip to lose them")],
            )
        # Readable for the user, whom the folder belongs to: root may be nobody on the share by the next time.
        atomic.replace(path, content, mode=0o644)
        return _digest(content)


def load(share, directory_name, user_name, digest):
    """Return (document, whether it is the one of which :func:`save` returned the digest), or None if there is none."""
    try:
        with _directory(share, directory_name) as directory:
            handle = files.open_to_read(os.path.join(directory, _name(user_name)), None)
    except FileNotFoundError:
        return None
    with os.fdopen(handle, "rb") as stream:
        try:
            content = _content(stream, os.fstat(handle))
            document = json.loads(content)
            _check(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise AzlinError(
                "journal_conflict",
                f"The share's {directory_name}/{_name(user_name)} cannot be understood: {error}.",
                causes=[("it was edited, or written by a newer version", "restore it, or remove it to do without")],
            ) from error
    return document, _digest(content) == digest


def restore(path, document, trusted, uid):
    """Put back what a tree is missing, and return a list of sentences on what could not be put back.

    :param trusted: whether this host wrote the document; else it is only about files of the user ``uid``.
    """
    failures = []
    root = trees.open_directory(path)
    try:
        for device in document["devices"]:
            _attempt(failures, root, device["path"], _make_device, device, trusted)
        for paths in document["links"]:
            for other in paths[1:]:
                _attempt(failures, root, other, _link_again, root, paths[0])
        for item in document["attributes"]:
            _attempt(failures, root, item["path"], _set_attributes, item, trusted, uid)
    finally:
        os.close(root)
    return failures


def _content(stream, status):
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a file")
    content = stream.read(_MOST + 1)
    if len(content) > _MOST:
        raise ValueError(f"it is larger than {_MOST} bytes")
    return content


def _digest(content):
    return hashlib.sha256(content).hexdigest()


def _name(user_name):
    return f"unsupported.{user_name}.json"


@contextmanager
def _directory(share, name):
    root = trees.open_directory(share)
    try:
        handle = trees.open_directory(name, root)
    finally:
        os.close(root)
    try:
        yield trees.entry_path(handle)
    finally:
        os.close(handle)


def _check(document):
    if document["format"] != _FORMAT:
        raise ValueError(f"format {document['format']!r} is not {_FORMAT}")
    for item in document["attributes"]:
        _check_path(item["path"])
        for value in item["values"].values():
            base64.b64decode(value, validate=True)
    for device in document["devices"]:
        _check_path(device["path"])
        if device["type"] not in _DEVICES.values():
            raise ValueError(f"device type {device['type']!r}")
        for key in ("major", "minor", "mode", "uid", "gid", "mtime_ns"):
            if not isinstance(device[key], int):
                raise TypeError(f"{key} is not a number")
    for path in (path for paths in document["links"] for path in paths):
        _check_path(path)


def _check_path(path):
    if path != "." and any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError(f"path {path!r}")


@contextmanager
def _held(directory, name):
    """Yield (path, status) of an entry, or of the directory itself: of this one, whatever becomes of its name."""
    handle = os.open(name or ".", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        yield f"/proc/self/fd/{handle}", os.fstat(handle)
    finally:
        os.close(handle)


# Collecting.


def _note_attributes(document, directory, name, place):
    attributes = [one for one in trees.list_attributes(directory, name) if trees.is_unsupported(one)]
    if not attributes:
        return
    item = {"path": place, "values": {}}
    # An attribute may vanish as any file may.
    with suppress(FileNotFoundError), _held(directory, name) as (path, _status):
        for attribute in attributes:
            with suppress(OSError):
                item["values"][attribute] = base64.b64encode(os.getxattr(path, attribute)).decode()
        if _CAPABILITY in item["values"]:
            item["sha256"] = _sha256(path)
    if item["values"]:
        document["attributes"].append(item)


def _device(place, status):
    return {
        "path": place,
        "type": _DEVICES[stat.S_IFMT(status.st_mode)],
        "major": os.major(status.st_rdev),
        "minor": os.minor(status.st_rdev),
        "mode": stat.S_IMODE(status.st_mode),
        "uid": status.st_uid,
        "gid": status.st_gid,
        "mtime_ns": status.st_mtime_ns,
    }


def _sha256(path):
    """SHA-256 of a file that is held."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return files.digest(handle, os.fstat(handle).st_size).hex()
    finally:
        os.close(handle)


# Restoring.


def _attempt(failures, root, path, function, *arguments):
    """Do one thing to a path, and leave the time of the directory above as it is."""
    above, _slash, name = path.rpartition("/")
    try:
        directory = trees.open_below(root, above)
        try:
            before = os.fstat(directory)
            reason = function(directory, "" if name == "." else name, *arguments)
            if os.fstat(directory).st_mtime_ns != before.st_mtime_ns:
                os.utime(directory, ns=(before.st_atime_ns, before.st_mtime_ns))
        finally:
            os.close(directory)
    except (OSError, ValueError) as error:
        # A record of the user may have names that no system call takes.
        reason = getattr(error, "strerror", None) or str(error)
    if reason:
        failures.append(f"{path}: {reason}")


def _make_device(directory, name, device, trusted):
    if not trusted:
        return "a device that not this host has put on record"
    kind = next(number for number, word in _DEVICES.items() if word == device["type"])
    number = os.makedev(device["major"], device["minor"])
    os.mknod(name, kind | 0o600, number, dir_fd=directory)
    with _held(directory, name) as (path, status):
        if (stat.S_IFMT(status.st_mode), status.st_rdev, status.st_uid) != (kind, number, 0):
            return "was exchanged for something else"
        os.chown(path, device["uid"], device["gid"])
        os.chmod(path, device["mode"])
        os.utime(path, ns=(device["mtime_ns"], device["mtime_ns"]))
    return None


def _link_again(directory, name, root, first):
    """Make one file of two that still look the same."""
    above, _slash, first_name = first.rpartition("/")
    place = trees.open_below(root, above)
    try:
        with _held(place, first_name) as (path, one), _held(directory, name) as (other_path, other):
            if os.path.samestat(one, other):
                return None
            alike = files.same_content(one, other) and files.same_attributes(one, other) and stat.S_ISREG(one.st_mode)
            if not alike or _sha256(path) != _sha256(other_path):
                return "not the same file any more"
            os.link(path, _EXCHANGE, dst_dir_fd=directory, follow_symlinks=True)
            os.rename(_EXCHANGE, name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(place)
    return None


def _set_attributes(directory, name, item, trusted, uid):
    with _held(directory, name) as (path, before):
        if before.st_uid != uid and not trusted:
            return "belongs to somebody else, and not this host has put it on record"
        for attribute, value in item["values"].items():
            if not trees.is_unsupported(attribute):
                return f"{attribute} is nothing that is put back"
            if attribute == _CAPABILITY:
                if not trusted:
                    return "capabilities that not this host has put on record"
                continue
            os.setxattr(path, attribute, base64.b64decode(value))
        if not stat.S_ISLNK(before.st_mode):
            # An access control list brings its own mode; what the user has set since counts.
            os.chmod(path, stat.S_IMODE(before.st_mode))
        if _CAPABILITY in item["values"]:
            return _set_capability(path, before, item)
    return None


def _set_capability(path, status, item):
    """Give a program its capabilities back, if it is the same program: writing to it afterwards takes them again."""
    if stat.S_ISREG(status.st_mode) and _sha256(path) == item.get("sha256"):
        os.setxattr(path, _CAPABILITY, base64.b64decode(item["values"][_CAPABILITY]))
        if _sha256(path) == item["sha256"]:
            return None
        os.removexattr(path, _CAPABILITY)
    return "has changed, so its capabilities are not put back"
