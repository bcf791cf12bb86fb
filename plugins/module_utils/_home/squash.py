# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose ids count on a share: what the server makes of root and of the user, and acting so that it works.

Azure docs, "Configure root squash for Azure Files": NoRootSquash leaves root root; RootSquash maps root to 65534;
AllSquash maps everybody to 65534. A client is not told which; it shows in the owner of what one creates.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import stat
from contextlib import contextmanager, nullcontext, suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child, folder, trees

_PR_GET_SECUREBITS = 27
_PR_SET_SECUREBITS = 28
# capabilities(7): a change of the file system ids takes no capability away.
_NO_SETUID_FIXUP = 1 << 2
_GROUP_OR_OTHERS_WRITE = 0o022
# How many files of a home an error names.
_EXAMPLES = 10
# Above what useradd(8), systemd and containers give out.
_UNUSED_GIDS = range(1 << 31, (1 << 32) - 2)
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def acting_as(user):
    """Use the user's ids for files: in this thread and in threads and processes that it starts meanwhile.

    What is sent to an NFS server carries the user's ids. On this host root's privileges stay, so that local work goes
    on as before, but for the owner of what is created. Other threads keep root's ids, though not its groups.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = libc.prctl(_PR_GET_SECUREBITS, 0, 0, 0, 0)
    if before < 0 or libc.prctl(_PR_SET_SECUREBITS, before | _NO_SETUID_FIXUP, 0, 0, 0) != 0:
        raise AzlinError(
            "unsupported",
            f"This process may not act with the ids of {user.name}: {os.strerror(ctypes.get_errno())}.",
            causes=[("it runs without CAP_SETPCAP, as in some containers", "run it as root of the host")],
        )
    groups = os.getgroups()
    try:
        os.setgroups(os.getgrouplist(user.name, user.gid))
        old_gid = libc.setfsgid(user.gid)
        old_uid = libc.setfsuid(user.uid)
        try:
            yield
        finally:
            libc.setfsuid(old_uid)
            libc.setfsgid(old_gid)
    finally:
        os.setgroups(groups)
        libc.prctl(_PR_SET_SECUREBITS, before, 0, 0, 0)


def forget_refusals():
    """Use a group list that no process of this host had before, from here on.

    The Linux client keeps what a server refused, by the ids that asked, until the file changes (nfs_access_get_cached,
    fs/nfs/dir.c): for it, a root that was squashed once stays so when the share has NoRootSquash again.
    """
    os.setgroups([secrets.choice(_UNUSED_GIDS)])


class Ids:
    """How to act on one share: ``with ids:`` around whatever touches it.

    ``squashed`` tells whether root is nobody there.
    """

    def __init__(self, user, squashed):
        self.user = user
        self.squashed = squashed

    def __call__(self):
        """A context in which the share can be worked on."""
        return acting_as(self.user) if self.squashed else nullcontext()


def for_writing(share, user):
    """Find out, by creating something, what the server makes of root and of the user; return the :class:`Ids`.

    :raises AzlinError: ``uid_mismatch`` or ``access_denied`` where neither of them can work there, with the reason.
    """
    check_owner(os.lstat(share).st_uid, user)
    with acting_as(user):
        as_user, made = _probe(share)
    as_root, made_too = _probe(share)
    if as_root == 0:
        return Ids(user, squashed=False)
    if as_user == user.uid:
        try:
            _check_acceptable(share, user)
        except AzlinError:
            if made:
                with acting_as(user):
                    _remove_folder(share)
            raise
        return Ids(user, squashed=True)
    if made or made_too:
        _remove_folder(share)
    if as_user is None:
        raise _neither(share, user)
    raise _everybody_squashed(user, as_user)


def for_reading(share, user):
    """As :func:`for_writing`, without writing: our folder on the share admits its owner and a root that is root."""
    try:
        with folder.present(share):
            return Ids(user, squashed=False)
    except FileNotFoundError:
        return Ids(user, squashed=False)
    except PermissionError:
        return Ids(user, squashed=True)


def check_home(home, user):
    """Fail when a home holds what its user could not have copied: others' files, foreign groups, unreadable files."""
    groups = set(os.getgrouplist(user.name, user.gid))
    found = []
    root = trees.open_directory(home)
    try:
        _look(root, ".", user, groups, found)
    finally:
        os.close(root)
    if found:
        shown = "; ".join(found[:_EXAMPLES])
        raise AzlinError(
            "unsupported",
            f"The share squashes root, so everything is copied as {user.name}, who cannot copy {len(found)} things"
            f" of {home}: {shown}.",
            causes=[
                ("they belong to somebody else, or are not readable", f"give them to {user.name}, or move them out"),
                ("the share has root_squash RootSquash", "set it to NoRootSquash while this host is attached"),
            ],
        )


def _look(handle, path, user, groups, found):
    _judge(os.fstat(handle), path, user, groups, found)
    with os.scandir(handle) as entries:
        for entry in entries:
            below = entry.name if path == "." else f"{path}/{entry.name}"
            try:
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(status.st_mode):
                    inner = trees.open_directory(entry.name, handle)
                    try:
                        _look(inner, below, user, groups, found)
                    finally:
                        os.close(inner)
                else:
                    _judge(status, below, user, groups, found)
            except OSError as error:
                # Its owner may remove or replace a file at any moment.
                if error.errno not in trees.GONE:
                    raise


