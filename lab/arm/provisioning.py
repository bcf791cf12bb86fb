# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a share of an SSD account may have provisioned, in both billing models, and what that brings with it."""

from __future__ import annotations

import dataclasses
import datetime
import email.utils
import math

from lab.arm import validation
from lab.arm.errors import ArmError
from lab.arm.exports import SHARES
from lab.arm.store import Record, Store, now

# Provisioned v1 on SSD: 100 to 102,400 GiB for a share, and 102,400 GiB in all for an account
# (Azure docs: understanding-billing).
V1_GIB = (100, 102400)
# The most that paid bursting may be given (REST reference of file shares).
BURSTING_MOST = {"paidBurstingMaxIops": 102400, "paidBurstingMaxBandwidthMibps": 10340}
# Limits of an account on provisioned v2 (Azure docs: understanding-billing).
MAX_SHARES = 50
# How burst IOPS and credits follow from the provisioned IOPS.
BURST_FLOOR, BURST_SCALAR, BURST_SECONDS = 10000, 3, 3600
DAY = datetime.timedelta(days=1)


@dataclasses.dataclass(frozen=True)
class Quantity:
    """One thing that is provisioned: its words on the wire, its limits and what the service recommends."""

    word: str
    next_decrease: str
    limit: str
    header: str
    least: int
    most: int
    base: int
    scalar: float
    invalid: str
    early_decrease: str
    over_account: str


STORAGE = Quantity(
    "shareQuota",
    "nextAllowedQuotaDowngradeTime",
    "ProvisionedStorageGiB",
    "x-ms-share-quota",
    32,
    262144,
    0,
    0,
    "FileShareProvisionedStorageInvalid",
    "ContainerQuotaDowngradeNotAllowed",
    "TotalSharesProvisionedCapacityExceedsAccountLimit",
)
IOPS = Quantity(
    "provisionedIops",
    "nextAllowedProvisionedIopsDowngradeTime",
    "ProvisionedIOPS",
    "x-ms-share-provisioned-iops",
    3000,
    102400,
    3000,
    1,
    "FileShareProvisionedIopsInvalid",
    "FileShareProvisionedIopsDowngradeNotAllowed",
    "TotalSharesProvisionedIopsExceedsAccountLimit",
)
# Minimum and base as in the specification's example of the usage; the documentation says 100.
BANDWIDTH = Quantity(
    "provisionedBandwidthMibps",
    "nextAllowedProvisionedBandwidthDowngradeTime",
    "ProvisionedBandwidthMiBPerSec",
    "x-ms-share-provisioned-bandwidth-mibps",
    125,
    10340,
    125,
    0.1,
    "FileShareProvisionedBandwidthInvalid",
    "FileShareProvisionedBandwidthDowngradeNotAllowed",
    "TotalSharesProvisionedBandwidthExceedsAccountLimit",
)
QUANTITIES = (STORAGE, IOPS, BANDWIDTH)
NEXT_DECREASES = tuple(quantity.next_decrease for quantity in QUANTITIES)
# What a share on provisioned v2 gets of itself.
BURST = ("includedBurstIops", "maxBurstCreditsForIops")


def is_v2(account: Record) -> bool:
    """Whether the shares of an account are billed by the provisioned v2 model."""
    return account["sku"]["name"].startswith("PremiumV2_")


def check(account: Record, given: dict) -> None:
    """Values that the billing model of the account does not have or allow, whatever the present state."""
    if not is_v2(account):
        _check_v1(account, given)
        return
    if given.get("fileSharePaidBursting"):
        raise header_value_invalid("x-ms-share-paid-bursting-enabled")
    for quantity in QUANTITIES:
        value = given.get(quantity.word)
        if value is not None and not _is_within(value, quantity.least, quantity.most):
            raise ArmError(
                400,
                quantity.invalid,
                f"The value {value} of {quantity.word} is not in the range {quantity.least} to {quantity.most}.",
            )


def _check_v1(account: Record, given: dict) -> None:
    for quantity in (IOPS, BANDWIDTH):
        if given.get(quantity.word) is not None:
            raise header_value_invalid(quantity.header)
    least, most = V1_GIB if account["kind"] == "FileStorage" else (1, V1_GIB[1])
    quota = given.get(STORAGE.word)
    if quota is not None and not _is_within(quota, least, most):
        raise header_value_invalid(STORAGE.header)
    bursting = given.get("fileSharePaidBursting") or {}
    if bursting and account["kind"] != "FileStorage":
        raise header_value_invalid("x-ms-share-paid-bursting-enabled")
    validation.boolean(bursting.get("paidBurstingEnabled"), "fileSharePaidBursting.paidBurstingEnabled")
    for word, highest in BURSTING_MOST.items():
        if bursting.get(word) is not None and not _is_within(bursting[word], 1, highest):
            raise header_value_invalid(word)


def _is_within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def header_value_invalid(what: str) -> ArmError:
    """The file service was given a value that it cannot take."""
    return ArmError(
        400,
        "InvalidHeaderValue",
        f"The value for one of the HTTP headers is not in the correct format. Header: {what}.",
    )


