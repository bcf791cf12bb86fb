# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host with one user and a share, in a mount namespace of our own: a tmpfs stands in for the share.

Everything else is the real thing. Shared by the tests in this folder and by the fault harness.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import tempfile
from contextlib import contextmanager

from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import manifest, mountinfo, run, seed, users
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host, Request
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter

USER = "azhomer"
UID = 54321
SOURCE = "teamhomes01.file.core.test:/teamhomes01/home"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIfirst first@laptop"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIsecond second@laptop"
RESCUE = [".profile", ".ssh", ".zprofile", "README-home-not-mounted.txt"]
_CLONE_NEWNS = 0x00020000


class CannotMount(Exception):
    """This process may not have mounts of its own; the message is the reason."""


@contextmanager
def private_mounts():
    """Everything mounted from here on is visible to this process and its children only, and the user exists."""
    if os.geteuid() != 0:
        raise CannotMount("mounting file systems needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    if libc.unshare(_CLONE_NEWNS) != 0:
        raise CannotMount(f"unshare failed: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".passwd") as passwd:
        with open("/etc/passwd", encoding="utf-8") as present:
            passwd.write(present.read())
        passwd.write(f"{USER}:x:{UID}:{UID}::/nonexistent:/bin/sh\n")
        passwd.flush()
        os.chmod(passwd.name, 0o644)
        subprocess.run(["mount", "--bind", passwd.name, "/etc/passwd"], check=True)
        yield
        subprocess.run(["umount", "/etc/passwd"], check=True)
    directory = os.getcwd()
    if libc.setns(namespace, _CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "cannot return to the mounts of everybody")
    os.close(namespace)
    os.chdir(directory)


def mount_share(path):
    """Mount the stand-in for the share at a directory."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777,nosuid,nodev", SOURCE, path], check=True)
    # It is the server: what a host mounts in its home does not show there.
    subprocess.run(["mount", "--make-private", path], check=True)


def share_mounts(path):
    """Let the mounts below a mount point be shared, as all are where systemd runs."""
    subprocess.run(["mount", "--make-shared", path], check=True)


def fill(share, free):
    """Fill the stand-in for the share up to ``free`` bytes, having made it small first: it lies in memory."""
    subprocess.run(["mount", "-o", "remount,size=80m", share], check=True)
    status = os.statvfs(share)
    with open(os.path.join(share, "filler"), "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, status.f_bavail * status.f_frsize - free)


class BindMounter(Mounter):
    """Mounts the local stand-in for the share; its mount table entry carries the share's source."""

    fstypes = ("tmpfs",)

    def __init__(self, share):
        super().__init__(mount_options(), 20)
        self._share = share

    def mount_argv(self, source, target):
        return ["mount", "--bind", self._share, target]

    def probe(self, host):
        """There is no server to ask."""


class World:
    """One host with one user, and a share."""

    def __init__(self, base, share, name="host"):
        self.base = os.path.join(base, name)
        self.share = share
        self.homes = os.path.join(self.base, "home")
        self.home = os.path.join(self.homes, USER)
        self.fstab = os.path.join(self.base, "etc", "fstab")
        os.makedirs(self.homes)
        os.makedirs(os.path.dirname(self.fstab))
        with open(self.fstab, "wb") as stream:
            stream.write(b"# keep this \xff comment\n/dev/sda1 / ext4 defaults 0 1\n\nunknown line\n")
            # No newline at the end, which some editors leave.
            stream.write(b"last /mnt ext4 noauto 0 0")
        self.host = Host(
            mounter=BindMounter(share),
            fstab=self.fstab,
            state_dir=os.path.join(self.base, "state"),
            run_dir=os.path.join(self.base, "run"),
            systemd=os.path.join(self.base, "no-systemd"),
            selinux=os.path.join(self.base, "no-selinux"),
            metadata_url="",
            lock_wait=1,
        )

    def apply(self, state="attached", check_mode=False, checkpoint=lambda _when, _step: None, **options):
        source = options.pop("source", SOURCE if state == "attached" else None)
        request = Request(state=state, user=users.lookup(USER), home=self.home, source=source, **options)
        return run.apply(self.host, request, check_mode=check_mode, checkpoint=checkpoint)

    def tree(self, path=None):
        return manifest.build(path or self.home, exclude=seed.OURS, digest=True)

    def snapshot(self):
        """What a failed run has to leave as it was."""
        with open(self.fstab, "rb") as stream:
            text = stream.read()
        mounts = [
            (mount.path, mount.source, mount.root, mount.fstype, mount.options)
            for mount in mountinfo.read()
            if mount.path.startswith(self.base)
        ]
        return {
            "tree": self.tree(),
            "names": sorted(os.listdir(self.homes)),
            "inode": os.lstat(self.home).st_ino,
            "fstab": (text, os.stat(self.fstab).st_mode, os.stat(self.fstab).st_uid),
            "mounts": mounts,
        }

    def mount(self):
        return mountinfo.at(mountinfo.read(), self.home)


def populate(home, key=KEY, hole=50 << 20):
    """A home as developers have them: dotfiles, hard links, holes (of so many bytes), links, odd names, odd modes."""
    os.makedirs(os.path.join(home, ".ssh"), mode=0o700)
    write(home, ".ssh/authorized_keys", f"# my keys\n{key}\n", 0o600)
    write(home, ".bashrc", "alias ll='ls -l'\n")
    write(home, ".config/deep/er/settings.toml", "x = 1\n")
    write(home, "run.sh", "#!/bin/sh\n", 0o755)
    write(home, "secret", "s", 0o400)
    write(home, "empty", "")
    write(home, "odd \n name -- *", "odd")
    write(home, "-rf", "dash")
    with open(os.path.join(os.fsencode(home), b"latin1-\xe4\xf6"), "wb") as stream:
        stream.write(b"not utf-8 in its name")
    os.makedirs(os.path.join(home, "empty-directory"))
    os.chmod(os.path.join(home, "empty-directory"), 0o500)
    write(home, "linked/one", "linked content" * 1000)
    os.link(os.path.join(home, "linked/one"), os.path.join(home, "linked/two"))
    os.link(os.path.join(home, "linked/one"), os.path.join(home, "three"))
    os.symlink("/etc/passwd", os.path.join(home, "absolute"))
    os.symlink("no/such/file", os.path.join(home, "dangling"))
    os.symlink("linked", os.path.join(home, "to-directory"))
    with open(os.path.join(home, "sparse"), "wb") as stream:
        stream.seek(hole)
        stream.write(b"end")
    for number in range(40):
        write(home, f"src/package{number % 5}/module{number}.py", f"VALUE = {number}\n" * number)
    for directory, names, files in os.walk(os.fsencode(home), topdown=False):
        for name in names + files:
            path = os.path.join(directory, name)
            os.lchown(path, UID, UID)
            os.utime(path, ns=(1600000000123456700, 1500000000123456700), follow_symlinks=False)
    os.chmod(os.path.join(home, "run.sh"), 0o4755)
    os.chown(home, UID, UID)
    os.chmod(home, 0o750)
    os.utime(home, ns=(1600000000123456700, 1500000000123456700))


def write(home, path, text, mode=0o644):
    full = os.path.join(home, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as stream:
        stream.write(text)
    os.chmod(full, mode)


def read(directory, path):
    with open(os.path.join(directory, path), "rb") as stream:
        return stream.read()
