"""The walls inside the collection: controller, hosts and lab."""

from __future__ import annotations

import ast
import re
import sys

import pytest
import yaml

from tests.unit.repo import facts

UTILS = "ansible_collections.azlin.storage.plugins.module_utils"
PYTHON = [path for path in facts.files("plugins") if path.suffix == ".py"]
YAML = [path for path in facts.files("roles", "playbooks", "meta") if path.suffix in (".yml", ".yaml")]
HOST_MODULES = [
    path for path in PYTHON if re.fullmatch(r"plugins/modules/azlin_(?:nfs_home|nas_lab)\w*\.py", str(path))
]
# The registries' addresses, put together here so that this file does not hold them either.
REGISTRIES = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))]
REGISTRIES += [".".join((host, "debian", "org")) for host in ("deb", "security", "snapshot")]


def imports(path):
    """Full names of what a file imports, relative imports resolved."""
    package = ["ansible_collections", "azlin", "storage", *path.parent.parts]
    for node in ast.walk(facts.tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            # `from package import module` imports the module.
            yield from (
                f"{module}.{alias.name}" if file_of(f"{module}.{alias.name}") else module for alias in node.names
            )


def file_of(name):
    """The file of this collection that holds a module, or None."""
    prefix = "ansible_collections.azlin.storage."
    if not name.startswith(prefix):
        return None
    path = facts.ROOT / name[len(prefix) :].replace(".", "/")
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate.relative_to(facts.ROOT)
    return None


def closure(start):
    """Every file of this collection that a file reaches by imports, itself included."""
    seen, todo = set(), [start]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        todo += [found for name in imports(path) if (found := file_of(name))]
    return seen


def foreign(path):
    """What a file imports that is neither Python's own nor this collection's."""
    own = ("ansible_collections.azlin.storage.",)
    return {
        name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(own)
    }


@pytest.mark.parametrize("module", HOST_MODULES, ids=str)
def test_host_modules_need_only_python(module):
    for path in closure(module):
        assert {name for name in foreign(path) if not name.startswith("ansible.module_utils")} == set(), path
        assert path == module or path.parts[:3] in [
            ("plugins", "module_utils", part) for part in ("_common", "_home", "_nas")
        ]


def test_there_are_host_modules():
    assert len(HOST_MODULES) == 3


@pytest.mark.parametrize("path", [p for p in PYTHON if "_common" in p.parts], ids=str)
def test_common_code_knows_neither_world(path):
    assert foreign(path) == set()
    assert not [name for name in imports(path) if name.startswith((f"{UTILS}._azure", f"{UTILS}._home"))]


@pytest.mark.parametrize("path", [p for p in PYTHON if {"_common", "_azure", "_home"} & set(p.parts)], ids=str)
def test_only_the_nas_lab_knows_its_servers(path):
    assert not [name for name in imports(path) if name.startswith(f"{UTILS}._nas")]


@pytest.mark.parametrize("path", [p for p in PYTHON if "_azure" in p.parts], ids=str)
def test_azure_code_does_not_know_the_hosts(path):
    assert not [name for name in imports(path) if name.startswith(f"{UTILS}._home")]


@pytest.mark.parametrize("path", PYTHON, ids=str)
def test_python_runs_no_shell(path):
    for node in ast.walk(facts.tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in ("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput")
        for keyword in node.keywords:
            shell = keyword.arg in ("shell", "use_unsafe_shell")
            assert not shell or (isinstance(keyword.value, ast.Constant) and not keyword.value.value), ast.unparse(node)


def task_keys(node):
    if isinstance(node, dict):
        yield from node
        node = node.values()
    elif not isinstance(node, list):
        return
    for value in node:
        yield from task_keys(value)


@pytest.mark.parametrize("path", YAML, ids=str)
def test_tasks_run_no_shell(path):
    shells = {"shell", "raw", "ansible.builtin.shell", "ansible.builtin.raw"}
    assert not shells & {key for page in yaml.safe_load_all(facts.read(path)) for key in task_keys(page)}


@pytest.mark.parametrize("path", facts.files(*facts.PRODUCT), ids=str)
def test_the_product_does_not_know_the_lab(path):
    # The NAS servers are a product of their own, made of the same NFS server.
    servers = re.search(r"nas_lab|_nas/", str(path))
    told = r"\blab\b|molecule|qemu" if servers else r"\blab\b|molecule|ganesha|qemu"
    assert not re.search(told, facts.read(path), re.IGNORECASE)


@pytest.mark.parametrize("path", [p for p in PYTHON if facts.read(p).strip()], ids=str)
def test_python_of_the_product_carries_its_licence(path):
    text = facts.read(path)
    assert "SPDX-License-Identifier: GPL-3.0-or-later" in text
    assert "from __future__ import annotations" in text


def test_no_file_names_a_package_registry():
    naming = []
    for path in facts.files():
        text = (facts.ROOT / path).read_bytes().decode("utf-8", errors="replace")
        naming += [str(path) for registry in REGISTRIES if registry in text]
    assert naming == []
