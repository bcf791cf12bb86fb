# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual networks, subnets, interfaces and private endpoints."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

GROUP = "rg-Test"
NSG = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/nsg"


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def put_subnet(azure, name, prefix, **properties):
    return azure.wire.put(azure.subnet_id(name), json={"properties": {"addressPrefix": prefix, **properties}})


def wait(azure, accepted):
    """Poll a network operation to its end; returns the final status document."""
    document = {"status": "InProgress"}
    while document["status"] == "InProgress":
        document = azure.wire.get(accepted.headers["azure-asyncoperation"]).json()
    return document


def test_network_is_updating_until_its_operation_is_over(azure, arm):
    arm.profile("fast", operations={"vnet": 0.3})
    vnet = azure.subnet_id("").split("/subnets/")[0]
    subnets = [{"name": "hosts", "properties": {"addressPrefix": "10.9.1.0/24"}}]
    properties = {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, "subnets": subnets}
    accepted = azure.wire.put(vnet, json={"location": "westus2", "properties": properties})
    assert accepted.status_code == 201
    assert accepted.json()["properties"]["provisioningState"] == "Updating"
    assert accepted.json()["properties"]["subnets"][0]["properties"]["provisioningState"] == "Updating"
    assert wait(azure, accepted) == {"status": "Succeeded"}
    assert azure.wire.get(vnet).json()["properties"]["provisioningState"] == "Succeeded"


def test_subnet_put_replaces_everything(azure):
    azure.vnet()
    azure.subnet(
        "hosts",
        "10.9.1.0/24",
        networkSecurityGroup={"id": NSG},
        serviceEndpoints=[{"service": "Microsoft.Sql"}],
        delegations=[{"name": "d", "properties": {"serviceName": "Microsoft.Web/serverFarms"}}],
        privateEndpointNetworkPolicies="Enabled",
    )
    kept = azure.wire.get(azure.subnet_id("hosts")).json()["properties"]
    assert kept["networkSecurityGroup"]["id"] == NSG
    assert kept["serviceEndpoints"][0]["service"] == "Microsoft.Sql"
    assert kept["serviceEndpoints"][0]["provisioningState"] == "Succeeded"
    assert kept["delegations"][0]["name"] == "d"
    assert kept["privateEndpointNetworkPolicies"] == "Enabled"
    azure.subnet("hosts", "10.9.1.0/24")
    bare = azure.wire.get(azure.subnet_id("hosts")).json()["properties"]
    assert "networkSecurityGroup" not in bare
    assert "serviceEndpoints" not in bare
    assert bare["delegations"] == []
    assert bare["privateEndpointNetworkPolicies"] == "Disabled"


def test_subnet_has_one_service_endpoint_for_storage(azure):
    azure.vnet()
    both = [{"service": "Microsoft.Storage"}, {"service": "Microsoft.Storage.Global"}]
    answer = put_subnet(azure, "hosts", "10.9.1.0/24", serviceEndpoints=both)
    assert code_of(answer) == (400, "SubnetHasBothRegionalAndGlobalStorageServiceEndpointsTogether")


def test_network_put_without_subnets_keeps_them(azure):
    azure.vnet()
    body = {"location": "westus2", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}}
    azure.network.virtual_networks.begin_create_or_update(GROUP, "net", body).result()
    assert [subnet.name for subnet in azure.network.subnets.list(GROUP, "net")] == ["endpoints", "hosts"]
    body["properties"]["subnets"] = []
    azure.network.virtual_networks.begin_create_or_update(GROUP, "net", body).result()
    assert list(azure.network.subnets.list(GROUP, "net")) == []


@pytest.mark.parametrize(
    "prefix, code",
    [
        ("10.9.1.0/33", "InvalidCIDRNotation"),
        ("10.9.1.5/24", "InvalidCIDRNotation"),
        ("10.8.1.0/24", "NetcfgSubnetRangeOutsideVnet"),
        ("10.9.1.128/25", "NetcfgSubnetRangesOverlap"),
    ],
)
def test_prefixes_that_azure_refuses(azure, prefix, code):
    azure.vnet()
    assert code_of(put_subnet(azure, "more", prefix)) == (400, code)


