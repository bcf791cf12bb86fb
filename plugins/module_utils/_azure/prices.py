# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What prices look like, and a small table of rounded list prices for where the price API cannot be asked. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V1

HOURS_PER_MONTH = 730
DATE = "2026-11-21"
CURRENCY = "USD"
SOURCE = f"built-in table of {DATE}"


@dataclass(frozen=True)
class PriceList:
    """Prices of one unit for one month; what is not in it has an unknown price.

    ``meters`` maps (region, billing model, redundancy, meter) to a Decimal, where the meter is ``storage`` (a GiB),
    ``iops`` (one of them) or ``throughput`` (a MiB/s). ``problem`` says why these are not the prices that were asked
    for, None if they are.
    """

    currency: str = CURRENCY
    source: str = SOURCE
    meters: dict = field(default_factory=dict)
    private_endpoint: Decimal | None = None
    problem: str | None = None

    def monthly(self, location, billing_model, redundancy, meter):
        """The price of a unit for a month, or None."""
        return self.meters.get((location, billing_model, redundancy, meter))


# USD per provisioned GiB and month of SSD shares on provisioned v1, by region. Rounded public list prices that were
# not checked live. A region, redundancy or billing model that is missing here has an unknown price.
_STORAGE_GIB_MONTH = {
    "centralus": {"LRS": "0.16", "ZRS": "0.20"},
    "eastus": {"LRS": "0.16", "ZRS": "0.20"},
    "eastus2": {"LRS": "0.16", "ZRS": "0.20"},
    "southcentralus": {"LRS": "0.16", "ZRS": "0.20"},
    "swedencentral": {"LRS": "0.19"},
    "westus2": {"LRS": "0.16", "ZRS": "0.20"},
    "westus3": {"LRS": "0.16", "ZRS": "0.20"},
}
# USD per private endpoint and hour, everywhere; a rounded list price, not checked live.
_PRIVATE_ENDPOINT_HOUR = "0.01"


def built_in(currency=CURRENCY, problem=None):
    """The built-in table; it knows one currency, and in any other no price."""
    if currency != CURRENCY:
        unknown = f"The built-in table is in {CURRENCY} only: costs in {currency} are unknown."
        return PriceList(currency, problem=unknown if problem is None else f"{problem} {unknown}")
    meters = {
        (location, V1, redundancy, "storage"): Decimal(price)
        for location, by_redundancy in _STORAGE_GIB_MONTH.items()
        for redundancy, price in by_redundancy.items()
    }
    return PriceList(meters=meters, private_endpoint=Decimal(_PRIVATE_ENDPOINT_HOUR) * HOURS_PER_MONTH, problem=problem)
