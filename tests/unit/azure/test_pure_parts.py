# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options, errors, prices, attachments and the shape of results."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    desired,
    errors,
    result,
    waiters,
)
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import ERROR_CODES, AzlinError
from tests.unit.azure import builders as make


def test_names_are_deterministic():
    wanted = make.wanted()
    assert str(wanted.account) == make.ACCOUNT_ID
    assert str(wanted.endpoint) == make.ENDPOINT_ID
    assert str(wanted.network.zone) == make.ZONE_ID
    assert str(wanted.zone_group) == f"{make.ENDPOINT_ID}/privateDnsZoneGroups/default"
    assert str(wanted.share_id) == f"{make.ACCOUNT_ID}/fileServices/default/shares/home"


def test_network_in_another_group():
    wanted = make.wanted(network=make.network(resource_group="hub"))
    assert "/resourceGroups/hub/" in str(wanted.network.subnets[0])
    assert wanted.network.zone.resource_group == "team"


def test_no_zone_over_a_service_endpoint():
    assert make.wanted(network=make.network(mode="service_endpoint")).network.zone is None


@pytest.mark.parametrize("size", ["100", "100GiB", "102400", "100TiB"])
def test_sizes_at_the_limits(size):
    assert make.wanted(size=size).size_gib in desired.SIZE_RANGE_GIB


@pytest.mark.parametrize("size", ["99", "102401", "101TiB"])
def test_sizes_beyond_the_limits(size):
    with pytest.raises(AzlinError, match=re.escape(size)):
        make.wanted(size=size)


def test_tags_become_texts():
    assert make.wanted(tags={"cost": 12, "empty": None, "managed-by": "azlin"}).tags == {"cost": "12", "empty": ""}


def test_virtual_networks_are_read_once():
    subnets = ["a", "b", f"{make.VNET_ID.upper().replace('/SUBSCRIPTIONS', '/subscriptions')}/subnets/c"]
    network = make.network(mode="service_endpoint", subnets=subnets)
    assert len(make.wanted(network=network).network.virtual_networks) == 1


def storage(present, virtual_machines=()):
    return result.storage(present.account, present.file_service, present.share, present.endpoints, virtual_machines)


def test_result():
    found = storage(make.complete())
    assert found["nfs_endpoint"] == "teamhomes01.file.core.windows.net:/teamhomes01/home"
    assert (found["used_bytes"], found["utilization_percent"]) == (250 * 1024**3, 50.0)
    assert found["network"]["private_endpoints"] == [
        {
            "name": "teamhomes01-pe",
            "id": make.ENDPOINT_ID,
            "state": "Approved",
            "subnet_id": f"{make.VNET_ID}/subnets/homes",
            "ip_address": "10.1.0.4",
        }
    ]
    assert found["network"]["dns_zone"] == make.ZONE_ID
    json.dumps(found)


def test_what_is_unknown_is_null():
    share = make.share()
    del share["properties"]["shareUsageBytes"]
    found = storage(make.complete(share=share, file_service=None, endpoint=None, zone_group=None), None)
    for key in ("used_bytes", "utilization_percent", "soft_delete_days", "attached_vms"):
        assert found[key] is None
    assert found["network"]["private_endpoints"][0]["ip_address"] is None


@pytest.mark.parametrize(
    ("properties", "mode"),
    [
        ({"publicNetworkAccess": "Disabled"}, "private_endpoint"),
        ({"networkAcls": {"virtualNetworkRules": [{"id": "x"}]}, "publicNetworkAccess": None}, "service_endpoint"),
        ({"publicNetworkAccess": "Enabled", "privateEndpointConnections": []}, None),
    ],
)
def test_network_mode(properties, mode):
    assert result.network_mode(make.account(**properties)) == mode


@pytest.mark.parametrize(
    ("https_only", "nfs", "word"), [(True, False, "required"), (False, True, "required"), (False, False, "disabled")]
)
def test_encryption(https_only, nfs, word):
    service = make.file_service(protocolSettings={"nfs": {"encryptionInTransit": {"required": nfs}}})
    assert result.encryption_in_transit(make.account(supportsHttpsTrafficOnly=https_only), service) == word


