# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prices of today from Azure's Retail Prices API, or the built-in table where that cannot be asked.

Source: Azure docs, REST reference of Cost Management, "Azure Retail Prices overview". Meter names of Azure Files are
those that its price list shows; docs name them in understanding-billing.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import datetime
import os
import re
import urllib.parse
from decimal import Decimal, InvalidOperation

from ansible_collections.azlin.storage.plugins.module_utils._azure import errors, prices, result
from ansible_collections.azlin.storage.plugins.module_utils._azure.observe import concurrently
from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V1, V2
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

API = "https://prices.azure.com/api/retail/prices"
VARIABLE = "AZLIN_PRICE_API"
# From this version on filter values have the case of the price list.
_VERSION = "2023-01-01-preview"
# An estimate is not worth waiting for: where the API is out of reach, one short try has to do.
PATIENCE = {"connection_timeout": 3, "read_timeout": 10, "retry_total": 0}
# A product of one region fits on one page of 100; more of them than this is no price list.
_MAX_PAGES = 20
# The clouds whose prices the public API holds.
_LISTED = ("https://management.azure.com", "https://management.usgovcloudapi.net")

# Billing model -> product, and how SKU and meters are called for a redundancy.
_FILES = {
    V1: ("Premium Files", "Premium {}", {"storage": "Premium {} Provisioned"}),
    V2: (
        "Azure Files Provisioned v2",
        "SSD {}",
        {
            "storage": "SSD {} Provisioned Storage",
            "iops": "SSD {} Provisioned IOPS",
            "throughput": "SSD {} Provisioned Throughput MiBPS",
        },
    ),
}
# The same price everywhere in a cloud, under whose name it stands instead of a region's.
_LINK = ("Virtual Network Private Link", "Standard", "Standard Private Endpoint")
# The service, and how the names of its products begin.
_MACHINES = "Virtual Machines"
_UNIT = re.compile(r"(\d+) ?(?:(?:GB|GiB)?/)?(Hour|Month)")


def check_options(params):
    """Raise for options that cannot work."""
    if not re.fullmatch(r"[A-Z]{3}", params["currency"]):
        raise invalid("currency", params["currency"], "it is not the code of a currency", "Use for example USD or EUR.")
    url = _given_url(params)
    if url and not re.fullmatch(r"https://[^/?#\s]+(/[^?#\s]*)?", url):
        raise invalid("price_api", url, "it is not an https URL without a query", f"Leave it unset for {API}.")


def _given_url(params):
    return params["price_api"] or os.environ.get(VARIABLE)


def price_list(azure, params, accounts, today=None):
    """Return the :class:`prices.PriceList` for what some storage accounts (as the REST API shows them) are billed."""
    url = _url(azure, params)
    if url is None or not accounts:
        return prices.built_in(params["currency"])
    items, problem = _ask(azure, url, _filters(accounts), params["currency"])
    if problem is not None:
        return prices.built_in(params["currency"], f"Costs come from the {prices.SOURCE}, since {problem}")
    return _price_list(items, accounts, params["currency"], today or datetime.date.today())


def machine_prices(azure, params, kinds):
    """What virtual machines cost a month: kind -> Decimal for the kinds with a price, and why there may be none.

    A kind is (region, size, whether it is a spot machine). The price is that of Linux, without disks, reservations and
    savings plans. The built-in table has none.
    """
    url = _url(azure, params)
    if url is None or not kinds:
        return {}, None
    filters = {
        (location, size): _filter(serviceName=_MACHINES, armSkuName=size, armRegionName=location)
        for location, size, _spot in kinds
    }
    items, problem = _ask(azure, url, filters, params["currency"])
    if problem is not None:
        return {}, f"What virtual machines cost is unknown, since {problem}"
    found = {kind: _only(item for item in items if _is_of_machine(item, kind, params["currency"])) for kind in kinds}
    return {kind: price for kind, price in found.items() if price is not None}, None


def _url(azure, params):
    """Where to ask, or None where the built-in table is wanted or there is no API for the cloud."""
    if params["prices"] == "builtin":
        return None
    return _given_url(params) or (API if azure.cloud.resource_manager in _LISTED else None)


def _filters(accounts):
    """The queries for some accounts: one for each region and product, and one for private endpoints."""
    found = {}
    for location, billing_model, _redundancy in _billed(accounts):
        product = _FILES[billing_model][0]
        found[location, product] = _filter(serviceName="Storage", productName=product, armRegionName=location)
    found["endpoints"] = _filter(
        serviceName="Virtual Network", productName=_LINK[0], meterName=_LINK[2], armRegionName=_everywhere(accounts)
    )
    return found