def provision(store: Store, account: Record, share: Record | None, given: dict) -> dict:
    """The provisioned properties of a share after a write: checked against the account and with all that follows."""
    present = share["properties"] if share else {}
    after = {quantity.word: _value(account, quantity, present, given) for quantity in _quantities(account)}
    _check_account(store, account, share, after)
    for quantity in _quantities(account):
        before = present.get(quantity.word)
        if before is not None and after[quantity.word] < before:
            _refuse_early_decrease(quantity, present)
        if before is None or after[quantity.word] > before:
            # A day from the creation or the last increase (Azure docs: understanding-billing).
            after[quantity.next_decrease] = email.utils.format_datetime(now() + DAY, usegmt=True)
    if is_v2(account):
        burst = min(max(BURST_SCALAR * after[IOPS.word], BURST_FLOOR), IOPS.most)
        after.update(zip(BURST, (burst, (burst - after[IOPS.word]) * BURST_SECONDS), strict=True))
    elif given.get("fileSharePaidBursting"):
        after["fileSharePaidBursting"] = _bursting(present.get("fileSharePaidBursting") or {}, given)
    return after


def _quantities(account: Record) -> tuple[Quantity, ...]:
    return QUANTITIES if is_v2(account) else (STORAGE,)


def _value(account: Record, quantity: Quantity, present: dict, given: dict) -> int:
    value = given.get(quantity.word) or present.get(quantity.word)
    if value:
        return value
    if quantity is STORAGE:
        return V1_GIB[0] if account["kind"] == "FileStorage" else 5120
    # What the service recommends for the size, where nothing was asked for.
    gib = given.get(STORAGE.word) or V1_GIB[0]
    return min(max(quantity.base + math.ceil(quantity.scalar * gib), quantity.least), quantity.most)


def _bursting(present: dict, given: dict) -> dict:
    """Paid bursting; a maximum that was never given is the highest one (reference of ShareProperties)."""
    after = {**present, **{key: value for key, value in given["fileSharePaidBursting"].items() if value is not None}}
    return {**BURSTING_MOST, **after} if after.get("paidBurstingEnabled") else after


def _refuse_early_decrease(quantity: Quantity, present: dict) -> None:
    allowed = present[quantity.next_decrease]
    if now() < email.utils.parsedate_to_datetime(allowed):
        raise ArmError(
            409,
            quantity.early_decrease,
            f"{quantity.word} of the share cannot be decreased within 24 hours of its last increase. "
            f"Next allowed time: {allowed}.",
        )


def _check_account(store: Store, account: Record, share: Record | None, after: dict) -> None:
    """All shares of an SSD account together have limits, soft-deleted ones included until they are purged."""
    if account["kind"] != "FileStorage":
        return
    others = [one for one in store.children(account["id"], SHARES) if one is not share]
    others += account["lab"]["deleted_shares"]
    for quantity in _quantities(account):
        most = quantity.most if is_v2(account) else V1_GIB[1]
        if after[quantity.word] + sum(one["properties"][quantity.word] for one in others) > most:
            raise ArmError(
                409,
                quantity.over_account,
                f"The total provisioned {quantity.limit} of the shares has exceeded the account maximum limit.",
            )
    if is_v2(account) and share is None and len(others) >= MAX_SHARES:
        raise ArmError(
            409,
            "TotalSharesCountExceedsAccountLimit",
            "The total number of shares has exceeded the account maximum limit.",
        )


def usage(store: Store, account: Record) -> dict:
    """The properties of the file service usage of a provisioned v2 account."""
    live, deleted = store.children(account["id"], SHARES), account["lab"]["deleted_shares"]
    limits = {f"min{quantity.limit}": quantity.least for quantity in QUANTITIES}
    limits.update({f"max{quantity.limit}": quantity.most for quantity in QUANTITIES})
    return {
        "storageAccountLimits": {
            "maxFileShares": MAX_SHARES,
            **{f"max{quantity.limit}": quantity.most for quantity in QUANTITIES},
        },
        "fileShareLimits": limits,
        "fileShareRecommendations": {
            "baseIOPS": IOPS.base,
            "ioScalar": IOPS.scalar,
            "baseBandwidthMiBPerSec": BANDWIDTH.base,
            "bandwidthScalar": BANDWIDTH.scalar,
        },
        "burstingConstants": {
            "burstFloorIOPS": BURST_FLOOR,
            "burstIOScalar": BURST_SCALAR,
            "burstTimeframeSeconds": BURST_SECONDS,
        },
        "storageAccountUsage": {"liveShares": _totals(live), "softDeletedShares": _totals(deleted)},
    }


def _totals(shares: list[Record]) -> dict:
    totals = {"fileShareCount": len(shares)}
    for quantity in QUANTITIES:
        totals[_lower(quantity.limit)] = sum(share["properties"][quantity.word] for share in shares)
    return totals


def _lower(word: str) -> str:
    return word[0].lower() + word[1:]


def let_pass(share: Record, hours: float) -> None:
    """Move a share's earliest times of a decrease into the past."""
    for quantity in QUANTITIES:
        text = share["properties"].get(quantity.next_decrease)
        if text:
            moment = email.utils.parsedate_to_datetime(text) - datetime.timedelta(hours=hours)
            share["properties"][quantity.next_decrease] = email.utils.format_datetime(moment, usegmt=True)
