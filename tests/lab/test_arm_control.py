# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path: request log, faults, profile, reset."""

import time

import httpx
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError

from lab.arm.client import LabError
from lab.arm.profiles import PROFILES
from tests.lab.conftest import ZONE

GROUP = "rg-Test"


def test_control_needs_its_own_key(azure, anonymous):
    for headers in ({}, {"x-lab-key": "guess"}, {"Authorization": azure.wire.headers["Authorization"]}):
        assert anonymous.get("/_lab/requests", headers=headers).status_code == 401


def test_log_has_method_path_query_status_and_body(azure, arm):
    arm.clear_requests()
    azure.account()
    first, *polls = [entry for entry in arm.requests() if "Microsoft.Storage" in entry["path"]]
    assert (first["method"], first["path"], first["status"]) == ("PUT", azure.account_id(), 202)
    assert first["query"]["api-version"]
    assert first["body"]["sku"] == {"name": "Premium_LRS"}
    assert first["duration"] >= 0
    assert {entry["method"] for entry in polls} == {"GET"}
    arm.clear_requests()
    assert arm.requests() == []


def test_fault_answers_so_many_times(azure, arm):
    fault = {"method": "GET", "path": "storageAccounts/homes$", "status": 409, "code": "Busy", "times": 2}
    arm.faults({**fault, "message": "come back", "headers": {"Retry-After": "7"}})
    answers = [azure.wire.get(azure.account_id()) for _attempt in range(3)]
    assert [answer.status_code for answer in answers] == [409, 409, 404]
    assert answers[0].json() == {"error": {"code": "Busy", "message": "come back"}}
    assert answers[0].headers["retry-after"] == "7"


def test_fault_for_ever_until_cleared(azure, arm):
    arm.faults({"path": "resourceGroups", "status": 503, "body": "gone", "times": 0})
    assert [azure.wire.get(azure.group_id).status_code for _attempt in range(4)] == [503] * 4
    arm.clear_faults()
    assert azure.wire.get(azure.group_id).status_code == 200


def test_the_sdk_retries_what_a_fault_throttles(azure, arm):
    arm.faults({"path": "resourceGroups", "status": 429, "headers": {"x-ms-retry-after-ms": "1"}, "times": 2})
    assert azure.resources.resource_groups.get(GROUP).name == GROUP


def test_fault_drops_the_connection_before_or_after_the_work(azure, arm):
    body = {"location": "westus2"}
    for after, exists in ((False, 404), (True, 200)):
        arm.faults({"method": "PUT", "path": "resourceGroups/other$", "drop": True, "after": after})
        with pytest.raises(httpx.RemoteProtocolError):
            azure.wire.put(f"{azure.subscription}/resourceGroups/other", json=body)
        assert azure.wire.get(f"{azure.subscription}/resourceGroups/other").status_code == exists
    assert [entry["status"] for entry in arm.requests() if entry["method"] == "PUT"][-2:] == [0, 0]


def test_fault_delays(azure, arm):
    arm.faults({"path": "resourceGroups", "delay": 0.2})
    assert azure.wire.get(azure.group_id).status_code == 200
    assert arm.requests()[-1]["duration"] >= 0.2


def test_fault_in_the_token_endpoint(azure, arm):
    body = {"error": "temporarily_unavailable", "error_description": "AADSTS90033: later"}
    arm.faults({"path": "/oauth2/v2.0/token$", "status": 400, "body": body})
    form = {"grant_type": "client_credentials"}
    assert azure.wire.post(f"/{arm.tenant}/oauth2/v2.0/token", data=form).json() == body


def test_faulty_fault_rules_are_refused(arm):
    with pytest.raises(LabError, match="unknown keys"):
        arm.faults({"pth": "x"})
    with pytest.raises(LabError, match="not one of"):
        arm.profile("slow")
    with pytest.raises(LabError, match="not above 0"):
        arm.profile("azure", scale=0)


def test_status_tells_what_is_going_on(azure, arm):
    arm.faults({"path": "nothing", "status": 500})
    azure.account()
    status = arm.status()
    assert (status["profile"], status["resources"], status["running_operations"]) == ("fast", 2, 0)
    assert len(status["faults"]) == 1


