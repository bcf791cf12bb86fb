# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guards a storage: our tag, its kind, homes on it, and who could not be asked for homes."""

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import delete, desired
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import plan
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from tests.unit.azure import builders as make

SUBNET_ID = f"{make.VNET_ID}/subnets/homes"
OPENED = {
    "publicNetworkAccess": "Enabled",
    "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [{"id": SUBNET_ID}]},
}
SERVICE = make.network(mode="service_endpoint")
UNKNOWN = AzlinError("authorization_failed", "Nobody may say which machines there are.")


def machine(share="home", subscription=make.SUBSCRIPTION):
    vm_id = f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/vm1".replace(make.SUBSCRIPTION, subscription)
    return {"id": vm_id, "tags": {"azlin-home-azureuser": f"teamhomes01/{share}:/home/azureuser"}}


def refused(function, *arguments):
    with pytest.raises(AzlinError) as caught:
        function(*arguments)
    return caught.value


@pytest.mark.parametrize(
    ("tags", "managed"),
    [
        ({"managed-by": "azlin"}, True),
        ({"Managed-By": "azlin"}, True),
        # Names of tags have no case in Azure, values have.
        ({"managed-by": "Azlin"}, False),
        ({"managed-by": ""}, False),
        ({}, False),
        (None, False),
    ],
)
def test_what_is_ours(tags, managed):
    assert desired.is_managed({"tags": tags}) is managed
    assert not desired.is_managed(None)


@pytest.mark.parametrize("confirm", [None, "", "teamhomes0", "TEAMHOMES01", " teamhomes01", "teamhomes01\n"])
def test_only_the_very_name_confirms(confirm):
    error = refused(lambda: make.wanted(state="absent", confirm=confirm))
    assert error.error_code == "confirmation_required"


# --- deletion --------------------------------------------------------------------------------------------------------

GONE = {"account": None, "file_service": None, "share": None, "shares": None}


def test_homes_protect_our_endpoint_of_an_account_that_is_gone():
    wanted = make.wanted(used_by=["worker-9/azureuser"])
    assert refused(delete.plan_deletion, wanted, make.complete(**GONE)).error_code == "in_use"


def test_where_the_account_is_gone_and_the_endpoint_is_not_ours_nothing_is_left_to_protect():
    present = make.complete(**GONE, endpoint={**make.endpoint(), "tags": {}})
    assert delete.plan_deletion(make.wanted(used_by=["worker-9/azureuser"]), present) == []


def test_homes_on_a_soft_deleted_share_keep_its_account_and_not_the_living_share():
    shares = (make.share(), make.deleted_share("projects"))
    present = make.complete(shares=shares, virtual_machines=(machine("projects"),))

    error = refused(delete.plan_deletion, make.wanted(), present)

    assert error.error_code == "in_use" and "share projects" in error.msg
    assert delete.plan_deletion(make.wanted(force=True), present)
    # Where the account stays for others, so does what soft delete keeps in it.
    staying = make.complete(shares=(*shares, make.share("data")), virtual_machines=(machine("projects"),))
    assert [step.key for step in delete.plan_deletion(make.wanted(), staying)] == ["share"]


def test_whoever_cannot_be_asked_may_have_a_home():
    present = make.complete(unlisted={make.SUBSCRIPTION: UNKNOWN})
    assert refused(delete.plan_deletion, make.wanted(), present) is UNKNOWN
    assert delete.plan_deletion(make.wanted(force=True), present)


@pytest.mark.parametrize("protocol", ["SMB", None])
@pytest.mark.parametrize("options", [{}, {"share": "other", "more_shares": ["home"]}])
def test_a_share_that_azure_does_not_call_nfs_is_not_deleted(protocol, options):
    home = make.share(enabledProtocols=protocol)
    others = (make.share("other"),) if options else ()
    present = make.complete(share=home, shares=(home, *others))
    wanted = make.wanted(state="absent", confirm="teamhomes01", force=True, **options)
    error = refused(delete.plan_deletion, wanted, present)
    assert error.error_code == "not_managed" and "'SMB'" in error.msg


def test_nothing_of_an_account_goes_without_another_look_at_what_it_holds():
    """Somebody may make a share between the plan and the step."""
    found = {step.key: step.emptied for step in delete.plan_deletion(make.wanted(), make.complete())}
    assert found.pop("share") is None
    assert set(map(str, found.values())) == {make.ACCOUNT_ID}


