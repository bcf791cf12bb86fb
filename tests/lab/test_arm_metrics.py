# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics of a file service: shape, grains, dimension and errors as Azure Monitor has them."""

from __future__ import annotations

import datetime

import pytest

from lab.arm.client import LabError

API = "2018-01-01"
TODAY = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def hour(number, day=-2):
    return text(TODAY + datetime.timedelta(days=day, hours=number))


SPAN = f"{hour(0)}/{hour(0, 0)}"


@pytest.fixture
def account(azure):
    """An account with values of two shares."""
    azure.account()
    azure.arm.metrics("homes", "FileCapacity", {hour(0): 100, hour(1): 300}, "home")
    azure.arm.metrics("homes", "FileCapacity", {hour(1): 7}, "other")
    azure.arm.metrics("homes", "Transactions", {hour(1): 2, hour(5): 3, hour(0, -1): 4}, "home")
    azure.arm.metrics("homes", "Transactions", {hour(2): 10})
    return azure


def ask(azure, metric, status=200, **query):
    path = f"{azure.account_id()}/fileServices/default/providers/Microsoft.Insights/metrics"
    values = {"api-version": API, "metricnames": metric, "timespan": SPAN, "interval": "PT1H", **query}
    answer = azure.wire.get(path, params=values)
    assert answer.status_code == status
    return answer.json()


def only_series(answer):
    (value,) = answer["value"]
    (series,) = value["timeseries"]
    return series


def with_values(series, aggregation):
    return {point["timeStamp"]: point[aggregation] for point in series["data"] if aggregation in point}


def test_shape(account):
    answer = ask(account, "filecapacity", aggregation="Average", **{"$filter": "FileShare eq 'home'"})

    assert (answer["timespan"], answer["interval"], answer["resourceregion"]) == (SPAN, "PT1H", "westus2")
    (value,) = answer["value"]
    assert value["id"].endswith("/fileServices/default/providers/Microsoft.Insights/metrics/FileCapacity")
    assert (value["type"], value["unit"]) == ("Microsoft.Insights/metrics", "Bytes")
    assert value["name"] == {"value": "FileCapacity", "localizedValue": "File Capacity"}
    series = only_series(answer)
    assert series["metadatavalues"] == [
        {"name": {"value": "fileshare", "localizedValue": "fileshare"}, "value": "home"}
    ]
    assert len(series["data"]) == 48
    assert series["data"][2] == {"timeStamp": hour(2)}
    assert with_values(series, "average") == {hour(0): 100, hour(1): 300}


def test_transactions_add_up_by_the_day(account):
    mine = ask(account, "Transactions", interval="P1D", **{"$filter": "FileShare eq 'home'"})
    together = ask(account, "Transactions", interval="P1D")

    assert with_values(only_series(mine), "total") == {hour(0): 5, hour(0, -1): 4}
    assert with_values(only_series(together), "total") == {hour(0): 15, hour(0, -1): 4}
    assert only_series(together)["metadatavalues"] == []


def test_the_dimension(account):
    def shares(text, **query):
        (value,) = ask(account, "FileCapacity", **{"$filter": text}, **query)["value"]
        return [series["metadatavalues"][0]["value"] for series in value["timeseries"]]

    assert shares("FileShare eq '*'") == ["home", "other"]
    assert shares("FileShare eq '*'", top=1) == ["home"]
    assert shares("FileShare eq 'other' or FileShare eq 'home'") == ["home", "other"]
    assert shares("FileShare eq 'nobody'") == []
    assert shares("FileShare eq 'home'", timespan=f"{hour(0, -30)}/{hour(0, -29)}") == []
    assert with_values(only_series(ask(account, "FileCapacity")), "average") == {hour(0): 100, hour(1): 307}


@pytest.mark.parametrize(
    ("metric", "query", "words"),
    [
        ("FileCapacity", {"interval": "P1D"}, "Commonly allowed time grains: 01:00:00 between metrics: FileCapacity"),
        ("Transactions", {"interval": "PT3M"}, "00:01:00,00:05:00,00:15:00,00:30:00,01:00:00,06:00:00,12:00:00,1.00"),
        ("UsedCapacity", {}, "resource Type: storageAccounts/fileServices, metric: UsedCapacity, Valid metrics: FileC"),
        ("Transactions", {"$filter": "Share eq 'home'"}, "does not support requested dimension combination: share"),
        ("Transactions", {"timespan": "yesterday"}, "invalid time interval"),
    ],
)
def test_what_it_does_not_take(account, metric, query, words):
    answer = ask(account, metric, 400, **query)
    assert answer["code"] == "BadRequest" and words in answer["message"]


def test_what_is_missing_has_no_metrics(azure):
    assert ask(azure, "Transactions", 404)["error"]["code"] == "ResourceNotFound"


def test_values_are_kept_for_93_days_and_go_with_the_account(account):
    old, young = hour(0, -93), hour(0, -92)
    account.arm.metrics("homes", "Transactions", {old: 1, young: 1}, "home")
    span = f"{old}/{hour(0, 0)}"
    assert list(with_values(only_series(ask(account, "Transactions", timespan=span)), "total")) == [young, hour(2)]

    account.wire.delete(account.account_id())
    account.account()
    assert with_values(only_series(ask(account, "Transactions")), "total") == {}


def test_series_of_nothing_are_refused(account):
    for name, metric in (("nobody", "Transactions"), ("homes", "Weather")):
        with pytest.raises(LabError, match="400"):
            account.arm.metrics(name, metric, {hour(0): 1})
    with pytest.raises(LabError, match="400"):
        account.arm.metrics("homes", "Transactions", {"yesterday": 1})