def test_one_change_of_a_network_at_a_time(azure, arm):
    azure.vnet()
    arm.profile("fast", operations={"subnet": 0.3})
    accepted = put_subnet(azure, "more", "10.9.3.0/24")
    refused = put_subnet(azure, "other", "10.9.4.0/24")
    assert code_of(refused) == (429, "AnotherOperationInProgress")
    assert refused.headers["x-ms-retry-after-ms"]
    wait(azure, accepted)
    assert put_subnet(azure, "other", "10.9.4.0/24").status_code == 201


def test_missing_network_and_subnet(azure):
    assert code_of(put_subnet(azure, "hosts", "10.9.1.0/24")) == (404, "ParentResourceNotFound")
    assert code_of(azure.wire.get(azure.subnet_id("hosts"))) == (404, "ResourceNotFound")
    azure.vnet(subnets={})
    assert code_of(azure.wire.get(azure.subnet_id("hosts"))) == (404, "NotFound")
    assert azure.wire.delete(azure.subnet_id("hosts")).status_code == 204


def test_networks_are_listed_tagged_and_deleted(azure):
    azure.vnet()
    azure.network.virtual_networks.update_tags(GROUP, "net", {"tags": {"a": "1"}})
    (vnet,) = azure.network.virtual_networks.list_all()
    assert (vnet.name, vnet.tags) == ("net", {"a": "1"})
    azure.network.virtual_networks.begin_delete(GROUP, "net").result()
    assert list(azure.network.virtual_networks.list(GROUP)) == []


def test_private_endpoint_connects_network_and_account(azure):
    azure.vnet()
    azure.account()
    endpoint = azure.endpoint()
    view = azure.wire.get(endpoint.id).json()["properties"]
    connection = view["privateLinkServiceConnections"][0]["properties"]
    assert connection["privateLinkServiceConnectionState"]["status"] == "Approved"
    assert view["customDnsConfigs"] == [{"fqdn": "homes.file.core.lab.test", "ipAddresses": ["10.9.2.4"]}]
    interface = azure.wire.get(view["networkInterfaces"][0]["id"]).json()["properties"]
    assert interface["ipConfigurations"][0]["properties"]["privateIPAddress"] == "10.9.2.4"
    (seen,) = azure.storage.private_endpoint_connections.list(GROUP, "homes")
    assert seen.private_endpoint.id == endpoint.id
    account = azure.wire.get(azure.account_id()).json()
    assert len(account["properties"]["privateEndpointConnections"]) == 1
    subnet = azure.wire.get(azure.subnet_id("endpoints")).json()["properties"]
    assert subnet["privateEndpoints"] == [{"id": endpoint.id}]


def test_private_endpoint_can_be_put_again(azure):
    azure.vnet()
    azure.account()
    azure.endpoint()
    azure.endpoint()
    assert len(list(azure.storage.private_endpoint_connections.list(GROUP, "homes"))) == 1
    assert len(list(azure.network.network_interfaces.list(GROUP))) == 1


def test_deleting_an_endpoint_frees_what_it_held(azure):
    azure.vnet()
    azure.account()
    azure.endpoint()
    azure.network.private_endpoints.begin_delete(GROUP, "pe").result()
    assert list(azure.storage.private_endpoint_connections.list(GROUP, "homes")) == []
    assert list(azure.network.network_interfaces.list(GROUP)) == []
    azure.network.subnets.begin_delete(GROUP, "net", "endpoints").result()


def test_manual_connection_waits_for_approval(azure, plane):
    azure.vnet()
    azure.account()
    azure.share()
    endpoint = azure.endpoint(manual=True)
    (connection,) = azure.storage.private_endpoint_connections.list(GROUP, "homes")
    assert connection.private_link_service_connection_state.status == "Pending"
    assert plane.export("home").clients == ()
    state = {"status": "Approved", "description": "fine"}
    body = {"properties": {"privateLinkServiceConnectionState": state}}
    azure.storage.private_endpoint_connections.put(GROUP, "homes", connection.name, body)
    assert plane.export("home").clients == ("10.9.0.0/16",)
    view = azure.wire.get(endpoint.id).json()["properties"]["manualPrivateLinkServiceConnections"][0]
    assert view["properties"]["privateLinkServiceConnectionState"]["status"] == "Approved"


