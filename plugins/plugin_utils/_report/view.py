# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of a report shows, in the order in which it shows it. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from collections import Counter
from datetime import timedelta, timezone

from ansible_collections.azlin.storage.plugins.module_utils._azure import cost
from ansible_collections.azlin.storage.plugins.module_utils._common import trend
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB
from ansible_collections.azlin.storage.plugins.plugin_utils._report import attention, charts, mounts, words

# Costs are projected so far ahead, with shares grown so that no more than this percentage is used then.
AHEAD_DAYS, AHEAD_PERCENT = 30, attention.WARNING_PERCENT
# So many storages are shown open, the first ones, which need attention most.
_OPEN = 5
_SHOWN_STATES = (mounts.PROBLEM, mounts.UNKNOWN, mounts.HEALTHY)


def page(storages, told, title, moment):
    """Return what the template shows.

    :param storages: as azlin_storage_info returns them, each with ``history``.
    :param told: host -> result of azlin_nfs_home_info, or None if no host was asked.
    :param moment: when that was, with a time zone.
    """
    hosts = mounts.Hosts(told, storages)
    views = [_storage(storage, hosts.of_storage(storage), moment) for storage in storages]
    tiles = _tiles(storages, [view["projected"] for view in views])
    views.sort(key=lambda view: view["order"])
    for number, view in enumerate(views, 1):
        view.update(id=f"storage-{number}", open=number <= _OPEN)
    return {
        "title": title,
        "time": moment.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "tiles": tiles,
        "storages": views,
        "levels": Counter(view["level"] for view in views),
        "hosts_asked": told is not None,
        "ahead_days": AHEAD_DAYS,
        "ahead_percent": AHEAD_PERCENT,
        "window_days": trend.WINDOW_DAYS,
        "least_days": trend.LEAST_DAYS,
    }


def _storage(storage, mounted, moment):
    history = storage.get("history") or {"used": [], "transactions": []}
    size_bytes = None if storage["size_gib"] is None else storage["size_gib"] * GIB
    growth = trend.growth(history["used"])
    days = trend.days_until_full(storage["used_bytes"], size_bytes, growth)
    projected = project(storage, growth)
    notices = attention.notices(storage, days, mounted)
    level = attention.level(notices)
    states = Counter(mount["state"] for mount in mounted)
    machines = storage["attached_vms"]
    return {
        **{key: storage[key] for key in ("name", "share", "resource_group", "location", "sku", "nfs_endpoint")},
        "managed": storage["managed"],
        "tags": sorted(storage["tags"].items()),
        "level": level,
        "notices": notices,
        "order": _order(storage, level, days),
        "size": words.size(storage["size_gib"]),
        "used": words.gib(storage["used_bytes"]),
        "used_bytes": storage["used_bytes"],
        "percent": storage["utilization_percent"],
        "use_level": attention.of_use(storage),
        "utilization": words.percent(storage["utilization_percent"]),
        "growth": words.growth(growth),
        "bytes_a_day": growth,
        "days": days,
        "full_in": words.days(days, growth),
        "monthly": storage["cost"]["monthly"],
        "cost": words.money(storage["cost"]["monthly"], storage["cost"]["currency"]),
        "cost_source": storage["cost"]["source"],
        "projected": projected,
        "projected_cost": words.money(projected["monthly"], projected["currency"]),
        "machines": None if machines is None else len({machine["id"].lower() for machine in machines}),
        "mounts": mounted,
        "mount_states": [(state, states[state]) for state in _SHOWN_STATES if states[state]],
        "mount_order": sum(states.values()) - states[mounts.HEALTHY] if mounted else None,
        "find": _find(storage, mounted),
        **_drawn(storage, history, size_bytes, growth, moment),
    }


def _find(storage, mounted):
    """What a search looks in."""
    told = [storage[key] for key in ("name", "share", "resource_group", "location", "sku")]
    told += [f"{key}:{value}" for key, value in storage["tags"].items()]
    told += [word for mount in mounted for word in (mount["machine"], mount["user"])]
    return " ".join(map(str, told)).lower()


