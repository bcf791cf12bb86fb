# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private endpoints and their private DNS zone groups."""

from __future__ import annotations

import typing
import uuid

from lab.arm import dns, errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import ACCOUNTS, CONNECTIONS, ENDPOINTS, ZONES
from lab.arm.metadata import FILE_SUFFIX, FILE_ZONE
from lab.arm.network import SUBNETS, add_interface, polling
from lab.arm.operations import finisher
from lab.arm.storage import connect_endpoint
from lab.arm.store import Record, Store, new_etag, public

GROUPS = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
RECORD_TTL = 10
MESSAGE_LENGTH = 140


@route("GET", ENDPOINTS, item=False)
def list_endpoints(call: Call) -> Answer:
    """The endpoints of a group or the subscription."""
    return call.page(
        call.store.in_scope(ENDPOINTS, call.target.subscription, call.target.group),
        lambda endpoint: shown(call.store, endpoint),
    )


@route("GET", ENDPOINTS)
def get_endpoint(call: Call) -> Answer:
    """One endpoint."""
    endpoint = call.require()
    return Answer(200, shown(call.store, endpoint), {"ETag": endpoint["etag"]})


@route("PUT", ENDPOINTS)
def put_endpoint(call: Call) -> Answer:
    """Create an endpoint, or finish one whose creation failed; a long-running operation."""
    validation.network_name(call.target.name, call.target.id)
    location = validation.location(call.body, ENDPOINTS)
    given = call.body.get("properties") or {}
    subnet = _subnet(call, given, location)
    connection, automatic = _wanted_connection(given)
    existing = call.record()
    if existing:
        validation.same_location(existing, location, call.target.group or "")
        _refuse_change(existing, subnet, connection)
    endpoint = {
        **(existing or {"lab": {}}),
        "id": call.id,
        "name": existing["name"] if existing else call.target.name,
        "type": ENDPOINTS,
        "location": location,
        "tags": validation.tags(call.body),
        "etag": new_etag(),
        "properties": {
            "provisioningState": "Updating",
            "resourceGuid": existing["properties"]["resourceGuid"] if existing else str(uuid.uuid4()),
            "subnet": {"id": subnet["id"]},
            "customNetworkInterfaceName": given.get("customNetworkInterfaceName") or "",
            "ipConfigurations": given.get("ipConfigurations") or [],
        },
    }
    endpoint["lab"].update(connection=connection, automatic=automatic)
    if not existing:
        endpoint["lab"]["interface"] = _add_interface(call.store, endpoint, subnet)
        endpoint["lab"]["addresses"] = _addresses(call.store, endpoint)
    call.store.put(endpoint)
    args = {"busy": _account_is_busy(call.store, connection["privateLinkServiceId"])}
    operation = call.start("endpoint", endpoint["id"], args)
    headers = polling(call, operation, location, notify=True)
    return Answer(200 if existing else 201, shown(call.store, endpoint), headers)


def _subnet(call: Call, given: dict, location: str) -> Record:
    subnet_id = (given.get("subnet") or {}).get("id", "")
    subnet = call.store.get(subnet_id)
    vnet = call.store.get(subnet_id.rsplit("/subnets/", 1)[0])
    if subnet is None or subnet["type"] != SUBNETS or vnet is None or vnet["location"] != location:
        raise errors.invalid_reference(subnet_id, call.target.id)
    # An endpoint belongs to the subscription of its network (Azure docs: private-endpoint-overview).
    if str(call.target.subscription).lower() not in subnet_id.lower():
        raise errors.invalid_reference(subnet_id, call.target.id)
    return subnet


