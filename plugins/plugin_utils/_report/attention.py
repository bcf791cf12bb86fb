# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What needs somebody's attention, and how badly. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._common import capacity
from ansible_collections.azlin.storage.plugins.plugin_utils._report.mounts import PROBLEM, UNKNOWN

CRITICAL, WARNING, UNSURE, FINE = LEVELS = ("critical", "warning", "unknown", "fine")
# Percent of the size. Writes fail at 100, and growing a share takes minutes.
WARNING_PERCENT, CRITICAL_PERCENT = capacity.LEVELS
_LEVEL_OF_USE = {None: UNSURE, 0: FINE, WARNING_PERCENT: WARNING, CRITICAL_PERCENT: CRITICAL}
# Days until the share is full.
CRITICAL_DAYS, WARNING_DAYS = 7, 30


def notices(storage, days_until_full, mounts):
    """Pairs of level and sentence, the worst first."""
    found = [*_of_size(storage, days_until_full), *_of_mounts(storage, mounts), *_of_azure(storage)]
    return sorted(found, key=lambda notice: LEVELS.index(notice[0]))


def level(found):
    """The level of a storage with these notices."""
    return found[0][0] if found else FINE


def of_use(storage):
    """The level of the use of a storage."""
    return _LEVEL_OF_USE[capacity.level_reached(storage["used_bytes"], storage["size_gib"])]


def _of_size(storage, days):
    reached = capacity.level_reached(storage["used_bytes"], storage["size_gib"])
    if reached is None:
        yield UNSURE, "How much is used is unknown."
    elif reached:
        yield of_use(storage), f"At least {reached} % of the size are used."
    if days is not None and days <= WARNING_DAYS:
        when = f"in about {days} days" if days > 1 else "within two days"
        yield CRITICAL if days <= CRITICAL_DAYS else WARNING, f"At the present growth it is full {when}."


def _of_mounts(storage, mounts):
    if storage["attached_vms"] is None:
        yield UNSURE, "Which virtual machines use it is unknown."
    for mount in mounts:
        if mount["state"] == PROBLEM:
            yield CRITICAL, f"{mount['machine']}: {' '.join(mount['said'])}"
    unknown = [mount["machine"] for mount in mounts if mount["state"] == UNKNOWN]
    if unknown:
        some = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        yield UNSURE, f"Whether the mount is in order is unknown: {some}."


def _of_azure(storage):
    if storage["provisioning_state"] not in (None, "Succeeded"):
        yield WARNING, f"Azure's state of the account is {storage['provisioning_state']}."
    for endpoint in storage["network"]["private_endpoints"]:
        if endpoint["state"] not in (None, "Approved"):
            yield WARNING, f"The private endpoint {endpoint['name']} is {endpoint['state']}."
    if storage["network"]["deleted_subnets"]:
        yield WARNING, "Its network rules name a subnet that was deleted."
