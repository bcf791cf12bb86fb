# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is refused: before the first request, before the first write, or because Azure says no."""

from __future__ import annotations

import json
import sys

import pytest

from tests.integration.support import (
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_refused,
    endpoint_network,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
    writes,
)

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"


BAD_OPTIONS = {
    "upper case in the name": ({"name": "TeamHomes"}, "TeamHomes", "teamhomes"),
    "hyphen in the name": ({"name": "team-homes"}, "team-homes", "teamhomes"),
    "newline in the name": ({"name": "teamhomes\n"}, "teamhomes"),
    "share": ({"share": "a--b"}, "a--b"),
    "group": ({"resource_group": "team."}, "team."),
    "standard tier": ({"tier": "standard"}, "standard", "SSD"),
    "small": ({"size": "31GiB"}, "31GiB", "32"),
    "large": ({"size": "257TiB"}, "257TiB", "262144"),
    "small for v1": ({"size": "99GiB", "billing_model": "provisioned_v1"}, "99GiB", "100"),
    "IOPS on v1": ({"provisioned_iops": 5000, "billing_model": "provisioned_v1"}, "5000", "provisioned_v2"),
    "IOPS": ({"provisioned_iops": 10}, "10", "3000"),
    "throughput": ({"provisioned_throughput": 20000}, "20000", "10340"),
    "bursting on v2": (
        {"paid_bursting": {"enabled": True}, "billing_model": "provisioned_v2"},
        "paid_bursting",
        "provisioned_v2",
    ),
    "bursting on v2 by a template": (
        {"paid_bursting": {"enabled": True}, "template": "ml"},
        "paid_bursting",
        "provisioned_v2",
    ),
    "no size": ({"size": "much"}, "much"),
    "location": ({"location": "west/us"}, "west/us"),
    "soft delete": ({"soft_delete_days": 366}, "366", "365"),
    "wait": ({"wait_timeout": 0}, "0"),
    "our tag": ({"tags": {"managed-by": "me"}}, "managed-by=me"),
    "tag name": ({"tags": {"a/b": "c"}}, "a/b=c"),
    "two subnets of an endpoint": ({"network": endpoint_network(subnet=["a", "b"])}, "exactly one"),
    "no virtual network": ({"network": {"subnet": ["hosts"]}}, "virtual_network"),
    "subnet id": ({"network": {"subnet": ["/subscriptions/x"]}}, "/subscriptions/x"),
    "zone id": ({"network": endpoint_network(dns={"zone_id": "zone"})}, "zone"),
    "prefix": ({"network": endpoint_network(create=True, address_prefix="10.0.0.0/99")}, "10.0.0.0/99"),
    "prefixes": ({"network": endpoint_network(create=True, subnet_prefix="10.1.0.0/24")}, "10.1.0.0/24"),
    "cloud": ({"cloud_environment": "AzureMoon"}, "AzureMoon"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_options_never_reach_the_network(arm, case):
    options, *words = BAD_OPTIONS[case]
    assert_refused(run_module(MODULE, **storage(**options)), "invalid_argument", *words)
    assert arm.requests() == []


UNFIT_OPTIONS = {
    "unknown region": ({"location": "atlantis"}, "invalid_argument", "atlantis"),
    "region without ZRS": ({"location": "westus", "redundancy": "ZRS"}, "invalid_argument", "westus", "Premium_ZRS"),
    "resource group": ({"resource_group": "nowhere"}, "not_found", "nowhere"),
    "virtual network": ({"network": endpoint_network(virtual_network="nowhere")}, "not_found", "nowhere"),
    "subnet": ({"network": endpoint_network(subnet=["nowhere"])}, "not_found", "nowhere"),
    "region of the subnet": (
        {"network": service_network(), "location": "eastus"},
        "invalid_argument",
        "eastus",
        "westus2",
    ),
    "no network": ({"network": None}, "invalid_argument", "network"),
    "size of a new storage": ({"size": "99GiB"}, "invalid_argument", "99GiB", "provisioned_v1"),
    "IOPS of a new storage": ({"provisioned_iops": 5000}, "invalid_argument", "5000", "provisioned_v1"),
    "throughput of a new storage": ({"provisioned_throughput": 500}, "invalid_argument", "500", "provisioned_v1"),
    "nothing to restore": ({"restore": True}, "not_found", "restore"),
}


@pytest.mark.parametrize("case", UNFIT_OPTIONS)
def test_unfit_options_write_nothing(arm, case):
    options, error_code, *words = UNFIT_OPTIONS[case]
    if case == "resource group":
        options = {**options, "network": endpoint_network(resource_group=GROUP)}
    assert_refused(run_module(MODULE, **storage(**options)), error_code, *words)
    assert writes(arm) == []


def test_missing_central_zone(arm):
    zone = network_id(arm, "privateDnsZones/privatelink.file.core.lab.test")
    result = run_module(MODULE, **storage(network=endpoint_network(dns={"zone_id": zone})))
    assert_refused(result, "not_found", zone)
    assert writes(arm) == []


IMMUTABLE = {
    "location": ({"location": "eastus"}, "'westus2'", "'eastus'"),
    "redundancy": ({"redundancy": "ZRS"}, "'LRS'", "'ZRS'"),
    "billing model": ({"billing_model": "provisioned_v2"}, "'provisioned_v1'", "'provisioned_v2'"),
    "template": ({"template": "ml"}, "'provisioned_v1'", "'provisioned_v2'"),
    "subnet of the endpoint": ({"network": endpoint_network(subnet=["hosts"])}, "/endpoints", "/hosts"),
}


@pytest.mark.parametrize("case", IMMUTABLE)
def test_immutable_differences_name_both_values(arm, case):
    options, *words = IMMUTABLE[case]
    run_module(MODULE, **storage())
    arm.clear_requests()

    assert_refused(run_module(MODULE, **storage(**options)), "immutable_property", *words)
    assert writes(arm) == []


def make_account(arm, tags, kind="FileStorage", sku="Premium_LRS"):
    body = {"location": "westus2", "kind": kind, "sku": {"name": sku}, "tags": tags, "properties": {}}
    arm.request("PUT", storage_id(arm, ACCOUNT), body, STORAGE_API)
    arm.clear_requests()


def test_other_kind_of_account(arm):
    make_account(arm, {"managed-by": "azlin"}, "StorageV2", "Standard_LRS")
    assert_refused(run_module(MODULE, **storage()), "immutable_property", "'StorageV2'", "'FileStorage'")
    assert writes(arm) == []


def test_share_of_another_protocol(arm):
    make_account(arm, {"managed-by": "azlin"})
    share = storage_id(arm, f"{ACCOUNT}/fileServices/default/shares/home")
    arm.request("PUT", share, {"properties": {"shareQuota": 100, "enabledProtocols": "SMB"}}, STORAGE_API)
    arm.clear_requests()

    assert_refused(run_module(MODULE, **storage()), "immutable_property", "'SMB'", "'NFS'")
    assert writes(arm) == []


def test_an_account_of_another_kind_cannot_be_taken_over(arm):
    make_account(arm, {}, "StorageV2", "Standard_LRS")
    refused = run_module(MODULE, **storage())
    assert_refused(refused, "not_managed", "teamhomes01")
    assert "az tag" not in json.dumps(refused["causes"])
    assert writes(arm) == []


@pytest.mark.parametrize("options", [storage(), storage(state="absent", confirm="teamhomes01", force=True)])
def test_accounts_of_others_are_left_alone(arm, options):
    make_account(arm, {"owner": "somebody"})
    assert_refused(run_module(MODULE, **options), "not_managed", "teamhomes01")
    assert writes(arm) == []


def test_name_taken_by_somebody_else(arm):
    arm.taken_names("teamhomes01")
    result = run_module(MODULE, **storage())

    assert_refused(result, "name_conflict", "teamhomes01")
    assert [path.rpartition("/")[2] for _method, path in writes(arm)] == ["checkNameAvailability"]


def test_name_taken_after_the_question(arm):
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "status": 409, "code": "StorageAccountAlreadyTaken"})
    assert_refused(run_module(MODULE, **storage()), "name_conflict", "StorageAccountAlreadyTaken")
    assert run_module(MODULE, **storage())["changed"]