def test_reset_forgets_resources_and_purges_data(azure, arm, plane):
    azure.account()
    azure.share()
    arm.reset()
    assert arm.status()["resources"] == 0
    assert (plane.state.exports, plane.state.names) == ((), {})
    assert plane.purged == [("homes", "home")]


def test_hastened_operations_are_over(azure, arm):
    arm.profile("fast", operations={"default": 3600})
    zone = f"{azure.group_id}/providers/Microsoft.Network/privateDnsZones/{ZONE}"
    assert azure.wire.put(zone, json={"location": "global"}).status_code == 202
    assert arm.status()["running_operations"] == 1
    arm.hasten(0)
    while arm.status()["running_operations"]:
        time.sleep(0.01)
    assert azure.wire.get(zone).json()["properties"]["provisioningState"] == "Succeeded"


def test_rewinding_goes_back_to_the_checkpoint(azure, arm, plane):
    with pytest.raises(LabError, match="no checkpoint"):
        arm.rewind()
    azure.account()
    arm.checkpoint()
    for _time in range(2):
        azure.share()
        azure.vnet()
        arm.faults({"path": "resourceGroups", "status": 500, "times": 0})
        arm.rewind()
        assert (arm.status()["resources"], arm.status()["faults"], arm.requests()) == (2, [], [])
        assert plane.state.exports == ()
    assert azure.storage.storage_accounts.get_properties(GROUP, "homes").provisioning_state == "Succeeded"


def test_a_failing_data_plane_is_an_internal_error_and_is_tried_again(azure, plane, monkeypatch):
    azure.account()

    def refuse(state):
        raise OSError("no server")

    with monkeypatch.context() as broken:
        broken.setattr(plane, "apply", refuse)
        path = f"{azure.account_id()}/fileServices/default/shares/home"
        answer = azure.wire.put(path, json={"properties": {"enabledProtocols": "NFS"}})
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "InternalServerError")
    azure.share()
    assert plane.export("home") is not None


def test_azure_profile_has_the_times_of_azure():
    azure = PROFILES["azure"]
    assert [azure.duration(kind) for kind in ("account", "endpoint", "zone")] == [20, 40, 15]
    assert azure.read == 0.1
    assert azure.retry_headers() == {"Retry-After": "5"}
    assert "Retry-After" not in PROFILES["fast"].retry_headers()


def test_all_times_of_a_profile_can_be_scaled(azure, arm):
    scaled = PROFILES["azure"].scaled(0.1)
    assert (scaled.read, scaled.write, scaled.retry_after) == pytest.approx((0.01, 0.04, 0.5))
    assert scaled.duration("endpoint") == pytest.approx(4)
    assert scaled.retry_headers() == {"x-ms-retry-after-ms": "500"}
    arm.profile("azure", scale=0.01)
    azure.account()
    assert arm.status()["profile"] == "azure"


def test_lost_answer_then_repeat_is_idempotent(azure, arm):
    azure.account()
    arm.faults({"method": "PUT", "path": "shares/home$", "status": 500, "after": True, "headers": {"Retry-After": "0"}})
    azure.share()
    assert azure.storage.file_shares.get(GROUP, "homes", "home").share_quota == 100


def test_conflict_with_error_code_reaches_the_caller(azure, arm):
    fault = {"method": "PATCH", "status": 409, "code": "StorageAccountOperationInProgress", "message": "busy"}
    azure.account()
    arm.faults(fault)
    with pytest.raises(ResourceExistsError) as failure:
        azure.storage.storage_accounts.update(GROUP, "homes", {"tags": {}})
    assert failure.value.error.code == "StorageAccountOperationInProgress"
    arm.faults({"method": "PATCH", "status": 403, "code": "AuthorizationFailed", "message": "no"})
    with pytest.raises(HttpResponseError) as failure:
        azure.storage.storage_accounts.update(GROUP, "homes", {"tags": {}})
    assert failure.value.error.code == "AuthorizationFailed"
