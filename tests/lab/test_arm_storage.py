# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Storage accounts: creation as a long-running operation, checks, rules, deletion."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

GROUP = "rg-Test"
BODY = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}


def refusal(azure, path, body, method="PUT"):
    answer = azure.wire.request(method, path, json=body)
    return answer.status_code, answer.json()["error"]["code"]


def test_creation_is_accepted_and_polled(azure, arm):
    arm.profile("fast", operations={"account": 0.3})
    accepted = azure.wire.put(azure.account_id(), json=BODY)
    assert (accepted.status_code, accepted.content) == (202, b"")
    assert accepted.headers["x-ms-retry-after-ms"]
    running = azure.wire.get(accepted.headers["location"])
    assert running.status_code == 202
    assert azure.wire.get(azure.account_id()).json()["properties"]["provisioningState"] == "Creating"
    while running.status_code == 202:
        running = azure.wire.get(running.headers["location"])
    assert running.status_code == 200
    assert running.json()["id"] == azure.account_id()
    assert running.json()["properties"]["provisioningState"] == "Succeeded"


def test_defaults_of_a_new_account(azure):
    azure.wire.put(azure.account_id("plain"), json=BODY)
    account = azure.wire.get(azure.account_id("plain")).json()
    properties = account["properties"]
    assert account["sku"] == {"name": "Premium_LRS", "tier": "Premium"}
    assert properties["supportsHttpsTrafficOnly"] is True
    assert properties["networkAcls"]["defaultAction"] == "Allow"
    assert properties["primaryEndpoints"] == {"file": "https://plain.file.core.lab.test/"}
    assert properties["creationTime"].endswith("Z")


def test_sdk_creates_gets_lists_patches_and_deletes(azure):
    created = azure.account(publicNetworkAccess="Disabled")
    assert created.id == azure.account_id()
    assert created.provisioning_state == "Succeeded"
    accounts = azure.storage.storage_accounts
    assert accounts.get_properties(GROUP, "HOMES").name == "homes"
    assert [account.name for account in accounts.list()] == ["homes"]
    assert [account.name for account in accounts.list_by_resource_group(GROUP.upper())] == ["homes"]
    body = {"tags": {"a": "1"}, "properties": {"publicNetworkAccess": "Enabled"}}
    patched = accounts.update(GROUP, "homes", body)
    assert (patched.tags, patched.public_network_access) == ({"a": "1"}, "Enabled")
    assert patched.enable_https_traffic_only is False
    accounts.delete(GROUP, "homes")
    with pytest.raises(ResourceNotFoundError):
        accounts.get_properties(GROUP, "homes")
    assert azure.wire.delete(azure.account_id()).status_code == 204


@pytest.mark.parametrize("name", ["ab", "a" * 25, "Upper", "with-hyphen"])
def test_illegal_names(azure, name):
    assert refusal(azure, azure.account_id(name), BODY) == (400, "AccountNameInvalid")
    answer = azure.storage.storage_accounts.check_name_availability(
        {"name": name, "type": "Microsoft.Storage/storageAccounts"}
    )
    assert (answer.name_available, answer.reason) == (False, "AccountNameInvalid")


def test_names_are_global(azure, arm):
    arm.taken_names("elsewhere")
    assert refusal(azure, azure.account_id("elsewhere"), BODY) == (409, "StorageAccountAlreadyTaken")
    azure.account()
    azure.resources.resource_groups.create_or_update("other", {"location": "westus2"})
    other = azure.account_id().replace(GROUP, "other")
    assert refusal(azure, other, BODY) == (409, "StorageAccountAlreadyExists")
    check = azure.storage.storage_accounts.check_name_availability
    for name, free in (("elsewhere", False), ("homes", False), ("free", True)):
        answer = check({"name": name, "type": "Microsoft.Storage/storageAccounts"})
        assert answer.name_available is free


