# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of run a second time in check mode, against a server that refuses to be written to.

The plain ways of a storage are in test_storage_check_mode; here are repairs, second shares and users, the refusals,
and the other modules.
"""

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import link_name
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id
from tests.integration.support import (
    DNS_API,
    GROUP,
    NETWORK_API,
    READ_ONLY,
    STORAGE_API,
    assert_forecast,
    assert_succeeded,
    deletion,
    endpoint_network,
    forecast,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
)

STORAGE, ATTACHMENT, INFO = "azlin_nfs_storage", "azlin_attachment", "azlin_storage_info"
ACCOUNT = "storageAccounts/teamhomes01"
SHARE = f"{ACCOUNT}/fileServices/default/shares/home"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"


def made(**extra):
    """A storage as it was created before."""
    return lambda arm: assert_succeeded(run_module(STORAGE, **storage(**extra)))


def sent(method, place, path, api, body=None):
    """A request of somebody else."""
    return lambda arm: arm.request(method, place(arm, path), body, api)


def attached(**extra):
    """A recorded attachment."""
    return lambda arm: assert_succeeded(run_module(ATTACHMENT, **record(**extra)))


def record(**extra):
    """The options of an attachment."""
    return {
        "vm_name": "worker-1",
        "vm_resource_group": GROUP,
        "storage_name": "teamhomes01",
        "user": "azureuser",
        "mount_point": "/home/azureuser",
        **extra,
    }


def detachment(**extra):
    """The options that take an attachment away."""
    return record(state="absent", **extra)


def without_link(arm):
    """The zone is no longer linked to the network."""
    vnet = parse_resource_id(network_id(arm, "virtualNetworks/lab-vnet"), "virtual_network")
    link = network_id(arm, f"{ZONE}/virtualNetworkLinks/{link_name(vnet)}")
    arm.request("DELETE", link, api_version=DNS_API)


def rejected(arm):
    """The owner of the account has rejected the connection of its endpoint."""
    account = arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    connection = account["properties"]["privateEndpointConnections"][0]["id"]
    state = {"properties": {"privateLinkServiceConnectionState": {"status": "Rejected", "description": "no"}}}
    arm.request("PUT", connection, state, STORAGE_API)


def foreign(arm):
    """An account of somebody else."""
    body = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}
    arm.request("PUT", storage_id(arm, ACCOUNT), body, STORAGE_API)


def admitted(arm):
    """Somebody has admitted the hosts' subnet over the public endpoint besides."""
    subnet = network_id(arm, "virtualNetworks/lab-vnet/subnets/hosts")
    content = arm.request("GET", subnet, api_version=NETWORK_API)
    content["properties"]["serviceEndpoints"] = [{"service": "Microsoft.Storage"}]
    arm.request("PUT", subnet, content, NETWORK_API)
    rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": subnet, "action": "Allow"}]}
    body = {"properties": {"publicNetworkAccess": "Enabled", "networkAcls": rules}}
    arm.request("PATCH", storage_id(arm, ACCOUNT), body, STORAGE_API)


endpoint_gone = sent("DELETE", network_id, ENDPOINT, NETWORK_API)
group_gone = sent("DELETE", network_id, f"{ENDPOINT}/privateDnsZoneGroups/default", NETWORK_API)
share_gone = sent("DELETE", storage_id, SHARE, STORAGE_API)
account_gone = sent("DELETE", storage_id, ACCOUNT, STORAGE_API)
opened = sent("PATCH", storage_id, ACCOUNT, STORAGE_API, {"properties": {"networkAcls": {"defaultAction": "Allow"}}})
zone_there = sent("PUT", network_id, ZONE, DNS_API, {"location": "global"})
other_subnet = endpoint_network(
    subnet=["homes"], create=True, address_prefix="10.30.0.0/16", subnet_prefix="10.30.9.0/24"
)

