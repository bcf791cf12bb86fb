# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Answers that come late, twice or never: throttling of every verb, polls that die, answers that are lost."""

from __future__ import annotations

import pytest

from tests.integration.support import (
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_finished,
    assert_refused,
    assert_succeeded,
    deletion,
    endpoint_network,
    exists,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
)

pytestmark = pytest.mark.usefixtures("impatient")

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
SHARE = f"{ACCOUNT}/fileServices/default/shares/home"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
PLAIN = storage(network=service_network())
RECORD = {
    "vm_name": "worker-1",
    "vm_resource_group": GROUP,
    "storage_name": "teamhomes01",
    "user": "azureuser",
    "mount_point": "/home/azureuser",
}
# What is sent: the module, its options, whether the storage exists before, the request that is answered badly.
REQUESTS = {
    "GET": (MODULE, PLAIN, False, {"method": "GET", "path": f"{ACCOUNT}$"}),
    "GET of a list": (MODULE, PLAIN, False, {"method": "GET", "path": "/skus$"}),
    "POST": (MODULE, PLAIN, False, {"method": "POST", "path": "checkNameAvailability$"}),
    "POST to sign in": (MODULE, PLAIN, False, {"method": "POST", "path": "/token$"}),
    "PUT": (MODULE, PLAIN, False, {"method": "PUT", "path": f"{SHARE}$"}),
    "PUT of a long operation": (MODULE, PLAIN, False, {"method": "PUT", "path": f"{ACCOUNT}$"}),
    "PATCH": (MODULE, {**PLAIN, "size": "600GiB"}, True, {"method": "PATCH", "path": f"{SHARE}$"}),
    "PATCH of tags": ("azlin_attachment", RECORD, True, {"method": "PATCH", "path": "/tags/default$"}),
    "DELETE": (MODULE, deletion(), True, {"method": "DELETE", "path": f"{SHARE}$"}),
}
THROTTLED = {"status": 429, "code": "TooManyRequests", "message": "Later."}
SOON = {"x-ms-retry-after-ms": "20"}
ANSWERS = {
    # Without a word on when to come back, with one, and more often than the SDK tries on its own.
    "throttled": [
        THROTTLED,
        {**THROTTLED, "headers": {"Retry-After": "1"}},
        {**THROTTLED, "headers": SOON, "times": 4},
    ],
    # The request is carried out each time.
    "lost": [{"drop": True, "after": True}, {"status": 503, "after": True, "headers": SOON}],
}


def fault(request, answer):
    """The rule for one answer; Entra ID has another form of errors, and MSAL takes 5 s off after the SDK's tries."""
    if request["path"] == "/token$" and "times" in answer:
        answer = {**answer, "times": 1}
    if request["path"] == "/token$" and "status" in answer:
        answer = {**answer, "body": {"error": "temporarily_unavailable", "error_description": "AADSTS90055: Later."}}
    return {**request, **answer}


@pytest.mark.parametrize("answers", ANSWERS)
@pytest.mark.parametrize("request_", REQUESTS)
def test_request_is_sent_again(arm, request_, answers):
    module, options, there, request = REQUESTS[request_]
    if there:
        run_module(MODULE, **PLAIN)
    arm.faults(*(fault(request, answer) for answer in ANSWERS[answers]))

    result = assert_succeeded(run_module(module, **options))

    assert result["changed"] and arm.status()["faults"] == []
    assert run_module(module, **options)["changed"] is False


@pytest.mark.usefixtures("clock_of_faults")
@pytest.mark.parametrize("request_", REQUESTS)
def test_throttling_for_ever_is_throttled(arm, request_):
    module, options, there, request = REQUESTS[request_]
    if there:
        run_module(MODULE, **PLAIN)
    arm.faults({**fault(request, THROTTLED), "headers": SOON, "times": 0})

    assert_refused(run_module(module, **options), "throttled", "Later.")


def test_a_server_that_is_broken_is_tried_again_only_so_often(arm):
    """Four times by the SDK, and that four times."""
    arm.faults({"method": "PUT", "path": f"{SHARE}$", "status": 500, "headers": SOON, "times": 15})
    assert_succeeded(run_module(MODULE, **PLAIN))
    arm.faults({"method": "PATCH", "path": f"{SHARE}$", "status": 500, "headers": SOON, "times": 0})

    larger = {**PLAIN, "size": "600GiB"}
    assert_refused(run_module(MODULE, **larger), "create_failed", "InternalServerError", remedied=False)

    arm.clear_faults()
    assert_finished(arm, **larger)


POLLS = {
    # As often as the SDK tries on its own.
    "server error": {"status": 500, "headers": SOON, "times": 4},
    "connection cut": {"drop": True},
    "throttled": {"status": 429, "headers": SOON, "times": 4},
    "operation unknown": {"status": 404, "code": "OperationNotFound", "message": "The operation was not found."},
}


@pytest.mark.parametrize("answer", POLLS)
def test_poll_dies_while_something_is_created(arm, answer):
    kinds = ["asyncoperations/", "locations/westus2/operations/", "privateDnsOperationStatuses/"]
    arm.faults(*({"method": "GET", "path": kind, **POLLS[answer]} for kind in kinds))

    assert_succeeded(run_module(MODULE, **storage()))

    assert arm.status()["faults"] == []
    assert_finished(arm, **storage())


@pytest.mark.parametrize("answer", POLLS)
def test_poll_dies_while_something_is_deleted(arm, answer):
    run_module(MODULE, **storage())
    arm.profile("fast", operations={"endpoint_delete": 0.3})
    arm.faults({"method": "GET", "path": "locations/westus2/operations/", "times": 2, **POLLS[answer]})

    result = assert_succeeded(run_module(MODULE, **deletion()))

    # What the run says is deleted is not merely about to be.
    assert result["changed"] and arm.status()["faults"] == []
    assert not exists(arm, network_id(arm, ENDPOINT), NETWORK_API)
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("network", [endpoint_network(), service_network()], ids=["private", "service"])
def test_every_answer_of_a_creation_is_lost(arm, network):
    parts = ["subnets/hosts", ACCOUNT, "fileServices/default", SHARE]
    if network == endpoint_network():
        parts[0:1] = ["privateDnsZones/[^/]*", "virtualNetworkLinks/[^/]*", ENDPOINT, "privateDnsZoneGroups/default"]
    arm.faults(*({"method": "PUT", "path": f"{part}$", "drop": True, "after": True} for part in parts))

    assert_succeeded(run_module(MODULE, **storage(network=network)))

    assert arm.status()["faults"] == []
    assert_finished(arm, **storage(network=network))


def test_every_answer_of_a_deletion_is_lost(arm):
    run_module(MODULE, **storage())
    parts = [SHARE, "privateDnsZoneGroups/default", ENDPOINT, ACCOUNT]
    arm.faults(*({"method": "DELETE", "path": f"{part}$", "drop": True, "after": True} for part in parts))

    assert_succeeded(run_module(MODULE, **deletion()))

    assert arm.status()["faults"] == []
    assert_finished(arm, **deletion())
