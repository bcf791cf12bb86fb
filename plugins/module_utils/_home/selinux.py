# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policy of SELinux, which may keep sshd, that is confined, from keys on NFS; a program of root would not notice.

Source: selinux-policy, ``use_nfs_home_dirs``; off unless somebody has turned it on.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

_BOOLEAN = "use_nfs_home_dirs"
_COMMAND = ["setsebool", "-P", _BOOLEAN, "on"]
# It builds the whole policy anew.
_TIMEOUT = 300


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


def _read(folder, *names):
    try:
        with open(os.path.join(folder, *names), encoding="ascii") as stream:
            return stream.read().strip()
    except OSError:
        return ""
