# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a home that stay on the local disk while the rest is on a share.

They lie beside the home, in ``HOME.local``, where only root gets at them by path, and are shown in the home by bind
mounts. They get there and back by renames on one file system: never by a copy. Every name is resolved below an open
directory, never through a symbolic link, since the user owns what is around them.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import bind_line
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    child,
    exchange,
    holders,
    mountinfo,
    trees,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import fsync_dir

_TIMEOUT = 60
_UNMOUNT_TIMEOUT = 30


def store(home):
    """Where the local parts of a home lie."""
    return f"{home}.local"


def directory(home, path):
    """Where one local part lies."""
    return os.path.join(store(home), path)


def mount_point(home, path):
    """Where it is shown."""
    return os.path.join(home, path)


def fstab_lines(home, paths):
    """Return {mount point: line of fstab}."""
    points = {path: mount_point(home, path) for path in paths}
    return {point: bind_line(directory(home, path), point, home) for path, point in points.items()}


def is_ours(mount, home, paths):
    """Whether a mount is one of these binds; told from the mount table alone, since the home may hang."""
    tail = "/" + os.path.basename(store(home)) + "/"
    return any(mount.path == mount_point(home, path) and mount.root.endswith(tail + path) for path in paths)


def missing(mounts, home, paths):
    """Return the paths that are not shown in the home."""
    return [path for path in paths if not _shown(mounts, home, path)]


def find_holders(home, paths, exempt):
    """Return the processes that use what stays local; None when that could not be found out."""
    present = [directory(home, path) for path in paths if os.path.isdir(directory(home, path))]
    found = [holders.of_directory(path, exempt=exempt) for path in present]
    return None if None in found else [one for some in found for one in some]


def check(home, paths):
    """Fail unless the paths can leave the local home: each is a directory of its own in it, or absent."""
    device = os.lstat(home).st_dev
    root = trees.open_directory(home)
    try:
        for path in paths:
            _check_path(root, home, path, device)
    finally:
        os.close(root)
    # Neither way leads through one of somebody else: the undo would fail as well.
    if paths and os.path.lexists(store(home)):
        _require_own(home, os.lstat(store(home)))
    for path in paths:
        if os.path.lexists(directory(home, path)):
            raise AzlinError(
                "in_use",
                f"{directory(home, path)} exists already, so {mount_point(home, path)} cannot be kept there.",
                causes=[("left by an earlier attachment or made by hand", "move it away, then run again")],
            )


def take(home, old_home, paths, note):
    """Move the paths that the local home has into the store.

    :param old_home: where the local home lies now.
    :param note: is told, before anything is moved, what :func:`give_back` needs to make this undone exactly.
    """
    root = trees.open_directory(old_home)
    try:
        present = [path for path in paths if _exists(root, path)]
        times = {os.path.dirname(path): _times(root, os.path.dirname(path)) for path in present}
        note(local_moved=present, local_times=times)
        with _open_store(home) as target:
            for path in present:
                _move(root, target, path, None)
                # Again, since the user could exchange it for a link up to now.
                _check_path(target, home, path, os.fstat(target).st_dev)
    finally:
        os.close(root)


def give_back(home, new_home, paths, user, moved=None, times=None):
    """Move the paths from the store into the directory that is, or becomes, the local home.

    :param moved: undoing :func:`take`: the paths that the home had; others are only kept if something is in them.
    :param times: undoing it: access and modification times that directories of the home had.
    """
    if not os.path.isdir(store(home)):
        return
    root = trees.open_directory(new_home)
    try:
        with _open_store(home) as source:
            for path in paths:
                if not _exists(source, path):
                    continue
                if moved is not None and path not in moved and _remove_empty(source, path):
                    continue
                _make_room(root, path)
                _move(source, root, path, user)
        for path, moment in (times or {}).items():
            _set_times(root, path, moment)
    finally:
        os.close(root)


def take_again(home, new_home, paths):
    """Undo of a :func:`give_back` that was the way to a local home."""
    if not paths or not os.path.isdir(new_home):
        return
    root = trees.open_directory(new_home)
    try:
        with _open_store(home) as target:
            for path in paths:
                # A link, or what lies behind one above, stays where it is: it would show what lies elsewhere.
                if not _exists(target, path) and _is_directory(root, path):
                    _move(root, target, path, None)
                # It may have become one up to now.
                if not _is_directory(target, path):
                    _make_room(target, path)
    finally:
        os.close(root)