@pytest.mark.parametrize(
    "change, code",
    [
        ({"sku": {"name": "Standard_LRS"}}, "InvalidValuesForRequestParameters"),
        ({"sku": {}}, "InvalidValuesForRequestParameters"),
        ({"kind": "FileStore"}, "InvalidValuesForRequestParameters"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceType"),
        ({"location": ""}, "LocationRequired"),
        ({"location": "westus", "sku": {"name": "Premium_ZRS"}}, "InvalidValuesForRequestParameters"),
        ({"properties": {"minimumTlsVersion": "TLS9"}}, "InvalidRequestPropertyValue"),
        ({"properties": {"supportsHttpsTrafficOnly": "no"}}, "InvalidRequestPropertyValue"),
    ],
)
def test_values_that_azure_refuses(azure, change, code):
    assert refusal(azure, azure.account_id(), {**BODY, **change}) == (400, code)
    assert azure.wire.get(azure.account_id()).status_code == 404


@pytest.mark.parametrize(
    "change, status, code",
    [
        ({"kind": "StorageV2"}, 400, "InvalidValuesForRequestParameters"),
        ({"sku": {"name": "Premium_ZRS"}}, 400, "InvalidValuesForRequestParameters"),
        ({"location": "eastus"}, 409, "InvalidResourceLocation"),
    ],
)
def test_kind_sku_and_location_do_not_change(azure, change, status, code):
    azure.account()
    assert refusal(azure, azure.account_id(), {**BODY, **change}) == (status, code)
    assert refusal(azure, azure.account_id(), change, "PATCH") == (status, code)


def test_a_second_put_updates_in_place(azure):
    azure.account()
    answer = azure.wire.put(azure.account_id(), json={**BODY, "properties": {"publicNetworkAccess": "Disabled"}})
    assert answer.status_code == 200
    assert answer.json()["properties"]["publicNetworkAccess"] == "Disabled"


def test_an_account_that_is_being_created_is_busy(azure, arm):
    arm.profile("fast", operations={"account": 5})
    azure.wire.put(azure.account_id(), json=BODY)
    busy = (409, "StorageAccountOperationInProgress")
    assert refusal(azure, azure.account_id(), BODY) == busy
    assert refusal(azure, azure.account_id(), {"tags": {}}, "PATCH") == busy
    share = {"properties": {"enabledProtocols": "NFS"}}
    service = f"{azure.account_id()}/fileServices/default"
    assert refusal(azure, f"{service}/shares/home", share) == (409, "StorageAccountIsNotProvisioned")
    assert refusal(azure, service, {"properties": {}}) == (409, "StorageAccountIsNotProvisioned")


def test_endpoint_on_a_busy_account_fails_and_can_be_repeated(azure, arm):
    azure.vnet()
    arm.profile("fast", operations={"account": 0.5})
    azure.wire.put(azure.account_id(), json=BODY)
    with pytest.raises(HttpResponseError) as failure:
        azure.endpoint()
    assert failure.value.error.code == "StorageAccountOperationInProgress"
    assert azure.network.private_endpoints.get(GROUP, "pe").provisioning_state == "Failed"
    while azure.wire.get(azure.account_id()).json()["properties"]["provisioningState"] != "Succeeded":
        pass
    assert azure.endpoint().provisioning_state == "Succeeded"


def rules(*subnets):
    listed = [{"id": subnet, "action": "Allow"} for subnet in subnets]
    return {**BODY, "properties": {"networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": listed}}}


def test_subnet_rules_need_a_service_endpoint(azure):
    azure.vnet()
    answer = azure.wire.put(azure.account_id(), json=rules(azure.subnet_id("hosts")))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "NetworkAclsValidationFailure"
    assert "SubnetsHaveNoServiceEndpointsConfigured" in answer.json()["error"]["message"]
    azure.subnet("hosts", "10.9.1.0/24", serviceEndpoints=[{"service": "Microsoft.Storage"}])
    assert azure.wire.put(azure.account_id(), json=rules(azure.subnet_id("hosts"))).status_code == 202


