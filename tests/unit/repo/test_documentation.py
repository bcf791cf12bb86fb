"""The documentation speaks of things that exist, and of all of them."""

from __future__ import annotations

import ast
import re

import jinja2
import pytest
import yaml
from jinja2 import nodes
from jinja2.nativetypes import NativeEnvironment

from ansible_collections.azlin.storage.plugins.filter import nas_manifests, nas_servers
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import ERROR_CODES
from tests.unit.repo import facts

PAGES = facts.files("*.md")
PYTHON = [path for path in facts.files("plugins") if path.suffix == ".py"]
NAMES = {*facts.modules(), *facts.filters(), *facts.jinja_tests(), *facts.playbooks(), *facts.roles()}
# What else is named so: doc fragments, the action group, the package.
PARTS = {*facts.doc_fragments(), "azure", "plugins"}


def codes(cell):
    return re.findall(r"`([^`]+)`", cell)


def strings(path):
    return [
        node.value
        for node in ast.walk(facts.tree_of(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def literal(node):
    """The text of a string, the values of an f-string replaced by an ellipsis; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "..." for part in node.values)
    return None


def calls(path, name):
    for node in ast.walk(facts.tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            yield node


@pytest.mark.parametrize("path", PAGES + PYTHON + facts.files("playbooks", "roles"), ids=str)
def test_names_of_the_collection_exist(path):
    named = set(re.findall(r"\bazlin\.storage\.([a-z_]+)", facts.read(path)))
    assert named - NAMES - PARTS == set()


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", facts.read(path))
    missing = [link for link in links if "://" not in link and not (facts.ROOT / path.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_make_targets_exist(path):
    targets = set(re.findall(r"^([a-z -]+):", facts.read("Makefile"), re.MULTILINE))
    known = {word for line in targets for word in line.split()}
    assert set(re.findall(r"`(?:[A-Z]+=\S+ )*make ([a-z-]+)", facts.read(path))) <= known


def test_readme_lists_every_module():
    assert sorted(codes(row[0])[0] for row in facts.table_rows("README.md", "Modules and roles")) == sorted(
        facts.modules() + facts.roles()
    )


def test_readme_lists_every_filter():
    assert sorted(codes(row[0])[0] for row in facts.table_rows("README.md", "Filters")) == [
        f"azlin.storage.{name}" for name in facts.filters()
    ]


def test_readme_lists_every_playbook():
    assert sorted(codes(row[0])[0] for row in facts.table_rows("README.md", "Playbooks")) == sorted(
        f"azlin.storage.{name}" for name in facts.playbooks()
    )


@pytest.mark.parametrize("playbook", facts.playbooks())
def test_readme_lists_the_variables_of_a_playbook(playbook):
    listed = set()
    for row in facts.table_rows("README.md", "Variables"):
        used_by = facts.playbooks() if row[1] == "all" else row[1].split()
        if playbook in used_by:
            listed |= set(codes(row[0]))
    assert listed == facts.variables(playbook)


def dictionaries(node):
    """Every dictionary of a playbook: its plays, tasks, and what they hold."""
    if isinstance(node, dict):
        yield node
    for one in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from dictionaries(one)


def defaults(playbook):
    """Variables of a playbook with the values they have without one: its own, or a module's where it is left out."""
    for one in dictionaries(facts.load_yaml(f"playbooks/{playbook}.yml")):
        for key, value in one.items():
            module = key.removeprefix("azlin.storage.")
            if isinstance(value, str):
                yield from defaults_in(value)
            elif key != module and module in facts.modules():
                yield from defaults_of(module, value)


def defaults_in(text):
    for use in jinja2.Environment().parse(text).find_all(nodes.Filter):
        if use.name == "default" and isinstance(use.node, nodes.Name) and isinstance(use.args[0], nodes.Const):
            yield use.node.name, use.args[0].value


def defaults_of(module, given):
    options = facts.module_documentation(module)["options"]
    for option, value in given.items():
        left_out = re.fullmatch(r"\{\{ (\w+) \| default\(omit.*\) \}\}", str(value))
        # What all modules have in common is documented once, in a fragment.
        if left_out and option in options:
            yield left_out[1], options[option].get("default")


@pytest.mark.parametrize("playbook", facts.playbooks())
def test_readme_tells_the_defaults_of_a_playbook(playbook):
    rows = [row for row in facts.table_rows("README.md", "Variables") if playbook in row[1].split()]
    # Those that are a value and nothing else.
    told = {codes(row[0])[0]: yaml.safe_load(row[2][1:-1]) for row in rows if re.fullmatch("`[^`]+`", row[2])}
    assert [(name, value) for name, value in defaults(playbook) if told.get(name, value) != value] == []


def examples(path):
    """The variables of roles in the YAML that a page shows."""
    for block in re.findall(r"^```yaml\n(.*?)^```", facts.read(path), re.MULTILINE | re.DOTALL):
        for one in dictionaries(yaml.safe_load(block)):
            if "role" in one and "vars" in one:
                yield one["role"].rpartition(".")[2], one["vars"]


def test_the_example_of_the_manifests_works():
    environment = NativeEnvironment()
    for plugin in (nas_servers, nas_manifests):
        named = plugin.FilterModule().filters().items()
        environment.filters.update({f"azlin.storage.{name}": function for name, function in named})
    ((role, shown),) = examples("roles/nas_manifests/README.md")
    defaults_of_role = facts.load_yaml(f"roles/{role}/defaults/main.yml")
    (written,) = (
        task["vars"]["__nas_manifests_files"]
        for task in facts.load_yaml(f"roles/{role}/tasks/main.yml")
        if "vars" in task
    )
    servers = environment.from_string(shown["nas_manifests_servers"]).render()
    files = environment.from_string(written).render({**defaults_of_role, **shown, "nas_manifests_servers": servers})

    assert len(files) == len(servers) + 2
    for name, place in shown["nas_manifests_overrides"].items():
        volume, claim = files[f"{name}.yml"]
        assert (volume["spec"]["nfs"]["server"], claim["kind"]) == (place["address"], "PersistentVolumeClaim")


def test_errors_page_is_the_list_of_error_codes():
    documented = {codes(row[0])[0]: row[1] for row in facts.table_rows("docs/errors.md", "Codes")}
    assert documented == ERROR_CODES


def test_errors_page_has_a_remedy_for_every_code():
    assert all(len(row[2]) > 20 for row in facts.table_rows("docs/errors.md", "Codes"))


@pytest.mark.parametrize("code", sorted(ERROR_CODES))
def test_every_error_code_is_raised_somewhere(code):
    home = "plugins/module_utils/_common/errors.py"
    in_errors = facts.read(home).count(f'"{code}"') - 1
    assert in_errors or any(code in strings(path) for path in PYTHON if str(path) != home)


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_raised_codes_are_documented(path):
    raised = {literal(call.args[0]) for call in calls(path, "AzlinError") if call.args}
    assert {code for code in raised if code} <= set(ERROR_CODES)


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_suggested_commands_exist(path):
    documented = set(codes(facts.read("docs/errors.md").split("## Commands")[1]))
    for call in calls(path, "AzlinError"):
        for suggestion in [literal(keyword.value) for keyword in call.keywords if keyword.arg == "try_"]:
            if suggestion is None or suggestion == "":
                continue
            playbook = re.match(r"ansible-playbook azlin\.storage\.(\w+)", suggestion)
            known = playbook[1] in facts.playbooks() if playbook else suggestion.split()[0] in documented
            assert known, suggestion


def test_the_playbooks_pass_every_option_of_a_storage():
    options = set(facts.module_documentation("azlin_nfs_storage")["options"])
    passed = set()
    for playbook in ("create", "delete", "cleanup"):
        tasks = [task for play in facts.load_yaml(f"playbooks/{playbook}.yml") for task in play.get("tasks", [])]
        tasks += [one for task in tasks for one in task.get("block", [])]
        passed |= {option for task in tasks for option in task.get("azlin.storage.azlin_nfs_storage", {})}
    # How costs are shown is documented once, for all modules that show them.
    assert passed - {"currency"} == options
