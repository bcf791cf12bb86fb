# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says: order, warnings, projections, mounts, and never a number for what is not known."""

from __future__ import annotations

import re

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.plugin_utils._report import attention, charts, mounts, page, view
from tests.unit.report import fleet


def shown(*storages, hosts=None):
    return view.page(list(storages), hosts, "Shared homes", fleet.NOW)


def one(hosts=None, **about):
    return shown(fleet.storage(**about), hosts=hosts)["storages"][0]


def test_what_needs_attention_comes_first():
    steady = fleet.grown(100, 0)
    storages = [
        fleet.storage("fine", used=100, days=steady),
        fleet.storage("roomy", used=50, days=steady),
        fleet.storage("unknown", used=None),
        fleet.storage("eighty", used=400, days=steady),
        fleet.storage("soon", used=300, days=fleet.grown(300, 8)),
        fleet.storage("sooner", used=300, days=fleet.grown(300, 10)),
        fleet.storage("ninety", used=450, days=steady),
    ]
    view_of = shown(*storages)
    names = [storage["name"] for storage in view_of["storages"]]
    assert names == ["ninety", "sooner", "soon", "eighty", "unknown", "fine", "roomy"]
    assert view_of["levels"] == {"critical": 1, "warning": 3, "unknown": 1, "fine": 2}


@pytest.mark.parametrize(
    ("used", "level"), [(399.9, "fine"), (400, "warning"), (449.9, "warning"), (450, "critical"), (501, "critical")]
)
def test_levels_of_use(used, level):
    assert one(used=used, days=fleet.grown(used, 0))["level"] == level


@pytest.mark.parametrize(("each", "level"), [(3, "fine"), (9, "warning"), (40, "critical")])
def test_levels_of_growth(each, level):
    assert one(used=250, days=fleet.grown(250, each, days=8))["level"] == level


def test_nothing_known_is_no_number():
    found = one(used=None, days=[None] * 30, counts=[None] * 30, machines=None, shareQuota=None)
    for key in ("used_bytes", "percent", "bytes_a_day", "days", "monthly", "transactions_a_day", "machines"):
        assert found[key] is None, key
    words = ("size", "used", "utilization", "growth", "full_in", "cost", "projected_cost", "transactions")
    assert {found[key] for key in words} == {"unknown"}
    assert {text for _date, *texts in found["days_shown"] for text in texts} == {"unknown"}
    assert found["use_chart"] is None and found["transactions_chart"] is None and found["use_spark"] is None
    assert found["level"] == "unknown"


def test_storages_without_history_are_shown():
    storage = fleet.storage()
    del storage["history"]
    assert shown(storage)["storages"][0]["growth"] == "unknown"
    # What Azure Monitor did not give.
    assert shown({**storage, "history": None})["storages"][0]["growth"] == "unknown"


def test_no_use_and_no_transactions_are_numbers():
    found = one(used=0, days=[0] * 30, counts=[0] * 30)
    assert (found["used"], found["growth"], found["full_in"]) == ("0.0 GiB", "0.0 GiB a day", "not growing")
    assert found["transactions"] == "0"


def test_today_is_no_whole_day_of_transactions():
    storage = fleet.storage(counts=[100, 300])
    storage["history"]["transactions"].append({"time": "2026-11-26T00:00:00Z", "count": 2})
    found = shown(storage)["storages"][0]
    assert found["transactions"] == "200"
    assert found["days_shown"][-1] == ("2026-11-26", "unknown", "2")
    assert found["transactions_chart"].count("<circle") == 2


def test_little_is_not_nothing():
    assert one(used=0.01)["used"] == "less than 0.1 GiB"


def test_projected_cost_is_that_of_the_size_that_is_needed():
    # 460 + 30 * 6 GiB are 80 % of 800; a GiB is 0.16 a month, the endpoint 7.30.
    found = one(used=460, days=fleet.grown(460, 6))
    assert (found["cost"], found["projected_cost"]) == ("87.30 USD", "135.30 USD")
    assert one(used=100, days=fleet.grown(100, 6))["projected_cost"] == "87.30 USD"
    assert one(used=460)["projected_cost"] == "unknown"


def test_sums_say_what_they_lack():
    storages, hosts = fleet.three()
    tiles = dict(shown(*storages, hosts=hosts)["tiles"])
    assert tiles == {
        "Storages": "3",
        "Used": "560.0 GiB and 1 unknown",
        "Provisioned": "1,500 GiB",
        "Cost a month": "261.90 USD",
        # With the endpoint of the storage whose growth is unknown.
        "Cost a month in 30 days": "229.90 USD and 1 unknown",
    }
    tiles = dict(shown(fleet.storage(used=None))["tiles"])
    assert tiles["Used"] == tiles["Cost a month in 30 days"] == "unknown"


def states(storage, hosts):
    return {mount["machine"]: mount["state"] for mount in mounts.Hosts(hosts, [storage]).of_storage(storage)}


