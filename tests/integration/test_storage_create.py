# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Creating and converging a storage: both network modes, idempotence, drift, growth."""

from __future__ import annotations

from collections import Counter

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import link_name
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id
from tests.integration.support import (
    DNS_API,
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_nothing_to_do,
    before_the_first_write,
    endpoint_network,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
    writes,
)

MODULE = "azlin_nfs_storage"
ACCOUNT = "storageAccounts/teamhomes01"
SHARE = f"{ACCOUNT}/fileServices/default/shares/home"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"


def account(arm):
    return arm.request("GET", storage_id(arm, ACCOUNT), api_version=STORAGE_API)


def subnet(arm, name):
    return arm.request("GET", network_id(arm, f"virtualNetworks/lab-vnet/subnets/{name}"), api_version=NETWORK_API)


def test_private_endpoint(arm):
    result = run_module(MODULE, **storage(tags={"team": "blue"}))

    found = result["storage"]
    assert result["changed"]
    assert found["nfs_endpoint"] == "teamhomes01.file.core.lab.test:/teamhomes01/home"
    assert (found["size_gib"], found["sku"], found["location"]) == (500, "Premium_LRS", "westus2")
    assert found["network"]["mode"] == "private_endpoint"
    assert found["network"]["public_network_access"] == "Disabled"
    assert found["network"]["default_action"] == "Deny"
    endpoint = found["network"]["private_endpoints"][0]
    assert (endpoint["name"], endpoint["state"]) == ("teamhomes01-pe", "Approved")
    assert endpoint["ip_address"].startswith("10.30.2.")
    assert found["network"]["dns_zone"].endswith("privatelink.file.core.lab.test")
    assert found["tags"] == {"managed-by": "azlin", "team": "blue"}
    assert (found["root_squash"], found["encryption_in_transit"]) == ("NoRootSquash", "disabled")
    assert found["used_bytes"] == 0
    properties = account(arm)["properties"]
    assert properties["allowBlobPublicAccess"] is False
    assert properties["minimumTlsVersion"] == "TLS1_2"
    assert properties["supportsHttpsTrafficOnly"] is False
    record = network_id(arm, "privateDnsZones/privatelink.file.core.lab.test/A/teamhomes01")
    assert arm.request("GET", record, api_version=DNS_API)["properties"]["aRecords"] == [
        {"ipv4Address": endpoint["ip_address"]}
    ]


def test_the_account_is_closed_from_its_first_moment(arm):
    run_module(MODULE, **storage())

    bodies = [one["body"] for one in arm.requests() if one["method"] == "PUT" and one["path"].endswith(ACCOUNT)]
    assert bodies[0]["properties"]["publicNetworkAccess"] == "Disabled"
    assert bodies[0]["properties"]["networkAcls"]["defaultAction"] == "Deny"


@pytest.mark.parametrize("network", [endpoint_network(), service_network()], ids=["private", "service"])
def test_second_run_changes_nothing(arm, network):
    first = run_module(MODULE, **storage(network=network))
    second = assert_nothing_to_do(arm, **storage(network=network))

    assert second["storage"] == first["storage"]
    assert len(arm.requests()) - 3 <= 10


def test_a_creation_asks_once_for_what_it_does_not_change(arm):
    run_module(MODULE, **storage())

    asked = Counter(one["path"] for one in arm.requests() if one["method"] == "GET")
    for path in (
        network_id(arm, "virtualNetworks/lab-vnet"),
        network_id(arm, f"{ZONE}/virtualNetworkLinks"),
        storage_id(arm, f"{ACCOUNT}/fileServices/default/shares"),
        f"/subscriptions/{arm.subscription_id}/resources",
    ):
        assert (path, asked[path]) == (path, 1)


def test_service_endpoint(arm):
    found = run_module(MODULE, **storage(network=service_network()))["storage"]

    assert found["network"]["mode"] == "service_endpoint"
    assert found["network"]["public_network_access"] == "Enabled"
    assert found["network"]["default_action"] == "Deny"
    assert found["network"]["subnets"] == [network_id(arm, "virtualNetworks/lab-vnet/subnets/hosts")]
    assert found["network"]["private_endpoints"] == []
    services = subnet(arm, "hosts")["properties"]["serviceEndpoints"]
    assert [one["service"] for one in services] == ["Microsoft.Storage"]


