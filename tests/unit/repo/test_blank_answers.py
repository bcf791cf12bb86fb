# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text that is empty or null is one that was not given: so AWX hands on the questions that nobody answered."""

from __future__ import annotations

import jinja2
import pytest
from jinja2 import nodes

from tests.unit.repo import facts
from tests.unit.repo.test_aap import TEMPLATES, survey
from tests.unit.repo.test_conditions import CONDITIONS

FILES = facts.files("playbooks/*.yml", "playbooks/tasks/*.yml", "playbooks/vars/*.yml")
TEXT = {"str", "path", "raw"}
# Who confirms with an empty text has not confirmed, and is not asked once more.
MEANT = {"azlin_confirm"}


def text_variables():
    """Those whose value is a text, or may be one, and of which the empty one means nothing."""
    specs = [facts.argument_spec(playbook) for playbook in facts.playbooks()]
    typed = {
        name
        for spec in specs
        for name, option in spec.items()
        if option["type"] in TEXT and "" not in option.get("choices", ())
    }
    asked = {
        one["variable"] for template in TEMPLATES for one in survey(template) if one["type"] in ("text", "textarea")
    }
    return (typed | asked | {"azlin_hosts", "azlin_serial"}) - MEANT


def templates(node, condition=False):
    """Every text below a node of a playbook, conditions as the expressions that they are."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from templates(value, key in CONDITIONS)
    elif isinstance(node, list):
        for one in node:
            yield from templates(one, condition)
    elif isinstance(node, str):
        yield f"{{{{ {node} }}}}" if condition else node


def taken_blank(text, names):
    """Those of the variables for which a template takes an empty text for a value."""
    tree = jinja2.Environment().parse(text)
    uses = [*tree.find_all(nodes.Filter), *tree.find_all(nodes.Test)]
    return [
        use.node.name
        for use in uses
        if isinstance(use.node, nodes.Name)
        and use.node.name in names
        and (use.name == "defined" or (use.name == "default" and use.args[1:] != [nodes.Const(True)]))
    ]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_an_empty_text_is_none(path):
    names = text_variables()
    found = {text: taken_blank(text, names) for text in templates(facts.load_yaml(path))}
    assert {text: taken for text, taken in found.items() if taken} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ azlin_hosts | default('x') }}", True),
        ("{{ '/' ~ azlin_hosts | default(omit) }}", True),
        ("{{ 1 if azlin_hosts is not defined else 2 }}", True),
        ("{{ other | default(azlin_hosts | default('x', true)) }}", False),
    ],
)
def test_what_takes_it_for_a_value_is_found(text, found):
    assert bool(taken_blank(text, {"azlin_hosts"})) is found


def test_the_survey_of_a_creation_fills_in_nothing():
    """What is filled in would be wanted of a storage that is there, whatever it has been given since."""
    create = next(template for template in TEMPLATES if template["playbook"] == "playbooks/create.yml")
    assert [question["variable"] for question in survey(create) if "default" in question] == []
