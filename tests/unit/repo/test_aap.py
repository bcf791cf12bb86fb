"""The job templates for AWX and Ansible Automation Platform fit the playbooks they start."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

TEMPLATES = facts.load_yaml("extensions/aap/job_templates.yml")["controller_templates"]
CHOICES = ("multiplechoice", "multiselect")


def survey(template):
    return template.get("survey_spec", {}).get("spec", [])


def playbook_of(template):
    return re.fullmatch(r"playbooks/(\w+)\.yml", template["playbook"])[1]


def test_there_is_a_template_for_every_playbook():
    assert sorted(map(playbook_of, TEMPLATES)) == facts.playbooks()


@pytest.mark.parametrize("template", TEMPLATES, ids=playbook_of)
def test_template_sets_only_variables_of_its_playbook(template):
    asked = [question["variable"] for question in survey(template)]
    assert len(asked) == len(set(asked))
    assert set(asked) | set(template.get("extra_vars", {})) <= facts.variables(playbook_of(template))


@pytest.mark.parametrize("template", TEMPLATES, ids=playbook_of)
def test_template_gives_every_required_variable(template):
    needed = {name for name, spec in facts.argument_spec(playbook_of(template)).items() if spec.get("required")}
    asked = {question["variable"] for question in survey(template) if question["required"]}
    assert needed <= asked | set(template.get("extra_vars", {}))


@pytest.mark.parametrize("template", TEMPLATES, ids=playbook_of)
def test_survey_offers_what_the_playbook_accepts(template):
    spec = facts.argument_spec(playbook_of(template))
    for question in survey(template):
        accepted = spec.get(question["variable"], {}).get("choices")
        if question["type"] in CHOICES:
            assert accepted is None or question["choices"] == accepted
        else:
            assert accepted is None, f"{question['variable']} has choices, the survey asks for {question['type']}"


@pytest.mark.parametrize("template", TEMPLATES, ids=playbook_of)
def test_survey_is_switched_on_where_there_is_one(template):
    assert template.get("survey_enabled", False) is bool(survey(template))


def test_a_deletion_asks_for_its_confirmation():
    template = next(template for template in TEMPLATES if playbook_of(template) == "delete")
    confirm = next(question for question in survey(template) if question["variable"] == "azlin_confirm")
    assert confirm["required"] and not confirm.get("default")
