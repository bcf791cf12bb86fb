# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimates of costs: what is billed, sums with unknown parts, units of the price list."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import cost, prices, result, retail
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from tests.unit.azure import builders as make

DAY = datetime.date(2026, 11, 26)
V2 = ("westus2", "provisioned_v2", "LRS")
PRICES = prices.PriceList(
    "EUR",
    "price API, 2026-11-26",
    {(*V2, "storage"): Decimal("0.1"), (*V2, "iops"): Decimal("0.02"), (*V2, "throughput"): Decimal("0.05")},
    Decimal("7.3"),
)


def billed(**changes):
    values = {"billing_model": "provisioned_v1", "redundancy": "LRS", "location": "westus2", "size_gib": 500}
    return cost.Billed(**{**values, **changes})


def v2(**changes):
    return billed(billing_model="provisioned_v2", **{"iops": 3500, "throughput_mib": 150, **changes})


def estimate(price_list=None, **changes):
    return cost.estimate(billed(**changes), price_list or prices.built_in())


@pytest.mark.parametrize(
    ("redundancy", "location", "endpoints", "monthly"),
    [
        ("LRS", "westus2", 0, 80.0),
        ("ZRS", "westus2", 1, 107.3),
        ("LRS", "atlantis", 1, None),
        ("GRS", "westus2", 0, None),
    ],
)
def test_provisioned_v1_from_the_table(redundancy, location, endpoints, monthly):
    found = estimate(redundancy=redundancy, location=location, private_endpoints=endpoints)
    assert (found["monthly"], found["currency"]) == (monthly, "USD")
    assert found["source"] == f"built-in table of {prices.DATE}"


def test_provisioned_v2_pays_for_size_iops_and_throughput():
    found = cost.estimate(v2(private_endpoints=2), PRICES)
    assert [(part["name"], part["monthly"]) for part in found["parts"]] == [
        ("provisioned storage", 50.0),
        ("provisioned IOPS", 70.0),
        ("provisioned throughput", 7.5),
        ("private endpoints", 14.6),
    ]
    assert found["monthly"] == 142.1
    assert (found["currency"], found["source"]) == ("EUR", "price API, 2026-11-26")


@pytest.mark.parametrize("unknown", ["size_gib", "iops", "throughput_mib"])
def test_one_unknown_quantity_makes_the_sum_unknown(unknown):
    found = cost.estimate(v2(**{unknown: None}), PRICES)
    assert found["monthly"] is None
    assert [part["monthly"] for part in found["parts"]].count(None) == 1


def test_the_table_has_no_prices_of_provisioned_v2_and_of_other_currencies():
    assert cost.estimate(v2(), prices.built_in())["monthly"] is None
    euros = prices.built_in("EUR")
    assert estimate(euros, private_endpoints=1)["monthly"] is None
    assert "EUR" in euros.problem and prices.built_in().problem is None


def test_paid_bursting_makes_the_sum_unknown_and_is_seen_in_the_share():
    assert estimate(paid_bursting=True)["monthly"] is None
    present = make.complete()
    present.share["properties"]["fileSharePaidBursting"] = {"paidBurstingEnabled": True}
    found = result.storage(present.account, present.file_service, present.share, [], ())
    assert [part["name"] for part in found["cost"]["parts"]][1] == "paid bursting"
    assert found["cost"]["monthly"] is None


def test_rounded_parts_add_up():
    price_list = prices.PriceList(meters={("westus2", "provisioned_v1", "LRS", "storage"): Decimal("0.33335")})
    found = estimate(price_list, size_gib=100)
    assert [part["monthly"] for part in found["parts"]] == [33.34] and found["monthly"] == 33.34


def listed(name, group="team", share="home", **changes):
    return {
        "id": f"/{name}",
        "resource_group": group,
        "share": share,
        "cost": estimate(**{"private_endpoints": 1, **changes}),
    }


def test_totals_by_resource_group_count_an_endpoint_once():
    found = cost.totals([listed("a"), listed("a", group="Team", share="projects"), listed("b", group="other")], "USD")
    assert (found["storages"], found["unknown"], found["monthly"]) == (3, 0, 254.6)
    assert [(one["resource_group"], one["monthly"]) for one in found["resource_groups"]] == [
        ("other", 87.3),
        ("team", 167.3),
    ]


def test_totals_say_what_is_unknown():
    found = cost.totals([listed("a"), listed("b", location="atlantis")], "USD")
    assert (found["unknown"], found["monthly"], found["known_monthly"]) == (1, None, 94.6)
    assert cost.totals([], "USD")["monthly"] == 0.0


