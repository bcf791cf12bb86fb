# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which private DNS zone a virtual network uses, and whose record is in it. Pure.

A network takes one zone of a name, and a zone has one address for a storage.

Source: Azure docs, private-dns-virtual-network-links, private-endpoint-dns and the private-link FAQ.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import result
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import (
    TAG_KEY,
    TAG_VALUE,
    is_beside,
    is_managed,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


def is_linked(network, links):
    """Whether all virtual networks are among the links of a zone."""
    linked = {str(dig(link, "properties", "virtualNetwork", "id")).lower() for link in links}
    return all(str(vnet).lower() in linked for vnet in network.virtual_networks)


def settled(wanted, present):
    """``wanted`` and ``present`` with the zone that the network is linked to already, if there is one.

    A zone that this collection made, for another storage, is shared. One of somebody else is used only if the options
    say so: the storage's name has to be written into it.
    """
    network = wanted.network
    if network is None or not network.zone_is_own:
        return wanted, present
    for zone, links in present.other_zones:
        if not is_linked(network, links):
            continue
        if not is_managed(zone):
            raise _foreign(network, zone)
        zone_id = names.parse_resource_id(zone["id"], "id")
        wanted = replace(wanted, network=replace(network, zone=zone_id, zone_is_own=False))
        present = replace(present, zone=zone, links=links, has_record=None)
        break
    left = left_behind(wanted, present)
    if left:
        raise _not_asked_for(wanted, left[0])
    return wanted, present


def left_behind(wanted, present):
    """The zones that have the storage's record and lose it to the wanted one: a zone group takes one zone of a name."""
    zone = wanted.network.zone
    if zone is None or result.connection_state(present.endpoint) in result.DEAD_STATES:
        return []
    return [one for one in _written(present) if has_its_name(one, zone) and not names.same_id(one, zone)]


def has_its_name(zone_id, zone):
    """Whether the text of an id is that of a zone with the same name as another one."""
    return str(zone_id).rpartition("/")[2].lower() == zone.name.lower()


def _written(present):
    """The zones that the endpoint's records are in."""
    return [properties(config).get("privateDnsZoneId") for config in result.zone_configs(present.zone_group)]


def has_lost_record(wanted, present):
    """Whether the storage's record, of which the zone group tells, is not in the zone: hosts do not find it there."""
    return present.has_record is False and any(
        one.get("recordSetName") == wanted.account.name
        for config in result.zone_configs(present.zone_group)
        if names.same_id(properties(config).get("privateDnsZoneId"), wanted.network.zone)
        for one in properties(config).get("recordSets") or []
    )


def check_rewritten(wanted, before, present):
    """Raise where Azure did not write the record anew when it was sent the zone group, which nothing promises."""
    if present.has_record is not False:
        return
    group = names.parse_resource_id(before.zone_group["id"], "id")
    raise AzlinError(
        "network_failed",
        f"Azure reported success, but {wanted.network.zone} still has no record of {wanted.account.name}, so that "
        "hosts do not find it there.",
        causes=[
            (
                "somebody deleted the record, and Azure does not write it again while the DNS zone group is there",
                "Delete the DNS zone group ('az network private-endpoint dns-zone-group delete --subscription "
                f"{group.subscription} --resource-group {group.resource_group} --endpoint-name {group.parent.name} "
                f"--name {group.name}') and run again, which makes it anew.",
            )
        ],
    )


def _not_asked_for(wanted, zone_id):
    return AzlinError(
        "network_failed",
        f"The name {wanted.account.name} is in the private DNS zone {zone_id}, which network.dns.zone_id does not "
        f"name. It is not moved to {wanted.network.zone} unasked, since hosts that find it there would lose their way.",
        causes=[
            ("the zone is meant to stay", f"Set network.dns.zone_id: {zone_id}"),
            ("the name shall move", f"Set network.dns.zone_id: {wanted.network.zone}"),
        ],
        try_="az network private-dns zone list --output table",
    )


def rivals(wanted, present):
    """Other endpoints that lead to the account, where ours is about to write the storage's record into the zone."""
    zone = wanted.network.zone
    if zone is None or present.zone is None or present.account is None:
        return []
    if any(names.same_id(one, zone) for one in _written(present)):
        return []
    living = result.endpoint_ids(present.account, without=result.DEAD_STATES)
    return [one for one in living if not names.same_id(one, wanted.endpoint)]


def check_record(wanted, present):
    """Raise where our endpoint would replace the record by which hosts find another one of the same storage."""
    others = rivals(wanted, present)
    if present.record is None or not others:
        return
    listed = ", ".join(str(one) for one in others)
    raise AzlinError(
        "name_conflict",
        f"Private endpoint {wanted.endpoint.name} would take the name {wanted.account.name} in {wanted.network.zone} "
        f"from {listed}: a zone has one address for a storage, and hosts that have this one would lose their way.",
        causes=[
            ("the endpoint that is there is meant", _to_use(wanted, others[0])),
            (
                "another network needs an endpoint of its own",
                "Set network.dns.zone_id to a zone that no other endpoint of the storage uses, or "
                "network.dns.manage: false and write the record for that network yourself.",
            ),
        ],
        try_="az network private-endpoint list --output table",
    )


def _to_use(wanted, endpoint):
    """How an endpoint that is there is used: only where we would have made one does its name lead to it."""
    if is_beside(endpoint, wanted.account) or is_beside(endpoint, wanted.endpoint):
        return f"Set network.endpoint_name: {endpoint.name}, with the subnet that it is in."
    return "Leave network out: an existing storage keeps its network."


def _foreign(network, zone):
    linked = network.virtual_networks[0].name
    return AzlinError(
        "network_failed",
        f"Virtual network {linked} is linked to the private DNS zone {zone['id']} already, and Azure links a "
        f"network to one zone of a name only. The zone does not carry the tag {TAG_KEY}={TAG_VALUE} and is not used "
        "unasked.",
        causes=[
            ("it is a central zone, meant for all storages", f"Set network.dns.zone_id: {zone['id']}"),
            ("somebody else writes the records there", "Set network.dns.manage: false."),
        ],
        try_="az network private-dns zone list --output table",
    )
