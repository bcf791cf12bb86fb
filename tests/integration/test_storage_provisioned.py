# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is provisioned: both billing models, paid bursting, decreases, limits of the service; templates and tags."""

from __future__ import annotations

import pytest

from tests.integration.support import GROUP, STORAGE_API, endpoint_network, run_module, storage, storage_id, writes

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
SERVICE = f"{ACCOUNT}/fileServices/default"
SHARE = f"{SERVICE}/shares/home"
EXISTING = {"name": "teamhomes01", "resource_group": GROUP}


def v2(**extra):
    return storage(billing_model="provisioned_v2", **extra)


def assert_nothing_to_do(arm, **options):
    arm.clear_requests()
    result = run_module(MODULE, **options)
    assert (result["changed"], result["plan"], writes(arm)) == (False, [], [])
    return result["storage"]


def asked_for_usage(arm):
    return [entry["path"] for entry in arm.requests() if "/usages/" in entry["path"]]


def test_v2_with_values_of_its_own(arm):
    options = v2(provisioned_iops=6000, provisioned_throughput=300)
    found = run_module(MODULE, **options)["storage"]

    assert (found["sku"], found["billing_model"], found["tier"]) == ("PremiumV2_LRS", "provisioned_v2", "premium")
    assert (found["size_gib"], found["provisioned_iops"], found["provisioned_throughput"]) == (500, 6000, 300)
    assert all(time.endswith("Z") for time in found["next_allowed_decrease"].values())
    assert assert_nothing_to_do(arm, **options) == found
    assert asked_for_usage(arm) == []


def test_v2_gets_what_the_service_recommends(arm):
    found = run_module(MODULE, **v2(size="1TiB", redundancy="ZRS"))["storage"]
    assert (found["sku"], found["provisioned_iops"], found["provisioned_throughput"]) == ("PremiumV2_ZRS", 4024, 228)


def test_an_existing_storage_keeps_its_billing_model(arm):
    run_module(MODULE, **v2())
    grown = run_module(MODULE, **EXISTING, size="1TiB")
    # IOPS and throughput do not follow the size.
    assert grown["diff"]["after"] == {"share home": {"size_gib": 1024}}
    found = grown["storage"]
    assert (found["billing_model"], found["provisioned_iops"], found["provisioned_throughput"]) == (
        "provisioned_v2",
        3500,
        175,
    )


def test_iops_and_throughput_are_one_patch(arm):
    run_module(MODULE, **v2())
    arm.clear_requests()
    found = run_module(MODULE, **EXISTING, provisioned_iops=9000, provisioned_throughput=400)["storage"]

    assert writes(arm) == [("PATCH", storage_id(arm, SHARE))]
    assert (found["provisioned_iops"], found["provisioned_throughput"]) == (9000, 400)
    assert_nothing_to_do(arm, **EXISTING, provisioned_iops=9000, provisioned_throughput=400)


DECREASES = {"size": "200GiB", "provisioned_iops": 5000, "provisioned_throughput": 200}


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("option", DECREASES)
def test_decreases(arm, option, check):
    run_module(MODULE, **v2(provisioned_iops=6000, provisioned_throughput=300))
    wish = {**EXISTING, option: DECREASES[option]}
    arm.clear_requests()

    unasked = run_module(MODULE, check=check, **wish)
    early = run_module(MODULE, check=check, allow_shrink=True, **wish)
    assert writes(arm) == []
    assert unasked["error_code"] == early["error_code"] == "size_decrease_refused"
    allowed = run_module(MODULE, **EXISTING)["storage"]["next_allowed_decrease"][option]
    assert "allow_shrink" in unasked["causes"][1]["remedy"] and allowed in early["msg"]

    arm.let_pass(25)
    assert run_module(MODULE, check=check, allow_shrink=True, **wish)["changed"]


def test_v1_shrinks_when_its_time_has_come(arm):
    run_module(MODULE, **storage())
    early = run_module(MODULE, **EXISTING, size="200GiB", allow_shrink=True)
    assert early["error_code"] == "size_decrease_refused" and "24 hours" in early["msg"]
    arm.let_pass(25)
    assert run_module(MODULE, **EXISTING, size="200GiB", allow_shrink=True)["storage"]["size_gib"] == 200


