# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision as far as it goes without a machine; the rest is the Molecule scenario of that name."""

from __future__ import annotations

import json
import os

import pytest
import yaml

from tests.integration.support import GROUP, inventory, run_module, storage, writes

NAMES = ("-e", "shared_home=teamhomes01", "-e", "vm_name=worker-9", "-e", f"azlin_resource_group={GROUP}")


def test_user_data_for_a_storage_that_is_there(arm, ansible, tmp_path):
    source = run_module("azlin_nfs_storage", **storage())["storage"]["nfs_endpoint"]
    arm.clear_requests()
    argv = ("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", "azlin_user_data_file=worker-9.yml")

    done = ansible(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    text = (tmp_path / "worker-9.yml").read_text(encoding="utf-8")
    assert text.startswith("#cloud-config\n")
    wanted = user_data(tmp_path / "worker-9.yml")
    assert (wanted["source"], wanted["user"], wanted["client"]) == (source, "azureuser", "nfs")
    assert "worker-9 is not in the inventory yet" in done.stdout
    assert writes(arm) == []

    again = ansible(*argv)
    assert "changed=0" in again.stdout and again.returncode == 0


def user_data(path):
    """What the first boot is told, of user-data in a file."""
    return json.loads(yaml.safe_load(path.read_text(encoding="utf-8"))["runcmd"][0][3])


def test_the_first_boot_is_told_what_attach_is_going_to_be_told(arm, ansible, tmp_path):
    """The machine is one of azlin_hosts, whatever the inventory says of localhost."""
    source = run_module("azlin_nfs_storage", **storage(share="projects"))["storage"]["nfs_endpoint"]
    wanted = {"user": "dev", "home": "/srv/dev", "client": "aznfs", "mount_timeout": 45, "manage_selinux": False}
    lists = {"local_paths": [".cache"], "mount_options": ["actimeo=30"]}
    variables = {"share": "projects", **wanted, **lists}
    localhost = {"ansible_connection": "local", "azlin_share": "home", "azlin_user": "somebody"}
    groups = {
        "ungrouped": {"hosts": {"localhost": localhost}},
        "azlin_hosts": {"vars": {f"azlin_{name}": value for name, value in variables.items()}},
    }
    (tmp_path / "inventory.json").write_text(json.dumps(groups))
    argv = ("ansible-playbook", "azlin.storage.provision", "-i", "inventory.json", *NAMES)

    done = ansible(*argv, "-e", "azlin_user_data_file=worker-9.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    told = user_data(tmp_path / "worker-9.yml")
    assert source.endswith("/projects") and told["source"] == source
    assert {name: told[name] for name in (*wanted, *lists)} == {**wanted, **lists}


@pytest.mark.parametrize(
    ("variables", "options", "told"),
    [
        ({"azlin_client": "smb"}, (), "value of azlin_client must be one of"),
        ({}, ("--limit", "worker-1:localhost"), "--limit leaves worker-9 out"),
    ],
)
def test_what_is_wanted_of_the_machine_is_known_before_anything_is_asked_of_azure(
    arm, ansible, tmp_path, variables, options, told
):
    (tmp_path / "inventory.json").write_text(
        json.dumps({"azlin_hosts": {"hosts": {"worker-1": {}}, "vars": variables}})
    )
    argv = ("ansible-playbook", "azlin.storage.provision", "-i", "inventory.json", *NAMES, *options)

    done = ansible(*argv, "-e", "azlin_user_data_file=worker-9.yml")

    assert done.returncode != 0 and told in done.stdout + done.stderr, done.stdout + done.stderr
    assert arm.requests() == [] and not (tmp_path / "worker-9.yml").exists()


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


def test_a_family_that_the_default_image_is_not_of_is_told_before_anything_is_asked_of_azure(cloud, arm, ansible):
    called = cloud(None)
    made = {"azlin_vm_create": True, "azlin_vm_public_key": "ssh-ed25519 AAAA", "azlin_vm_os_family": "RedHat"}
    done = ansible("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", json.dumps(made))
    assert done.returncode != 0
    assert "azlin_vm_os_family: 'RedHat'" in done.stdout and "azlin_vm_image" in done.stdout
    assert arm.requests() == [] and not called.exists()


@pytest.mark.parametrize("hosts", ["all", ""])
def test_other_hosts_than_the_new_machine_are_refused_before_anything_is_asked_of_azure(arm, ansible, tmp_path, hosts):
    """Given for the whole run it would name the hosts of attach too, and the homes of all of them would move."""
    values = {"azlin_hosts": hosts, "azlin_user_data_file": "worker-9.yml"}
    done = ansible("ansible-playbook", "azlin.storage.provision", *NAMES, "-e", json.dumps(values))
    assert done.returncode != 0
    assert f"azlin_hosts: '{hosts}' is not usable" in done.stdout and "azlin.storage.attach" in done.stdout
    assert arm.requests() == [] and not (tmp_path / "worker-9.yml").exists()


@pytest.fixture
def first_boot(tmp_path, monkeypatch):
    """A cloud-init that tells one status after the other, the last one for ever; who asks is written down."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)

    def tells(*texts):
        script = ["#!/bin/sh", f"echo $* >> {tmp_path}/asked", f"case $(wc -l < {tmp_path}/asked) in"]
        script += [f"{number}) echo '{text}';;" for number, text in enumerate(texts[:-1], 1)]
        script += [f"*) echo '{texts[-1]}';;", "esac"]
        (folder / "cloud-init").write_text("\n".join(script) + "\n")
        (folder / "cloud-init").chmod(0o755)
        return tmp_path / "asked"

    return tells


def provision_here(ansible, tmp_path, *options, **variables):
    """This computer stands for the machine, as far as the look at a home whose user does not exist."""
    run_module("azlin_nfs_storage", **storage())
    (tmp_path / "made.yml").write_text(json.dumps([{"name": "It runs", "ansible.builtin.meta": "noop"}]))
    wanted = {"azlin_vm_tasks": "made.yml", "azlin_user": "nosuchuser", **variables}
    hosts = inventory(tmp_path, **{"worker-9": {"ansible_connection": "local"}})
    return ansible("ansible-playbook", *hosts, "azlin.storage.provision", *NAMES, "-e", json.dumps(wanted), *options)


@pytest.mark.parametrize("end", ["status: done", "status: error\nextended_status: error - done", "status: disabled"])
def test_the_first_boot_is_asked_now_and_then_by_nobody_who_stays_in_the_home_it_moves(
    first_boot, ansible, tmp_path, end
):
    asked = first_boot("status: not started", "status: error\nextended_status: error - running", end)
    done = provision_here(ansible, tmp_path)
    assert asked.read_text().splitlines() == ["status --long"] * 3
    assert "nosuchuser" in done.stdout.rpartition("Look at the host")[2]


def test_a_first_boot_that_does_not_end_is_given_up(first_boot, ansible, tmp_path):
    first_boot("status: running")
    done = provision_here(ansible, tmp_path, azlin_vm_timeout=12)
    assert done.returncode != 0
    assert "Wait for the first boot to end" in done.stdout and "Look at the host" not in done.stdout


@pytest.fixture
def cloud(tmp_path):
    """In place of azure.azcollection: what its release 3.12 answers about a machine at an address, or about none."""

    def holds(address):
        folder = tmp_path / "collections/ansible_collections/azure/azcollection/plugins/modules"
        folder.mkdir(parents=True)
        missing = "Error getting virtual machine worker-9 - (ResourceNotFound) The Resource was not found."
        found = {"vms": [{"name": "worker-9", "network_interface_names": ["worker-901"]}]}
        made = {"properties": {"ip_configurations": [{"private_ip_address": "10.30.1.51"}]}}
        answers = {
            "virtualmachine_info": found if address else {"failed": True, "msg": missing},
            "networkinterface_info": {
                "networkinterfaces": [{"ip_configurations": [{"private_ip_address": address}]}],
            },
            "virtualmachine": {
                "changed": True,
                "ansible_facts": {"azure_vm": {"network_profile": {"network_interfaces": [made]}}},
            },
        }
        for name, answer in answers.items():
            lines = [
                "#!/usr/bin/python",
                "# WANT_JSON",
                "import shutil, sys",
                f"shutil.copy(sys.argv[1], {str(tmp_path / name)!r})",
                f"with open({str(tmp_path / 'called')!r}, 'a') as stream:",
                f"    stream.write('{name}\\n')",
                f"print({json.dumps(answer)!r})",
            ]
            (folder / f"azure_rm_{name}.py").write_text("\n".join(lines) + "\n")
        return tmp_path / "called"

    return holds


@pytest.mark.parametrize(
    ("there", "address", "calls"),
    [
        (None, "10.30.1.51", ["virtualmachine_info", "virtualmachine"]),
        ("10.30.1.77", "10.30.1.77", ["virtualmachine_info", "networkinterface_info"]),
    ],
)
def test_a_machine_that_is_there_is_left_as_it_is(first_boot, cloud, ansible, tmp_path, there, address, calls):
    """Told another size, the module that makes machines would restart it."""
    first_boot("status: done")
    called = cloud(there)
    image = {"publisher": "RedHat", "offer": "RHEL", "sku": "9-lvm-gen2", "version": "latest"}
    made = {"azlin_vm_create": True, "azlin_vm_public_key": "ssh-ed25519 AAAA", "azlin_vm_os_family": "RedHat"}
    done = provision_here(ansible, tmp_path, "-v", **made, azlin_vm_image=yaml.safe_dump(image))
    assert called.read_text().splitlines() == calls
    assert f'"ansible_host": "{address}"' in done.stdout
    if there is None:
        assert json.loads((tmp_path / "virtualmachine").read_text())["image"] == image
