# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: which steps, in which order, with which bodies; and what it refuses."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import delete, steps
from ansible_collections.azlin.storage.plugins.module_utils._azure.forecast import forecast
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import link_name, merged_tags, plan
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id
from tests.unit.azure import builders as make

SERVICE = make.network(mode="service_endpoint")
OPENED = {
    "publicNetworkAccess": "Enabled",
    "networkAcls": {
        "defaultAction": "Deny",
        "virtualNetworkRules": [{"id": f"{make.VNET_ID}/subnets/homes", "state": "Succeeded"}],
    },
    "privateEndpointConnections": [],
}


def planned(present, **options):
    return plan(make.wanted(**options), present)


def one(present, **options):
    (step,) = planned(present, **options)
    return step


def refusal(present, **options):
    with pytest.raises(AzlinError) as caught:
        planned(present, **options)
    return caught.value


def test_nothing_to_do():
    assert planned(make.complete()) == []
    assert planned(make.complete(), network=None) == []


def test_creation_in_the_order_of_permissions():
    kinds = [(step.action, step.kind) for step in planned(make.nothing())]
    assert kinds == [
        ("create", "private DNS zone"),
        ("create", "DNS zone link"),
        ("create", "storage account"),
        ("update", "file service"),
        ("create", "share"),
        ("create", "private endpoint"),
        ("create", "DNS zone group"),
    ]


def test_a_new_account_is_closed():
    body = next(step.body for step in planned(make.nothing()) if step.key == "account")
    assert body["kind"] == "FileStorage" and body["sku"] == {"name": "Premium_LRS"}
    assert body["tags"] == {"managed-by": "azlin"}
    assert body["properties"] == {
        "publicNetworkAccess": "Disabled",
        "supportsHttpsTrafficOnly": False,
        "minimumTlsVersion": "TLS1_2",
        "allowBlobPublicAccess": False,
        "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [], "ipRules": [], "bypass": "None"},
    }


def test_a_new_account_for_a_subnet():
    found = planned(make.nothing(), network=SERVICE)
    assert [step.key for step in found][0] == f"subnet {make.VNET_ID.lower()}/subnets/homes"
    rules = next(step.body for step in found if step.key == "account")["properties"]["networkAcls"]
    assert rules["virtualNetworkRules"] == [{"id": f"{make.VNET_ID}/subnets/homes", "action": "Allow"}]


def test_a_changed_subnet_is_sent_back_whole():
    kept = {"networkSecurityGroup": {"id": "nsg"}, "routeTable": {"id": "rt"}, "delegations": [{"name": "d"}]}
    network = make.virtual_network(**kept, serviceEndpoints=[{"service": "Microsoft.Sql", "locations": ["westus2"]}])
    present = make.nothing(virtual_networks={make.VNET_ID.lower(): network})

    step = planned(present, network=SERVICE)[0]

    assert step.before == {"service_endpoints": ["Microsoft.Sql"]}
    assert step.after == {"service_endpoints": ["Microsoft.Sql", "Microsoft.Storage"]}
    sent = step.body["properties"]
    assert {key: sent[key] for key in kept} == kept
    assert sent["serviceEndpoints"][0] == {"service": "Microsoft.Sql", "locations": ["westus2"]}
    assert sent["addressPrefix"] == "10.1.0.0/24"


def test_growth():
    step = one(make.complete(), size="1TB")
    assert (step.before, step.after) == ({"size_gib": 500}, {"size_gib": 1024})
    assert step.body == {"properties": {"shareQuota": 1024}}


def test_shrinking():
    assert refusal(make.complete(), size="499").error_code == "size_decrease_refused"
    assert one(make.complete(), size="499", allow_shrink=True).body == {"properties": {"shareQuota": 499}}


def test_shrinking_waits_for_its_time():
    share = make.share(nextAllowedQuotaDowngradeTime="Fri, 27 Nov 2026 10:00:00 GMT")
    moments = [datetime(2026, 11, 27, hour, 0, tzinfo=timezone.utc) for hour in (9, 10)]
    early, late = (make.complete(share=share, moment=moment) for moment in moments)

    error = refusal(early, size="499", allow_shrink=True)

    assert error.error_code == "size_decrease_refused" and "Fri, 27 Nov 2026 10:00:00 GMT" in error.msg
    assert one(late, size="499", allow_shrink=True).after == {"size_gib": 499}
    assert one(early, size="501").after == {"size_gib": 501}


