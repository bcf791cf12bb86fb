# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings of a full share, and its growth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.module_utils._common import capacity
from tests.unit.anything import assert_clear, for_any, outcome, scalars

GIB = 1024**3
sizes = st.integers(1, 200_000)


@pytest.mark.parametrize(
    ("used", "level"),
    [(0, None), (80 * GIB - 1, None), (80 * GIB, "80 %"), (90 * GIB - 1, "80 %"), (90 * GIB, "90 %")],
)
def test_warnings_begin_at_80_and_at_90_percent(used, level):
    found = capacity.warnings("teamhomes01", "home", used, 100)
    assert found == [] if level is None else level in found[0] and "teamhomes01/home" in found[0] and len(found) == 1


@pytest.mark.parametrize(("used", "size"), [(None, 100), (5, None), (5, 0)])
def test_what_is_unknown_warns_of_nothing_and_says_so(used, size):
    assert capacity.warnings("teamhomes01", "home", used, size) is None


@pytest.mark.parametrize(
    ("size", "used_gib", "grown"),
    [(100, 79, None), (100, 80, 150), (100, 100, 150), (280, 270, 300), (300, 300, None), (400, 400, None)],
)
def test_growth_by_a_step_up_to_the_cap(size, used_gib, grown):
    found = capacity.growth(size, used_gib * GIB, 80, "50GiB", "300GiB")
    assert (found["grow"], found["size_gib"]) == (grown is not None, grown or size)


def test_the_reason_tells_a_cap_from_an_empty_share():
    assert "300 GiB are its cap" in capacity.growth(300, 300 * GIB, 80, "50GiB", "300GiB")["reason"]
    assert "less than 80 %" in capacity.growth(300, 0, 80, "50GiB", "300GiB")["reason"]


@for_any
@given(st.none() | sizes, st.none() | st.integers(0, 200_000 * GIB), st.integers(1, 99), sizes, sizes)
def test_it_never_shrinks_nor_passes_the_cap_nor_acts_on_an_unknown(size, used, at, step, cap):
    found = capacity.growth(size, used, at, step, cap)
    assert found["reason"]
    if found["grow"]:
        assert used * 100 >= at * size * GIB
        assert size < found["size_gib"] <= cap and found["size_gib"] - size <= step
    else:
        assert found["size_gib"] == size
        assert size is None or used is None or used * 100 < at * size * GIB or size >= cap


@for_any
@given(scalars, scalars, scalars)
def test_any_option_is_taken_or_refused_clearly(at, step, cap):
    found, error = outcome(capacity.growth, 100, 90 * GIB, at, step, cap)
    assert (found is None) == (error is not None)
    if error:
        assert_clear(error)