def test_message_of_a_manual_connection_reaches_the_owner(azure):
    azure.vnet()
    azure.account()
    connection = {"privateLinkServiceId": azure.account_id(), "groupIds": ["file"], "requestMessage": "homes, please"}
    properties = {"subnet": {"id": azure.subnet_id("endpoints")}}
    body = {"location": "westus2", "properties": properties}
    properties["manualPrivateLinkServiceConnections"] = [{"name": "c", "properties": connection}]
    path = f"{azure.group_id}/providers/Microsoft.Network/privateEndpoints/pe"
    wait(azure, azure.wire.put(path, json=body))
    (seen,) = azure.storage.private_endpoint_connections.list(GROUP, "homes")
    assert seen.private_link_service_connection_state.description == "homes, please"
    connection["requestMessage"] = "x" * 141
    assert code_of(azure.wire.put(path, json=body)) == (400, "InvalidRequestContent")


def test_rejected_connection_carries_no_traffic(azure, plane):
    azure.vnet()
    azure.account()
    azure.share()
    endpoint = azure.endpoint()
    (connection,) = azure.storage.private_endpoint_connections.list(GROUP, "homes")
    body = {"properties": {"privateLinkServiceConnectionState": {"status": "Rejected", "description": "no"}}}
    azure.storage.private_endpoint_connections.put(GROUP, "homes", connection.name, body)
    assert plane.export("home").clients == ()
    view = azure.wire.get(endpoint.id).json()["properties"]["privateLinkServiceConnections"][0]["properties"]
    assert view["privateLinkServiceConnectionState"]["status"] == "Rejected"
    assert view["privateLinkServiceConnectionState"]["description"] == "no"


def test_endpoint_belongs_to_the_subscription_of_its_network(azure, arm):
    other = "99999999-0000-0000-0000-000000000001"
    arm.subscriptions(other)
    azure.vnet()
    azure.account()
    group = f"/subscriptions/{other}/resourceGroups/elsewhere"
    assert azure.wire.put(group, json={"location": "westus2"}).status_code == 201
    connection = {"privateLinkServiceId": azure.account_id(), "groupIds": ["file"]}
    properties = {"subnet": {"id": azure.subnet_id("endpoints")}}
    properties["privateLinkServiceConnections"] = [{"name": "c", "properties": connection}]
    body = {"location": "westus2", "properties": properties}
    refused = azure.wire.put(f"{group}/providers/Microsoft.Network/privateEndpoints/pe", json=body)
    assert code_of(refused) == (400, "InvalidResourceReference")


def test_subscriptions_are_apart(azure, arm):
    other = "99999999-0000-0000-0000-000000000001"
    assert code_of(azure.wire.get(f"/subscriptions/{other}/resourceGroups")) == (404, "SubscriptionNotFound")
    arm.subscriptions(other)
    azure.vnet()
    networks = "providers/Microsoft.Network/virtualNetworks"
    assert azure.wire.get(f"/subscriptions/{other}/{networks}").json()["value"] == []
    assert azure.wire.get(f"/subscriptions/{other}/resources").json()["value"] == []
    assert len(azure.wire.get(f"{azure.subscription}/{networks}").json()["value"]) == 1
    assert [one["subscriptionId"] for one in azure.wire.get("/subscriptions").json()["value"]][1:] == [other]


