# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles install packages on fresh hosts, whose lists are old and whose package manager is busy at the first boot."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._nas import machine
from tests.run import environment
from tests.unit.repo import facts
from tests.unit.repo.test_hosts_of_a_batch import tasks

APT, DNF, ANY = (f"ansible.builtin.{name}" for name in ("apt", "dnf", "package"))
FILES = [
    path for path in facts.files("roles/*/tasks/*.yml") if any(name in facts.read(path) for name in (APT, DNF, ANY))
]


def test_there_are_roles_that_install_packages():
    assert {path.parts[1] for path in FILES} == {"home_sync", "nas_lab", "nfs_home"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_package_managers_wait_and_know_what_there_is(path):
    found = [(name, task) for task in tasks(facts.load_yaml(path)) for name in (APT, DNF, ANY) if name in task]
    by_manager = {name: task[name] for name, task in found}
    assert {"update_cache": True, "lock_timeout": 300}.items() <= by_manager[APT].items()
    assert {"lock_timeout": 300}.items() <= by_manager[DNF].items()
    assert [task["when"] for name, task in found if name == APT and "not ansible_check_mode" not in task["when"]] == []
    # It asks whatever package manager there is, which these two would be too.
    others = ("== 'Suse'", "not in ['Debian', 'RedHat']")
    assert [task["when"] for name, task in found if name == ANY and not task["when"].endswith(others)] == []


def checked(role, tmp_path, **variables):
    """What check mode says of the tasks that install packages on a host of the Debian family."""
    family = {"ansible.builtin.set_fact": {"os_family": "Debian", "pkg_mgr": "apt", "cacheable": True}}
    install = {"ansible.builtin.include_tasks": str(facts.ROOT / f"roles/{role}/tasks/packages.yml")}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [family, install]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    program = Path(sys.executable).with_name("ansible-playbook")
    given = json.dumps({"ansible_become": False, "ansible_python_interpreter": sys.executable, **variables})
    done = subprocess.run(
        [program, "-i", "localhost,", "--check", tmp_path / "play.yml", "-e", given],
        env={**environment(), "ANSIBLE_HOME": str(tmp_path), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return dict(re.findall(r"^TASK \[([^\]]+)\] \*+\n(\w+):", done.stdout, re.MULTILINE))


def test_the_servers_need_the_same_programs_everywhere():
    variables = facts.load_yaml("roles/nas_lab/vars/main.yml")
    assert tuple(variables["__nas_lab_programs"]) == machine.PROGRAMS
    assert ":".join(variables["__nas_lab_folders"]) == machine.PATH


@pytest.mark.parametrize("missing", [None, "ganesha.nfsd", "rsync", "mkfs.ext4"])
def test_any_program_that_is_missing_is_installed(tmp_path, missing):
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "else").touch()
    for name in machine.PROGRAMS:
        if name != missing:
            os.symlink("else", folder / name)
    variables = {"__nas_lab_folders": [str(folder)], "__nas_lab_programs": machine.PROGRAMS}
    said = checked("nas_lab", tmp_path, **variables)
    keeping = "Keep the server of the distribution, which would start at once, from running"
    assert (said.get("Say what would be installed (Debian family)") == "changed") is (missing is not None), said
    # Whoever had it before us may be using it.
    assert (said.get(keeping) == "changed") is (missing == "ganesha.nfsd"), said


def test_check_mode_needs_no_lists_of_packages(tmp_path):
    """apt fails in check mode where it does not know the package."""
    said = checked("nfs_home", tmp_path, nfs_home_client="no_such_client")
    assert said["Say what would be installed (Debian family)"] == "changed"
    assert said["Install the client (Debian family)"] == "skipping"
