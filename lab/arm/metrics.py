# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Monitor's metrics of a file service: values by the hour that the control path set, and no others.

Azure collects values by itself; here, a moment for which none was set has none. Sources: Azure docs, supported metrics
of Microsoft.Storage/storageAccounts/fileServices, REST reference of Azure Monitor, "Metrics - List"; its texts of
errors as clients met them.
"""

from __future__ import annotations

import datetime
import re
import typing

from lab.arm import errors
from lab.arm.cloud import Answer, Call, Cloud
from lab.arm.errors import ArmError, FlatError
from lab.arm.exports import ACCOUNTS
from lab.arm.shares import SERVICES
from lab.arm.store import Record, now

SUFFIX = re.compile(r"/providers/Microsoft\.Insights/metrics/?$", re.IGNORECASE)
GRAINS = {
    "PT1M": datetime.timedelta(minutes=1),
    "PT5M": datetime.timedelta(minutes=5),
    "PT15M": datetime.timedelta(minutes=15),
    "PT30M": datetime.timedelta(minutes=30),
    "PT1H": datetime.timedelta(hours=1),
    "PT6H": datetime.timedelta(hours=6),
    "PT12H": datetime.timedelta(hours=12),
    "P1D": datetime.timedelta(days=1),
}
# Name -> unit, aggregation, grains.
METRICS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "FileCapacity": ("Bytes", "average", ("PT1H",)),
    "Transactions": ("Count", "total", tuple(GRAINS)),
}
RETENTION = datetime.timedelta(days=93)
# How many series an answer has unless the request says otherwise.
TOP = 10
# The key of values that belong to the account and to no share of it.
ACCOUNT = ""
Values = dict[datetime.datetime, float]


def set_series(cloud: Cloud, account: str, metric: str, share: str | None, points: dict[str, float]) -> None:
    """Set values by hour (their sum or average in it), of a share or of what an account has besides its shares."""
    if metric not in METRICS:
        raise ValueError(f"metric {metric} is not one of {', '.join(METRICS)}")
    found = [record for record in cloud.store.all(ACCOUNTS) if record["name"] == account]
    if not found:
        raise ValueError(f"there is no account {account}")
    for moment in points:
        _moment(moment)
    found[0]["lab"].setdefault("metrics", {}).setdefault(metric, {})[share or ACCOUNT] = dict(points)


def list_metrics(call: Call) -> Answer:
    """The values of metrics in a time, as one series, or as one for each share that the filter admits."""
    if call.method != "GET":
        raise ArmError(405, "UnsupportedHttpMethod", f"The resource does not support http method '{call.method}'.")
    account = call.store.get(call.target.root.id)
    if account is None:
        raise errors.resource_not_found(call.target.root)
    query = {name.lower(): value for name, value in call.query.items()}
    wanted = _metrics(call, query)
    interval = query.get("interval", "PT1M")
    _check_grain(interval, wanted)
    start, end = _timespan(query)
    shares = _shares(query.get("$filter"), wanted)
    top = int(query.get("top", TOP))
    value = []
    for name in wanted:
        known = _known(account, name)
        if shares is None:
            series = [_series(name, [], _together(known), interval, start, end)]
        else:
            named = sorted(share for share in known if share != ACCOUNT and (not shares or share in shares))
            every = [_series(name, [share], known[share], interval, start, end) for share in named]
            # There is no series for a share that has no value in the time.
            series = [one for one in every if any(len(point) > 1 for point in one["data"])][:top]
        value.append(_described(call, name, series))
    return Answer(
        200,
        {
            "cost": 0,
            "timespan": f"{_text(start)}/{_text(end)}",
            "interval": interval,
            "value": value,
            "namespace": SERVICES,
            "resourceregion": account["location"],
        },
    )


def _metrics(call: Call, query: dict[str, str]) -> list[str]:
    """The metrics asked for, in Azure's spelling."""
    spelt = {name.lower(): name for name in METRICS} if call.target.type == SERVICES else {}
    wanted = [name for name in query.get("metricnames", "").split(",") if name]
    strange = [name for name in wanted if name.lower() not in spelt]
    if strange or not wanted:
        provider, _slash, kind = call.target.type.partition("/")
        raise _bad_request(
            f"Failed to find metric configuration for provider: {provider}, resource Type: {kind}, metric: "
            f"{','.join(strange)}, Valid metrics: {','.join(spelt.values())}"
        )
    return [spelt[name.lower()] for name in wanted]


