# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mounts of a storage are in order, from its recorded machines and from what the hosts told. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

HEALTHY, PROBLEM, UNKNOWN, NOT_ASKED = "healthy", "problem", "unknown", "not asked"


@dataclass(frozen=True)
class Host:
    """What a host told of the home that it was asked for; ``silent`` says why it told nothing."""

    name: str
    silent: str = ""
    vm_id: str | None = None
    user: str | None = None
    path: str | None = None
    source: str | None = None
    problems: tuple = ()


class Hosts:
    """The hosts that were asked, found by their virtual machine or by their share."""

    def __init__(self, told, storages):
        """
        :param told: host -> result of azlin_nfs_home_info, empty for a host that was left out; None if none was asked.
        :param storages: all storages of the report.
        """
        self._asked = told is not None
        hosts = [_host(name, result) for name, result in sorted((told or {}).items())]
        self._by_vm = {host.vm_id.lower(): host for host in hosts if host.vm_id}
        # A host without instance metadata, or that did not answer, may still be told by a name that is unique.
        self._by_name = {host.name: host for host in hosts if not host.vm_id}
        self._ids = defaultdict(set)
        for storage in storages:
            for machine in storage["attached_vms"] or []:
                self._ids[machine["name"]].add(machine["id"].lower())
        self._by_share = defaultdict(list)
        for host in hosts:
            self._by_share[_share_of(host.source)].append(host)

    def of_storage(self, storage):
        """The mounts of a storage: the recorded ones, then those that only a host knows of."""
        share = f"/{storage['name']}/{storage['share']}"
        mounts, seen = [], set()
        for machine in storage["attached_vms"] or []:
            host = self._by_vm.get(machine["id"].lower()) or self._namesake(machine)
            seen.add(host)
            mounts.append(
                _mount(machine["name"], machine["user"], machine["mount_point"], *self._judge(machine, host, share))
            )
        for host in self._by_share[share]:
            if host not in seen:
                said = list(host.problems) or ["It is not recorded in Azure."]
                mounts.append(_mount(host.name, host.user, host.path, PROBLEM if host.problems else HEALTHY, said))
        return mounts

    def _namesake(self, machine):
        return self._by_name.get(machine["name"]) if len(self._ids[machine["name"]]) == 1 else None

    def _judge(self, machine, host, share):
        if not self._asked:
            return NOT_ASKED, []
        if host is None:
            return UNKNOWN, ["It is not among the hosts that were asked."]
        if host.silent:
            return UNKNOWN, [host.silent]
        if host.user != machine["user"]:
            return UNKNOWN, [f"It was asked for the home of {host.user}."]
        if _share_of(host.source) != share:
            return PROBLEM, [f"The home is recorded here, but lies on {host.source or 'the local disk'}."]
        return (PROBLEM, list(host.problems)) if host.problems else (HEALTHY, [])


def _host(name, told):
    if told.get("unreachable"):
        return Host(name, silent=f"It cannot be reached: {told.get('msg', 'no reason known')}")
    if "home" not in told:
        return Host(name, silent=f"It did not tell: {told.get('msg', 'it was not asked')}")
    home = told["home"]
    return Host(
        name,
        vm_id=(told.get("instance") or {}).get("vm_id"),
        user=home["user"],
        path=home["path"],
        source=home["source"],
        problems=tuple(told["problems"]),
    )


def _share_of(source):
    """``/account/share`` of ``server:/account/share``: clients with encryption mount from another server."""
    return source.partition(":")[2] if source else None


def _mount(machine, user, mount_point, state, said):
    return {"machine": machine, "user": user, "mount_point": mount_point, "state": state, "said": said}
