# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Retail Prices API with the price list of the lab; nobody signs in to it.

Shape, names and units are those of Azure's; the prices are made up. Source: Azure docs, Azure Retail Prices overview.
"""

from __future__ import annotations

import re
import typing
import urllib.parse

from lab.arm import validation

PATH = "/api/retail/prices"
PAGE = 100
# What a US dollar is in other currencies.
RATES = {"USD": 1.0, "EUR": 0.9}
FIELDS = (
    "serviceName",
    "serviceFamily",
    "productName",
    "skuName",
    "armSkuName",
    "meterName",
    "armRegionName",
    "location",
    "meterId",
)
FILES_V2 = "Azure Files Provisioned v2"
Prices = tuple[tuple[str, str, str, float], ...]
# Meter after the SKU's name, unit, price in USD with LRS.
PREMIUM: Prices = (
    ("Provisioned", "1 GiB/Month", "Consumption", 0.16),
    ("Provisioned", "1 GiB/Month", "Reservation", 0.12),
    ("Snapshots", "1 GiB/Month", "Consumption", 0.136),
    ("Burst Bandwidth", "1 GB", "Consumption", 0.01),
)
PROVISIONED: Prices = (
    ("Provisioned Storage", "1 GiB/Hour", "Consumption", 0.000137),
    ("Provisioned IOPS", "1/Hour", "Consumption", 0.00003),
    ("Provisioned IOPS Free", "1/Hour", "Consumption", 0.0),
    ("Provisioned Throughput MiBPS", "1/Hour", "Consumption", 0.00007),
    ("Provisioned Throughput MiBPS Free", "1/Hour", "Consumption", 0.0),
    ("Overflow Snapshot Usage", "1 GiB/Hour", "Consumption", 0.000137),
    ("Soft-Deleted Usage", "1 GiB/Hour", "Consumption", 0.000137),
)
# Size, product and SKU of it, price of an hour with Linux in USD.
MACHINES = (
    ("Standard_B2s", "Virtual Machines BS Series", "B2s", 0.0416),
    ("Standard_D4s_v5", "Virtual Machines Dsv5 Series", "D4s v5", 0.192),
)
FAMILIES = {"Virtual Network": "Networking", "Virtual Machines": "Compute"}


class BadQuery(Exception):
    """A query that the API does not take."""

    def body(self) -> dict:
        """The answer to it."""
        return {"Error": {"Code": "BadRequest", "Message": str(self)}}


def _item(
    service: str, product: str, sku: str, meter: str, region: str, unit: str, kind: str, price: float, size: str = ""
) -> dict:
    return {
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": region,
        "effectiveStartDate": "2026-01-01T00:00:00Z",
        "meterName": meter,
        "productName": product,
        "skuName": sku,
        "serviceName": service,
        "serviceFamily": FAMILIES.get(service, "Storage"),
        "unitOfMeasure": unit,
        "type": kind,
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    }


def _price_list() -> list[dict]:
    items = []
    for region in validation.LOCATIONS:
        for redundancy, factor in (("LRS", 1.0), ("ZRS", 1.25)):
            for product, sku, meters in (
                ("Premium Files", f"Premium {redundancy}", PREMIUM),
                (FILES_V2, f"SSD {redundancy}", PROVISIONED),
            ):
                for meter, unit, kind, price in meters:
                    full = f"{sku} {meter}"
                    items.append(_item("Storage", product, sku, full, region, unit, kind, round(price * factor, 9)))
        items += _machines(region)
    product, meter = "Virtual Network Private Link", "Standard Private Endpoint"
    for region, price in (("Global", 0.01), ("US Gov", 0.0125)):
        items.append(_item("Virtual Network", product, "Standard", meter, region, "1 Hour", "Consumption", price))
    return items


def _machines(region: str) -> list[dict]:
    """What Azure lists under each size: with Linux and Windows, at three kinds of prices, and for cloud services."""
    items = []
    for size, product, sku, linux in MACHINES:
        cloud_services = f"{product.removeprefix('Virtual Machines ')} Cloud Services"
        for full, factor in ((product, 1.0), (f"{product} Windows", 1.4), (cloud_services, 1.3)):
            for priority, part in (("", 1.0), (" Spot", 0.2), (" Low Priority", 0.3)):
                name, price = f"{sku}{priority}", round(linux * factor * part, 9)
                items.append(
                    _item("Virtual Machines", full, name, name, region, "1 Hour", "Consumption", price, size=size)
                )
    return items


PRICES = _price_list()


def answer(base_url: str, query: typing.Mapping[str, str], page_size: int) -> dict:
    """One page of what a query finds."""
    version = query.get("api-version", "2021-10-01")
    currency = query.get("currencyCode", "USD").strip("'")
    if currency not in RATES:
        raise BadQuery(f"The currency code '{currency}' is not supported.")
    wanted = _conditions(query.get("$filter", ""), exact=version >= "2023-01-01")
    found = [item for item in PRICES if all(condition(item) for condition in wanted)]
    start, size = int(query.get("$skip", "0")), min(PAGE, page_size)
    shown = [_in(currency, item) for item in found[start : start + size]]
    following = None
    if start + size < len(found):
        # The live API names its own host with its port.
        rest = urllib.parse.urlencode({**query, "$skip": str(start + size)})
        following = f"{base_url}{PATH}?{rest}"
    return {
        "BillingCurrency": currency,
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": shown,
        "NextPageLink": following,
        "Count": len(shown),
    }


def _in(currency: str, item: dict) -> dict:
    price = round(item["retailPrice"] * RATES[currency], 9)
    return {"currencyCode": currency, **item, "retailPrice": price, "unitPrice": price}


def _conditions(text: str, exact: bool) -> list[typing.Callable[[dict], bool]]:
    """The terms of a filter, joined by ``and``; values have a case in the versions since 2023."""
    terms = [term for term in re.split(r"\s+and\s+", text.strip()) if term]
    return [_condition(term, exact) for term in terms]


def _condition(term: str, exact: bool) -> typing.Callable[[dict], bool]:
    match = re.fullmatch(r"(\w+)\s+eq\s+'([^']*)'", term)
    name = {"priceType": "type"}.get(match.group(1), match.group(1)) if match else ""
    if match is None or name not in (*FIELDS, "type"):
        raise BadQuery(f"Invalid OData parameters supplied: {term}")
    value = match.group(2)
    if exact:
        return lambda item: item.get(name) == value
    return lambda item: str(item.get(name)).lower() == value.lower()
