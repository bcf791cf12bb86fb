# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage accounts and their private endpoint connections."""

from __future__ import annotations

import copy
import typing
import uuid

from lab.arm import errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import ACCOUNTS, CONNECTIONS, SHARES
from lab.arm.metadata import FILE_SUFFIX
from lab.arm.operations import finisher
from lab.arm.store import Record, Store, earlier, public, timestamp

SUBNETS = "Microsoft.Network/virtualNetworks/subnets"
SKUS = {
    "FileStorage": ("Premium_LRS", "Premium_ZRS", "PremiumV2_LRS", "PremiumV2_ZRS"),
    "StorageV2": ("Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_RAGRS", "Premium_LRS"),
}
WRITABLE = (
    "supportsHttpsTrafficOnly",
    "minimumTlsVersion",
    "allowBlobPublicAccess",
    "allowSharedKeyAccess",
    "allowCrossTenantReplication",
    "publicNetworkAccess",
    "networkAcls",
    "largeFileSharesState",
    "defaultToOAuthAuthentication",
    "dnsEndpointType",
    "azureFilesIdentityBasedAuthentication",
    "routingPreference",
)
DELETED = "Microsoft.Storage/deletedAccounts"
# Days for which Azure can recover a deleted account. Source: Azure docs, storage-account-recover.
RECOVERY_DAYS = 14
# Names that belong to accounts outside this subscription.
TAKEN_ELSEWHERE = ("microsoft", "taken")


@route("POST", "Microsoft.Storage/checkNameAvailability", item=False)
def check_name(call: Call) -> Answer:
    """Whether a name is legal and free in the whole world."""
    name = str(call.body.get("name", ""))
    try:
        validation.account_name(name)
    except ArmError as error:
        return Answer(200, {"nameAvailable": False, "reason": error.code, "message": error.message})
    if _taken(call.store, name):
        message = f"The storage account named {name} is already taken."
        return Answer(200, {"nameAvailable": False, "reason": "AlreadyExists", "message": message})
    return Answer(200, {"nameAvailable": True})


def _taken(store: Store, name: str) -> bool:
    elsewhere = TAKEN_ELSEWHERE + tuple(store.facts.get("taken_names", ()))
    return name in elsewhere or any(account["name"] == name for account in store.all(ACCOUNTS))


@route("GET", "Microsoft.Storage/skus", item=False)
def list_skus(call: Call) -> Answer:
    """The SKUs of every region; ZRS only where there are zones."""
    value = [
        {
            "resourceType": "storageAccounts",
            "name": sku,
            "tier": _tier(sku),
            "kind": kind,
            "locations": [location],
            "capabilities": [],
            "restrictions": [],
        }
        for kind, skus in SKUS.items()
        for sku in skus
        for location, zones in validation.LOCATIONS.items()
        if zones or not sku.endswith("_ZRS")
    ]
    return Answer(200, {"value": value})


@route("GET", ACCOUNTS, item=False)
def list_accounts(call: Call) -> Answer:
    """The accounts of a group or the subscription."""
    accounts = call.store.in_scope(ACCOUNTS, call.target.subscription, call.target.group)
    return call.page(accounts, lambda account: shown(call.store, account))


@route("GET", ACCOUNTS)
def get_account(call: Call) -> Answer:
    """One account."""
    return Answer(200, shown(call.store, call.require()))


@route("PUT", ACCOUNTS)
def put_account(call: Call) -> Answer:
    """Create an account (202 and a Location to poll), or update one in place (200)."""
    validation.account_name(call.target.name)
    location = validation.location(call.body, ACCOUNTS)
    sku, kind = _sku_and_kind(call.body)
    wanted = _properties(call.store, call.body.get("properties") or {})
    existing = call.record()
    if existing:
        return _replace_account(call, existing, location, sku, kind, wanted)
    _refuse_taken_name(call)
    if sku.endswith("_ZRS") and not validation.LOCATIONS[location]:
        raise errors.invalid_values("sku")
    account = call.store.put(_new_account(call, location, sku, kind, wanted))
    _forget_deleted(call.store, account["name"])
    operation = call.start("account", account["id"])
    path = f"/subscriptions/{call.target.subscription}/providers/Microsoft.Storage/locations/{location}"
    headers = {
        "Location": call.url(f"{path}/asyncoperations/{operation}", monitor="true"),
        **call.cloud.profile.retry_headers(),
    }
    return Answer(202, None, headers)


