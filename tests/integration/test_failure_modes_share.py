# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure really answers, mode by mode: shares, their deletion and their snapshots."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import timestamp
from tests.integration.support import (
    NETWORK_API,
    STORAGE_API,
    assert_finished,
    assert_refused,
    assert_succeeded,
    before_the_first_write,
    deletion,
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
SHARES = f"{ACCOUNT}/fileServices/default/shares"
SHARE = f"{SHARES}/home"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
BEING_DELETED = {"status": 409, "code": "ShareBeingDeleted", "message": "The specified share is being deleted."}
# A storage with the fewest parts; these tests are about its share.
PLAIN = storage(network=service_network())


def listed(arm, expand=""):
    """Names and snapshot times of the account's shares."""
    path = storage_id(arm, SHARES) + (f"?$expand={expand}" if expand else "")
    found = arm.request("GET", path, api_version=STORAGE_API)["value"]
    return [(one["name"], one["properties"].get("snapshotTime")) for one in found]


def take_snapshot(arm, share="home"):
    path = f"{storage_id(arm, SHARES)}/{share}?$expand=snapshots"
    arm.request("PUT", path, {"properties": {}}, STORAGE_API)


@failure_mode(11)
def test_share_of_that_name_is_still_being_deleted(arm):
    arm.faults({"method": "PUT", "path": f"{SHARE}$", "times": 3, **BEING_DELETED})
    assert_succeeded(run_module(MODULE, **PLAIN))
    assert len(sent(arm, "PUT", SHARE)) == 4
    assert_finished(arm, **PLAIN)


@failure_mode(11)
@pytest.mark.usefixtures("clock_of_faults")
def test_share_that_is_being_deleted_for_ever(arm):
    headers = {"x-ms-retry-after-ms": "20"}
    arm.faults({"method": "PUT", "path": f"{SHARE}$", "times": 0, "headers": headers, **BEING_DELETED})
    assert_refused(run_module(MODULE, **PLAIN), "timeout", "is being deleted")
    arm.clear_faults()
    assert_finished(arm, **PLAIN)


@failure_mode(12)
def test_soft_deleted_share_of_that_name(arm):
    run_module(MODULE, **PLAIN)
    arm.request("DELETE", storage_id(arm, SHARE), api_version=STORAGE_API)

    arm.clear_requests()

    assert_refused(run_module(MODULE, **PLAIN), "soft_deleted", "home")

    assert writes(arm) == []
    assert_finished(arm, **{**PLAIN, "restore": True})


@failure_mode(13)
@pytest.mark.parametrize("soft_deleted", [False, True])
def test_shares_of_the_account_are_too_large_together(arm, soft_deleted):
    run_module(MODULE, **{**PLAIN, "size": "60000GiB"})
    if soft_deleted:
        arm.request("DELETE", storage_id(arm, SHARE), api_version=STORAGE_API)
    second = {**PLAIN, "share": "projects"}

    result = run_module(MODULE, **{**second, "size": "60000GiB"})

    assert_refused(result, "capacity_exceeded", "TotalSharesProvisionedCapacityExceedsAccountLimit")
    assert "soft-deleted" in result["causes"][0]["cause"]
    assert listed(arm) == ([] if soft_deleted else [("home", None)])
    assert_finished(arm, **{**second, "size": "40000GiB"})


@failure_mode(15)
def test_throttling_never_makes_a_second_share_or_a_snapshot(arm):
    fault = {"method": "PUT", "path": f"{SHARE}$", "status": 429, "headers": {"x-ms-retry-after-ms": "20"}}
    arm.faults({**fault, "times": 2}, {**fault, "after": True, "times": 3})

    assert_succeeded(run_module(MODULE, **PLAIN))

    tries = sent(arm, "PUT", SHARE)
    assert [one["status"] for one in tries] == [429] * 5 + [200]
    assert not [one for one in tries if "$expand" in one["query"]]
    assert listed(arm, "snapshots") == [("home", None)]
    assert_finished(arm, **PLAIN)


@failure_mode(16)
def test_snapshots_block_a_deletion(arm):
    run_module(MODULE, **storage())
    take_snapshot(arm)

    result = run_module(MODULE, **deletion())

    assert_refused(result, "in_use", "snapshots (1)")
    assert "delete_snapshots" in result["causes"][1]["remedy"]
    assert len(listed(arm, "snapshots")) == 2
    assert run_module(MODULE, **storage())["changed"] is False
    arm.request("DELETE", storage_id(arm, SHARE), api_version=STORAGE_API)
    assert_finished(arm, **deletion())


BLOCKS = {
    "snapshot that was taken meanwhile": (SHARE, 409, "ShareHasSnapshots"),
    "leased snapshots of a backup": (SHARE, 409, "LeaseIdMissing"),
    "lock of the share": (SHARE, 409, "ScopeLocked"),
    "lock of the endpoint": (ENDPOINT, 409, "ScopeLocked"),
    "lock of the account": (ACCOUNT, 409, "ScopeLocked"),
}


@failure_mode(16)
@pytest.mark.parametrize("case", BLOCKS)
def test_leases_and_locks_block_a_deletion(arm, case):
    path, status, code = BLOCKS[case]
    run_module(MODULE, **storage())
    arm.faults({"method": "DELETE", "path": f"{path}$", "status": status, "code": code, "message": "Blocked."})

    assert_refused(run_module(MODULE, **deletion()), "in_use", code, "Blocked.")

    assert exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    if path == SHARE:
        assert run_module(MODULE, **storage())["changed"] is False
    assert_finished(arm, **deletion())


@failure_mode(17)
def test_account_goes_while_its_share_is_deleted(arm, monkeypatch):
    run_module(MODULE, **storage())

    def somebody():
        arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
        arm.clear_requests()

    with before_the_first_write(monkeypatch, somebody):
        result = assert_succeeded(run_module(MODULE, **deletion()))

    assert result["changed"]
    assert [one["status"] for one in sent(arm, "DELETE", SHARE)] == [404]
    assert not exists(arm, network_id(arm, ENDPOINT), NETWORK_API)


@failure_mode(17)
def test_deletion_of_what_went_with_its_parent(arm):
    run_module(MODULE, **storage())
    fault = {"method": "DELETE", "status": 404, "code": "ParentResourceNotFound", "after": True}
    arm.faults({**fault, "path": f"{SHARE}$"}, {**fault, "path": "privateDnsZoneGroups/default$"})
    assert_succeeded(run_module(MODULE, **deletion()))
    assert_finished(arm, **deletion())


@failure_mode(18)
def test_a_deletion_never_takes_more_than_its_share(arm):
    """Without $include=none Azure deletes a share with its snapshots, and without its name all of them."""
    run_module(MODULE, **PLAIN)
    run_module(MODULE, **{**PLAIN, "share": "home2"})
    take_snapshot(arm, "home2")
    arm.clear_requests()

    assert_succeeded(run_module(MODULE, **deletion()))

    deletions = [one for one in arm.requests() if one["method"] == "DELETE"]
    assert [(one["path"], one["query"]["$include"]) for one in deletions] == [(storage_id(arm, SHARE), "none")]
    assert [name for name, _time in listed(arm, "snapshots")] == ["home2", "home2"]
    assert_refused(run_module(MODULE, **deletion(share="home2")), "in_use", "snapshots (1)")
    assert len(listed(arm, "snapshots")) == 2


@failure_mode(27)
def test_share_is_made_smaller_too_early(arm):
    run_module(MODULE, **PLAIN)
    arm.clear_requests()
    smaller = {**PLAIN, "size": "400GiB", "allow_shrink": True}

    found = run_module(MODULE, **smaller)
    forecast = run_module(MODULE, check=True, **smaller)

    allowed = arm.request("GET", storage_id(arm, SHARE), api_version=STORAGE_API)["properties"]
    moment = timestamp(parsedate_to_datetime(allowed["nextAllowedQuotaDowngradeTime"]))
    assert_refused(found, "size_decrease_refused", "500", "400", moment)
    assert forecast["msg"] == found["msg"]
    assert writes(arm) == []
    assert_finished(arm, **PLAIN)


@failure_mode(27)
def test_azure_knows_better_when_a_share_can_be_made_smaller(arm):
    run_module(MODULE, **PLAIN)
    share = arm.request("GET", storage_id(arm, SHARE), api_version=STORAGE_API)
    del share["properties"]["nextAllowedQuotaDowngradeTime"]
    share["properties"]["shareUsageBytes"] = 0
    arm.faults({"method": "GET", "path": f"{SHARE}$", "status": 200, "body": share})

    result = run_module(MODULE, **{**PLAIN, "size": "400GiB", "allow_shrink": True})

    assert_refused(result, "size_decrease_refused", "24 hours")
    assert_finished(arm, **PLAIN)
