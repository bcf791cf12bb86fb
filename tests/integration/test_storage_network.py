# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to a storage: subnets and zones of others, approval by hand, dead endpoints and rules, security groups."""

from __future__ import annotations

import pytest

from lab.arm.client import LabError
from tests.integration.support import (
    DNS_API,
    GROUP,
    NETWORK_API,
    STORAGE_API,
    assert_forecast,
    assert_nothing_to_do,
    assert_refused,
    before_the_first_write,
    endpoint_network,
    network_id,
    run_module,
    service_network,
    storage,
    storage_id,
    vm_id,
    warnings_of,
    writes,
)

MODULE = "azlin_nfs_storage"
INFO = "azlin_storage_info"
ACCOUNT = "storageAccounts/teamhomes01"
ENDPOINT = "privateEndpoints/teamhomes01-pe"
ZONE = "privateDnsZones/privatelink.file.core.lab.test"
HOSTS = "virtualNetworks/lab-vnet/subnets/hosts"
HUB = "99999999-0000-0000-0000-000000000001"
DELETION = {"name": "teamhomes01", "resource_group": GROUP, "state": "absent", "confirm": "teamhomes01"}


def get(arm, path, api=NETWORK_API):
    return arm.request("GET", path, api_version=api)


def account(arm):
    return get(arm, storage_id(arm, ACCOUNT), STORAGE_API)["properties"]


def exists(arm, path, api=NETWORK_API):
    try:
        return bool(get(arm, path, api))
    except LabError as error:
        assert " 404 " in str(error)
        return False


def hub(path):
    """The resource id of something in the hub, a group of another subscription."""
    return f"/subscriptions/{HUB}/resourceGroups/hub/providers/Microsoft.Network/{path}"


def make_hub(arm):
    arm.subscriptions(HUB)
    arm.request("PUT", f"/subscriptions/{HUB}/resourceGroups/hub", {"location": "westus2"})


def make_network(arm, path, prefix="10.40.0.0/16", subnet="10.40.1.0/24"):
    subnets = [{"name": "homes", "properties": {"addressPrefix": subnet}}]
    properties = {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": subnets}
    arm.request("PUT", path, {"location": "westus2", "properties": properties}, NETWORK_API)


def make_zone(arm, path, vnet=None, tags=None):
    arm.request("PUT", path, {"location": "global", "tags": tags or {"owner": "hub"}}, DNS_API)
    if vnet:
        body = {"location": "global", "properties": {"registrationEnabled": False, "virtualNetwork": {"id": vnet}}}
        arm.request("PUT", f"{path}/virtualNetworkLinks/theirs", body, DNS_API)


def connection(arm):
    (one,) = account(arm)["privateEndpointConnections"]
    return one


def answer_request(arm, status, description="by hand"):
    """What the owner of the account does with a request for approval."""
    state = {"privateLinkServiceConnectionState": {"status": status, "description": description}}
    arm.request("PUT", connection(arm)["id"], {"properties": state}, STORAGE_API)


# --- virtual machines elsewhere -------------------------------------------------------------------------------------


def hub_machine(arm):
    """A virtual machine of the hub."""
    path = f"/subscriptions/{HUB}/resourceGroups/hub/providers/Microsoft.Compute/virtualMachines/far-1"
    arm.request("PUT", path, {"location": "westus2", "properties": {}}, "2024-07-01")
    return path


def attachment(machine):
    """The options of a record."""
    return {
        "vm_id": machine,
        "storage_name": "teamhomes01",
        "user": "azureuser",
        "mount_point": "/home/azureuser",
    }


def attach_from_the_hub(arm, **extra):
    return run_module("azlin_attachment", **{**attachment(hub_machine(arm)), **extra})


WAYS_FROM_THE_HUB = {
    "endpoint": lambda: {"subnet": [hub("virtualNetworks/far/subnets/homes")]},
    "subnets": lambda: service_network(subnet=["hosts", hub("virtualNetworks/far/subnets/homes")]),
}
MACHINES_OF_THE_HUB = {"method": "GET", "path": f"{HUB}/resources$", "times": 0}


@pytest.mark.parametrize("way", WAYS_FROM_THE_HUB)
def test_a_machine_of_another_subscription_protects_its_storage(arm, way):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network=WAYS_FROM_THE_HUB[way]()))
    assert attach_from_the_hub(arm)["changed"]

    refused = run_module(MODULE, **DELETION)
    (listed,) = run_module(INFO)["storages"]
    again = run_module(MODULE, name="teamhomes01", resource_group=GROUP)

    assert refused["error_code"] == "in_use" and "far-1 (/home/azureuser)" in refused["msg"]
    assert [one["name"] for one in listed["attached_vms"]] == ["far-1"]
    assert again["storage"]["attached_vms"] == listed["attached_vms"]
    assert run_module(MODULE, **DELETION, force=True)["changed"]


def test_machines_of_another_subscription_that_may_not_be_listed_may_use_the_storage(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    options = storage(network=WAYS_FROM_THE_HUB["subnets"]())
    run_module(MODULE, **options)
    arm.faults({**MACHINES_OF_THE_HUB, "status": 403, "code": "AuthorizationFailed"})
    arm.clear_requests()

    refused = [run_module(MODULE, **DELETION), run_module(MODULE, **storage())]
    listed = run_module(INFO)
    again = run_module(MODULE, **options)

    assert [one["error_code"] for one in refused] == ["authorization_failed"] * 2
    assert HUB in refused[0]["msg"] and writes(arm) == []
    for answer, (found,) in ((listed, listed["storages"]), (again, [again["storage"]])):
        assert found["attached_vms"] is None
        assert any(HUB in text and "teamhomes01" in text for text in warnings_of(answer))
    assert run_module(MODULE, **DELETION, force=True)["changed"]


def attach_by_a_rule(arm):
    """A machine of the hub has a home on the storage, which admits its subnet."""
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network=WAYS_FROM_THE_HUB["subnets"]()))
    attach_from_the_hub(arm)


def assert_still_asked(arm):
    """The subscription of the hub is not forgotten: no write, and its machine is still known to the storage."""
    assert writes(arm) == []
    (listed,) = run_module(INFO)["storages"]
    assert [one["name"] for one in listed["attached_vms"]] == ["far-1"]


