# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role nfs_home as far as it goes without a home: its user does not exist, so the module refuses to move it."""

from __future__ import annotations

import json

import pytest

NO_HOME = "nosuchuser"


@pytest.fixture
def policy(tmp_path, monkeypatch):
    """An enforced policy that keeps sshd from NFS, in files, and a setsebool that changes it and is counted."""
    boolean = tmp_path / "selinux/booleans/use_nfs_home_dirs"
    boolean.parent.mkdir(parents=True)
    boolean.write_text("0 0")
    (tmp_path / "selinux/enforce").write_text("1")
    program = tmp_path / "bin/setsebool"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\necho "1 1" > {boolean}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return boolean


def calls(tmp_path):
    path = tmp_path / "calls"
    return path.read_text().splitlines() if path.exists() else []


def play(ansible, tmp_path, *options, **variables):
    plays = [
        {
            "name": "Attach",
            "hosts": "localhost",
            "gather_facts": False,
            "roles": [{"role": "azlin.storage.nfs_home"}],
        }
    ]
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    wanted = {
        "nfs_home_user": NO_HOME,
        "nfs_home_source": "teamhomes01.file.core.windows.net:/teamhomes01/home",
        "nfs_home_manage_packages": False,
        "__nfs_home_selinux_folder": str(tmp_path / "selinux"),
        **variables,
    }
    return ansible("ansible-playbook", "play.yml", "-e", json.dumps(wanted), *options)


def test_a_policy_that_keeps_sshd_from_the_share_is_changed_once_before_the_home_moves(policy, ansible, tmp_path):
    for _run in range(2):
        done = play(ansible, tmp_path)
        assert done.returncode != 0 and NO_HOME in done.stdout
        assert calls(tmp_path) == ["-P use_nfs_home_dirs on"]


def test_check_mode_says_that_it_would_be_changed_and_changes_nothing(policy, ansible, tmp_path):
    done = play(ansible, tmp_path, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "use_nfs_home_dirs would be turned on" in done.stdout and "changed=1" in done.stdout
    assert (calls(tmp_path), policy.read_text()) == ([], "0 0")


@pytest.mark.parametrize(
    "variables", [{"nfs_home_manage_selinux": False}, {"nfs_home_state": "detached"}, {"enforced": "0"}]
)
def test_the_policy_is_left_alone_otherwise(policy, ansible, tmp_path, variables):
    (tmp_path / "selinux/enforce").write_text(variables.get("enforced", "1"))
    done = play(ansible, tmp_path, **variables)
    assert NO_HOME in done.stdout and calls(tmp_path) == []


def test_a_host_without_selinux_is_no_error(policy, ansible, tmp_path):
    done = play(ansible, tmp_path, __nfs_home_selinux_folder=str(tmp_path / "none"))
    assert NO_HOME in done.stdout and calls(tmp_path) == []