def test_file_service_keeps_its_other_settings():
    body = one(make.complete(), soft_delete_days=30).body["properties"]
    assert body == {
        "cors": {"corsRules": []},
        "protocolSettings": {"smb": {"multichannel": {"enabled": True}}},
        "shareDeleteRetentionPolicy": {"enabled": True, "days": 30},
    }


def test_soft_delete_off():
    assert one(make.complete(), soft_delete_days=0).body["properties"]["shareDeleteRetentionPolicy"] == {
        "enabled": False
    }


def test_encryption_sets_both_switches():
    account, service = planned(make.complete(), encryption_in_transit="required")
    assert account.body == {"properties": {"supportsHttpsTrafficOnly": True}}
    assert service.body["properties"]["protocolSettings"] == {
        "smb": {"multichannel": {"enabled": True}},
        "nfs": {"encryptionInTransit": {"required": True}},
    }


def test_absent_encryption_switch_is_off():
    assert planned(make.complete(), encryption_in_transit="disabled") == []


def test_other_settings_leave_the_encryption_switch():
    settings = {"nfs": {"encryptionInTransit": {"required": True}}}
    present = make.complete(file_service=make.file_service(protocolSettings=settings))
    assert one(present, soft_delete_days=1).body["properties"]["protocolSettings"] == settings


def test_stricter_tls_stays():
    assert planned(make.complete(account=make.account(minimumTlsVersion="TLS1_3"))) == []
    assert one(make.complete(account=make.account(minimumTlsVersion="TLS1_1"))).after == {
        "minimum_tls_version": "TLS1_2"
    }


def test_subnet_ids_have_no_case():
    opened = {**OPENED, "networkAcls": {**OPENED["networkAcls"]}}
    opened["networkAcls"]["virtualNetworkRules"] = [{"id": f"{make.VNET_ID}/subnets/homes".upper()}]
    network = make.virtual_network(serviceEndpoints=[{"service": "Microsoft.Storage"}])
    present = make.complete(
        account=make.account(**opened), endpoint=None, zone_group=None, virtual_networks={make.VNET_ID.lower(): network}
    )
    assert planned(present, network=SERVICE) == []


@pytest.mark.parametrize("state", ["Disconnected", "Rejected"])
def test_dead_endpoint_is_replaced(state):
    found = planned(make.complete(endpoint=make.endpoint(state)))
    assert [(step.action, step.key) for step in found] == [
        ("delete", "old_endpoint"),
        ("create", "endpoint"),
        ("create", "zone_group"),
    ]


def unfinished(resource, state="Updating"):
    return {**resource, "properties": {**resource["properties"], "provisioningState": state}}


@pytest.mark.parametrize("state", ["Failed", "Updating"])
@pytest.mark.parametrize("part", ["endpoint", "zone_group", "zone", "link"])
def test_what_was_not_finished_is_sent_again(part, state):
    parts = {
        "endpoint": {"endpoint": unfinished(make.endpoint(), state)},
        "zone_group": {"zone_group": unfinished(make.zone_group(), state)},
        "zone": {"zone": unfinished({"id": make.ZONE_ID, "tags": {"a": "b"}, "properties": {}}, state)},
        "link": {"links": (unfinished({**make.link(), "tags": make.OURS}, state),)},
    }
    step = one(make.complete(**parts[part]))
    assert (step.key, step.action) == (part, "update")
    assert (step.before["state"], step.after["state"]) == (state, "Succeeded")


def test_what_was_not_finished_keeps_its_content():
    group = one(make.complete(zone_group=unfinished(make.zone_group())))
    zone = one(make.complete(zone=unfinished({"id": make.ZONE_ID, "tags": {"a": "b"}, "properties": {}})))
    link = one(make.complete(links=(unfinished({**make.link(), "tags": make.OURS}),)))
    configs = group.body["properties"]["privateDnsZoneConfigs"]
    assert configs == [{"name": "privatelink-file", "properties": {"privateDnsZoneId": make.ZONE_ID}}]
    assert zone.body["tags"] == {"a": "b"}
    assert link.id.name == "net-link"


