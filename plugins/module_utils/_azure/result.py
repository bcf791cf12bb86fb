# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one shape of a storage in every result, built here and nowhere else. Unknown is None. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    cost,
    prices,
    provisioned,
    softdelete,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import is_managed
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import capacity, names
from ansible_collections.azlin.storage.plugins.module_utils._common.endpoints import endpoint_of
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB

# States of a connection that never comes back: the endpoint has to be made anew.
DEAD_STATES = ("Disconnected", "Rejected")
# State of a virtual network rule without its subnet. Source: Azure REST reference, storage accounts.
SOURCE_DELETED = "NetworkSourceDeleted"


def storage(account, file_service, share, endpoints, virtual_machines, shares=None, moment=None, price_list=None):
    """Return the result for one share.

    :param account: the storage account as the REST API shows it; likewise ``file_service`` and ``share``.
    :param endpoints: pairs of (private endpoint, its DNS zone group or None) that were read.
    :param virtual_machines: generic resources with their tags, or None when they are unknown.
    :param shares: the account's shares with the soft-deleted ones, or None when they are unknown.
    :param moment: when all of that was read.
    :param price_list: what things cost; when not given, the built-in table.
    """
    account_id = names.parse_resource_id(account["id"], "id")
    about, values = properties(account), properties(share)
    sku, location = dig(account, "sku", "name"), names.location(account["location"])
    quantities, used_bytes = provisioned.view(share), values.get("shareUsageBytes")
    size_gib = quantities["size_gib"]
    billing_model, redundancy = models_of(sku)
    connected = _private_endpoints(about, endpoints)
    return {
        "name": account["name"],
        "id": account["id"],
        "resource_group": account_id.resource_group,
        "subscription_id": account_id.subscription,
        "location": location,
        "share": share["name"],
        "share_id": share["id"],
        "size_gib": size_gib,
        "used_bytes": used_bytes,
        "utilization_percent": _percent(used_bytes, size_gib),
        "tier": tier_of(sku),
        "redundancy": redundancy,
        "billing_model": billing_model,
        "provisioned_iops": quantities["provisioned_iops"],
        "provisioned_throughput": quantities["provisioned_throughput"],
        "paid_bursting": provisioned.bursting_view(share) if billing_model == provisioned.V1 else None,
        "next_allowed_decrease": {
            quantity.option: provisioned.timestamp(provisioned.next_decrease(share, quantity))
            for quantity in provisioned.QUANTITIES
        },
        "sku": sku,
        "created": about.get("creationTime"),
        "nfs_endpoint": _nfs_endpoint(account, share),
        "network": {
            "mode": network_mode(account),
            "public_network_access": public_network_access(account),
            "default_action": dig(about, "networkAcls", "defaultAction"),
            "subnets": admitted_subnets(account),
            "deleted_subnets": deleted_subnets(account),
            "private_endpoints": connected,
            "dns_zone": _dns_zone(endpoints),
        },
        "root_squash": values.get("rootSquash"),
        "encryption_in_transit": encryption_in_transit(account, file_service),
        "soft_delete_days": soft_delete_days(file_service),
        "soft_deleted": softdelete.shown(shares, share["name"], moment),
        "restorable_shares": softdelete.names_of_deleted(shares),
        "provisioning_state": about.get("provisioningState"),
        "managed": is_managed(account),
        "tags": account.get("tags") or {},
        "cost": cost.estimate(_billed(account, share, len(connected)), price_list or prices.built_in()),
        "attached_vms": None
        if virtual_machines is None
        else attachments.of_storage(virtual_machines, account["name"], share["name"]),
        "warnings": capacity.warnings(account["name"], share["name"], used_bytes, size_gib),
    }


def _billed(account, share, endpoints):
    """What Azure bills of a share and of the endpoints of its account."""
    billing_model, redundancy = models_of(dig(account, "sku", "name"))
    values = properties(share)
    return cost.Billed(
        billing_model=billing_model,
        redundancy=redundancy,
        location=names.location(account["location"]),
        size_gib=values.get("shareQuota"),
        iops=values.get("provisionedIops"),
        throughput_mib=values.get("provisionedBandwidthMibps"),
        paid_bursting=bool(dig(values, "fileSharePaidBursting", "paidBurstingEnabled")),
        private_endpoints=endpoints,
    )


def models_of(sku):
    """``(billing_model, redundancy)`` of a SKU name such as ``Premium_LRS``; None for what has none of ours."""
    family, underscore, redundancy = str(sku).partition("_")
    billing_model = {"Premium": provisioned.V1, "PremiumV2": provisioned.V2, "StandardV2": provisioned.V2}
    return billing_model.get(family), redundancy or None


def tier_of(sku):
    """``premium`` (SSD) or ``standard`` (HDD)."""
    return "premium" if str(sku).startswith("Premium") else "standard"


def subnet_rules(account):
    """The account's virtual network rules."""
    return dig(properties(account), "networkAcls", "virtualNetworkRules") or []


def admitted_subnets(account):
    """The ids of the subnets that a rule admits and that exist."""
    return [rule["id"] for rule in subnet_rules(account) if rule.get("state") != SOURCE_DELETED]


def deleted_subnets(account):
    """The ids in rules whose subnet was deleted; a new subnet of the same name does not revive them."""
    return [rule["id"] for rule in subnet_rules(account) if rule.get("state") == SOURCE_DELETED]


