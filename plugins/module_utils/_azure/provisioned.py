# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a share has provisioned in the two billing models: values, limits, increases and decreases. Pure.

Documented ranges only keep obvious nonsense from being sent. What an account really takes is read from its service.
Sources: Azure docs, understanding-billing and storage-files-scale-targets; REST reference of Microsoft.Storage, file
shares and file service usages.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import datetime
import email.utils
import math
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB

V1, V2 = "provisioned_v1", "provisioned_v2"
# What a new storage gets when nothing else is asked for.
DEFAULT_MODEL = V1
# How full a share may be after it was made smaller; the homes on it cannot be written when it is full.
FULLEST_PERCENT = 90
SKU_FAMILIES = {V1: "Premium", V2: "PremiumV2"}


@dataclass(frozen=True)
class Quantity:
    """One thing that is provisioned: its option, its key in results and its words in the REST API.

    ``ranges`` holds the documented limits for each billing model that has it; ``limit`` ends the words of the
    limits and totals in the usage of the file service.
    """

    option: str
    key: str
    unit: str
    word: str
    next_decrease: str
    limit: str
    ranges: dict


SIZE = Quantity(
    "size",
    "size_gib",
    "GiB",
    "shareQuota",
    "nextAllowedQuotaDowngradeTime",
    "ProvisionedStorageGiB",
    {V1: (100, 102400), V2: (32, 262144)},
)
IOPS = Quantity(
    "provisioned_iops",
    "provisioned_iops",
    "IOPS",
    "provisionedIops",
    "nextAllowedProvisionedIopsDowngradeTime",
    "ProvisionedIOPS",
    {V2: (3000, 102400)},
)
THROUGHPUT = Quantity(
    "provisioned_throughput",
    "provisioned_throughput",
    "MiB/s",
    "provisionedBandwidthMibps",
    "nextAllowedProvisionedBandwidthDowngradeTime",
    "ProvisionedBandwidthMiBPerSec",
    {V2: (100, 10340)},
)
QUANTITIES = (SIZE, IOPS, THROUGHPUT)
# Suboption of paid_bursting -> its word in the REST API and the documented maximum.
_BURSTING = {
    "max_iops": ("paidBurstingMaxIops", 102400),
    "max_throughput": ("paidBurstingMaxBandwidthMibps", 10340),
}
# Words of the service's recommendation: what is provisioned where nothing is asked for.
_RECOMMENDED = {IOPS.key: ("baseIOPS", "ioScalar"), THROUGHPUT.key: ("baseBandwidthMiBPerSec", "bandwidthScalar")}


# --- values ----------------------------------------------------------------------------------------------------------


def check_value(quantity, value, model, shown=None):
    """Raise for a value that a billing model does not have, or that is out of all documented reason.

    :param model: None while it is not known, which leaves what any model takes.
    :param shown: the value as the user wrote it.
    """
    if value is None:
        return
    shown = value if shown is None else shown
    if model is not None and model not in quantity.ranges:
        raise invalid(
            quantity.option,
            shown,
            f"the billing model is {model}, where Azure derives it from the size; only {V2} provisions it",
            f"Leave it out; a new storage can have billing_model: {V2}.",
        )
    known = [quantity.ranges[model]] if model else list(quantity.ranges.values())
    least, most = min(one[0] for one in known), max(one[1] for one in known)
    if not least <= value <= most:
        of_model = f" on {model}" if model else ""
        raise _out_of_range(quantity, value, shown, f"a premium share{of_model} has", least, most)


def _out_of_range(quantity, value, shown, who, least, most):
    nearest = min(max(value, least), most)
    return invalid(
        quantity.option,
        shown,
        f"{who} {least} to {most} {quantity.unit}",
        f"Use for example {nearest}{'GiB' if quantity is SIZE else ''}.",
    )


