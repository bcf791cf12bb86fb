# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Subscriptions, resource groups, tags at a scope, the generic list of resources, providers."""

from __future__ import annotations

import re
import typing

from lab.arm import errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import ACCOUNTS, ENDPOINTS
from lab.arm.operations import FINISHERS, finisher
from lab.arm.storage import purge_account
from lab.arm.store import PUBLIC, Record, public, timestamp

GROUPS = "Microsoft.Resources/resourceGroups"
# Types that the Resource Manager tracks itself, so that they appear in the generic list and carry tags.
TRACKED = {
    name.lower()
    for name in (
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/privateEndpoints",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        "Microsoft.Storage/storageAccounts",
    )
}


@route("GET", "Microsoft.Resources/subscriptions", item=False)
def list_subscriptions(call: Call) -> Answer:
    """The subscriptions that the principal sees."""
    return Answer(200, {"value": [_subscription(call.cloud, one) for one in call.cloud.subscriptions]})


@route("GET", "Microsoft.Resources/subscriptions")
def get_subscription(call: Call) -> Answer:
    """One subscription."""
    if call.target.name.lower() not in call.cloud.subscriptions:
        raise subscription_not_found(call.target.name)
    return Answer(200, _subscription(call.cloud, call.target.name.lower()))


def subscription_not_found(name: str | None) -> ArmError:
    """No such subscription, or none this principal may see."""
    return ArmError(404, "SubscriptionNotFound", f"The subscription '{name}' could not be found.")


def _subscription(cloud: Cloud, subscription_id: str) -> dict:
    return {
        "id": f"/subscriptions/{subscription_id}",
        "subscriptionId": subscription_id,
        "tenantId": cloud.identity.tenant,
        "displayName": "azlin lab",
        "state": "Enabled",
    }


@route("GET", "Microsoft.Resources/locations", item=False)
def list_locations(call: Call) -> Answer:
    """The regions of the lab."""
    start = f"/subscriptions/{call.target.subscription}/locations"
    return Answer(
        200,
        {
            "value": [
                {"id": f"{start}/{name}", "name": name, "displayName": name, "regionalDisplayName": name}
                for name in validation.LOCATIONS
            ]
        },
    )


@route("GET", "Microsoft.Resources/providers")
def get_provider(call: Call) -> Answer:
    """A resource provider; all are registered."""
    return Answer(200, _provider(call))


@route("POST", "Microsoft.Resources/providers/register", item=False)
def register_provider(call: Call) -> Answer:
    """Registration has nothing to do: all providers are registered."""
    return Answer(200, _provider(call))


def _provider(call: Call) -> dict:
    asked = call.target.names[0]
    name = ids.PROVIDERS.get(asked.lower())
    if name is None:
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{asked}' is invalid.")
    return {
        "id": f"/subscriptions/{call.target.subscription}/providers/{name}",
        "namespace": name,
        "registrationState": "Registered",
    }


@route("GET", GROUPS, item=False)
def list_groups(call: Call) -> Answer:
    """All resource groups."""
    return call.page(call.store.in_scope(GROUPS, call.target.subscription, None), public, call.top())


@route("GET", GROUPS)
def get_group(call: Call) -> Answer:
    """One resource group."""
    return Answer(200, public(_group(call)))


@route("HEAD", GROUPS)
def group_exists(call: Call) -> Answer:
    """204 if the group exists, 404 if not."""
    return Answer(204 if call.record() else 404)


@route("PUT", GROUPS)
def put_group(call: Call) -> Answer:
    """Create a group or replace its tags."""
    validation.group_name(call.target.name)
    location = validation.location(call.body, GROUPS)
    existing = call.record()
    if existing and existing["location"] != location:
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{existing['location']}'.",
        )
    record = call.store.put(
        {
            **(existing or {}),
            "id": call.id,
            "name": existing["name"] if existing else call.target.name,
            "type": GROUPS,
            "location": location,
            "tags": validation.tags(call.body),
            "properties": {"provisioningState": "Succeeded"},
        }
    )
    return Answer(200 if existing else 201, public(record))


@route("PATCH", GROUPS)
def patch_group(call: Call) -> Answer:
    """Replace the tags of a group."""
    record = _group(call)
    record["tags"] = validation.tags(call.body)
    return Answer(200, public(call.store.put(record)))


@route("DELETE", GROUPS)
def delete_group(call: Call) -> Answer:
    """Delete a group and all in it; a long-running operation."""
    record = _group(call)
    record["properties"]["provisioningState"] = "Deleting"
    operation = call.start("group_delete", record["id"])
    path = f"/subscriptions/{call.target.subscription}/operationresults/{operation}"
    return Answer(202, None, {"Location": call.url(path), **call.cloud.profile.retry_headers()})


@finisher("group_delete")
def finish_group_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """Everything in the group goes, with the data of its shares."""
    scope = typing.cast(ids.Target, ids.parse(resource_id))
    for endpoint in cloud.store.in_scope(ENDPOINTS, scope.subscription, scope.name):
        FINISHERS["endpoint_delete"](cloud, endpoint["id"], {})
    for account in cloud.store.in_scope(ACCOUNTS, scope.subscription, scope.name):
        purge_account(cloud, account)
    cloud.store.delete(resource_id)


def _group(call: Call) -> Record:
    record = call.record()
    if record is None:
        raise errors.resource_group_not_found(call.target.name)
    return record


