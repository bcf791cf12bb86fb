# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Provisioned v2 and paid bursting: limits, recommendations, usage, decreases, versions of deleted shares."""

import datetime
import email.utils

import pytest
from azure.core.exceptions import HttpResponseError

from lab.arm import provisioning

GROUP = "rg-Test"


@pytest.fixture(name="v2")
def _v2(azure):
    azure.account(sku="PremiumV2_LRS")
    return azure


def put(azure, name="home", **properties):
    path = f"{azure.account_id()}/fileServices/default/shares/{name}"
    return azure.wire.put(path, json={"properties": {"enabledProtocols": "NFS", **properties}})


def patch(azure, **properties):
    path = f"{azure.account_id()}/fileServices/default/shares/home"
    return azure.wire.patch(path, json={"properties": properties})


def get(azure, name="home"):
    return azure.wire.get(f"{azure.account_id()}/fileServices/default/shares/{name}").json()["properties"]


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def usage(azure):
    return azure.storage.file_services.get_service_usage(GROUP, "homes").properties


def test_tier_of_a_v2_account(v2):
    assert v2.wire.get(v2.account_id()).json()["sku"] == {"name": "PremiumV2_LRS", "tier": "Premium"}


@pytest.mark.parametrize(
    ("quota", "iops", "bandwidth"), [(32, 3032, 129), (100, 3100, 135), (1024, 4024, 228), (262144, 102400, 10340)]
)
def test_recommendation_is_applied_when_nothing_is_asked(v2, quota, iops, bandwidth):
    assert put(v2, shareQuota=quota).status_code == 201
    found = get(v2)
    assert (found["shareQuota"], found["provisionedIops"], found["provisionedBandwidthMibps"]) == (
        quota,
        iops,
        bandwidth,
    )


def test_what_is_asked_is_provisioned_and_bursts_follow(v2):
    put(v2, shareQuota=100, provisionedIops=5000, provisionedBandwidthMibps=200)
    found = get(v2)
    assert (found["provisionedIops"], found["provisionedBandwidthMibps"]) == (5000, 200)
    assert (found["includedBurstIops"], found["maxBurstCreditsForIops"]) == (15000, 36000000)


def test_growth_leaves_the_other_quantities(v2):
    put(v2, shareQuota=100)
    assert patch(v2, shareQuota=1000).status_code == 200
    assert (get(v2)["provisionedIops"], get(v2)["provisionedBandwidthMibps"]) == (3100, 135)


@pytest.mark.parametrize(
    ("word", "value", "code"),
    [
        ("shareQuota", 31, "FileShareProvisionedStorageInvalid"),
        ("shareQuota", 262145, "FileShareProvisionedStorageInvalid"),
        ("provisionedIops", 2999, "FileShareProvisionedIopsInvalid"),
        ("provisionedIops", "many", "FileShareProvisionedIopsInvalid"),
        ("provisionedBandwidthMibps", 124, "FileShareProvisionedBandwidthInvalid"),
        ("provisionedBandwidthMibps", 10341, "FileShareProvisionedBandwidthInvalid"),
        ("fileSharePaidBursting", {"paidBurstingEnabled": True}, "InvalidHeaderValue"),
    ],
)
def test_values_that_v2_refuses(v2, word, value, code):
    assert code_of(put(v2, **{word: value})) == (400, code)


@pytest.mark.parametrize(
    "given",
    [
        {"provisionedIops": 5000},
        {"provisionedBandwidthMibps": 200},
        {"fileSharePaidBursting": {"paidBurstingEnabled": True, "paidBurstingMaxIops": 102401}},
    ],
)
def test_values_that_v1_refuses(azure, given):
    azure.account()
    assert code_of(put(azure, **given)) == (400, "InvalidHeaderValue")


@pytest.mark.parametrize(
    ("word", "first", "next_word", "code"),
    [
        ("shareQuota", 200, "nextAllowedQuotaDowngradeTime", "ContainerQuotaDowngradeNotAllowed"),
        (
            "provisionedIops",
            5000,
            "nextAllowedProvisionedIopsDowngradeTime",
            "FileShareProvisionedIopsDowngradeNotAllowed",
        ),
        (
            "provisionedBandwidthMibps",
            300,
            "nextAllowedProvisionedBandwidthDowngradeTime",
            "FileShareProvisionedBandwidthDowngradeNotAllowed",
        ),
    ],
)
def test_a_decrease_waits_for_a_day(v2, arm, word, first, next_word, code):
    put(v2, **{word: first})
    allowed = email.utils.parsedate_to_datetime(get(v2)[next_word])
    assert allowed > datetime.datetime.now(datetime.timezone.utc)

    assert code_of(patch(v2, **{word: first - 1})) == (409, code)
    arm.let_pass(25)
    assert patch(v2, **{word: first - 1}).status_code == 200
    assert patch(v2, **{word: first}).status_code == 200
    assert code_of(patch(v2, **{word: first - 1})) == (409, code)


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [
        ({"shareQuota": 262100}, {"shareQuota": 45}, "TotalSharesProvisionedCapacityExceedsAccountLimit"),
        ({"provisionedIops": 99401}, {"provisionedIops": 3000}, "TotalSharesProvisionedIopsExceedsAccountLimit"),
        (
            {"provisionedBandwidthMibps": 10216},
            {"provisionedBandwidthMibps": 125},
            "TotalSharesProvisionedBandwidthExceedsAccountLimit",
        ),
    ],
)
def test_limits_of_the_account_count_deleted_shares_until_they_are_purged(v2, arm, first, second, code):
    least = {"shareQuota": 32, "provisionedIops": 3000, "provisionedBandwidthMibps": 125}
    put(v2, "one", **{**least, **first})
    v2.storage.file_shares.delete(GROUP, "homes", "one", include="none")
    assert code_of(put(v2, "two", **{**least, **second})) == (409, code)
    arm.let_pass(24 * 8)
    assert put(v2, "two", **{**least, **second}).status_code == 201


