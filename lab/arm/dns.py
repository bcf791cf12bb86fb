# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private DNS zones, their links to virtual networks, and record sets."""

from __future__ import annotations

import uuid

from lab.arm import errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import LINKS, VNETS, ZONES
from lab.arm.operations import dns_polling, finisher
from lab.arm.store import Record, Store, public

A_RECORDS = "Microsoft.Network/privateDnsZones/A"
SOA_RECORDS = "Microsoft.Network/privateDnsZones/SOA"
ALL_RECORDS = "Microsoft.Network/privateDnsZones/ALL"


def _accepted(call: Call, operation: str) -> Answer:
    """An accepted write; deletions have an empty body."""
    return Answer(202, None if call.method == "DELETE" else {}, dns_polling(call, operation))


def _refused_later(call: Call, existing: Record | None, what: str) -> Answer | None:
    """A creation of what is there already is accepted, and it is the operation that fails."""
    if existing is None or call.headers.get("if-none-match") != "*":
        return None
    message = f"The {what} exists already and hence cannot be created again."
    error = {"code": "PreconditionFailed", "message": message}
    return _accepted(call, call.cloud.operations.start("refused", existing["id"], error=error))


def _check_conditions(call: Call, existing: Record | None) -> None:
    if existing and call.headers.get("if-none-match") == "*":
        raise errors.FlatError(
            412,
            "PreconditionFailed",
            f"The Record set {existing['name']} exists already and hence cannot be created again.",
        )
    wanted = call.headers.get("if-match")
    if wanted and wanted != "*" and (existing is None or existing["etag"] != wanted):
        raise ArmError(412, "PreconditionFailed", "The condition 'If-Match' in the request header is not satisfied.")


def _check_global(call: Call, type_: str) -> None:
    if str(call.body.get("location", "")).lower() != "global":
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{call.body.get('location')}' is not available for resource type '{type_}'. List "
            "of available regions for the resource type is 'global'.",
        )


@route("GET", ZONES, item=False)
def list_zones(call: Call) -> Answer:
    """The zones of a group or the subscription."""
    zones = call.store.in_scope(ZONES, call.target.subscription, call.target.group)
    return call.page(zones, lambda zone: shown_zone(call.store, zone), call.top())


@route("GET", ZONES)
def get_zone(call: Call) -> Answer:
    """One zone."""
    zone = call.require()
    return Answer(200, shown_zone(call.store, zone), {"ETag": zone["etag"]})


@route("PUT", ZONES)
def put_zone(call: Call) -> Answer:
    """Create a zone or replace its tags; a long-running operation."""
    _check_global(call, ZONES)
    existing = call.record()
    refused = _refused_later(call, existing, f"Zone {call.target.name}")
    if refused:
        return refused
    _check_conditions(call, existing)
    zone = call.store.put(
        {
            **(existing or {}),
            "id": call.id,
            "name": existing["name"] if existing else call.target.name,
            "type": ZONES,
            "location": "global",
            "tags": validation.tags(call.body),
            "etag": str(uuid.uuid4()),
            "properties": {"provisioningState": "Succeeded" if existing else "Updating"},
        }
    )
    return _accepted(call, call.start("zone", zone["id"]))


@route("PATCH", ZONES)
def patch_zone(call: Call) -> Answer:
    """Replace the tags of a zone; a long-running operation."""
    zone = call.require()
    tags = validation.tags(call.body)
    if tags is not None:
        zone["tags"] = tags
    return _accepted(call, call.start("zone", call.store.put(zone)["id"]))