def test_only_an_endpoint_elsewhere_may_stay():
    """One beside the account that cannot be deleted keeps it; one of another group has its own owners."""
    elsewhere = {**make.endpoint(), "id": make.ENDPOINT_ID.replace("/team/", "/hub/")}
    beside = {**make.endpoint(), "id": f"{make.ENDPOINT_ID}2"}
    present = make.complete(other_endpoints=((elsewhere, None), (beside, None)))
    found = {str(step.id): step.may_stay for step in delete.plan_deletion(make.wanted(), present)}
    assert (found[elsewhere["id"]], found[beside["id"]], found[make.ENDPOINT_ID]) == (True, False, False)
    assert not found[make.ACCOUNT_ID]


def test_snapshots_are_never_deleted_unasked():
    (share, *_others) = delete.plan_deletion(make.wanted(), make.complete())
    assert share.body == {"include": "none"}


# --- changes that lock hosts out -------------------------------------------------------------------------------------


def test_squashing_everybody_takes_homes_away_once():
    used = {"virtual_machines": (machine(),)}
    error = refused(plan, make.wanted(root_squash="AllSquash"), make.complete(**used))
    assert error.error_code == "in_use" and "AllSquash" in error.msg
    squashed = make.complete(share=make.share(rootSquash="AllSquash"), **used)
    assert plan(make.wanted(root_squash="AllSquash"), squashed) == []
    (step,) = plan(make.wanted(root_squash="AllSquash", force=True), make.complete(**used))
    assert step.key == "share"


@pytest.mark.parametrize(("state", "is_a_way"), [("Approved", True), ("Pending", False), ("Disconnected", False)])
def test_homes_keep_an_endpoint_that_lets_them_through(state, is_a_way):
    account = make.account(**OPENED, privateEndpointConnections=[])
    network = make.virtual_network(serviceEndpoints=[{"service": "Microsoft.Storage"}])
    present = make.complete(
        account=account,
        endpoint=make.endpoint(state),
        virtual_networks={make.VNET_ID.lower(): network},
        virtual_machines=(machine(),),
    )
    if is_a_way:
        assert "teamhomes01-pe" in refused(plan, make.wanted(network=SERVICE), present).msg
    else:
        assert [step.key for step in plan(make.wanted(network=SERVICE), present)] == ["zone_group", "endpoint"]


def test_a_lockout_needs_an_answer_about_all_machines():
    present = make.complete(unlisted={make.SUBSCRIPTION: UNKNOWN})
    assert refused(plan, make.wanted(encryption_in_transit="required"), present) is UNKNOWN
    # What locks nobody out needs none.
    assert plan(make.wanted(size="600GiB"), present)
    assert plan(make.wanted(encryption_in_transit="required", force=True), present)


FAR = "99999999-0000-0000-0000-000000000001"


@pytest.mark.parametrize("state", ["Succeeded", "NetworkSourceDeleted"])
def test_the_last_word_of_a_subscription_with_homes_stays(state):
    """Its machines are asked for only as long as the account names it, be it in the rule of a deleted subnet."""
    far = SUBNET_ID.replace(make.SUBSCRIPTION, FAR)
    rules = [{"id": SUBNET_ID}, {"id": far, "state": state}]
    account = make.account(**{**OPENED, "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": rules}})
    account["properties"]["privateEndpointConnections"] = []
    network = make.virtual_network(serviceEndpoints=[{"service": "Microsoft.Storage"}])
    there = {"account": account, "endpoint": None, "zone_group": None}
    there["virtual_networks"] = {make.VNET_ID.lower(): network}
    used = make.complete(**there, virtual_machines=(machine(subscription=FAR),))

    assert refused(plan, make.wanted(network=SERVICE), used).error_code == "in_use"
    (step,) = plan(make.wanted(network=SERVICE, force=True), used)
    assert step.key == "account"
    hidden = make.complete(**there, unlisted={FAR: UNKNOWN})
    assert refused(plan, make.wanted(network=SERVICE), hidden).error_code == "authorization_failed"
    assert plan(make.wanted(network=SERVICE, force=True), hidden)


# --- creation --------------------------------------------------------------------------------------------------------


def test_a_subscription_that_is_offered_nothing_is_told_so():
    error = refused(plan, make.wanted(), make.nothing(regions={}))
    assert error.error_code == "invalid_argument" and "none is offered" in error.causes[0][1]