def _wanted_connection(given: dict) -> tuple[dict, bool]:
    """The one connection of a body, and whether it asks for approval at once."""
    automatic, manual = given.get("privateLinkServiceConnections"), given.get("manualPrivateLinkServiceConnections")
    listed = (automatic or []) + (manual or [])
    if len(listed) != 1:
        raise ArmError(
            400,
            "PrivateEndpointMustHaveOneConnection",
            "A private endpoint must have exactly one private link service connection.",
        )
    entry = listed[0]
    properties = entry.get("properties") or {}
    if not properties.get("privateLinkServiceId"):
        raise errors.invalid_content("Required property 'privateLinkServiceId' not found in JSON")
    if len(properties.get("requestMessage") or "") > MESSAGE_LENGTH:
        raise errors.invalid_content(f"requestMessage is longer than {MESSAGE_LENGTH} characters")
    return {
        "name": entry.get("name", "connection"),
        "privateLinkServiceId": properties["privateLinkServiceId"],
        "groupIds": properties.get("groupIds") or [],
        "requestMessage": properties.get("requestMessage", ""),
    }, bool(automatic)


def _refuse_change(endpoint: Record, subnet: Record, connection: dict) -> None:
    before = endpoint["lab"]["connection"]
    if not ids.same(endpoint["properties"]["subnet"]["id"], subnet["id"]):
        raise ArmError(
            400,
            "PrivateEndpointSubnetCannotBeChanged",
            f"The subnet of private endpoint {endpoint['id']} cannot be changed.",
        )
    if not ids.same(before["privateLinkServiceId"], connection["privateLinkServiceId"]):
        raise ArmError(
            400,
            "CannotChangePrivateLinkConnectionOnPrivateEndpoint",
            f"Cannot change private link service connection on private endpoint {endpoint['id']}.",
        )


def _account_is_busy(store: Store, account_id: str) -> bool:
    account = store.get(account_id)
    return bool(account and account["properties"]["provisioningState"] != "Succeeded")


def _add_interface(store: Store, endpoint: Record, subnet: Record) -> str:
    name = endpoint["properties"]["customNetworkInterfaceName"] or f"{endpoint['name']}.nic.{uuid.uuid4()}"
    interface_id = f"{endpoint['id'].rsplit('/providers/', 1)[0]}/providers/Microsoft.Network/networkInterfaces/{name}"
    static = [
        entry.get("properties", {}).get("privateIPAddress") for entry in endpoint["properties"]["ipConfigurations"]
    ]
    configuration = (f"privateEndpointIpConfig.{uuid.uuid4()}", subnet, static[0] if static else None)
    interface = add_interface(store, interface_id, endpoint["location"], [configuration])
    interface["properties"]["privateEndpoint"] = {"id": endpoint["id"]}
    return interface_id


def _addresses(store: Store, endpoint: Record) -> list[str]:
    interface = store.get(endpoint["lab"]["interface"])
    configurations = interface["properties"]["ipConfigurations"] if interface else []
    return [entry["properties"]["privateIPAddress"] for entry in configurations]


@finisher("endpoint")
def finish_endpoint(cloud: Cloud, resource_id: str, args: dict) -> None:
    """Connect the endpoint to the account, if the account was ready when it was asked for."""
    endpoint = cloud.store.get(resource_id)
    if endpoint is None:
        return
    wanted = endpoint["lab"]["connection"]
    account = cloud.store.get(wanted["privateLinkServiceId"])
    if account is None or account["type"] != ACCOUNTS:
        target = ids.parse(wanted["privateLinkServiceId"])
        raise _call_failed(
            "ResourceNotFound", f"The Resource '{target.type_and_name if target else ''}' was not found."
        )
    if args["busy"] or _account_is_busy(cloud.store, account["id"]):
        busy = errors.account_busy()
        raise _call_failed(busy.code, busy.message)
    if [group.lower() for group in wanted["groupIds"]] != ["file"]:
        raise _call_failed("InvalidGroupId", f"The group ids {wanted['groupIds']} are not supported: use file.")
    if _connection(cloud.store, endpoint) is None:
        connect_endpoint(cloud.store, account, endpoint, endpoint["lab"]["automatic"])
    endpoint["properties"]["provisioningState"] = "Succeeded"
    endpoint["etag"] = new_etag()


def _call_failed(code: str, message: str) -> ArmError:
    return ArmError(400, code, f"Call to Microsoft.Storage/storageAccounts failed. Error message: {message}")


def _connection(store: Store, endpoint: Record) -> Record | None:
    for connection in store.all(CONNECTIONS):
        if ids.same(connection["properties"]["privateEndpoint"]["id"], endpoint["id"]):
            return connection
    return None