def check_bursting(bursting, model):
    """Raise for paid bursting that cannot work."""
    if bursting is None:
        return
    if model == V2:
        raise invalid(
            "paid_bursting",
            bursting,
            f"the billing model is {V2}, where Azure has no paid bursting",
            "Leave it out and set provisioned_iops and provisioned_throughput.",
        )
    for name, (_word, most) in _BURSTING.items():
        value = bursting.get(name)
        if value is None:
            continue
        if not bursting["enabled"]:
            raise invalid(f"paid_bursting.{name}", value, "paid_bursting.enabled is false", "Leave it out.")
        if not 0 < value <= most:
            raise invalid(f"paid_bursting.{name}", value, f"it is 1 to {most}", f"Use for example {most}.")


def check_model(wanted, share, model):
    """Raise for wanted values that the storage's billing model does not take; what stays as it is counts as taken."""
    before = view(share)
    for quantity in QUANTITIES:
        value = getattr(wanted, quantity.key)
        if value != before[quantity.key]:
            shown = f"{value}GiB" if quantity is SIZE else value
            check_value(quantity, value, model, shown)
    check_bursting(wanted.paid_bursting, model)


def view(share):
    """What a share has provisioned, by keys of results; None for what is not known or not there."""
    return {quantity.key: properties(share).get(quantity.word) for quantity in QUANTITIES}


def words(values):
    """What is provisioned, in the words of the REST API."""
    return {quantity.word: values[quantity.key] for quantity in QUANTITIES if values.get(quantity.key) is not None}


def bursting_view(share):
    """Paid bursting of a share; it is off unless Azure says otherwise."""
    about = properties(share).get("fileSharePaidBursting") or {}
    return {
        "enabled": bool(about.get("paidBurstingEnabled")),
        **{name: about.get(word) for name, (word, _most) in _BURSTING.items()},
    }


def bursting_after(wanted, before):
    """Paid bursting as it will be; a maximum that is not set stays, or is Azure's choice."""
    if wanted is None or not wanted["enabled"]:
        return before if wanted is None else {**before, "enabled": False}
    return {"enabled": True, **{name: wanted.get(name) or before[name] for name in _BURSTING}}


def bursting_words(values):
    """Paid bursting in the words of the REST API."""
    sent = {"paidBurstingEnabled": values["enabled"]}
    if values["enabled"]:
        sent.update({word: values[name] for name, (word, _most) in _BURSTING.items() if values[name] is not None})
    return sent


# --- decreases -------------------------------------------------------------------------------------------------------


def next_decrease(share, quantity):
    """When Azure will let a quantity become smaller, or None when that is not known."""
    text = properties(share).get(quantity.next_decrease)
    try:
        moment = email.utils.parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
    # The header format is always in GMT; a zone of "-0000" comes without one.
    return moment and moment.replace(tzinfo=moment.tzinfo or datetime.timezone.utc)


def timestamp(moment):
    """A time as it stands in results; None for an unknown one."""
    return None if moment is None else moment.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_decreases(wanted, share, moment):
    """Raise for a decrease that was not asked for, that Azure does not take yet, or that the files forbid."""
    before = view(share)
    for quantity in QUANTITIES:
        is_now, value = before[quantity.key], getattr(wanted, quantity.key)
        if None in (is_now, value) or value >= is_now:
            continue
        what = f"{quantity.option}: {wanted.account.name}/{wanted.share} has {is_now} {quantity.unit}"
        keep = f"{is_now}GiB" if quantity is SIZE else is_now
        if not wanted.allow_shrink:
            raise AzlinError(
                "size_decrease_refused",
                f"{what} and is not made smaller, to {value} {quantity.unit}, unasked.",
                causes=[
                    ("the playbook is older than the storage", f"Set {quantity.option} to {keep}, or leave it out."),
                    ("it shall really shrink", "Set allow_shrink: true."),
                ],
            )
        allowed = next_decrease(share, quantity)
        if None not in (allowed, moment) and moment < allowed:
            raise AzlinError(
                "size_decrease_refused",
                f"{what}; Azure takes a decrease to {value} {quantity.unit} from {timestamp(allowed)} on, 24 hours "
                "after the last increase.",
                causes=[("it was increased, or created, less than 24 hours ago", "Run again after that time.")],
            )
        if quantity is SIZE:
            _check_content(what, value, properties(share).get("shareUsageBytes"))


