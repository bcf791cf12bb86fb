# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A boolean variable given as ``-e name=false`` is text, which ansible-core from 2.19 on refuses as a condition."""

from __future__ import annotations

import re

import jinja2
import pytest
from ansible.plugins.test.core import failed

from tests.unit.repo import facts

CONDITIONS = ("when", "that", "failed_when", "changed_when", "until")
FILES = facts.files("playbooks/*.yml", "playbooks/tasks/*.yml", "roles/*/tasks/*.yml", "roles/*/handlers/*.yml")


def boolean_variables():
    specs = [facts.argument_spec(playbook) for playbook in facts.playbooks()]
    for role in facts.roles():
        entries = facts.load_yaml(f"roles/{role}/meta/argument_specs.yml")["argument_specs"]
        specs += [entry["options"] for entry in entries.values()]
    return {name for spec in specs for name, option in spec.items() if option.get("type") == "bool"}


def conditions(node):
    """Every condition below a node of a play, as text."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in CONDITIONS:
                yield from (str(one) for one in (value if isinstance(value, list) else [value]))
            yield from conditions(value)
    elif isinstance(node, list):
        for one in node:
            yield from conditions(one)


def taken_as_they_are(text, names):
    """Those of the variables that a condition takes without making them a boolean."""
    made = r"\b(?!\s*(?:\|\s*default\([^()]*\)\s*)?\|\s*bool\b)(?!\s+is\s+(?:not\s+)?defined)"
    return [name for name in sorted(names) if re.search(rf"\b{name}{made}", text)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_conditions_make_boolean_variables_booleans(path):
    names = boolean_variables()
    assert {text: taken_as_they_are(text, names) for text in conditions(facts.load_yaml(path))} == {
        text: [] for text in conditions(facts.load_yaml(path))
    }


def test_what_is_taken_as_it_is_is_found():
    names = {"azlin_force"}
    assert taken_as_they_are("not azlin_force | default(false)", names) == ["azlin_force"]
    assert taken_as_they_are("azlin_force or other | bool", names) == ["azlin_force"]
    assert taken_as_they_are("azlin_force | default(false) | bool", names) == []
    assert taken_as_they_are("azlin_force is defined and azlin_force|bool", names) == []


@pytest.mark.parametrize(
    "result, undone",
    [
        ({"failed": True, "error_code": "copy_failed"}, True),
        # Killed, or cut off: nothing says how far it came.
        ({"failed": True, "msg": "MODULE FAILURE"}, True),
        # Another run has the home in hand. What that one does is not undone, however it stands by then.
        ({"failed": True, "error_code": "journal_conflict"}, False),
        ({"failed": False}, False),
        (None, False),
    ],
)
def test_only_what_a_run_may_have_left_itself_is_undone(result, undone):
    block = facts.load_yaml("roles/nfs_home/tasks/main.yml")[0]
    environment = jinja2.Environment(autoescape=True)
    environment.tests["failed"] = failed
    known = {} if result is None else {"nfs_home_result": result}
    (condition,) = conditions({"when": block["always"][0]["when"]})
    assert environment.compile_expression(condition)(**known) is undone


# How the controller is to run a module. A Python found by search may be one without the libraries. What the inventory
# says of all hosts, that they become root, is not meant for it; a keyword would not be heard where a variable says it.
CONTROLLER = {"ansible_python_interpreter": "{{ ansible_playbook_python }}", "ansible_become": False}
ONLY_HERE = "add_host assert debug fail meta pause set_fact set_stats validate_argument_spec"
RUN_NO_MODULE = {f"ansible.builtin.{name}" for name in ONLY_HERE.split()}
# Tasks of the user, who decides there, and those that only ask whether there are hosts.
OTHERS = ("{{ azlin_vm_tasks | expanduser | realpath }}", "tasks/require_hosts.yml", "tasks/require_client.yml")


def run_by_the_controller(node, local=False, given=()):
    """The tasks below a node of a play that run a module on localhost, each with the variables around it."""
    local = local or "localhost" in (node.get("hosts"), node.get("delegate_to"))
    given = {**dict(given), **node.get("vars", {})}
    below = [one for key in ("tasks", "block", "rescue", "always") for one in node.get(key, ())]
    for one in below:
        yield from run_by_the_controller(one, local, given)
    runs = [key for key in node if "." in key and key not in RUN_NO_MODULE and node[key] not in OTHERS]
    if local and runs:
        yield node["name"], given


@pytest.mark.parametrize("playbook", facts.playbooks())
def test_the_controller_runs_modules_with_its_own_python_as_who_runs_it(playbook):
    for play in facts.load_yaml(f"playbooks/{playbook}.yml"):
        for name, given in run_by_the_controller(play):
            assert {key: given.get(key) for key in CONTROLLER} == CONTROLLER, name


def test_what_the_controller_runs_is_found():
    task = {"name": "Ask", "azlin.storage.azlin_storage_info": {}, "vars": CONTROLLER}
    assert list(run_by_the_controller({"hosts": "all", "tasks": [task]})) == []
    for play in (
        {"hosts": "localhost", "tasks": [{"block": [task]}]},
        {"hosts": "all", "tasks": [{**task, "delegate_to": "localhost"}]},
    ):
        assert list(run_by_the_controller(play)) == [("Ask", CONTROLLER)]
