# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure Monitor remembers of shares: how much was used and how many requests there were, day by day.

Sources: Azure docs, supported metrics of Microsoft.Storage/storageAccounts/fileServices (names, aggregations, the
dimension FileShare, grains), REST reference of Azure Monitor, "Metrics - List", and "Azure Monitor Metrics overview"
(kept for 93 days).

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ansible_collections.azlin.storage.plugins.module_utils._azure import observe, wire
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

MAX_DAYS = 90
_API_VERSION = "2018-01-01"


@dataclass(frozen=True)
class Metric:
    """A metric with the aggregation that means something for it, and the grain to ask for."""

    name: str
    aggregation: str
    interval: str


# Azure has this metric by the hour only, and answers any other grain with an error.
CAPACITY = Metric("FileCapacity", "average", "PT1H")
TRANSACTIONS = Metric("Transactions", "total", "P1D")


def check_days(value):
    """Raise for a ``history_days`` that Azure Monitor cannot answer for; None asks for none."""
    if value is not None and not 1 <= value <= MAX_DAYS:
        raise invalid(
            "history_days",
            value,
            f"Azure Monitor answers for 1 to {MAX_DAYS} days (it keeps metrics for 93)",
            f"Use a number from 1 to {MAX_DAYS}.",
        )


def days_until(moment, count):
    """The starts of ``count`` days in UTC, the oldest first; the last is the day of ``moment``."""
    today = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return [today - timedelta(days=ago) for ago in reversed(range(count))]


def calls(azure, account_id, shares, days):
    """What to ask about some shares of an account, by (metric, share); a share of None stands for the account."""
    return {
        (TRANSACTIONS, None): _call(azure, account_id, TRANSACTIONS, days, None),
        **{
            (metric, share): _call(azure, account_id, metric, days, share)
            for share in shares
            for metric in (CAPACITY, TRANSACTIONS)
        },
    }


def _call(azure, account_id, metric, days, share):
    resource = f"{account_id}/fileServices/default/providers/Microsoft.Insights/metrics"
    get = azure.resources().resources.get_by_id
    query = _query(metric, days, share)
    return lambda: observe.read("the metrics", get, resource, api_version=_API_VERSION, params=query)


def _query(metric, days, share):
    query = {
        "metricnames": metric.name,
        "aggregation": metric.aggregation,
        "interval": metric.interval,
        "timespan": f"{_text(days[0])}/{_text(days[-1] + timedelta(days=1))}",
    }
    return query if share is None else {**query, "$filter": f"FileShare eq '{share}'"}


def history(answers, share, days):
    """``{used, transactions}`` of a share from the answers to :func:`calls`; what Azure does not say is None."""
    used = daily(answers[CAPACITY, share], CAPACITY, days)
    own = daily(answers[TRANSACTIONS, share], TRANSACTIONS, days)
    # Azure has no series for a share that nobody asked anything of; that the whole account was left alone says so too.
    together = daily(answers[TRANSACTIONS, None], TRANSACTIONS, days)
    counts = [0 if one is None and total == 0 else one for one, total in zip(own, together)]
    return {
        "used": [{"time": _text(day), "bytes": value} for day, value in zip(days, used)],
        "transactions": [{"time": _text(day), "count": value} for day, value in zip(days, counts)],
    }


def daily(answer, metric, days):
    """One whole number for each day, the largest of its values; None for a day without any."""
    values = {}
    for day, value in _points(answer, metric):
        values[day] = max(value, values.get(day, value))
    return [None if values.get(_text(day)[:10]) is None else round(values[_text(day)[:10]]) for day in days]


def _points(answer, metric):
    """Pairs of the date and the value of each point that has one.

    What was asked for is one series; if there are more, nobody knows which of them is meant.
    """
    for found in (answer or {}).get("value") or []:
        series = found.get("timeseries") or []
        if wire.dig(found, "name", "value") == metric.name and len(series) == 1:
            for point in series[0].get("data") or []:
                if point.get(metric.aggregation) is not None:
                    yield point["timeStamp"][:10], point[metric.aggregation]


def _text(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
