# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state of a home, and what is wrong with it, without waiting for a server that is gone.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    child,
    instance,
    local_paths,
    mountinfo,
    records,
    rescue,
    run,
    squash,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal

TIMEOUT = 10
# Azure Files refuses writes when full; warn before, in percent.
_FULL = 90


def collect(host, request):
    """Return the result of azlin_nfs_home_info."""
    journal = Journal(host.state_dir, request.user.name)
    home = run.describe(host, journal, request)
    share = _share(request.home) if home["mounted"] else None
    problems = _problems(home, journal.transaction, share)
    if share is not None:
        problems += _foreign(request)
    return {
        "home": home,
        "share": share,
        "hosts": records.listed_as(request.user, request.home, TIMEOUT) if share is not None else None,
        "transaction": _transaction(journal.transaction),
        "instance": instance.describe(host.metadata_url),
        "healthy": not problems,
        "problems": problems,
    }


def _share(path):
    def sizes():
        status = os.statvfs(path)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        return {"size_bytes": status.f_blocks * status.f_frsize, "used_bytes": used}

    return _asked(sizes)


def _foreign(request):
    try:
        with suppress(child.ChildFailed, child.ChildTimeout):
            squash.check_mounted(request.home, request.user, TIMEOUT)
    except AzlinError as error:
        return [error.msg]
    return []


def _asked(function):
    """What a function says of a mounted share; None when it fails or hangs."""
    try:
        return child.call(function, TIMEOUT)
    except (child.ChildFailed, child.ChildTimeout):
        return None


def _transaction(transaction):
    if transaction is None:
        return None
    begun = transaction["begun"]
    return {
        "id": transaction["id"],
        "action": transaction["action"],
        "state": transaction["state"],
        "step": begun[-1] if begun else None,
    }


def _problems(home, transaction, share):
    problems = []
    if transaction is not None:
        problems.append("An earlier run did not finish; run again, or with state: rolled_back.")
    elif home["state"] == "local" and home["fstype"] is None and rescue.is_rescue(home["path"]):
        problems.append(f"{home['path']} is the stand-in of a share, but {home['journal']}, which names it, is gone.")
    if home["state"] == "attached" and not home["mounted"]:
        problems.append(f"{home['source']} is not mounted on {home['path']}.")
    if home["state"] == "attached" and not home["fstab"]:
        problems.append(f"fstab has no entry for {home['path']}, so the share is not mounted after a reboot.")
    if home["mounted"]:
        hidden = local_paths.missing(mountinfo.read(), home["path"], home["local_paths"])
        problems += [f"The local path {path} is not shown in {home['path']}; run again." for path in hidden]
    if home["mounted"] and share is None:
        problems.append(f"{home['source']} does not answer.")
    if share is not None and share["used_bytes"] * 100 >= share["size_bytes"] * _FULL:
        problems.append(f"{home['source']} is at least {_FULL} % full.")
    return problems