def test_subnet_keeps_everything_else(arm):
    before = subnet(arm, "hosts")
    before["properties"]["networkSecurityGroup"] = {"id": network_id(arm, "networkSecurityGroups/guard")}
    before["properties"]["serviceEndpoints"] = [{"service": "Microsoft.KeyVault"}]
    arm.request("PUT", before["id"], before, NETWORK_API)

    run_module(MODULE, **storage(network=service_network()))

    after = subnet(arm, "hosts")["properties"]
    assert [one["service"] for one in after["serviceEndpoints"]] == ["Microsoft.KeyVault", "Microsoft.Storage"]
    assert after["networkSecurityGroup"] == before["properties"]["networkSecurityGroup"]
    assert after["addressPrefix"] == "10.30.1.0/24"


def test_second_subnet_is_admitted_and_a_dropped_one_is_not(arm):
    both = service_network(subnet=["hosts", "endpoints"])
    run_module(MODULE, **storage(network=both))
    assert_nothing_to_do(arm, **storage(network=both))

    found = run_module(MODULE, **storage(network=service_network()))["storage"]
    assert [one.rpartition("/")[2] for one in found["network"]["subnets"]] == ["hosts"]


def test_subnet_by_id(arm):
    subnet_id = network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints")
    by_id = storage(network={"subnet": [subnet_id]})

    assert run_module(MODULE, **by_id)["changed"]
    assert_nothing_to_do(arm, **storage())


@pytest.mark.parametrize("mode", ["private_endpoint", "service_endpoint"])
def test_created_network(arm, mode):
    network = {
        "mode": mode,
        "virtual_network": "new-vnet",
        "subnet": ["homes"],
        "create": True,
        "address_prefix": "10.77.0.0/16",
        "subnet_prefix": "10.77.5.0/24",
    }
    result = run_module(MODULE, **storage(network=network))

    assert result["plan"][0]["resource"] == "virtual network new-vnet"
    vnet = arm.request("GET", network_id(arm, "virtualNetworks/new-vnet"), api_version=NETWORK_API)
    assert vnet["properties"]["addressSpace"]["addressPrefixes"] == ["10.77.0.0/16"]
    assert vnet["properties"]["subnets"][0]["properties"]["addressPrefix"] == "10.77.5.0/24"
    assert_nothing_to_do(arm, **storage(network=network))


def test_created_subnet_leaves_the_network_alone(arm):
    network = endpoint_network(
        subnet=["homes"], create=True, address_prefix="10.30.0.0/16", subnet_prefix="10.30.9.0/24"
    )
    before = arm.request("GET", network_id(arm, "virtualNetworks/lab-vnet"), api_version=NETWORK_API)

    result = run_module(MODULE, **storage(network=network))

    after = arm.request("GET", network_id(arm, "virtualNetworks/lab-vnet"), api_version=NETWORK_API)
    assert result["plan"][0]["resource"] == "subnet homes of lab-vnet"
    assert after["properties"]["addressSpace"] == before["properties"]["addressSpace"]
    assert sorted(one["name"] for one in after["properties"]["subnets"]) == ["endpoints", "homes", "hosts"]


def test_second_storage_shares_the_zone(arm):
    run_module(MODULE, **storage())
    result = run_module(MODULE, **storage(name="teamhomes02"))

    assert [step["resource"] for step in result["plan"]] == [
        "storage account teamhomes02",
        "file service of teamhomes02",
        "share home",
        "private endpoint teamhomes02-pe",
        "DNS zone group of teamhomes02-pe",
    ]
    assert_nothing_to_do(arm, **storage())


def test_link_under_another_name_is_reused(arm):
    zone = network_id(arm, "privateDnsZones/privatelink.file.core.lab.test")
    arm.request("PUT", zone, {"location": "global"}, DNS_API)
    body = {
        "location": "global",
        "properties": {
            "registrationEnabled": False,
            "virtualNetwork": {"id": network_id(arm, "virtualNetworks/LAB-VNET")},
        },
    }
    arm.request("PUT", f"{zone}/virtualNetworkLinks/made-by-hand", body, DNS_API)

    result = run_module(MODULE, **storage())

    assert not [step for step in result["plan"] if "zone link" in step["resource"] or "DNS zone p" in step["resource"]]


def test_zone_by_id_in_another_group(arm):
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/central", {"location": "westus2"})
    zone = network_id(arm, "privateDnsZones/privatelink.file.core.lab.test").replace(GROUP, "central")
    arm.request("PUT", zone, {"location": "global"}, DNS_API)

    options = storage(network=endpoint_network(dns={"zone_id": zone}))
    assert run_module(MODULE, **options)["storage"]["network"]["dns_zone"] == zone
    assert_nothing_to_do(arm, **options)


