# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: which steps, in which order, with which bodies; and what it refuses."""

from __future__ import annotations

import datetime
import itertools

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import delete, softdelete, steps
from ansible_collections.azlin.storage.plugins.module_utils._azure.forecast import forecast
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import (
    left_over,
    link_name,
    merged_tags,
    plan,
    updated_account,
)
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


def test_a_virtual_network_is_changed_by_one_step_at_a_time():
    other = make.VNET_ID.replace("/net", "/other")
    subnets = [{"name": name, "properties": {}} for name in "abc"]
    networks = {vnet.lower(): {"id": vnet, "location": "westus2"} for vnet in (make.VNET_ID, other)}
    for network in networks.values():
        network["properties"] = {"subnets": subnets}
    ids = [f"{make.VNET_ID}/subnets/a", f"{make.VNET_ID}/subnets/b", f"{other}/subnets/a", f"{make.VNET_ID}/subnets/c"]
    wish = make.network(mode="service_endpoint", subnets=ids)
    found = {step.key: step.needs for step in planned(make.nothing(virtual_networks=networks), network=wish)}
    first, second, elsewhere, third = (f"subnet {subnet_id.lower()}" for subnet_id in ids)
    assert (found[first], found[second], found[third], found[elsewhere]) == ((), (first,), (second,), ())


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


USED_BYTES = 250 * 1024**3


@pytest.mark.parametrize(
    ("used", "size", "words"),
    [
        (USED_BYTES, "200", ("200 GiB", "250.0 GiB")),
        (USED_BYTES, "270", ("270 GiB", "250.0 GiB")),
        (USED_BYTES, "278", None),
        (0, "100", None),
        (None, "499", ("499 GiB", "not known")),
    ],
)
def test_a_share_is_not_made_smaller_than_what_it_holds(used, size, words):
    present = make.complete(share=make.share(shareUsageBytes=used))
    if words is None:
        assert one(present, size=size, allow_shrink=True).action == "update"
    else:
        error = refusal(present, size=size, allow_shrink=True)
        assert error.error_code == "size_decrease_refused"
        assert all(word in error.msg for word in words)


def test_a_share_is_not_made_smaller_before_it_is_restored():
    error = refusal(DELETED, restore=True, size="400", allow_shrink=True)
    assert error.error_code == "size_decrease_refused" and "not known" in error.msg


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


def test_what_else_is_known_of_a_protocol_stays():
    nfs = {"encryptionInTransit": {"required": False, "new": 1}, "other": 2}
    settings = {"smb": {"encryptionInTransit": {"required": True}, "versions": "SMB3.1.1"}, "nfs": nfs}
    cors = {"corsRules": [{"allowedOrigins": ["*"]}]}
    present = make.complete(file_service=make.file_service(protocolSettings=settings, cors=cors))
    _account, service = planned(present, encryption_in_transit="required")
    sent = service.body["properties"]
    assert sent["protocolSettings"]["smb"] == settings["smb"] and sent["cors"] == cors
    assert sent["protocolSettings"]["nfs"] == {"encryptionInTransit": {"required": True, "new": 1}, "other": 2}


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
    "provisioned v2": make.complete(account=make.v2_account(), share=make.v2_share()),
    "deleted share": make.complete(share=None, shares=(make.deleted_share(),)),
}
WISHES = {
    "private": {},
    "service": {"network": SERVICE},
    "everything": {"encryption_in_transit": "required", "soft_delete_days": 3, "root_squash": "AllSquash"},
    "new network": {"network": make.network(virtual_network="other", create=True)},
}


@pytest.mark.parametrize(("state", "wish"), list(itertools.product(STATES, ["private", "service", "everything"])))
def test_every_plan_can_be_carried_out_and_leads_to_the_goal(state, wish):
    restore = True if state == "deleted share" else None
    present, wanted = STATES[state], make.wanted(**{"restore": restore, **WISHES[wish]})
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
        make.complete(account=make.v2_account()),
        {"billing_model": "provisioned_v1"},
        "'provisioned_v2'",
        "'provisioned_v1'",
    ),
    "billing model back": (
        make.complete(),
        {"billing_model": "provisioned_v2"},
        "'provisioned_v1'",
        "'provisioned_v2'",
    ),
    "SKU family": (
        make.complete(account={**make.account(), "sku": {"name": "StandardV2_LRS"}}),
        {},
        "'standard'",
        "'premium'",
    ),
    "protocol of a restored share": (
        make.complete(share=None, shares=(make.deleted_share(enabledProtocols="SMB"),)),
        {"restore": True},
        "'SMB'",
        "'NFS'",
    ),
    "protocol": (make.complete(share=make.share(enabledProtocols="SMB")), {}, "'SMB'", "'NFS'"),
}