@finisher("zone")
def finish_zone(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The zone is there, with its SOA record."""
    zone = cloud.store.get(resource_id)
    if zone is None:
        return
    zone["properties"]["provisioningState"] = "Succeeded"
    if cloud.store.get(f"{zone['id']}/SOA/@") is None:
        soa = {
            "host": "azureprivatedns.net",
            "email": "azureprivatedns-host.lab.test",
            "serialNumber": 1,
            "refreshTime": 3600,
            "retryTime": 300,
            "expireTime": 2419200,
            "minimumTtl": 10,
        }
        _put_record(cloud.store, zone, SOA_RECORDS, "@", {"ttl": 3600, "soaRecord": soa})


@route("DELETE", ZONES)
def delete_zone(call: Call) -> Answer:
    """Delete a zone that is linked to no network; a long-running operation."""
    zone = call.record()
    if zone is None:
        return Answer(204)
    _check_conditions(call, zone)
    links = call.store.children(zone["id"], LINKS)
    if links:
        raise ArmError(
            409,
            "CannotDeleteResource",
            "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
            f"'{links[0]['id']}'. Please delete all nested resources before deleting this resource.",
        )
    return _accepted(call, call.start("dns_delete", zone["id"]))


@finisher("dns_delete")
def finish_dns_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The zone or link is gone."""
    cloud.store.delete(resource_id)


def shown_zone(store: Store, zone: Record) -> dict:
    """A zone as Azure shows it."""
    view = public(zone)
    links = store.children(zone["id"], LINKS)
    view["properties"].update(
        internalId=str(uuid.uuid5(uuid.NAMESPACE_URL, zone["id"].lower())),
        maxNumberOfRecordSets=25000,
        maxNumberOfVirtualNetworkLinks=1000,
        maxNumberOfVirtualNetworkLinksWithRegistration=100,
        numberOfRecordSets=len(_records(store, zone["id"], ALL_RECORDS)),
        numberOfVirtualNetworkLinks=len(links),
        numberOfVirtualNetworkLinksWithRegistration=sum(link["properties"]["registrationEnabled"] for link in links),
    )
    return view


@route("GET", LINKS, item=False)
def list_links(call: Call) -> Answer:
    """The links of a zone."""
    return call.page(call.store.children(call.target.root.id, LINKS), public, call.top())


@route("GET", LINKS)
def get_link(call: Call) -> Answer:
    """One link."""
    link = call.require()
    return Answer(200, public(link), {"ETag": link["etag"]})


@route("PUT", LINKS)
def put_link(call: Call) -> Answer:
    """Link a zone to a network; a long-running operation."""
    _check_global(call, LINKS)
    zone = call.store.get(call.target.root.id)
    if zone is None:
        raise errors.parent_not_found(call.target)
    existing = call.record()
    what = f"Virtual Network link {call.target.name} for the Private DNS zone {zone['name']}"
    refused = _refused_later(call, existing, what)
    if refused:
        return refused
    _check_conditions(call, existing)
    given = call.body.get("properties") or {}
    vnet_id = (given.get("virtualNetwork") or {}).get("id", "")
    _check_link(call, zone, vnet_id, existing)
    link = call.store.put(
        {
            **(existing or {}),
            "id": call.id,
            "name": existing["name"] if existing else call.target.name,
            "type": LINKS,
            "location": "global",
            "tags": validation.tags(call.body),
            "etag": f'"{uuid.uuid4()}"',
            "properties": {
                "provisioningState": "Updating",
                "registrationEnabled": bool(given.get("registrationEnabled", False)),
                "resolutionPolicy": given.get("resolutionPolicy") or "Default",
                "virtualNetwork": {"id": vnet_id},
                "virtualNetworkLinkState": "InProgress",
            },
        }
    )
    return _accepted(call, call.start("link", link["id"]))


def _check_link(call: Call, zone: Record, vnet_id: str, existing: Record | None) -> None:
    vnet = call.store.get(vnet_id)
    if vnet is None or vnet["type"] != VNETS:
        raise ArmError(
            400, "BadRequest", f"The virtual network {vnet_id} could not be found. Make sure that it exists."
        )
    if existing and not ids.same(existing["properties"]["virtualNetwork"]["id"], vnet_id):
        raise ArmError(
            400,
            "BadRequest",
            f"The virtual network of the link {existing['name']} cannot be changed once it is created.",
        )
    for link in call.store.all(LINKS):
        if link is existing or not ids.same(link["properties"]["virtualNetwork"]["id"], vnet_id):
            continue
        other = call.store.get(link["id"].rsplit("/virtualNetworkLinks/", 1)[0])
        if other and other["name"].lower() == zone["name"].lower():
            raise ArmError(
                409,
                "Conflict",
                "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link "
                f"virtual network with '{zone['name']}' and '{other['name']}' zones.",
            )


@finisher("link")
def finish_link(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The link is in force."""
    link = cloud.store.get(resource_id)
    if link:
        link["properties"].update(provisioningState="Succeeded", virtualNetworkLinkState="Completed")


@route("DELETE", LINKS, orphan=True)
def delete_link(call: Call) -> Answer:
    """Remove a link; a long-running operation."""
    link = call.record()
    if link is None:
        return Answer(204)
    return _accepted(call, call.start("dns_delete", link["id"]))


def _records(store: Store, zone_id: str, type_: str) -> list[Record]:
    types = (A_RECORDS, SOA_RECORDS) if type_ == ALL_RECORDS else (type_,)
    return [record for kind in types for record in store.children(zone_id, kind)]


@route("GET", A_RECORDS, item=False)
@route("GET", SOA_RECORDS, item=False)
@route("GET", ALL_RECORDS, item=False)
def list_records(call: Call) -> Answer:
    """The record sets of a zone, of one type or of all."""
    return call.page(_records(call.store, call.target.root.id, call.target.type), public, call.top())


@route("GET", A_RECORDS)
@route("GET", SOA_RECORDS)
def get_record(call: Call) -> Answer:
    """One record set."""
    record = call.record()
    if record is None:
        raise ArmError(
            404,
            "NotFound",
            f"The resource record '{call.target.name}' does not exist in resource group '{call.target.group}' of "
            f"subscription '{call.target.subscription}'.",
        )
    return Answer(200, public(record))


@route("PUT", A_RECORDS)
@route("PATCH", A_RECORDS)
def put_record(call: Call) -> Answer:
    """Create or replace an A record set, at once."""
    zone = call.store.get(call.target.root.id)
    if zone is None:
        raise errors.parent_not_found(call.target)
    existing = call.record()
    _check_conditions(call, existing)
    given = call.body.get("properties") or {}
    addresses = [{"ipv4Address": entry.get("ipv4Address")} for entry in given.get("aRecords") or []]
    values = {"ttl": given.get("ttl", 3600), "aRecords": addresses}
    record = _put_record(call.store, zone, A_RECORDS, call.target.name.lower(), values)
    return Answer(200 if existing else 201, public(record), {"ETag": record["etag"]})


@route("DELETE", A_RECORDS)
def delete_record(call: Call) -> Answer:
    """Delete an A record set, at once."""
    if call.record() is None:
        return Answer(204)
    call.store.delete(call.target.id)
    return Answer(200)


def write_a_record(store: Store, zone: Record, name: str, addresses: list[str], ttl: int) -> None:
    """Create or replace an A record set on behalf of a private endpoint."""
    values = {"ttl": ttl, "aRecords": [{"ipv4Address": address} for address in addresses]}
    _put_record(store, zone, A_RECORDS, name, values)


def _put_record(store: Store, zone: Record, type_: str, name: str, values: dict) -> Record:
    return store.put(
        {
            "id": f"{zone['id']}/{type_.rsplit('/', 1)[1]}/{name}",
            "name": name,
            "type": type_,
            "etag": str(uuid.uuid4()),
            "properties": {"fqdn": f"{name}.{zone['name']}.", "isAutoRegistered": False, **values},
        }
    )