def test_number_of_shares_has_a_limit(v2, monkeypatch):
    monkeypatch.setattr(provisioning, "MAX_SHARES", 2)
    put(v2, "one")
    put(v2, "two")
    v2.storage.file_shares.delete(GROUP, "homes", "two", include="none")
    assert code_of(put(v2, "three")) == (409, "TotalSharesCountExceedsAccountLimit")


def test_usage_tells_limits_and_what_is_provisioned(v2):
    put(v2, "one", shareQuota=100)
    put(v2, "two", shareQuota=200)
    v2.storage.file_shares.delete(GROUP, "homes", "two", include="none")
    found = usage(v2)
    limits, recommended = found.file_share_limits, found.file_share_recommendations
    assert (found.storage_account_limits.max_file_shares, limits.min_provisioned_storage_gi_b) == (50, 32)
    assert (limits.min_provisioned_iops, limits.min_provisioned_bandwidth_mi_b_per_sec) == (3000, 125)
    assert (recommended.base_iops, recommended.io_scalar, recommended.bandwidth_scalar) == (3000, 1, 0.1)
    live, deleted = found.storage_account_usage.live_shares, found.storage_account_usage.soft_deleted_shares
    assert (live.file_share_count, live.provisioned_storage_gi_b, live.provisioned_iops) == (1, 100, 3100)
    assert (deleted.file_share_count, deleted.provisioned_storage_gi_b) == (1, 200)
    assert deleted.provisioned_bandwidth_mi_b_per_sec == 145
    assert len(list(v2.storage.file_services.list_service_usages(GROUP, "homes"))) == 1


def test_usage_is_for_v2(azure):
    azure.account()
    with pytest.raises(HttpResponseError):
        usage(azure)


def test_paid_bursting(azure):
    azure.account()
    put(azure)
    assert "fileSharePaidBursting" not in get(azure)
    given = {"paidBurstingEnabled": True, "paidBurstingMaxIops": 5000}
    assert patch(azure, fileSharePaidBursting=given).json()["properties"] == {"fileSharePaidBursting": given}
    assert get(azure)["fileSharePaidBursting"] == {**given, "paidBurstingMaxBandwidthMibps": 10340}
    patch(azure, fileSharePaidBursting={"paidBurstingEnabled": False})
    assert get(azure)["fileSharePaidBursting"]["paidBurstingEnabled"] is False


def test_every_deleted_version_is_listed_and_can_be_restored(azure, plane):
    azure.account()
    for quota in (100, 200):
        azure.share(shareQuota=quota)
        azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    versions = list(azure.storage.file_shares.list(GROUP, "homes", expand="deleted"))
    newest, oldest = sorted(versions, key=lambda share: share.deleted_time, reverse=True)
    assert (oldest.share_quota, newest.share_quota) == (100, 200)
    # The place of the data was emptied once, for the second share.
    assert plane.purged == [("homes", "home")]

    body = {"deletedShareName": "home", "deletedShareVersion": newest.version}
    azure.storage.file_shares.restore(GROUP, "homes", "home", body)
    assert get(azure)["shareQuota"] == 200
    assert plane.purged == [("homes", "home")]
    (left,) = [share for share in azure.storage.file_shares.list(GROUP, "homes", expand="deleted") if share.deleted]
    assert left.version == oldest.version


def test_a_version_goes_when_its_days_are_over_and_leaves_the_living_share_alone(azure, arm, plane):
    azure.account()
    azure.share()
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    azure.share()
    arm.let_pass(24 * 8)
    (live,) = azure.storage.file_shares.list(GROUP, "homes", expand="deleted")
    assert live.deleted is None
    assert plane.purged == [("homes", "home")]


def test_snapshots_go_with_the_share_only_if_that_is_said(azure):
    azure.account()
    azure.share()
    azure.storage.file_shares.create(GROUP, "homes", "home", {"properties": {}}, expand="snapshots")
    path = f"{azure.account_id()}/fileServices/default/shares/home"
    assert code_of(azure.wire.delete(path, params={"$include": "none"})) == (409, "ShareHasSnapshots")
    assert azure.wire.delete(path, params={"$include": "snapshots"}).status_code == 200