VM = f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/vm1"


def test_attachments_of_one_share():
    machines = [
        {
            "id": VM,
            "tags": {
                "Azlin-Home-azureuser": "teamhomes01/home:/home/azureuser",
                "azlin-home-ops": "teamhomes01/projects:/home/ops",
                "azlin-home-odd": "nonsense",
                "owner": "teamhomes01/home:/x",
            },
        },
        {"id": VM.replace("vm1", "vm2"), "tags": None},
    ]
    assert attachments.of_storage(machines, "teamhomes01", "home") == [
        {"name": "vm1", "id": VM, "resource_group": "team", "user": "azureuser", "mount_point": "/home/azureuser"}
    ]


def test_attachment_goes_through_its_tag():
    attachment = attachments.Attachment("teamhomes01", "home", "azureuser", "/home/azureuser")
    assert attachments.parse(attachment.key, attachment.value) == attachment


class Response:
    """An answer of Azure."""

    def __init__(self, body):
        self._body = body

    def text(self):
        return self._body


class HttpResponseError(Exception):
    """What the SDK raises, as far as it matters."""

    def __init__(self, status, body):
        super().__init__("(sdk)")
        self.status_code, self.response, self.message = status, Response(body), "(sdk)"


def answer(status, code, message="Because.", **more):
    return HttpResponseError(status, json.dumps({"error": {"code": code, "message": message, **more}}))


@pytest.mark.parametrize(
    ("status", "code", "error_code"),
    [
        (409, "StorageAccountAlreadyTaken", "name_conflict"),
        (409, "ScopeLocked", "in_use"),
        (409, "ShareHasSnapshots", "in_use"),
        (409, "SomethingElse", "azure_error"),
        (403, "AuthorizationFailed", "authorization_failed"),
        (403, "SomethingElse", "authorization_failed"),
        (401, "SomethingElse", "authentication_failed"),
        (429, "TooManyRequests", "throttled"),
        (404, "ResourceGroupNotFound", "not_found"),
        (400, "LocationNotAvailableForResourceType", "invalid_argument"),
    ],
)
def test_errors_by_code(status, code, error_code):
    found = errors.from_azure(answer(status, code), "Creating it")
    assert found.error_code == error_code
    assert "Creating it" in found.msg and code in found.msg and "Because." in found.msg


def test_every_meaning_is_documented():
    assert set(errors._MEANINGS) <= set(ERROR_CODES)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '"text"', '{"error": "text"}'])
def test_answers_without_an_error_object(body):
    assert errors.from_azure(HttpResponseError(500, body), "Reading").error_code == "azure_error"


@pytest.mark.parametrize(
    "exc",
    [
        answer(409, "StorageAccountOperationInProgress"),
        answer(429, "RetryableError", details=[{"code": "ReferencedResourceNotProvisioned"}]),
        answer(400, "NetworkAclsValidationFailure", "Validation failure: SubnetsNotProvisioned: x"),
    ],
)
def test_busy(exc):
    assert errors.is_busy(exc)


def test_not_busy_and_not_missing():
    assert not errors.is_busy(answer(409, "StorageAccountAlreadyTaken"))
    assert not errors.is_missing(answer(404, "SubscriptionNotFound"))
    assert not errors.is_missing(answer(404, ""))
    assert errors.is_missing(answer(404, "ResourceNotFound"))


@pytest.mark.parametrize(
    "content",
    [
        {"status": "Failed", "error": {"code": "Unlucky", "message": "It broke."}},
        {"id": "x", "properties": {"provisioningState": "Failed"}},
        {},
        None,
    ],
)
def test_success_that_is_none(content):
    with pytest.raises(AzlinError) as caught:
        waiters.verify(content, "x", "Creating it", "create_failed")
    assert caught.value.error_code == "create_failed"


def test_success():
    content = {"id": "x", "properties": {"provisioningState": "Succeeded"}}
    assert waiters.verify(content, "x", "Creating it", "create_failed") == content


def test_encryption_is_unknown_without_the_file_service():
    assert result.encryption_in_transit(make.account(), None) is None
    assert result.encryption_in_transit(make.account(supportsHttpsTrafficOnly=True), None) == "required"
