# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Listing storages and recording attachments."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._azure import listing
from tests.integration.support import (
    GROUP,
    STORAGE_API,
    run_module,
    service_network,
    storage,
    storage_id,
    vm_id,
    warnings_of,
    writes,
)

INFO = "azlin_storage_info"
ATTACHMENT = "azlin_attachment"
STORAGE = "azlin_nfs_storage"


def record(name="worker-1", **extra):
    return {
        "vm_name": name,
        "vm_resource_group": GROUP,
        "storage_name": "teamhomes01",
        "user": "azureuser",
        "mount_point": "/home/azureuser",
        **extra,
    }


def tags(arm, name="worker-1"):
    return arm.request("GET", f"{vm_id(arm, name)}/providers/Microsoft.Resources/tags/default")["properties"]["tags"]


def test_info_is_what_the_storage_module_returned(arm):
    made = run_module(STORAGE, **storage())["storage"]
    arm.clear_requests()

    assert run_module(INFO, name="teamhomes01", resource_group=GROUP)["storages"] == [made]
    assert run_module(INFO, name="teamhomes01")["storages"] == [made]
    assert run_module(INFO, resource_group=GROUP, details=True)["storages"] == [made]
    assert run_module(INFO, details=True)["storages"] == [made]
    assert writes(arm) == []


def test_info_shows_real_use(arm, disk):
    run_module(STORAGE, **storage())
    disk.used["teamhomes01", "home"] = 50 * 1024**3

    found = run_module(INFO, name="teamhomes01")["storages"][0]

    assert found["used_bytes"] == 50 * 1024**3
    assert found["utilization_percent"] == 10.0


def test_info_lists_every_share_and_only_ours(arm):
    run_module(STORAGE, **storage())
    run_module(STORAGE, **storage(share="projects"))
    run_module(STORAGE, **storage(name="teamhomes02"))
    body = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}
    arm.request("PUT", storage_id(arm, "storageAccounts/foreign"), body, STORAGE_API)

    listed = run_module(INFO)["storages"]

    assert [(one["name"], one["share"]) for one in listed] == [
        ("teamhomes01", "home"),
        ("teamhomes01", "projects"),
        ("teamhomes02", "home"),
    ]
    assert [one["share"] for one in run_module(INFO, share="projects")["storages"]] == ["projects"]
    assert run_module(INFO, name="foreign")["storages"] == []


def test_info_lists_storages_of_others_on_request(arm):
    run_module(STORAGE, **storage())
    share = {"properties": {"enabledProtocols": "NFS", "shareQuota": 100}}
    for name, kind, sku in (("foreign", "FileStorage", "Premium_LRS"), ("blobs", "StorageV2", "Standard_LRS")):
        body = {"location": "westus2", "kind": kind, "sku": {"name": sku}, "properties": {}}
        arm.request("PUT", storage_id(arm, f"storageAccounts/{name}"), body, STORAGE_API)
    path = storage_id(arm, "storageAccounts/foreign/fileServices/default/shares/data")
    arm.request("PUT", path, share, STORAGE_API)
    arm.clear_requests()

    listed = run_module(INFO, unmanaged=True, details=True)["storages"]

    assert [(one["name"], one["share"], one["managed"]) for one in listed] == [
        ("foreign", "data", False),
        ("teamhomes01", "home", True),
    ]
    assert not [entry["path"] for entry in arm.requests() if "/storageAccounts/blobs" in entry["path"]]
    assert run_module(INFO, details=True)["storages"] == [listed[1]]
    assert run_module(INFO, name="foreign", unmanaged=True)["storages"] == [listed[0]]