def _check_content(what, size_gib, used_bytes):
    """Raise for a size that the files of a share do not fit in with some room left."""
    if used_bytes is None:
        raise AzlinError(
            "size_decrease_refused",
            f"{what}; how much of it is used is not known, so that it is not made smaller, to {size_gib} GiB.",
            causes=[
                ("Azure did not tell it", "Run again later."),
                ("a deleted share tells it only when it is back", "Restore it first, with the size left out."),
            ],
        )
    if used_bytes * 100 > size_gib * GIB * FULLEST_PERCENT:
        used_gib = used_bytes / GIB
        fitting = math.ceil(used_gib * 100 / FULLEST_PERCENT)
        raise AzlinError(
            "size_decrease_refused",
            f"{what}, of which {used_gib:.1f} GiB are used; {size_gib} GiB would be too full.",
            causes=[("it holds more than that", f"Ask for {fitting}GiB or more, or delete files first.")],
        )


# --- limits of the service -------------------------------------------------------------------------------------------


def check_limits(wanted, share, usage):
    """Raise when the file service says that a share, or the account with all its shares, cannot have that much.

    :param share: the share as it is, also soft-deleted, or None for a new one.
    :param usage: the file service's usage, or None when it is not known: then Azure decides on its own.
    """
    if usage is None:
        return
    limits, before = dig(properties(usage), "fileShareLimits") or {}, view(share)
    after = {quantity.key: _after(quantity, wanted, before, usage) for quantity in QUANTITIES}
    for quantity in QUANTITIES:
        value, least, most = (
            after[quantity.key],
            limits.get(f"min{quantity.limit}"),
            limits.get(f"max{quantity.limit}"),
        )
        if value in (None, before[quantity.key]) or None in (least, most):
            continue
        if not least <= value <= most:
            who = f"the file service of {wanted.account.name} gives a share"
            raise _out_of_range(quantity, value, value, who, least, most)
    for quantity in QUANTITIES:
        # What a share has is part of the total, also where it is not known how much that is.
        is_now = 0 if share is None else before[quantity.key]
        if None not in (after[quantity.key], is_now):
            more = after[quantity.key] - is_now
            _check_total(wanted, usage, quantity.unit, f"max{quantity.limit}", quantity.limit, more)
    if share is None:
        _check_total(wanted, usage, "shares", "maxFileShares", "FileShareCount", 1)


def _after(quantity, wanted, before, usage):
    """The wanted value, else the present one, else what the service recommends for the size."""
    value = getattr(wanted, quantity.key)
    value = before[quantity.key] if value is None else value
    size_gib = before[SIZE.key] if wanted.size_gib is None else wanted.size_gib
    if value is not None or quantity is SIZE or size_gib is None:
        return value
    recommended = dig(properties(usage), "fileShareRecommendations") or {}
    base, scalar = (recommended.get(word) for word in _RECOMMENDED[quantity.key])
    if None in (base, scalar):
        return None
    most = dig(properties(usage), "fileShareLimits", f"max{quantity.limit}")
    value = base + math.ceil(scalar * size_gib)
    return value if most is None else min(value, most)


def _check_total(wanted, usage, unit, limit, total, more):
    """Compare the account's limit with the total that a change would bring about."""
    about, total = properties(usage), total[0].lower() + total[1:]
    most = dig(about, "storageAccountLimits", limit)
    live = dig(about, "storageAccountUsage", "liveShares", total)
    deleted = dig(about, "storageAccountUsage", "softDeletedShares", total)
    if more <= 0 or None in (most, live, deleted) or live + deleted + more <= most:
        return
    raise AzlinError(
        "capacity_exceeded",
        f"Storage account {wanted.account.name} may have {most} {unit} in all: its shares have {live}, soft-deleted "
        f"ones {deleted}, and {more} more are wanted for {wanted.share}.",
        causes=[
            ("one account does not hold that much", "Ask for less, or create a second storage."),
            (
                "soft-deleted shares count until they are purged",
                "Wait until they are; the command below lists them with the days that are left.",
            ),
        ],
        try_=f"az storage share-rm list --include-deleted --storage-account {wanted.account.name}",
    )
