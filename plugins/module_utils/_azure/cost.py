# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What storages, and the machines beside them, cost a month, as an estimate; what is not known is null. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from ansible_collections.azlin.storage.plugins.module_utils._azure.prices import HOURS_PER_MONTH
from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V2

STORAGE = "provisioned storage"
ENDPOINTS = "private endpoints"


@dataclass(frozen=True)
class Billed:
    """What Azure bills of a share, whether it is used or not; None for what is unknown."""

    billing_model: str | None
    redundancy: str | None
    location: str
    size_gib: int | None
    iops: int | None = None
    throughput_mib: int | None = None
    paid_bursting: bool = False
    private_endpoints: int = 0


def estimate(billed, price_list):
    """Return ``{monthly, currency, source, parts}``; the parts add up to the sum.

    On provisioned v1 IOPS and throughput come with the size; on provisioned v2 each is billed by itself, less a free
    part of which Azure does not document how much it is, so that all of it is counted. Snapshots,
    soft-deleted data and traffic through endpoints are not part of the estimate. Source: Azure docs,
    understanding-billing; the meters "Free" of the retail price list.
    """
    parts = [_item(STORAGE, "GiB", billed.size_gib, _price(price_list, billed, "storage"))]
    if billed.billing_model == V2:
        parts += [
            _item("provisioned IOPS", "IOPS", billed.iops, _price(price_list, billed, "iops")),
            _item("provisioned throughput", "MiB/s", billed.throughput_mib, _price(price_list, billed, "throughput")),
        ]
    if billed.paid_bursting:
        # Billed by the transactions and bytes above the baseline, which nobody knows beforehand.
        parts.append(_item("paid bursting", "use", None, None))
    if billed.private_endpoints:
        parts.append(_item(ENDPOINTS, "endpoint", billed.private_endpoints, price_list.private_endpoint))
    return {
        "monthly": _sum(part["monthly"] for part in parts),
        "currency": price_list.currency,
        "source": price_list.source,
        "parts": parts,
    }


def at_size(estimated, size_gib):
    """An estimate as it would be for another size at the same prices."""
    parts = [
        _item(part["name"], part["unit"], size_gib, _decimal(part["unit_price"])) if part["name"] == STORAGE else part
        for part in estimated["parts"]
    ]
    return {**estimated, "monthly": _sum(part["monthly"] for part in parts), "parts": parts}


def for_days(monthly, days):
    """What so many days of a monthly cost come to; None if it is unknown."""
    return None if monthly is None else _rounded(_decimal(monthly) * 24 * days / HOURS_PER_MONTH)


def totals(storages, currency):
    """What several storages cost together: in all, and by resource group.

    Endpoints belong to an account and are counted once, however many shares it has.
    """
    groups = {}
    for storage in storages:
        groups.setdefault(storage["resource_group"].lower(), []).append(storage)
    return {
        **_total(storages, currency),
        "resource_groups": [
            {"resource_group": members[0]["resource_group"], **_total(members, currency)}
            for _name, members in sorted(groups.items())
        ],
    }


def of_machines(machines, complete, storage_monthly):
    """What virtual machines cost together, and how much the storages are of both.

    :param machines: what there is to say of each, with its ``price`` for a month, a Decimal or None.
    :param complete: whether these are all machines with homes on the storages.
    :param storage_monthly: what the storages cost, or None.
    """
    priced = [
        {**{key: value for key, value in machine.items() if key != "price"}, "monthly": _amount(machine["price"])}
        for machine in machines
    ]
    known = [machine["monthly"] for machine in priced if machine["monthly"] is not None]
    monthly = _sum(known) if complete and len(known) == len(priced) else None
    both = None if None in (monthly, storage_monthly) else monthly + storage_monthly
    return {
        "machines": priced,
        "unknown": len(priced) - len(known),
        "monthly": monthly,
        "known_monthly": _sum(known),
        "storage_percent": round(100 * storage_monthly / both, 1) if both else None,
    }


def _total(storages, currency):
    accounts, known, unknown = set(), [], 0
    for storage in storages:
        costs = [
            part["monthly"]
            for part in storage["cost"]["parts"]
            if part["name"] != ENDPOINTS or storage["id"].lower() not in accounts
        ]
        accounts.add(storage["id"].lower())
        known += [cost for cost in costs if cost is not None]
        unknown += None in costs
    return {
        "storages": len(storages),
        "unknown": unknown,
        "monthly": _sum(known) if not unknown else None,
        "known_monthly": _sum(known),
        "currency": currency,
    }


def _price(price_list, billed, meter):
    return price_list.monthly(billed.location, billed.billing_model, billed.redundancy, meter)


def _item(name, unit, quantity, unit_price):
    known = quantity is not None and unit_price is not None
    return {
        "name": name,
        "quantity": quantity,
        "unit": unit,
        "unit_price": None if unit_price is None else float(unit_price),
        "monthly": _amount(quantity * unit_price if known else None),
    }


def _sum(amounts):
    """The sum of rounded amounts; unknown as soon as one of them is."""
    amounts = list(amounts)
    return None if None in amounts else _rounded(sum(map(_decimal, amounts), Decimal(0)))


def _decimal(number):
    return None if number is None else Decimal(str(number))


def _amount(price):
    return None if price is None else _rounded(price)


def _rounded(amount):
    """A Decimal as people pay it; the only place where money is rounded."""
    return float(amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))
