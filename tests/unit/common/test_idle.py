# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storages may go: only one of which everything is known, and all of it says so."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.module_utils._common import idle
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from tests.unit.anything import for_any

DAYS = 3
DATES = [f"2026-11-2{number}T00:00:00Z" for number in range(3, 7)]


def storage(**changes):
    """A storage that nobody has used for three days and today."""
    return {
        "name": "teamhomes01",
        "share": "home",
        "resource_group": "team",
        "managed": True,
        "tags": {"managed-by": "azlin"},
        "created": "2026-11-22T23:59:59.0000000Z",
        "attached_vms": [],
        "restorable_shares": [],
        "history": {
            "used": [{"time": date, "bytes": 0} for date in DATES],
            "transactions": [{"time": date, "count": 0} for date in DATES],
        },
        **changes,
    }


def history(**changes):
    return {"history": {**storage()["history"], **changes}}


def counts(*values):
    return history(transactions=[{"time": date, "count": value} for date, value in zip(DATES, values, strict=True)])


def verdict(one, hosts=(), days=DAYS, keep_tag="azlin-keep"):
    (found,) = idle.verdicts([one], days, keep_tag, hosts)
    return found


def test_a_storage_that_nobody_uses_can_go():
    hosts = [{"host": "one", "source": "teamhomes02.file.core.windows.net:/teamhomes02/home", "silent": None}]
    hosts += [{"host": "two", "source": None, "silent": None}]
    assert verdict(storage(), hosts) == {
        "name": "teamhomes01/home",
        "account": "teamhomes01",
        "share": "home",
        "resource_group": "team",
        "candidate": True,
        "reasons": [],
        "unknown": [],
    }


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"managed": False}, "tag of this collection"),
        ({"tags": {"Azlin-Keep": ""}}, "azlin-keep"),
        ({"attached_vms": [{"name": "worker-1", "user": "ops"}]}, "worker-1 has the home of ops"),
        ({"restorable_shares": ["home", "projects"]}, "home, projects"),
        ({"created": "2026-11-23T00:00:00.0000000Z"}, "created on 2026-11-23"),
        (counts(1, 0, 0, 0), "1 of the last 4 days, last on 2026-11-23"),
        (counts(0, 0, 0, 2), "last on 2026-11-26"),
    ],
)
def test_what_speaks_against_it(changes, word):
    found = verdict(storage(**changes))
    assert (found["candidate"], found["unknown"]) == (False, [])
    assert len(found["reasons"]) == 1 and word in found["reasons"][0]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"tags": None}, "tags"),
        ({"attached_vms": None}, "virtual machines"),
        ({"restorable_shares": None}, "restored"),
        ({"created": None}, "since when"),
        (counts(0, None, 0, None), "2 of the last 4 days"),
        (history(used=[{"time": date, "bytes": None} for date in DATES]), "2026-11-23"),
        (history(transactions=None), "transactions"),
        (history(used=[]), "not asked"),
    ],
)
def test_what_is_not_known(changes, word):
    found = verdict(storage(**changes))
    assert (found["candidate"], found["reasons"]) == (False, [])
    assert len(found["unknown"]) == 1 and word in found["unknown"][0]


def test_a_history_that_is_too_short_or_missing():
    assert not verdict(storage(), days=4)["candidate"]
    without = storage()
    del without["history"]
    assert len(verdict(without)["unknown"]) == 2


def test_older_days_of_a_longer_history_do_not_matter():
    assert verdict(storage(**counts(9, 0, 0, 0)), days=2)["candidate"]


def test_what_hosts_say():
    home = {"host": "worker-1", "source": "teamhomes01.file.core.windows.net:/teamhomes01/home", "silent": None}
    tls = {"host": "worker-1", "source": "127.0.0.1:/teamhomes01/home", "silent": None}
    other = {"host": "worker-2", "source": "teamhomes01.file.core.windows.net:/teamhomes01/home2", "silent": None}
    silent = {"host": "worker-3", "source": None, "silent": "no route"}
    assert verdict(storage(), [home])["reasons"] == verdict(storage(), [tls])["reasons"]
    assert "worker-1" in verdict(storage(), [home, other])["reasons"][0]
    assert verdict(storage(), [other])["candidate"]
    # What templates of Ansible before 2.19 make of null.
    assert verdict(storage(), [{"host": "worker-4", "source": "", "silent": ""}])["candidate"]
    mounted = {"host": "worker-5", "source": "", "mounts": ["/teamhomes02/home", "/teamhomes01/home"]}
    assert verdict(storage(), [mounted])["reasons"] == ["worker-5 has a home on it, or has it mounted"]
    assert verdict(storage(), [other, silent])["unknown"] == ["worker-3 may have a home on it: no route"]


@pytest.mark.parametrize("days", [0, -1, "30", None, True, 1.5])
def test_days_that_are_none(days):
    with pytest.raises(AzlinError, match="days"):
        idle.verdicts([storage()], days, "azlin-keep", [])


series = st.lists(st.none() | st.integers(0, 2), max_size=6)
storages = st.builds(
    storage,
    managed=st.sampled_from([True, True, False, None]),
    tags=st.sampled_from([{}, {}, {"azlin-keep": "no"}, None]),
    created=st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-25T00:00:00Z", None]),
    attached_vms=st.sampled_from([[], [], [{"name": "worker-1", "user": "ops"}], None]),
    history=st.none()
    | st.builds(
        lambda used, transactions: {
            "used": [{"time": f"2026-11-{21 + n}T00:00:00Z", "bytes": value} for n, value in enumerate(used)],
            "transactions": [{"time": f"2026-11-{21 + n}T00:00:00Z", "count": v} for n, v in enumerate(transactions)],
        },
        series | st.just([0] * 6),
        series | st.just([0] * 6),
    ),
)
answers = st.lists(
    st.builds(
        dict,
        host=st.just("worker"),
        source=st.sampled_from([None, "server:/teamhomes01/home", "server:/teamhomes01/other"]),
        silent=st.sampled_from([None, None, "gone"]),
    ),
    max_size=3,
)


@for_any
@given(storages, answers, st.integers(1, 5))
def test_a_candidate_is_known_to_be_unused_in_every_respect(one, hosts, days):
    before = copy.deepcopy((one, hosts))
    found = verdict(one, hosts, days)
    assert (one, hosts) == before
    assert found["candidate"] == (not found["reasons"] and not found["unknown"])
    if found["candidate"]:
        used, transactions = (one["history"][key][-(days + 1) :] for key in ("used", "transactions"))
        assert one["managed"] is True and one["tags"] == {} and one["attached_vms"] == []
        assert [point["count"] for point in transactions] == [0] * (days + 1)
        assert len(used) == days + 1 and used[0]["bytes"] is not None
        assert one["created"][:10] < used[0]["time"][:10]
        assert all(host["silent"] is None and host["source"] != "server:/teamhomes01/home" for host in hosts)


@for_any
@given(
    st.sampled_from(["managed", "tags", "attached_vms", "restorable_shares", "created", "history"]), st.integers(1, 3)
)
def test_one_thing_that_is_not_known_is_enough(key, days):
    assert verdict(storage(), days=days)["candidate"]
    assert not verdict(storage(**{key: None}), days=days)["candidate"]


@for_any
@given(st.integers(0, 3), st.sampled_from(["used", "transactions"]))
def test_one_day_that_is_not_known_is_enough(position, key):
    doubtful = storage()
    point = doubtful["history"][key][position]
    point["bytes" if key == "used" else "count"] = None
    # How much is used is asked only to see that the share existed.
    assert verdict(doubtful)["candidate"] is (key == "used" and position > 0)
