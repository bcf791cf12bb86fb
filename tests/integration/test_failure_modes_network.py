# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure really answers, mode by mode: subnets, private endpoints, DNS."""

from __future__ import annotations

import pytest

from tests.integration.support import (
    DNS_API,
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_finished,
    assert_refused,
    assert_succeeded,
    before_the_first_write,
    endpoint_network,
    exists,
    network_id,
    run_module,
    sent,
    service_network,
    storage,
    storage_id,
    writes,
)

pytestmark = pytest.mark.usefixtures("impatient")
failure_mode = pytest.mark.failure_mode

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"
VNET = "virtualNetworks/lab-vnet"
HOSTS = f"{VNET}/subnets/hosts"
OPEN = storage(network=service_network())


def account(arm):
    return arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)


def subnet(arm, name="hosts"):
    return arm.request("GET", network_id(arm, f"{VNET}/subnets/{name}"), api_version=NETWORK_API)


def change_subnet(arm, name="hosts", **properties):
    """Somebody else changes a subnet, in the same careful way."""
    content = subnet(arm, name)
    content["properties"].update(properties)
    arm.request("PUT", content["id"], content, NETWORK_API)


def services(arm, name="hosts"):
    return [one["service"] for one in subnet(arm, name)["properties"].get("serviceEndpoints", [])]


def endpoint_states(result):
    """The states of the private endpoints of a result."""
    return [one["state"] for one in assert_succeeded(result)["storage"]["network"]["private_endpoints"]]


@failure_mode(5)
def test_subnet_gets_its_service_endpoint_before_the_account_names_it(arm):
    assert_succeeded(run_module(MODULE, **OPEN))
    written = [path.rpartition("/")[2] for method, path in writes(arm) if method == "PUT"]
    assert written.index("hosts") < written.index("teamhomes01")
    assert_finished(arm, **OPEN)


@failure_mode(5)
def test_subnet_without_the_service_endpoint(arm):
    arm.faults({"method": "PUT", "path": f"{HOSTS}$", "status": 200, "body": subnet(arm)})

    result = run_module(MODULE, **OPEN)

    assert_refused(result, "network_failed", "NetworkAclsValidationFailure", "SubnetsHaveNoServiceEndpointsConfigured")
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert_finished(arm, **OPEN)


UPDATING = {
    "code": "NetworkAclsValidationFailure",
    "message": "Validation of network acls failure: SubnetsNotProvisioned:Cannot proceed with operation.",
}


@failure_mode(6)
@pytest.mark.parametrize(
    "answer", [{"status": 400, **UPDATING}, {"fail_operation": UPDATING}], ids=["refused", "looks like success"]
)
def test_subnet_is_still_updating(arm, answer):
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "times": 2, **answer})
    assert_succeeded(run_module(MODULE, **OPEN))
    assert len(sent(arm, "PUT", ACCOUNT)) == 3
    assert_finished(arm, **OPEN)


@failure_mode(6)
def test_virtual_network_is_still_updating(arm, monkeypatch):
    def somebody():
        arm.profile("fast", operations={"vnet": 0.4})
        vnet = arm.request("GET", network_id(arm, VNET), api_version=NETWORK_API)
        # The answer is lost, so that nobody waits for the end of the operation.
        arm.faults({"method": "PUT", "path": f"{VNET}$", "after": True, "status": 200, "body": vnet})
        arm.request("PUT", vnet["id"], vnet, NETWORK_API)

    with before_the_first_write(monkeypatch, somebody):
        assert_succeeded(run_module(MODULE, **OPEN))

    assert services(arm) == ["Microsoft.Storage"]
    assert [one["status"] for one in sent(arm, "PUT", "/subnets/hosts")][-1] == 200
    assert_finished(arm, **OPEN)


def test_change_of_a_subnet_that_another_one_superseded(arm):
    """Two runs at one virtual network: Azure takes the later write and ends the operation of the earlier one."""
    message = "Operation PutSubnetOperation was canceled and superseded by operation PutVirtualNetworkOperation."
    superseded = {"code": "CanceledAndSupersededDueToAnotherOperation", "message": message}
    arm.faults({"method": "PUT", "path": f"{HOSTS}$", "fail_operation": superseded, "times": 2})

    assert_succeeded(run_module(MODULE, **OPEN))

    assert services(arm) == ["Microsoft.Storage"] and len(sent(arm, "PUT", HOSTS)) == 3
    assert_finished(arm, **OPEN)


GUARD = {"networkSecurityGroup": {"id": "/subscriptions/x/guard"}, "routeTable": {"id": "/subscriptions/x/routes"}}


