# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure really answers, mode by mode: the account, permissions, throttling. Each run ends well or as refused."""

from __future__ import annotations

import pathlib
import re
import socket

import pytest

from tests.integration.support import (
    GROUP,
    STORAGE_API,
    assert_finished,
    assert_refused,
    assert_succeeded,
    before_the_first_write,
    deletion,
    endpoint_network,
    exists,
    run_module,
    sent,
    storage,
    storage_id,
    writes,
)

pytestmark = pytest.mark.usefixtures("impatient")
failure_mode = pytest.mark.failure_mode

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
SERVICE = f"{ACCOUNT}/fileServices/default"
SHARE = f"{SERVICE}/shares/home"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
# What Azure sends with an answer that is worth another try; the lab's times are short.
SOON = {"x-ms-retry-after-ms": "20"}


def account(arm):
    return arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)


def test_every_failure_mode_has_its_test():
    files = pathlib.Path(__file__).parent.glob("test_failure_modes*.py")
    numbers = re.findall(r"^@failure_mode\((\d+)\)$", "\n".join(path.read_text() for path in files), re.MULTILINE)
    assert {int(number) for number in numbers} == set(range(1, 31))


@failure_mode(1)
@pytest.mark.parametrize("found_by", ["question", "creation"])
def test_name_taken_in_another_tenant(arm, found_by):
    arm.taken_names("teamhomes01")
    if found_by == "creation":
        arm.faults({"method": "POST", "path": "checkNameAvailability$", "status": 200, "body": {"nameAvailable": True}})

    result = run_module(MODULE, **storage())

    assert_refused(result, "name_conflict", "teamhomes01", "StorageAccountAlreadyTaken")
    assert "another name" in result["causes"][0]["remedy"]
    assert len(sent(arm, "PUT", ACCOUNT)) == (found_by == "creation")
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert_finished(arm, **storage(name="teamhomes02"))


OTHER_GROUP = "azlin-other"
CHECK_NAME = "Microsoft.Storage/checkNameAvailability"


@failure_mode(1)
@pytest.mark.parametrize("found_by", ["question", "creation"])
def test_name_taken_by_an_own_account_of_another_group(arm, found_by):
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/{OTHER_GROUP}", {"location": "westus2"})
    run_module(MODULE, **storage())
    if found_by == "creation":
        arm.faults({"method": "POST", "path": "checkNameAvailability$", "status": 200, "body": {"nameAvailable": True}})
    arm.clear_requests()
    elsewhere = storage(resource_group=OTHER_GROUP, network=endpoint_network(resource_group=GROUP))

    result = run_module(MODULE, **elsewhere)

    assert_refused(result, "name_conflict", "teamhomes01")
    assert f"resource_group: {GROUP}" in result["causes"][0]["remedy"]
    assert not exists(arm, storage_id(arm, ACCOUNT).replace(GROUP, OTHER_GROUP), STORAGE_API)


@failure_mode(1)
def test_name_taken_by_another_run_at_the_same_time(arm):
    run_module(MODULE, **storage())
    # When this run looks, there is nothing of it: the four reads of the account, and the two of its endpoint.
    path = f"{ACCOUNT}|/privateEndpoints/"
    arm.faults({"method": "GET", "path": path, "status": 404, "code": "ResourceNotFound", "times": 6})
    arm.clear_requests()

    result = run_module(MODULE, **storage())

    assert_refused(result, "name_conflict", "teamhomes01", "meanwhile")
    assert result["causes"][0]["remedy"].startswith("Run again")
    assert writes(arm) == [("POST", f"/subscriptions/{arm.subscription_id}/providers/{CHECK_NAME}")]
    assert_finished(arm, **storage())


@failure_mode(2)
def test_name_reserved_for_a_deleted_account(arm):
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "status": 409, "code": "StorageAccountAlreadyTaken"})

    result = run_module(MODULE, **storage())

    assert_refused(result, "name_conflict", "teamhomes01")
    assert "reserved" in result["causes"][0]["cause"]
    assert len(sent(arm, "PUT", ACCOUNT)) == 1
    assert_finished(arm, **storage())


@failure_mode(3)
@pytest.mark.parametrize("changed", [{"location": "eastus"}, {"redundancy": "ZRS"}])
def test_account_with_other_properties_that_cannot_change(arm, changed):
    run_module(MODULE, **storage())
    arm.clear_requests()
    assert_refused(run_module(MODULE, **storage(**changed)), "immutable_property", *changed.values())
    assert writes(arm) == []
    assert_finished(arm, **storage())


@failure_mode(3)
@pytest.mark.parametrize(
    ("status", "code", "error_code"),
    [
        (409, "InvalidResourceLocation", "immutable_property"),
        (400, "InvalidValuesForRequestParameters", "invalid_argument"),
    ],
)
def test_account_with_other_properties_appears_meanwhile(arm, status, code, error_code):
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "status": status, "code": code, "message": "It differs: sku."})
    assert_refused(run_module(MODULE, **storage()), error_code, code, "It differs: sku.")
    assert_finished(arm, **storage())


