# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of the playbooks' variables, and what is said of those that are nearly one."""

from __future__ import annotations

import re

import pytest

from ansible_collections.azlin.storage.plugins.plugin_utils import _variables
from tests.unit.repo import facts


def test_it_knows_the_variables_of_the_playbooks():
    taken = set().union(*(facts.variables(name) for name in facts.playbooks()))
    assert {_variables.PREFIX + word for word in _variables.VARIABLES} == taken


def test_nothing_that_the_playbooks_themselves_set_is_called_mistyped():
    """It is there when one of them follows another in a run. An exception would let the same name of a user pass."""
    texts = [facts.read(path) for path in facts.files("playbooks", "roles") if path.suffix == ".yml"]
    # Comments may name what is mistyped.
    words = set(re.findall(r"\bazlin_\w+", re.sub(r"(?m)^ *#.*", "", "\n".join(texts))))
    assert len(words) > len(_variables.VARIABLES)
    assert _variables.mistyped(words) == []


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("azlin_usr", "azlin_user"),
        ("azlin_shares", "azlin_share"),
        ("azlin_clinet", "azlin_client"),
        ("azlin_host", "azlin_hosts"),
        ("azlin_users", "azlin_user"),
        ("azlin_recorded", "azlin_record"),
        ("azlin_busytimeout", "azlin_busy_timeout"),
        ("azlin_resource_grp", "azlin_resource_group"),
        ("azlin_Force", "azlin_force"),
    ],
)
def test_a_mistyped_name_is_told_with_what_is_meant(name, meant):
    (told,) = _variables.mistyped([name, meant])
    assert told.startswith(f"{name}: no playbook has such a variable.")
    assert f"Correct it to {meant}, or" in told


@pytest.mark.parametrize("name", ["azlin_department", "azlin_", "azlin_network_of_bastion", "azlin_user"])
def test_other_names_are_left_alone(name):
    assert _variables.mistyped([name]) == []
