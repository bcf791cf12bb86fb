# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles install packages on fresh hosts, whose lists are old and whose package manager is busy at the first boot."""

from __future__ import annotations

import pytest

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
    # It asks whatever package manager there is, which these two would be too.
    others = ("== 'Suse'", "not in ['Debian', 'RedHat']")
    assert [task["when"] for name, task in found if name == ANY and not task["when"].endswith(others)] == []
