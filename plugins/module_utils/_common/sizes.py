# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes as users write them.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

# Bytes.
GIB = 1024**3
# Azure provisions in GiB and calls them GB in places, so GB and TB mean the binary units here too.
_GIB_PER_UNIT = {"": 1, "G": 1, "GB": 1, "GIB": 1, "T": 1024, "TB": 1024, "TIB": 1024}
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s?([A-Za-z]{0,3})", re.ASCII)


def parse_size_gib(value, option="size"):
    """Return the size in whole GiB of ``100``, ``100GiB``, ``100GB`` or ``1.5TiB`` (1 TB = 1024 GiB).

    :raises AzlinError: ``invalid_argument`` for anything else, for zero and for fractions of a GiB.
    """
    match = _SIZE.fullmatch(str(value))
    unit = match.group(2).upper() if match else None
    if unit not in _GIB_PER_UNIT:
        raise invalid(
            option,
            value,
            "a size is a number with an optional unit GiB, GB, TiB or TB",
            "Write for example 100GiB or 1TiB.",
        )
    gib = Fraction(match.group(1)) * _GIB_PER_UNIT[unit]
    if gib.denominator != 1 or gib < 1:
        raise invalid(option, value, "Azure provisions whole GiB", "Write a multiple of 1GiB, at least 1GiB.")
    return int(gib)
