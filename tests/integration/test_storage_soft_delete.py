# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft-deleted shares and snapshots: what comes back, what is refused, what is said."""

from __future__ import annotations

import datetime

import pytest

from tests.integration.support import GROUP, STORAGE_API, assert_refused, run_module, storage, storage_id, writes

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
SHARES = f"{ACCOUNT}/fileServices/default/shares"


def projects(**extra):
    """A second share, so that the account outlives its deletion."""
    return storage(share="projects", **extra)


def deletion(share="projects", **extra):
    return {
        "name": "teamhomes01",
        "resource_group": GROUP,
        "share": share,
        "state": "absent",
        "confirm": "teamhomes01",
        **extra,
    }


@pytest.fixture(name="deleted")
def _deleted(arm):
    """A storage whose second share was deleted."""
    run_module(MODULE, **storage())
    run_module(MODULE, **projects(size="200GiB", root_squash="RootSquash"))
    assert run_module(MODULE, **deletion())["changed"]
    arm.clear_requests()
    return arm


def time_in(text):
    """The time after "until about" in a text."""
    return datetime.datetime.strptime(text.partition("until about ")[2][:20], "%Y-%m-%dT%H:%M:%SZ")


def snapshot(arm, share="projects"):
    arm.request("PUT", f"{storage_id(arm, SHARES)}/{share}?$expand=snapshots", {"properties": {}}, STORAGE_API)


@pytest.mark.parametrize("check", [True, False])
def test_a_soft_deleted_share_is_not_silently_replaced(deleted, check):
    result = run_module(MODULE, check=check, **projects())

    assert result["error_code"] == "soft_deleted"
    assert "teamhomes01/projects" in result["msg"]
    assert [cause["remedy"].partition(";")[0] for cause in result["causes"]] == [
        "Set restore: true",
        "Set restore: false",
    ]
    assert writes(deleted) == []
    assert run_module(MODULE, **storage())["changed"] is False