@route("DELETE", ENDPOINTS)
def delete_endpoint(call: Call) -> Answer:
    """Delete an endpoint with its interface, connection and DNS records; a long-running operation."""
    endpoint = call.record()
    if endpoint is None:
        return Answer(204)
    endpoint["properties"]["provisioningState"] = "Deleting"
    operation = call.start("endpoint_delete", endpoint["id"])
    return Answer(202, None, polling(call, operation, endpoint["location"], delete=True))


@finisher("endpoint_delete")
def finish_endpoint_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The endpoint is gone, and with it all that it made."""
    endpoint = cloud.store.get(resource_id)
    if endpoint is None:
        return
    for group in cloud.store.children(endpoint["id"], GROUPS):
        _remove_records(cloud.store, group)
    connection = _connection(cloud.store, endpoint)
    for doomed in ([connection["id"]] if connection else []) + [endpoint["lab"]["interface"], endpoint["id"]]:
        cloud.store.delete(doomed)


def shown(store: Store, endpoint: Record) -> dict:
    """An endpoint as Azure shows it."""
    view = public(endpoint)
    wanted = endpoint["lab"]["connection"]
    connection = _connection(store, endpoint)
    if connection:
        found = connection["properties"]["privateLinkServiceConnectionState"]
        state = {"status": found["status"], "description": found["description"], "actionsRequired": "None"}
    elif endpoint["properties"]["provisioningState"] == "Succeeded":
        state = {"status": "Disconnected", "description": "Connection has been removed", "actionsRequired": "None"}
    else:
        asked = "Approved" if endpoint["lab"]["automatic"] else "Pending"
        state = {"status": asked, "description": "", "actionsRequired": "None"}
    listed = [
        {
            "name": wanted["name"],
            "id": f"{endpoint['id']}/privateLinkServiceConnections/{wanted['name']}",
            "etag": endpoint["etag"],
            "type": "Microsoft.Network/privateEndpoints/privateLinkServiceConnections",
            "properties": {
                "provisioningState": "Succeeded",
                # Without a message the word is not there either.
                **{key: value for key, value in wanted.items() if key != "name" and value != ""},
                "privateLinkServiceConnectionState": state,
            },
        }
    ]
    automatic = endpoint["lab"]["automatic"]
    view["properties"].update(
        privateLinkServiceConnections=listed if automatic else [],
        manualPrivateLinkServiceConnections=[] if automatic else listed,
        networkInterfaces=[{"id": endpoint["lab"]["interface"]}],
        customDnsConfigs=_custom_dns(store, endpoint, connection),
    )
    return view


def _custom_dns(store: Store, endpoint: Record, connection: Record | None) -> list[dict]:
    """The name to register by hand; empty as soon as a zone group does it."""
    if connection is None or store.children(endpoint["id"], GROUPS):
        return []
    return [{"fqdn": f"{_account_name(endpoint)}.{FILE_SUFFIX}", "ipAddresses": endpoint["lab"]["addresses"]}]


def _account_name(endpoint: Record) -> str:
    return endpoint["lab"]["connection"]["privateLinkServiceId"].rsplit("/", 1)[1].lower()


@route("GET", GROUPS, item=False)
def list_groups(call: Call) -> Answer:
    """The zone groups of an endpoint."""
    return call.page(call.store.children(call.target.root.id, GROUPS), public)


@route("GET", GROUPS)
def get_group(call: Call) -> Answer:
    """One zone group."""
    group = call.record()
    if group is None:
        raise errors.network_child_not_found(call.target)
    return Answer(200, public(group), {"ETag": group["etag"]})


@route("PUT", GROUPS)
def put_group(call: Call) -> Answer:
    """Register the endpoint in zones; a long-running operation."""
    endpoint = call.store.get(call.target.root.id)
    if endpoint is None:
        raise errors.parent_not_found(call.target)
    existing = call.record()
    others = [group for group in call.store.children(endpoint["id"], GROUPS) if group is not existing]
    if others:
        raise ArmError(
            400,
            "MoreThanOnePrivateDnsZoneGroupPerPrivateEndpointNotAllowed",
            f"Private endpoint {endpoint['id']} already has private DNS zone group {others[0]['id']}.",
        )
    group_id = call.id
    configs = [
        _config(call, group_id, entry)
        for entry in (call.body.get("properties") or {}).get("privateDnsZoneConfigs") or []
    ]
    _refuse_a_name_twice(group_id, [config["name"].lower() for config in configs])
    if existing:
        _remove_records(call.store, existing)
    group = call.store.put(
        {
            **(existing or {}),
            "id": group_id,
            "name": existing["name"] if existing else call.target.name,
            "type": GROUPS,
            "etag": new_etag(),
            "properties": {"provisioningState": "Updating", "privateDnsZoneConfigs": configs},
        }
    )
    operation = call.start("zone_group", group["id"])
    return Answer(200 if existing else 201, public(group), polling(call, operation, endpoint["location"]))


def _refuse_a_name_twice(group_id: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            detail = {
                "code": "DuplicateResourceName",
                "message": f"Resource {group_id} has two child resources with the same name ({name}).",
            }
            raise ArmError(400, "InvalidRequestFormat", "Cannot parse the request.", details=[detail])


def _config(call: Call, group_id: str, entry: dict) -> dict:
    zone_id = (entry.get("properties") or {}).get("privateDnsZoneId", "")
    zone = call.store.get(zone_id)
    if zone is None or zone["type"] != ZONES:
        raise errors.invalid_reference(zone_id, group_id)
    return {
        "name": entry.get("name", "default"),
        "id": f"{group_id}/privateDnsZoneConfigs/{entry.get('name', 'default')}",
        "etag": new_etag(),
        "type": f"{GROUPS}/privateDnsZoneConfigs",
        "properties": {"provisioningState": "Updating", "privateDnsZoneId": zone_id, "recordSets": []},
    }


@finisher("zone_group")
def finish_group(cloud: Cloud, resource_id: str, args: dict) -> None:
    """Write the A records; a zone with another name gets none, as in Azure."""
    group = cloud.store.get(resource_id)
    endpoint = cloud.store.get(resource_id.rsplit("/privateDnsZoneGroups/", 1)[0])
    if group is None or endpoint is None:
        return
    name, addresses = _account_name(endpoint), endpoint["lab"]["addresses"]
    for config in group["properties"]["privateDnsZoneConfigs"]:
        properties = config["properties"]
        properties["provisioningState"] = "Succeeded"
        zone = cloud.store.get(properties["privateDnsZoneId"])
        if zone is None or zone["name"].lower() != FILE_ZONE:
            continue
        dns.write_a_record(cloud.store, zone, name, addresses, RECORD_TTL)
        properties["recordSets"] = [
            {
                "recordType": "A",
                "recordSetName": name,
                "fqdn": f"{name}.{FILE_ZONE}",
                "ttl": RECORD_TTL,
                "provisioningState": "Succeeded",
                "ipAddresses": addresses,
            }
        ]
    group["properties"]["provisioningState"] = "Succeeded"
    group["etag"] = new_etag()


@route("DELETE", GROUPS)
def delete_group(call: Call) -> Answer:
    """Remove a zone group and its records; a long-running operation."""
    group = call.record()
    if group is None:
        return Answer(204)
    endpoint = typing.cast(Record, call.store.get(call.target.root.id))
    operation = call.start("zone_group_delete", group["id"])
    return Answer(202, None, polling(call, operation, endpoint["location"], delete=True))


@finisher("zone_group_delete")
def finish_group_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The zone group and its records are gone."""
    group = cloud.store.get(resource_id)
    endpoint = cloud.store.get(resource_id.rsplit("/privateDnsZoneGroups/", 1)[0])
    if group and endpoint:
        _remove_records(cloud.store, group)
    cloud.store.delete(resource_id)


def _remove_records(store: Store, group: Record) -> None:
    for config in group["properties"]["privateDnsZoneConfigs"]:
        for entry in config["properties"]["recordSets"]:
            store.delete(f"{config['properties']['privateDnsZoneId']}/A/{entry['recordSetName']}")
