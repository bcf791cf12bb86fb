# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the prices of cost estimates come from."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation shared by the modules that show costs."""

    DOCUMENTATION = r"""
options:
  prices:
    description:
      - Where the prices of the estimated cost come from.
      - V(auto) asks Azure's Retail Prices API, without signing in. Where that does not answer within seconds, a warning
        says so and the built-in table is used. Clouds other than V(AzureCloud) and V(AzureUSGovernment) have no prices
        in that API; it is asked for them only when O(price_api) is set.
      - V(builtin) sends no request and uses a small table of rounded list prices in USD, which knows provisioned v1 in
        some regions only. What it does not know is null.
    type: str
    choices: [auto, builtin]
    default: auto
  price_api:
    description:
      - The HTTPS URL of the Retail Prices API, or of a proxy that passes it on.
      - When not set, E(AZLIN_PRICE_API) is used, else U(https://prices.azure.com/api/retail/prices).
    type: str
  currency:
    description:
      - The currency of the estimated cost, as its code of three capital letters. Prices other than in V(USD) come from
        the API only.
    type: str
    default: USD
notes:
  - The cost is an estimate by list prices for 730 hours a month. Snapshots, soft-deleted data, traffic through private
    endpoints and discounts are not part of it.
  - "On provisioned v2 all IOPS and all throughput are counted, so the estimate is an upper bound: Azure's price list
    also has free meters for a baseline, but its documentation does not say how much that is."
  - The use above the baseline that paid bursting bills is not known beforehand, so the cost of a share with it is null.
  - "Sources: Azure documentation, Azure Retail Prices overview, understanding-billing."
"""