def test_what_others_have_not_finished_is_theirs():
    theirs = {
        "endpoint": unfinished({**make.endpoint(), "tags": {}}),
        "links": (unfinished(make.link()),),
    }
    assert planned(make.complete(**theirs)) == []


def test_pending_endpoint_is_left_to_its_approver():
    assert planned(make.complete(endpoint=make.endpoint("Pending"))) == []


def test_endpoint_lives_in_the_region_of_its_network():
    network = {**make.virtual_network(), "location": "eastus"}
    found = planned(make.nothing(virtual_networks={make.VNET_ID.lower(): network}))
    assert next(step.body for step in found if step.key == "endpoint")["location"] == "eastus"
    assert next(step.body for step in found if step.key == "account")["location"] == "westus2"


def test_public_access_is_closed_after_the_private_way_is_open():
    present = make.complete(account=make.account(**OPENED), endpoint=None, zone_group=None)
    found = planned(present)
    assert {"endpoint", "zone_group"} <= set(next(step.needs for step in found if step.key == "account"))


def test_endpoint_goes_after_the_subnets_are_admitted():
    found = {step.key: step for step in planned(make.complete(), network=SERVICE)}
    assert found["endpoint"].action == "delete"
    assert "account" in found["zone_group"].needs


STATES = {
    "nothing": make.nothing(),
    "complete": make.complete(),
    "no share": make.complete(share=None),
    "no endpoint": make.complete(endpoint=None, zone_group=None),
    "dead endpoint": make.complete(endpoint=make.endpoint("Disconnected")),
    "opened": make.complete(account=make.account(**OPENED), endpoint=None, zone_group=None),
    "no zone": make.complete(zone=None, links=(), zone_group=None),
}
WISHES = {
    "private": {},
    "service": {"network": SERVICE},
    "everything": {"encryption_in_transit": "required", "soft_delete_days": 3, "root_squash": "AllSquash"},
    "new network": {"network": make.network(virtual_network="other", create=True)},
}


@pytest.mark.parametrize(("state", "wish"), list(itertools.product(STATES, ["private", "service", "everything"])))
def test_every_plan_can_be_carried_out_and_leads_to_the_goal(state, wish):
    present, wanted = STATES[state], make.wanted(**WISHES[wish])
    found = plan(wanted, present)
    assert order_of(found) is not None
    after = forecast(wanted, present, found)
    assert [step.key for step in plan(wanted, after) if step.key in ("account", "file_service", "share")] == []


def order_of(found):
    """The steps in an order that honours their needs, or None when there is none."""
    keys, done, waiting = {step.key for step in found}, [], list(found)
    while waiting:
        ready = [step for step in waiting if keys.intersection(step.needs) <= set(done)]
        if not ready:
            return None
        done += [step.key for step in ready]
        waiting = [step for step in waiting if step not in ready]
    return done


def test_new_network_comes_with_its_subnet():
    step = planned(make.nothing(), **WISHES["new network"])[0]
    assert step.resource == "virtual network other"
    assert step.body["properties"]["subnets"] == [{"name": "homes", "properties": {"addressPrefix": "10.0.0.0/24"}}]


IMMUTABLE = {
    "kind": (make.complete(account={**make.account(), "kind": "StorageV2"}), {}, "'StorageV2'", "'FileStorage'"),
    "location": (make.complete(), {"location": "East US"}, "'westus2'", "'eastus'"),
    "redundancy": (make.complete(), {"redundancy": "ZRS"}, "'LRS'", "'ZRS'"),
    "billing model": (
        make.complete(account={**make.account(), "sku": {"name": "PremiumV2_LRS"}}),
        {},
        "'provisioned_v2'",
        "'provisioned_v1'",
    ),
    "protocol": (make.complete(share=make.share(enabledProtocols="SMB")), {}, "'SMB'", "'NFS'"),
}