def machine(name, price):
    return {"name": name, "price": None if price is None else Decimal(price)}


@pytest.mark.parametrize(
    ("prices_of", "complete", "storage", "unknown", "monthly", "known", "percent"),
    [
        (["30.368", "140.16"], True, 42.63, 0, 170.53, 170.53, 20.0),
        (["30.368", None], True, 42.63, 1, None, 30.37, None),
        (["30.368"], False, 42.63, 0, None, 30.37, None),
        (["30.368"], True, None, 0, 30.37, 30.37, None),
        ([], True, 0.0, 0, 0.0, 0.0, None),
    ],
)
def test_machines_beside_storages(prices_of, complete, storage, unknown, monthly, known, percent):
    machines = [machine(f"worker-{number}", price) for number, price in enumerate(prices_of)]
    found = cost.of_machines(machines, complete, storage)
    assert [one["monthly"] is None for one in found["machines"]] == [price is None for price in prices_of]
    assert all("price" not in one for one in found["machines"])
    assert (found["unknown"], found["monthly"], found["known_monthly"]) == (unknown, monthly, known)
    assert found["storage_percent"] == percent


def item(**changes):
    return {
        "currencyCode": "USD",
        "type": "Consumption",
        "tierMinimumUnits": 0.0,
        "retailPrice": 0.2,
        "armRegionName": "westus2",
        "productName": "Premium Files",
        "skuName": "Premium LRS",
        "meterName": "Premium LRS Provisioned",
        "unitOfMeasure": "1 GiB/Month",
        **changes,
    }


def price_of(*items):
    found = retail._price_list(list(items), [make.account()], "USD", DAY)
    return found.monthly("westus2", "provisioned_v1", "LRS", "storage")


@pytest.mark.parametrize(
    ("unit", "price"),
    [
        ("1 GiB/Month", "0.2"),
        ("1 GB/Month", "0.2"),
        ("10 GB/Month", "0.02"),
        ("1 GiB/Hour", "146"),
        ("1/Hour", "146"),
        ("1 Hour", "146"),
        ("10K", None),
        ("1 GiB/Fortnight", None),
        (None, None),
    ],
)
def test_units_decide(unit, price):
    assert price_of(item(unitOfMeasure=unit)) == (None if price is None else Decimal(price))


@pytest.mark.parametrize(
    "other",
    [
        {"type": "Reservation"},
        {"tierMinimumUnits": 100.0},
        {"isPrimaryMeterRegion": False},
        {"armRegionName": "eastus"},
        {"meterName": "Premium LRS Snapshots"},
        {"skuName": "Premium ZRS"},
    ],
)
def test_other_meters_do_not_count(other):
    assert price_of(item(), item(retailPrice=9, **other)) == Decimal("0.2")
    assert price_of(item(retailPrice=9, **other)) is None


def test_two_prices_of_one_meter_are_no_price():
    assert price_of(item(), item(retailPrice=0.3)) is None
    assert price_of(item(), item()) == Decimal("0.2")


def test_answers_in_another_currency_are_no_prices():
    found = retail._price_list([item(currencyCode="USD")], [make.account()], "EUR", DAY)
    assert found.meters == {} and "USD" in found.problem


def options(**changes):
    return {"prices": "auto", "price_api": None, "currency": "USD", **changes}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("currency", "usd"),
        ("currency", "US'"),
        ("price_api", "http://prices.example"),
        ("price_api", "https://"),
        ("price_api", "https://prices.example/?a=b"),
    ],
)
def test_bad_options(option, value, monkeypatch):
    monkeypatch.delenv(retail.VARIABLE, raising=False)
    with pytest.raises(AzlinError) as caught:
        retail.check_options(options(**{option: value}))
    assert caught.value.error_code == "invalid_argument" and value in caught.value.msg


def test_address_from_the_environment_is_checked_too(monkeypatch):
    monkeypatch.setenv(retail.VARIABLE, "ftp://prices.example")
    with pytest.raises(AzlinError):
        retail.check_options(options())


def test_another_size_changes_what_the_storage_costs_and_nothing_else():
    known = cost.estimate(v2(private_endpoints=1), PRICES)
    bigger = cost.at_size(known, 800)
    assert bigger["monthly"] == pytest.approx(known["monthly"] + 300 * 0.1)
    assert bigger["parts"][1:] == known["parts"][1:]
    assert cost.at_size(known, 500) == known
    assert cost.at_size(known, None)["monthly"] is None
    assert cost.at_size(estimate(location="moon"), 800)["monthly"] is None