def test_unmanaged_dns(arm):
    options = storage(network=endpoint_network(dns={"manage": False}))
    found = run_module(MODULE, **options)["storage"]

    assert found["network"]["dns_zone"] is None
    assert found["network"]["private_endpoints"][0]["ip_address"].startswith("10.30.2.")
    assert not [path for _method, path in writes(arm) if "privateDns" in path]
    assert_nothing_to_do(arm, **options)


def test_options_left_out_leave_things_as_they_are(arm):
    options = storage(redundancy="ZRS", root_squash="RootSquash", encryption_in_transit="required", soft_delete_days=30)
    before = run_module(MODULE, **options)["storage"]

    after = assert_nothing_to_do(arm, name="teamhomes01", resource_group=GROUP)["storage"]

    assert after == before
    assert (after["redundancy"], after["root_squash"]) == ("ZRS", "RootSquash")
    assert (after["encryption_in_transit"], after["soft_delete_days"]) == ("required", 30)


def test_defaults_of_a_new_storage(arm):
    found = run_module(MODULE, name="teamhomes01", resource_group=GROUP, network=endpoint_network())["storage"]

    assert (found["size_gib"], found["redundancy"], found["location"]) == (100, "LRS", "westus2")
    assert (found["soft_delete_days"], found["share"]) == (7, "home")


def test_growth_is_one_patch(arm):
    run_module(MODULE, **storage())
    arm.clear_requests()
    result = run_module(MODULE, name="teamhomes01", resource_group=GROUP, size="1TB")

    assert result["diff"] == {"before": {"share home": {"size_gib": 500}}, "after": {"share home": {"size_gib": 1024}}}
    assert writes(arm) == [("PATCH", storage_id(arm, SHARE))]
    assert result["storage"]["size_gib"] == 1024


def test_shrinking_needs_permission(arm):
    run_module(MODULE, **storage())
    refused = run_module(MODULE, **storage(size="100GiB"))
    assert refused["error_code"] == "size_decrease_refused"
    assert "500" in refused["msg"] and "100" in refused["msg"]


def test_shrinking_below_the_content_is_refused(arm, disk):
    run_module(MODULE, **storage())
    disk.used["teamhomes01", "home"] = 200 * 1024**3
    arm.let_pass(25)
    arm.clear_requests()

    refused = run_module(MODULE, **storage(size="200GiB", allow_shrink=True))

    assert refused["error_code"] == "size_decrease_refused" and "200.0 GiB" in refused["msg"]
    assert writes(arm) == []


def test_a_tag_that_somebody_sets_meanwhile_stays(arm, monkeypatch):
    run_module(MODULE, **storage(tags={"team": "blue"}))
    account = storage_id(arm, ACCOUNT)

    def somebody():
        tags = arm.request("GET", account, api_version=STORAGE_API)["tags"]
        arm.request("PATCH", account, {"tags": {**tags, "azlin-keep": "yes"}}, STORAGE_API)

    with before_the_first_write(monkeypatch, somebody):
        result = run_module(MODULE, **storage(tags={"team": "red"}))

    assert result["storage"]["tags"] == {"managed-by": "azlin", "team": "red", "azlin-keep": "yes"}


def test_a_setting_of_the_file_service_that_somebody_changes_meanwhile_stays(arm, monkeypatch):
    """Its settings are sent as a whole, and a private endpoint takes minutes between reading and sending them."""
    run_module(MODULE, **storage(encryption_in_transit="required"))
    run_module(MODULE, **storage(encryption_in_transit="disabled"))
    service = storage_id(arm, f"{ACCOUNT}/fileServices/default")

    def somebody():
        nfs = {"nfs": {"encryptionInTransit": {"required": True}}}
        arm.request("PUT", service, {"properties": {"protocolSettings": nfs}}, STORAGE_API)

    with before_the_first_write(monkeypatch, somebody):
        result = run_module(MODULE, **storage(soft_delete_days=14))

    assert result["storage"]["soft_delete_days"] == 14
    assert result["storage"]["encryption_in_transit"] == "required"


CHANGES = {
    "root_squash": ("AllSquash", "NoRootSquash"),
    "soft_delete_days": (0, 7),
    "encryption_in_transit": ("required", "disabled"),
}


@pytest.mark.parametrize("option", CHANGES)
def test_changes_of_settings(arm, option):
    changed, first = CHANGES[option]
    run_module(MODULE, **storage(**{option: first}))

    result = run_module(MODULE, **storage(**{option: changed}))

    assert result["changed"]
    assert result["storage"][option] == changed
    assert_nothing_to_do(arm, **storage(**{option: changed}))
    assert run_module(MODULE, **storage(**{option: first}))["storage"][option] == first


