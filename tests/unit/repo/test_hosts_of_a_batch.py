# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What asks for the variables of all hosts is done once: done on every host its time grows with their square."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.repo import facts

ALL_OF_THEM = re.compile(r"ansible_play_\w+ *\| *map\('extract', hostvars")
FILES = facts.files("playbooks/*.yml", "playbooks/tasks/*.yml", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml")


def variables_of(path):
    """The variables of a role whose values ask for those of all hosts."""
    file = path.parent.parent / "vars/main.yml"
    values = facts.load_yaml(file) if (facts.ROOT / file).is_file() else {}
    return [name for name, value in values.items() if ALL_OF_THEM.search(str(value))]


def tasks(node):
    """Every task below a node of a play, without the blocks."""
    for one in node if isinstance(node, list) else ():
        inner = [one.get(key) for key in ("block", "rescue", "always", "pre_tasks", "tasks", "post_tasks", "handlers")]
        if any(inner):
            for part in inner:
                yield from tasks(part)
        else:
            yield one


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_task_that_asks_for_the_variables_of_all_hosts_runs_once(path):
    asks = re.compile("|".join([ALL_OF_THEM.pattern, *map(re.escape, variables_of(path))]))
    found = [task for task in tasks(facts.load_yaml(path)) if asks.search(json.dumps(task))]
    assert [task["name"] for task in found if not task.get("run_once")] == []