@failure_mode(7)
def test_subnet_keeps_what_is_attached_to_it(arm):
    change_subnet(arm, **GUARD, serviceEndpoints=[{"service": "Microsoft.Sql"}], delegations=[{"name": "d"}])
    before = subnet(arm)["properties"]

    run_module(MODULE, **OPEN)

    after = subnet(arm)["properties"]
    assert services(arm) == ["Microsoft.Sql", "Microsoft.Storage"]
    for name in ("addressPrefix", "networkSecurityGroup", "routeTable", "delegations"):
        assert after[name] == before[name]
    assert_finished(arm, **OPEN)


@failure_mode(7)
def test_subnet_keeps_what_is_attached_meanwhile(arm, monkeypatch):
    with before_the_first_write(monkeypatch, lambda: change_subnet(arm, **GUARD)):
        assert_succeeded(run_module(MODULE, **OPEN))

    after = subnet(arm)["properties"]
    assert {name: after[name] for name in GUARD} == GUARD
    assert services(arm) == ["Microsoft.Storage"]
    assert_finished(arm, **OPEN)


@failure_mode(7)
def test_subnet_that_changed_at_the_last_moment_is_read_again(arm):
    arm.faults({"method": "PUT", "path": f"{HOSTS}$", "status": 412, "code": "PreconditionFailed", "times": 2})
    assert_succeeded(run_module(MODULE, **OPEN))
    methods = [one["method"] for one in arm.requests() if one["path"].endswith("/subnets/hosts")]
    assert methods[:6] == ["GET", "PUT"] * 3
    assert services(arm) == ["Microsoft.Storage"]


@failure_mode(8)
@pytest.mark.parametrize("options", [storage(), storage(network=service_network(subnet=["endpoints"]))])
def test_network_policies_of_the_subnet_stay(arm, options):
    change_subnet(arm, "endpoints", privateEndpointNetworkPolicies="Enabled")
    assert_succeeded(run_module(MODULE, **options))
    assert subnet(arm, "endpoints")["properties"]["privateEndpointNetworkPolicies"] == "Enabled"
    assert_finished(arm, **options)


REFERENCED = {"code": "ReferencedResourceNotProvisioned", "message": "Account is in state ResolvingDns."}
RETRYABLE = {"code": "RetryableError", "message": "A retryable error occurred.", "details": [REFERENCED]}
EXCLUSIVE = {"code": "StorageAccountOperationInProgress", "message": "It requires exclusive access."}
BUSY = {
    "operation, exclusive access": {"fail_operation": EXCLUSIVE},
    "operation, retryable error": {"fail_operation": RETRYABLE},
    "answer 429": {"status": 429, "body": {"error": RETRYABLE}},
    "answer 409": {"status": 409, "body": {"error": EXCLUSIVE}},
}


@failure_mode(9)
@pytest.mark.parametrize("case", BUSY)
def test_endpoint_while_the_account_is_busy(arm, case):
    arm.faults({"method": "PUT", "path": f"{ENDPOINT}$", "times": 2, **BUSY[case]})
    assert endpoint_states(run_module(MODULE, **storage())) == ["Approved"]
    assert len(sent(arm, "PUT", ENDPOINT)) == 3
    assert_finished(arm, **storage())


@failure_mode(19)
@pytest.mark.parametrize(
    "path", [f"{ENDPOINT}$", "privateDnsZoneGroups/default$", "virtualNetworkLinks/[^/]*$", f"{ZONE}$"]
)
def test_partial_creations_do_not_pile_up(arm, path):
    arm.faults({"method": "PUT", "path": path, "times": 2, "fail_operation": {"code": "Unlucky", "message": "No."}})

    failed = [run_module(MODULE, **storage()) for _run in range(2)]

    for result in failed:
        assert_refused(result, "network_failed", "Unlucky", remedied=False)
    found = assert_finished(arm, **storage())["storage"]
    assert found["network"]["private_endpoints"][0]["ip_address"].startswith("10.30.2.")
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)


@failure_mode(20)
@pytest.mark.parametrize("made_again", [False, True])
def test_account_was_deleted_under_its_endpoint(arm, made_again):
    run_module(MODULE, **storage())
    content = account(arm)
    arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    if made_again:
        kept = {key: content[key] for key in ("location", "kind", "sku", "tags", "properties")}
        arm.request("PUT", storage_id(arm, ACCOUNT), kept, STORAGE_API)

    result = run_module(MODULE, **storage(restore=False))

    assert endpoint_states(result) == ["Approved"]
    assert ("delete", "private endpoint teamhomes01-pe") in [(one["action"], one["resource"]) for one in result["plan"]]
    assert_finished(arm, **storage())


def central_zone(arm):
    """The zone of another team in another resource group."""
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/central", {"location": "westus2"})
    zone = network_id(arm, ZONE).replace(GROUP, "central")
    arm.request("PUT", zone, {"location": "global", "tags": {"owner": "somebody"}}, DNS_API)
    return zone


