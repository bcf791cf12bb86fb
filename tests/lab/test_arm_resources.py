# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource groups, tags, the generic list, virtual machines."""

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from lab.arm.seed import seed

GROUP = "rg-Test"
VMS = "Microsoft.Compute/virtualMachines"


def code_of(answer):
    return answer.status_code, answer.json()["error"]["code"]


def machine(azure, name, **tags):
    path = f"{azure.group_id}/providers/{VMS}/{name}"
    assert azure.wire.put(path, json={"location": "westus2", "tags": tags, "properties": {}}).status_code in (200, 201)
    return path


def names(azure, text, **options):
    return [item.name for item in azure.resources.resources.list(filter=text, **options)]


def test_groups_keep_their_spelling_and_are_found_in_any(azure):
    groups = azure.resources.resource_groups
    assert groups.get(GROUP.upper()).name == GROUP
    assert groups.check_existence(GROUP) is True
    assert groups.check_existence("nowhere") is False
    assert [group.name for group in groups.list()] == [GROUP]
    with pytest.raises(ResourceNotFoundError) as failure:
        groups.get("nowhere")
    assert failure.value.error.code == "ResourceGroupNotFound"


def test_group_checks(azure):
    path = f"{azure.subscription}/resourceGroups"
    assert code_of(azure.wire.put(f"{path}/bad name", json={"location": "westus2"})) == (400, "InvalidResourceGroup")
    answer = azure.wire.put(f"{path}/other", json={"location": "atlantis"})
    assert code_of(answer) == (400, "LocationNotAvailableForResourceGroup")
    answer = azure.wire.put(f"{path}/{GROUP}", json={"location": "eastus"})
    assert code_of(answer) == (409, "InvalidResourceGroupLocation")


def test_deleting_a_group_deletes_all_in_it(azure, arm, plane):
    azure.vnet()
    azure.account()
    azure.share()
    azure.endpoint()
    arm.profile("fast", operations={"group_delete": 0.3})
    poller = azure.resources.resource_groups.begin_delete(GROUP)
    answer = azure.wire.put(azure.account_id("late"), json={"location": "westus2"})
    assert code_of(answer) == (409, "ResourceGroupBeingDeleted")
    poller.result()
    assert azure.resources.resource_groups.check_existence(GROUP) is False
    assert list(azure.resources.resources.list()) == []
    assert plane.purged == [("homes", "home")]
    assert (plane.state.exports, plane.state.names) == ((), {})


def test_virtual_machines_and_their_tags(azure):
    path = machine(azure, "worker-1", role="worker")
    vm = azure.wire.get(path).json()
    assert (vm["name"], vm["tags"]) == ("worker-1", {"role": "worker"})
    assert azure.wire.patch(path, json={"tags": {"role": "other"}}).json()["tags"] == {"role": "other"}
    assert [item["name"] for item in azure.wire.get(path.rsplit("/", 1)[0]).json()["value"]] == ["worker-1"]
    accepted = azure.wire.delete(path)
    assert accepted.status_code == 202
    while azure.wire.get(accepted.headers["azure-asyncoperation"]).json()["status"] == "InProgress":
        pass
    assert code_of(azure.wire.get(path)) == (404, "ResourceNotFound")


def test_tags_api(azure):
    path = machine(azure, "worker-1", a="1")
    tags = azure.resources.tags

    def patch(operation, **values):
        body = {"operation": operation, "properties": {"tags": values}}
        result = tags.begin_update_at_scope(path, body).result()
        return result.properties.tags

    assert tags.get_at_scope(path).properties.tags == {"a": "1"}
    assert patch("Merge", B="2") == {"a": "1", "B": "2"}
    assert patch("Merge", b="3") == {"a": "1", "b": "3"}
    assert patch("Delete", a="not this value") == {"a": "1", "b": "3"}
    assert patch("Delete", A="1") == {"b": "3"}
    assert patch("Delete", b="") == {}
    assert patch("Replace", c="4") == {"c": "4"}
    assert azure.wire.get(path).json()["tags"] == {"c": "4"}
    with pytest.raises(HttpResponseError) as failure:
        patch("Shuffle", c="4")
    assert failure.value.error.code == "InvalidTagsPatchOperation"
    missing = azure.wire.get(f"{path}x/providers/Microsoft.Resources/tags/default")
    assert code_of(missing) == (404, "ResourceNotFound")


def test_tags_have_limits(azure):
    path = machine(azure, "worker-1")
    for tags, code in (
        ({str(number): "" for number in range(51)}, "TooManyTags"),
        ({"a/b": ""}, "InvalidTagNameCharacters"),
        ({"a": "x" * 257}, "InvalidTagValue"),
        ({"a": 1}, "InvalidRequestContent"),
    ):
        assert code_of(azure.wire.patch(path, json={"tags": tags})) == (400, code)