def test_tags_are_added(arm):
    run_module(MODULE, **storage(tags={"team": "blue", "stage": "dev"}))
    found = run_module(MODULE, **storage(tags={"team": "red"}))["storage"]
    assert found["tags"] == {"managed-by": "azlin", "team": "red", "stage": "dev"}


DRIFTS = {
    "opened to the public": (ACCOUNT, {"properties": {"publicNetworkAccess": "Enabled"}}),
    "default action": (ACCOUNT, {"properties": {"networkAcls": {"defaultAction": "Allow"}}}),
    "secure transfer": (ACCOUNT, {"properties": {"supportsHttpsTrafficOnly": True}}),
    "old TLS": (ACCOUNT, {"properties": {"minimumTlsVersion": "TLS1_0"}}),
    "public blobs": (ACCOUNT, {"properties": {"allowBlobPublicAccess": True}}),
    "squash": (SHARE, {"properties": {"rootSquash": "AllSquash"}}),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_repaired(arm, drift):
    options = storage(root_squash="NoRootSquash", encryption_in_transit="disabled")
    before = run_module(MODULE, **options)["storage"]
    path, body = DRIFTS[drift]
    arm.request("PATCH", storage_id(arm, path), body, STORAGE_API)

    result = run_module(MODULE, **options)

    assert [step["action"] for step in result["plan"]] == ["update"]
    assert result["storage"] == before
    assert_nothing_to_do(arm, **options)


@pytest.mark.parametrize("missing", ["endpoint", "group", "share", "link"])
def test_missing_parts_are_made_again(arm, missing):
    before = run_module(MODULE, **storage())["storage"]
    path, api = {
        "endpoint": (network_id(arm, "privateEndpoints/teamhomes01-pe"), NETWORK_API),
        "group": (network_id(arm, "privateEndpoints/teamhomes01-pe/privateDnsZoneGroups/default"), NETWORK_API),
        "share": (storage_id(arm, SHARE), STORAGE_API),
        "link": (
            network_id(arm, "privateDnsZones/privatelink.file.core.lab.test/virtualNetworkLinks/")
            + link_name(parse_resource_id(network_id(arm, "virtualNetworks/lab-vnet"), "virtual_network")),
            DNS_API,
        ),
    }[missing]
    arm.request("DELETE", path, api_version=api)

    after = run_module(MODULE, **storage(restore=missing == "share" or None))

    assert after["changed"]
    assert after["storage"]["nfs_endpoint"] == before["nfs_endpoint"]
    assert after["storage"]["network"]["private_endpoints"][0]["state"] == "Approved"
    assert_nothing_to_do(arm, **storage())


def test_endpoint_of_a_deleted_account_is_replaced(arm):
    run_module(MODULE, **storage())
    arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)

    result = run_module(MODULE, **storage(restore=False))

    assert ("delete", "private endpoint teamhomes01-pe") in [(one["action"], one["resource"]) for one in result["plan"]]
    assert result["storage"]["network"]["private_endpoints"][0]["state"] == "Approved"
    assert_nothing_to_do(arm, **storage())


def test_switch_from_private_to_service_endpoint_and_back(arm):
    run_module(MODULE, **storage())

    opened = run_module(MODULE, **storage(network=service_network()))["storage"]
    assert opened["network"]["mode"] == "service_endpoint"
    assert opened["network"]["private_endpoints"] == []
    assert_nothing_to_do(arm, **storage(network=service_network()))

    closed = run_module(MODULE, **storage())["storage"]
    assert closed["network"]["mode"] == "private_endpoint"
    assert (closed["network"]["public_network_access"], closed["network"]["subnets"]) == ("Disabled", [])
    assert_nothing_to_do(arm, **storage())


def test_tag_of_another_case_is_ours(arm):
    run_module(MODULE, **storage())
    arm.request("PATCH", storage_id(arm, ACCOUNT), {"tags": {"Managed-By": "azlin"}}, STORAGE_API)
    found = run_module(MODULE, **storage(size="600GiB"))["storage"]
    assert found["size_gib"] == 600
    assert found["tags"] == {"Managed-By": "azlin"}


def test_no_account_without_the_permission_to_make_a_zone(arm):
    arm.faults({"method": "PUT", "path": "privateDnsZones/[^/]+$", "status": 403, "code": "AuthorizationFailed"})
    assert run_module(MODULE, **storage())["error_code"] == "authorization_failed"
    assert not [path for method, path in writes(arm) if method == "PUT" and path.endswith(ACCOUNT)]