def discard_store(home):
    """Remove the directories of the store that hold nothing; what somebody put there stays."""
    if not os.path.isdir(store(home)):
        return
    for folder, _folders, _files in os.walk(store(home), topdown=False):
        with suppress(OSError):
            os.rmdir(folder)
    fsync_dir(os.path.dirname(home))


def make_mount_points(root, paths, user):
    """Make directories in an open home, as its user and only where they are missing."""
    if not paths:
        return
    try:
        users.call_as(user, lambda: [_make(root, path) for path in paths] and True, _TIMEOUT)
    except (child.ChildFailed, child.ChildTimeout) as error:
        raise AzlinError(
            "unsupported",
            f"{', '.join(paths)} cannot be mount points on the share: {error or 'no answer in time'}.",
            causes=[
                ("one is a symbolic link or a file on the share", "remove it there, or leave it out of local_paths"),
                ("the share is full", "enlarge it with the create playbook"),
            ],
        ) from error


def show(mounter, home, paths, user):
    """Bind each path into the home, which is on the share."""
    hidden = missing(mountinfo.read(), home, paths)
    if not hidden:
        return
    _require_answer(home)
    root = trees.open_directory(home)
    try:
        make_mount_points(root, hidden, user)
        for path in hidden:
            _make_local(home, path, user)
            _bind(mounter, root, home, path)
    finally:
        os.close(root)


def hide(mounter, home, paths):
    """Unmount the binds; lazily if somebody is in one: what is in it stays where it is."""
    for path in reversed(paths):
        while _shown(mountinfo.read(), home, path):
            done = _unmount(mounter, home, path) or _unmount(mounter, home, path, lazy=True)
            # Its owner may have given what is around it another name.
            if not done and _shown(mountinfo.read(), home, path):
                raise AzlinError("mount_failed", f"{mount_point(home, path)} could not be unmounted.")


def _unmount(mounter, home, path, lazy=False):
    """Unmount one, and nothing that a link of the user leads to; whether that worked."""
    parent, name = os.path.split(path)

    def act():
        return mounter.unmount_below(trees.open_below(trees.open_directory(home), parent), name, lazy)

    try:
        return child.call(act, _UNMOUNT_TIMEOUT)
    except (child.ChildFailed, child.ChildTimeout):
        return False


def _require_answer(home):
    """Fail when the server is gone, which would hang this process."""
    try:
        child.call(lambda: os.close(trees.open_directory(home)), _TIMEOUT)
    except (child.ChildFailed, child.ChildTimeout) as error:
        raise AzlinError(
            "server_unreachable",
            f"{home} does not answer: {error or 'no answer in time'}.",
            causes=[("the server is stopped or cut off", "run again when it is back")],
        ) from error


def _shown(mounts, home, path):
    mount = mountinfo.at(mounts, mount_point(home, path))
    return mount is not None and is_ours(mount, home, (path,))


