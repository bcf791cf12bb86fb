# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deleting a storage: guards, what goes and what stays."""

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import apply
from tests.integration.support import (
    DNS_API,
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_forecast,
    assert_nothing_to_do,
    assert_refused,
    before_the_first_write,
    deletion,
    endpoint_network,
    exists,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
    writes,
)

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"


def attach(state="present", **extra):
    return run_module(
        "azlin_attachment",
        state=state,
        vm_name="worker-1",
        vm_resource_group=GROUP,
        storage_name="teamhomes01",
        user="azureuser",
        mount_point="/home/azureuser",
        **extra,
    )


def test_deletion(arm):
    run_module(MODULE, **storage())
    result = run_module(MODULE, **deletion())

    assert result["changed"] and result["storage"] is None
    assert [(step["action"], step["resource"]) for step in result["plan"]] == [
        ("delete", "share home"),
        ("delete", "DNS zone group of teamhomes01-pe"),
        ("delete", "private endpoint teamhomes01-pe"),
        ("delete", "storage account teamhomes01"),
    ]
    assert "14 days" in result["recovery"] and "7 days" in result["recovery"]
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert not exists(arm, network_id(arm, "privateEndpoints/teamhomes01-pe"), NETWORK_API)
    assert not exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert exists(arm, network_id(arm, ZONE), DNS_API)
    assert exists(arm, network_id(arm, "virtualNetworks/lab-vnet"), NETWORK_API)


def test_an_endpoint_with_a_name_of_its_own_goes_with_the_account(arm):
    run_module(MODULE, **storage(network=endpoint_network(endpoint_name="second")))

    result = assert_forecast(arm, MODULE, **deletion())

    assert "private endpoint second" in [step["resource"] for step in result["plan"]]
    assert "stay" not in result["recovery"]
    assert not exists(arm, network_id(arm, "privateEndpoints/second"), NETWORK_API)
    assert not exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("name", ["teamhomes01-pe", "second"])
def test_endpoints_of_others_stay_and_are_named(arm, name):
    run_module(MODULE, **storage(network=endpoint_network(endpoint_name=name)))
    path = network_id(arm, f"privateEndpoints/{name}")
    theirs = arm.request("GET", path, api_version=NETWORK_API)
    arm.request("PUT", path, {**theirs, "tags": {}}, NETWORK_API)

    result = run_module(MODULE, **deletion())

    assert result["recovery"].endswith(f"or the identity may not see or delete them: {path}.")
    assert exists(arm, path, NETWORK_API)
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("check", [True, False])
def test_a_new_account_does_not_end_the_recovery_of_a_deleted_one(arm, check):
    run_module(MODULE, **storage())
    run_module(MODULE, **deletion())
    arm.clear_requests()

    refused = run_module(MODULE, check=check, **storage())

    assert_refused(refused, "soft_deleted", storage_id(arm, ACCOUNT))
    assert [cause["remedy"].partition(" ")[0] for cause in refused["causes"]] == ["Recover", "Set"]
    assert writes(arm) == []
    assert run_module(MODULE, **storage(restore=True))["error_code"] == "not_found"
    assert run_module(MODULE, **storage(name="teamhomes02"))["changed"]
    assert run_module(MODULE, **storage(restore=False))["changed"]
    assert_nothing_to_do(arm, **storage())


def test_whether_an_account_was_deleted_need_not_be_known(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **deletion())
    arm.faults({"method": "GET", "path": "/deletedAccounts$", "status": 403, "code": "AuthorizationFailed"})
    assert run_module(MODULE, **storage())["changed"]
    assert arm.status()["faults"] == []


def test_second_deletion_finds_nothing(arm):
    run_module(MODULE, **storage(network=service_network()))
    run_module(MODULE, **deletion())
    arm.clear_requests()

    result = run_module(MODULE, **deletion())

    assert (result["changed"], result["plan"], result["recovery"]) == (False, [], None)
    assert writes(arm) == []