def endpoint_ids(account, without=()):
    """The ids of the private endpoints that the account knows, without those in some states."""
    known = properties(account).get("privateEndpointConnections") or []
    found = [
        dig(connection, "properties", "privateEndpoint", "id")
        for connection in known
        if dig(connection, "properties", "privateLinkServiceConnectionState", "status") not in without
    ]
    return [names.parse_resource_id(one, "id") for one in found if one]


def subscriptions(account):
    """The subscriptions, in lower case, whose machines can have homes: the account's and those with a way to it.

    A machine outlives its subnet, and so does its home: the rule of a deleted subnet still tells where to look.
    """
    ruled = [names.parse_resource_id(rule["id"], "id") for rule in subnet_rules(account)]
    known = [names.parse_resource_id(account["id"], "id"), *ruled, *endpoint_ids(account)]
    return {one.subscription.lower() for one in known}


def public_network_access(account):
    """``Enabled`` or ``Disabled``; Azure leaves the word out of accounts that never had it set."""
    return properties(account).get("publicNetworkAccess") or "Enabled"


def network_mode(account):
    """How the account is reached, or None when neither mode of this collection fits.

    An account that admits subnets is in service-endpoint mode, even while somebody keeps its public endpoint closed by
    hand, unless hosts come in over a private endpoint then.
    """
    is_closed = public_network_access(account) == "Disabled"
    connected = properties(account).get("privateEndpointConnections") or []
    if subnet_rules(account) and not (is_closed and any(_is_approved(connection) for connection in connected)):
        return "service_endpoint"
    return "private_endpoint" if is_closed or connected else None


def _is_approved(connection):
    return dig(connection, "properties", "privateLinkServiceConnectionState", "status") == "Approved"


def nfs_encryption_required(file_service):
    """The file service's switch for NFS; an absent one is off. Source: Azure docs, encryption-in-transit."""
    return bool(dig(properties(file_service), "protocolSettings", "nfs", "encryptionInTransit", "required"))


def encryption_in_transit(account, file_service):
    """``required`` when a plaintext mount is refused: either switch alone does that."""
    https_only = properties(account).get("supportsHttpsTrafficOnly")
    if nfs_encryption_required(file_service) or https_only:
        return "required"
    return None if https_only is None or file_service is None else "disabled"


def soft_delete_days(file_service):
    """Days that a deleted share is kept; 0 when it is not, None when unknown."""
    policy = properties(file_service).get("shareDeleteRetentionPolicy")
    if policy is None:
        return None
    return policy.get("days") if policy.get("enabled") else 0


def _percent(used_bytes, size_gib):
    if used_bytes is None or not size_gib:
        return None
    return round(100 * used_bytes / (size_gib * GIB), 2)


def _nfs_endpoint(account, share):
    url = dig(properties(account), "primaryEndpoints", "file")
    return endpoint_of(url, account["name"], share["name"]).source if url else None


def _private_endpoints(about, endpoints):
    """Every connection that the account knows, with what was read about the endpoint behind it."""
    read = {str(endpoint["id"]).lower(): (endpoint, group) for endpoint, group in endpoints}
    found = []
    for connection in about.get("privateEndpointConnections") or []:
        endpoint_id = dig(connection, "properties", "privateEndpoint", "id") or ""
        state = dig(connection, "properties", "privateLinkServiceConnectionState", "status")
        endpoint, group = read.pop(endpoint_id.lower(), (None, None))
        found.append(_private_endpoint(endpoint_id, state, endpoint, group))
    for endpoint, group in read.values():
        found.append(_private_endpoint(endpoint["id"], connection_state(endpoint), endpoint, group))
    return sorted(found, key=lambda entry: entry["id"].lower())


def _private_endpoint(endpoint_id, state, endpoint, group):
    return {
        "name": endpoint_id.rpartition("/")[2],
        "id": endpoint_id,
        "state": state,
        "subnet_id": dig(properties(endpoint), "subnet", "id"),
        "ip_address": _ip_address(endpoint, group),
    }


def connections(endpoint):
    """The connections of a private endpoint, approved on their own or by hand."""
    about = properties(endpoint)
    return (about.get("privateLinkServiceConnections") or []) + (about.get("manualPrivateLinkServiceConnections") or [])


def is_manual(endpoint):
    """Whether somebody had to be asked for the connection of a private endpoint."""
    return bool(properties(endpoint).get("manualPrivateLinkServiceConnections"))


def connection_state(endpoint):
    """Approved, Pending, Rejected or Disconnected; None when Azure does not say."""
    states = [
        dig(connection, "properties", "privateLinkServiceConnectionState", "status")
        for connection in connections(endpoint)
    ]
    return states[0] if states else None


def zone_configs(group):
    """The zones of a DNS zone group."""
    return properties(group).get("privateDnsZoneConfigs") or []


def _ip_address(endpoint, group):
    """The endpoint's address: in its zone group's records, else in its own DNS settings."""
    records = [record for config in zone_configs(group) for record in properties(config).get("recordSets") or []]
    for source in records + (properties(endpoint).get("customDnsConfigs") or []):
        for address in source.get("ipAddresses") or []:
            return address
    return None


def _dns_zone(endpoints):
    for _endpoint, group in endpoints:
        for config in zone_configs(group):
            return properties(config).get("privateDnsZoneId")
    return None
