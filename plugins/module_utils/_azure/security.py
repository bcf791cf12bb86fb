# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one rule of ours in a network security group: NFS on TCP 2049, encrypted or not. Pure.

Over service endpoints the hosts' subnets have to let it out to storage; a private endpoint's subnet has to let it in.
Source: Azure docs, storage-files-networking-overview and network-security-groups-overview.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid

PORT = 2049
# Source: Azure docs, network-security-groups-overview.
_PRIORITIES = range(100, 4097)
# Mode -> name, direction and destination of our rule.
_RULES = {
    "private_endpoint": ("azlin-nfs-inbound", "Inbound", "VirtualNetwork"),
    "service_endpoint": ("azlin-nfs-outbound", "Outbound", "Storage"),
}
_FIELDS = (
    "direction",
    "access",
    "protocol",
    "sourceAddressPrefix",
    "sourcePortRange",
    "destinationAddressPrefix",
    "destinationPortRange",
)
# Policies of a subnet under which security groups apply to private endpoints. Source: Azure docs,
# disable-private-endpoint-network-policy.
_APPLIED = ("Enabled", "NetworkSecurityGroupEnabled")


def group_id(subnet):
    """The id of the security group of a subnet, or None."""
    return dig(properties(subnet), "networkSecurityGroup", "id")


def groups(network, present):
    """Lower-case id -> security group of each wanted subnet.

    :raises AzlinError: for a subnet without one, since there is nothing that a rule could be added to.
    """
    found = {}
    for subnet_id in network.subnets:
        known = group_id(present.subnet(subnet_id))
        if known is None:
            raise invalid(
                "network.nsg_rule",
                True,
                f"subnet {subnet_id.name} has no network security group that a rule could be added to",
                "Leave nsg_rule out, since nothing blocks the port there, or give the subnet a security group.",
            )
        group = present.security_groups.get(known.lower())
        if group is None:
            raise AzlinError(
                "not_found",
                f"Network security group {known} does not exist, or the identity cannot see it.",
                causes=[("the identity may not read it", "Give it read access, or leave network.nsg_rule out.")],
            )
        found[known.lower()] = group
    return found


def rule(mode, group):
    """Name and body of our rule in a group; an existing one keeps its priority, a new one gets the first free."""
    name, direction, destination = _RULES[mode]
    known = find(group, name)
    priority = properties(known).get("priority") if known else _free_priority(group, direction)
    values = dict(zip(_FIELDS, (direction, "Allow", "Tcp", "VirtualNetwork", "*", destination, str(PORT))))
    for key, value in values.items():
        # Azure spells some words in its own way.
        is_now = str(properties(known).get(key))
        values[key] = is_now if is_now.lower() == value.lower() else value
    return name, {"properties": {"description": "NFS of Azure Files", "priority": priority, **values}}


def find(group, name):
    """A rule of a group by its name, or None."""
    return next((one for one in rules(group) if one["name"].lower() == name.lower()), None)


def rules(group):
    """The rules that people made."""
    return properties(group).get("securityRules") or []


def view(one):
    """What people see of a rule."""
    return {key: properties(one).get(key) for key in (*_FIELDS, "priority")}


def _free_priority(group, direction):
    taken = {properties(one).get("priority") for one in rules(group) if properties(one).get("direction") == direction}
    free = next((priority for priority in _PRIORITIES if priority not in taken), None)
    if free is None:
        raise AzlinError(
            "network_failed",
            f"Network security group {group['id']} has no free priority for a rule ({direction.lower()}).",
            causes=[("it is full of rules", "Remove one, or leave network.nsg_rule out.")],
        )
    return free


def warnings(wanted, present):
    """Why our rules would not be enough, one sentence each."""
    network = wanted.network
    if network is None or not network.nsg_rule:
        return []
    found = []
    for group in groups(network, present).values():
        _name, body = rule(network.mode, group)
        blocking = [one["name"] for one in rules(group) if _comes_before(one, body) and _denies(one)]
        if blocking:
            found.append(
                f"Security group {group['name']} denies port {PORT} by rules that come before ours: "
                f"{', '.join(blocking)}."
            )
    policy = properties(present.subnet(network.subnets[0])).get("privateEndpointNetworkPolicies")
    if network.mode == "private_endpoint" and policy not in _APPLIED:
        found.append(
            f"Subnet {network.subnets[0].name} applies no security group to private endpoints "
            f"(privateEndpointNetworkPolicies: {policy}); the rule of network.nsg_rule has no effect there."
        )
    return found


def _comes_before(one, body):
    about, ours = properties(one), properties(body)
    return about.get("direction") == ours["direction"] and about.get("priority", 0) < ours["priority"]


def _denies(one):
    about = properties(one)
    ranges = [about.get("destinationPortRange"), *(about.get("destinationPortRanges") or [])]
    return (
        about.get("access") == "Deny"
        and str(about.get("protocol")).lower() in ("tcp", "*")
        and any(_holds_port(text) for text in ranges if text)
    )


def _holds_port(text):
    """Whether ``*``, ``2049`` or ``2000-3000`` has our port in it."""
    if text == "*":
        return True
    first, _hyphen, last = text.partition("-")
    return int(first) <= PORT <= int(last or first)