def test_a_storage_of_another_resource_group_is_not_taken_for_a_deleted_one(arm):
    run_module(MODULE, **storage())

    refused = assert_forecast(arm, MODULE, **deletion(resource_group="other-group"))

    assert_refused(refused, "not_found", "teamhomes01", GROUP, "'other-group'")
    assert refused["causes"][0]["remedy"] == f"Set resource_group: {GROUP}."
    assert exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("confirm", [None, "", "teamhomes02", "TEAMHOMES01"])
def test_deletion_has_to_be_confirmed_by_name(arm, confirm):
    run_module(MODULE, **storage())
    arm.clear_requests()

    result = run_module(MODULE, **deletion(confirm=confirm, force=True))

    assert result["error_code"] == "confirmation_required"
    assert arm.requests() == []


def make_account(arm, kind="FileStorage", sku="Premium_LRS"):
    """An account that somebody else made and that got our tag."""
    body = {"location": "westus2", "kind": kind, "sku": {"name": sku}, "tags": {"managed-by": "azlin"}}
    arm.request("PUT", storage_id(arm, ACCOUNT), {**body, "properties": {}}, STORAGE_API)


def test_our_tag_does_not_make_an_account_of_another_kind_ours(arm):
    make_account(arm, "StorageV2", "Standard_LRS")

    refused = assert_forecast(arm, MODULE, **deletion(force=True))

    assert_refused(refused, "not_managed", "teamhomes01", "'StorageV2'")
    assert exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("options", [{}, {"share": "other", "more_shares": ["home"]}])
def test_a_share_of_another_protocol_is_not_deleted(arm, options):
    make_account(arm)
    share = storage_id(arm, f"{ACCOUNT}/fileServices/default/shares/home")
    arm.request("PUT", share, {"properties": {"shareQuota": 100, "enabledProtocols": "SMB"}}, STORAGE_API)

    refused = assert_forecast(arm, MODULE, **deletion(force=True, **options))

    assert_refused(refused, "not_managed", "teamhomes01/home", "'SMB'")
    assert exists(arm, share, STORAGE_API)


def test_attached_homes_forbid_deletion(arm):
    run_module(MODULE, **storage())
    attach()
    arm.clear_requests()

    result = run_module(MODULE, **deletion())

    assert result["error_code"] == "in_use"
    assert "worker-1 (/home/azureuser)" in result["msg"]
    assert "detach" in result["try"]
    assert writes(arm) == []

    attach("absent")
    assert run_module(MODULE, **deletion())["changed"]


def test_force_lifts_the_check_for_attached_homes(arm):
    run_module(MODULE, **storage())
    attach()
    assert run_module(MODULE, **deletion(force=True))["changed"]


def test_what_hosts_say_forbids_deletion_and_force_lifts_that_alone(arm):
    run_module(MODULE, **storage())
    arm.clear_requests()

    result = run_module(MODULE, **deletion(used_by=["worker-9/azureuser"]))

    assert result["error_code"] == "in_use" and "worker-9/azureuser" in result["msg"]
    assert writes(arm) == []
    refused = run_module(MODULE, **deletion(used_by=["worker-9/azureuser"], force=True, confirm="other"))
    assert refused["error_code"] == "confirmation_required"
    arm.request("PATCH", storage_id(arm, ACCOUNT), {"tags": {}}, STORAGE_API)
    assert run_module(MODULE, **deletion(force=True))["error_code"] == "not_managed"
    arm.request("PATCH", storage_id(arm, ACCOUNT), {"tags": {"managed-by": "azlin"}}, STORAGE_API)
    assert run_module(MODULE, **deletion(used_by=["worker-9/azureuser"], force=True))["changed"]


def test_unanswered_question_for_attachments_forbids_deletion(arm):
    run_module(MODULE, **storage())
    arm.clear_requests()
    arm.faults(
        {"method": "GET", "path": f"{arm.subscription_id}/resources$", "status": 403, "code": "AuthorizationFailed"}
    )

    result = run_module(MODULE, **deletion())

    assert result["error_code"] == "authorization_failed"
    assert writes(arm) == []


def test_attachments_of_other_storages_do_not_matter(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(name="teamhomes02"))
    attach()
    assert run_module(MODULE, **deletion(name="teamhomes02", confirm="teamhomes02"))["changed"]


