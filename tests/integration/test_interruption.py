# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that is killed after any of its requests is finished by the next one, and nothing is there twice."""

from __future__ import annotations

import re

import pytest
import requests
from azure.identity import ClientSecretCredential

from ansible_collections.azlin.storage.plugins.module_utils._azure import converge, plan, waiters
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import link_name
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id
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


# Seconds of an operation: of most, and of the one that a killed run leaves behind.
SHORT, UNENDING = 0.06, 3600


def operations_take(arm, seconds):
    arm.profile("fast", operations={"default": seconds})


def killed(arm, runs, options, fatal):
    """Have a run die, and what it asked for last go on; whether it died."""
    arm.rewind()
    operations_take(arm, SHORT)
    died = runs.run(options, fatal, before=lambda: operations_take(arm, UNENDING)) is None
    operations_take(arm, SHORT)
    return died


def resumed(arm, monkeypatch, options):
    """A run that surely meets what the killed one began: that ends only when this one writes, or waits."""
    once = iter([arm.hasten])

    def then(function):
        def wrapped(*args):
            for hasten in once:
                hasten(SHORT)
            return function(*args)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(converge, "apply", then(converge.apply))
        patch.setattr(waiters.time, "sleep", then(waiters.time.sleep))
        return assert_succeeded(run_module(MODULE, **options))


def started(arm, session, runs, case):
    """What is there before, and what there is after a run that nothing disturbs; the methods of its requests."""
    before, options = CASES[case]
    operations_take(arm, SHORT)
    if before:
        assert_succeeded(run_module(MODULE, **before))
    arm.checkpoint()
    methods = runs.run(options)
    return options, methods, world(arm, session)


@pytest.mark.parametrize("case", CASES)
def test_killed_run_is_resumed(arm, runs, session, monkeypatch, case):
    options, methods, undisturbed = started(arm, session, runs, case)
    died = 0

    for number in points(methods):
        died += killed(arm, runs, options, number)
        resumed(arm, monkeypatch, options)
        again = assert_succeeded(run_module(MODULE, **options))
        assert (number, again["plan"], again["changed"]) == (number, [], False)
        assert world(arm, session) == undisturbed, f"after request {number}"

    # Runs differ in how often they ask after an operation, so that the last requests are not always reached.
    assert died > 0.8 * len(points(methods))


UNFINISHED = {
    ZONE: f"private DNS zone {ZONE.partition('/')[2]}",
    "virtualNetworkLinks/{link}": "DNS zone link {link}",
    "privateEndpoints/teamhomes01-pe": "private endpoint teamhomes01-pe",
    "privateDnsZoneGroups/default": "DNS zone group of teamhomes01-pe",
}


@pytest.mark.parametrize("written", UNFINISHED)
def test_what_a_killed_run_left_unfinished_is_finished(arm, runs, session, monkeypatch, written):
    options, _methods, undisturbed = started(arm, session, runs, "creation, private endpoint")
    link = link_name(parse_resource_id(network_id(arm, "virtualNetworks/lab-vnet"), "id"))

    assert killed(arm, runs, options, written.format(link=link))
    steps = resumed(arm, monkeypatch, options)["plan"]

    assert UNFINISHED[written].format(link=link) in [step["resource"] for step in steps if step["action"] == "update"]
    assert world(arm, session) == undisturbed


def test_without_its_guard_a_run_takes_the_unfinished_for_finished(arm, runs, session, monkeypatch):
    """The tests above are worth something: they fail where the guard is missing."""
    options, _methods, undisturbed = started(arm, session, runs, "creation, private endpoint")
    assert killed(arm, runs, options, "privateDnsZoneGroups/default")

    for module in (converge, plan):
        monkeypatch.setattr(module, "is_unfinished", lambda resource: False)

    assert resumed(arm, monkeypatch, options)["plan"] == []
    assert world(arm, session) != undisturbed