@pytest.mark.parametrize("case", IMMUTABLE)
def test_immutable_differences(case):
    present, options, *values = IMMUTABLE[case]
    error = refusal(present, **options)
    assert error.error_code == "immutable_property"
    assert all(value in error.msg for value in values)


REFUSALS = {
    "foreign account": (make.complete(account=make.account(tags={})), {}, "not_managed"),
    "no group": (make.nothing(resource_group=None), {}, "not_found"),
    "no network option": (make.nothing(), {"network": None}, "invalid_argument"),
    "region": (make.nothing(), {"location": "atlantis"}, "invalid_argument"),
    "region of ZRS": (make.nothing(), {"location": "eastus", "redundancy": "ZRS"}, "invalid_argument"),
    "no virtual network": (make.nothing(virtual_networks={}), {}, "not_found"),
    "no subnet": (make.nothing(), {"network": make.network(subnets=["other"])}, "not_found"),
    "foreign zone": (
        make.nothing(),
        {"network": make.network(dns={"manage": True, "zone_id": make.ZONE_ID})},
        "not_found",
    ),
    "other region": (make.nothing(), {"location": "eastus", "network": SERVICE}, "invalid_argument"),
    "mode in use": (
        make.complete(
            virtual_machines=(
                {
                    "id": f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/vm1",
                    "tags": {"azlin-home-azureuser": "teamhomes01/home:/home/azureuser"},
                },
            )
        ),
        {"network": SERVICE},
        "in_use",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case):
    present, options, error_code = REFUSALS[case]
    error = refusal(present, **options)
    assert error.error_code == error_code
    assert error.causes


def test_unknown_regions_are_left_to_azure():
    assert planned(make.nothing(regions=None), location="atlantis")


def test_tags_keep_the_spelling_of_their_names():
    assert merged_tags({"Team": "a", "x": "1"}, {"team": "b", "y": "2"}) == {"Team": "b", "x": "1", "y": "2"}


def test_deletion_leaves_network_and_zone():
    found = delete.plan_deletion(make.wanted(), make.complete())
    assert [(step.action, step.key) for step in found] == [
        ("delete", "share"),
        ("delete", "zone_group"),
        ("delete", "endpoint"),
        ("delete", "account"),
    ]
    assert order_of(found) == ["share", "zone_group", "endpoint", "account"]


def test_deletion_leaves_an_endpoint_that_is_not_ours():
    present = make.complete(endpoint={**make.endpoint(), "tags": {}})
    assert [step.key for step in delete.plan_deletion(make.wanted(), present)] == ["share", "account"]


def test_what_can_be_recovered():
    wanted, present = make.wanted(), make.complete(file_service=make.file_service(shareDeleteRetentionPolicy=None))
    found = delete.plan_deletion(wanted, present)
    assert "not known" in delete.recovery(wanted, present, found)
    assert delete.recovery(wanted, present, []) is None


def test_diff_of_a_replacement_has_both_ends():
    found = planned(make.complete(endpoint=make.endpoint("Disconnected")))
    shown = steps.diff(found)
    name = "private endpoint teamhomes01-pe"
    assert shown["before"][name]["target"] == shown["after"][name]["target"] == make.ACCOUNT_ID


def test_homes_on_another_share_of_the_account_forbid_another_network_mode():
    vm_id = f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/worker-1"
    users = ({"id": vm_id, "tags": {"azlin-home-ops": "teamhomes01/projects:/home/ops"}},)
    present = make.complete(virtual_machines=users)
    assert refusal(present, network=make.network(mode="service_endpoint")).error_code == "in_use"


def test_a_dead_endpoint_of_others_is_left_alone():
    present = make.complete(endpoint={**make.endpoint("Rejected"), "tags": {}})
    assert refusal(present).error_code == "name_conflict"


def test_the_suggested_deletion_has_all_that_the_playbook_needs():
    error = refusal(make.complete(), state="absent")
    assert "azlin_resource_group=team" in error.try_


def test_networks_of_one_name_get_links_of_their_own():
    here, there, shouted = (
        link_name(parse_resource_id(make.VNET_ID.replace("/team/", f"/{group}/"), "virtual_network"))
        for group in ("team", "elsewhere", "TEAM")
    )
    assert here == shouted != there
