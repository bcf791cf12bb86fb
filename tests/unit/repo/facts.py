"""What the repository says about itself, read from its files."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
# Of a play: Ansible templates them without a host.
KEYWORDS = ("hosts", "serial", "max_fail_percentage")
PRODUCT = ("meta", "plugins", "roles", "playbooks")


def load_yaml(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def files(*patterns):
    """Files that git tracks or would track, as paths relative to the repository."""
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted({Path(name) for name in listed.splitlines() if (ROOT / name).is_file()})


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def tree_of(path):
    return ast.parse(read(path), filename=str(path))


def modules():
    return sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py") if path.stem != "__init__")


def filters():
    return sorted(path.stem for path in (ROOT / "plugins/filter").glob("*.py"))


def jinja_tests():
    return sorted(path.stem for path in (ROOT / "plugins/test").glob("*.py"))


def playbooks():
    return sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))


def roles():
    return sorted(path.name for path in (ROOT / "roles").glob("*") if path.is_dir())


def doc_fragments():
    return sorted(path.stem for path in (ROOT / "plugins/doc_fragments").glob("*.py"))


def argument_spec(playbook):
    """The variables that a playbook validates, each in the play that uses it."""
    check = "ansible.builtin.validate_argument_spec"
    tasks = [task for play in load_yaml(f"playbooks/{playbook}.yml") for task in play.get("tasks", [])]
    return {name: spec for task in tasks if check in task for name, spec in task[check]["argument_spec"].items()}


def variables(playbook):
    """The variables of a playbook: the validated ones and those that choose and pace its hosts."""
    keywords = " ".join(str(play.get(key)) for play in load_yaml(f"playbooks/{playbook}.yml") for key in KEYWORDS)
    pacing = {name: re.search(r"azlin_\w+", text)[0] for name, text in load_yaml("playbooks/vars/hosts.yml").items()}
    used = set(re.findall(r"azlin_\w+", keywords)) & set(pacing)
    return set(argument_spec(playbook)) | {pacing[name] for name in used}


def module_documentation(module, part="DOCUMENTATION"):
    for node in tree_of(f"plugins/modules/{module}.py").body:
        if isinstance(node, ast.Assign) and node.targets[0].id == part:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise LookupError(f"{module} has no {part}")


def table_rows(path, heading):
    """The rows of the first table under a heading of a Markdown file, each a list of its cells' text."""
    section = re.split(r"^#+ ", read(path), flags=re.MULTILINE)
    body = next(part for part in section if part.splitlines()[:1] == [heading])
    lines = [line for line in body.splitlines() if line.startswith("|")]
    # A pipe inside a cell is written as \|.
    return [[cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]
