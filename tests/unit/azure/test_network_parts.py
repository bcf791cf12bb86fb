# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the network: suffixes of clouds, approval, security groups, zones of others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    approval,
    auth,
    delete,
    desired,
    security,
    zones,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import plan, with_service_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from tests.unit.azure import builders as make

SUFFIXES = {
    "AzureCloud": "core.windows.net",
    "AzureUSGovernment": "core.usgovcloudapi.net",
    "AzureChinaCloud": "core.chinacloudapi.cn",
}


@pytest.mark.parametrize("cloud", SUFFIXES)
def test_names_of_every_cloud(cloud):
    suffix = auth.find_cloud(cloud, None).storage_suffix
    assert suffix == SUFFIXES[cloud]
    wanted = desired.desired(make.params(), make.SUBSCRIPTION, suffix)
    assert wanted.network.zone.name == f"privatelink.file.{suffix}"
    central = make.ZONE_ID.replace(SUFFIXES["AzureCloud"], suffix).upper().replace("/SUBSCRIPTIONS", "/subscriptions")
    options = make.params(network=make.network(dns={"manage": True, "zone_id": central}))
    assert str(desired.desired(options, make.SUBSCRIPTION, suffix).network.zone).lower() == central.lower()


def test_zone_of_another_cloud_is_refused():
    options = make.params(network=make.network(dns={"manage": True, "zone_id": make.ZONE_ID}))
    with pytest.raises(AzlinError, match="privatelink.file.core.usgovcloudapi.net"):
        desired.desired(options, make.SUBSCRIPTION, SUFFIXES["AzureUSGovernment"])


def test_subnet_named_twice_is_one():
    subnets = ["a", f"{make.VNET_ID}/subnets/A", "b"]
    wanted = make.wanted(network=make.network(mode="service_endpoint", subnets=subnets))
    assert [subnet.name for subnet in wanted.network.subnets] == ["a", "b"]


def connected(endpoint_id, state):
    return {
        "properties": {
            "privateEndpoint": {"id": endpoint_id},
            "privateLinkServiceConnectionState": {"status": state},
        }
    }


RECORD = {"properties": {"aRecords": [{"ipv4Address": "10.1.0.9"}]}}
OTHER_ENDPOINT = make.ENDPOINT_ID.replace("teamhomes01-pe", "other")


@pytest.mark.parametrize("state", ["Approved", "Pending", "Rejected", "Disconnected"])
def test_the_record_of_a_living_endpoint_is_not_taken(state):
    account = make.account(privateEndpointConnections=[connected(OTHER_ENDPOINT, state)])
    present = make.complete(account=account, endpoint=None, zone_group=None, record=RECORD)
    if state in ("Rejected", "Disconnected"):
        assert [step.key for step in plan(make.wanted(), present)] == ["endpoint", "zone_group"]
        return
    with pytest.raises(AzlinError, match=OTHER_ENDPOINT) as refused:
        plan(make.wanted(), present)
    assert refused.value.error_code == "name_conflict"


def refusal_for(rival):
    """The first remedy against the conflict with another endpoint, and what is there."""
    account = make.account(privateEndpointConnections=[connected(rival, "Approved")])
    present = make.complete(account=account, endpoint=None, zone_group=None, record=RECORD)
    with pytest.raises(AzlinError, match=rival) as refused:
        plan(make.wanted(), present)
    return refused.value.causes[0][1], present


def test_the_endpoint_that_is_there_can_be_named():
    remedy, present = refusal_for(OTHER_ENDPOINT)
    named = make.wanted(network=make.network(endpoint_name="other"))
    assert remedy.startswith("Set network.endpoint_name: other,") and str(named.endpoint) == OTHER_ENDPOINT
    endpoint = {**make.endpoint(), "id": OTHER_ENDPOINT}
    assert plan(named, replace(present, endpoint=endpoint, zone_group=make.zone_group())) == []


@pytest.mark.parametrize(
    "place", [("/team/", "/network/"), (make.SUBSCRIPTION, "99999999-0000-0000-0000-000000000001")]
)
def test_an_endpoint_that_no_name_leads_to_stays_with_its_storage(place):
    """A name leads to the place that this collection gives an endpoint, and to no other one."""
    remedy, present = refusal_for(OTHER_ENDPOINT.replace(*place))
    assert remedy.startswith("Leave network out")
    assert plan(make.wanted(network=None), present) == []