def _refuse_taken_name(call: Call) -> None:
    name = call.target.name
    if any(account["name"] == name for account in call.store.all(ACCOUNTS)):
        raise ArmError(
            409,
            "StorageAccountAlreadyExists",
            f"The storage account named {name} already exists under the subscription.",
        )
    if _taken(call.store, name):
        raise ArmError(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")


def _replace_account(call: Call, account: Record, location: str, sku: str, kind: str, wanted: dict) -> Answer:
    require_idle(account)
    validation.same_location(account, location, call.target.group or "")
    changed = [name for name, value in (("sku", sku), ("kind", kind)) if account[name] != _as_shown(name, value)]
    if changed:
        raise errors.invalid_values(*changed)
    account["properties"].update(wanted)
    account["tags"] = validation.tags(call.body) or {}
    return Answer(200, shown(call.store, call.store.put(account)))


def _as_shown(name: str, value: str) -> object:
    return {"name": value, "tier": _tier(value)} if name == "sku" else value


def _tier(sku: str) -> str:
    """Standard or Premium, whatever the billing model."""
    return sku.partition("_")[0].removesuffix("V2")


def _new_account(call: Call, location: str, sku: str, kind: str, wanted: dict) -> Record:
    moment = timestamp()
    service = {"keyType": "Account", "enabled": True, "lastEnabledTime": moment}
    name = call.target.name
    services = ("file",) if kind == "FileStorage" else ("blob", "dfs", "file", "queue", "table", "web")
    endpoints = {service: f"https://{name}.{FILE_SUFFIX.replace('file', service, 1)}/" for service in services}
    defaults = {
        "keyCreationTime": {"key1": moment, "key2": moment},
        "networkAcls": _network_rules(call.store, {}),
        "supportsHttpsTrafficOnly": True,
        "minimumTlsVersion": "TLS1_0",
        "allowBlobPublicAccess": False,
        "allowCrossTenantReplication": False,
        "allowCrossTenantDelegationSas": False,
        "encryption": {"services": {"file": service, "blob": service}, "keySource": "Microsoft.Storage"},
        "largeFileSharesState": "Enabled",
        "provisioningState": "Creating",
        "creationTime": moment,
        "primaryEndpoints": endpoints,
        "primaryLocation": location,
        "statusOfPrimary": "available",
    }
    return {
        "sku": _as_shown("sku", sku),
        "kind": kind,
        "id": call.target.id,
        "name": name,
        "type": ACCOUNTS,
        "location": location,
        "tags": validation.tags(call.body) or {},
        "properties": {**defaults, **wanted},
        "lab": {"public_address": _free_public_address(call.store), "deleted_shares": []},
    }


def _free_public_address(store: Store) -> str:
    used = {account["lab"]["public_address"] for account in store.all(ACCOUNTS)}
    free = (f"203.0.113.{number}" for number in range(1, 255))
    try:
        return next(address for address in free if address not in used)
    except StopIteration:
        raise ArmError(
            409,
            "MaxStorageAccountsCountPerSubscriptionExceeded",
            "The subscription already contains 254 storage accounts in this location and the maximum number of "
            "allowed storage accounts is 254.",
        ) from None


@finisher("account")
def finish_account(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The account is ready."""
    account = cloud.store.get(resource_id)
    if account:
        account["properties"]["provisioningState"] = "Succeeded"


@route("PATCH", ACCOUNTS)
def patch_account(call: Call) -> Answer:
    """Update properties and tags; what is not sent stays."""
    account = call.require()
    require_idle(account)
    body = call.body
    sku = (body.get("sku") or {}).get("name")
    if sku and sku != account["sku"]["name"]:
        raise errors.invalid_values("sku")
    if body.get("kind") and body["kind"] != account["kind"]:
        raise errors.invalid_values("kind")
    if body.get("location") and str(body["location"]).replace(" ", "").lower() != account["location"]:
        validation.same_location(account, str(body["location"]), call.target.group or "")
    account["properties"].update(_properties(call.store, body.get("properties") or {}))
    tags = validation.tags(body)
    if tags is not None:
        account["tags"] = tags
    return Answer(200, shown(call.store, call.store.put(account)))


@route("DELETE", ACCOUNTS)
def delete_account(call: Call) -> Answer:
    """Delete at once: 200, or 204 if there is nothing to delete."""
    account = call.record()
    if account is None:
        return Answer(204)
    require_idle(account)
    purge_account(call.cloud, account)
    call.store.delete(account["id"])
    return Answer(200)


def purge_account(cloud: Cloud, account: Record) -> None:
    """The data of all its shares goes with an account, deleted shares included; that it was there is remembered."""
    cloud.store.put(_deleted(account))
    names = {share["name"] for share in cloud.store.children(account["id"], SHARES)}
    names.update(share["name"] for share in account["lab"]["deleted_shares"])
    for name in sorted(names):
        cloud.purge_later(account["name"], name)


def _deleted(account: Record) -> Record:
    """A deleted account, as the specification shows one."""
    subscription, deleted = account["id"].split("/")[2], timestamp()
    place = f"/subscriptions/{subscription}/providers/Microsoft.Storage/locations/{account['location']}"
    created = account["properties"]["creationTime"]
    return {
        "id": f"{place}/deletedAccounts/{account['name']}",
        "name": account["name"],
        "type": DELETED,
        "properties": {
            "storageAccountResourceId": account["id"],
            "location": account["location"],
            "restoreReference": f"{account['name']}|{created}",
            "creationTime": created,
            "deletionTime": deleted,
        },
    }


def _forget_deleted(store: Store, name: str) -> None:
    """A deleted account whose name another one took cannot be recovered any more."""
    for record in store.all(DELETED):
        if record["name"] == name:
            store.delete(record["id"])


def let_pass(store: Store, hours: float) -> None:
    """Deleted accounts come nearer to their end, or reach it."""
    for record in store.all(DELETED):
        about = record["properties"]
        about["deletionTime"] = earlier(about["deletionTime"], hours)
        if about["deletionTime"] < earlier(timestamp(), RECOVERY_DAYS * 24):
            store.delete(record["id"])


@route("GET", DELETED, item=False)
def list_deleted_accounts(call: Call) -> Answer:
    """The deleted accounts of the subscription that can still be recovered."""
    return call.page(call.store.in_scope(DELETED, call.target.subscription, None), public)


def require_idle(account: Record) -> None:
    """No second operation on an account that is being created."""
    if account["properties"]["provisioningState"] != "Succeeded":
        raise errors.account_busy()


def require_provisioned(account: Record) -> None:
    """Nothing inside an account before it is there."""
    if account["properties"]["provisioningState"] != "Succeeded":
        raise ArmError(
            409,
            "StorageAccountIsNotProvisioned",
            "The storage account provisioning state must be 'Succeeded' before executing the operation.",
        )


def _sku_and_kind(body: dict) -> tuple[str, str]:
    sku, kind = (body.get("sku") or {}).get("name"), body.get("kind")
    wrong = []
    if not kind or kind not in SKUS:
        wrong.append("kind")
    if not sku or sku not in SKUS.get(kind, sum(SKUS.values(), ())):
        wrong.append("sku")
    if wrong:
        raise errors.invalid_values(*wrong)
    return sku, kind


def _properties(store: Store, given: dict) -> dict:
    """The writable properties of a body, checked and completed."""
    wanted = {name: copy.deepcopy(given[name]) for name in WRITABLE if given.get(name) is not None}
    for name in ("supportsHttpsTrafficOnly", "allowBlobPublicAccess", "allowSharedKeyAccess"):
        validation.boolean(wanted.get(name), name)
    validation.choice(
        wanted.get("publicNetworkAccess"), ("Enabled", "Disabled", "SecuredByPerimeter"), "publicNetworkAccess"
    )
    validation.choice(wanted.get("minimumTlsVersion"), ("TLS1_0", "TLS1_1", "TLS1_2", "TLS1_3"), "minimumTlsVersion")
    if "networkAcls" in wanted:
        wanted["networkAcls"] = _network_rules(store, wanted["networkAcls"])
    return wanted


def _network_rules(store: Store, given: dict) -> dict:
    validation.choice(given.get("defaultAction"), ("Allow", "Deny"), "networkAcls.defaultAction")
    rules = [
        {"id": _ready_subnet(store, rule), "action": "Allow", "state": "Succeeded"}
        for rule in given.get("virtualNetworkRules") or []
    ]
    return {
        "ipv6Rules": given.get("ipv6Rules") or [],
        "bypass": given.get("bypass", "AzureServices"),
        "virtualNetworkRules": rules,
        "ipRules": given.get("ipRules") or [],
        "defaultAction": given.get("defaultAction", "Allow"),
        **({"resourceAccessRules": given["resourceAccessRules"]} if given.get("resourceAccessRules") else {}),
    }


def _ready_subnet(store: Store, rule: dict) -> str:
    """The id of a subnet that may be named in a rule; Azure keeps the spelling of the request."""
    subnet_id = str(rule.get("id"))
    target = ids.parse(subnet_id)
    if target is None or target.type != SUBNETS or not target.is_item:
        raise _rule_refused(f"InvalidResourceId:Subnet id {subnet_id} is not valid.")
    subnet = store.get(subnet_id)
    if subnet is None:
        raise _rule_refused(f"SubnetsNotFound:Subnets {target.name} of virtual network {target.root.id} are not found.")
    if subnet["properties"]["provisioningState"] != "Succeeded":
        raise _rule_refused(
            f"SubnetsNotProvisioned:Cannot proceed with operation because subnets {target.name} of the virtual network "
            f"{target.root.id} are not provisioned. They are in {subnet['properties']['provisioningState']} state."
        )
    services = [entry["service"] for entry in subnet["properties"].get("serviceEndpoints", [])]
    if not {"Microsoft.Storage", "Microsoft.Storage.Global"}.intersection(services):
        raise _rule_refused(
            f"SubnetsHaveNoServiceEndpointsConfigured:Subnets {target.name} of virtual network {target.root.id} do not "
            "have ServiceEndpoints for Microsoft.Storage resources configured. Add Microsoft.Storage to subnet's "
            "ServiceEndpoints collection before trying to ACL Microsoft.Storage resources to these subnets.."
        )
    return subnet_id


def _rule_refused(reason: str) -> ArmError:
    return ArmError(400, "NetworkAclsValidationFailure", f"Validation of network acls failure: {reason}")


def shown(store: Store, account: Record) -> dict:
    """An account as Azure shows it, with its connections."""
    view = public(account)
    view["properties"]["privateEndpointConnections"] = [
        public(connection) for connection in store.children(account["id"], CONNECTIONS)
    ]
    return view


@route("GET", "Microsoft.Storage/storageAccounts/privateLinkResources", item=False)
def list_private_link_resources(call: Call) -> Answer:
    """What a private endpoint can be made for: the file service."""
    view = {
        "id": f"{call.target.root.id}/privateLinkResources/file",
        "name": "file",
        "type": "Microsoft.Storage/storageAccounts/privateLinkResources",
        "properties": {
            "groupId": "file",
            "requiredMembers": ["file"],
            "requiredZoneNames": [f"privatelink.{FILE_SUFFIX}"],
        },
    }
    return Answer(200, {"value": [view]})


@route("GET", CONNECTIONS, item=False)
def list_connections(call: Call) -> Answer:
    """The private endpoint connections of an account."""
    return Answer(200, {"value": [public(entry) for entry in call.store.children(call.target.root.id, CONNECTIONS)]})


@route("GET", CONNECTIONS)
def get_connection(call: Call) -> Answer:
    """One private endpoint connection."""
    return Answer(200, public(_connection(call)))


@route("PUT", CONNECTIONS)
def put_connection(call: Call) -> Answer:
    """Approve or reject a connection."""
    connection = _connection(call)
    state = (call.body.get("properties") or {}).get("privateLinkServiceConnectionState") or {}
    validation.choice(
        state.get("status"), ("Approved", "Rejected", "Pending"), "privateLinkServiceConnectionState.status"
    )
    connection["properties"]["privateLinkServiceConnectionState"].update(
        {key: state[key] for key in ("status", "description") if key in state}
    )
    return Answer(200, public(call.store.put(connection)))


@route("DELETE", CONNECTIONS)
def delete_connection(call: Call) -> Answer:
    """Remove a connection; its endpoint is left Disconnected."""
    if call.record() is None:
        return Answer(204)
    call.store.delete(call.target.id)
    return Answer(200)


def _connection(call: Call) -> Record:
    connection = call.record()
    if connection is None:
        raise ArmError(
            404,
            "PrivateEndpointConnectionNotFound",
            f"The private endpoint connection '{call.target.name}' is not found.",
        )
    return connection


def connect_endpoint(store: Store, account: Record, endpoint: Record, automatic: bool) -> Record:
    """Add the connection of a private endpoint to an account, approved at once or waiting for its owner."""
    name = f"{account['name']}.{uuid.uuid4()}"
    state: dict[str, typing.Any] = {"status": "Approved", "description": "Auto-Approved", "actionRequired": "None"}
    if not automatic:
        message = endpoint["lab"]["connection"]["requestMessage"]
        state = {"status": "Pending", "description": message, "actionRequired": "None"}
    return store.put(
        {
            "id": f"{account['id']}/privateEndpointConnections/{name}",
            "name": name,
            "type": CONNECTIONS,
            "properties": {
                "provisioningState": "Succeeded",
                "privateEndpoint": {"id": endpoint["id"]},
                "privateLinkServiceConnectionState": state,
            },
        }
    )
