# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The price list of the lab: shape, filters, pages and currencies as the Retail Prices API has them."""

from __future__ import annotations

import pytest

URL = "/api/retail/prices"
FILES = "serviceName eq 'Storage' and productName eq 'Premium Files' and armRegionName eq 'westus2'"
VERSION = "2023-01-01-preview"


def ask(anonymous, text=FILES, version=VERSION, **query):
    return anonymous.get(URL, params={"api-version": version, "$filter": text, **query}).json()


def test_nobody_signs_in_and_items_have_the_documented_shape(anonymous):
    page = ask(anonymous, f"{FILES} and meterName eq 'Premium LRS Provisioned' and priceType eq 'Consumption'")

    assert (page["BillingCurrency"], page["Count"], page["NextPageLink"]) == ("USD", 1, None)
    (item,) = page["Items"]
    assert (item["skuName"], item["unitOfMeasure"], item["type"]) == ("Premium LRS", "1 GiB/Month", "Consumption")
    assert item["currencyCode"] == "USD" and item["retailPrice"] == item["unitPrice"] > 0


def test_values_have_a_case_since_2023(anonymous):
    lower = FILES.lower().replace("servicename", "serviceName").replace("productname", "productName")
    lower = lower.replace("armregionname", "armRegionName")
    assert ask(anonymous, lower)["Count"] == 0
    assert ask(anonymous, lower, "2021-10-01")["Count"] == ask(anonymous)["Count"] > 0


def test_pages_lead_to_each_other(arm, anonymous):
    everything = ask(anonymous)["Items"]
    arm.profile("fast", page_size=3)
    page, found = ask(anonymous), []
    while True:
        found += page["Items"]
        if not page["NextPageLink"]:
            break
        assert page["Count"] == 3
        page = anonymous.get(page["NextPageLink"]).json()
    assert found == everything


@pytest.mark.parametrize("currency", ["EUR", "'EUR'"])
def test_currencies(anonymous, currency):
    dollars, euros = ask(anonymous)["Items"][0], ask(anonymous, currencyCode=currency)["Items"][0]
    assert euros["currencyCode"] == "EUR" and 0 < euros["retailPrice"] < dollars["retailPrice"]


@pytest.mark.parametrize("query", [{"currencyCode": "XXX"}, {"text": "price lt 3"}])
def test_what_it_does_not_take(anonymous, query):
    assert ask(anonymous, **query)["Error"]["Code"] == "BadRequest"
