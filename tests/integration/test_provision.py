# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision as far as it goes without a machine; the rest is the Molecule scenario of that name."""

from __future__ import annotations

import json

import yaml

from tests.integration.support import GROUP, run_module, storage, writes

NAMES = ("-e", "shared_home=teamhomes01", "-e", "vm_name=worker-9", "-e", f"azlin_resource_group={GROUP}")


def test_user_data_for_a_storage_that_is_there(arm, ansible, tmp_path):
    source = run_module("azlin_nfs_storage", **storage())["storage"]["nfs_endpoint"]
    arm.clear_requests()
    argv = ("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", "azlin_user_data_file=worker-9.yml")

    done = ansible(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "worker-9.yml").read_text(encoding="utf-8")
    assert text.startswith("#cloud-config\n")
    wanted = json.loads(yaml.safe_load(text)["runcmd"][0][3])
    assert (wanted["source"], wanted["user"], wanted["client"]) == (source, "azureuser", "nfs")
    assert "worker-9 is not in the inventory yet" in done.stdout
    assert writes(arm) == []

    again = ansible(*argv)
    assert "changed=0" in again.stdout and again.returncode == 0


def test_a_storage_that_is_not_there_is_told_before_there_is_a_machine(arm, ansible, tmp_path):
    done = ansible("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", "azlin_user_data_file=worker-9.yml")
    assert done.returncode != 0
    assert "no storage teamhomes01" in done.stdout
    assert not (tmp_path / "worker-9.yml").exists()


def test_the_optional_collection_is_named_before_anything_is_asked_of_azure(arm, ansible):
    done = ansible("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", '{"azlin_vm_create": true}')
    assert done.returncode != 0
    assert "ansible-galaxy collection install azure.azcollection" in done.stdout
    assert arm.requests() == []