def test_a_machine_whose_subnet_was_deleted_still_protects_its_storage(arm):
    """The rule of its subnet is dead, and the only word of the subscription that the machine is in."""
    attach_by_a_rule(arm)
    arm.request("DELETE", hub("virtualNetworks/far/subnets/homes"), api_version=NETWORK_API)
    arm.clear_requests()

    refused = [run_module(MODULE, **DELETION), run_module(MODULE, **storage(network=service_network()))]

    for answer in refused:
        assert answer["error_code"] == "in_use" and "far-1 (/home/azureuser)" in answer["msg"]
    assert_still_asked(arm)
    attach_from_the_hub(arm, state="absent")
    assert run_module(MODULE, **storage(network=service_network()))["storage"]["network"]["deleted_subnets"] == []


def test_a_rule_stays_while_nobody_may_say_which_machines_are_behind_it(arm):
    """Without the rule of the deleted subnet, the next deletion would not ask its subscription any more."""
    attach_by_a_rule(arm)
    arm.request("DELETE", hub("virtualNetworks/far/subnets/homes"), api_version=NETWORK_API)
    arm.faults({**MACHINES_OF_THE_HUB, "status": 403, "code": "AuthorizationFailed"})
    arm.clear_requests()

    refused = run_module(MODULE, **storage(network=service_network()))

    assert_refused(refused, "authorization_failed", HUB, "teamhomes01", "force: true")
    arm.clear_faults()
    assert_still_asked(arm)
    assert run_module(MODULE, **storage(network=service_network(), force=True))["changed"]


def test_a_rule_that_a_private_endpoint_replaced_still_protects_the_storage(arm):
    """Somebody closed the public endpoint by hand; the rule admits nobody, and tells of another subscription."""
    attach_by_a_rule(arm)
    endpoint = {
        "subnet": {"id": network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints")},
        "privateLinkServiceConnections": [
            {
                "name": "by-hand",
                "properties": {"privateLinkServiceId": storage_id(arm, ACCOUNT), "groupIds": ["file"]},
            }
        ],
    }
    arm.request("PUT", network_id(arm, ENDPOINT), {"location": "westus2", "properties": endpoint}, NETWORK_API)
    closed = {"properties": {"publicNetworkAccess": "Disabled"}}
    arm.request("PATCH", storage_id(arm, ACCOUNT), closed, STORAGE_API)
    arm.clear_requests()

    refused = run_module(MODULE, **storage())

    assert_refused(refused, "in_use", HUB, "far-1 (/home/azureuser)")
    assert_still_asked(arm)
    attach_from_the_hub(arm, state="absent")
    assert run_module(MODULE, **storage())["storage"]["network"]["subnets"] == []


def test_a_record_that_no_guard_would_see_is_refused(arm):
    make_hub(arm)
    run_module(MODULE, **storage())
    arm.clear_requests()

    refused = attach_from_the_hub(arm)
    unknown = attach_from_the_hub(arm, storage_name="teamhomes02")

    assert refused["error_code"] == "unsupported" and HUB in refused["msg"]
    assert "azlin_record" in refused["causes"][-1]["remedy"]
    assert unknown["error_code"] == "not_found" and "teamhomes02" in unknown["msg"]
    assert not [one for one in arm.requests() if one["method"] == "PATCH"]
    assert attach_from_the_hub(arm, state="absent")["changed"] is False


# --- subnets and zones elsewhere -------------------------------------------------------------------------------------


def test_subnets_of_other_groups_and_subscriptions_are_admitted(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/net", {"location": "westus2"})
    near = network_id(arm, "virtualNetworks/near").replace(GROUP, "net")
    make_network(arm, near, "10.50.0.0/16", "10.50.1.0/24")
    far_subnet, near_subnet = hub("virtualNetworks/far/subnets/homes"), f"{near}/subnets/homes"
    options = storage(network=service_network(subnet=["hosts", near_subnet, far_subnet, "hosts"]))

    result = assert_forecast(arm, MODULE, **options)

    assert result["storage"]["network"]["subnets"] == [network_id(arm, HOSTS), near_subnet, far_subnet]
    for path in (network_id(arm, HOSTS), near_subnet, far_subnet):
        assert get(arm, path)["properties"]["serviceEndpoints"][0]["service"] == "Microsoft.Storage"
    assert_nothing_to_do(arm, **options)


def test_a_subnet_that_another_run_admits_meanwhile_is_not_dropped(arm, monkeypatch):
    """Nobody looked whether its machines have homes there; the next run does."""
    run_module(MODULE, **storage(network=service_network()))
    make_network(arm, network_id(arm, "virtualNetworks/near"), "10.50.0.0/16", "10.50.1.0/24")
    near = network_id(arm, "virtualNetworks/near/subnets/homes")
    ours = service_network(subnet=["hosts", near])

    def another_run():
        path = network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints")
        subnet = get(arm, path)
        subnet["properties"]["serviceEndpoints"] = [{"service": "Microsoft.Storage"}]
        arm.request("PUT", path, subnet, NETWORK_API)
        rules = account(arm)["networkAcls"]
        rules["virtualNetworkRules"].append({"id": path, "action": "Allow"})
        arm.request("PATCH", storage_id(arm, ACCOUNT), {"properties": {"networkAcls": rules}}, STORAGE_API)

    with before_the_first_write(monkeypatch, another_run):
        refused = run_module(MODULE, **storage(network=ours))

    assert_refused(refused, "azure_error", "subnets", "endpoints")
    admitted = [rule["id"].rpartition("/")[2] for rule in account(arm)["networkAcls"]["virtualNetworkRules"]]
    assert sorted(admitted) == ["endpoints", "homes", "hosts"]
    assert run_module(MODULE, **storage(network=ours))["storage"]["network"]["subnets"] == [
        network_id(arm, HOSTS),
        near,
    ]


def test_endpoint_for_a_network_of_another_subscription_is_made_there(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    options = storage(network={"subnet": [hub("virtualNetworks/far/subnets/homes")]})

    result = assert_forecast(arm, MODULE, **options)

    (endpoint,) = result["storage"]["network"]["private_endpoints"]
    assert (endpoint["id"], endpoint["state"]) == (hub(ENDPOINT), "Approved")
    assert endpoint["ip_address"].startswith("10.40.1.")
    assert_nothing_to_do(arm, **options)
    short = {"name": "teamhomes01", "resource_group": GROUP}
    assert assert_nothing_to_do(arm, **short)["storage"] == result["storage"]
    assert run_module(INFO, name="teamhomes01")["storages"] == [result["storage"]]

    deletion = assert_forecast(arm, MODULE, **DELETION)

    assert "private endpoint teamhomes01-pe" in [step["resource"] for step in deletion["plan"]]
    assert not exists(arm, hub(ENDPOINT))
    assert not exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)


def test_an_endpoint_of_another_subscription_is_deleted_although_its_account_is_gone(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    network = {"subnet": [hub("virtualNetworks/far/subnets/homes")]}
    run_module(MODULE, **storage(network=network))
    arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)

    result = assert_forecast(arm, MODULE, **DELETION, network=network)

    assert "private endpoint teamhomes01-pe" in [step["resource"] for step in result["plan"]]
    assert not exists(arm, hub(ENDPOINT))
    assert not run_module(MODULE, **DELETION, network=network)["changed"]


def test_a_deletion_with_options_of_a_network_finds_the_endpoint_where_it_is(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network={"subnet": [hub("virtualNetworks/far/subnets/homes")]}))

    run_module(MODULE, **DELETION, network=storage()["network"])

    assert not exists(arm, hub(ENDPOINT))


def test_an_endpoint_of_others_that_may_not_be_read_does_not_stop_a_deletion(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network={"subnet": [hub("virtualNetworks/far/subnets/homes")]}))
    fault = {"method": "GET", "path": f"{HUB}.*/privateEndpoints/", "status": 403, "code": "AuthorizationFailed"}
    arm.faults({**fault, "times": 0})

    result = run_module(MODULE, **DELETION)

    assert result["changed"] and f"may not see or delete them: {hub(ENDPOINT)}." in result["recovery"]
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize("refused", [f"{HUB}.*/privateEndpoints/", f"{HUB}.*/privateEndpoints/[^/]*$"])
def test_an_endpoint_elsewhere_that_may_not_be_deleted_does_not_stop_a_deletion(arm, refused):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    make_zone(arm, hub(ZONE))
    run_module(MODULE, **storage())
    far = {"subnet": [hub("virtualNetworks/far/subnets/homes")], "dns": {"zone_id": hub(ZONE)}}
    run_module(MODULE, **storage(network=far))
    arm.faults({"method": "DELETE", "path": refused, "status": 403, "code": "AuthorizationFailed", "times": 0})

    result = run_module(MODULE, **DELETION)

    assert result["recovery"].endswith(f"may not see or delete them: {hub(ENDPOINT)}.")
    assert len([one for one in result["plan"] if one["resource"].startswith("private endpoint")]) == 1
    assert exists(arm, hub(ENDPOINT)) and not exists(arm, network_id(arm, ENDPOINT))
    assert not exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


