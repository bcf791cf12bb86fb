# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SELinux may keep from sshd, which is confined: keys on NFS, and local ones without their label.

A program of root would notice neither. Sources: selinux-policy, ``use_nfs_home_dirs``, off unless somebody has turned
it on; restorecon(8). What root makes beside homes has the label of the directory around them, not that of a home:
https://github.com/ansible/ansible/issues/24862.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

_BOOLEAN = "use_nfs_home_dirs"
_COMMAND = ["setsebool", "-P", _BOOLEAN, "on"]
# It builds the whole policy anew.
_TIMEOUT = 300
# It passes over what has no labels of its own, such as NFS.
_RELABEL = ["restorecon", "-R"]


def keeps_out(folder):
    """Whether the kernel whose SELinux shows itself in a directory keeps logins from homes on NFS."""
    return _read(folder, "enforce") == "1" and not _read(folder, "booleans", _BOOLEAN).startswith("1")


def require(folder, home):
    """Fail if nobody could log in to a home on a share."""
    if keeps_out(folder):
        raise AzlinError(
            "unsupported",
            f"SELinux is enforced and {_BOOLEAN} is off, so sshd could not read the keys in {home} on a share.",
            causes=[("it is off unless somebody turns it on", f"run '{' '.join(_COMMAND)}' on the host, as root")],
        )


def let_in(folder, home):
    """Turn the boolean on, for good, where it is in the way; fail if it stays off."""
    if not keeps_out(folder):
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        # AnsibleModule.run_command knows no time limit.
        # pylint: disable-next=ansible-bad-function
        subprocess.run(_COMMAND, check=False, timeout=_TIMEOUT, stdin=subprocess.DEVNULL, cwd="/")
    require(folder, home)


def require_labelling(folder):
    """Fail if what is made beside a home could not be given its labels."""
    if _read(folder, "enforce") == "1" and shutil.which(_RELABEL[0]) is None:
        raise AzlinError(
            "unsupported",
            f"SELinux is enforced and {_RELABEL[0]} is missing, so sshd would take no keys from a home that is made.",
            causes=[("policycoreutils, which has it, is not installed", "install it on the host, then run again")],
        )


def relabel(folder, path, cancelled=lambda: False):
    """Give what is at a path the labels that the policy has for there; fail if they are enforced and that fails.

    :param cancelled: called every second; True ends it.
    """
    if not os.path.exists(os.path.join(folder, "enforce")):
        return
    why = _relabel(path, cancelled)
    if why and _read(folder, "enforce") == "1":
        command = " ".join(_RELABEL)
        raise AzlinError(
            "unsupported",
            f"SELinux is enforced, and '{command} {path}', without which sshd takes no keys from there, failed: {why}.",
            causes=[("the policy is damaged", f"see what '{command} -n' says of the directory around the home")],
        )


def _relabel(path, cancelled):
    """Return why it failed, None if it did not."""
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    try:
        # AnsibleModule.run_command says nothing while it waits.
        # pylint: disable-next=ansible-bad-function
        process = subprocess.Popen([*_RELABEL, path], cwd="/", **quiet)
    except OSError as error:
        return error.strerror
    with process:
        while True:
            try:
                said = process.communicate(timeout=1)[1]
                break
            except subprocess.TimeoutExpired:
                if cancelled():
                    process.kill()
    if process.returncode == 0:
        return None
    return said.decode(errors="replace").strip()[:500] or f"it ended with status {process.returncode}"


def _read(folder, *names):
    try:
        with open(os.path.join(folder, *names), encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