@pytest.mark.parametrize("case", IMMUTABLE)
def test_immutable_differences(case):
    present, options, *values = IMMUTABLE[case]
    error = refusal(present, **options)
    assert error.error_code == "immutable_property"
    assert all(value in error.msg for value in values)
    assert "second storage" in error.causes[1][1]


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


def test_redundancy_can_be_converted_by_azure():
    assert "migration" in refusal(make.complete(), redundancy="ZRS").causes[2][1]
    assert len(refusal(make.complete(), location="eastus").causes) == 2


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


def test_deletion_takes_every_endpoint_of_ours_before_the_account():
    second = {**make.endpoint(), "id": f"{make.ENDPOINT_ID}2"}
    theirs = {**make.endpoint(), "id": f"{make.ENDPOINT_ID}3", "tags": {}}
    present = make.complete(other_endpoints=((second, make.zone_group()), (theirs, None)))
    found = delete.plan_deletion(make.wanted(), present)
    deleted = [str(step.id) for step in found if step.kind == "private endpoint"]
    assert deleted == [make.ENDPOINT_ID, f"{make.ENDPOINT_ID}2"]
    assert len({step.key for step in found}) == len(found) == 6
    assert order_of(found)[-1] == "account"


def test_what_can_be_recovered():
    wanted, present = make.wanted(), make.complete(file_service=make.file_service(shareDeleteRetentionPolicy=None))
    found = delete.plan_deletion(wanted, present)
    assert "only with the account" in delete.recovery(wanted, present, found)
    assert delete.recovery(wanted, present, []) is None


def test_what_soft_delete_brings_back_where_the_account_stays():
    wanted, shares = make.wanted(), (make.share(), make.share("projects"))
    for policy, words in (
        ({"enabled": True, "days": 9}, "for 9 days, until about 2026-11-30T12:00:00Z"),
        ({"enabled": False}, "Soft delete is off"),
        (None, "is not known"),
    ):
        present = make.complete(shares=shares, file_service=make.file_service(shareDeleteRetentionPolicy=policy))
        found = delete.plan_deletion(wanted, present)
        assert [step.key for step in found] == ["share"]
        assert words in delete.recovery(wanted, present, found)


def test_soft_deleted_shares_that_go_with_the_account_are_named():
    wanted, present = make.wanted(), make.complete(shares=(make.share(), make.deleted_share("projects")))
    text = delete.recovery(wanted, present, delete.plan_deletion(wanted, present))
    assert "home, projects can be brought back only by recovering the account" in text


def test_shares_that_go_together_leave_the_others():
    shares = (make.share(), make.share("projects"), make.snapshot("projects"), make.share("data"))
    present = make.complete(shares=shares)
    options = {"state": "absent", "confirm": "teamhomes01", "more_shares": ["projects"]}
    with pytest.raises(AzlinError, match="teamhomes01/projects.*snapshots"):
        delete.plan_deletion(make.wanted(**options), present)
    wanted = make.wanted(**options, delete_snapshots=True)
    found = delete.plan_deletion(wanted, present)
    assert [step.id.name for step in found] == ["home", "projects"]
    assert found[1].before["snapshots"] and "snapshots" not in found[0].before
    text = delete.recovery(wanted, present, found)
    assert "holds other shares: data. Share home is kept" in text and "Share projects is kept" in text


def test_snapshots_forbid_deletion_unless_they_may_go():
    shares = (make.share(), make.snapshot(), make.snapshot("projects"), make.share("projects"))
    present = make.complete(shares=shares)
    with pytest.raises(AzlinError) as caught:
        delete.plan_deletion(make.wanted(), present)
    assert (caught.value.error_code, "snapshots (1)" in caught.value.msg) == ("in_use", True)
    (step,) = delete.plan_deletion(make.wanted(delete_snapshots=True), present)
    assert step.body == {"include": "snapshots"}
    assert step.before["snapshots"] == ["2026-11-20T08:00:00.0000000Z"]


V2 = {"account": make.v2_account(), "share": make.v2_share(), "usage": make.usage()}


