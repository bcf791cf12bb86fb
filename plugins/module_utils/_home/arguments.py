# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the parameters of a module to a request.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os

from ansible_collections.azlin.storage.plugins.module_utils._common import endpoints, homes, names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import preflight, users
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request

# The smallest value of options that are a time in seconds.
_LEAST_SECONDS = {"mount_timeout": 1, "busy_timeout": 0, "confirm_timeout": 0}


def request_of(params):
    """Return the :class:`Request` of module parameters; raises before anything is looked at or done.

    :param params: dict with ``user``, and any of the other options of azlin_nfs_home.
    """
    if os.geteuid() != 0:
        raise AzlinError(
            "unsupported",
            "Homes are mounted and their keys looked after by root, and this module does not run as root.",
            causes=[("the task does not become root", "set become: true")],
        )
    user_name = names.user_name(params["user"])
    source = params.get("source")
    if source is not None:
        source = endpoints.parse_endpoint(source).source
    extra = tuple(params.get("mount_options") or ())
    client = params.get("client") or "nfs"
    mount_options(client, extra)
    for option, least in _LEAST_SECONDS.items():
        seconds = params.get(option)
        if seconds is not None and seconds < least:
            raise invalid(option, seconds, "it is not a time", f"Give a number of seconds from {least}.")
    user = users.lookup(user_name)
    path = names.absolute_path(params.get("home") or user.home, "home")
    # Again, since links above it may lead to a path that fstab cannot hold.
    path = names.absolute_path(preflight.real_home(path), "home")
    if path.count("/") < 2:
        raise invalid("home", path, "a home in the root directory cannot be moved", "Use for example /home/azureuser.")
    return Request(
        state=params.get("state") or "attached",
        user=user,
        home=path,
        source=source,
        seed=params.get("seed") or "if_empty",
        merge_conflicts=params.get("merge_conflicts") or "fail",
        copy_back=params.get("copy_back") or "full",
        extra_options=extra,
        client=client,
        local_paths=homes.local_paths(params.get("local_paths") or ()),
        busy=params.get("busy") or "fail",
        busy_timeout=params.get("busy_timeout") or 0,
        confirm_timeout=params.get("confirm_timeout") or 0,
        confirmation=params.get("confirmation"),
        unsupported=params.get("unsupported") or "fail",
        checksum=bool(params.get("checksum")),
        manage_selinux=bool(params.get("manage_selinux")),
    )