def _everywhere(accounts):
    """What the price list calls all regions of the cloud that some accounts are in."""
    governmental = any(names.location(account["location"]).startswith(("usgov", "usdod")) for account in accounts)
    return "US Gov" if governmental else "Global"


def _billed(accounts):
    """(region, billing model, redundancy) of what has a price."""
    for account in accounts:
        billing_model, redundancy = result.models_of((account.get("sku") or {}).get("name"))
        if billing_model in _FILES:
            yield names.location(account["location"]), billing_model, redundancy


def _filter(**values):
    terms = {**values, "priceType": "Consumption"}
    return " and ".join(f"{name} eq '{value}'" for name, value in terms.items())


def _ask(azure, url, filters, currency):
    """What all queries find, and what is the matter when they fail; one of both is None."""
    try:
        answers = concurrently({key: _call(azure, url, text, currency) for key, text in filters.items()})
    # Whatever it is, a run does not fail for an estimate.
    except Exception as exc:
        reason = errors.describe(exc)[1] or type(exc).__name__
        return None, f"the price API {url} is of no use: {reason}"
    return [item for items in answers.values() for item in items], None


def _call(azure, url, text, currency):
    return lambda: _pages(azure, url, text, currency)


def _pages(azure, url, text, currency):
    """The items of all pages. A next page is asked for at the same address, which may be that of a proxy."""
    query = {"api-version": _VERSION, "currencyCode": f"'{currency}'", "$filter": text}
    query, items = urllib.parse.urlencode(query), []
    for _page in range(_MAX_PAGES):
        page = azure.get_json(f"{url}?{query}", **PATIENCE)
        items += page["Items"]
        if not page.get("NextPageLink"):
            return items
        query = urllib.parse.urlsplit(page["NextPageLink"]).query
    raise ValueError(f"it has more than {_MAX_PAGES} pages for {text}")


def _price_list(items, accounts, currency, today):
    strange = {item.get("currencyCode") for item in items} - {currency}
    if strange:
        reason = f"Costs in {currency} are unknown: the price API answered in {', '.join(sorted(map(str, strange)))}."
        return prices.PriceList(currency, f"price API, {today}", problem=reason)
    meters = {}
    for location, billing_model, redundancy in _billed(accounts):
        product, sku, listed = _FILES[billing_model]
        for meter, name in listed.items():
            price = _monthly(items, product, sku.format(redundancy), name.format(redundancy), location)
            if price is not None:
                meters[location, billing_model, redundancy, meter] = price
    endpoint = _monthly(items, *_LINK, _everywhere(accounts))
    return prices.PriceList(currency, f"price API, {today}", meters, endpoint)


def _monthly(items, product, sku, meter, location):
    """The price of a meter for a month; None when there is none, or more than one."""
    wanted = {
        "productName": product,
        "skuName": sku,
        "meterName": meter,
        "armRegionName": location,
        "type": "Consumption",
    }
    return _only(item for item in items if wanted.items() <= item.items())


def _is_of_machine(item, kind, currency):
    """Whether an item is the price of a kind of virtual machine with Linux."""
    location, size, spot = kind
    wanted = {"armSkuName": size, "armRegionName": location, "type": "Consumption", "currencyCode": currency}
    product, sku = str(item.get("productName")), str(item.get("skuName"))
    # The same sizes are also listed with Windows, as hosts of cloud services, and at the prices of low priority.
    return (
        wanted.items() <= item.items()
        and product.startswith(_MACHINES)
        and not product.endswith("Windows")
        and not sku.endswith("Low Priority")
        and sku.endswith("Spot") == spot
    )


def _only(items):
    """The price for a month that some items agree on; None when there is none, or more than one."""
    found = {
        _per_month(item)
        for item in items
        if not item.get("tierMinimumUnits") and item.get("isPrimaryMeterRegion", True)
    }
    return found.pop() if len(found) == 1 else None


def _per_month(item):
    """An item's price for one unit and month by the text of its unit, such as ``1 GiB/Hour``; None if that is new."""
    unit = _UNIT.fullmatch(str(item.get("unitOfMeasure")))
    try:
        price = Decimal(str(item["retailPrice"]))
    except (KeyError, InvalidOperation):
        return None
    if unit is None:
        return None
    return price / int(unit[1]) * (prices.HOURS_PER_MONTH if unit[2] == "Hour" else 1)