def test_an_endpoint_beside_the_account_that_may_not_be_deleted_keeps_it(arm):
    run_module(MODULE, **storage(network=endpoint_network(endpoint_name="second")))
    refused = {"method": "DELETE", "path": "/privateEndpoints/", "status": 403, "code": "AuthorizationFailed"}
    arm.faults({**refused, "times": 0})

    assert_refused(run_module(MODULE, **DELETION), "authorization_failed", "second", "Deleted already: share home")
    assert exists(arm, storage_id(arm, ACCOUNT), STORAGE_API)


@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (401, "InvalidAuthenticationTokenTenant")])
def test_an_endpoint_of_others_that_may_not_be_read_is_unknown(arm, status, code):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network={"subnet": [hub("virtualNetworks/far/subnets/homes")]}))
    arm.faults({"method": "GET", "path": f"{HUB}.*/privateEndpoints/", "status": status, "code": code, "times": 0})

    result = run_module(INFO, details=True)

    (found,) = result["storages"]
    (endpoint,) = found["network"]["private_endpoints"]
    assert (endpoint["id"], endpoint["state"]) == (hub(ENDPOINT), "Approved")
    assert (endpoint["subnet_id"], endpoint["ip_address"], found["network"]["dns_zone"]) == (None, None, None)
    assert found["soft_delete_days"] == 7
    (warning,) = warnings_of(result)
    assert warning.startswith("teamhomes01: ") and hub(ENDPOINT) in warning and code in warning


def test_a_failed_query_of_an_endpoint_elsewhere_that_is_no_refusal_is_an_error(arm):
    make_hub(arm)
    make_network(arm, hub("virtualNetworks/far"))
    run_module(MODULE, **storage(network={"subnet": [hub("virtualNetworks/far/subnets/homes")]}))
    arm.faults({"method": "GET", "path": f"{HUB}.*/privateEndpoints/", "status": 400, "code": "Odd", "times": 0})
    assert run_module(INFO, details=True)["error_code"] == "azure_error"


def test_central_zone_in_another_subscription(arm):
    make_hub(arm)
    make_zone(arm, hub(ZONE))
    before = get(arm, hub(ZONE), DNS_API)
    options = storage(network=endpoint_network(dns={"zone_id": hub(ZONE)}))

    result = assert_forecast(arm, MODULE, **options)

    network = result["storage"]["network"]
    assert network["dns_zone"] == hub(ZONE)
    record = get(arm, hub(f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]
    assert record["aRecords"] == [{"ipv4Address": network["private_endpoints"][0]["ip_address"]}]
    assert not exists(arm, network_id(arm, ZONE), DNS_API)
    after = get(arm, hub(ZONE), DNS_API)
    assert (after["etag"], after["tags"]) == (before["etag"], before["tags"])
    assert_nothing_to_do(arm, **options)

    run_module(MODULE, **DELETION)
    assert exists(arm, hub(ZONE), DNS_API)
    assert not exists(arm, hub(f"{ZONE}/A/teamhomes01"), DNS_API)


def unlink(arm, zone):
    """Somebody takes a zone from the network, so that another one of its name can be linked."""
    for one in get(arm, f"{zone}/virtualNetworkLinks", DNS_API)["value"]:
        arm.request("DELETE", one["id"], api_version=DNS_API)


def test_the_name_moves_to_the_zone_that_is_asked_for(arm):
    """Azure takes one zone of a name in a zone group; a host that only knows the other one loses its way."""
    run_module(MODULE, **storage())
    record = get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]["aRecords"]
    make_hub(arm)
    make_zone(arm, hub(ZONE))
    unlink(arm, network_id(arm, ZONE))
    options = storage(network=endpoint_network(dns={"zone_id": hub(ZONE)}))
    run_module("azlin_attachment", **attachment(vm_id(arm)))
    arm.clear_requests()

    assert_refused(run_module(MODULE, **options), "in_use", "worker-1", network_id(arm, ZONE), hub(ZONE))
    assert writes(arm) == []

    made = assert_forecast(arm, MODULE, **options, force=True)["storage"]
    assert made["network"]["dns_zone"] == hub(ZONE)
    assert get(arm, hub(f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]["aRecords"] == record
    assert not exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert_nothing_to_do(arm, **options)


def test_a_zone_that_somebody_deleted_comes_back_with_the_name(arm):
    """The zone group is as before, but Azure does not write into the new zone by itself."""
    run_module(MODULE, **storage())
    record = get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]["aRecords"]
    unlink(arm, network_id(arm, ZONE))
    arm.request("DELETE", network_id(arm, ZONE), api_version=DNS_API)

    assert assert_forecast(arm, MODULE, **storage())["changed"]

    assert get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]["aRecords"] == record
    assert_nothing_to_do(arm, **storage())


