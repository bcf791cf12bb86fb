# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user whose home moves, and acting as that user.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child


@dataclass(frozen=True)
class User:
    """An account of this host."""

    name: str
    uid: int
    gid: int
    home: str


def lookup(name):
    """Return the :class:`User` of a login name; root is refused, since its home must never depend on a network."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError as error:
        raise AzlinError(
            "not_found",
            f"This host has no user {name}.",
            causes=[("the name is misspelt, or the user is created later", "create the user first, with its uid")],
        ) from error
    if entry.pw_uid == 0:
        raise AzlinError(
            "unsupported",
            f"{name} is the superuser, whose home must work without a network.",
            causes=[("nfs_home_user names root", "name the login user")],
        )
    return User(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir)


def call_as(user, function, timeout):
    """Return what ``function()`` returns when run with the user's ids and groups in a child process."""

    def run():
        os.setgroups(os.getgrouplist(user.name, user.gid))
        os.setgid(user.gid)
        os.setuid(user.uid)
        return function()

    return child.call(run, timeout)
