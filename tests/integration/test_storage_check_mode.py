# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode and diff mode: nothing is written, and what is said is what happens."""

from __future__ import annotations

import pytest

from tests.integration.support import (
    GROUP,
    STORAGE_API,
    assert_forecast,
    assert_succeeded,
    endpoint_network,
    forecast,
    run_module,
    service_network,
    storage,
    storage_id,
)

MODULE = "azlin_nfs_storage"

SITUATIONS = {
    "new storage": (None, storage()),
    "new storage over a service endpoint": (None, storage(network=service_network())),
    "new network": (
        None,
        storage(network={"virtual_network": "new-vnet", "subnet": ["homes"], "create": True}),
    ),
    "nothing to do": (storage(), storage()),
    "growth and squash": (storage(), storage(size="1TB", root_squash="RootSquash")),
    "settings": (storage(), storage(soft_delete_days=0, encryption_in_transit="required", tags={"team": "blue"})),
    "new storage on provisioned v2": (None, storage(billing_model="provisioned_v2", provisioned_iops=4000)),
    "new storage from a template": (None, storage(size=None, template="ml")),
    "IOPS and throughput": (
        storage(billing_model="provisioned_v2"),
        storage(size="600GiB", provisioned_iops=8000, provisioned_throughput=300),
    ),
    "paid bursting": (storage(), storage(paid_bursting={"enabled": True, "max_iops": 5000})),
    "purged tags": (storage(tags={"team": "blue"}), storage(tags={"stage": "dev"}, purge_tags=True)),
    "other network mode": (storage(), storage(network=service_network())),
    "other network mode back": (storage(network=service_network()), storage()),
    "deletion": (
        storage(),
        {"name": "teamhomes01", "resource_group": GROUP, "state": "absent", "confirm": "teamhomes01"},
    ),
    "deletion of nothing": (
        None,
        {"name": "teamhomes01", "resource_group": GROUP, "state": "absent", "confirm": "teamhomes01"},
    ),
}
# All others have something to change.
IDLE_SITUATIONS = {"nothing to do", "deletion of nothing"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_forecast_is_what_happens(arm, situation):
    before, options = SITUATIONS[situation]
    if before:
        assert_succeeded(run_module(MODULE, **before))
    result = assert_succeeded(assert_forecast(arm, MODULE, **options))
    assert result["changed"] is (situation not in IDLE_SITUATIONS)


def test_forecast_of_drift(arm):
    run_module(MODULE, **storage())
    account = storage_id(arm, "storageAccounts/teamhomes01")
    arm.request("PATCH", account, {"properties": {"publicNetworkAccess": "Enabled"}}, STORAGE_API)

    result = forecast(arm, MODULE, **storage())

    assert result["diff"] == {
        "before": {"storage account teamhomes01": {"public_network_access": "Enabled"}},
        "after": {"storage account teamhomes01": {"public_network_access": "Disabled"}},
    }


@pytest.mark.parametrize(
    ("options", "error_code"),
    [
        (storage(location="atlantis"), "invalid_argument"),
        (storage(network=endpoint_network(subnet=["nowhere"])), "not_found"),
    ],
)
def test_refusals_are_the_same_in_check_mode(arm, options, error_code):
    assert assert_forecast(arm, MODULE, **options)["error_code"] == error_code
