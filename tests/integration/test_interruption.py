# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed after any of its requests is finished by the next one, and nothing is there twice."""

from __future__ import annotations

import re

import pytest
import requests
from azure.identity import ClientSecretCredential

from tests.integration.killed import Runs
from tests.integration.support import (
    DNS_API,
    NETWORK_API,
    STORAGE_API,
    WRITES,
    assert_succeeded,
    deletion,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
)

pytestmark = pytest.mark.usefixtures("impatient")

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"
# Names of times, tags and the like, which no two runs have in common.
VOLATILE = re.compile(r"etag|guid|uniqueId|.*time", re.IGNORECASE)
# Endpoints of the cloud, discovery and token are asked for first.
SIGNED_IN = 3
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def runs(server):
    """Runs that can be killed."""
    with Runs(server.env()) as started:
        yield started


@pytest.fixture
def session(arm):
    """Signed in to the Resource Manager; one connection for all questions."""
    credential = ClientSecretCredential(
        arm.tenant, arm.client_id, arm.secret, authority=arm.url, disable_instance_discovery=True
    )
    with requests.Session() as opened:
        opened.headers["Authorization"] = f"Bearer {credential.get_token(f'{arm.url}/.default').token}"
        yield opened


def world(arm, session):
    """Everything there is, without what is different each time."""
    shares = f"{ACCOUNT}/fileServices/default/shares"
    parts = [
        (storage_id(arm, "storageAccounts"), STORAGE_API, {}),
        (storage_id(arm, f"{ACCOUNT}/fileServices/default"), STORAGE_API, {}),
        (storage_id(arm, shares), STORAGE_API, {"$expand": "deleted,snapshots"}),
        (network_id(arm, "privateEndpoints"), NETWORK_API, {}),
        (network_id(arm, "privateEndpoints/teamhomes01-pe/privateDnsZoneGroups"), NETWORK_API, {}),
        (network_id(arm, "networkInterfaces"), NETWORK_API, {}),
        (network_id(arm, "virtualNetworks"), NETWORK_API, {}),
        (network_id(arm, "privateDnsZones"), DNS_API, {}),
        (network_id(arm, f"{ZONE}/virtualNetworkLinks"), DNS_API, {}),
        (network_id(arm, f"{ZONE}/ALL"), DNS_API, {}),
    ]
    answers = [session.get(f"{arm.url}{path}", params={"api-version": api, **query}) for path, api, query in parts]
    assert {answer.status_code for answer in answers} <= {200, 404}
    return [steady(answer.json()) if answer.ok else None for answer in answers]


def steady(value):
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if not VOLATILE.fullmatch(key)}
    if isinstance(value, list):
        return [steady(one) for one in value]
    return UUID.sub("UUID", value) if isinstance(value, str) else value


def points(methods):
    """The requests to die with: from the first write to the end of the last one's operation, and one before and after.

    Requests before and after those only read, and a run that dies there leaves what it found.
    """
    numbers = [number for number, method in enumerate(methods, 1) if method in WRITES and number > SIGNED_IN]
    return sorted({1, *range(numbers[0], min(numbers[-1] + 4, len(methods))), len(methods)})


CASES = {
    "creation, private endpoint": (None, storage()),
    "creation, service endpoint": (None, storage(network=service_network())),
    "deletion": (storage(), deletion()),
}


@pytest.mark.parametrize("case", CASES)
def test_killed_run_is_resumed(arm, runs, session, case):
    before, options = CASES[case]
    # Long enough for the next run to meet what the killed one began.
    arm.profile("fast", operations={"default": 0.06})
    if before:
        assert_succeeded(run_module(MODULE, **before))
    arm.checkpoint()
    methods = runs.run(options)
    undisturbed = world(arm, session)
    killed = 0

    for number in points(methods):
        arm.rewind()
        killed += runs.run(options, number) is None
        assert_succeeded(run_module(MODULE, **options))
        again = assert_succeeded(run_module(MODULE, **options))
        assert (number, again["plan"], again["changed"]) == (number, [], False)
        assert world(arm, session) == undisturbed, f"after request {number}"

    # Runs differ in how often they ask after an operation, so that the last requests are not always reached.
    assert killed > 0.8 * len(points(methods))