def _judge(status, path, user, groups, found):
    mode = status.st_mode
    needed = stat.S_IRUSR | (stat.S_IXUSR if stat.S_ISDIR(mode) else 0)
    if status.st_uid != user.uid:
        found.append(f"{path} belongs to uid {status.st_uid}")
    elif status.st_gid not in groups:
        found.append(f"{path} has group {status.st_gid}, which {user.name} is not in")
    elif (stat.S_ISDIR(mode) or stat.S_ISREG(mode)) and mode & needed != needed:
        found.append(f"{path} has mode {stat.S_IMODE(mode):04o}")


def _probe(share):
    """Return the uid that the server gives to a new file in our folder, None when there may be none; and whether the
    folder was made for that."""
    made = False
    try:
        root = trees.open_directory(share)
        try:
            with suppress(FileExistsError):
                os.mkdir(folder.DIRECTORY, 0o700, dir_fd=root)
                made = True
            directory = trees.open_directory(folder.DIRECTORY, root)
        finally:
            os.close(root)
        try:
            return _owner_of_new(directory), made
        finally:
            os.close(directory)
    except PermissionError:
        return None, made
    except OSError as error:
        if error.errno == errno.EROFS:
            raise AzlinError(
                "access_denied",
                "The share can be read but not written.",
                causes=[("the server exports it read-only to this host", "give the host write access")],
            ) from error
        raise


def _owner_of_new(directory):
    name = f"probe.{secrets.token_hex(4)}"
    os.close(os.open(name, _CREATE, 0o600, dir_fd=directory))
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_uid
    finally:
        os.unlink(name, dir_fd=directory)


def _remove_folder(share):
    with suppress(OSError):
        os.rmdir(os.path.join(share, folder.DIRECTORY))


def check_owner(owner, user):
    """Fail unless the root of a share belongs to the user, or to root."""
    if owner not in (0, user.uid):
        raise AzlinError(
            "uid_mismatch",
            f"The root of the share belongs to uid {owner}, and {user.name} is uid {user.uid} here.",
            causes=[
                ("the user has another uid on the host that filled the share", f"usermod --uid {owner} {user.name}"),
                ("the share squashes everybody (AllSquash)", "set root_squash to NoRootSquash or RootSquash"),
            ],
        )


def check_mounted(home, user, timeout):
    """Fail unless the share that is mounted on a home is what an attach leaves.

    :raises ChildTimeout: when its server does not answer in time.
    """
    mode, _inode, _device, _links, owner = child.call(lambda: os.lstat(home)[:5], timeout)
    check_owner(owner, user)
    if owner == 0 and mode & _GROUP_OR_OTHERS_WRITE:
        raise AzlinError(
            "mount_failed",
            f"The share that is mounted at {home} belongs to root and all may write to it: sshd refuses such a home.",
            causes=[("the share was made anew", "detach the home with copy_back: none, then attach it again")],
        )


def _check_acceptable(share, user):
    """sshd_config(5), StrictModes: a home belongs to the user or root and is writable by nobody else."""
    status = os.lstat(share)
    if status.st_uid == user.uid:
        return
    raise AzlinError(
        "access_denied",
        f"The root of the share belongs to uid {status.st_uid} with mode {stat.S_IMODE(status.st_mode):04o}, and it"
        f" has to belong to {user.name} (uid {user.uid}): sshd refuses logins to a home that others may write to. As"
        " the share squashes root, root of this host may not change that.",
        causes=[
            (
                "no host was attached yet, and the share has root_squash RootSquash",
                "set root_squash to NoRootSquash, attach the first host, then set it to RootSquash",
            )
        ],
    )


def _neither(share, user):
    status = os.lstat(share)
    if status.st_uid == user.uid:
        first = ("the share makes everybody the same user (AllSquash)", "set root_squash to NoRootSquash or RootSquash")
    else:
        first = (
            "the share squashes root, and its root does not belong to the user",
            "set root_squash to NoRootSquash, attach one host, then set it back",
        )
    return AzlinError(
        "access_denied",
        f"Neither root of this host nor {user.name} (uid {user.uid}) may write to the share, whose root belongs to"
        f" uid {status.st_uid}, gid {status.st_gid}, with mode {stat.S_IMODE(status.st_mode):04o}.",
        causes=[first, (f"{folder.DIRECTORY} on the share belongs to somebody else", "give it to the user")],
    )


def _everybody_squashed(user, owner):
    return AzlinError(
        "uid_mismatch",
        f"The share makes everybody uid {owner}, and {user.name} is uid {user.uid} here: sshd and most programs refuse"
        " a home whose files belong to somebody else.",
        causes=[
            ("the share has root_squash AllSquash", "set it to NoRootSquash or RootSquash"),
            (f"the user was meant to be uid {owner}", f"usermod --uid {owner} {user.name}"),
        ],
    )
