"""The job templates for AWX and Ansible Automation Platform fit the playbooks they start."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

TEMPLATES = facts.load_yaml("extensions/aap/job_templates.yml")["controller_templates"]
ENVIRONMENT = facts.load_yaml("extensions/aap/execution-environment.yml")["dependencies"]
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


@pytest.mark.parametrize("template", TEMPLATES, ids=playbook_of)
def test_every_template_takes_a_job_of_type_check(template):
    assert template.get("ask_job_type_on_launch") is True


def test_a_deletion_asks_for_its_confirmation():
    template = next(template for template in TEMPLATES if playbook_of(template) == "delete")
    confirm = next(question for question in survey(template) if question["variable"] == "azlin_confirm")
    assert confirm["required"] and not confirm.get("default")


def test_the_execution_environment_has_every_collection_that_the_playbooks_use():
    used = set()
    for path in facts.files("playbooks", "roles"):
        if path.suffix == ".yml":
            used |= set(re.findall(r"^\s+(?:- )?(\w+\.\w+)\.\w+:$", facts.read(path), re.MULTILINE))
    names = {entry["name"] for entry in ENVIRONMENT["galaxy"]["collections"]}
    assert used - {"ansible.builtin", "azlin.storage"} == names & used
    assert "azure.azcollection" in used


def test_what_is_left_out_of_what_other_collections_pin_is_there_as_this_one_needs_it():
    """What is left out is left out of this collection's requirements too."""
    own = facts.read("meta/requirements.txt").splitlines()
    left_out = [line for line in own if re.split("[><=]", line)[0] in ENVIRONMENT["exclude"]["python"]]
    assert left_out and set(left_out) <= set(ENVIRONMENT["python"])


def test_a_survey_that_offers_a_family_asks_for_the_image():
    asked = {question["variable"] for template in TEMPLATES for question in survey(template)}
    assert {"azlin_vm_os_family", "azlin_vm_image"} <= asked
