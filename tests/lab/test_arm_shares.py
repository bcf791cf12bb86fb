# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File service and shares: the whole life of a share."""

import datetime
import email.utils

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

GROUP = "rg-Test"


@pytest.fixture(autouse=True)
def _account(azure):
    azure.account()


def put(azure, name="home", **properties):
    path = f"{azure.account_id()}/fileServices/default/shares/{name}"
    return azure.wire.put(path, json={"properties": {"enabledProtocols": "NFS", **properties}})


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def retention(azure, **policy):
    body = {"properties": {"shareDeleteRetentionPolicy": policy}}
    return azure.storage.file_services.set_service_properties(GROUP, "homes", body)


def shares(azure, **options):
    return list(azure.storage.file_shares.list(GROUP, "homes", **options))


def test_creation_repeats_only_what_was_sent(azure):
    answer = put(azure, rootSquash="AllSquash")
    assert answer.status_code == 201
    assert answer.json()["properties"] == {"enabledProtocols": "NFS", "rootSquash": "AllSquash"}
    assert answer.headers["etag"]
    assert put(azure, rootSquash="AllSquash").status_code == 200


def test_get_shows_everything_and_list_omits_identifiers(azure, plane):
    azure.share(shareQuota=500)
    plane.used["homes", "home"] = 4321
    share = azure.storage.file_shares.get(GROUP, "homes", "home", expand="stats")
    assert (share.share_quota, share.root_squash, share.share_usage_bytes) == (500, "NoRootSquash", 4321)
    assert share.access_tier == "Premium"
    path = f"{azure.account_id()}/fileServices/default/shares"
    alone = azure.wire.get(f"{path}/home").json()["properties"]
    assert alone["signedIdentifiers"] == []
    assert "shareUsageBytes" not in alone
    assert "signedIdentifiers" not in azure.wire.get(path).json()["value"][0]["properties"]


@pytest.mark.parametrize("quota", [1, 99, 102401, -1, "many", 150.5])
def test_sizes_outside_of_provisioned_v1(azure, quota):
    assert code_of(put(azure, shareQuota=quota)) == (400, "InvalidHeaderValue")
    assert shares(azure) == []


@pytest.mark.parametrize("quota", [100, 102400])
def test_sizes_at_the_bounds(azure, quota):
    assert put(azure, shareQuota=quota).status_code == 201


@pytest.mark.parametrize(
    "name, code",
    [
        ("ab", "OutOfRangeInput"),
        ("a" * 64, "OutOfRangeInput"),
        ("Home", "InvalidResourceName"),
        ("a--b", "InvalidResourceName"),
        ("-ab", "InvalidResourceName"),
    ],
)
def test_illegal_names(azure, name, code):
    assert code_of(put(azure, name)) == (400, code)


def test_protocol_is_fixed_at_creation(azure):
    put(azure)
    assert code_of(put(azure, enabledProtocols="SMB")) == (400, "InvalidHeaderValue")