def test_blobs_that_a_policy_gave_our_tag_stop_no_listing(arm):
    """Policies copy tags of a resource group to all that is in it. Azure lists no shares of such an account."""
    run_module(STORAGE, **storage())
    body = {"location": "westus2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    path = storage_id(arm, "storageAccounts/blobs")
    arm.request("PUT", path, {**body, "tags": {"managed-by": "azlin"}}, STORAGE_API)
    refused = {"status": 400, "code": "FeatureNotSupportedForAccount", "message": "File is not supported."}
    arm.faults({"method": "GET", "path": "/blobs/fileServices/", "times": 0, **refused})

    assert [one["name"] for one in run_module(INFO)["storages"]] == ["teamhomes01"]
    assert run_module(INFO, name="blobs")["storages"] == []


def test_info_reads_all_pages(arm):
    for number in range(1, 4):
        run_module(STORAGE, **storage(name=f"teamhomes0{number}"))
    arm.profile("fast", page_size=1)
    try:
        listed = run_module(INFO)["storages"]
    finally:
        arm.profile("fast")
    assert len(listed) == 3


def test_unknown_name_is_an_empty_list_and_unknown_group_an_error(arm):
    assert run_module(INFO, name="teamhomes09")["storages"] == []
    assert run_module(INFO, name="teamhomes09", resource_group=GROUP)["storages"] == []
    assert run_module(INFO, name="teamhomes09", resource_group="nowhere")["error_code"] == "not_found"
    assert run_module(INFO, resource_group="nowhere")["error_code"] == "not_found"


@pytest.mark.parametrize(
    "path", ["storageAccounts$", "shares/home$", "fileServices/default$", "privateEndpoints/.*-pe$"]
)
def test_failed_query_is_an_error(arm, path):
    run_module(STORAGE, **storage())
    arm.faults({"method": "GET", "path": path, "status": 403, "code": "AuthorizationFailed", "message": "No."})
    result = run_module(INFO, details=True)
    assert result["failed"] and result["error_code"] == "authorization_failed"


def test_machines_that_may_not_be_listed_are_unknown_and_stop_nothing_else(arm):
    run_module(STORAGE, **storage())
    run_module(ATTACHMENT, **record("worker-1"))
    arm.faults({"method": "GET", "path": "/resources$", "status": 403, "code": "AuthorizationFailed", "times": 0})

    listed, grown = run_module(INFO), run_module(STORAGE, **storage(size="600GiB"))

    for answer, found in ((listed, listed["storages"][0]), (grown, grown["storage"])):
        assert found["attached_vms"] is None
        assert any("teamhomes01: which virtual machines are attached" in text for text in warnings_of(answer))
    assert grown["changed"] and grown["storage"]["size_gib"] == 600
    arm.clear_requests()
    closing = run_module(STORAGE, **storage(size="600GiB", network=service_network()))
    assert closing["error_code"] == "authorization_failed" and writes(arm) == []


@pytest.mark.parametrize(
    ("status", "code", "error_code"),
    [(400, "Odd", "azure_error"), (404, "SubscriptionNotFound", "not_found")],
)
def test_another_failure_to_list_the_machines_is_an_error(arm, status, code, error_code):
    run_module(STORAGE, **storage())
    arm.faults({"method": "GET", "path": "/resources$", "status": status, "code": code, "times": 0})

    for result in (run_module(INFO), run_module(STORAGE, **storage())):
        assert result["error_code"] == error_code


def test_attachments_are_listed(arm):
    run_module(STORAGE, **storage())
    run_module(ATTACHMENT, **record("worker-2"))
    run_module(ATTACHMENT, **record("worker-1", user="ops", mount_point="/home/ops"))
    run_module(ATTACHMENT, **record("worker-1"))

    listed = run_module(INFO, name="teamhomes01")["storages"][0]["attached_vms"]

    assert [(one["name"], one["user"], one["mount_point"]) for one in listed] == [
        ("worker-1", "azureuser", "/home/azureuser"),
        ("worker-1", "ops", "/home/ops"),
        ("worker-2", "azureuser", "/home/azureuser"),
    ]
    assert listed[0]["id"] == vm_id(arm) and listed[0]["resource_group"] == GROUP


def managed(arm, name, *shares, location="westus2"):
    """An account of ours with NFS shares, made by plain requests."""
    account = storage_id(arm, f"storageAccounts/{name}")
    body = {"location": location, "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}
    arm.request("PUT", account, {**body, "tags": {"managed-by": "azlin"}}, STORAGE_API)
    for share in shares:
        share_body = {"properties": {"enabledProtocols": "NFS", "shareQuota": 100}}
        arm.request("PUT", f"{account}/fileServices/default/shares/{share}", share_body, STORAGE_API)


def asked(arm):
    """How often each kind of thing was read, without signing in."""
    paths = [entry["path"] for entry in arm.requests() if "/subscriptions/" in entry["path"]]
    return Counter(re.sub(r"(/(storageAccounts|shares|privateEndpoints)/)[^/]+", r"\1*", path[51:]) for path in paths)


ZONE = "privatelink.file.core.lab.test"
LISTS = {"/providers/Microsoft.Storage/storageAccounts": 1, "/resources": 1}
ACCOUNT = f"/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/*/fileServices/default"


def test_listing_takes_two_requests_an_account(arm):
    for number in range(1, 5):
        managed(arm, f"teamhomes0{number}", "home")
    arm.clear_requests()

    listed = run_module(INFO)["storages"]

    assert len(listed) == 4
    assert asked(arm) == {**LISTS, f"{ACCOUNT}/shares": 4, f"{ACCOUNT}/shares/*": 4}


def test_listing_without_lists_takes_one_request_an_account_and_finds_shares_in_use(arm):
    managed(arm, "teamhomes01", "home", "projects", "spare")
    managed(arm, "teamhomes02", "home")
    managed(arm, "teamhomes03", "other")
    run_module(ATTACHMENT, **record(share="projects"))
    arm.clear_requests()

    listed = run_module(INFO, all_shares=False)["storages"]

    assert [(one["name"], one["share"]) for one in listed] == [
        ("teamhomes01", "home"),
        ("teamhomes01", "projects"),
        ("teamhomes02", "home"),
    ]
    assert [len(one["attached_vms"]) for one in listed] == [0, 1, 0]
    assert asked(arm) == {**LISTS, f"{ACCOUNT}/shares/*": 4}


def test_regions_with_many_storages_are_not_listed_and_a_warning_says_so(arm, monkeypatch):
    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text, **options: warned.append(text))
    monkeypatch.setattr(listing, "MAX_LISTS", 1)
    managed(arm, "teamhomes01", "home", "spare")
    managed(arm, "teamhomes02", "home", "spare")
    managed(arm, "teamhomes03", "home", "spare", location="eastus")

    def listed(**options):
        return [(one["name"], one["share"]) for one in run_module(INFO, **options)["storages"]]

    crowded = [("teamhomes01", "home"), ("teamhomes02", "home"), ("teamhomes03", "home"), ("teamhomes03", "spare")]
    assert listed() == crowded
    assert len(warned) == 1 and "westus2" in warned[0] and "all_shares" in warned[0]
    everything = [(f"teamhomes0{number}", share) for number in (1, 2, 3) for share in ("home", "spare")]
    assert listed(all_shares=True) == everything
    assert listed(name="teamhomes02") == everything[2:4]
    assert [name for name, _share in listed(share="spare")] == ["teamhomes01", "teamhomes02", "teamhomes03"]
    assert len(warned) == 1


def test_what_a_listing_does_not_read_is_null(arm):
    made = run_module(STORAGE, **storage())["storage"]

    (found,) = run_module(INFO)["storages"]

    endpoint = found["network"]["private_endpoints"][0]
    assert (endpoint["subnet_id"], endpoint["ip_address"], found["network"]["dns_zone"]) == (None, None, None)
    assert (found["soft_delete_days"], found["encryption_in_transit"]) == (None, None)
    assert (endpoint["id"], endpoint["state"]) == (made["network"]["private_endpoints"][0]["id"], "Approved")
    same = set(made) - {"network", "soft_delete_days", "encryption_in_transit"}
    assert {key: found[key] for key in same} == {key: made[key] for key in same}


def test_status_of_one_storage_reads_everything(arm):
    run_module(STORAGE, **storage())
    arm.clear_requests()
    run_module(INFO, name="teamhomes01", resource_group=GROUP)
    network = f"/resourceGroups/{GROUP}/providers/Microsoft.Network/privateEndpoints/*"
    assert asked(arm) == {
        f"/resourceGroups/{GROUP}/providers/Microsoft.Storage/storageAccounts/*": 1,
        "/resources": 1,
        f"{ACCOUNT}/shares": 1,
        f"{ACCOUNT}/shares/*": 1,
        ACCOUNT: 1,
        network: 1,
        f"{network}/privateDnsZoneGroups": 1,
        f"/resourceGroups/{GROUP}/providers/Microsoft.Network/privateDnsZones/{ZONE}/A/teamhomes01": 1,
    }


def test_record_is_merged_into_other_tags(arm):
    scope = f"{vm_id(arm)}/providers/Microsoft.Resources/tags/default"
    arm.request("PATCH", scope, {"operation": "Merge", "properties": {"tags": {"owner": "ops"}}})

    result = run_module(ATTACHMENT, **record())

    assert result["changed"]
    assert tags(arm) == {"owner": "ops", "azlin-home-azureuser": "teamhomes01/home:/home/azureuser"}
    assert result["attachment"]["vm_id"] == vm_id(arm)
    assert result["diff"]["before"] == {}

    assert run_module(ATTACHMENT, **record(state="absent"))["changed"]
    assert tags(arm) == {"owner": "ops"}


def test_second_record_changes_nothing(arm):
    run_module(ATTACHMENT, **record())
    arm.clear_requests()
    by_id = {"vm_id": vm_id(arm).upper().replace("/SUBSCRIPTIONS", "/subscriptions")}
    options = {key: value for key, value in record(**by_id).items() if not key.startswith("vm_") or key == "vm_id"}

    assert run_module(ATTACHMENT, **options)["changed"] is False
    assert writes(arm) == []


def test_removing_what_is_not_there(arm):
    arm.clear_requests()
    result = run_module(ATTACHMENT, **record(state="absent"))
    assert (result["changed"], result["attachment"]) == (False, None)
    assert writes(arm) == []


def test_record_of_another_storage_is_neither_overwritten_nor_removed(arm):
    run_module(ATTACHMENT, **record())
    refused = run_module(ATTACHMENT, **record(storage_name="teamhomes02"))
    kept = run_module(ATTACHMENT, **record(state="absent", storage_name="teamhomes02"))

    assert refused["error_code"] == "in_use" and "teamhomes01/home" in refused["msg"]
    assert kept["changed"] is False
    assert tags(arm)["azlin-home-azureuser"].startswith("teamhomes01/")
    assert run_module(ATTACHMENT, state="absent", vm_id=vm_id(arm), user="azureuser")["changed"]


@pytest.mark.parametrize("state", ["present", "absent"])
def test_record_in_check_mode(arm, state):
    if state == "absent":
        run_module(ATTACHMENT, **record())
    arm.clear_requests()

    forecast = run_module(ATTACHMENT, check=True, **record(state=state))
    sent = writes(arm)
    real = run_module(ATTACHMENT, **record(state=state))

    assert sent == []
    for key in ("changed", "diff", "attachment"):
        assert forecast[key] == real[key]


def test_unknown_virtual_machine(arm):
    result = run_module(ATTACHMENT, **record("worker-9"))
    assert result["error_code"] == "not_found" and "worker-9" in result["msg"]


def test_scale_set_instance_without_tags_is_refused_before_the_first_request(arm):
    options = {key: value for key, value in record().items() if not key.startswith("vm_")}
    instance = vm_id(arm).replace("virtualMachines/worker-1", "virtualMachineScaleSets/fleet/virtualMachines/0")
    arm.clear_requests()

    result = run_module(ATTACHMENT, **options, vm_id=instance)

    assert result["error_code"] == "unsupported" and "uniform" in result["msg"]
    assert "flexible" in result["causes"][0]["remedy"] and "azlin_record" in result["causes"][1]["remedy"]
    assert arm.requests() == []


def test_instance_of_a_flexible_scale_set_is_a_virtual_machine(arm):
    scale_set = vm_id(arm).replace("virtualMachines/worker-1", "virtualMachineScaleSets/fleet")
    body = {"location": "westus2", "properties": {"virtualMachineScaleSet": {"id": scale_set}}}
    arm.request("PUT", vm_id(arm, "fleet_1a2b3c4d"), body, "2024-07-01")
    run_module(STORAGE, **storage())

    assert run_module(ATTACHMENT, **record("fleet_1a2b3c4d"))["changed"]

    listed = run_module(INFO, name="teamhomes01")["storages"][0]["attached_vms"]
    assert [one["name"] for one in listed] == ["fleet_1a2b3c4d"]


def test_virtual_machine_with_all_the_tags_that_azure_allows(arm):
    scope = f"{vm_id(arm)}/providers/Microsoft.Resources/tags/default"
    full = {f"tag{number}": "x" for number in range(50)}
    arm.request("PATCH", scope, {"operation": "Merge", "properties": {"tags": full}})
    arm.clear_requests()

    checked = run_module(ATTACHMENT, check=True, **record())
    result = run_module(ATTACHMENT, **record())

    assert result["error_code"] == checked["error_code"] == "unsupported"
    assert "50" in result["msg"] and "azlin-home-azureuser" in result["msg"]
    assert writes(arm) == []

    doomed = {"operation": "Delete", "properties": {"tags": {"tag0": "x"}}}
    arm.request("PATCH", scope, doomed)
    assert run_module(ATTACHMENT, **record())["changed"]
    assert run_module(ATTACHMENT, **record(mount_point="/home/other"))["changed"]
    assert len(tags(arm)) == 50


def test_record_is_one_request(arm):
    arm.clear_requests()
    run_module(ATTACHMENT, **record())
    assert [method for method, _path in writes(arm)] == ["PATCH"]
    arm.clear_requests()
    run_module(ATTACHMENT, **record(state="absent"))
    assert [method for method, _path in writes(arm)] == ["PATCH"]


NOT_WRITTEN = {
    "failed": {"status": "Failed"},
    "failed with an error": {"status": "Failed", "error": {"code": "TagsFailed", "message": "No tags today."}},
    "as before": {"id": "tags", "properties": {"tags": {}}},
}


@pytest.mark.parametrize("answer", NOT_WRITTEN)
@pytest.mark.parametrize("state", ["present", "absent"])
def test_a_record_that_was_not_written_is_no_success(arm, answer, state):
    body = NOT_WRITTEN[answer]
    if state == "absent":
        run_module(ATTACHMENT, **record())
        body = {**body, "properties": {"tags": tags(arm)}} if "properties" in body else body
    arm.faults({"method": "PATCH", "path": "/tags/default$", "status": 200, "body": body, "times": 0})

    result = run_module(ATTACHMENT, **record(state=state))

    assert result.get("failed") and result["error_code"] == "azure_error"
    assert "worker-1" in result["msg"]


# Resource Manager's word for it, and that of virtual machines themselves.
CONCURRENT = {
    "ConflictingConcurrentWriteNotAllowed": "The operation was interrupted by a conflicting concurrent write on the "
    "same entity. Please retry later.",
    "Conflict": "The request failed due to conflict with a concurrent request. To resolve it, please refer to "
    "https://aka.ms/activitylog to get more details on the conflicting requests.",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("code", CONCURRENT)
def test_a_record_waits_for_others_who_write_to_the_machine(arm, code):
    """As an extension that is being installed on a new machine does."""
    busy = {"status": 409, "code": code, "message": CONCURRENT[code], "times": 5}
    arm.faults({"method": "PATCH", "path": "/tags/default$", **busy})

    assert run_module(ATTACHMENT, **record())["changed"]
    assert arm.status()["faults"] == [] and tags(arm)["azlin-home-azureuser"]


def test_a_record_that_azure_only_confirms_is_read_again(arm):
    arm.faults({"method": "PATCH", "path": "/tags/default$", "status": 200, "body": {}, "after": True})
    assert run_module(ATTACHMENT, **record())["changed"]


BAD = {
    "user": {"user": "Root!"},
    "mount point": {"mount_point": "home"},
    "storage": {"storage_name": "Team"},
    "share": {"share": "-"},
    "vm": {"vm_name": "a/b"},
    "long mount point": {"mount_point": "/" + "d" * 250},
}


@pytest.mark.parametrize("case", BAD)
def test_bad_records_never_reach_the_network(arm, case):
    assert run_module(ATTACHMENT, **record(**BAD[case]))["error_code"] == "invalid_argument"
    assert arm.requests() == []


def test_id_of_something_else(arm):
    options = {key: value for key, value in record().items() if not key.startswith("vm_")}
    wrong = storage_id(arm, "storageAccounts/teamhomes01")
    assert run_module(ATTACHMENT, **options, vm_id=wrong)["error_code"] == "invalid_argument"