@failure_mode(4)
def test_failure_that_looks_like_success(arm):
    error = {"code": "Unlucky", "message": "It broke."}
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "fail_operation": error})

    assert_refused(run_module(MODULE, **storage()), "create_failed", "Unlucky", "It broke.", remedied=False)

    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert_finished(arm, **storage())


@failure_mode(4)
def test_busy_that_looks_like_success(arm):
    error = {"code": "StorageAccountOperationInProgress", "message": "Busy."}
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "fail_operation": error})
    assert_succeeded(run_module(MODULE, **storage()))
    assert len(sent(arm, "PUT", ACCOUNT)) == 2
    assert_finished(arm, **storage())


@failure_mode(4)
def test_success_without_a_resource(arm):
    arm.faults({"method": "GET", "path": "asyncoperations/", "status": 200, "body": {}})
    assert_refused(run_module(MODULE, **storage()), "create_failed", "teamhomes01", remedied=False)
    assert_finished(arm, **storage())


@failure_mode(4)
def test_success_that_changed_nothing(arm):
    """What an Azure Policy with the effect modify does."""
    run_module(MODULE, **storage())
    kept = arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    arm.faults({"method": "PATCH", "path": f"{ACCOUNT}$", "status": 200, "body": kept, "times": 0})

    result = run_module(MODULE, **storage(encryption_in_transit="required"))

    assert_refused(result, "azure_error", "storage account teamhomes01", "https_only is False", "not True")
    assert "Azure Policy" in result["causes"][0]["cause"]
    arm.clear_faults()
    assert_finished(arm, **storage(encryption_in_transit="required"))


@failure_mode(30)
def test_a_change_that_is_not_seen_yet(arm, monkeypatch):
    run_module(MODULE, **storage())
    old = arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    late = {"method": "GET", "path": f"{ACCOUNT}$", "status": 200, "body": old, "times": 2}

    with before_the_first_write(monkeypatch, lambda: arm.faults(late)):
        result = assert_succeeded(run_module(MODULE, **storage(encryption_in_transit="required")))

    assert result["storage"]["encryption_in_transit"] == "required"
    assert arm.status()["faults"] == []


IN_PROGRESS = {"status": 409, "code": "StorageAccountOperationInProgress", "message": "Exclusive access."}


@failure_mode(10)
def test_parallel_updates_of_an_account(arm):
    run_module(MODULE, **storage())
    arm.faults(
        {"method": "PATCH", "path": f"{ACCOUNT}$", "times": 2, **IN_PROGRESS},
        {"method": "PUT", "path": f"{SERVICE}$", "times": 2, **IN_PROGRESS},
        {"method": "PATCH", "path": f"{SHARE}$", "times": 2, **IN_PROGRESS},
    )
    changed = storage(tags={"team": "blue"}, soft_delete_days=3, size="600GiB")

    found = assert_succeeded(run_module(MODULE, **changed))["storage"]

    assert (found["tags"]["team"], found["soft_delete_days"], found["size_gib"]) == ("blue", 3, 600)
    assert arm.status()["faults"] == []
    assert_finished(arm, **changed)


@failure_mode(10)
@pytest.mark.usefixtures("clock_of_faults")
def test_an_account_that_stays_busy(arm):
    run_module(MODULE, **storage())
    arm.faults({"method": "PATCH", "path": f"{ACCOUNT}$", "times": 0, "headers": SOON, **IN_PROGRESS})

    assert_refused(run_module(MODULE, **storage(tags={"team": "blue"})), "timeout", "Exclusive access")

    arm.clear_faults()
    assert_finished(arm, **storage(tags={"team": "blue"}))


THROTTLED = {
    "status": 429,
    "code": "TooManyRequests",
    "message": "The request is being throttled: operation type - Write_ObservationWindow_00:00:01.",
}


@failure_mode(14)
def test_throttling_passes(arm):
    # More often than the SDK tries on its own.
    arm.faults({"method": "PUT", "path": "/Microsoft.Storage/", "times": 9, "headers": SOON, **THROTTLED})
    assert_succeeded(run_module(MODULE, **storage()))
    assert arm.status()["faults"] == []
    assert_finished(arm, **storage())


@failure_mode(14)
@pytest.mark.usefixtures("clock_of_faults")
def test_throttling_that_stays(arm):
    arm.faults({"method": "PUT", "path": f"{SHARE}$", "times": 0, "headers": SOON, **THROTTLED})

    result = run_module(MODULE, **storage())

    assert_refused(result, "throttled", "Write_ObservationWindow_00:00:01")
    assert "fewer forks" in result["causes"][0]["remedy"]
    arm.clear_faults()
    assert_finished(arm, **storage())


@failure_mode(14)
def test_requests_are_few(arm):
    """Azure allows 100 lists and 800 reads in five minutes, and no key is ever asked for."""
    run_module(MODULE, **storage())
    arm.clear_requests()
    run_module(MODULE, **storage())
    storage_reads = [one for one in arm.requests() if "/Microsoft.Storage/" in one["path"]]
    assert len(storage_reads) == 4 and {one["method"] for one in storage_reads} == {"GET"}