def test_a_record_that_somebody_deleted_is_noticed_and_comes_back(arm):
    """The zone group tells of its record as before: hosts lose the storage, and all that is asked otherwise is well."""
    run_module(MODULE, **storage())
    lost = network_id(arm, f"{ZONE}/A/teamhomes01")
    record = get(arm, lost, DNS_API)["properties"]["aRecords"]
    assert warnings_of(run_module(INFO, name="teamhomes01")) == []
    arm.request("DELETE", lost, api_version=DNS_API)

    (warning,) = warnings_of(run_module(INFO, name="teamhomes01"))
    arm.faults({"method": "GET", "path": "/A/teamhomes01$", "status": 403, "code": "AuthorizationFailed", "times": 0})
    unseen = warnings_of(run_module(INFO, name="teamhomes01"))
    assert_nothing_to_do(arm, **storage())
    asked = [one["path"] for one in arm.requests() if one["path"].endswith("/A/teamhomes01")]
    arm.clear_faults()

    assert f"{network_id(arm, ZONE)} has no record of it any more" in warning
    assert unseen == [] and len(asked) == 1
    mended = assert_forecast(arm, MODULE, **storage())
    assert [step["resource"] for step in mended["plan"]] == ["DNS zone group of teamhomes01-pe"]
    assert get(arm, lost, DNS_API)["properties"]["aRecords"] == record
    assert warnings_of(run_module(INFO, name="teamhomes01")) == []
    assert_nothing_to_do(arm, **storage())


def test_the_warning_of_a_lost_record_names_the_endpoint_that_it_led_to(arm):
    """A run of create is about one endpoint; with the network of another one it finds nothing to do."""
    run_module(MODULE, **storage())
    make_hub(arm)
    make_zone(arm, hub(ZONE))
    make_network(arm, hub("virtualNetworks/far"))
    far = {"subnet": [hub("virtualNetworks/far/subnets/homes")], "dns": {"zone_id": hub(ZONE)}}
    run_module(MODULE, **storage(network=far))
    arm.request("DELETE", hub(f"{ZONE}/A/teamhomes01"), api_version=DNS_API)

    (warning,) = warnings_of(run_module(INFO, name="teamhomes01"))

    assert f"the azlin_network of private endpoint {hub(ENDPOINT)}" in warning
    assert_nothing_to_do(arm, **storage())
    assert run_module(MODULE, **storage(network=far))["changed"]
    assert warnings_of(run_module(INFO, name="teamhomes01")) == []


@pytest.mark.usefixtures("impatient")
def test_a_record_that_azure_shows_a_moment_after_it_was_written_is_there(arm):
    """Whoever deleted the zone group then, as the error says, would take the name from hosts that have it again."""
    run_module(MODULE, **storage())
    record = network_id(arm, f"{ZONE}/A/teamhomes01")
    arm.request("DELETE", record, api_version=DNS_API)
    # Once before the work and twice after it.
    arm.faults({"method": "GET", "path": "/A/teamhomes01$", "status": 404, "code": "NotFound", "times": 3})

    mended = run_module(MODULE, **storage())

    assert mended.get("changed"), mended
    assert exists(arm, record, DNS_API)
    assert_nothing_to_do(arm, **storage())


@pytest.mark.usefixtures("impatient")
def test_a_record_that_azure_does_not_write_again_is_no_success(arm):
    run_module(MODULE, **storage())
    arm.request("DELETE", network_id(arm, f"{ZONE}/A/teamhomes01"), api_version=DNS_API)
    absent = {"method": "GET", "path": "/A/teamhomes01$", "status": 404, "code": "NotFound", "times": 0}
    arm.faults(absent)

    refused = run_module(MODULE, **storage())

    assert_refused(refused, "network_failed", network_id(arm, ZONE), "no record of teamhomes01")
    command = f"dns-zone-group delete --subscription {arm.subscription_id} --resource-group {GROUP} "
    assert f"{command}--endpoint-name teamhomes01-pe --name default'" in refused["causes"][0]["remedy"]


def test_the_name_does_not_leave_its_zone_unasked(arm):
    """Networks can reach a central zone by a resolver, without a link; options that forget it do not move the name."""
    make_hub(arm)
    make_zone(arm, hub(ZONE))
    run_module(MODULE, **storage(network=endpoint_network(dns={"zone_id": hub(ZONE)})))
    unlink(arm, hub(ZONE))
    arm.clear_requests()

    refused = run_module(MODULE, **storage())

    assert_refused(refused, "network_failed", hub(ZONE))
    assert f"Set network.dns.zone_id: {hub(ZONE)}" in refused["causes"][0]["remedy"]
    # One that may not be seen need not be gone.
    unseen = {"method": "GET", "path": f"{HUB}/.*/{ZONE}$", "status": 403, "code": "AuthorizationFailed", "times": 0}
    arm.faults(unseen)
    assert run_module(MODULE, **storage())["msg"] == refused["msg"]
    assert writes(arm) == []


