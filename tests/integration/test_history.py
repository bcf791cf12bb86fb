# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure Monitor remembers, asked for with the storages."""

from __future__ import annotations

import datetime

import pytest
from ansible.module_utils.basic import AnsibleModule

from tests.integration.support import GROUP, assert_refused, run_module, storage, writes

INFO = "azlin_storage_info"
METRICS = "/fileServices/default/providers/Microsoft.Insights/metrics"


def hour(day, number=0):
    """An hour of a day: 0 is today, -1 yesterday."""
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + datetime.timedelta(days=day, hours=number)).strftime("%Y-%m-%dT%H:%M:%SZ")


def asked(arm):
    return [entry["query"] for entry in arm.requests() if entry["path"].endswith(METRICS)]


def test_history_of_each_share(arm):
    run_module("azlin_nfs_storage", **storage())
    run_module("azlin_nfs_storage", **storage(share="projects"))
    arm.metrics("teamhomes01", "FileCapacity", {hour(-2): 5, hour(-2, 6): 9, hour(-2, 12): 7, hour(0): 8}, "home")
    arm.metrics("teamhomes01", "Transactions", {hour(-2): 2, hour(-2, 23): 3}, "home")
    arm.metrics("teamhomes01", "Transactions", {hour(-2): 0, hour(-1): 0, hour(0): 4})
    arm.clear_requests()

    home, projects = run_module(INFO, history_days=3)["storages"]

    days = [hour(-2), hour(-1), hour(0)]
    assert home["history"] == {
        "used": [{"time": day, "bytes": value} for day, value in zip(days, [9, None, 8], strict=True)],
        "transactions": [{"time": day, "count": value} for day, value in zip(days, [5, 0, None], strict=True)],
    }
    assert [one["bytes"] for one in projects["history"]["used"]] == [None, None, None]
    assert [one["count"] for one in projects["history"]["transactions"]] == [None, 0, None]
    assert len(asked(arm)) == 5 and writes(arm) == []
    assert {query["timespan"] for query in asked(arm)} == {f"{hour(-2)}/{hour(1)}"}


def test_no_history_unless_asked_for(arm):
    made = run_module("azlin_nfs_storage", **storage())["storage"]
    arm.clear_requests()
    found = run_module(INFO, name="teamhomes01")["storages"][0]
    assert "history" not in found and "history" not in made and asked(arm) == []


def test_ninety_days_and_no_storage(arm):
    assert run_module(INFO, history_days=90)["storages"] == []
    run_module("azlin_nfs_storage", **storage())
    arm.metrics("teamhomes01", "FileCapacity", {hour(-89): 1}, "home")
    history = run_module(INFO, history_days=90)["storages"][0]["history"]
    assert [len(history["used"]), len(history["transactions"])] == [90, 90]
    assert history["used"][0] == {"time": hour(-89), "bytes": 1}


@pytest.mark.parametrize("days", [0, 91])
def test_days_that_azure_cannot_answer_for_never_reach_the_network(arm, days):
    assert_refused(run_module(INFO, history_days=days), "invalid_argument", "history_days", str(days))
    assert arm.requests() == []


def test_a_right_that_is_missing_is_named(arm):
    run_module("azlin_nfs_storage", **storage())
    action = "Microsoft.Insights/metrics/read"
    message = f"The client 'x' does not have authorization to perform action '{action}' over scope '/y' or it is wrong."
    arm.faults({"path": f"{METRICS}$", "status": 403, "code": "AuthorizationFailed", "message": message, "times": 0})

    result = run_module(INFO, history_days=3)

    assert_refused(result, "authorization_failed", action)
    assert action in result["causes"][0]["remedy"]


def test_a_busy_monitor_is_asked_again(arm, impatient):
    run_module("azlin_nfs_storage", **storage())
    headers = {"x-ms-retry-after-ms": "1"}
    arm.faults({"path": f"{METRICS}$", "status": 429, "code": "TooManyRequests", "headers": headers, "times": 5})
    assert "history" in run_module(INFO, history_days=1)["storages"][0]


def test_an_account_that_is_deleted_meanwhile_has_no_history(arm):
    run_module("azlin_nfs_storage", **storage())
    arm.faults({"path": f"{METRICS}$", "status": 404, "code": "ResourceNotFound", "message": "Gone.", "times": 0})
    found = run_module(INFO, history_days=1)["storages"][0]
    assert found["history"]["used"] == [{"time": hour(0), "bytes": None}]
    assert found["history"]["transactions"] == [{"time": hour(0), "count": None}]


@pytest.mark.parametrize(("gib", "word"), [(399, None), (400, "80 %"), (450, "90 %")])
def test_a_full_share_warns(arm, disk, monkeypatch, gib, word):
    warned = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda module, text, **options: warned.append(text))
    run_module("azlin_nfs_storage", **storage())
    disk.used["teamhomes01", "home"] = gib * 1024**3

    result = run_module(INFO, name="teamhomes01", resource_group=GROUP)

    assert warned == result["storages"][0]["warnings"]
    assert warned == [] if word is None else word in warned[0] and len(warned) == 1
