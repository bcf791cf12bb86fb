# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the storage modules are documented alike, and as they are built.

Ansible has no doc fragments for results, so what two modules return stands in both.
"""

from __future__ import annotations

from decimal import Decimal

from ansible_collections.azlin.storage.plugins.module_utils._azure import converge, cost, steps, vm_cost
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import plan
from tests.unit.azure import builders as make
from tests.unit.repo import facts
from tests.unit.repo.shapes import differences

CONVERGE = facts.module_documentation("azlin_nfs_storage", "RETURN")
INFO = facts.module_documentation("azlin_storage_info", "RETURN")


def full():
    """A storage with one of everything that its result can show."""
    machine = f"{make.GROUP_ID}/providers/Microsoft.Compute/virtualMachines/vm1"
    rules = [{"id": "there"}, {"id": "gone", "state": "NetworkSourceDeleted"}]
    account = make.account(networkAcls={"defaultAction": "Deny", "virtualNetworkRules": rules})
    return make.complete(
        account=account,
        share=make.share(shareUsageBytes=450 * 1024**3),
        shares=(make.share(), make.deleted_share()),
        virtual_machines=({"id": machine, "tags": {"azlin-home-ops": "teamhomes01/home:/home/ops"}},),
    )


def test_a_storage_is_documented_once():
    listed = {key: entry for key, entry in INFO["storages"]["contains"].items() if key != "history"}
    assert CONVERGE["storage"]["contains"] == listed
    for shared in ("error_code", "causes", "try"):
        assert CONVERGE[shared]["description"] == INFO[shared]["description"]


def test_a_storage_is_what_is_documented():
    assert differences(CONVERGE["storage"]["contains"], converge.storage_of(full())) == []


def test_costs_together_are_what_is_documented():
    totals = cost.totals([converge.storage_of(full())], "USD")
    properties = {"hardwareProfile": {"vmSize": "Standard_B2s"}}
    model = {"name": "vm1", "id": f"{make.GROUP_ID}/vm1", "location": "westus2", "properties": properties}
    machine = vm_cost.machine(model, {vm_cost.kind(model): Decimal("30.368")})
    beside = {"vms": cost.of_machines([machine], True, totals["monthly"])}
    assert differences(INFO["cost"]["contains"], {**totals, **beside}) == []


def test_a_plan_is_what_is_documented():
    for step in steps.shown(plan(make.wanted(), make.nothing())):
        assert differences(CONVERGE["plan"]["contains"], step) == []


def test_what_is_not_documented_or_not_returned_is_found():
    documented = {"kept": {"type": "str"}, "lost": {"type": "int"}, "wrong": {"type": "int"}}
    found = differences(documented, {"kept": "x", "new": 1, "wrong": "1"})
    assert found == [".new is not documented", ".lost is not returned", ".wrong is no int"]