def _check_grain(interval: str, wanted: list[str]) -> None:
    allowed = [grain for grain in GRAINS if all(grain in METRICS[name][2] for name in wanted)]
    if interval not in GRAINS:
        raise _bad_request(f"Invalid time grain duration: {interval}, supported ones are: {_spans(GRAINS)}")
    if interval not in allowed:
        raise _bad_request(
            f"Commonly allowed time grains: {_spans(allowed)} between metrics: {','.join(wanted)}, can not support "
            f"requested time grain: {_spans([interval])}"
        )


def _spans(grains: typing.Iterable[str]) -> str:
    """Grains as .NET writes them."""
    found = []
    for grain in grains:
        minutes = int(GRAINS[grain].total_seconds()) // 60
        days = f"{minutes // 1440}." if minutes >= 1440 else ""
        found.append(f"{days}{minutes // 60 % 24:02}:{minutes % 60:02}:00")
    return ",".join(found)


def _timespan(query: dict[str, str]) -> tuple[datetime.datetime, datetime.datetime]:
    text = query.get("timespan")
    if text is None:
        return now() - datetime.timedelta(hours=1), now()
    try:
        start, end = (_moment(part) for part in text.split("/"))
    except ValueError:
        raise _bad_request(f"Detected invalid time interval input: {text}") from None
    if end <= start:
        raise _bad_request(f"Detected invalid time interval input: {text}")
    return start, end


def _shares(text: str | None, wanted: list[str]) -> set[str] | None:
    """The shares that a filter admits: None without a filter, an empty set for all of them."""
    if text is None:
        return None
    admitted = set()
    for term in re.split(r"\s+or\s+", text.strip()):
        match = re.fullmatch(r"(\w+)\s+eq\s+'([^']*)'", term)
        if match is None:
            raise _bad_request(f"Invalid $filter: {text}")
        if match.group(1).lower() != "fileshare":
            raise _bad_request(
                f"Metric: {wanted[0]} does not support requested dimension combination: {match.group(1).lower()}, "
                "supported ones are: FileShare"
            )
        admitted.add(match.group(2))
    return set() if "*" in admitted else admitted


def _known(account: Record, name: str) -> dict[str, Values]:
    """The values by share that are not too old."""
    oldest = now() - RETENTION
    series = account["lab"].get("metrics", {}).get(name, {})
    return {
        share: {_moment(text): value for text, value in points.items() if _moment(text) >= oldest}
        for share, points in series.items()
    }


def _together(known: dict[str, Values]) -> Values:
    total: Values = {}
    for points in known.values():
        for moment, value in points.items():
            total[moment] = total.get(moment, 0) + value
    return total


def _series(
    name: str,
    shares: list[str],
    values: Values,
    interval: str,
    start: datetime.datetime,
    end: datetime.datetime,
) -> dict:
    """A point for every interval from the start on; one without a value has none."""
    aggregation, step = METRICS[name][1], GRAINS[interval]
    inside: dict[int, list[float]] = {}
    for moment, value in values.items():
        inside.setdefault((moment - start) // step, []).append(value)
    data = []
    for index in range(-((start - end) // step)):
        point: dict = {"timeStamp": _text(start + index * step)}
        if index in inside:
            point[aggregation] = sum(inside[index]) / (len(inside[index]) if aggregation == "average" else 1)
        data.append(point)
    about = [{"name": {"value": "fileshare", "localizedValue": "fileshare"}, "value": share} for share in shares]
    return {"metadatavalues": about, "data": data}


def _described(call: Call, name: str, series: list[dict]) -> dict:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {
        "id": f"{call.target.id}/providers/Microsoft.Insights/metrics/{name}",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": name, "localizedValue": words},
        "unit": METRICS[name][0],
        "timeseries": series,
        "errorCode": "Success",
    }


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)


def _text(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bad_request(message: str) -> FlatError:
    return FlatError(400, "BadRequest", message)
