# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the use of a storage is going; None when nothing can be said about it. Pure.

The growth is the Theil-Sen estimate: the median of the slopes between all pairs of days. Unlike least squares it is
not bent by a single large copy or deletion.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import itertools
import math
import statistics
from datetime import datetime, timezone

from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB

# A growth of longer ago says little about the next weeks.
WINDOW_DAYS = 30
# Fewer days than a week show a weekend rather than a trend.
LEAST_DAYS = 7
_SECONDS_A_DAY = 86400


def growth(used):
    """Bytes a day by which the use grows, negative where it shrinks.

    :param used: ``[{time, bytes}]``, a value a day, oldest first; ``bytes`` is None where it is unknown.
    :return: None when fewer than ``LEAST_DAYS`` of the last ``WINDOW_DAYS`` are known.
    """
    if not used:
        return None
    newest = _day(used[-1]["time"])
    points = [(_day(one["time"]), one["bytes"]) for one in used if one["bytes"] is not None]
    points = [(day, value) for day, value in points if newest - day < WINDOW_DAYS]
    if len(points) < LEAST_DAYS:
        return None
    return statistics.median(
        (later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in itertools.combinations(points, 2)
    )


def days_until_full(used_bytes, size_bytes, bytes_a_day):
    """Whole days until the size is used at this growth; None when something is unknown, or nothing grows."""
    if used_bytes is None or size_bytes is None:
        return None
    if used_bytes >= size_bytes:
        return 0
    if bytes_a_day is None or bytes_a_day <= 0:
        return None
    return math.floor((size_bytes - used_bytes) / bytes_a_day)


def size_needed_gib(used_bytes, size_gib, bytes_a_day, days, percent):
    """The size of which at most ``percent`` are used in ``days`` at this growth, never less than the present one.

    None when something is unknown.
    """
    if None in (used_bytes, size_gib, bytes_a_day):
        return None
    expected = used_bytes + max(0, bytes_a_day) * days
    return max(size_gib, math.ceil(expected * 100 / percent / GIB))


def _day(time):
    moment = datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    return moment.timestamp() / _SECONDS_A_DAY