def test_a_second_endpoint_leaves_the_record_to_the_first(arm):
    """A zone sends a name to one endpoint: a second one there leads the hosts of the first away."""
    run_module(MODULE, **storage())
    make_hub(arm)
    make_zone(arm, hub(ZONE))
    make_network(arm, network_id(arm, "virtualNetworks/near"), "10.50.0.0/16", "10.50.1.0/24")
    make_network(arm, hub("virtualNetworks/far"))
    record = get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    near = endpoint_network(virtual_network="near", subnet=["homes"])
    second = {
        "other name": {**near, "endpoint_name": "second"},
        "other subscription": {"subnet": [hub("virtualNetworks/far/subnets/homes")]},
        "forgotten name": endpoint_network(endpoint_name="forgotten"),
    }
    arm.clear_requests()

    for network in second.values():
        refused = run_module(MODULE, **storage(network=network))
        assert_refused(refused, "name_conflict", "teamhomes01-pe", network_id(arm, ZONE))
        assert "network.endpoint_name: teamhomes01-pe" in refused["causes"][0]["remedy"]
    assert writes(arm) == []

    by_hand = {**second["other name"], "dns": {"manage": False}}
    elsewhere = {**second["other subscription"], "dns": {"zone_id": hub(ZONE)}}
    for network in (by_hand, elsewhere):
        assert run_module(MODULE, **storage(network=network))["changed"]
        assert_nothing_to_do(arm, **storage(network=network))
    assert get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API) == record
    assert get(arm, hub(f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]["aRecords"] != record["properties"]["aRecords"]
    assert_nothing_to_do(arm, **storage())


def test_zone_of_another_owner_gets_link_and_record_and_nothing_else(arm):
    make_zone(arm, network_id(arm, ZONE))
    before = get(arm, network_id(arm, ZONE), DNS_API)

    run_module(MODULE, **storage())

    after = get(arm, network_id(arm, ZONE), DNS_API)
    assert (after["etag"], after["tags"]) == (before["etag"], {"owner": "hub"})
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert_nothing_to_do(arm, **storage())


def test_zone_of_another_name_is_refused(arm):
    zone = network_id(arm, "privateDnsZones/privatelink.file.core.windows.net")
    result = run_module(MODULE, **storage(network=endpoint_network(dns={"zone_id": zone})))
    assert result["error_code"] == "invalid_argument"
    assert "privatelink.file.core.lab.test" in result["msg"]
    assert writes(arm) == []


@pytest.mark.parametrize("place", ["the same subscription", "another subscription"])
def test_network_linked_to_a_zone_of_somebody_else(arm, place):
    make_hub(arm)
    zone = hub(ZONE)
    if place == "the same subscription":
        arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/central", {"location": "westus2"})
        zone = network_id(arm, ZONE).replace(GROUP, "central")
    make_zone(arm, zone, network_id(arm, "virtualNetworks/lab-vnet"))
    arm.clear_requests()

    result = run_module(MODULE, **storage())

    assert result["error_code"] == "network_failed"
    remedies = [one["remedy"] for one in result["causes"]]
    if place == "the same subscription":
        assert writes(arm) == [] and zone in result["msg"]
        assert remedies == [f"Set network.dns.zone_id: {zone}", "Set network.dns.manage: false."]
    else:
        # Nobody says in which subscriptions to look; Azure refuses the second link.
        assert len(remedies) == 1 and "network.dns.zone_id" in remedies[0]
    assert run_module(MODULE, **storage(network=endpoint_network(dns={"zone_id": zone})))["changed"]


def test_network_linked_to_a_zone_of_another_storage_shares_it(arm):
    run_module(MODULE, **storage())
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/second", {"location": "westus2"})
    options = storage(name="teamhomes02", resource_group="second", network=endpoint_network(resource_group=GROUP))

    result = assert_forecast(arm, MODULE, **options)

    assert result["storage"]["network"]["dns_zone"] == network_id(arm, ZONE)
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes02"), DNS_API)
    assert not [step for step in result["plan"] if "DNS zone link" in step["resource"]]
    assert_nothing_to_do(arm, **options)
    assert_nothing_to_do(arm, **storage())
    arm.request("DELETE", network_id(arm, f"{ZONE}/A/teamhomes02"), api_version=DNS_API)
    assert assert_forecast(arm, MODULE, **options)["changed"]
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes02"), DNS_API)


@pytest.mark.parametrize("moved", [False, True], ids=["deleted", "moved"])
def test_a_shared_zone_that_is_gone_from_its_group_is_replaced(arm, moved):
    """It was deleted with the group of another storage, or moved: no host finds a name in the old place any more."""
    run_module(MODULE, **storage())
    arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/second", {"location": "westus2"})
    options = storage(name="teamhomes02", resource_group="second", network=endpoint_network(resource_group=GROUP))
    assert run_module(MODULE, **options)["storage"]["network"]["dns_zone"] == network_id(arm, ZONE)
    run_module("azlin_attachment", **{**attachment(vm_id(arm)), "storage_name": "teamhomes02"})
    unlink(arm, network_id(arm, ZONE))
    arm.request("DELETE", network_id(arm, ZONE), api_version=DNS_API)
    zone = network_id(arm, ZONE).replace(GROUP, "central" if moved else "second")
    if moved:
        arm.request("PUT", f"/subscriptions/{arm.subscription_id}/resourceGroups/central", {"location": "westus2"})
        make_zone(arm, zone, network_id(arm, "virtualNetworks/lab-vnet"), {"managed-by": "azlin"})

    made = assert_forecast(arm, MODULE, **options)["storage"]["network"]

    assert made["dns_zone"] == zone
    (record,) = get(arm, f"{zone}/A/teamhomes02", DNS_API)["properties"]["aRecords"]
    assert record["ipv4Address"] == made["private_endpoints"][0]["ip_address"]
    assert_nothing_to_do(arm, **options)


def test_refused_look_for_other_zones_stops_nothing(arm):
    arm.faults({"method": "GET", "path": "providers/Microsoft.Network/privateDnsZones$", "status": 403, "times": 0})
    assert run_module(MODULE, **storage())["changed"]


# --- subnets are changed and not replaced ----------------------------------------------------------------------------


RICH = {
    "addressPrefix": "10.30.1.0/24",
    "routeTable": {"id": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/routeTables/routes"},
    "natGateway": {"id": "/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/natGateways/nat"},
    "delegations": [{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}],
    "serviceEndpoints": [{"service": "Microsoft.KeyVault", "locations": ["*"]}],
    "serviceEndpointPolicies": [{"id": "/subscriptions/x/policy"}],
    "privateEndpointNetworkPolicies": "RouteTableEnabled",
    "privateLinkServiceNetworkPolicies": "Disabled",
    "defaultOutboundAccess": False,
}


def make_rich(arm, **more):
    group = network_id(arm, "networkSecurityGroups/guard")
    arm.request("PUT", group, {"location": "westus2", "properties": {}}, NETWORK_API)
    body = {"properties": {**RICH, "networkSecurityGroup": {"id": group}, **more}}
    arm.request("PUT", network_id(arm, HOSTS), body, NETWORK_API)
    return get(arm, network_id(arm, HOSTS))


def without_tag(subnet, service_endpoints):
    return {**subnet, "etag": None, "properties": {**subnet["properties"], "serviceEndpoints": service_endpoints}}


def test_subnet_is_the_same_but_for_its_service_endpoint(arm):
    before = make_rich(arm)

    assert_forecast(arm, MODULE, **storage(network=service_network()))

    after = get(arm, network_id(arm, HOSTS))
    services = after["properties"]["serviceEndpoints"]
    assert [one["service"] for one in services] == ["Microsoft.KeyVault", "Microsoft.Storage"]
    assert services[0] == before["properties"]["serviceEndpoints"][0]
    assert without_tag(after, []) == without_tag(before, [])


def test_subnet_with_the_service_endpoint_of_all_regions_is_admitted_as_it_is(arm):
    """Azure refuses both service endpoints for storage on one subnet, and either one is enough."""
    path = network_id(arm, HOSTS)
    body = get(arm, path)
    body["properties"]["serviceEndpoints"] = [{"service": "Microsoft.Storage.Global"}]
    arm.request("PUT", path, body, NETWORK_API)
    before = get(arm, path)

    made = assert_forecast(arm, MODULE, **storage(network=service_network()))["storage"]

    assert made["network"]["subnets"] == [path]
    assert get(arm, path) == before


def test_subnet_of_an_endpoint_keeps_its_policies(arm):
    path = network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints")
    body = get(arm, path)
    body["properties"]["privateEndpointNetworkPolicies"] = "NetworkSecurityGroupEnabled"
    arm.request("PUT", path, body, NETWORK_API)
    before = get(arm, path)
    arm.clear_requests()

    run_module(MODULE, **storage())

    after = get(arm, path)["properties"]
    assert ("PUT", path) not in writes(arm)
    assert after["privateEndpointNetworkPolicies"] == "NetworkSecurityGroupEnabled"
    assert {key: after[key] for key in before["properties"]} == before["properties"]
    assert not [path for method, path in writes(arm) if method == "PUT" and "/subnets/" in path and "lab-vnet" in path][
        1:
    ]


def test_change_of_a_subnet_by_somebody_else_is_not_lost(arm):
    """The first answer to our change says that the subnet is another one by now; it then is read again."""
    make_rich(arm)
    arm.faults({"method": "PUT", "path": "subnets/hosts$", "status": 412, "code": "PreconditionFailed"})
    arm.clear_requests()

    run_module(MODULE, **storage(network=service_network()))

    sent = [one for one in arm.requests() if one["path"].endswith("subnets/hosts")]
    assert [one["method"] for one in sent[:4]] == ["GET", "PUT", "GET", "PUT"]
    assert len([one for one in sent if one["method"] == "PUT"]) == 2
    services = get(arm, network_id(arm, HOSTS))["properties"]["serviceEndpoints"]
    assert [one["service"] for one in services] == ["Microsoft.KeyVault", "Microsoft.Storage"]


def test_two_subnets_of_one_network(arm):
    """What changes one subnet changes the entity tag of the other: each is sent as it is by then."""
    options = storage(network=service_network(subnet=["hosts", "endpoints"]))
    assert len(assert_forecast(arm, MODULE, **options)["storage"]["network"]["subnets"]) == 2
    assert_nothing_to_do(arm, **options)


# --- rules for deleted subnets ---------------------------------------------------------------------------------------


def with_dead_rule(arm, recreate):
    body = {"properties": {"addressPrefix": "10.30.7.0/24"}}
    path = network_id(arm, "virtualNetworks/lab-vnet/subnets/gone")
    arm.request("PUT", path, body, NETWORK_API)
    run_module(MODULE, **storage(network=service_network(subnet=["hosts", "gone"])))
    arm.request("DELETE", path, api_version=NETWORK_API)
    if recreate:
        arm.request("PUT", path, body, NETWORK_API)
    return path


def test_rule_for_a_deleted_subnet_is_reported_and_removed(arm):
    gone = with_dead_rule(arm, recreate=False)
    left = run_module(MODULE, name="teamhomes01", resource_group=GROUP)

    assert left["changed"] is False
    assert left["storage"]["network"]["subnets"] == [network_id(arm, HOSTS)]
    assert left["storage"]["network"]["deleted_subnets"] == [gone]
    assert len(warnings_of(left)) == 1 and gone in warnings_of(left)[0]
    assert run_module(INFO, name="teamhomes01")["storages"][0]["network"]["deleted_subnets"] == [gone]

    cleaned = assert_forecast(arm, MODULE, **storage(network=service_network()))

    assert cleaned["diff"]["before"] == {"storage account teamhomes01": {"deleted_subnets": [gone]}}
    assert cleaned["storage"]["network"]["deleted_subnets"] == [] and warnings_of(cleaned) == []
    assert [rule["id"] for rule in account(arm)["networkAcls"]["virtualNetworkRules"]] == [network_id(arm, HOSTS)]
    assert_nothing_to_do(arm, **storage(network=service_network()))


def test_rule_for_a_subnet_that_was_made_anew_is_renewed(arm):
    gone = with_dead_rule(arm, recreate=True)
    options = storage(network=service_network(subnet=["hosts", "gone"]))

    result = assert_forecast(arm, MODULE, **options)

    assert result["storage"]["network"]["subnets"] == [network_id(arm, HOSTS), gone]
    states = [rule["state"] for rule in account(arm)["networkAcls"]["virtualNetworkRules"]]
    assert states == ["Succeeded", "Succeeded"]
    assert_nothing_to_do(arm, **options)


def test_rule_for_a_deleted_subnet_does_not_stop_the_way_to_a_private_endpoint(arm):
    with_dead_rule(arm, recreate=False)
    found = assert_forecast(arm, MODULE, **storage())["storage"]["network"]
    assert (found["mode"], found["subnets"], found["deleted_subnets"]) == ("private_endpoint", [], [])


# --- approval by hand ------------------------------------------------------------------------------------------------


def manual(**extra):
    return storage(network=endpoint_network(manual_approval=True, **extra))


def test_pending_endpoint_is_reported_and_not_waited_for(arm):
    options = manual(request_message="homes of the team")

    result = assert_forecast(arm, MODULE, **options)

    assert connection(arm)["properties"]["privateLinkServiceConnectionState"]["description"] == "homes of the team"
    (endpoint,) = result["storage"]["network"]["private_endpoints"]
    assert endpoint["state"] == "Pending"
    (warning,) = warnings_of(result)
    assert "waits for the approval" in warning and connection(arm)["id"] in warning
    assert account(arm)["publicNetworkAccess"] == "Disabled"
    assert not exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert warnings_of(assert_nothing_to_do(arm, **options)) == warnings_of(result)

    answer_request(arm, "Approved")
    done = assert_forecast(arm, MODULE, **options)

    assert [step["resource"] for step in done["plan"]] == ["DNS zone group of teamhomes01-pe"]
    assert warnings_of(done) == []
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert_nothing_to_do(arm, **options)


def test_subnets_keep_their_access_until_the_endpoint_is_approved(arm):
    run_module(MODULE, **storage(network=service_network()))

    waiting = assert_forecast(arm, MODULE, **manual())

    about = account(arm)
    assert about["publicNetworkAccess"] == "Enabled" and about["networkAcls"]["defaultAction"] == "Deny"
    assert [rule["id"] for rule in about["networkAcls"]["virtualNetworkRules"]] == [network_id(arm, HOSTS)]
    assert "keep it" in warnings_of(waiting)[0]
    # A linked zone without a record would hide the public name that the hosts still need.
    assert get(arm, network_id(arm, f"{ZONE}/virtualNetworkLinks"), DNS_API)["value"] == []
    assert_nothing_to_do(arm, **manual())

    answer_request(arm, "Approved")
    done = assert_forecast(arm, MODULE, **manual())["storage"]["network"]

    assert (done["public_network_access"], done["subnets"]) == ("Disabled", [])
    assert done["private_endpoints"][0]["state"] == "Approved"
    assert exists(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)
    assert_nothing_to_do(arm, **manual())


def test_rejection_is_a_decision(arm):
    run_module(MODULE, **manual())
    answer_request(arm, "Rejected", "not these")
    arm.clear_requests()

    result = run_module(MODULE, **manual())

    assert result["error_code"] == "network_failed" and "rejected" in result["msg"]
    assert "az network private-endpoint delete" in result["causes"][0]["remedy"]
    assert writes(arm) == []
    arm.request("DELETE", network_id(arm, ENDPOINT), api_version=NETWORK_API)
    assert run_module(MODULE, **manual())["storage"]["network"]["private_endpoints"][0]["state"] == "Pending"


BAD_APPROVAL = {
    "no endpoint": (service_network(manual_approval=True), "network.manual_approval"),
    "message without request": (endpoint_network(request_message="please"), "network.request_message"),
    "long message": (endpoint_network(manual_approval=True, request_message="x" * 141), "140"),
}


@pytest.mark.parametrize("case", BAD_APPROVAL)
def test_bad_requests_for_approval_never_reach_the_network(arm, case):
    network, word = BAD_APPROVAL[case]
    result = run_module(MODULE, **storage(network=network))
    assert result["error_code"] == "invalid_argument" and word in result["msg"]
    assert arm.requests() == []


# --- endpoints of others ---------------------------------------------------------------------------------------------


def test_the_zone_group_of_an_endpoint_can_have_any_name(arm):
    """Azure takes one of an endpoint, and other tools and policies do not call theirs ``default``."""
    made = run_module(MODULE, **storage())["storage"]
    group = network_id(arm, f"{ENDPOINT}/privateDnsZoneGroups/default")
    kept = get(arm, group)["properties"]["privateDnsZoneConfigs"]
    arm.request("DELETE", group, api_version=NETWORK_API)
    named = network_id(arm, f"{ENDPOINT}/privateDnsZoneGroups/deployedByPolicy")
    body = {
        "properties": {"privateDnsZoneConfigs": [{key: one[key] for key in ("name", "properties")} for one in kept]}
    }
    arm.request("PUT", named, body, NETWORK_API)

    assert assert_nothing_to_do(arm, **storage())["storage"] == made
    assert run_module(INFO, name="teamhomes01")["storages"][0]["network"] == made["network"]
    run_module(MODULE, **DELETION)
    assert not exists(arm, named) and not exists(arm, network_id(arm, ENDPOINT))


# --- dead endpoints --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cause", ["account deleted", "rejected", "connection removed"])
def test_dead_endpoint_is_replaced_with_its_names(arm, cause):
    before = run_module(MODULE, **storage())["storage"]
    if cause == "account deleted":
        arm.request("DELETE", storage_id(arm, ACCOUNT), api_version=STORAGE_API)
    elif cause == "rejected":
        answer_request(arm, "Rejected")
    else:
        arm.request("DELETE", connection(arm)["id"], api_version=STORAGE_API)

    after = assert_forecast(arm, MODULE, **storage(restore=False))["storage"]

    (endpoint,) = after["network"]["private_endpoints"]
    assert endpoint["state"] == "Approved"
    assert (after["nfs_endpoint"], after["network"]["dns_zone"]) == (before["nfs_endpoint"], network_id(arm, ZONE))
    group = get(arm, network_id(arm, f"{ENDPOINT}/privateDnsZoneGroups/default"))["properties"]
    (config,) = group["privateDnsZoneConfigs"]
    assert config["properties"]["recordSets"][0]["ipAddresses"] == [endpoint["ip_address"]]
    record = get(arm, network_id(arm, f"{ZONE}/A/teamhomes01"), DNS_API)["properties"]
    assert record["aRecords"] == [{"ipv4Address": endpoint["ip_address"]}]
    assert_nothing_to_do(arm, **storage())


# --- security groups -------------------------------------------------------------------------------------------------


GUARD = "networkSecurityGroups/guard"
DENY = {
    "protocol": "*",
    "sourcePortRange": "*",
    "destinationPortRange": "*",
    "sourceAddressPrefix": "*",
    "destinationAddressPrefix": "*",
    "access": "Deny",
    "priority": 4096,
    "direction": "Outbound",
}
MODES = {
    "service": (service_network(nsg_rule=True), "hosts", "azlin-nfs-outbound", "Outbound", "Storage"),
    "private": (endpoint_network(nsg_rule=True), "endpoints", "azlin-nfs-inbound", "Inbound", "VirtualNetwork"),
}


def guard(arm, subnet, **rules):
    """Give a subnet a security group with rules, and have it apply to private endpoints; returns the group's path."""
    path = network_id(arm, GUARD)
    listed = [{"name": name, "properties": properties} for name, properties in rules.items()]
    arm.request("PUT", path, {"location": "westus2", "properties": {"securityRules": listed}}, NETWORK_API)
    subnet_path = network_id(arm, f"virtualNetworks/lab-vnet/subnets/{subnet}")
    body = get(arm, subnet_path)
    body["properties"].update(networkSecurityGroup={"id": path}, privateEndpointNetworkPolicies="Enabled")
    arm.request("PUT", subnet_path, body, NETWORK_API)
    return path


def rules_of(arm):
    return {
        rule["name"]: rule["properties"] for rule in get(arm, network_id(arm, GUARD))["properties"]["securityRules"]
    }


@pytest.mark.parametrize("mode", MODES)
def test_rule_for_nfs_is_added_among_the_others(arm, mode):
    network, subnet, name, direction, destination = MODES[mode]
    taken = {**DENY, "priority": 100, "direction": direction, "destinationPortRange": "22"}
    guard(arm, subnet, ssh=taken, rest={**DENY, "direction": direction})
    before = rules_of(arm)

    result = assert_forecast(arm, MODULE, **storage(network=network))

    after = rules_of(arm)
    ours = after.pop(name)
    assert after == before
    assert (ours["access"], ours["protocol"], ours["destinationPortRange"]) == ("Allow", "Tcp", "2049")
    assert (ours["direction"], ours["priority"], ours["destinationAddressPrefix"]) == (direction, 101, destination)
    assert warnings_of(result) == []
    assert_nothing_to_do(arm, **storage(network=network))


def test_changed_rule_of_ours_is_repaired_in_its_place(arm):
    path = guard(arm, "hosts")
    options = storage(network=service_network(nsg_rule=True))
    run_module(MODULE, **options)
    changed = {**rules_of(arm)["azlin-nfs-outbound"], "access": "Deny", "priority": 300}
    arm.request("PUT", f"{path}/securityRules/azlin-nfs-outbound", {"properties": changed}, NETWORK_API)

    result = assert_forecast(arm, MODULE, **options)

    assert result["diff"]["before"] == {"security rule azlin-nfs-outbound of guard": {"access": "Deny"}}
    assert rules_of(arm)["azlin-nfs-outbound"]["priority"] == 300
    assert_nothing_to_do(arm, **options)


def test_two_subnets_with_one_security_group_get_one_rule(arm):
    guard(arm, "hosts")
    body = get(arm, network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints"))
    body["properties"]["networkSecurityGroup"] = {"id": network_id(arm, GUARD)}
    arm.request("PUT", body["id"], body, NETWORK_API)
    options = storage(network=service_network(subnet=["hosts", "endpoints"], nsg_rule=True))

    result = assert_forecast(arm, MODULE, **options)

    assert [step["resource"] for step in result["plan"]].count("security rule azlin-nfs-outbound of guard") == 1
    assert_nothing_to_do(arm, **options)


@pytest.mark.parametrize("network", [MODES["service"][0], MODES["private"][0]], ids=list(MODES))
def test_rule_without_a_security_group_is_refused(arm, network):
    result = run_module(MODULE, **storage(network=network))
    assert result["error_code"] == "invalid_argument"
    assert "no network security group" in result["msg"] and "network.nsg_rule" in result["msg"]
    assert writes(arm) == []


def test_rules_that_come_before_ours_are_named(arm):
    guard(arm, "hosts", early={**DENY, "priority": 100, "destinationPortRanges": ["2000-3000"]})
    result = run_module(MODULE, **storage(network=service_network(nsg_rule=True)))
    assert result["changed"] and len(warnings_of(result)) == 1
    assert "early" in warnings_of(result)[0] and "2049" in warnings_of(result)[0]


def test_rule_that_does_not_apply_to_endpoints_is_said_to(arm):
    guard(arm, "endpoints")
    path = network_id(arm, "virtualNetworks/lab-vnet/subnets/endpoints")
    body = get(arm, path)
    body["properties"]["privateEndpointNetworkPolicies"] = "Disabled"
    arm.request("PUT", path, body, NETWORK_API)
    result = run_module(MODULE, **storage(network=MODES["private"][0]))
    assert "privateEndpointNetworkPolicies" in warnings_of(result)[0]
    assert get(arm, path)["properties"]["privateEndpointNetworkPolicies"] == "Disabled"


# --- refusals of Azure -----------------------------------------------------------------------------------------------


def refusal(code, message, **more):
    return {"status": 409, "body": {"error": {"code": code, "message": message, **more}}}


def test_lock_is_named(arm):
    run_module(MODULE, **storage())
    scope = storage_id(arm, ACCOUNT)
    lock = f"{scope}/providers/Microsoft.Authorization/locks/keep"
    message = f"The scope '{scope}' cannot perform delete operation because following scope(s) are locked: '{lock}'."
    arm.faults({"method": "DELETE", "path": f"{ACCOUNT}$", **refusal("ScopeLocked", message)})

    result = run_module(MODULE, **DELETION)

    assert result["error_code"] == "in_use"
    assert "lock keep" in result["causes"][0]["cause"] and lock in result["causes"][0]["remedy"]
    assert result["try"].startswith("az lock list")


def test_lock_against_writing_is_named(arm):
    run_module(MODULE, **storage())
    scope = f"/subscriptions/{arm.subscription_id}/resourceGroups/{GROUP}"
    message = f"The scope '{scope}/x' cannot perform write operation because following scope(s) are locked: '{scope}'."
    arm.faults({"method": "PATCH", "path": "shares/home$", **refusal("ScopeLocked", message)})
    result = run_module(MODULE, **storage(size="1TB"))
    assert result["error_code"] == "in_use" and scope in result["causes"][0]["cause"]


def test_policy_is_named(arm):
    info = {"policyAssignmentDisplayName": "Secure transfer only", "policyDefinitionDisplayName": "HTTPS"}
    more = {"additionalInfo": [{"type": "PolicyViolation", "info": info}]}
    body = {"error": {"code": "RequestDisallowedByPolicy", "message": "Disallowed by policy.", **more}}
    arm.faults({"method": "PUT", "path": f"{ACCOUNT}$", "status": 403, "body": body})
    result = run_module(MODULE, **storage())
    assert result["error_code"] == "authorization_failed"
    assert "Secure transfer only" in result["causes"][0]["cause"]


def test_missing_action_is_named(arm):
    scope = vm_id(arm)
    message = (
        "The client 'c' with object id 'o' does not have authorization to perform action "
        f"'Microsoft.Network/virtualNetworks/subnets/read' over scope '{scope}' or the scope is invalid."
    )
    body = {"error": {"code": "AuthorizationFailed", "message": message}}
    arm.faults({"method": "GET", "path": "virtualNetworks/lab-vnet$", "status": 403, "body": body})
    result = run_module(MODULE, **storage())
    assert result["error_code"] == "authorization_failed"
    assert "Microsoft.Network/virtualNetworks/subnets/read" in result["causes"][0]["cause"]
    assert "docs/permissions.md" in result["causes"][0]["remedy"]
