# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network security groups and their rules, as far as the Resource Manager keeps them; no packet meets them here."""

from __future__ import annotations

import copy

from lab.arm import errors, ids, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.network import SUBNETS, polling
from lab.arm.operations import finisher
from lab.arm.store import Record, Store, new_etag, public

GROUPS = "Microsoft.Network/networkSecurityGroups"
RULES = "Microsoft.Network/networkSecurityGroups/securityRules"
PRIORITIES = range(100, 4097)
# Name, direction, priority, access, source and destination of what every group begins with.
DEFAULTS = (
    ("AllowVnetInBound", "Inbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", "Inbound", 65001, "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", "Inbound", 65500, "Deny", "*", "*"),
    ("AllowVnetOutBound", "Outbound", 65000, "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", "Outbound", 65001, "Allow", "*", "Internet"),
    ("DenyAllOutBound", "Outbound", 65500, "Deny", "*", "*"),
)
CHOICES = {
    "access": ("Allow", "Deny"),
    "direction": ("Inbound", "Outbound"),
    "protocol": ("Tcp", "Udp", "Icmp", "Esp", "Ah", "*"),
}


@route("GET", GROUPS, item=False)
def list_groups(call: Call) -> Answer:
    """The security groups of a resource group or the subscription."""
    groups = call.store.in_scope(GROUPS, call.target.subscription, call.target.group)
    return call.page(groups, lambda group: shown(call.store, group))


@route("GET", GROUPS)
def get_group(call: Call) -> Answer:
    """One security group with its rules."""
    group = call.require()
    return Answer(200, shown(call.store, group), {"ETag": group["etag"]})


@route("PUT", GROUPS)
def put_group(call: Call) -> Answer:
    """Create a security group, or replace it: rules that are not listed are gone afterwards."""
    validation.network_name(call.target.name, call.target.id)
    location = validation.location(call.body, GROUPS)
    existing = call.record()
    if existing:
        validation.same_location(existing, location, call.target.group or "")
    group_id = call.id
    rules: list[Record] = []
    for entry in (call.body.get("properties") or {}).get("securityRules") or []:
        rules.append(_rule(group_id, entry["name"], entry.get("properties") or {}, rules))
    for rule in call.store.children(group_id, RULES):
        call.store.delete(rule["id"])
    group = call.store.put(
        {
            **(existing or {}),
            "id": group_id,
            "name": existing["name"] if existing else call.target.name,
            "type": GROUPS,
            "location": location,
            "tags": validation.tags(call.body) or {},
            "etag": new_etag(),
            "properties": {"provisioningState": "Updating"},
        }
    )
    for rule in rules:
        call.store.put(rule)
    operation = call.start("security", group_id)
    return Answer(200 if existing else 201, shown(call.store, group), polling(call, operation, location))


@route("DELETE", GROUPS)
def delete_group(call: Call) -> Answer:
    """Delete a security group that no subnet uses; a long-running operation."""
    group = call.record()
    if group is None:
        return Answer(204)
    used = _subnets(call.store, group)
    if used:
        raise ArmError(
            400,
            "InUseNetworkSecurityGroupCannotBeDeleted",
            f"Network security group {group['id']} cannot be deleted because it is in use by the following resources: "
            f"{used[0]}.",
        )
    operation = call.start("network_delete", group["id"])
    return Answer(202, None, polling(call, operation, group["location"], delete=True))


@route("GET", RULES, item=False)
def list_rules(call: Call) -> Answer:
    """The rules of a security group."""
    return call.page(call.store.children(call.target.root.id, RULES), public)


@route("GET", RULES)
def get_rule(call: Call) -> Answer:
    """One rule."""
    rule = call.record()
    if rule is None:
        raise errors.network_child_not_found(call.target)
    return Answer(200, public(rule), {"ETag": rule["etag"]})


@route("PUT", RULES)
def put_rule(call: Call) -> Answer:
    """Create or replace one rule; a long-running operation."""
    group = call.store.get(call.target.root.id)
    if group is None:
        raise errors.parent_not_found(call.target)
    existing = call.record()
    name = existing["name"] if existing else call.target.name
    others = [rule for rule in call.store.children(group["id"], RULES) if rule is not existing]
    rule = call.store.put(_rule(group["id"], name, call.body.get("properties") or {}, others))
    operation = call.start("security", rule["id"])
    return Answer(200 if existing else 201, public(rule), polling(call, operation, group["location"]))


@finisher("security")
def finish_security(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The group or rule is in force."""
    for record in cloud.store.tree(resource_id):
        record["properties"]["provisioningState"] = "Succeeded"
        record["etag"] = new_etag()


@route("DELETE", RULES)
def delete_rule(call: Call) -> Answer:
    """Delete one rule; a long-running operation."""
    rule = call.record()
    if rule is None:
        return Answer(204)
    group = call.store.get(call.target.root.id)
    operation = call.start("network_delete", rule["id"])
    return Answer(202, None, polling(call, operation, group["location"] if group else "lab", delete=True))


def _rule(group_id: str, name: str, given: dict, others: list[Record]) -> Record:
    """A rule that may stand beside others: no two of a direction have one priority."""
    rule_id = f"{group_id}/securityRules/{name}"
    validation.network_name(name, rule_id)
    for key, allowed in CHOICES.items():
        if key not in given:
            raise errors.invalid_content(f"Required property '{key}' not found in JSON")
        validation.choice(given[key], allowed, key)
    if given.get("priority") not in PRIORITIES:
        raise ArmError(
            400,
            "SecurityRuleInvalidPriority",
            f"Security rule has invalid Priority. Value provided: {given.get('priority')} Allowed range 100-4096.",
        )
    for other in others:
        taken = other["properties"]
        if (taken["priority"], taken["direction"]) == (given["priority"], given["direction"]):
            raise ArmError(
                400,
                "SecurityRuleConflict",
                f"Security rule {name} conflicts with rule {other['name']}. Rules cannot have the same Priority and "
                "Direction. To learn more, see aka.ms/nsgrules.",
            )
    lists = {"sourcePortRanges": [], "destinationPortRanges": [], "sourceAddressPrefixes": []}
    properties = {**lists, "destinationAddressPrefixes": [], **copy.deepcopy(given), "provisioningState": "Updating"}
    return {"id": rule_id, "name": name, "type": RULES, "etag": new_etag(), "properties": properties}


def _default(
    group: Record, name: str, direction: str, priority: int, access: str, source: str, destination: str
) -> dict:
    properties = {
        "provisioningState": "Succeeded",
        "protocol": "*",
        "sourcePortRange": "*",
        "destinationPortRange": "*",
        "sourceAddressPrefix": source,
        "destinationAddressPrefix": destination,
        "access": access,
        "priority": priority,
        "direction": direction,
    }
    return {"name": name, "id": f"{group['id']}/defaultSecurityRules/{name}", "properties": properties}


def _subnets(store: Store, group: Record) -> list[str]:
    return [
        subnet["id"]
        for subnet in store.all(SUBNETS)
        if ids.same((subnet["properties"].get("networkSecurityGroup") or {}).get("id", ""), group["id"])
    ]


def shown(store: Store, group: Record) -> dict:
    """A security group as Azure shows it, with its rules and what uses it."""
    view = public(group)
    view["properties"]["securityRules"] = [public(rule) for rule in store.children(group["id"], RULES)]
    view["properties"]["defaultSecurityRules"] = [_default(group, *entry) for entry in DEFAULTS]
    used = _subnets(store, group)
    if used:
        view["properties"]["subnets"] = [{"id": subnet} for subnet in used]
    return view