def test_one_query_lists_machines_with_their_tags(azure):
    azure.account()
    machine(azure, "worker-1", **{"azlin-home-jane": "homes/home:/home/jane"})
    machine(azure, "worker-2")
    found = list(azure.resources.resources.list(filter=f"resourceType eq '{VMS}'", expand="createdTime"))
    assert [item.name for item in found] == ["worker-1", "worker-2"]
    assert found[0].tags == {"azlin-home-jane": "homes/home:/home/jane"}
    assert found[0].created_time is not None
    assert found[0].type == VMS


def test_filters(azure):
    azure.vnet()
    machine(azure, "worker-1", team="One", **{"azlin-home-jane": "x"})
    machine(azure, "worker-2", team="two")
    assert names(azure, "tagName eq 'TEAM'") == ["worker-1", "worker-2"]
    assert names(azure, "tagName eq 'team' and tagValue eq 'One'") == ["worker-1"]
    assert names(azure, "startswith(tagName, 'azlin-home-')") == ["worker-1"]
    assert names(azure, f"resourceType eq '{VMS.lower()}' and name eq 'WORKER-2'") == ["worker-2"]
    assert names(azure, f"resourceType ne '{VMS}'") == ["net"]
    assert names(azure, "substringof('ork', name)") == ["worker-1", "worker-2"]
    in_group = azure.resources.resources.list_by_resource_group(GROUP, filter=f"resourceType eq '{VMS}'")
    assert [item.name for item in in_group] == ["worker-1", "worker-2"]
    with pytest.raises(HttpResponseError) as failure:
        names(azure, f"resourceType eq '{VMS}' and tagName eq 'team'")
    assert failure.value.error.code == "InvalidFilterInQueryString"


def test_lists_follow_next_links(azure, arm):
    for number in range(5):
        machine(azure, f"worker-{number}")
    arm.profile("fast", page_size=2)
    arm.clear_requests()
    assert len(names(azure, f"resourceType eq '{VMS}'")) == 5
    assert len([entry for entry in arm.requests() if entry["path"].endswith("/resources")]) == 3
    assert len(names(azure, None, top=4)) == 5


def test_ids_are_compared_without_case(azure):
    azure.account()
    azure.share()
    upper = f"{azure.account_id()}/fileServices/default/shares/home".upper().replace("/HOME", "/home")
    answer = azure.wire.get(upper)
    assert answer.status_code == 200
    assert answer.json()["id"] == f"{azure.account_id()}/fileServices/default/shares/home"


def test_existence_by_head(azure):
    azure.account()
    assert azure.wire.head(azure.account_id()).status_code == 204
    assert azure.wire.head(azure.account_id("nothing")).status_code == 404


def test_providers_are_registered(azure):
    assert azure.resources.providers.get("microsoft.storage").registration_state == "Registered"
    assert azure.resources.providers.register("Microsoft.Network").registration_state == "Registered"


def test_seed_can_be_repeated(azure, arm):
    hosts = [("worker-1", "10.30.1.11"), ("worker-2", "10.30.1.12")]
    seed(arm, hosts)
    arm.clear_requests()
    seed(arm, hosts + [("worker-3", "10.30.1.13")])
    written = [entry["path"].rsplit("/", 1)[1] for entry in arm.requests() if entry["method"] == "PUT"]
    assert written == ["azlin-lab", "worker-3-nic", "worker-3"]
    found = azure.resources.resources.list_by_resource_group("azlin-lab", filter=f"resourceType eq '{VMS}'")
    assert [item.name for item in found] == ["worker-1", "worker-2", "worker-3"]
    vnet = azure.network.virtual_networks.get("azlin-lab", "lab-vnet")
    assert {subnet.name for subnet in vnet.subnets} == {"hosts", "endpoints"}


def test_what_a_module_asks_that_makes_a_machine(azure):
    place = f"{azure.group_id.partition('/resourceGroups')[0]}/providers/Microsoft.Compute/locations/westus2"
    sizes = azure.wire.get(f"{place}/vmSizes").json()["value"]
    assert "Standard_B2s" in [size["name"] for size in sizes]
    image = "publishers/Canonical/artifacttypes/vmimage/offers/ubuntu-24_04-lts/skus/server/versions"
    versions = azure.wire.get(f"{place}/{image}").json()
    assert [version["id"].rpartition("/")[2] for version in versions] == [version["name"] for version in versions] != []

    path = machine(azure, "made")
    for answer in (
        azure.wire.get(f"{path}/instanceView").json(),
        azure.wire.get(path, params={"$expand": "instanceView"}).json()["properties"]["instanceView"],
    ):
        assert "PowerState/running" in [status["code"] for status in answer["statuses"]]
    assert "instanceView" not in azure.wire.get(path).json()["properties"]
    assert azure.wire.get(f"{path}-not/instanceView").status_code == 404