def test_a_new_storage_on_provisioned_v2():
    options = {"billing_model": "provisioned_v2", "size": "64", "provisioned_iops": 4000}
    found = {step.key: step for step in planned(make.nothing(), **options)}
    assert found["account"].body["sku"] == {"name": "PremiumV2_LRS"}
    # The throughput is left to the service's recommendation.
    assert found["share"].body["properties"] == {
        "enabledProtocols": "NFS",
        "shareQuota": 64,
        "provisionedIops": 4000,
        "rootSquash": "NoRootSquash",
    }
    assert found["share"].after == {
        "protocol": "NFS",
        "size_gib": 64,
        "provisioned_iops": 4000,
        "root_squash": "NoRootSquash",
    }


def test_a_v2_storage_keeps_what_is_not_set():
    assert planned(make.complete(**V2)) == []
    assert one(make.complete(**V2), size="600").body == {"properties": {"shareQuota": 600}}


def test_iops_and_throughput_are_changed_on_their_own():
    step = one(make.complete(**V2), provisioned_iops=6000, provisioned_throughput=300)
    assert step.before == {"provisioned_iops": 5000, "provisioned_throughput": 200}
    assert step.body == {"properties": {"provisionedIops": 6000, "provisionedBandwidthMibps": 300}}


DECREASES = {"size": "400GiB", "provisioned_iops": 4000, "provisioned_throughput": 150}


@pytest.mark.parametrize("option", DECREASES)
def test_a_decrease_needs_permission_and_its_time(option):
    wish, present = {option: DECREASES[option]}, make.complete(**V2)
    unasked = refusal(present, **wish)
    assert unasked.error_code == "size_decrease_refused" and "unasked" in unasked.msg and option in unasked.msg
    early = refusal(present, allow_shrink=True, **wish)
    assert early.error_code == "size_decrease_refused" and "2026-11-22T02:00:00Z" in early.msg
    later = make.complete(**V2, moment=make.NOW + datetime.timedelta(hours=14))
    assert one(later, allow_shrink=True, **wish).action == "update"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"provisioned_iops": 5000}, ("5000", "provisioned_v1", "derives")),
        ({"provisioned_throughput": 200}, ("200", "provisioned_v1")),
        ({"size": "103TiB"}, ("105472GiB", "102400")),
        ({"size": "99"}, ("99GiB", "100 to")),
    ],
)
def test_what_provisioned_v1_does_not_take(options, words):
    for present in (make.nothing(), make.complete()):
        error = refusal(present, allow_shrink=True, **options)
        assert error.error_code == "invalid_argument"
        assert all(word in error.msg for word in words)


def test_a_size_that_is_there_is_not_doubted():
    assert planned(make.complete(share=make.share(shareQuota=32)), size="32") == []


def test_paid_bursting_is_not_for_v2():
    error = refusal(make.complete(**V2), paid_bursting={"enabled": True})
    assert error.error_code == "invalid_argument" and "provisioned_v2" in error.msg


def test_paid_bursting_on_and_off():
    on = {"enabled": True, "max_iops": 5000, "max_throughput": None}
    step = one(make.complete(), paid_bursting=on)
    assert step.before == {"paid_bursting": {"enabled": False, "max_iops": None, "max_throughput": None}}
    assert step.body == {
        "properties": {"fileSharePaidBursting": {"paidBurstingEnabled": True, "paidBurstingMaxIops": 5000}}
    }
    about = {"paidBurstingEnabled": True, "paidBurstingMaxIops": 5000, "paidBurstingMaxBandwidthMibps": 10340}
    bursting = make.complete(share=make.share(fileSharePaidBursting=about))
    assert planned(bursting, paid_bursting=on) == planned(bursting) == []
    off = one(bursting, paid_bursting={"enabled": False, "max_iops": None, "max_throughput": None})
    assert off.body == {"properties": {"fileSharePaidBursting": {"paidBurstingEnabled": False}}}
    stopped = make.complete(share=make.share(fileSharePaidBursting={**about, "paidBurstingEnabled": False}))
    assert planned(stopped, paid_bursting={"enabled": False}) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "8001"}, ("8001", "64 to 8000")),
        ({"provisioned_iops": 15001}, ("15001", "3000 to 15000")),
        ({"provisioned_throughput": 110, "allow_shrink": True}, ("110", "125 to 1500")),
    ],
)
def test_limits_of_a_share_are_those_of_the_service(options, words):
    later = make.complete(**V2, moment=make.NOW + datetime.timedelta(days=2))
    error = refusal(later, **options)
    assert error.error_code == "invalid_argument"
    assert all(word in error.msg for word in words)