def test_mounts_that_hosts_told_of():
    storage = fleet.storage(machines=[(name, "azureuser") for name in ("a", "b", "c", "d", "e", "f", "g", "h")])
    hosts = {
        "host-a": fleet.told("a"),
        "b": fleet.told("b", problems=["it hangs"]),
        "c": fleet.UNREACHABLE,
        # The host was left out, failed, was asked for somebody else, or has its home elsewhere.
        "d": {},
        "e": {"failed": True, "msg": "no such user"},
        "f": fleet.told("f", user="other"),
        "g": fleet.told("g", account="othershomes"),
        # One that no virtual machine is recorded for.
        "stray": fleet.told(None),
    }
    assert states(storage, hosts) == {
        "a": mounts.HEALTHY,
        "b": mounts.PROBLEM,
        **dict.fromkeys("cdefh", mounts.UNKNOWN),
        "g": mounts.PROBLEM,
        "stray": mounts.HEALTHY,
    }


def test_a_host_is_not_told_by_a_name_that_two_machines_have():
    storage = fleet.storage(machines=[("web", "azureuser")])
    namesake = fleet.storage("othershomes", machines=[("web", "azureuser")], group="other")
    hosts = mounts.Hosts({"web": fleet.told(None, source=False)}, [storage, namesake])
    assert [mount["state"] for mount in hosts.of_storage(storage)] == [mounts.UNKNOWN]


def test_nobody_was_asked():
    storage = fleet.storage(days=fleet.grown(250, 0), machines=[("a", "azureuser")])
    assert states(storage, None) == {"a": mounts.NOT_ASKED}
    assert one(days=fleet.grown(250, 0), machines=[("a", "azureuser")])["level"] == "fine"
    assert one(days=fleet.grown(250, 0), machines=[("a", "azureuser")], hosts={})["level"] == "unknown"


@pytest.mark.parametrize(
    ("missing", "share", "level"),
    [(0, 80, "warning"), (1, 80, "fine"), (40_000, 80, "fine"), (0, 90, "critical"), (1, 90, "warning")],
)
def test_the_report_warns_where_the_status_warns(missing, share, level):
    # Of 500 GiB: 40,000 bytes less than 80 % are shown as 80.0 %.
    storage = fleet.storage(used=500 * share / 100 - missing / fleet.GIB)
    assert (storage["used_bytes"], storage["utilization_percent"]) == (500 * share * fleet.GIB // 100 - missing, share)
    assert attention.of_use(storage) == level
    assert bool(storage["warnings"]) == (level != "fine")
    said = [sentence for _level, sentence in attention.notices(storage, None, [])]
    assert any("% of the size" in sentence for sentence in said) == (level != "fine")


def test_what_azure_says_of_account_and_network():
    storage = fleet.storage(days=fleet.grown(250, 0))
    storage["provisioning_state"] = "ResolvingDNS"
    storage["network"]["private_endpoints"][0]["state"] = "Pending"
    storage["network"]["deleted_subnets"] = ["/subscriptions/x"]
    found = attention.notices(storage, None, [])
    assert [level for level, _sentence in found] == ["warning"] * 3
    assert "Pending" in found[1][1]


def test_the_same_is_drawn_the_same():
    storages, hosts = fleet.three()
    pages = {page.render(storages, hosts, "Shared homes", fleet.NOW)[0] for _time in range(2)}
    assert len(pages) == 1


def test_nothing_from_azure_or_a_host_becomes_markup():
    storages, hosts = fleet.three()
    storage = storages[0]
    for key in ("name", "share", "resource_group", "location", "sku", "nfs_endpoint", "provisioning_state"):
        storage[key] = fleet.HOSTILE
    storage["cost"].update(source=fleet.HOSTILE, currency=fleet.HOSTILE)
    storage["tags"] = {fleet.HOSTILE: fleet.HOSTILE}
    storage["network"]["private_endpoints"][0].update(name=fleet.HOSTILE, state=fleet.HOSTILE)
    storage["attached_vms"][0].update(name=fleet.HOSTILE, user=fleet.HOSTILE, mount_point=fleet.HOSTILE)
    hosts["full-2"]["problems"] = [fleet.HOSTILE]
    hosts["full-3"]["msg"] = fleet.HOSTILE

    text, _shown = page.render(storages, hosts, fleet.HOSTILE, fleet.NOW)
    assert text.count("<script") == 1 and "<img" not in text
    assert "&lt;script&gt;alert(1)" in text and "{{ 7 * 7 }}" in text


def test_the_page_loads_nothing():
    text, _shown = page.render(fleet.many(2), None, "Shared homes", fleet.NOW)
    text = text.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?://|\bsrc=|@import|url\(|\bstyle=|\bon\w+=", text)


def test_a_big_fleet_is_a_small_file():
    text, _shown = page.render(fleet.many(25), None, "Shared homes", fleet.NOW)
    assert len(text.encode()) / 25 < 16000


def test_missing_library_is_named(monkeypatch):
    # None is what Python itself takes for "cannot be imported".
    monkeypatch.setitem(charts.sys.modules, "pygal", None)
    with pytest.raises(AzlinError) as raised:
        page.render([fleet.storage(days=[1])], None, "Shared homes", fleet.NOW)
    error = raised.value.as_result()
    assert error["error_code"] == "missing_library"
    assert "pygal" in error["msg"] and error["try"] == "python -m pip install pygal"