def test_a_network_and_its_subnets_have_one_entity_tag(azure):
    azure.vnet()
    before = azure.wire.get(azure.subnet_id("hosts")).json()
    assert before["etag"] == azure.wire.get(azure.subnet_id("endpoints")).json()["etag"]
    azure.subnet("endpoints", "10.9.2.0/24", serviceEndpoints=[{"service": "Microsoft.Sql"}])
    stale = azure.wire.put(azure.subnet_id("hosts"), json=before, headers={"If-Match": before["etag"]})
    assert code_of(stale) == (412, "PreconditionFailed")
    now = azure.wire.get(azure.subnet_id("hosts")).json()
    assert azure.wire.put(azure.subnet_id("hosts"), json=now, headers={"If-Match": now["etag"]}).status_code == 200


def test_rule_for_a_deleted_subnet_stays_dead(azure, plane):
    azure.vnet()
    azure.subnet("hosts", "10.9.1.0/24", serviceEndpoints=[{"service": "Microsoft.Storage"}])
    rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": azure.subnet_id("hosts")}]}
    azure.account(networkAcls=rules)
    azure.share()
    azure.network.subnets.begin_delete(GROUP, "net", "hosts").result()
    azure.subnet("hosts", "10.9.1.0/24", serviceEndpoints=[{"service": "Microsoft.Storage"}])

    def state():
        view = azure.wire.get(azure.account_id()).json()["properties"]["networkAcls"]
        return view["virtualNetworkRules"][0]["state"], plane.export("home").clients

    assert state() == ("NetworkSourceDeleted", ())
    azure.storage.storage_accounts.update(GROUP, "homes", {"properties": {"networkAcls": rules}})
    assert state() == ("Succeeded", ("10.9.1.0/24",))


def test_endpoint_of_a_deleted_account_is_disconnected(azure):
    azure.vnet()
    azure.account()
    endpoint = azure.endpoint()
    azure.storage.storage_accounts.delete(GROUP, "homes")
    view = azure.wire.get(endpoint.id).json()["properties"]["privateLinkServiceConnections"][0]["properties"]
    assert view["privateLinkServiceConnectionState"]["status"] == "Disconnected"


def test_endpoint_needs_subnet_account_and_file_group(azure):
    azure.vnet(subnets={"hosts": "10.9.1.0/24"})
    azure.account()
    with pytest.raises(HttpResponseError) as failure:
        azure.endpoint()
    assert failure.value.error.code == "InvalidResourceReference"
    azure.subnet("endpoints", "10.9.2.0/24")
    with pytest.raises(HttpResponseError) as failure:
        azure.endpoint(account="missing")
    assert failure.value.error.code == "ResourceNotFound"


def test_a_subnet_in_use_stays(azure):
    azure.vnet()
    azure.account()
    azure.endpoint()
    vnet = azure.subnet_id("").split("/subnets/")[0]
    assert code_of(azure.wire.delete(azure.subnet_id("endpoints"))) == (400, "InUseSubnetCannotBeDeleted")
    assert code_of(azure.wire.delete(vnet)) == (400, "InUseSubnetCannotBeDeleted")
    assert put_subnet(azure, "endpoints", "10.9.5.0/24").status_code == 400
    body = {
        "location": "westus2",
        "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, "subnets": []},
    }
    assert code_of(azure.wire.put(vnet, json=body)) == (400, "InUseSubnetCannotBeDeleted")


def test_a_full_subnet_refuses_endpoints(azure):
    """A /29 has three addresses left after the five that Azure keeps."""
    azure.vnet(subnets={"endpoints": "10.9.2.0/29"})
    azure.account()
    for number in range(3):
        azure.endpoint(f"pe{number}")
    with pytest.raises(HttpResponseError) as failure:
        azure.endpoint("pe3")
    assert failure.value.error.code == "SubnetIsFull"
    with pytest.raises(ResourceNotFoundError):
        azure.network.private_endpoints.get(GROUP, "pe3")


def test_failed_operation_is_reported_by_the_sdk(azure, arm):
    error = {"code": "InternalServerError", "message": "injected"}
    arm.faults({"method": "PUT", "path": "virtualNetworks/net$", "fail_operation": error})
    with pytest.raises(HttpResponseError, match="injected"):
        azure.vnet()
    assert azure.network.virtual_networks.get(GROUP, "net").provisioning_state == "Failed"
    assert azure.vnet().provisioning_state == "Succeeded"
