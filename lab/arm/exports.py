# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the data plane has to serve, computed from the state of the cloud."""

from __future__ import annotations

from lab.arm.metadata import FILE_SUFFIX, FILE_ZONE
from lab.arm.store import Record, Store
from lab.dataplane import DataPlaneState, Export

ACCOUNTS = "Microsoft.Storage/storageAccounts"
SHARES = "Microsoft.Storage/storageAccounts/fileServices/shares"
CONNECTIONS = "Microsoft.Storage/storageAccounts/privateEndpointConnections"
ENDPOINTS = "Microsoft.Network/privateEndpoints"
VNETS = "Microsoft.Network/virtualNetworks"
ZONES = "Microsoft.Network/privateDnsZones"
LINKS = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"


def data_plane_state(store: Store) -> DataPlaneState:
    """Exports and names of all accounts that are ready."""
    exports: list[Export] = []
    names: dict[str, str] = {}
    for account in store.all(ACCOUNTS):
        if account["properties"]["provisioningState"] != "Succeeded":
            continue
        clients = admitted_networks(store, account)
        encrypted = encryption_required(store, account)
        exports += [
            Export(
                account["name"],
                share["name"],
                share["properties"]["rootSquash"],
                clients,
                share["properties"]["shareQuota"],
                encrypted,
            )
            for share in store.children(account["id"], SHARES)
            if share["properties"]["enabledProtocols"] == "NFS"
        ]
        names.update(account_names(store, account))
    return DataPlaneState(tuple(exports), names)


def encryption_required(store: Store, account: Record) -> bool:
    """Whether a plaintext mount is refused.

    It is as long as the account wants secure transfer or the file service requires encryption in transit
    (Azure docs: encryption-in-transit-for-nfs-shares).
    """
    service = store.get(f"{account['id']}/fileServices/default")
    settings = service["properties"].get("protocolSettings", {}) if service else {}
    nfs = (settings.get("nfs") or {}).get("encryptionInTransit") or {}
    return bool(account["properties"]["supportsHttpsTrafficOnly"] or nfs.get("required"))


def admitted_networks(store: Store, account: Record) -> tuple[str, ...]:
    """The networks whose hosts may mount, in CIDR form."""
    properties = account["properties"]
    networks: set[str] = set()
    for endpoint in approved_endpoints(store, account):
        vnet = store.get(endpoint["properties"]["subnet"]["id"].rsplit("/subnets/", 1)[0])
        if vnet:
            networks.update(vnet["properties"]["addressSpace"]["addressPrefixes"])
    if properties.get("publicNetworkAccess", "Enabled") == "Enabled":
        rules = properties["networkAcls"]
        if rules["defaultAction"] == "Allow":
            networks.add("0.0.0.0/0")
        for rule in rules["virtualNetworkRules"]:
            subnet = store.get(rule["id"])
            if subnet and rule["state"] != "NetworkSourceDeleted":
                networks.update(subnet_prefixes(subnet))
    return tuple(sorted(networks))


def subnet_prefixes(subnet: Record) -> list[str]:
    """The address prefixes of a subnet, whichever way they were given."""
    properties = subnet["properties"]
    return properties.get("addressPrefixes") or [properties["addressPrefix"]]


def approved_endpoints(store: Store, account: Record) -> list[Record]:
    """The private endpoints whose connection to the account is approved."""
    found = []
    for connection in store.children(account["id"], CONNECTIONS):
        endpoint = store.get(connection["properties"]["privateEndpoint"]["id"])
        state = connection["properties"]["privateLinkServiceConnectionState"]["status"]
        if endpoint and state == "Approved":
            found.append(endpoint)
    return found


def account_names(store: Store, account: Record) -> dict[str, str]:
    """Names of an account as hosts of the VNet resolve them.

    With a private endpoint the public name becomes an alias into the privatelink zone. A VNet linked to such
    a zone then sees the zone's A record, or no address at all if the record is missing.
    """
    public = f"{account['name']}.{FILE_SUFFIX}"
    zones = [
        zone for zone in store.all(ZONES) if zone["name"].lower() == FILE_ZONE and store.children(zone["id"], LINKS)
    ]
    address = _zone_address(store, zones, account["name"])
    if address:
        return {public: address, f"{account['name']}.{FILE_ZONE}": address}
    if zones and store.children(account["id"], CONNECTIONS):
        return {}
    return {public: account["lab"]["public_address"]}


def _zone_address(store: Store, zones: list[Record], account: str) -> str | None:
    reachable = {address for endpoint in store.all(ENDPOINTS) for address in endpoint["lab"].get("addresses", [])}
    for zone in zones:
        record = store.get(f"{zone['id']}/A/{account}")
        for entry in record["properties"]["aRecords"] if record else []:
            if entry["ipv4Address"] in reachable:
                return entry["ipv4Address"]
    return None
