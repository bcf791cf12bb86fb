# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual networks, subnets and network interfaces."""

from __future__ import annotations

import copy
import ipaddress
import typing
import uuid

from lab.arm import errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import ACCOUNTS, ENDPOINTS, VNETS, subnet_prefixes
from lab.arm.operations import finisher
from lab.arm.store import Record, Store, new_etag, public

SUBNETS = "Microsoft.Network/virtualNetworks/subnets"
INTERFACES = "Microsoft.Network/networkInterfaces"
# Azure keeps the first four addresses and the last one of every subnet.
RESERVED = 4


def polling(call: Call, operation: str, location: str, delete: bool = False, notify: bool = False) -> dict[str, str]:
    """Headers of an accepted network operation; deletions also have a Location, some creations offer a notification."""
    start = f"/subscriptions/{call.target.subscription}/providers/Microsoft.Network/locations/{location}"
    headers = {
        "Azure-AsyncOperation": call.url(f"{start}/operations/{operation}"),
        **call.cloud.profile.retry_headers(),
    }
    if notify:
        headers["Azure-AsyncNotification"] = "Enabled"
    if delete:
        headers["Location"] = call.url(f"{start}/operationResults/{operation}")
    return headers


def addresses_in_use(store: Store, subnet_id: str) -> dict[str, str]:
    """Private addresses taken in a subnet, each with the id of the ip configuration that has it."""
    found = {}
    for interface in store.all(INTERFACES):
        for configuration in interface["properties"]["ipConfigurations"]:
            if ids.same(configuration["properties"]["subnet"]["id"], subnet_id):
                found[configuration["properties"]["privateIPAddress"]] = configuration["id"]
    return found


def allocate(store: Store, subnet: Record, wanted: str | None = None) -> str:
    """A free address of a subnet, or the one asked for."""
    used = addresses_in_use(store, subnet["id"])
    networks = [ipaddress.IPv4Network(prefix) for prefix in subnet_prefixes(subnet)]
    if wanted is not None:
        if wanted in used or not any(ipaddress.IPv4Address(wanted) in network for network in networks):
            raise ArmError(
                400,
                "PrivateIPAddressInUse" if wanted in used else "PrivateIPAddressNotInSubnet",
                f"Private static IP address {wanted} cannot be used in subnet {subnet['name']}.",
            )
        return wanted
    for network in networks:
        for address in list(network)[RESERVED:-1]:
            if str(address) not in used:
                return str(address)
    raise ArmError(
        400,
        "SubnetIsFull",
        f"Subnet {subnet['name']} with address prefix {networks[0]} does not have any free address.",
    )


@route("GET", VNETS, item=False)
def list_vnets(call: Call) -> Answer:
    """The networks of a group or the subscription."""
    return call.page(
        call.store.in_scope(VNETS, call.target.subscription, call.target.group),
        lambda vnet: shown_vnet(call.store, vnet),
    )


@route("GET", VNETS)
def get_vnet(call: Call) -> Answer:
    """One network with its subnets."""
    vnet = call.require()
    return Answer(200, shown_vnet(call.store, vnet), {"ETag": vnet["etag"]})


@route("PUT", VNETS)
def put_vnet(call: Call) -> Answer:
    """Create or replace a network; subnets that are listed replace the present ones."""
    validation.network_name(call.target.name, call.target.id)
    location = validation.location(call.body, VNETS)
    existing = call.record()
    if existing:
        validation.same_location(existing, location, call.target.group or "")
        refuse_while_updating(call, existing)
    given = call.body.get("properties") or {}
    prefixes = (given.get("addressSpace") or {}).get("addressPrefixes")
    if not prefixes:
        raise errors.invalid_content("Required property 'addressSpace.addressPrefixes' not found in JSON")
    for text in prefixes:
        validation.prefix(text, call.target.id)
    vnet_id = call.id
    subnets = _listed_subnets(call.store, vnet_id, given, prefixes)
    kept = {key: copy.deepcopy(value) for key, value in given.items() if key not in ("subnets", "provisioningState")}
    properties = {
        "virtualNetworkPeerings": [],
        "enableDdosProtection": False,
        "privateEndpointVNetPolicies": "Disabled",
        **kept,
        "provisioningState": "Updating",
        "resourceGuid": existing["properties"]["resourceGuid"] if existing else str(uuid.uuid4()),
    }
    vnet = call.store.put(
        {
            **(existing or {}),
            "id": vnet_id,
            "name": existing["name"] if existing else call.target.name,
            "type": VNETS,
            "location": location,
            "tags": validation.tags(call.body),
            "etag": new_etag(),
            "properties": properties,
        }
    )
    _replace_subnets(call.store, vnet_id, subnets)
    operation = call.start("vnet", vnet_id)
    headers = polling(call, operation, location, notify=True)
    return Answer(200 if existing else 201, shown_vnet(call.store, vnet), headers)