def _check_path(root, home, path, device):
    where = mount_point(home, path)
    try:
        handle = trees.open_below(root, path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise AzlinError(
            "unsupported",
            f"{where} cannot stay local: it, or a directory above it, is a symbolic link or not a directory.",
            causes=[("it was redirected or is a file", "leave it out of local_paths, or make it a directory")],
        ) from error
    try:
        if os.fstat(handle).st_dev != device:
            raise AzlinError(
                "unsupported",
                f"{where} is on another file system than the home, so it cannot be kept by a rename.",
                causes=[("it is a subvolume or a mount", "leave it out of local_paths, or mount it elsewhere")],
            )
    finally:
        os.close(handle)


@contextmanager
def _open_store(home):
    """The store, made if it is missing; the user must not get at it by path, which could be redirected."""
    with suppress(FileExistsError):
        os.mkdir(store(home), 0o700)
        fsync_dir(os.path.dirname(home))
    handle = trees.open_directory(store(home))
    try:
        _require_own(home, os.fstat(handle))
        yield handle
    finally:
        os.close(handle)


def _require_own(home, status):
    if status.st_uid != os.geteuid() or not stat.S_ISDIR(status.st_mode):
        raise AzlinError(
            "unsupported",
            f"{store(home)} is no directory, or does not belong to root: local parts of the home are not safe there.",
            causes=[("it was made by hand", "move it away, then run again")],
        )


def _move(source, target, path, user):
    """Move a path between two open trees, making its parents in the target, and keep the times of the parents."""
    parent, name = os.path.split(path)
    old = trees.open_below(source, parent)
    try:
        new = _make_parents(target, parent, user)
        try:
            times = [(handle, os.fstat(handle)) for handle in (old, new)]
            exchange.move_below(old, name, new, name)
            for handle, status in times:
                os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
                os.fsync(handle)
        finally:
            os.close(new)
    finally:
        os.close(old)


def _make_parents(root, path, user):
    """Open the directory at a relative path, making what is missing; it belongs to the user, or to root."""
    handle = os.dup(root)
    for part in path.split("/") if path else ():
        try:
            with suppress(FileExistsError):
                os.mkdir(part, 0o755, dir_fd=handle)
                if user is not None:
                    os.chown(part, user.uid, user.gid, dir_fd=handle, follow_symlinks=False)
            below = trees.open_directory(part, handle)
        finally:
            os.close(handle)
        handle = below
    return handle


def _make_room(root, path):
    """Give what is in the way of a path, or is no directory above it, another name."""
    parent, name = os.path.split(path)
    if parent and not _is_directory(root, parent):
        _make_room(root, parent)
    try:
        handle = trees.open_below(root, parent)
    except FileNotFoundError:
        return
    try:
        if not _exists(handle, name):
            return
        with suppress(OSError):
            os.rmdir(name, dir_fd=handle)
            return
        number = 0
        kept = f"{name}.backup"
        while _exists(handle, kept):
            number += 1
            kept = f"{name}.backup.{number}"
        exchange.move_below(handle, name, handle, kept)
    finally:
        os.close(handle)


def _remove_empty(root, path):
    """Remove a directory if nothing is in it; whether that worked."""
    parent, name = os.path.split(path)
    handle = trees.open_below(root, parent)
    try:
        os.rmdir(name, dir_fd=handle)
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def _exists(root, path):
    try:
        handle = trees.open_below(root, os.path.dirname(path))
    except FileNotFoundError:
        return False
    try:
        os.stat(os.path.basename(path), dir_fd=handle, follow_symlinks=False)
        return True
    except FileNotFoundError:
        return False
    finally:
        os.close(handle)


def _is_directory(root, path):
    try:
        os.close(trees.open_below(root, path))
        return True
    except OSError:
        return False


def _times(root, path):
    handle = trees.open_below(root, path)
    try:
        status = os.fstat(handle)
        return [status.st_atime_ns, status.st_mtime_ns]
    finally:
        os.close(handle)


def _set_times(root, path, moment):
    handle = trees.open_below(root, path)
    try:
        os.utime(handle, ns=tuple(moment))
    finally:
        os.close(handle)


def _make(root, path):
    """In the user's own name: make the missing directories of a path, the last one for the user alone."""
    handle = os.dup(root)
    parts = path.split("/")
    for number, part in enumerate(parts):
        status = os.fstat(handle)
        with suppress(FileExistsError):
            os.mkdir(part, 0o700 if number == len(parts) - 1 else 0o755, dir_fd=handle)
            os.utime(handle, ns=(status.st_atime_ns, status.st_mtime_ns))
        below = trees.open_directory(part, handle)
        os.close(handle)
        handle = below
    os.close(handle)


def _make_local(home, path, user):
    """Make a local part that the home did not have."""
    with _open_store(home) as root:
        if _exists(root, path):
            return
        parent, name = os.path.split(path)
        handle = _make_parents(root, parent, None)
        try:
            os.mkdir(name, 0o700, dir_fd=handle)
            os.chown(name, user.uid, user.gid, dir_fd=handle, follow_symlinks=False)
            os.fsync(handle)
        finally:
            os.close(handle)


def _bind(mounter, root, home, path):
    point = mount_point(home, path)
    try:
        target = trees.open_below(root, path)
    except OSError as error:
        raise AzlinError(
            "unsupported",
            f"{point} on the share cannot show a local directory: {error.strerror}.",
            causes=[
                ("it is a symbolic link or a file on the share", "remove it there, or leave it out of local_paths"),
                ("the share squashes root", "create it with root_squash: NoRootSquash, or attach without local_paths"),
            ],
        ) from error
    try:
        mounter.bind_to(directory(home, path), target)
    finally:
        os.close(target)
