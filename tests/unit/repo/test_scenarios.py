# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenarios share a lab: one that failed half way does not take the next with it."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

STARTS = re.compile(r"lab_command \+ \['nfs', 'start'\]|\['up', '--hosts'")
PREPARED = sorted(facts.ROOT.glob("molecule/*/prepare.yml"))


def in_order(path):
    """The text of a playbook, with those of molecule/shared that it imports in their places."""
    shared = path.parent.parent / "shared"
    return re.sub(
        r"import_playbook: \.\./shared/(\S+)", lambda found: (shared / found[1]).read_text(), path.read_text()
    )


@pytest.mark.parametrize("path", PREPARED, ids=lambda path: path.parent.name)
def test_a_scenario_has_the_server_run_before_it_creates_a_storage(path):
    before, creates, _after = in_order(path).partition("azlin.storage.create")
    assert STARTS.search(before) or not creates


def test_scenarios_create_storages():
    assert sum("azlin.storage.create" in path.read_text() for path in PREPARED) > 8


BASE = facts.load_yaml("molecule/config.yml")["scenario"]


@pytest.mark.parametrize("path", facts.files("molecule/*/molecule.yml"), ids=lambda path: path.parent.name)
def test_a_scenario_that_tried_to_attach_expects_requests_to_azure(path):
    """Only a run in check mode sends none: an attachment is recorded before it is tried."""
    scenario = {**BASE, **(facts.load_yaml(path) or {}).get("scenario", {})}
    steps = scenario["test_sequence"]
    before = {steps[index - 1] for index, step in enumerate(steps) if step.endswith("shared/untouched.yml")}
    if before - {"check"}:
        assert facts.load_yaml(path.parent / "vars.yml")["azure_untouched"] is False