HIDDEN = {
    "account itself": f"{ACCOUNT}$",
    "list of shares": "fileServices/default/shares$",
    "share": "shares/home$",
    "file service": "fileServices/default$",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_azure_does_not_show_is_not_made_anew(deleted, hidden):
    """An account that is not seen everywhere yet: what is in it would be taken for missing."""
    fault = {"method": "GET", "path": HIDDEN[hidden], "status": 404, "code": "ResourceNotFound"}
    options = storage(soft_delete_days=9)
    deleted.faults({**fault, "times": 0})

    refused = run_module(MODULE, **options)

    assert_refused(refused, "azure_error", "teamhomes01", hidden)
    assert writes(deleted) == []
    deleted.clear_faults()
    deleted.faults({**fault, "times": 2})
    assert [step["resource"] for step in run_module(MODULE, **options)["plan"]] == ["file service of teamhomes01"]
    assert deleted.status()["faults"] == []


@pytest.mark.usefixtures("impatient")
def test_a_soft_deleted_share_in_a_list_that_azure_does_not_show_yet_is_not_replaced(deleted):
    fault = {"method": "GET", "path": HIDDEN["list of shares"], "status": 404, "code": "ResourceNotFound"}
    deleted.faults({**fault, "times": 2})
    assert_refused(run_module(MODULE, **projects()), "soft_deleted", "teamhomes01/projects")
    assert writes(deleted) == []


def test_restore_brings_the_share_back_as_it_was(deleted):
    result = run_module(MODULE, **projects(size=None, restore=True))

    assert [(step["action"], step["resource"]) for step in result["plan"]] == [("restore", "share projects")]
    assert writes(deleted) == [("POST", f"{storage_id(deleted, SHARES)}/projects/restore")]
    found = result["storage"]
    assert (found["size_gib"], found["root_squash"], found["soft_deleted"]) == (200, "RootSquash", [])
    assert not result.get("warnings")
    assert run_module(MODULE, **projects(size=None, restore=True))["changed"] is False


def test_restore_and_change_in_one_run(deleted):
    options = projects(size="300GiB", restore=True)
    forecast = run_module(MODULE, check=True, **options)
    real = run_module(MODULE, **options)

    assert [step["action"] for step in real["plan"]] == ["restore", "update"]
    assert forecast["plan"] == real["plan"] and forecast["diff"] == real["diff"]
    assert (forecast["storage"]["size_gib"], real["storage"]["size_gib"]) == (300, 300)
    assert forecast["storage"]["soft_deleted"] == real["storage"]["soft_deleted"] == []


def test_check_mode_only_reads(deleted):
    assert run_module(MODULE, check=True, **projects(size=None, restore=True))["changed"]
    assert writes(deleted) == []


def test_an_empty_share_on_request(deleted):
    result = run_module(MODULE, **projects(size="150GiB", restore=False))

    assert [step["action"] for step in result["plan"]] == ["create"]
    (version,) = result["storage"]["soft_deleted"]
    assert (result["storage"]["size_gib"], version["size_gib"]) == (150, 200)
    assert version["deleted_time"] < version["purge_time"]
    assert run_module("azlin_storage_info", name="teamhomes01", share="projects")["storages"] == [result["storage"]]
    assert run_module(MODULE, **projects(size="150GiB"))["storage"] == result["storage"]


def test_the_newest_of_several_versions_comes_back_and_that_is_said(deleted):
    run_module(MODULE, **projects(size="150GiB", restore=False))
    run_module(MODULE, **deletion())
    assert "newest of 2 versions" in run_module(MODULE, **projects())["msg"]

    result = run_module(MODULE, **projects(size=None, restore=True))

    assert result["storage"]["size_gib"] == 150
    # A text, or a summary that holds one, depending on the version of ansible-core.
    assert "2 soft-deleted versions" in str(result["warnings"])
    assert [version["size_gib"] for version in result["storage"]["soft_deleted"]] == [200]


def test_nothing_to_restore_after_the_retention(deleted):
    deleted.let_pass(24 * 8)
    assert run_module(MODULE, **projects(restore=True))["error_code"] == "not_found"
    assert run_module(MODULE, **projects())["changed"]


def test_a_busy_restore_is_repeated(deleted):
    deleted.faults({"method": "POST", "path": "/restore$", "status": 409, "code": "ShareBeingDeleted"})
    assert run_module(MODULE, **projects(size=None, restore=True))["storage"]["size_gib"] == 200


@pytest.mark.parametrize("sku", ["Premium_LRS", "PremiumV2_LRS"])
def test_an_account_that_is_still_being_made_has_no_shares(arm, sku):
    body = {"location": "westus2", "kind": "FileStorage", "sku": {"name": sku}, "tags": {"managed-by": "azlin"}}
    arm.request("PUT", storage_id(arm, ACCOUNT), body, STORAGE_API)
    not_ready = {"method": "GET", "status": 409, "code": "StorageAccountIsNotProvisioned"}
    arm.faults({**not_ready, "path": "/shares$"}, {**not_ready, "path": "/usages/"})

    result = run_module(MODULE, **storage())

    assert ("create", "share home") in [(step["action"], step["resource"]) for step in result["plan"]]


def test_deletion_says_what_comes_back_and_until_when(arm):
    run_module(MODULE, **storage(soft_delete_days=9))
    run_module(MODULE, **projects())

    said = run_module(MODULE, **deletion())["recovery"]

    refused = run_module(MODULE, **projects())["msg"]
    assert "9 days" in said and "azlin_restore: true" in said
    assert abs(time_in(said) - time_in(refused)) < datetime.timedelta(hours=1)


def test_deletion_of_the_account_says_that_soft_delete_ends_with_it(deleted):
    said = run_module(MODULE, **deletion("home"))["recovery"]
    assert "home, projects can be brought back only by recovering the account" in said
    assert "14 days" in said


@pytest.mark.parametrize("check", [True, False])
def test_snapshots_forbid_deletion(arm, check):
    run_module(MODULE, **storage())
    run_module(MODULE, **projects())
    snapshot(arm)
    arm.clear_requests()

    result = run_module(MODULE, check=check, **deletion())

    assert result["error_code"] == "in_use" and "snapshots" in result["msg"]
    assert "delete_snapshots: true" in result["causes"][1]["remedy"]
    assert writes(arm) == []
    assert run_module(MODULE, **deletion("home"))["changed"]


def test_a_snapshot_taken_meanwhile_forbids_it_too(arm):
    run_module(MODULE, **storage())
    arm.faults({"method": "DELETE", "path": "shares/home$", "status": 409, "code": "ShareHasSnapshots"})
    result = run_module(MODULE, **deletion("home"))
    assert result["error_code"] == "in_use" and "delete_snapshots: true" in result["causes"][0]["remedy"]


def test_snapshots_go_with_the_share_on_request(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **projects())
    snapshot(arm)
    arm.clear_requests()

    result = run_module(MODULE, **deletion(delete_snapshots=True))

    assert result["changed"] and len(result["plan"][0]["before"]["snapshots"]) == 1
    sent = [one["query"]["$include"] for one in arm.requests() if one["method"] == "DELETE"]
    assert sent == ["snapshots"]