def test_account_with_other_shares_stays(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(share="projects"))

    result = run_module(MODULE, **deletion())

    assert [step["resource"] for step in result["plan"]] == ["share home"]
    assert "projects" in result["recovery"]
    assert exists(arm, storage_id(arm, f"{ACCOUNT}/fileServices/default/shares/projects"), STORAGE_API)
    assert run_module(MODULE, **storage(share="projects"))["changed"] is False


def test_several_shares_go_together_and_all_are_looked_at_before(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(share="projects"))
    attach(share="projects")
    arm.clear_requests()

    refused = run_module(MODULE, **deletion(more_shares=["projects"]))

    assert refused["error_code"] == "in_use" and "teamhomes01/projects" in refused["msg"]
    assert writes(arm) == []
    attach("absent", share="projects")
    result = assert_forecast(arm, MODULE, **deletion(more_shares=["projects", "home", "nowhere"]))
    assert [step["resource"] for step in result["plan"]] == [
        "share home",
        "share projects",
        "DNS zone group of teamhomes01-pe",
        "private endpoint teamhomes01-pe",
        "storage account teamhomes01",
    ]
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)
    assert run_module(MODULE, **storage(more_shares=["projects"]))["error_code"] == "invalid_argument"


def test_homes_on_a_soft_deleted_share_keep_the_account(arm):
    """It can be restored as long as its account is there, and the account would go with the last living share."""
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(share="projects"))
    attach(share="projects")
    arm.request("DELETE", storage_id(arm, f"{ACCOUNT}/fileServices/default/shares/projects"), api_version=STORAGE_API)
    arm.clear_requests()

    refused = assert_forecast(arm, MODULE, **deletion())

    assert_refused(refused, "in_use", "teamhomes01", "share projects", "worker-1 (/home/azureuser)")
    assert writes(arm) == []
    assert run_module(MODULE, **deletion(force=True))["changed"]
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


def test_a_deletion_that_fails_in_part_says_what_is_gone_and_how_it_comes_back(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(share="projects"))
    arm.faults(
        {"method": "DELETE", "path": "shares/projects$", "status": 409, "code": "LeaseIdMissing", "message": "Leased."}
    )

    result = run_module(MODULE, **deletion(more_shares=["projects"]))

    assert_refused(result, "in_use", "Leased.", "Deleted already: share home.")
    assert "Share home is kept by soft delete for 7 days, until about " in result["recovery"]
    assert result["msg"].endswith(result["recovery"])


def test_a_deletion_that_fails_at_once_deleted_nothing(arm):
    run_module(MODULE, **storage())
    arm.faults({"method": "DELETE", "path": "shares/home$", "status": 409, "code": "LeaseIdMissing", "message": "No."})

    result = run_module(MODULE, **deletion())

    assert "Deleted already" not in result["msg"] and "recovery" not in result


@pytest.mark.parametrize("kind", ["share", "private endpoint"])
def test_a_share_that_is_made_meanwhile_keeps_its_account(arm, monkeypatch, kind):
    """With the account stays what leads to it, unless that has gone before."""
    run_module(MODULE, **storage())
    share = storage_id(arm, f"{ACCOUNT}/fileServices/default/shares/projects")
    delete = apply._DELETIONS[kind]

    def and_make_a_share(azure, step):
        arm.request("PUT", share, {"properties": {"enabledProtocols": "NFS", "shareQuota": 100}}, STORAGE_API)
        return delete(azure, step)

    monkeypatch.setitem(apply._DELETIONS, kind, and_make_a_share)

    result = run_module(MODULE, **deletion())

    assert_refused(result, "in_use", "teamhomes01", "projects", "Deleted already: share home")
    assert ("private endpoint teamhomes01-pe" in result["recovery"]) is (kind == "private endpoint")
    assert exists(arm, share, STORAGE_API)
    for path, api in (("privateEndpoints/teamhomes01-pe", NETWORK_API), (f"{ZONE}/A/teamhomes01", DNS_API)):
        assert exists(arm, network_id(arm, path), api) is (kind == "share")