@finisher("vnet")
def finish_vnet(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The network and its subnets are ready."""
    vnet = cloud.store.get(resource_id)
    for record in [vnet] + cloud.store.children(resource_id, SUBNETS) if vnet else []:
        record["properties"]["provisioningState"] = "Succeeded"
    touch(cloud.store, resource_id)


@route("PATCH", VNETS)
def patch_vnet(call: Call) -> Answer:
    """Replace the tags of a network."""
    vnet = call.require()
    vnet["tags"] = validation.tags(call.body) or {}
    return Answer(200, shown_vnet(call.store, call.store.put(vnet)))


@route("DELETE", VNETS)
def delete_vnet(call: Call) -> Answer:
    """Delete a network without anything in it; a long-running operation."""
    vnet = call.record()
    if vnet is None:
        return Answer(204)
    for subnet in call.store.children(vnet["id"], SUBNETS):
        refuse_subnet_in_use(call.store, subnet)
    refuse_while_updating(call, vnet)
    vnet["properties"]["provisioningState"] = "Deleting"
    operation = call.start("network_delete", vnet["id"])
    return Answer(202, None, polling(call, operation, vnet["location"], delete=True))


@finisher("network_delete")
def finish_network_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The network, subnet or interface is gone."""
    _forget_in_rules(cloud.store, [record["id"] for record in cloud.store.tree(resource_id)])
    cloud.store.delete(resource_id)
    touch(cloud.store, resource_id.rpartition("/subnets/")[0])


def _forget_in_rules(store: Store, subnet_ids: list[str]) -> None:
    """Rules of accounts for a deleted subnet stay, dead, even if a new subnet gets its name."""
    doomed = {subnet_id.lower() for subnet_id in subnet_ids}
    for account in store.all(ACCOUNTS):
        for rule in account["properties"]["networkAcls"]["virtualNetworkRules"]:
            if rule["id"].lower() in doomed:
                rule["state"] = "NetworkSourceDeleted"


def touch(store: Store, vnet_id: str) -> None:
    """A network and its subnets share one entity tag: what changes one of them changes it."""
    vnet, etag = store.get(vnet_id), new_etag()
    for record in [vnet] + store.children(vnet_id, SUBNETS) if vnet else []:
        record["etag"] = etag


def shown_vnet(store: Store, vnet: Record) -> dict:
    """A network as Azure shows it."""
    view = public(vnet)
    view["properties"]["subnets"] = [shown_subnet(store, subnet) for subnet in store.children(vnet["id"], SUBNETS)]
    return view


@route("GET", SUBNETS, item=False)
def list_subnets(call: Call) -> Answer:
    """The subnets of a network."""
    subnets = call.store.children(call.target.root.id, SUBNETS)
    return call.page(subnets, lambda subnet: shown_subnet(call.store, subnet))


@route("GET", SUBNETS)
def get_subnet(call: Call) -> Answer:
    """One subnet."""
    subnet = call.record()
    if subnet is None:
        raise errors.network_child_not_found(call.target)
    return Answer(200, shown_subnet(call.store, subnet), {"ETag": subnet["etag"]})


@route("PUT", SUBNETS)
def put_subnet(call: Call) -> Answer:
    """Create or replace a subnet: what the body lacks is gone afterwards, as in Azure."""
    vnet = call.store.get(call.target.root.id)
    if vnet is None:
        raise errors.parent_not_found(call.target)
    existing = call.record()
    subnet = _new_subnet(vnet["id"], call.target.name, call.body.get("properties") or {})
    others = [other for other in call.store.children(vnet["id"], SUBNETS) if other is not existing]
    _check_ranges(vnet["properties"]["addressSpace"]["addressPrefixes"], others + [subnet], subnet)
    refuse_while_updating(call, vnet)
    if existing:
        if call.headers.get("if-match") not in (None, "*", existing["etag"]):
            raise ArmError(
                412,
                "PreconditionFailed",
                f"Precondition failed. Etag provided in if-match header {call.headers['if-match']} does not match etag "
                f"{existing['etag']} of resource {existing['id']} in NRP data store.",
            )
        if subnet_prefixes(existing) != subnet_prefixes(subnet):
            refuse_subnet_in_use(call.store, existing, "InUsePrefixCannotBeDeleted")
        subnet = {**existing, "properties": subnet["properties"], "etag": subnet["etag"]}
    call.store.put(subnet)
    touch(call.store, vnet["id"])
    operation = call.start("subnet", subnet["id"])
    return Answer(
        200 if existing else 201, shown_subnet(call.store, subnet), polling(call, operation, vnet["location"])
    )


@finisher("subnet")
def finish_subnet(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The subnet is ready."""
    subnet = cloud.store.get(resource_id)
    if subnet:
        subnet["properties"]["provisioningState"] = "Succeeded"
        touch(cloud.store, resource_id.rpartition("/subnets/")[0])


@route("DELETE", SUBNETS)
def delete_subnet(call: Call) -> Answer:
    """Delete a subnet that nothing uses; a long-running operation."""
    subnet = call.record()
    if subnet is None:
        return Answer(204)
    refuse_subnet_in_use(call.store, subnet)
    vnet = typing.cast(Record, call.store.get(call.target.root.id))
    refuse_while_updating(call, vnet)
    subnet["properties"]["provisioningState"] = "Deleting"
    operation = call.start("network_delete", subnet["id"])
    return Answer(202, None, polling(call, operation, vnet["location"], delete=True))


def refuse_while_updating(call: Call, vnet: Record) -> None:
    """One change of a network at a time."""
    for record in [vnet] + call.store.children(vnet["id"], SUBNETS):
        if record["properties"]["provisioningState"] in ("Updating", "Deleting"):
            raise ArmError(
                429,
                "AnotherOperationInProgress",
                "Another operation on this or dependent resource is in progress. Resource: " + record["id"],
                headers=call.cloud.profile.retry_headers(),
            )


def refuse_subnet_in_use(store: Store, subnet: Record, code: str = "InUseSubnetCannotBeDeleted") -> None:
    """A subnet with addresses in use stays as it is."""
    for user in addresses_in_use(store, subnet["id"]).values():
        raise ArmError(
            400,
            code,
            f"Subnet {subnet['name']} is in use by {user} and cannot be deleted. In order to delete the subnet, delete "
            "all the resources within the subnet. See aka.ms/deletesubnet.",
        )


def _new_subnet(vnet_id: str, name: str, given: dict) -> Record:
    subnet_id = f"{vnet_id}/subnets/{name}"
    validation.network_name(name, subnet_id)
    prefixes = given.get("addressPrefixes") or ([given["addressPrefix"]] if given.get("addressPrefix") else [])
    if not prefixes:
        raise errors.invalid_content("Required property 'addressPrefix' not found in JSON")
    for text in prefixes:
        validation.prefix(text, subnet_id)
    properties = {
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
        **{key: copy.deepcopy(value) for key, value in given.items() if value is not None},
        "provisioningState": "Updating",
    }
    for computed in ("privateEndpoints", "ipConfigurations", "purpose"):
        properties.pop(computed, None)
    validation.choice(
        properties["privateEndpointNetworkPolicies"],
        ("Enabled", "Disabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"),
        "privateEndpointNetworkPolicies",
    )
    _refuse_two_for_storage(subnet_id, properties)
    if properties.get("serviceEndpoints"):
        properties["serviceEndpoints"] = [
            {
                "service": entry["service"],
                "locations": entry.get("locations") or ["*"],
                "provisioningState": "Succeeded",
            }
            for entry in properties["serviceEndpoints"]
        ]
    return {"id": subnet_id, "name": name, "type": SUBNETS, "etag": new_etag(), "properties": properties}


def _refuse_two_for_storage(subnet_id: str, properties: dict) -> None:
    """A subnet has the service endpoint for storage of its own region, or that of all regions."""
    services = {entry["service"] for entry in properties.get("serviceEndpoints") or []}
    if {"Microsoft.Storage", "Microsoft.Storage.Global"} <= services:
        raise ArmError(
            400,
            "SubnetHasBothRegionalAndGlobalStorageServiceEndpointsTogether",
            f"Subnet {subnet_id} has ServiceEndpoint entries for both 'Microsoft.Storage' and "
            "'Microsoft.Storage.Global' together. Please use either one of them at a time.",
        )


def _listed_subnets(store: Store, vnet_id: str, given: dict, prefixes: list[str]) -> list[Record] | None:
    """The subnets that a network body lists, or None if it leaves the present ones alone."""
    present = store.children(vnet_id, SUBNETS)
    if given.get("subnets") is None:
        for subnet in present:
            _check_ranges(prefixes, present, subnet)
        return None
    listed = [_new_subnet(vnet_id, entry["name"], entry.get("properties") or {}) for entry in given["subnets"]]
    for subnet in listed:
        _check_ranges(prefixes, listed, subnet)
    names = {subnet["name"].lower() for subnet in listed}
    for subnet in present:
        if subnet["name"].lower() not in names:
            refuse_subnet_in_use(store, subnet)
    return listed


def _replace_subnets(store: Store, vnet_id: str, subnets: list[Record] | None) -> None:
    if subnets is None:
        return
    present = [subnet["id"] for subnet in store.children(vnet_id, SUBNETS)]
    kept = {subnet["id"].lower() for subnet in subnets}
    _forget_in_rules(store, [subnet_id for subnet_id in present if subnet_id.lower() not in kept])
    for subnet_id in present:
        store.delete(subnet_id)
    for subnet in subnets:
        store.put(subnet)


def _check_ranges(prefixes: list[str], subnets: list[Record], subnet: Record) -> None:
    spaces = [ipaddress.IPv4Network(prefix) for prefix in prefixes]
    for text in subnet_prefixes(subnet):
        network = ipaddress.IPv4Network(text)
        if not any(network.subnet_of(space) for space in spaces):
            raise ArmError(
                400,
                "NetcfgSubnetRangeOutsideVnet",
                f"Subnet '{subnet['name']}' is not valid because its IP address range is outside the IP address range "
                "of the virtual network.",
            )
        for other in subnets:
            for taken in subnet_prefixes(other) if other is not subnet else []:
                if network.overlaps(ipaddress.IPv4Network(taken)):
                    raise ArmError(
                        400,
                        "NetcfgSubnetRangesOverlap",
                        f"Subnet '{subnet['name']}' is not valid because its IP address range overlaps with that of an "
                        "existing subnet in virtual network.",
                    )


def shown_subnet(store: Store, subnet: Record) -> dict:
    """A subnet as Azure shows it, with what uses it."""
    view = public(subnet)
    used = addresses_in_use(store, subnet["id"])
    if used:
        view["properties"]["ipConfigurations"] = [{"id": used[address]} for address in sorted(used)]
    endpoints = [
        {"id": endpoint["id"]}
        for endpoint in store.all(ENDPOINTS)
        if ids.same(endpoint["properties"]["subnet"]["id"], subnet["id"])
    ]
    if endpoints:
        view["properties"]["privateEndpoints"] = endpoints
        view["properties"]["purpose"] = "PrivateEndpoints"
    return view


@route("GET", INTERFACES, item=False)
def list_interfaces(call: Call) -> Answer:
    """The interfaces of a group or the subscription."""
    return call.page(call.store.in_scope(INTERFACES, call.target.subscription, call.target.group), public)


@route("GET", INTERFACES)
def get_interface(call: Call) -> Answer:
    """One interface."""
    return Answer(200, public(call.require()))


@route("PUT", INTERFACES)
def put_interface(call: Call) -> Answer:
    """Create an interface with one address per configuration; an existing one is answered as it is."""
    location = validation.location(call.body, INTERFACES)
    existing = call.record()
    if existing:
        return Answer(200, public(existing))
    configurations = []
    for entry in (call.body.get("properties") or {}).get("ipConfigurations") or []:
        given = entry.get("properties") or {}
        subnet_id = (given.get("subnet") or {}).get("id", "")
        subnet = call.store.get(subnet_id)
        if subnet is None:
            raise errors.invalid_reference(subnet_id, call.target.id)
        configurations.append((entry["name"], subnet, given.get("privateIPAddress")))
    record = add_interface(call.store, call.target.id, location, configurations)
    record["tags"] = validation.tags(call.body) or {}
    return Answer(201, public(record))


@route("DELETE", INTERFACES)
def delete_interface(call: Call) -> Answer:
    """Delete an interface that belongs to no private endpoint; a long-running operation."""
    record = call.record()
    if record is None:
        return Answer(204)
    owner = record["properties"].get("privateEndpoint")
    if owner:
        raise ArmError(
            400,
            "NetworkInterfaceInUseWithPrivateEndpoint",
            f"Network interface {record['id']} is used by private endpoint {owner['id']} and cannot be deleted.",
        )
    operation = call.start("network_delete", record["id"])
    return Answer(202, None, polling(call, operation, record["location"], delete=True))


def add_interface(
    store: Store,
    interface_id: str,
    location: str,
    configurations: list[tuple[str, Record, str | None]],
) -> Record:
    """Add an interface; ``configurations`` are name, subnet and wanted address."""
    shown = []
    for name, subnet, wanted in configurations:
        shown.append(
            {
                "id": f"{interface_id}/ipConfigurations/{name}",
                "name": name,
                "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
                "properties": {
                    "provisioningState": "Succeeded",
                    "privateIPAddress": allocate(store, subnet, wanted),
                    "privateIPAllocationMethod": "Static" if wanted else "Dynamic",
                    "privateIPAddressVersion": "IPv4",
                    "subnet": {"id": subnet["id"]},
                    "primary": not shown,
                },
            }
        )
    return store.put(
        {
            "id": interface_id,
            "name": interface_id.rsplit("/", 1)[1],
            "type": INTERFACES,
            "location": location,
            "etag": new_etag(),
            "properties": {
                "provisioningState": "Succeeded",
                "resourceGuid": str(uuid.uuid4()),
                "ipConfigurations": shown,
                "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
            },
        }
    )