def test_a_record_that_is_ours_already_is_no_conflict():
    mine, other = connected(make.ENDPOINT_ID, "Approved"), connected(OTHER_ENDPOINT, "Approved")
    present = make.complete(account=make.account(privateEndpointConnections=[mine, other]), record=RECORD)
    assert plan(make.wanted(), present) == []


def manual_endpoint(state):
    endpoint = make.endpoint(state)
    about = endpoint["properties"]
    about["manualPrivateLinkServiceConnections"] = about.pop("privateLinkServiceConnections")
    return endpoint


def test_an_endpoint_that_failed_is_finished_as_it_is():
    """Somebody else's does not become ours by that, and what people gave it stays."""
    endpoint = {**make.endpoint(), "tags": {"owner": "hub"}}
    given = {
        "customNetworkInterfaceName": "homes-nic",
        "ipConfigurations": [{"name": "static", "properties": {"privateIPAddress": "10.1.0.9"}}],
        "applicationSecurityGroups": [{"id": f"{make.GROUP_ID}/providers/x/y/homes"}],
    }
    endpoint["properties"] = {**endpoint["properties"], "provisioningState": "Failed", **given}
    (step,) = plan(make.wanted(), make.complete(endpoint=endpoint))
    assert (step.key, step.action, step.body["tags"]) == ("endpoint", "update", {"owner": "hub"})
    assert {key: step.body["properties"].get(key) for key in given} == given


MANUAL = make.network(manual_approval=True)
OPEN = {
    "publicNetworkAccess": "Enabled",
    "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [{"id": f"{make.VNET_ID}/subnets/homes"}]},
    "privateEndpointConnections": [],
}


@pytest.mark.parametrize(
    ("network", "endpoint", "expected"),
    [
        (make.network(), None, False),
        (MANUAL, None, True),
        (MANUAL, manual_endpoint("Pending"), True),
        (make.network(), manual_endpoint("Pending"), True),
        (MANUAL, manual_endpoint("Approved"), False),
        (MANUAL, manual_endpoint("Disconnected"), True),
        (make.network(), make.endpoint("Disconnected"), False),
        (make.network(mode="service_endpoint"), manual_endpoint("Pending"), False),
    ],
)
def test_awaited_approval(network, endpoint, expected):
    present = make.complete(endpoint=endpoint, zone_group=None)
    wanted = make.wanted(network=network)
    assert approval.awaited(wanted, present) is expected
    assert approval.held(wanted, present) is False
    opened = make.complete(endpoint=endpoint, zone_group=None, account=make.account(**OPEN))
    assert approval.held(wanted, opened) is expected


def test_nothing_is_closed_or_linked_before_approval():
    present = make.complete(endpoint=None, zone_group=None, links=(), account=make.account(**OPEN))
    steps = plan(make.wanted(network=MANUAL), present)
    assert [step.key for step in steps] == ["endpoint"]
    body = steps[0].body["properties"]
    assert "privateLinkServiceConnections" not in body
    assert body["manualPrivateLinkServiceConnections"][0]["properties"]["requestMessage"] == ""


def test_an_account_open_to_all_is_closed_at_once():
    opened = make.account(publicNetworkAccess="Enabled", networkAcls={"defaultAction": "Allow"})
    steps = plan(make.wanted(network=MANUAL), make.complete(endpoint=None, zone_group=None, account=opened))
    assert {"account", "endpoint"} == {step.key for step in steps}


def test_rejected_request_is_not_repeated():
    with pytest.raises(AzlinError) as caught:
        plan(make.wanted(network=MANUAL), make.complete(endpoint=manual_endpoint("Rejected")))
    assert caught.value.error_code == "network_failed"


def test_service_endpoint_is_added_once():
    subnet = {"name": "a", "etag": "x", "properties": {"serviceEndpoints": [{"service": "Microsoft.Sql"}], "x": 1}}
    added = with_service_endpoint(subnet)
    assert [one["service"] for one in added["properties"]["serviceEndpoints"]] == ["Microsoft.Sql", "Microsoft.Storage"]
    assert (added["properties"]["x"], added["etag"]) == (1, "x")
    assert with_service_endpoint(added) is added


