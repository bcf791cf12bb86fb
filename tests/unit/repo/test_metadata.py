"""What the metadata says is what the repository holds."""

from __future__ import annotations

import pytest

from tests.unit.repo import facts

AZURE_AUTH = "azlin.storage.azure_auth"


def test_action_group_is_the_modules_that_log_in_to_azure():
    authenticated = [
        module
        for module in facts.modules()
        if AZURE_AUTH in facts.module_documentation(module)["extends_documentation_fragment"]
    ]
    assert facts.load_yaml("meta/runtime.yml")["action_groups"]["azure"] == authenticated
    assert authenticated


@pytest.mark.parametrize("key", ["python", "system"])
def test_execution_environment_names_files_that_exist(key):
    named = facts.load_yaml("meta/execution-environment.yml")["dependencies"][key]
    assert (facts.ROOT / named).is_file()


def test_collection_depends_on_no_other():
    assert facts.load_yaml("galaxy.yml")["dependencies"] == {}


def test_what_git_ignores_does_not_come_into_the_artifact():
    lines = [line.rstrip("/") for line in facts.read(".gitignore").splitlines() if line and not line.startswith("#")]
    # Ansible leaves the last one out by itself.
    left_out = {*facts.load_yaml("galaxy.yml")["build_ignore"], "__pycache__"}
    assert [line for line in lines if not {line, line.split("/")[0]} & left_out] == []


def test_newest_release_of_the_changelog_is_the_version():
    releases = facts.load_yaml("changelogs/changelog.yaml")["releases"]
    newest = max(releases, key=lambda version: tuple(map(int, version.split("."))))
    assert facts.load_yaml("galaxy.yml")["version"] == newest


def test_changelog_names_every_module_and_playbook():
    release = facts.load_yaml("changelogs/changelog.yaml")["releases"]["0.1.0"]
    assert sorted(entry["name"] for entry in release["modules"]) == facts.modules()
    assert sorted(entry["name"] for entry in release["plugins"]["filter"]) == facts.filters()
    assert sorted(entry["name"] for entry in release["objects"]["playbook"]) == facts.playbooks()
    assert sorted(entry["name"] for entry in release["objects"]["role"]) == facts.roles()


def test_modules_documented_for_host_and_controller_know_their_names():
    for module in facts.modules():
        assert facts.module_documentation(module)["module"] == module


@pytest.mark.parametrize("role", facts.roles())
def test_no_role_promises_a_system_on_which_ansible_installs_nothing(role):
    """The package manager of EL 8 is for a Python that ansible-core supports no more from 2.17 on."""
    platforms = facts.load_yaml(f"roles/{role}/meta/main.yml")["galaxy_info"]["platforms"]
    versions = [version for platform in platforms if platform["name"] == "EL" for version in platform["versions"]]
    assert not {"all", "8"} & set(versions)