def test_nfs_needs_file_storage(azure):
    body = {"location": "westus2", "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}
    azure.storage.storage_accounts.begin_create(GROUP, "general", body).result()
    path = f"{azure.account_id('general')}/fileServices/default/shares/home"
    answer = azure.wire.put(path, json={"properties": {"enabledProtocols": "NFS"}})
    assert code_of(answer) == (400, "FeatureNotSupportedForAccount")


def test_squash_values(azure):
    assert code_of(put(azure, rootSquash="Sometimes")) == (400, "InvalidRequestPropertyValue")
    assert code_of(put(azure, enabledProtocols="SMB", rootSquash="AllSquash")) == (400, "InvalidHeaderValue")


def test_patch_changes_squash_and_size(azure, plane):
    azure.share()
    body = {"properties": {"rootSquash": "RootSquash", "shareQuota": 200}}
    azure.storage.file_shares.update(GROUP, "homes", "home", body)
    share = azure.storage.file_shares.get(GROUP, "homes", "home")
    assert (share.root_squash, share.share_quota) == ("RootSquash", 200)
    assert plane.export("home").squash == "RootSquash"
    assert plane.export("home").quota_gib == 200


def test_size_may_not_shrink_within_a_day_of_growing(azure):
    azure.share(shareQuota=200)
    properties = azure.wire.get(f"{azure.account_id()}/fileServices/default/shares/home").json()["properties"]
    allowed = email.utils.parsedate_to_datetime(properties["nextAllowedQuotaDowngradeTime"])
    left = allowed - datetime.datetime.now(datetime.timezone.utc)
    assert datetime.timedelta(hours=23) < left <= datetime.timedelta(hours=24)
    with pytest.raises(ResourceExistsError) as failure:
        azure.storage.file_shares.update(GROUP, "homes", "home", {"properties": {"shareQuota": 100}})
    assert failure.value.error.code == "ContainerQuotaDowngradeNotAllowed"


def test_capacity_of_an_account_counts_deleted_shares(azure):
    azure.share("one", shareQuota=102300)
    azure.storage.file_shares.delete(GROUP, "homes", "one", include="none")
    assert code_of(put(azure, "two", shareQuota=101)) == (409, "TotalSharesProvisionedCapacityExceedsAccountLimit")
    assert put(azure, "two", shareQuota=100).status_code == 201


def test_lists_are_paged(azure):
    names = [f"share{number}" for number in range(5)]
    for name in names:
        put(azure, name)
    first = azure.wire.get(f"{azure.account_id()}/fileServices/default/shares", params={"$maxpagesize": "2"}).json()
    assert [share["name"] for share in first["value"]] == names[:2]
    assert first["nextLink"].startswith(azure.arm.url)
    assert [share.name for share in shares(azure, maxpagesize="2")] == names


def test_soft_delete_and_restore(azure, plane):
    azure.share(rootSquash="RootSquash")
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    assert plane.export("home") is None
    assert shares(azure) == []
    (deleted,) = shares(azure, expand="deleted")
    assert (deleted.name, deleted.deleted, deleted.remaining_retention_days) == ("home", True, 7)
    assert deleted.id.endswith(f"/home_{deleted.version}")
    body = {"deletedShareName": "home", "deletedShareVersion": deleted.version}
    azure.storage.file_shares.restore(GROUP, "homes", "home", body)
    assert azure.storage.file_shares.get(GROUP, "homes", "home").root_squash == "RootSquash"
    assert plane.export("home").squash == "RootSquash"
    assert shares(azure, expand="deleted")[0].deleted is None
    assert plane.purged == []


def test_restore_needs_the_right_version(azure):
    azure.share()
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    with pytest.raises(ResourceNotFoundError):
        azure.storage.file_shares.restore(
            GROUP, "homes", "home", {"deletedShareName": "home", "deletedShareVersion": "0"}
        )


def test_without_soft_delete_the_data_goes_at_once(azure, plane):
    retention(azure, enabled=False)
    azure.share()
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    assert plane.purged == [("homes", "home")]
    assert shares(azure, expand="deleted") == []


def test_a_new_share_does_not_see_the_data_of_a_deleted_one(azure, plane):
    azure.share()
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    azure.share()
    assert plane.purged == [("homes", "home")]


def test_deleting_an_account_removes_the_data_of_its_shares(azure, plane):
    azure.share("one")
    azure.share("two")
    azure.storage.file_shares.delete(GROUP, "homes", "two", include="none")
    azure.storage.storage_accounts.delete(GROUP, "homes")
    assert plane.purged == [("homes", "one"), ("homes", "two")]
    assert plane.state.exports == ()


def test_a_name_stays_blocked_while_its_share_is_being_deleted(azure, arm):
    retention(azure, enabled=False)
    azure.share()
    arm.profile("azure", operations={})
    azure.wire.delete(f"{azure.account_id()}/fileServices/default/shares/home?api-version=2025-06-01")
    assert code_of(put(azure)) == (409, "ShareBeingDeleted")


def test_delete_options(azure):
    azure.share()
    body = {"properties": {}}
    azure.storage.file_shares.create(GROUP, "homes", "home", body, expand="snapshots")
    with pytest.raises(ResourceExistsError) as failure:
        azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    assert failure.value.error.code == "ShareHasSnapshots"
    snapshot = next(share for share in shares(azure, expand="snapshots") if share.snapshot_time)
    path = f"{azure.account_id()}/fileServices/default/shares/home"
    moment = azure.wire.get(path.rsplit("/", 1)[0], params={"$expand": "snapshots"}).json()["value"][1]
    moment = moment["properties"]["snapshotTime"]
    assert snapshot.name == "home"
    assert azure.wire.delete(path, headers={"x-ms-snapshot": moment}).status_code == 200
    azure.storage.file_shares.delete(GROUP, "homes", "home", include="none")
    assert shares(azure) == []
    assert azure.wire.delete(path).status_code == 204
    assert azure.wire.delete(path, params={"$include": "everything"}).status_code == 400


def test_missing_share(azure):
    with pytest.raises(ResourceNotFoundError) as failure:
        azure.storage.file_shares.get(GROUP, "homes", "home")
    assert failure.value.error.code == "ShareNotFound"


def test_file_service_of_a_new_account(azure):
    service = azure.wire.get(f"{azure.account_id()}/fileServices/default").json()
    assert service["sku"]["name"] == "Premium_LRS"
    assert service["properties"]["shareDeleteRetentionPolicy"] == {"enabled": True, "days": 7}
    assert "nfs" not in service["properties"]["protocolSettings"]


def test_file_service_settings(azure):
    path = f"{azure.account_id()}/fileServices/default"
    nfs = {"nfs": {"encryptionInTransit": {"required": True}}}
    answer = azure.wire.put(path, json={"properties": {"protocolSettings": nfs}})
    assert answer.json()["properties"] == {"protocolSettings": nfs}
    retention(azure, enabled=True, days=30)
    properties = azure.wire.get(path).json()["properties"]
    assert properties["protocolSettings"]["nfs"] == nfs["nfs"]
    assert properties["shareDeleteRetentionPolicy"]["days"] == 30


@pytest.mark.parametrize("days", [0, 366, None])
def test_retention_has_bounds(azure, days):
    with pytest.raises(HttpResponseError) as failure:
        retention(azure, enabled=True, days=days)
    assert failure.value.error.code == "InvalidValuesForRequestParameters"
