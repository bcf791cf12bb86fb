# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job hands over to the next one of a workflow becomes a variable of its command line, and beats all others."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

FILES = facts.files("playbooks/*.yml", "playbooks/tasks/*.yml", "playbooks/vars/*.yml", "roles/*/tasks/*.yml")


def handed_over(node):
    """The names that tasks below a node of a playbook hand over."""
    if isinstance(node, dict):
        yield from node.get("ansible.builtin.set_stats", {}).get("data", ())
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from handed_over(one)


HANDED_OVER = {name for path in FILES for name in handed_over(facts.load_yaml(path))}


@pytest.mark.parametrize("name", sorted(HANDED_OVER))
def test_no_playbook_takes_what_an_earlier_job_handed_over_for_its_own(name):
    """A cleanup would delete by the report of an earlier one, and a verification would pass by another's lines."""
    words = re.findall(rf"\b{name}\b", re.sub(r"(?m)^ *#.*", "", "\n".join(facts.read(path) for path in FILES)))
    places = [path for path in FILES for one in handed_over(facts.load_yaml(path)) if one == name]
    assert len(words) == len(places)


def test_some_things_are_handed_over():
    assert {"azlin_storage", "azlin_storages", "azlin_verdicts", "azlin_nas_lines"} <= HANDED_OVER
