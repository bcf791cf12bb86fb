# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storages for the tests of the report, in the shape that azlin_storage_info returns, and what their hosts told."""

from __future__ import annotations

import datetime

from ansible_collections.azlin.storage.plugins.module_utils._azure import result
from tests.unit.azure import builders as make

GIB = 1024**3
NOW = datetime.datetime(2026, 11, 26, 12, 0, tzinfo=datetime.timezone.utc)
# Days of the history: the last of them is yesterday.
DAYS = 30
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}'


def storage(name="teamhomes01", used=250, days=(), counts=(), machines=(), tags=None, group="team", **share):
    """A storage of 500 GiB behind a private endpoint.

    :param used: GiB, None where it is unknown; likewise ``days``, one value a day up to yesterday.
    :param machines: pairs of virtual machine and user; None where nobody knows them.
    """
    account = make.account(
        tags={"managed-by": "azlin", **(tags or {})},
        primaryEndpoints={"file": f"https://{name}.file.core.windows.net/"},
    )
    account = {
        **account,
        "name": name,
        "id": account["id"].replace("teamhomes01", name).replace("/team/", f"/{group}/"),
    }
    about = make.share(shareUsageBytes=None if used is None else int(used * GIB), **share)
    attached = None if machines is None else [machine(vm, name, user, group) for vm, user in machines]
    found = result.storage(account, make.file_service(), about, [], attached)
    found["history"] = {
        "used": [{"time": time, "bytes": None if one is None else int(one * GIB)} for time, one in dated(days)],
        "transactions": [{"time": time, "count": one} for time, one in dated(counts)],
    }
    return found


def dated(values):
    """A time for each of the last days."""
    first = NOW.date() - datetime.timedelta(days=len(values))
    return [(f"{first + datetime.timedelta(days=number)}T00:00:00Z", one) for number, one in enumerate(values)]


def machine(name, account, user, group="team"):
    """A virtual machine with the record of a home, as Azure lists it."""
    return {"id": vm_id(name, group), "tags": {f"azlin-home-{user}": f"{account}/home:/home/{user}"}}


def vm_id(name, group="team"):
    return (
        f"/subscriptions/{make.SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    )


def told(vm, account="teamhomes01", user="azureuser", problems=(), source=True, **changes):
    """What azlin_nfs_home_info returns on a host."""
    share = f"{account}.file.core.windows.net:/{account}/home"
    return {
        "home": {"user": user, "path": f"/home/{user}", "state": "attached", "source": share if source else None},
        "instance": {"vm_id": vm_id(vm).upper()} if vm else None,
        "healthy": not problems,
        "problems": list(problems),
        **changes,
    }


UNREACHABLE = {"unreachable": True, "msg": "Connection timed out"}


def grown(last, each, days=DAYS):
    """A use that has grown by as much every day, up to ``last``."""
    return [last - each * (days - 1 - number) for number in range(days)]


def three():
    """A storage that is nearly full, one that nothing is known of, and one in order; their hosts' answers."""
    days = grown(455, 6)
    days[10] = days[11] = None
    counts = [20000 + 700 * (number % 7) for number in range(DAYS)]
    counts[10] = counts[11] = None
    storages = [
        storage("calmhomes", used=100, days=grown(100, 0), counts=[0] * DAYS, machines=[("calm-1", "azureuser")]),
        storage(
            "fullhomes",
            used=460,
            days=days,
            counts=counts,
            machines=[("full-1", "azureuser"), ("full-2", "azureuser"), ("full-3", "azureuser")],
            tags={"owner": HOSTILE},
        ),
        storage("newhomes", used=None, days=[None] * 3, counts=[None] * 3, machines=None, group="other"),
    ]
    hosts = {
        "calm-1": told("calm-1", "calmhomes"),
        "full-1": told("full-1", "fullhomes"),
        "full-2": told("full-2", "fullhomes", problems=["fullhomes is not mounted on /home/azureuser."]),
        "full-3": UNREACHABLE,
    }
    return storages, hosts


def many(number=250):
    """As many storages as a big company may have, with hosts that nobody asked."""
    return [
        storage(
            f"homes{index:03}",
            used=20 + 2 * (index * 7 % 235),
            days=grown(20 + 2 * (index * 7 % 235), index % 5 / 4),
            counts=[1000 * index + 100 * day for day in range(DAYS)],
            machines=[(f"vm-{index:03}-{one}", "azureuser") for one in range(index % 9)],
            group=f"team-{index % 12}",
        )
        for index in range(number)
    ]
