# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage costs a month, as an estimate; what is not known is null. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import prices

HOURS_PER_MONTH = 730


def estimate(billing_model, redundancy, location, size_gib, private_endpoints):
    """Return ``{monthly, currency, source, parts}`` of a share of ``size_gib`` GiB and its private endpoints.

    Provisioned GiB are billed, used or not; snapshots, soft-deleted data and traffic through endpoints are not part
    of the estimate. Source: Azure docs, understanding-billing.
    """
    parts = [_item("provisioned storage", "GiB", size_gib, _storage_price(billing_model, redundancy, location))]
    if private_endpoints:
        hours = private_endpoints * HOURS_PER_MONTH
        parts.append(_item("private endpoints", "hours", hours, prices.PRIVATE_ENDPOINT_HOUR))
    monthly = [part["monthly"] for part in parts]
    return {
        "monthly": None if None in monthly else round(sum(monthly), 2),
        "currency": prices.CURRENCY,
        "source": f"estimate from a built-in table of {prices.DATE}, not from the price API",
        "parts": parts,
    }


def _storage_price(billing_model, redundancy, location):
    if billing_model != "provisioned_v1":
        return None
    return prices.STORAGE_GIB_MONTH.get(location, {}).get(redundancy)


def _item(name, unit, quantity, unit_price):
    known = quantity is not None and unit_price is not None
    return {
        "name": name,
        "quantity": quantity,
        "unit": unit,
        "unit_price": unit_price,
        "monthly": round(quantity * unit_price, 2) if known else None,
    }