TOTALS = {
    "storage": ({"live": (3000, 5000, 200), "deleted": (6000, 0, 0)}, {"size": "1501"}, "10000 GiB", "6000"),
    "iops": ({"live": (500, 15000, 200), "deleted": (0, 4000, 0)}, {"provisioned_iops": 6001}, "20000 IOPS", "4000"),
    "throughput": ({"live": (500, 5000, 1900)}, {"provisioned_throughput": 301}, "2000 MiB/s", "1900"),
}


@pytest.mark.parametrize("case", TOTALS)
def test_the_account_has_limits_that_count_soft_deleted_shares(case):
    usage, options, *words = TOTALS[case]
    error = refusal(make.complete(**{**V2, "usage": make.usage(**usage)}), **options)
    assert error.error_code == "capacity_exceeded"
    assert all(word in error.msg for word in words)


def test_a_new_share_is_counted_with_what_the_service_recommends():
    def present(**usage):
        return make.complete(account=make.v2_account(), share=None, shares=(), usage=make.usage(**usage))

    assert planned(present(live=(0, 16900, 1865)), size="100")
    # 3000 + 100 IOPS and 125 + 10 MiB/s.
    assert "IOPS" in refusal(present(live=(0, 16901, 0)), size="100").msg
    assert "MiB/s" in refusal(present(live=(0, 0, 1866)), size="100").msg
    assert "3 shares" in refusal(present(live=(0, 0, 0), shares=(1, 2)), size="100").msg


def test_unknown_limits_are_left_to_azure():
    assert planned(make.complete(**{**V2, "usage": None}), size="200000")
    assert planned(make.complete(**{**V2, "usage": {"properties": {}}}), size="200000")


DELETED = make.complete(share=None, shares=(make.deleted_share(),))


def test_a_soft_deleted_share_of_the_name_is_not_passed_over():
    error = refusal(DELETED)
    assert error.error_code == "soft_deleted"
    assert "2026-11-27T08:00:00Z" in error.msg
    remedies = " ".join(remedy for _cause, remedy in error.causes)
    assert "restore: true" in remedies and "restore: false" in remedies


def test_a_living_share_or_another_name_is_nothing_to_ask_about():
    assert planned(make.complete(shares=(make.share(), make.deleted_share()))) == []
    assert one(make.complete(share=None, shares=(make.deleted_share("other"),))).action == "create"


def test_a_new_share_beside_the_deleted_one():
    assert one(DELETED, restore=False).action == "create"


def test_restoring_and_then_changing():
    restored, changed = planned(DELETED, restore=True, size="600")
    assert (restored.action, restored.resource) == ("restore", "share home")
    assert restored.body == {"deletedShareName": "home", "deletedShareVersion": "01DC5B"}
    assert (changed.action, changed.body) == ("update", {"properties": {"shareQuota": 600}})
    assert order_of([changed, restored]) == ["restored_share", "share"]
    assert steps.diff([restored, changed])["after"]["share home"] == {"deleted": False, "size_gib": 600}
    assert [step.action for step in planned(DELETED, restore=True)] == ["restore"]


def test_a_restored_share_is_not_counted_twice():
    usage = make.usage(live=(0, 18000, 1900), deleted=(500, 2000, 100), shares=(1, 2))
    present = make.complete(account=make.v2_account(), share=None, shares=(make.deleted_share(),), usage=usage)
    # A list of deleted shares need not tell the IOPS.
    assert [step.action for step in planned(present, restore=True)] == ["restore"]


def test_a_restored_share_does_not_shrink_unasked():
    assert refusal(DELETED, restore=True, size="100").error_code == "size_decrease_refused"


@pytest.mark.parametrize("present", [make.complete(share=None), make.nothing()])
def test_nothing_to_restore(present):
    error = refusal(present, restore=True)
    assert (error.error_code, "restore" in error.msg) == ("not_found", True)


def test_restore_means_nothing_to_a_share_that_is_there():
    assert planned(make.complete(), restore=True) == planned(make.complete(), restore=False) == []


