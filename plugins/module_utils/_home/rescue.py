# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory that a user finds when the share is not mounted.

It holds the keys, so that the login works and the machine can be repaired, and a note that says what is wrong, which
a login shows. It belongs to root: what somebody wrote here would be covered as soon as the share is back.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import exchange, keys, mountinfo, trees
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import write_all
from ansible_collections.azlin.storage.plugins.module_utils._home.host import next_backup
from ansible_collections.azlin.storage.plugins.module_utils._home.users import User

NOTE = "README-home-not-mounted.txt"
_NOTE_TEXT = """This is not your home directory.

Your home lives on the NFS share {source},
which is not mounted at the moment. Your files are safe there. Nothing can be written into
this directory, since the share covers it again as soon as it is back.

To look at the state: ansible-playbook azlin.storage.status
To mount it by hand:  sudo mount {home}
"""
# Read by login shells: sh, bash, dash and ksh; zsh.
_PROFILES = (".profile", ".zprofile")
_PROFILE_TEXT = """cat "$HOME/{note}"
"""
_OURS = {NOTE, keys.DIRECTORY, *_PROFILES}
_ROOT = User("root", 0, 0, "/root")
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create(path, source, home, authorized_keys):
    """Create the directory.

    sshd reads keys with the rights of the user, and accepts files of root. Source: sshd_config(5), StrictModes.
    """
    os.mkdir(path, 0o700)
    _fill(path, source, home, authorized_keys)


def _fill(path, source, home, authorized_keys):
    handle = trees.open_directory(path)
    try:
        _add(handle, NOTE, _NOTE_TEXT.format(source=source, home=home).encode())
        for name in _PROFILES:
            _add(handle, name, _PROFILE_TEXT.format(note=NOTE).encode())
        # Also where there are no keys yet: those that come have its SELinux label.
        os.mkdir(keys.DIRECTORY, 0o700, dir_fd=handle)
        ssh = trees.open_directory(keys.DIRECTORY, handle)
        try:
            if authorized_keys:
                _add(ssh, keys.FILE, authorized_keys)
            _publish(ssh)
        finally:
            os.close(ssh)
        _publish(handle)
    finally:
        os.close(handle)


def renew(host, home, user):
    """Let whoever has got a key on the share that is mounted on a home into the directory below it, too.

    Keys that the share has no more stay, as everywhere: they may be gone by mistake.
    """
    wanted = keys.read(user, home)
    parent, name = os.path.split(home)
    with _without_mounts(host, parent) as view:
        path = os.path.join(view, name)
        if not os.listdir(path):
            # Whoever moves homes to another disk finds no more than the mount point.
            os.chown(path, 0, 0)
            os.chmod(path, 0o755)
            _fill(path, mountinfo.at(mountinfo.read(), home).source, home, wanted)
        elif is_rescue(path):
            keys.ensure(path, wanted, _ROOT, shown=home)
            _open_keys(os.path.join(path, keys.DIRECTORY))


def _open_keys(directory):
    """Let sshd read the keys as the user, also those that a renewal wrote which was cut off before it came to this.

    Nobody but root can change what a path means in there.
    """
    file = os.path.join(directory, keys.FILE)
    if os.path.exists(file):
        os.chmod(file, 0o644)
        os.chmod(directory, 0o755)


@contextmanager
def _without_mounts(host, directory):
    """Yield where a directory shows without what is mounted in it, to root only."""
    os.makedirs(host.run_dir, mode=0o700, exist_ok=True)
    view = tempfile.mkdtemp(prefix="below.", dir=host.run_dir)
    try:
        host.mounter.bind(directory, view)
        try:
            host.mounter.make_private(view)
            yield view
        finally:
            if not host.mounter.unmount(view) and not host.mounter.unmount(view, lazy=True):
                raise AzlinError("mount_failed", f"{view} could not be unmounted.")
    finally:
        os.rmdir(view)


def _publish(handle):
    os.fchmod(handle, 0o755)
    os.fsync(handle)


def is_rescue(path):
    """Whether a directory is one of these."""
    return os.path.lexists(os.path.join(path, NOTE))


def retire(path, home):
    """Take the directory away: removed when it holds only what was put there, else kept as a backup generation.

    Returns where it was kept, or None.
    """
    if not os.path.lexists(path):
        return None
    handle = trees.open_directory(path)
    try:
        if _only_ours(handle):
            _empty(handle)
    finally:
        os.close(handle)
    try:
        os.rmdir(path)
        return None
    except OSError:
        kept = next_backup(home)
        exchange.move(path, kept)
        return kept


def _only_ours(handle):
    names = set(os.listdir(handle))
    # The note is what tells it from a small home of somebody.
    if NOTE not in names or not names <= _OURS:
        return False
    if keys.DIRECTORY not in names:
        return True
    try:
        ssh = trees.open_directory(keys.DIRECTORY, handle)
    except OSError:
        return False
    try:
        return set(os.listdir(ssh)) <= {keys.FILE}
    finally:
        os.close(ssh)


def _empty(handle):
    device = os.fstat(handle).st_dev
    # The note last: without it the rest would be somebody's work if this is cut short.
    for name in sorted(os.listdir(handle), key=lambda name: name == NOTE):
        trees.remove_below(handle, name, device)


def _add(directory, name, content):
    handle = os.open(name, _CREATE, 0o600, dir_fd=directory)
    try:
        write_all(handle, content)
        os.fchmod(handle, 0o644)
        os.fsync(handle)
    finally:
        os.close(handle)