@failure_mode(21)
def test_central_zone_is_used_and_none_is_made(arm):
    options = storage(network=endpoint_network(dns={"zone_id": central_zone(arm)}))
    arm.faults({"method": "PUT", "path": f"{ZONE}$", "status": 403, "code": "AuthorizationFailed", "times": 0})

    assert endpoint_states(run_module(MODULE, **options)) == ["Approved"]

    assert not exists(arm, network_id(arm, ZONE), DNS_API)
    assert_finished(arm, **options)


@failure_mode(21)
def test_zone_is_somebody_elses_job(arm):
    options = storage(network=endpoint_network(dns={"manage": False}))
    assert endpoint_states(run_module(MODULE, **options)) == ["Approved"]
    assert not [path for _method, path in writes(arm) if "privateDns" in path]
    assert_finished(arm, **options)


def link(arm, zone, name):
    body = {
        "location": "global",
        "properties": {"registrationEnabled": False, "virtualNetwork": {"id": network_id(arm, VNET)}},
    }
    arm.request("PUT", f"{zone}/virtualNetworkLinks/{name}", body, DNS_API)


@failure_mode(22)
def test_link_of_somebody_else_is_reused(arm):
    arm.request("PUT", network_id(arm, ZONE), {"location": "global"}, DNS_API)
    link(arm, network_id(arm, ZONE), "theirs")
    assert endpoint_states(run_module(MODULE, **storage())) == ["Approved"]
    links = arm.request("GET", network_id(arm, f"{ZONE}/virtualNetworkLinks"), api_version=DNS_API)["value"]
    assert [one["name"] for one in links] == ["theirs"]
    assert_finished(arm, **storage())


@failure_mode(22)
def test_virtual_network_is_linked_to_another_zone_of_that_name(arm):
    zone = central_zone(arm)
    link(arm, zone, "theirs")

    arm.clear_requests()

    assert_refused(run_module(MODULE, **storage()), "network_failed", "lab-vnet", zone)
    assert writes(arm) == []

    assert_finished(arm, **storage(network=endpoint_network(dns={"zone_id": zone})))


@failure_mode(24)
def test_endpoint_waits_for_approval_by_hand(arm):
    run_module(MODULE, **storage())
    made = arm.request("GET", network_id(arm, ENDPOINT), api_version=NETWORK_API)
    arm.request("DELETE", network_id(arm, ENDPOINT), api_version=NETWORK_API)
    connection = {"privateLinkServiceId": storage_id(arm, ACCOUNT), "groupIds": ["file"]}
    properties = {
        "subnet": {"id": network_id(arm, f"{VNET}/subnets/endpoints")},
        "manualPrivateLinkServiceConnections": [{"name": "by-hand", "properties": connection}],
    }
    body = {"location": "westus2", "tags": made["tags"], "properties": properties}
    arm.request("PUT", network_id(arm, ENDPOINT), body, NETWORK_API)

    assert endpoint_states(run_module(MODULE, **storage())) == ["Pending"]

    waiting = account(arm)["properties"]["privateEndpointConnections"][0]
    state = {"properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
    arm.request("PUT", waiting["id"], state, STORAGE_API)
    assert_finished(arm, **storage())


@failure_mode(26)
def test_rule_for_a_subnet_that_was_deleted(arm):
    run_module(MODULE, **storage(network=service_network(subnet=["hosts", "endpoints"])))
    arm.request("DELETE", network_id(arm, f"{VNET}/subnets/endpoints"), api_version=NETWORK_API)
    rules = account(arm)["properties"]["networkAcls"]["virtualNetworkRules"]
    assert [rule.get("state") for rule in rules] == ["Succeeded", "NetworkSourceDeleted"]

    result = run_module(MODULE, **storage(network=service_network(subnet=["hosts", "endpoints"])))
    assert_refused(result, "not_found", "endpoints")

    found = assert_finished(arm, **OPEN)["storage"]
    assert [one.rpartition("/")[2] for one in found["network"]["subnets"]] == ["hosts"]


@failure_mode(28)
def test_a_service_endpoint_never_goes_with_a_closed_public_endpoint(arm):
    run_module(MODULE, **OPEN)
    arm.request("PATCH", storage_id(arm, ACCOUNT), {"properties": {"publicNetworkAccess": "Disabled"}}, STORAGE_API)

    found = assert_finished(arm, **OPEN)["storage"]

    assert found["network"]["mode"] == "service_endpoint"
    assert account(arm)["properties"]["publicNetworkAccess"] == "Enabled"
    assert account(arm)["properties"]["networkAcls"]["defaultAction"] == "Deny"