def test_a_decrease_that_azure_refuses_has_the_same_code(arm):
    run_module(MODULE, **storage())
    arm.faults({"method": "PATCH", "path": "shares/home$", "status": 409, "code": "ContainerQuotaDowngradeNotAllowed"})
    result = run_module(MODULE, **EXISTING, size="600GiB")
    assert result["error_code"] == "size_decrease_refused" and result["causes"]


def test_limits_are_those_of_the_service(arm):
    run_module(MODULE, **v2())
    arm.clear_requests()
    # The documentation says 100 MiB/s; the service says 125.
    result = run_module(MODULE, **EXISTING, provisioned_throughput=110, allow_shrink=True)
    early = result["error_code"]
    arm.let_pass(25)
    result = run_module(MODULE, **EXISTING, provisioned_throughput=110, allow_shrink=True)
    assert early == "size_decrease_refused"
    assert result["error_code"] == "invalid_argument" and "125 to 10340" in result["msg"]
    assert writes(arm) == [] and asked_for_usage(arm)


def test_limits_of_the_account_count_what_is_soft_deleted(arm):
    run_module(MODULE, **v2(provisioned_iops=50000))
    run_module(MODULE, **v2(share="projects", provisioned_iops=50000))
    projects = storage_id(arm, f"{SERVICE}/shares/projects")
    arm.request("DELETE", f"{projects}?$include=none", api_version=STORAGE_API)
    arm.clear_requests()

    result = run_module(MODULE, **v2(share="third", provisioned_iops=3000))

    assert result["error_code"] == "capacity_exceeded"
    assert "102400 IOPS" in result["msg"] and "50000" in result["msg"] and "3000 more" in result["msg"]
    assert writes(arm) == []
    arm.let_pass(24 * 8)
    assert run_module(MODULE, **v2(share="third", provisioned_iops=3000))["changed"]


def test_limits_that_may_not_be_read_are_left_to_azure(arm):
    run_module(MODULE, **v2())
    arm.faults({"path": "/usages/", "status": 403, "code": "AuthorizationFailed"})
    result = run_module(MODULE, **EXISTING, provisioned_iops=102401 - 1, provisioned_throughput=10340)
    assert result["storage"]["provisioned_iops"] == 102400


def test_limits_that_cannot_be_read_are_an_error(arm):
    run_module(MODULE, **v2())
    arm.faults({"path": "/usages/", "status": 400, "code": "Unlucky", "message": "It broke."})
    result = run_module(MODULE, **EXISTING, provisioned_iops=9000)
    assert "It broke." in result["msg"]


def test_an_account_that_is_full(arm):
    run_module(MODULE, **storage(size="102400"))
    result = run_module(MODULE, **storage(share="projects", size="100"))
    assert result["error_code"] == "capacity_exceeded" and "purged" in result["causes"][0]["cause"]


def test_paid_bursting(arm):
    options = storage(paid_bursting={"enabled": True, "max_iops": 5000})
    found = run_module(MODULE, **options)["storage"]
    assert found["paid_bursting"] == {"enabled": True, "max_iops": 5000, "max_throughput": 10340}
    assert_nothing_to_do(arm, **options)
    assert_nothing_to_do(arm, **storage(paid_bursting={"enabled": True}))

    changed = run_module(MODULE, **EXISTING, paid_bursting={"enabled": True, "max_throughput": 900})["storage"]
    assert changed["paid_bursting"] == {"enabled": True, "max_iops": 5000, "max_throughput": 900}

    assert (
        run_module(MODULE, **EXISTING, paid_bursting={"enabled": False})["storage"]["paid_bursting"]["enabled"] is False
    )
    assert_nothing_to_do(arm, **EXISTING, paid_bursting={"enabled": False})


@pytest.mark.parametrize(
    ("made", "options", "word"),
    [
        ({}, {"provisioned_iops": 5000}, "provisioned_v1"),
        ({}, {"provisioned_throughput": 500}, "provisioned_v1"),
        ({"billing_model": "provisioned_v2"}, {"paid_bursting": {"enabled": True}}, "provisioned_v2"),
    ],
)
def test_what_the_billing_model_of_a_storage_does_not_have(arm, made, options, word):
    run_module(MODULE, **storage(**made))
    arm.clear_requests()
    result = run_module(MODULE, **EXISTING, **options)
    assert result["error_code"] == "invalid_argument" and word in result["msg"]
    assert writes(arm) == []