DENIED = {
    "zone": ("PUT", "privateDnsZones/[^/]*$", "AuthorizationFailed", "Microsoft.Network/privateDnsZones/write"),
    "link": ("PUT", "virtualNetworkLinks/", "AuthorizationFailed", "Microsoft.Network/virtualNetworks/join/action"),
    "account": ("PUT", f"{ACCOUNT}$", "AuthorizationFailed", "Microsoft.Storage/storageAccounts/write"),
    "endpoint": (
        "PUT",
        f"{ENDPOINT}$",
        "LinkedAuthorizationFailed",
        "Microsoft.Network/virtualNetworks/subnets/join/action",
    ),
    "network": ("GET", "virtualNetworks/lab-vnet$", "AuthorizationFailed", "Microsoft.Network/virtualNetworks/read"),
    "policy": ("PUT", f"{ACCOUNT}$", "RequestDisallowedByPolicy", "deny-open-accounts"),
}


@failure_mode(23)
@pytest.mark.parametrize("case", DENIED)
def test_missing_permission(arm, case):
    method, path, code, action = DENIED[case]
    arm.faults({"method": method, "path": path, "status": 403, "code": code, "message": f"No: {action}."})

    result = run_module(MODULE, **storage())

    assert_refused(result, "authorization_failed", code, action)
    assert result["causes"] and result["try"] == "az account show"
    if case == "network":
        assert writes(arm) == []
    if case in ("network", "zone", "account", "policy"):
        assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert_finished(arm, **storage())


@failure_mode(25)
def test_a_closed_data_plane_is_not_needed(arm, monkeypatch):
    """Neither the file endpoint nor an account key is used: the firewall and allowSharedKeyAccess may forbid both."""
    asked, resolve = set(), socket.getaddrinfo

    def remembering(host, *args, **kwargs):
        asked.add(host)
        return resolve(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", remembering)
    run_module(MODULE, **storage())
    arm.request("PATCH", storage_id(arm, ACCOUNT), {"properties": {"allowSharedKeyAccess": False}}, STORAGE_API)

    found = assert_finished(arm, **storage(size="600GiB"))["storage"]
    assert_succeeded(run_module("azlin_storage_info", name="teamhomes01"))
    assert_succeeded(run_module(MODULE, **deletion()))

    assert found["size_gib"] == 600
    assert asked == {"localhost"}
    assert not [one for one in arm.requests() if "key" in one["path"].lower()]


@failure_mode(29)
@pytest.mark.parametrize("wanted", ["disabled", "required"])
def test_account_with_the_other_encryption(arm, wanted):
    other = {"disabled": "required", "required": "disabled"}[wanted]
    run_module(MODULE, **storage(encryption_in_transit=other))

    found = assert_finished(arm, **storage(encryption_in_transit=wanted))["storage"]

    service = arm.request("GET", storage_id(arm, SERVICE), api_version=STORAGE_API)["properties"]
    switch = service["protocolSettings"]["nfs"]["encryptionInTransit"]["required"]
    assert found["encryption_in_transit"] == wanted
    assert account(arm)["properties"]["supportsHttpsTrafficOnly"] is switch is (wanted == "required")


LATE = {
    "file service": ("PUT", f"{SERVICE}$", 404, "ParentResourceNotFound", 2),
    "share": ("PUT", f"{SHARE}$", 404, "ParentResourceNotFound", 2),
    "share of an account that is not ready": ("PUT", f"{SHARE}$", 409, "StorageAccountIsNotProvisioned", 5),
    "link": ("PUT", "virtualNetworkLinks/", 404, "ParentResourceNotFound", 2),
    # The first of them is the question before the creation.
    "account when it is read": ("GET", f"{ACCOUNT}$", 404, "ResourceNotFound", 2),
    "share when it is read": ("GET", f"{SHARE}$", 404, "ShareNotFound", 2),
    "endpoint when its operation is over": ("GET", f"{ENDPOINT}$", 404, "ResourceNotFound", 2),
}


@failure_mode(30)
@pytest.mark.parametrize("case", LATE)
def test_what_was_just_created_is_not_seen_yet(arm, case):
    method, path, status, code, times = LATE[case]
    arm.faults({"method": method, "path": path, "status": status, "code": code, "times": times})

    result = assert_succeeded(run_module(MODULE, **storage()))

    assert arm.status()["faults"] == []
    assert result["storage"]["nfs_endpoint"] and result["storage"]["network"]["private_endpoints"]
    assert_finished(arm, **storage())


@failure_mode(30)
def test_what_never_appears_is_an_error(arm):
    arm.faults({"method": "PUT", "path": f"{SHARE}$", "status": 404, "code": "ParentResourceNotFound", "times": 0})
    assert_refused(run_module(MODULE, **storage()), "not_found", "ParentResourceNotFound")
    assert 1 < len(sent(arm, "PUT", SHARE)) < 10
    arm.clear_faults()
    assert_finished(arm, **storage())