def group(*rules):
    listed = [{"name": name, "properties": properties} for name, properties in rules]
    return {"id": f"{make.GROUP_ID}/nsg", "name": "guard", "properties": {"securityRules": listed}}


def priorities(direction, *numbers):
    return [(f"r{number}", {"priority": number, "direction": direction}) for number in numbers]


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ([], 100),
        (priorities("Inbound", 100, 101, 103), 102),
        (priorities("Outbound", 100, 101), 100),
    ],
)
def test_first_free_priority(taken, expected):
    name, body = security.rule("private_endpoint", group(*taken))
    assert (name, body["properties"]["priority"]) == ("azlin-nfs-inbound", expected)


def test_full_security_group():
    with pytest.raises(AzlinError, match="no free priority"):
        security.rule("private_endpoint", group(*priorities("Inbound", *range(100, 4097))))


def test_rule_in_azures_spelling_is_the_same():
    name, body = security.rule("service_endpoint", group())
    spelt = {**body["properties"], "protocol": "TCP", "access": "allow"}
    again = security.rule("service_endpoint", group((name, spelt)))[1]
    assert security.view(again) == security.view({"properties": spelt})


def blocked(**rule):
    deny = {"access": "Deny", "protocol": "*", "direction": "Outbound", "priority": 100, **rule}
    subnet = make.virtual_network(networkSecurityGroup={"id": f"{make.GROUP_ID}/nsg"})
    present = make.complete(
        virtual_networks={make.VNET_ID.lower(): subnet},
        security_groups={f"{make.GROUP_ID}/nsg".lower(): group(("deny", deny))},
    )
    network = make.network(mode="service_endpoint", nsg_rule=True)
    return len(security.warnings(make.wanted(network=network), present))


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        ({"destinationPortRange": "*"}, 1),
        ({"destinationPortRange": "2049"}, 1),
        ({"destinationPortRanges": ["80", "2000-3000"]}, 1),
        ({"destinationPortRange": "80"}, 0),
        ({"destinationPortRange": "2050-3000"}, 0),
        ({"destinationPortRange": "*", "protocol": "Udp"}, 0),
        ({"destinationPortRange": "*", "access": "Allow"}, 0),
        ({"destinationPortRange": "*", "direction": "Inbound"}, 0),
        ({"destinationPortRange": "*", "priority": 200}, 0),
    ],
)
def test_rules_that_deny_nfs(rule, count):
    assert blocked(**rule) == count


def elsewhere(tags, link=None):
    zone = {"id": make.ZONE_ID.replace("/team/", "/central/"), "tags": tags}
    return make.nothing(other_zones=((zone, (link or make.link(),)),))


def test_our_zone_elsewhere_is_shared():
    wanted, present = zones.settled(make.wanted(), elsewhere(make.OURS))
    assert wanted.network.zone.resource_group == "central" and not wanted.network.zone_is_own
    assert "zone" not in [step.key for step in plan(wanted, present)]
    assert "link" not in [step.key for step in plan(wanted, present)]


def test_zone_of_others_elsewhere_is_named():
    with pytest.raises(AzlinError, match="/central/") as caught:
        zones.settled(make.wanted(), elsewhere({}))
    assert "network.dns.zone_id" in caught.value.causes[0][1]


def test_zone_elsewhere_that_is_not_linked_does_not_matter():
    link = {"properties": {"virtualNetwork": {"id": f"{make.VNET_ID}2"}}}
    wanted, present = make.wanted(), elsewhere({}, link)
    assert zones.settled(wanted, present) == (wanted, present)


def test_hosts_count_as_attachments():
    wanted = make.wanted(used_by=["worker-1/azureuser"])
    with pytest.raises(AzlinError, match="worker-1/azureuser") as caught:
        delete.plan_deletion(wanted, make.complete())
    assert caught.value.error_code == "in_use"
    forced = make.wanted(used_by=["worker-1/azureuser"], force=True)
    assert delete.plan_deletion(forced, make.complete())