def test_info_shows_the_same(arm):
    made = run_module(MODULE, **v2(provisioned_iops=6000))["storage"]
    assert run_module("azlin_storage_info", name="teamhomes01")["storages"] == [made]


def test_template(arm):
    network = {"network": endpoint_network()}
    found = run_module(MODULE, **EXISTING, **network, template="ml", size="64GiB")["storage"]
    assert (found["size_gib"], found["sku"], found["soft_delete_days"]) == (64, "PremiumV2_LRS", 7)
    assert (found["provisioned_iops"], found["provisioned_throughput"]) == (20000, 1024)
    assert_nothing_to_do(arm, **EXISTING, template="ml", size="64GiB")


def test_unknown_template(arm):
    result = run_module(MODULE, **storage(template="huge"))
    assert result["failed"] and "dev, team, ml" in result["msg"]
    assert arm.requests() == []


def test_tags_are_purged_on_request(arm):
    run_module(MODULE, **storage(tags={"team": "blue", "stage": "dev"}))
    purged = run_module(MODULE, **storage(tags={"team": "blue"}, purge_tags=True))["storage"]
    assert purged["tags"] == {"managed-by": "azlin", "team": "blue"}
    assert_nothing_to_do(arm, **storage(tags={"team": "blue"}, purge_tags=True))
    assert_nothing_to_do(arm, **storage(purge_tags=True))
    assert run_module(MODULE, **storage(tags={}, purge_tags=True))["storage"]["tags"] == {"managed-by": "azlin"}


ENCRYPTION = {
    # wanted: (secure transfer of the account, the switch of NFS)
    "required": (True, True),
    "disabled": (False, False),
}


@pytest.mark.parametrize("wanted", ENCRYPTION)
@pytest.mark.parametrize("secure_transfer", [True, False])
@pytest.mark.parametrize("switch", [True, False, None])
def test_encryption_from_any_state_to_a_safe_one_keeps_all_else(arm, wanted, secure_transfer, switch):
    run_module(MODULE, **storage())
    cors = {"corsRules": [{"allowedOrigins": ["*"], "allowedMethods": ["GET"], "maxAgeInSeconds": 5}]}
    smb = {"multichannel": {"enabled": False}, "encryptionInTransit": {"required": True}, "versions": "SMB3.1.1;"}
    nfs = {} if switch is None else {"nfs": {"encryptionInTransit": {"required": switch}}}
    retention = {"enabled": True, "days": 30}
    settings = {"cors": cors, "shareDeleteRetentionPolicy": retention, "protocolSettings": {"smb": smb, **nfs}}
    arm.request("PUT", storage_id(arm, SERVICE), {"properties": settings}, STORAGE_API)
    body = {"properties": {"supportsHttpsTrafficOnly": secure_transfer}}
    arm.request("PATCH", storage_id(arm, ACCOUNT), body, STORAGE_API)

    found = run_module(MODULE, **EXISTING, encryption_in_transit=wanted)["storage"]

    assert found["encryption_in_transit"] == wanted
    account = arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)["properties"]
    service = arm.request("GET", storage_id(arm, SERVICE), api_version=STORAGE_API)["properties"]
    nfs = service["protocolSettings"].get("nfs", {"encryptionInTransit": {"required": False}})
    assert (account["supportsHttpsTrafficOnly"], nfs["encryptionInTransit"]["required"]) == ENCRYPTION[wanted]
    assert (service["cors"], service["shareDeleteRetentionPolicy"]) == (cors, retention)
    assert service["protocolSettings"]["smb"] == smb
    assert_nothing_to_do(arm, **EXISTING, encryption_in_transit=wanted)


def test_retention_changes_keep_protocols_and_cors(arm):
    run_module(MODULE, **storage(encryption_in_transit="required"))
    before = arm.request("GET", storage_id(arm, SERVICE), api_version=STORAGE_API)["properties"]
    run_module(MODULE, **EXISTING, soft_delete_days=2)
    sent = [
        one["body"]["properties"]
        for one in arm.requests()
        if one["method"] == "PUT" and one["path"].endswith("/default")
    ]
    # All of it is sent back, since the request replaces the settings as a whole.
    assert sent[-1] == {
        **{key: before[key] for key in ("cors", "protocolSettings")},
        "shareDeleteRetentionPolicy": {"enabled": True, "days": 2},
    }
