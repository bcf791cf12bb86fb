# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results of the storage modules are documented alike, and as they are built.

Ansible has no doc fragments for results, so what two modules return stands in both.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import converge, cost, steps
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import plan
from tests.unit.azure import builders as make
from tests.unit.repo import facts

CONVERGE = facts.module_documentation("azlin_nfs_storage", "RETURN")
INFO = facts.module_documentation("azlin_storage_info", "RETURN")
TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
# Dicts whose keys are the user's own, or Azure's.
FREE = {"tags", "before", "after", "resource_groups"}


def differences(documented, value, where=""):
    """What a result has and its documentation lacks, or the other way round; null can stand for anything."""
    found = [f"{where}.{key} is not documented" for key in value.keys() - documented.keys()]
    found += [f"{where}.{key} is not returned" for key in documented.keys() - value.keys()]
    for key in value.keys() & documented.keys():
        found += _differences(documented[key], value[key], f"{where}.{key}")
    return found


def _differences(entry, value, where):
    if value is None:
        return []
    if not isinstance(value, TYPES[entry["type"]]):
        return [f"{where} is no {entry['type']}"]
    key = where.rpartition(".")[2]
    if isinstance(value, dict) and key not in FREE:
        return differences(entry["contains"], value, where)
    if not isinstance(value, list):
        return []
    if not value:
        return [f"{where} is empty, so that nothing is compared"]
    if entry["elements"] != "dict":
        return [
            f"{where}[] is no {entry['elements']}" for one in value if not isinstance(one, TYPES[entry["elements"]])
        ]
    return [text for one in value if key not in FREE for text in differences(entry["contains"], one, f"{where}[]")]


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
    assert differences(INFO["cost"]["contains"], totals) == []


def test_a_plan_is_what_is_documented():
    for step in steps.shown(plan(make.wanted(), make.nothing())):
        assert differences(CONVERGE["plan"]["contains"], step) == []


def test_what_is_not_documented_or_not_returned_is_found():
    documented = {"kept": {"type": "str"}, "lost": {"type": "int"}, "wrong": {"type": "int"}}
    found = differences(documented, {"kept": "x", "new": 1, "wrong": "1"})
    assert found == [".new is not documented", ".lost is not returned", ".wrong is no int"]
