# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers as people read them; what is not known is called unknown. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB

UNKNOWN = "unknown"
# Beyond this a growth of a few weeks tells nothing.
_FAR_DAYS = 365


def gib(size):
    """Bytes in GiB, the unit that a share is provisioned in."""
    if size is None:
        return UNKNOWN
    if 0 < abs(size) < 0.1 * GIB:
        return "less than 0.1 GiB"
    return f"{size / GIB:,.1f} GiB"


def size(size_gib):
    """A provisioned size."""
    return UNKNOWN if size_gib is None else f"{size_gib:,} GiB"


def percent(value):
    """A percentage."""
    return UNKNOWN if value is None else f"{value:.1f} %"


def count(value):
    """A whole number."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def money(amount, currency):
    """An amount of money."""
    return UNKNOWN if amount is None else f"{amount:,.2f} {currency}"


def growth(bytes_a_day):
    """A growth."""
    if bytes_a_day is None:
        return UNKNOWN
    sign = "+" if bytes_a_day > 0 else "-" if bytes_a_day < 0 else ""
    return f"{sign}{gib(abs(bytes_a_day))} a day"


def days(number, bytes_a_day):
    """Days until a share is full, or why there is no number of them."""
    if number is None:
        return "not growing" if bytes_a_day is not None and bytes_a_day <= 0 else UNKNOWN
    if number > _FAR_DAYS:
        return "more than a year"
    return "full" if number == 0 else "1 day" if number == 1 else f"{number} days"


def total(values, shown):
    """The sum of what is known, with the number of what it lacks; ``shown`` turns the sum into words."""
    known = [value for value in values if value is not None]
    if values and not known:
        return UNKNOWN
    return _lacking(shown(sum(known)), len(values) - len(known))


def total_cost(totals):
    """The sum of a :func:`_azure.cost.totals`."""
    if totals["storages"] and totals["unknown"] == totals["storages"]:
        return UNKNOWN
    return _lacking(money(totals["known_monthly"], totals["currency"]), totals["unknown"])


def _lacking(text, unknown):
    return f"{text} and {unknown} unknown" if unknown else text
