# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Days and values out of Azure Monitor's answers."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import metrics
from ansible_collections.azlin.storage.plugins.module_utils._azure.metrics import CAPACITY, TRANSACTIONS
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

MOMENT = datetime.datetime(2026, 3, 1, 23, 59, 59, tzinfo=datetime.timezone.utc)
DAYS = metrics.days_until(MOMENT, 3)


def answer(metric, *series):
    """An answer of the API with series of (time, value or None)."""
    return {
        "value": [
            {
                "name": {"value": metric.name, "localizedValue": "..."},
                "timeseries": [
                    {
                        "metadatavalues": [],
                        "data": [
                            {"timeStamp": time} if value is None else {"timeStamp": time, metric.aggregation: value}
                            for time, value in points
                        ],
                    }
                    for points in series
                ],
            }
        ]
    }


def test_the_last_day_is_today():
    assert [day.isoformat()[:10] for day in DAYS] == ["2026-02-27", "2026-02-28", "2026-03-01"]
    assert metrics.days_until(MOMENT, 1)[0].isoformat() == "2026-03-01T00:00:00+00:00"


def test_a_day_has_its_largest_value():
    points = [
        ("2026-02-27T00:00:00Z", 5.0),
        ("2026-02-27T01:00:00Z", 7.6),
        ("2026-02-27T02:00:00Z", None),
        ("2026-02-27T23:00:00Z", 2.0),
        ("2026-02-28T00:00:00Z", None),
        ("2026-03-01T00:00:00Z", 0.0),
    ]
    assert metrics.daily(answer(CAPACITY, points), CAPACITY, DAYS) == [8, None, 0]


@pytest.mark.parametrize(
    "said",
    [
        None,
        {},
        {"value": []},
        answer(CAPACITY),
        answer(TRANSACTIONS, [("2026-03-01T00:00:00Z", 1.0)]),
        answer(CAPACITY, [("2026-03-01T00:00:00Z", 1.0)], [("2026-03-01T00:00:00Z", 2.0)]),
        answer(CAPACITY, [("2026-03-02T00:00:00Z", 1.0)]),
    ],
    ids=["no file service", "empty", "no metric", "no series", "another metric", "two series", "another day"],
)
def test_what_azure_does_not_say_is_unknown(said):
    assert metrics.daily(said, CAPACITY, DAYS) == [None, None, None]


def test_an_account_that_was_left_alone_says_so_of_its_shares():
    own = answer(TRANSACTIONS, [("2026-02-27T00:00:00Z", 3.0)])
    whole = [("2026-02-27T00:00:00Z", 9.0), ("2026-02-28T00:00:00Z", 0.0), ("2026-03-01T00:00:00Z", 4.0)]
    answers = {
        (CAPACITY, "home"): answer(CAPACITY),
        (TRANSACTIONS, "home"): own,
        (TRANSACTIONS, None): answer(TRANSACTIONS, whole),
    }
    assert metrics.history(answers, "home", DAYS) == {
        "used": [{"time": f"{day}T00:00:00Z", "bytes": None} for day in ("2026-02-27", "2026-02-28", "2026-03-01")],
        "transactions": [
            {"time": "2026-02-27T00:00:00Z", "count": 3},
            {"time": "2026-02-28T00:00:00Z", "count": 0},
            {"time": "2026-03-01T00:00:00Z", "count": None},
        ],
    }


@pytest.mark.parametrize("days", [0, -1, 91])
def test_numbers_of_days_that_azure_cannot_answer_for(days):
    with pytest.raises(AzlinError) as error:
        metrics.check_days(days)
    assert error.value.error_code == "invalid_argument" and str(days) in error.value.msg


@pytest.mark.parametrize("days", [None, 1, 90])
def test_numbers_of_days_that_it_can(days):
    metrics.check_days(days)