@pytest.mark.usefixtures("impatient")
def test_an_account_whose_shares_are_not_listed_stays(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **storage(share="projects"))
    arm.clear_requests()
    arm.faults({"method": "GET", "path": "/shares$", "status": 404, "code": "ParentResourceNotFound", "times": 0})

    result = run_module(MODULE, **deletion())

    assert result["error_code"] == "in_use" and "teamhomes01" in result["msg"]
    assert writes(arm) == []


def test_an_account_whose_shares_are_not_listed_any_more_stays(arm, monkeypatch):
    run_module(MODULE, **storage())
    missing = {"method": "GET", "path": "/shares$", "status": 404, "code": "ParentResourceNotFound", "times": 0}

    with before_the_first_write(monkeypatch, lambda: arm.faults(missing)):
        result = run_module(MODULE, **deletion())

    assert result["error_code"] == "in_use"
    assert exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


HIDDEN = {
    "for a moment": {"path": f"{ACCOUNT}$", "times": 1},
    "for long": {"path": f"{ACCOUNT}$", "times": 0},
    "with all that is in it": {"path": f"{ACCOUNT}(/|$)", "times": 0},
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", HIDDEN)
def test_an_account_that_azure_does_not_show_is_not_taken_for_a_deleted_one(arm, how):
    run_module(MODULE, **storage())
    attach()
    arm.clear_requests()
    arm.faults({"method": "GET", "status": 404, "code": "ResourceNotFound", **HIDDEN[how]})

    result = run_module(MODULE, **deletion())

    assert_refused(result, "in_use", "teamhomes01")
    assert writes(arm) == []


@pytest.mark.usefixtures("impatient")
def test_a_share_that_azure_does_not_show_keeps_its_account(arm):
    run_module(MODULE, **storage())
    arm.clear_requests()
    arm.faults({"method": "GET", "path": "shares/home$", "status": 404, "code": "ResourceNotFound", "times": 0})

    assert_refused(run_module(MODULE, **deletion()), "in_use", "teamhomes01", "share home")
    assert writes(arm) == []


def test_homes_on_a_deleted_account_protect_the_endpoint_that_is_left(arm):
    run_module(MODULE, **storage())
    attach()
    arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    arm.clear_requests()

    told = deletion(used_by=["worker-9/azureuser"])
    assert_refused(run_module(MODULE, **deletion()), "in_use", "worker-1")
    assert writes(arm) == []
    attach("absent")
    assert_refused(run_module(MODULE, **told), "in_use", "worker-9")
    assert run_module(MODULE, **deletion())["changed"]
    assert run_module(MODULE, **told)["plan"] == []


def test_snapshots_forbid_deletion_and_nothing_breaks(arm):
    run_module(MODULE, **storage())
    arm.faults(
        {"method": "DELETE", "path": "shares/home$", "status": 409, "code": "ShareHasSnapshots", "message": "No."}
    )

    result = run_module(MODULE, **deletion())

    assert result["error_code"] == "in_use"
    assert run_module(MODULE, **storage())["changed"] is False


def test_failed_deletion_is_resumed(arm):
    run_module(MODULE, **storage())
    arm.faults({"method": "DELETE", "path": f"{ACCOUNT}$", "status": 409, "code": "ScopeLocked", "message": "Locked."})

    first = run_module(MODULE, **deletion())
    second = run_module(MODULE, **deletion())

    assert first["error_code"] == "in_use" and "lock" in first["causes"][0]["cause"]
    assert [step["resource"] for step in second["plan"]] == ["storage account teamhomes01"]


def test_endpoint_left_behind_by_a_deleted_account_goes(arm):
    run_module(MODULE, **storage())
    arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)

    assert run_module(MODULE, **deletion())["changed"]
    assert not exists(arm, network_id(arm, "privateEndpoints/teamhomes01-pe"), NETWORK_API)


def test_share_delete_never_takes_snapshots_along(arm):
    run_module(MODULE, **storage())
    run_module(MODULE, **deletion())
    sent = [one for one in arm.requests() if one["method"] == "DELETE" and one["path"].endswith("shares/home")]
    assert [one["query"]["$include"] for one in sent] == ["none"]
