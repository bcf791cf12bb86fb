# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network security groups and their rules."""

from __future__ import annotations

import pytest

GROUP = "rg-Test"
RULE = {
    "protocol": "Tcp",
    "sourcePortRange": "*",
    "destinationPortRange": "2049",
    "sourceAddressPrefix": "VirtualNetwork",
    "destinationAddressPrefix": "VirtualNetwork",
    "access": "Allow",
    "priority": 100,
    "direction": "Inbound",
}


@pytest.fixture
def guard(azure):
    """A security group with one rule; returns its id."""
    rules = [{"name": "own", "properties": RULE}]
    body = {"location": "westus2", "properties": {"securityRules": rules}}
    return azure.network.network_security_groups.begin_create_or_update(GROUP, "guard", body).result().id


def put_rule(azure, guard, name, **changes):
    return azure.wire.put(f"{guard}/securityRules/{name}", json={"properties": {**RULE, **changes}})


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def test_group_shows_its_rules_and_users(azure, guard):
    azure.vnet()
    azure.subnet("hosts", "10.9.1.0/24", networkSecurityGroup={"id": guard.upper().replace("/SUB", "/sub")})
    view = azure.wire.get(guard).json()["properties"]
    assert view["provisioningState"] == "Succeeded"
    assert [rule["name"] for rule in view["securityRules"]] == ["own"]
    assert {rule["properties"]["priority"] for rule in view["defaultSecurityRules"]} == {65000, 65001, 65500}
    assert view["subnets"] == [{"id": azure.subnet_id("hosts")}]
    assert [group.name for group in azure.network.network_security_groups.list(GROUP)] == ["guard"]
    assert code_of(azure.wire.delete(guard)) == (400, "InUseNetworkSecurityGroupCannotBeDeleted")


def test_rule_is_put_read_and_deleted_by_the_sdk(azure, guard):
    rules = azure.network.security_rules
    made = rules.begin_create_or_update(GROUP, "guard", "more", {"properties": {**RULE, "priority": 101}}).result()
    assert (made.name, made.priority) == ("more", 101)
    assert [rule.name for rule in rules.list(GROUP, "guard")] == ["more", "own"]
    rules.begin_delete(GROUP, "guard", "more").result()
    assert azure.wire.get(f"{guard}/securityRules/more").status_code == 404
    azure.network.network_security_groups.begin_delete(GROUP, "guard").result()
    assert azure.wire.get(guard).status_code == 404


def test_rules_that_azure_refuses(azure, guard):
    assert code_of(put_rule(azure, guard, "more")) == (400, "SecurityRuleConflict")
    assert code_of(put_rule(azure, guard, "more", priority=99)) == (400, "SecurityRuleInvalidPriority")
    assert code_of(put_rule(azure, guard, "more", access="Maybe"))[0] == 400
    assert code_of(put_rule(azure, f"{guard}x", "more", priority=101)) == (404, "ParentResourceNotFound")
    assert put_rule(azure, guard, "more", direction="Outbound").status_code == 201
    assert put_rule(azure, guard, "own", priority=200).status_code == 200