def test_the_newest_version_is_restored_and_the_others_are_named():
    older = make.deleted_share(version="01A", deletedTime="2026-11-18T08:00:00Z")
    present, wanted = make.complete(share=None, shares=(older, make.deleted_share())), make.wanted(restore=True)
    assert plan(wanted, present)[0].body["deletedShareVersion"] == "01DC5B"
    assert "2026-11-18T08:00:00Z" in softdelete.note(wanted, present)
    assert softdelete.note(wanted, DELETED) is None
    assert softdelete.note(make.wanted(restore=False), present) is None
    assert "newest of 2" in refusal(present).msg
    assert forecast(wanted, present, plan(wanted, present)).shares == (older,)


@pytest.mark.parametrize(
    ("tags", "purge", "after"),
    [
        ({"stage": "dev"}, True, {"Managed-By": "azlin", "stage": "dev"}),
        ({"TEAM": "red"}, True, {"Managed-By": "azlin", "Team": "red"}),
        ({}, True, {"Managed-By": "azlin"}),
        (None, True, {"Managed-By": "azlin", "Team": "blue"}),
        ({"stage": "dev"}, False, {"Managed-By": "azlin", "Team": "blue", "stage": "dev"}),
    ],
)
def test_tags(tags, purge, after):
    present = make.complete(account=make.account(tags={"Managed-By": "azlin", "Team": "blue"}))
    found = planned(present, tags=tags, purge_tags=purge)
    assert [step.after["tags"] for step in found] == ([] if tags is None else [after])


def test_an_account_is_updated_as_it_is_by_then():
    before = make.account(tags={"managed-by": "azlin", "Team": "blue", "Stage": "dev"})
    rules = {"defaultAction": "Allow", "virtualNetworkRules": [], "ipRules": [], "bypass": "None"}
    before["properties"]["networkAcls"] = rules
    (step,) = planned(make.complete(account=before), tags={"team": "red"}, purge_tags=True)
    now = make.account(tags={"Managed-By": "azlin", "Team": "blue", "STAGE": "dev", "azlin-keep": "yes"})
    now["properties"]["networkAcls"] = {**rules, "ipRules": [{"value": "192.0.2.1"}], "bypass": "Logging"}

    sent = updated_account(step, now)

    assert sent["tags"] == {"Managed-By": "azlin", "Team": "red", "azlin-keep": "yes"}
    assert sent["properties"]["networkAcls"] == {
        **now["properties"]["networkAcls"],
        "defaultAction": "Deny",
    }


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


def test_resources_of_one_name_are_told_apart():
    other, same = make.VNET_ID.replace("/net", "/other"), make.VNET_ID.replace("team", "ops")
    ids = [f"{vnet}/subnets/homes" for vnet in (make.VNET_ID, other, same)]
    networks = {vnet.lower(): {**make.virtual_network(), "id": vnet} for vnet in (make.VNET_ID, other, same)}
    found = planned(make.nothing(virtual_networks=networks), network=make.network(mode="service_endpoint", subnets=ids))

    shown = [step["resource"] for step in steps.shown(found) if step["resource"].startswith("subnet")]
    assert shown == [f"subnet {ids[0]}", "subnet homes of other", f"subnet {ids[2]}"]
    changed = steps.diff(found)
    assert set(shown) < set(changed["before"]) == set(changed["after"])


LEFT = {
    "as wanted": ({}, []),
    "encryption kept by a policy": (
        {"account": make.account(supportsHttpsTrafficOnly=True)},
        [("storage account teamhomes01", "https_only", True, False)],
    ),
    "soft delete": (
        {"file_service": make.file_service(shareDeleteRetentionPolicy={"enabled": True, "days": 30})},
        [("file service of teamhomes01", "soft_delete_days", 30, 7)],
    ),
    "size": ({"share": make.share(shareQuota=400)}, [("share home", "size_gib", 400, 500)]),
    "not there": ({"account": None, "share": None}, []),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_azure_did_not_change_is_found(case):
    found, left = LEFT[case]
    wanted = make.wanted(encryption_in_transit="disabled", soft_delete_days=7, size="500GiB")
    assert left_over(wanted, make.complete(**found), plan(wanted, make.nothing())) == left


def test_what_was_not_to_be_changed_is_not_left_over():
    before = make.complete(share=make.share(shareQuota=400))
    after = make.complete(account=make.account(supportsHttpsTrafficOnly=True))
    wanted = make.wanted(encryption_in_transit="disabled", size="500GiB")
    assert left_over(wanted, after, plan(wanted, before)) == []
