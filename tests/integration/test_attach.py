# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook attach in check mode, on hosts that are this computer; the rest are the Molecule scenarios."""

from __future__ import annotations

import json
import re
import shutil

from tests.integration.support import inventory, run_module, storage, vm_id, writes


def attach(ansible, tmp_path, hosts, *options, **variables):
    """Run it as far as the home is looked at, which belongs to nobody of importance."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.chown(home, "daemon", "daemon")
    values = {"azlin_user": "daemon", "azlin_home": str(home), "azlin_manage_packages": False, **variables}
    hosts = {name: {"ansible_connection": "local", "ansible_become": False, **own} for name, own in hosts.items()}
    return ansible(
        "ansible-playbook", *inventory(tmp_path, **hosts), "azlin.storage.attach", "--check", "-vvv",
        "-e", json.dumps(values), *options,
    )  # fmt: skip


def said_of(output, task, name):
    """What a task's output says about a host."""
    (block,) = re.findall(rf"^TASK \[(?:[\w.]+ : )?{task}\] .*?(?=^(?:TASK|PLAY) )", output, re.MULTILINE | re.DOTALL)
    return "".join(re.findall(rf"^\w+: \[{name}\b.*?(?=^\w+: \[|\Z)", block, re.MULTILINE | re.DOTALL))


def test_every_host_gets_the_storage_that_its_own_variables_name(arm, ansible, tmp_path):
    hosts = {}
    for name, vm in (("teamhomes01", "worker-1"), ("teamhomes02", "worker-2")):
        run_module("azlin_nfs_storage", **storage(name=name))
        hosts[vm] = {"azlin_storage_name": name, "azlin_vm_id": vm_id(arm, vm)}
    arm.clear_requests()

    done = attach(ansible, tmp_path, hosts)

    for vm, variables in hosts.items():
        name = variables["azlin_storage_name"]
        assert f'"storage_name": "{name}"' in said_of(done.stdout, "Record the attachment in Azure", vm)
        assert f'"source": "{name}.file.' in said_of(done.stdout, "Move the home", vm)
    assert writes(arm) == []


def test_what_becomes_another_user_on_the_hosts_asks_azure_as_who_runs_it(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    (tmp_path / "group_vars").mkdir()
    everywhere = {"ansible_become": True, "ansible_become_user": "daemon", "ansible_become_exe": "/bin/false"}
    (tmp_path / "group_vars/all.yml").write_text(json.dumps(everywhere))

    done = attach(
        ansible, tmp_path, {"worker-1": {"azlin_vm_id": vm_id(arm)}}, "--become", azlin_storage_name="teamhomes01"
    )
    listed = ansible("ansible-playbook", *inventory(tmp_path), "azlin.storage.list", "--become")

    assert "changed: [worker-1" in said_of(done.stdout, "Record the attachment in Azure", "worker-1")
    assert listed.returncode == 0 and "teamhomes01" in listed.stdout, listed.stdout + listed.stderr
