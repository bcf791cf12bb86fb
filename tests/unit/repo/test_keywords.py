# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keywords of a play hear the inventory in one way only: Ansible templates them without a host."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

HEARD = "vars/hosts.yml"


@pytest.mark.parametrize("playbook", facts.playbooks())
def test_keywords_take_what_the_inventory_says_into_account(playbook):
    plays = facts.load_yaml(f"playbooks/{playbook}.yml")
    heard = set(facts.load_yaml(f"playbooks/{HEARD}"))
    choosing = [play for play in plays if "{{" in str([play.get(key) for key in facts.KEYWORDS])]
    for play in choosing:
        files = play["vars_files"]
        assert HEARD in ([files] if isinstance(files, str) else files)
        texts = [str(play[key]) for key in facts.KEYWORDS if "{{" in str(play.get(key))]
        assert [re.match(r"\{\{ (\w+)", text)[1] in heard for text in texts] == [True] * len(texts)
    # Nothing is heard before some play ran on a host, whichever --limit admits.
    assert plays[0]["hosts"] == "localhost:all" or not choosing


@pytest.mark.parametrize("playbook", facts.playbooks())
def test_hosts_never_run_ahead_of_each_other(playbook):
    """Whatever strategy the user's configuration has, what is done once is done for all hosts, and before the rest."""
    plays = facts.load_yaml(f"playbooks/{playbook}.yml")
    several = [play for play in plays if play.get("hosts", "localhost") != "localhost"]
    assert [play["name"] for play in several if play.get("strategy") != "ansible.builtin.linear"] == []
