# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the use of a storage is going, and when nobody can say."""

from __future__ import annotations

import datetime

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import trend

GIB = 1024**3


def used(values, first=datetime.date(2026, 3, 20)):
    """A value a day, in GiB; in some countries clocks change meanwhile."""
    return [
        {"time": f"{first + datetime.timedelta(days=day)}T00:00:00Z", "bytes": None if one is None else one * GIB}
        for day, one in enumerate(values)
    ]


def grown(*values):
    growth = trend.growth(used(values))
    return None if growth is None else growth / GIB


def test_a_steady_growth_is_found_exactly():
    assert grown(*range(10, 38, 2)) == 2
    assert grown(*range(38, 10, -2)) == -2
    assert grown(*[5] * 10) == 0


def test_one_large_copy_does_not_bend_it():
    days = list(range(20))
    days[9] += 400
    assert grown(*days) == 1


def test_days_that_are_unknown_are_left_out_and_keep_their_place():
    assert grown(0, 1, 2, None, None, None, 6, 7, 8, 9) == 1


@pytest.mark.parametrize("days", [[], [None] * 30, [1, 2, 3, 4, 5, 6], [1, 2, 3, None, 4, 5, 6]])
def test_less_than_a_week_is_no_trend(days):
    assert grown(*days) is None


def test_what_is_longer_ago_than_the_window_does_not_count():
    assert grown(*[100] * 60, *range(100, 100 + trend.WINDOW_DAYS)) == 1
    # Six known days in the window, and many before it.
    assert grown(*range(60), *[None] * 24, *range(84, 90)) is None


@pytest.mark.parametrize(
    ("used_gib", "size_gib", "gib_a_day", "days"),
    [
        (50, 100, 2, 25),
        (50, 100, 20.1, 2),
        (99, 100, 5, 0),
        (100, 100, None, 0),
        (101, 100, -1, 0),
        (50, 100, 0, None),
        (50, 100, -1, None),
        (50, 100, None, None),
        (None, 100, 1, None),
        (50, None, 1, None),
    ],
)
def test_days_until_full(used_gib, size_gib, gib_a_day, days):
    sizes = [None if one is None else one * GIB for one in (used_gib, size_gib, gib_a_day)]
    assert trend.days_until_full(*sizes) == days


@pytest.mark.parametrize(
    ("used_gib", "size_gib", "gib_a_day", "needed"),
    [
        (50, 100, 0, 100),
        (50, 100, -3, 100),
        (50, 100, 1, 100),
        (50, 100, 1.01, 101),
        (80, 100, 1, 138),
        (90, 100, 0, 113),
        (None, 100, 1, None),
        (50, None, 1, None),
        (50, 100, None, None),
    ],
)
def test_the_size_that_is_needed(used_gib, size_gib, gib_a_day, needed):
    used_bytes, bytes_a_day = (None if one is None else one * GIB for one in (used_gib, gib_a_day))
    assert trend.size_needed_gib(used_bytes, size_gib, bytes_a_day, days=30, percent=80) == needed
