# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private DNS zones, links, record sets and zone groups."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

GROUP = "rg-Test"
ZONE = "privatelink.file.core.lab.test"


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def zone_id(azure, name=ZONE):
    return f"{azure.group_id}/providers/Microsoft.Network/privateDnsZones/{name}"


def test_zone_creation_is_accepted_and_polled(azure, arm):
    arm.profile("fast", operations={"zone": 0.3})
    accepted = azure.wire.put(zone_id(azure), json={"location": "global"})
    assert (accepted.status_code, accepted.json()) == (202, {})
    status = azure.wire.get(accepted.headers["azure-asyncoperation"]).json()
    assert status == {"status": "InProgress"}
    while status["status"] == "InProgress":
        status = azure.wire.get(accepted.headers["azure-asyncoperation"]).json()
    assert status == {"status": "Succeeded"}
    assert azure.wire.get(zone_id(azure)).json()["properties"]["provisioningState"] == "Succeeded"


def test_zone_counts_what_it_holds(azure):
    azure.vnet()
    azure.zone()
    azure.link()
    zone = azure.dns.private_zones.get(GROUP, ZONE.upper())
    assert (zone.name, zone.location) == (ZONE, "global")
    assert (zone.number_of_record_sets, zone.number_of_virtual_network_links) == (1, 1)
    assert [record.name for record in azure.dns.record_sets.list(GROUP, ZONE)] == ["@"]


def test_zones_are_global(azure):
    answer = azure.wire.put(zone_id(azure), json={"location": "westus2"})
    assert code_of(answer) == (400, "LocationNotAvailableForResourceType")


def test_a_refused_creation_leaves_the_zone_alone(azure):
    azure.zone()
    before = azure.wire.get(zone_id(azure)).json()
    body = {"location": "global", "tags": {"other": "owner"}}
    assert azure.wire.put(zone_id(azure), json=body, headers={"If-None-Match": "*"}).status_code == 202
    assert azure.wire.get(zone_id(azure)).json() == before


def test_a_linked_zone_cannot_be_deleted(azure):
    azure.vnet()
    azure.zone()
    azure.link()
    assert code_of(azure.wire.delete(zone_id(azure))) == (409, "CannotDeleteResource")
    azure.dns.virtual_network_links.begin_delete(GROUP, ZONE, "link").result()
    azure.dns.private_zones.begin_delete(GROUP, ZONE).result()
    with pytest.raises(ResourceNotFoundError):
        azure.dns.private_zones.get(GROUP, ZONE)


def test_links(azure):
    azure.vnet()
    azure.zone()
    link = azure.link()
    assert link.virtual_network_link_state == "Completed"
    assert link.provisioning_state == "Succeeded"
    assert [entry.name for entry in azure.dns.virtual_network_links.list(GROUP, ZONE)] == ["link"]
    with pytest.raises(HttpResponseError) as failure:
        azure.link(vnet="nowhere", name="other")
    assert failure.value.error.code == "BadRequest"


def test_a_network_sees_one_zone_of_a_name(azure):
    azure.vnet()
    azure.zone()
    azure.link()
    with pytest.raises(ResourceExistsError) as failure:
        azure.link(name="again")
    assert failure.value.error.code == "Conflict"


def test_record_sets(azure):
    azure.zone()
    body = {"properties": {"ttl": 60, "aRecords": [{"ipv4Address": "10.9.2.9"}]}}
    path = f"{zone_id(azure)}/A/thing"
    assert azure.wire.put(path, json=body).status_code == 201
    assert azure.wire.put(path, json=body).status_code == 200
    record = azure.dns.record_sets.get(GROUP, ZONE, "A", "thing")
    assert (record.fqdn, record.ttl, record.a_records[0].ipv4_address) == (f"thing.{ZONE}.", 60, "10.9.2.9")
    assert [entry.name for entry in azure.dns.record_sets.list_by_type(GROUP, ZONE, "A")] == ["thing"]
    azure.dns.record_sets.delete(GROUP, ZONE, "A", "thing")
    assert code_of(azure.wire.get(path)) == (404, "NotFound")
    assert azure.wire.delete(path).status_code == 204


def test_zone_group_writes_and_removes_the_record(azure):
    azure.vnet()
    azure.account()
    azure.zone()
    endpoint = azure.endpoint()
    group = azure.zone_group().as_dict()
    (config,) = group["properties"]["privateDnsZoneConfigs"]
    (record,) = config["properties"]["recordSets"]
    assert (record["fqdn"], record["ipAddresses"]) == (f"homes.{ZONE}", ["10.9.2.4"])
    assert azure.dns.record_sets.get(GROUP, ZONE, "A", "homes").a_records[0].ipv4_address == "10.9.2.4"
    assert azure.wire.get(endpoint.id).json()["properties"]["customDnsConfigs"] == []
    azure.network.private_dns_zone_groups.begin_delete(GROUP, "pe", "default").result()
    assert list(azure.dns.record_sets.list_by_type(GROUP, ZONE, "A")) == []


def test_deleting_the_endpoint_removes_its_record(azure):
    azure.vnet()
    azure.account()
    azure.zone()
    azure.endpoint()
    azure.zone_group()
    azure.network.private_endpoints.begin_delete(GROUP, "pe").result()
    assert list(azure.dns.record_sets.list_by_type(GROUP, ZONE, "A")) == []


def test_zone_group_needs_a_zone_and_there_is_only_one(azure):
    azure.vnet()
    azure.account()
    azure.endpoint()
    with pytest.raises(HttpResponseError) as failure:
        azure.zone_group()
    assert failure.value.error.code == "InvalidResourceReference"
    azure.zone()
    azure.zone_group()
    body = {"properties": {"privateDnsZoneConfigs": []}}
    path = f"{azure.group_id}/providers/Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/second"
    answer = azure.wire.put(path, json=body)
    assert code_of(answer) == (400, "MoreThanOnePrivateDnsZoneGroupPerPrivateEndpointNotAllowed")


def test_a_zone_group_holds_a_name_once(azure):
    azure.vnet()
    azure.account()
    azure.endpoint()
    azure.zone()
    zone = f"{azure.group_id}/providers/Microsoft.Network/privateDnsZones/{ZONE}"
    twice = [{"name": "file", "properties": {"privateDnsZoneId": zone}}] * 2
    path = f"{azure.group_id}/providers/Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default"
    answer = azure.wire.put(path, json={"properties": {"privateDnsZoneConfigs": twice}})
    assert code_of(answer) == (400, "InvalidRequestFormat")
    assert answer.json()["error"]["details"][0]["code"] == "DuplicateResourceName"


def test_a_zone_of_another_name_gets_no_record(azure):
    azure.vnet()
    azure.account()
    azure.zone("example.test")
    azure.endpoint()
    group = azure.zone_group(zone="example.test").as_dict()
    assert group["properties"]["privateDnsZoneConfigs"][0]["properties"]["recordSets"] == []