def test_endpoint_name_used_by_another_storage(arm):
    run_module(MODULE, **storage(name="teamhomes02"))
    result = run_module(MODULE, **storage(network=endpoint_network(endpoint_name="teamhomes02-pe")))
    assert_refused(result, "name_conflict", "teamhomes02-pe")


FAULTS = {
    "no permission on the zone": ("privateDnsZones/[^/]*$", 403, "AuthorizationFailed", "authorization_failed"),
    "policy": (f"{ACCOUNT}$", 403, "RequestDisallowedByPolicy", "authorization_failed"),
    "network rules": (f"{ACCOUNT}$", 400, "NetworkAclsValidationFailure", "network_failed"),
    "endpoint": ("privateEndpoints/[^/]*$", 400, "SomethingNew", "network_failed"),
    "share": ("shares/home$", 400, "SomethingNew", "create_failed"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_failures_of_azure_are_named_and_a_second_run_finishes(arm, case):
    path, status, code, error_code = FAULTS[case]
    arm.faults({"method": "PUT", "path": path, "status": status, "code": code, "message": "Because."})

    assert_refused(run_module(MODULE, **storage()), error_code, code, "Because.", remedied=code != "SomethingNew")

    assert run_module(MODULE, **storage())["storage"]["network"]["private_endpoints"][0]["state"] == "Approved"
    assert run_module(MODULE, **storage())["changed"] is False


@pytest.mark.parametrize("path", [f"{ACCOUNT}$", "privateEndpoints/[^/]*$", "virtualNetworkLinks/"])
def test_failed_operations_are_not_taken_for_success(arm, path):
    arm.faults({"method": "PUT", "path": path, "fail_operation": {"code": "Unlucky", "message": "It broke."}})

    result = run_module(MODULE, **storage())

    assert result["failed"] and "It broke." in result["msg"]
    assert run_module(MODULE, **storage())["storage"]["provisioning_state"] == "Succeeded"


def test_failure_inside_http_200(arm):
    body = {"status": "Failed", "error": {"code": "Unlucky", "message": "It broke."}}
    arm.faults({"method": "GET", "path": "asyncoperations/", "status": 200, "body": body})
    assert_refused(run_module(MODULE, **storage()), "create_failed", "Unlucky", "It broke.", remedied=False)


def test_busy_account_is_waited_for(arm):
    arm.faults(
        {"method": "PUT", "path": "shares/home$", "status": 409, "code": "StorageAccountOperationInProgress"},
        {
            "method": "PUT",
            "path": "privateEndpoints/[^/]*$",
            "fail_operation": {"code": "StorageAccountOperationInProgress", "message": "Busy."},
        },
    )
    assert run_module(MODULE, **storage())["storage"]["network"]["private_endpoints"][0]["state"] == "Approved"


def test_wait_has_an_end(arm):
    arm.profile("fast", operations={"account": 60})
    try:
        assert_refused(run_module(MODULE, **storage(wait_timeout=1)), "timeout", "1 seconds")
    finally:
        arm.profile("fast")


def test_wrong_secret(arm, monkeypatch):
    monkeypatch.setenv("AZURE_SECRET", "wrong")
    assert_refused(run_module(MODULE, **storage()), "authentication_failed", "Signing in")
    assert writes(arm) == []


def test_secret_is_not_in_the_result(arm, monkeypatch):
    monkeypatch.delenv("AZURE_SECRET")
    result = run_module(MODULE, **storage(secret=arm.secret))
    assert result["changed"]
    assert arm.secret not in json.dumps(result)


def test_unknown_subscription(arm):
    unknown = "00000000-0000-0000-0000-000000000001"
    assert_refused(run_module(MODULE, **storage(subscription_id=unknown)), "not_found", unknown)


def test_no_subscription(arm, monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID")
    assert_refused(run_module(MODULE, **storage()), "invalid_argument", "subscription_id")


@pytest.mark.parametrize("url", ["https://localhost:9", "https://management.nowhere.invalid"])
def test_unreachable_resource_manager(arm, url):
    assert_refused(run_module(MODULE, **storage(cloud_environment=url)), "server_unreachable", url)


def test_untrusted_certificate(arm, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert_refused(run_module(MODULE, **storage()), "server_unreachable", "certificate")


@pytest.mark.parametrize("library", ["azure.identity", "azure.mgmt.storage", "azure.mgmt.privatedns"])
def test_missing_library(arm, monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    assert_refused(run_module(MODULE, **storage()), "missing_library", library.replace(".", "-"))
    assert writes(arm) == []


def test_changing_the_network_under_attached_homes(arm):
    run_module(MODULE, **storage())
    attach(arm)
    result = run_module(MODULE, **storage(network=service_network()))
    assert_refused(result, "in_use", "worker-1", "private_endpoint", "service_endpoint")
    assert run_module(MODULE, **storage(network=service_network(), force=True))["changed"]


def test_an_account_that_was_closed_by_hand_is_opened_again_under_attached_homes(arm):
    run_module(MODULE, **storage(network=service_network()))
    attach(arm)
    body = {"properties": {"publicNetworkAccess": "Disabled"}}
    arm.request("PATCH", storage_id(arm, ACCOUNT), body, STORAGE_API)

    assert_refused(run_module(MODULE, **storage()), "in_use", "from service_endpoint to private_endpoint")
    repaired = run_module(MODULE, **storage(network=service_network()))

    assert [one["resource"] for one in repaired["plan"]] == ["storage account teamhomes01"]
    assert repaired["storage"]["network"]["public_network_access"] == "Enabled"


def attach(arm):
    run_module(
        "azlin_attachment",
        vm_name="worker-1",
        vm_resource_group=GROUP,
        storage_name="teamhomes01",
        user="azureuser",
        mount_point="/home/azureuser",
    )


def test_subnet_of_the_lab_is_as_before_a_refusal(arm):
    hosts = network_id(arm, "virtualNetworks/lab-vnet/subnets/hosts")
    before = arm.request("GET", hosts, api_version=NETWORK_API)
    run_module(MODULE, **storage(network=service_network(), location="eastus"))
    assert arm.request("GET", hosts, api_version=NETWORK_API) == before