def test_subnet_rules_need_a_ready_subnet(azure, arm):
    azure.vnet()
    answer = azure.wire.put(azure.account_id(), json=rules(azure.subnet_id("nowhere")))
    assert "SubnetsNotFound" in answer.json()["error"]["message"]
    arm.profile("fast", operations={"subnet": 5})
    body = {"properties": {"addressPrefix": "10.9.1.0/24", "serviceEndpoints": [{"service": "Microsoft.Storage"}]}}
    azure.wire.put(azure.subnet_id("hosts"), json=body)
    answer = azure.wire.put(azure.account_id(), json=rules(azure.subnet_id("hosts")))
    assert "SubnetsNotProvisioned" in answer.json()["error"]["message"]


def test_a_rule_outlives_its_subnet(azure):
    azure.vnet()
    azure.subnet("hosts", "10.9.1.0/24", serviceEndpoints=[{"service": "Microsoft.Storage"}])
    rule = {"id": azure.subnet_id("hosts"), "action": "Allow"}
    azure.account(networkAcls={"defaultAction": "Deny", "virtualNetworkRules": [rule]})
    azure.network.subnets.begin_delete(GROUP, "net", "hosts").result()
    account = azure.wire.get(azure.account_id()).json()
    assert account["properties"]["networkAcls"]["virtualNetworkRules"][0]["state"] == "NetworkSourceDeleted"


def test_a_deleted_account_is_remembered_until_it_cannot_be_recovered(azure, arm):
    def remembered():
        return {one.name: one for one in azure.storage.deleted_accounts.list()}

    for name in ("kept", "again", "old"):
        azure.account(name)
    azure.storage.storage_accounts.delete(GROUP, "old")
    arm.let_pass(24 * 13)
    azure.storage.storage_accounts.delete(GROUP, "kept")
    azure.storage.storage_accounts.delete(GROUP, "again")
    assert sorted(remembered()) == ["again", "kept", "old"]
    arm.let_pass(24 * 2)
    azure.account("again")
    (found,) = remembered().values()
    assert (found.name, found.storage_account_resource_id) == ("kept", azure.account_id("kept"))
    assert (found.location, found.type) == ("westus2", "Microsoft.Storage/deletedAccounts")
    assert found.creation_time < found.deletion_time and found.restore_reference.startswith("kept|")


def test_parents_must_exist(azure):
    nowhere = azure.account_id().replace(GROUP, "nowhere")
    assert refusal(azure, nowhere, BODY) == (404, "ResourceGroupNotFound")
    share = f"{azure.account_id()}/fileServices/default/shares/home"
    assert refusal(azure, share, {"properties": {}}) == (404, "ParentResourceNotFound")
    assert azure.wire.delete(share).json()["error"]["code"] == "ParentResourceNotFound"
    assert azure.wire.get(azure.account_id()).json()["error"]["code"] == "ResourceNotFound"


def test_bodies_must_be_json_objects(azure):
    for text in ("", "{", "[]", '{"properties": 1}'):
        answer = azure.wire.put(azure.account_id(), content=text)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


def test_failed_creation_ends_as_200_with_a_failed_body(azure, arm):
    """The live service answers so; the SDK takes it for success and returns an account without id."""
    error = {"code": "NetworkAclsValidationFailure", "message": "injected"}
    arm.faults({"method": "PUT", "path": "storageAccounts/homes$", "fail_operation": error})
    account = azure.account()
    assert account.id is None
    with pytest.raises(ResourceNotFoundError):
        azure.storage.storage_accounts.get_properties(GROUP, "homes")
    assert azure.account().id == azure.account_id()


def test_skus_say_where_zrs_is(azure):
    places = {(sku.name, location) for sku in azure.storage.skus.list() for location in sku.locations}
    assert ("Premium_ZRS", "westus2") in places
    assert ("Premium_ZRS", "westus") not in places
    assert ("Premium_LRS", "westus") in places


def test_any_409_is_resource_exists_to_the_sdk(azure, arm):
    arm.taken_names("elsewhere")
    with pytest.raises(ResourceExistsError) as failure:
        azure.account("elsewhere")
    assert failure.value.error.code == "StorageAccountAlreadyTaken"
