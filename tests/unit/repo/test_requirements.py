# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of requirements names exists, and no requirement is without an answer."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

PAGE = "docs/requirements.md"
ROWS = [
    row for line in re.findall(r"^## (.+)$", facts.read(PAGE), re.MULTILINE) for row in facts.table_rows(PAGE, line)
]


def functions(path):
    return re.findall(r"^def (test_\w+)", facts.read(path), re.MULTILINE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_shows_a_requirement_exists(row):
    named = re.findall(r"`([^`]+)`", row[2])
    assert named or row[2] in ("open", "not a goal")
    for one in named:
        path, _separator, function = one.partition("::")
        assert (facts.ROOT / path).exists(), one
        if function:
            assert function in functions(path), one


def test_every_requirement_has_one_row():
    assert ROWS
    ids = [row[0] for row in ROWS]
    assert sorted(set(ids)) == sorted(ids)