# What was done before, and the run whose forecast is compared with what it does.
RUNS = {
    # A storage, one change at a time.
    "growth": ([made()], STORAGE, storage(size="1TB")),
    "squash": ([made()], STORAGE, storage(root_squash="AllSquash")),
    "tags": ([made(tags={"team": "blue"})], STORAGE, storage(tags={"team": "red", "stage": "dev"})),
    "encryption on": ([made()], STORAGE, storage(encryption_in_transit="required")),
    "encryption off": ([made(encryption_in_transit="required")], STORAGE, storage(encryption_in_transit="disabled")),
    "soft delete off": ([made()], STORAGE, storage(soft_delete_days=0)),
    "soft delete on": ([made(soft_delete_days=0)], STORAGE, storage(soft_delete_days=30)),
    "options left out": ([made()], STORAGE, {"name": "teamhomes01", "resource_group": GROUP}),
    "second share": ([made()], STORAGE, storage(share="projects")),
    "second storage in the zone": ([made()], STORAGE, storage(name="teamhomes02")),
    "zone that is there": ([zone_there], STORAGE, storage()),
    "names left to others": ([], STORAGE, storage(network=endpoint_network(dns={"manage": False}))),
    "new subnet": ([], STORAGE, storage(network=other_subnet)),
    "second subnet": (
        [made(network=service_network())],
        STORAGE,
        storage(network=service_network(subnet=["hosts", "endpoints"])),
    ),
    "subnet dropped": (
        [made(network=service_network(subnet=["hosts", "endpoints"]))],
        STORAGE,
        storage(network=service_network()),
    ),
    "network mode with users": (
        [made(), attached()],
        STORAGE,
        storage(network=service_network(), force=True),
    ),
    # Repairs.
    "endpoint is missing": ([made(), endpoint_gone], STORAGE, storage()),
    "zone group is missing": ([made(), group_gone], STORAGE, storage()),
    "deleted share is made anew": ([made(), share_gone], STORAGE, storage(restore=False)),
    "deleted share comes back": ([made(), share_gone], STORAGE, storage(restore=True)),
    "link is missing": ([made(), without_link], STORAGE, storage()),
    "account is missing": ([made(), account_gone], STORAGE, storage(restore=False)),
    "endpoint is rejected": ([made(), rejected], STORAGE, storage()),
    "account is open": ([made(), opened], STORAGE, storage()),
    # Deletions.
    "deletion of a share": ([made(), made(share="projects")], STORAGE, deletion()),
    "deletion of an account": ([made(network=service_network())], STORAGE, deletion()),
    "deletion with users": ([made(), attached()], STORAGE, deletion(force=True)),
    "deletion after the endpoint": ([made(), endpoint_gone], STORAGE, deletion()),
    "deletion without a share": ([made(), share_gone], STORAGE, deletion()),
    # The record.
    "attach": ([], ATTACHMENT, record()),
    "attach again": ([attached()], ATTACHMENT, record()),
    "attach elsewhere": ([attached()], ATTACHMENT, record(mount_point="/srv/home")),
    "attach another user": ([attached()], ATTACHMENT, record(user="ops", mount_point="/home/ops")),
    "detach": ([attached()], ATTACHMENT, detachment()),
    "detach whatever it is": ([attached()], ATTACHMENT, detachment(storage_name=None)),
    "detach of nothing": ([], ATTACHMENT, detachment()),
    "detach of another share": ([attached()], ATTACHMENT, detachment(share="projects")),
}
# All others have something to change.
IDLE_RUNS = {"options left out", "attach again", "detach of nothing", "detach of another share"}


@pytest.mark.parametrize("run", RUNS)
def test_forecast_is_what_happens(arm, run):
    before, module, options = RUNS[run]
    for action in before:
        action(arm)
    result = assert_succeeded(assert_forecast(arm, module, **options))
    assert result["changed"] is (run not in IDLE_RUNS)


two_subnets = service_network(subnet=["hosts", "endpoints"])
# What takes the share from the hosts that have it mounted.
LOCKOUTS = {
    "network mode": ([made()], storage(network=service_network())),
    "squash": ([made()], storage(root_squash="AllSquash")),
    "encryption": ([made()], storage(encryption_in_transit="required")),
    "subnet": ([made(network=two_subnets)], storage(network=service_network())),
    # Somebody admitted the subnet; hosts still come in over the endpoint.
    "endpoint": ([made(), admitted], storage(network=service_network())),
}


@pytest.mark.parametrize("lockout", LOCKOUTS)
def test_lockouts_of_attached_homes_are_refused_without_force(arm, lockout):
    before, options = LOCKOUTS[lockout]
    for action in [*before, attached()]:
        action(arm)
    refused = assert_forecast(arm, STORAGE, **options)
    assert refused["error_code"] == "in_use" and "worker-1" in refused["msg"]
    assert assert_forecast(arm, STORAGE, **options, force=True)["changed"]


REFUSALS = {
    "not ours": ([foreign], STORAGE, storage(), "not_managed"),
    "deletion of what is not ours": ([foreign], STORAGE, deletion(), "not_managed"),
    "deletion in use": ([made(), attached()], STORAGE, deletion(), "in_use"),
    "deletion unconfirmed": ([made()], STORAGE, deletion(confirm="home"), "confirmation_required"),
    "other redundancy": ([made()], STORAGE, storage(redundancy="ZRS"), "immutable_property"),
    "shrinking": ([made()], STORAGE, storage(size="100GiB"), "size_decrease_refused"),
    "no network": ([], STORAGE, storage(network=None), "invalid_argument"),
    "record of another storage": ([attached()], ATTACHMENT, record(storage_name="teamhomes02"), "in_use"),
    "no such machine": ([], ATTACHMENT, record(vm_name="worker-9"), "not_found"),
    "no such group": ([], INFO, {"resource_group": "nowhere"}, "not_found"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusals_are_the_same(arm, refusal):
    before, module, options, error_code = REFUSALS[refusal]
    for action in before:
        action(arm)
    assert assert_forecast(arm, module, **options)["error_code"] == error_code


@pytest.mark.parametrize(
    "options", [{}, {"name": "teamhomes01"}, {"name": "teamhomes01", "resource_group": GROUP}, {"share": "home"}]
)
def test_info_only_reads(arm, options):
    run_module(STORAGE, **storage())
    attached()(arm)
    assert forecast(arm, INFO, **options) == run_module(INFO, **options)


def test_a_write_in_check_mode_would_be_found(arm):
    arm.faults(READ_ONLY)
    assert "WrittenInCheckMode" in run_module(STORAGE, **storage())["msg"]