def project(storage, bytes_a_day):
    """The estimate of the cost in AHEAD_DAYS, if the share is then as big as its use needs it to be.

    What is provisioned is billed, used or not: without growth beyond AHEAD_PERCENT the cost stays what it is.
    """
    needed = trend.size_needed_gib(storage["used_bytes"], storage["size_gib"], bytes_a_day, AHEAD_DAYS, AHEAD_PERCENT)
    return cost.at_size(storage["cost"], needed)


def _order(storage, level, days):
    """The worst level first, then what is full soonest, then what is fullest."""
    far = float("inf")
    percent = storage["utilization_percent"]
    return (
        attention.LEVELS.index(level),
        far if days is None else days,
        far if percent is None else -percent,
        storage["name"],
        storage["share"],
    )


def _drawn(storage, history, size_bytes, growth, moment):
    """The charts of a storage, None where nothing is known, and their numbers."""
    used = [(one["time"][:10], one["bytes"]) for one in history["used"]]
    counts = {one["time"][:10]: one["count"] for one in history["transactions"]}
    known = [value for _date, value in used if value is not None]
    # Today is not over: half a day would look like a fall.
    whole = {date: value for date, value in counts.items() if date < moment.strftime("%Y-%m-%d")}
    known_counts = [value for value in whole.values() if value is not None]
    average = sum(known_counts) / len(known_counts) if known_counts else None
    dates = sorted({date for date, _value in used} | set(counts))
    used_on = dict(used)
    forecast = _forecast(storage, growth, moment)
    return {
        "days_shown": [(date, words.gib(used_on.get(date)), words.count(counts.get(date))) for date in dates],
        "transactions": words.count(average),
        "transactions_a_day": average,
        "forecast": bool(forecast),
        "use_chart": charts.use(_short(used), size_bytes, forecast, _use_label(used, storage)) if known else None,
        "use_spark": charts.spark(used, size_bytes) if known else None,
        "transactions_chart": charts.transactions(_short(whole.items()), _transactions_label(whole, average))
        if known_counts
        else None,
    }


def _short(pairs):
    """Dates without their year, which is too long for an axis."""
    return [(date[5:], value) for date, value in pairs]


def _forecast(storage, growth, moment):
    """The use of the next days where it grows, from what is used now."""
    if storage["used_bytes"] is None or growth is None or growth <= 0:
        return []
    return [
        ((moment + timedelta(days=day)).strftime("%m-%d"), storage["used_bytes"] + day * growth)
        for day in range(1, AHEAD_DAYS + 1)
    ]


def _use_label(used, storage):
    known = [(date, value) for date, value in used if value is not None]
    (first, at_first), (last, at_last) = known[0], known[-1]
    gaps = len(used) - len(known)
    unknown = f" {gaps} days are unknown." if gaps else ""
    return (
        f"Use of {storage['name']}/{storage['share']}: {words.gib(at_first)} on {first}, {words.gib(at_last)} on "
        f"{last}, of {words.size(storage['size_gib'])}.{unknown}"
    )


def _transactions_label(counts, average):
    most = max((value, date) for date, value in counts.items() if value is not None)
    gaps = sum(value is None for value in counts.values())
    unknown = f" {gaps} days are unknown." if gaps else ""
    return (
        f"Transactions: {words.count(average)} a day on average, at most {words.count(most[0])} on {most[1]}.{unknown}"
    )


def _tiles(storages, projections):
    """Pairs of a heading and a sum over all storages."""
    tiles = [("Storages", words.count(len(storages)))]
    if not storages:
        return tiles
    later = [{**storage, "cost": projected} for storage, projected in zip(storages, projections)]
    # One query has one currency.
    currency = storages[0]["cost"]["currency"]
    return [
        *tiles,
        ("Used", words.total([storage["used_bytes"] for storage in storages], words.gib)),
        ("Provisioned", words.total([storage["size_gib"] for storage in storages], words.size)),
        ("Cost a month", words.total_cost(cost.totals(storages, currency))),
        (f"Cost a month in {AHEAD_DAYS} days", words.total_cost(cost.totals(later, currency))),
    ]