@route("GET", "Microsoft.Resources/resources", item=False)
def list_resources(call: Call) -> Answer:
    """The generic list, by $filter, of a subscription or a group."""
    wanted = _conditions(call.query.get("$filter", ""))
    expand = {part.strip() for part in call.query.get("$expand", "").split(",") if part.strip()}
    found = []
    scope = f"/subscriptions/{call.target.subscription}/"
    scope += f"resourceGroups/{call.target.group}/" if call.target.group else ""
    for record in sorted(call.store.all(), key=lambda record: record["id"].lower()):
        if record["type"].lower() not in TRACKED or not record["id"].lower().startswith(scope.lower()):
            continue
        if all(condition(record) for condition in wanted):
            found.append(record)
    return call.page(found, lambda record: _listed(record, expand), call.top())


def _listed(record: Record, expand: set[str]) -> dict:
    shown = {key: record[key] for key in PUBLIC if key not in ("properties", "etag") and record.get(key) is not None}
    if "createdTime" in expand:
        shown["createdTime"] = record["created"]
    if "changedTime" in expand:
        shown["changedTime"] = record["changed"]
    if "provisioningState" in expand:
        shown["provisioningState"] = record["properties"].get("provisioningState", "Succeeded")
    return shown


Condition = typing.Callable[[Record], bool]
TEXT = r"'((?:[^']|'')*)'"


def _conditions(text: str) -> list[Condition]:
    """Read a $filter: terms joined by ``and``; a filter by tag stands alone, as in Azure."""
    if not text.strip():
        return []
    tag = re.fullmatch(rf"\s*tagName\s+eq\s+{TEXT}(?:\s+and\s+tagValue\s+eq\s+{TEXT})?\s*", text, re.IGNORECASE)
    if tag:
        return [_tag_condition(_unquote(tag.group(1)), tag.group(2) and _unquote(tag.group(2)))]
    start = re.fullmatch(rf"\s*startswith\(\s*tagName\s*,\s*{TEXT}\s*\)\s*", text, re.IGNORECASE)
    if start:
        return [_tag_prefix(_unquote(start.group(1)))]
    return [_condition(term) for term in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE)]


def _condition(term: str) -> Condition:
    found = re.fullmatch(rf"(resourceType|name|location|resourceGroup)\s+(eq|ne)\s+{TEXT}", term, re.IGNORECASE)
    if found:
        return _field_condition(found.group(1).lower(), found.group(2).lower() == "eq", _unquote(found.group(3)))
    part = re.fullmatch(rf"substringof\(\s*{TEXT}\s*,\s*(name|resourceGroup)\s*\)", term, re.IGNORECASE)
    if part:
        text, field = _unquote(part.group(1)).lower(), part.group(2).lower()
        return lambda record: text in _field(record, field)
    raise ArmError(
        400,
        "InvalidFilterInQueryString",
        f"Invalid $filter '{term}' specified in the query string. Filters by tag cannot be combined with others.",
    )


def _field(record: Record, field: str) -> str:
    if field == "resourcegroup":
        return ids.group_of(record["id"]).lower()
    return record["type" if field == "resourcetype" else field].lower()


def _field_condition(field: str, equal: bool, text: str) -> Condition:
    return lambda record: (_field(record, field) == text.lower()) == equal


def _tag_condition(name: str, value: str | None) -> Condition:
    def holds(record: Record) -> bool:
        for tag, text in (record.get("tags") or {}).items():
            if tag.lower() == name.lower() and value in (None, text):
                return True
        return False

    return holds


def _tag_prefix(start: str) -> Condition:
    return lambda record: any(tag.lower().startswith(start.lower()) for tag in record.get("tags") or {})


def _unquote(text: str) -> str:
    return text.replace("''", "'")


def tags_at_scope(call: Call) -> Answer:
    """The tags API: GET, PUT (replace), PATCH (Merge, Replace, Delete), DELETE on any tracked resource."""
    record = call.record()
    if record is None:
        if call.target.type == GROUPS:
            raise errors.resource_group_not_found(call.target.name)
        raise errors.resource_not_found(call.target)
    if call.method != "GET":
        record["tags"] = _changed_tags(call, record.get("tags") or {})
        record["changed"] = timestamp()
    if call.method == "DELETE":
        return Answer(200)
    return Answer(
        200,
        {
            "id": f"{record['id']}/providers/Microsoft.Resources/tags/default",
            "name": "default",
            "type": "Microsoft.Resources/tags",
            "properties": {"tags": record.get("tags") or {}},
        },
    )


def _changed_tags(call: Call, present: dict[str, str]) -> dict[str, str]:
    given = validation.tags(call.body.get("properties") or {}) or {}
    operation = {"PUT": "replace", "DELETE": "clear"}.get(call.method) or str(call.body.get("operation", "")).lower()
    if operation == "clear":
        return {}
    if operation == "replace":
        result = given
    elif operation == "merge":
        names = {name.lower() for name in given}
        result = {**{name: text for name, text in present.items() if name.lower() not in names}, **given}
    elif operation == "delete":
        doomed = {name.lower(): text for name, text in given.items()}
        result = {name: text for name, text in present.items() if doomed.get(name.lower()) not in ("", text)}
    else:
        raise ArmError(
            400,
            "InvalidTagsPatchOperation",
            f"The tags patch operation '{call.body.get('operation')}' is not one of Merge, Replace, Delete.",
        )
    return validation.tags({"tags": result}) or {}
