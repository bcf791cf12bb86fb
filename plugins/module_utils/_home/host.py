# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host, as far as a home needs it, and what is wanted of it.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azlin.storage.plugins.module_utils._home import instance
from ansible_collections.azlin.storage.plugins.module_utils._home.users import User

_SYSTEMCTL_TIMEOUT = 90


@dataclass(frozen=True)
class Host:
    """Where things lie on this host, and what mounts shares."""

    mounter: Any
    fstab: str = "/etc/fstab"
    state_dir: str = "/var/lib/azlin/nfs_home"
    run_dir: str = "/run/azlin"
    systemd: str = "/run/systemd/system"
    selinux: str = "/sys/fs/selinux"
    metadata_url: str = instance.URL
    units: str = "/etc/systemd/system"
    python: str = "/usr/bin/python3"
    # Seconds: the guard of a run that was killed undoes it within this time, so that the next run need not fail.
    lock_wait: float = 30

    @property
    def has_systemd(self):
        """Whether systemd runs this host."""
        return os.path.isdir(self.systemd)

    def reload_units(self):
        """Let systemd read fstab again; without it the mount unit keeps what the old text said."""
        self._systemctl("daemon-reload")

    def start_mount(self, path):
        """Mount what fstab has for a path, through systemd, which waits for a mount that is under way."""
        # systemctl(1) takes a path for the unit of its mount.
        self._systemctl("start", path)

    def _systemctl(self, *arguments):
        if not self.has_systemd:
            return
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # A systemd that is too busy to answer does not make the change of fstab wrong.
        with suppress(subprocess.TimeoutExpired):
            # AnsibleModule.run_command knows no time limit.
            # pylint: disable-next=ansible-bad-function
            subprocess.run(["systemctl", *arguments], check=False, timeout=_SYSTEMCTL_TIMEOUT, cwd="/", **quiet)


@dataclass(frozen=True)
class Request:
    """What is wanted: ``state`` attached, detached, confirmed or rolled_back.

    ``busy`` is one of busy.POLICIES and ``unsupported`` of sidecar.POLICIES; ``confirm_timeout`` and ``busy_timeout``
    are seconds.
    """

    state: str
    user: User
    home: str
    source: str | None = None
    seed: str = "if_empty"
    merge_conflicts: str = "fail"
    copy_back: str = "full"
    extra_options: tuple = field(default_factory=tuple)
    client: str = "nfs"
    local_paths: tuple = field(default_factory=tuple)
    busy: str = "fail"
    busy_timeout: int = 300
    confirm_timeout: int = 0
    confirmation: str | None = None
    unsupported: str = "fail"
    checksum: bool = False
    manage_selinux: bool = False


def beside(home, purpose):
    """A name next to a home, on the same file system, for use during a transaction."""
    directory, name = os.path.split(home)
    return os.path.join(directory, f".{name}.azlin-{purpose}")


def next_backup(home):
    """The first name for an old copy of the home that is not taken: an older copy is never overwritten."""
    path = f"{home}.backup"
    number = 0
    while os.path.lexists(path):
        number += 1
        path = f"{home}.backup.{number}"
    return path
