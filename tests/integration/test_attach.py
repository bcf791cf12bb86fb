# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook attach where nothing moves, on hosts that are this computer; the rest are the Molecule scenarios."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import sys

import pytest
import yaml

from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from tests.integration.support import inventory, run_module, storage, vm_id, writes

# A program that finds another directory where a host keeps what it knows of homes, and leaves nothing in /run.
ELSEWHERE = 'for path in /var/lib /run; do mount --bind "$0" $path || exit; done; exec "$@"'


def home_of(tmp_path):
    """A home that belongs to nobody of importance."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.chown(home, "daemon", "daemon")
    return home


def arguments(tmp_path, home, hosts, playbook="attach", **variables):
    """Those of a run of the playbook."""
    values = {"azlin_user": "daemon", "azlin_home": str(home), "azlin_manage_packages": False, **variables}
    hosts = {name: {"ansible_connection": "local", "ansible_become": False, **own} for name, own in hosts.items()}
    return [*inventory(tmp_path, **hosts), f"azlin.storage.{playbook}", "-e", json.dumps(values)]


def elsewhere(ansible, known, *arguments):
    """Run a playbook on a host that keeps what it knows of homes in a directory of the test."""
    return ansible(
        "/usr/bin/unshare", "--mount", "--propagation", "private", "sh", "-c", ELSEWHERE, str(known),
        os.path.join(os.path.dirname(sys.executable), "ansible-playbook"), *arguments,
    )  # fmt: skip


def attach(ansible, tmp_path, hosts, *options, **variables):
    """Run it as far as the home is looked at."""
    given = arguments(tmp_path, home_of(tmp_path), hosts, **variables)
    return ansible("ansible-playbook", *given, "--check", "-vvv", *options)


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


def test_localhost_of_an_inventory_is_not_reached_by_ssh(arm, ansible, tmp_path):
    """An inventory that has it at all seldom says how it is reached."""
    run_module("azlin_nfs_storage", **storage())
    hosts = {"worker-1": {"ansible_connection": "local", "ansible_become": False, "azlin_vm_id": vm_id(arm)}}
    groups = {"ungrouped": {"hosts": {"localhost": {}}}, "azlin_hosts": {"hosts": hosts}}
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text('{"ansible_port": 9}')
    (tmp_path / "inventory.yml").write_text(json.dumps(groups))
    values = {"azlin_user": "daemon", "azlin_home": str(home_of(tmp_path)), "azlin_storage_name": "teamhomes01"}
    options = ("-i", "inventory.yml", "-vvv", "-e", json.dumps({**values, "azlin_manage_packages": False}))

    done = ansible("ansible-playbook", "azlin.storage.attach", *options, "--check")

    assert "changed: [worker-1" in said_of(done.stdout, "Record the attachment in Azure", "worker-1"), done.stdout
    assert "UNREACHABLE" not in done.stdout


# The home is on the first one, whose server is nowhere.
@pytest.mark.parametrize(("name", "recorded"), [("teamhomes02", []), ("teamhomes01", ["teamhomes01"])])
def test_an_attach_that_fails_leaves_no_record_of_another_storage(arm, ansible, tmp_path, name, recorded):
    run_module("azlin_nfs_storage", **storage(name="teamhomes02"))
    made = run_module("azlin_nfs_storage", **storage(name="teamhomes01"))["storage"]
    home, known = home_of(tmp_path), tmp_path / "known"
    journal = Journal(str(known / os.path.relpath(Host(None).state_dir, "/var/lib")), "daemon")
    journal.attachment = {"home": str(home), "source": made["nfs_endpoint"], "client": "nfs", "backup": None}
    journal.save()

    hosts = {"worker-1": {"azlin_vm_id": vm_id(arm)}}
    done = elsewhere(ansible, known, *arguments(tmp_path, home, hosts, azlin_storage_name=name))

    assert "changed: [worker-1" in said_of(done.stdout, "Record the attachment in Azure", "worker-1"), done.stdout
    assert '"error_code": "' in said_of(done.stdout, "Move the home", "worker-1"), done.stdout
    storages = run_module("azlin_storage_info", details=True)["storages"]
    assert [one["name"] for one in storages if one["attached_vms"]] == recorded


HERE = "teamhomes01.file.core.lab.test:/teamhomes01/home"
RUNNING = {"action": "attach", "state": "running"}
# What the role came to, where the home is then, what is under way on the host, and whether the record goes.
ENDS = {
    "it failed": ({"failed": True, "error_code": "rolled_back"}, None, None, True),
    "it failed before the move": (None, None, None, True),
    "it is on another storage": ({"failed": True, "error_code": "in_use"}, HERE.replace("01", "02"), None, True),
    "it is there": ({"failed": True, "error_code": "azure_error"}, HERE, None, False),
    "another run has the lock": ({"failed": True, "error_code": "journal_conflict"}, None, None, False),
    "another run moves it": (None, None, RUNNING, False),
}


def tasks_of(playbook):
    """The tasks of the play that does the work."""
    path = pathlib.Path(__file__).parents[2] / f"playbooks/{playbook}.yml"
    return yaml.safe_load(path.read_text())[-1]["tasks"]


def named(tasks, beginning):
    return next(task for task in tasks if task["name"].startswith(beginning))


def try_out(ansible, tmp_path, *tasks):
    """Run tasks, and nothing else."""
    (tmp_path / "play.yml").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    return ansible("ansible-playbook", "play.yml")


def test_a_record_stays_while_another_run_has_the_home_in_hand(ansible, tmp_path):
    """That run found the record there, and will not make it again: nothing would protect the home that it moves."""
    block = next(task for task in tasks_of("attach") if "block" in task)
    take_back = named(block["always"], "Take back")
    known = {"azlin_record_result": {"changed": True}, "azlin_lookup": {"storages": [{"nfs_endpoint": HERE}]}}
    tasks = []
    for result, source, transaction, gone in ENDS.values():
        about = {**block["vars"], **known, "azlin_after": {"home": {"source": source}, "transaction": transaction}}
        about.update({} if result is None else {"nfs_home_result": result})
        told = {"ansible.builtin.debug": {}, "when": take_back["when"], "register": "done", "vars": about}
        tasks += [told, {"ansible.builtin.assert": {"that": f"done is {'not ' if gone else ''}skipped"}}]

    done = try_out(ansible, tmp_path, *tasks)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_record_that_a_detach_removed_while_the_home_moved_is_made_again(ansible, tmp_path):
    """The detach found the home still local; without a record a deletion of the storage would find no user."""
    block = next(task for task in tasks_of("attach") if "block" in task)["block"]
    first, again = named(block, "Record the attachment"), named(block, "Have the record")
    assert again["azlin.storage.azlin_attachment"] == first["azlin.storage.azlin_attachment"]
    assert block.index(again) > block.index(named(block, "Attach the home"))
    tasks = []
    for variables, made in (
        ({"nfs_home_result": {"changed": True}}, True),
        ({"nfs_home_result": {"changed": False}}, False),
        ({"nfs_home_result": {"changed": True}, "azlin_record": "false"}, False),
    ):
        told = {"ansible.builtin.debug": {}, "when": again["when"], "register": "done", "vars": variables}
        tasks += [told, {"ansible.builtin.assert": {"that": f"done is {'not ' if made else ''}skipped"}}]

    done = try_out(ansible, tmp_path, *tasks)

    assert done.returncode == 0, done.stdout + done.stderr


def test_a_detach_of_a_local_home_removes_a_record_that_is_left_over(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    home = home_of(tmp_path)
    about = {"vm_id": vm_id(arm), "storage_name": "teamhomes01", "user": "daemon", "mount_point": str(home)}
    run_module("azlin_attachment", **about)
    (tmp_path / "known").mkdir()
    given = arguments(tmp_path, home, {"worker-1": {"azlin_vm_id": vm_id(arm)}}, "detach")

    foretold = elsewhere(ansible, tmp_path / "known", *given, "--check")
    done = elsewhere(ansible, tmp_path / "known", *given)

    for run in (foretold, done):
        assert run.returncode == 0, run.stdout + run.stderr
        assert "changed: [worker-1" in said_of(run.stdout, "Remove the record of the attachment in Azure", "worker-1")
    assert run_module("azlin_storage_info")["storages"][0]["attached_vms"] == []


@pytest.mark.parametrize(
    ("state", "transaction", "is_free"),
    [("local", None, True), ("attached", None, False), ("local", RUNNING, False), ("attached", RUNNING, False)],
)
def test_a_detach_leaves_the_record_to_another_run_that_attaches_meanwhile(
    ansible, tmp_path, state, transaction, is_free
):
    """It waits for the other hosts of its batch, which takes as long as they have files to bring back."""
    tasks = tasks_of("detach")
    stop = named(tasks, "Stop if another run")
    assert tasks.index(named(tasks, "Detach the home")) < tasks.index(named(tasks, "Look at the host again"))
    assert tasks.index(stop) < tasks.index(named(tasks, "Remove the record"))
    about = {"azlin_after": {"home": {"state": state, "path": "/home/ada"}, "transaction": transaction}}

    done = try_out(ansible, tmp_path, {**stop, "vars": about})

    assert (done.returncode == 0) is is_free, done.stdout + done.stderr
    assert is_free or "/home/ada" in done.stdout
