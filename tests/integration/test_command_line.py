# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible runs them: packed, in a process of their own, with the playbooks' way of passing options."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shlex
import shutil
import sys

import pytest
import yaml

from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from tests.integration.support import GONE, GROUP, inventory, run_module, storage, where_mounted, writes

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_ad_hoc(arm, ansible):
    options = storage(network={"virtual_network": "lab-vnet", "subnet": "endpoints"})
    done = ansible("ansible", "localhost", "-m", "azlin.storage.azlin_nfs_storage", "-a", json.dumps(options), "--diff")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "localhost | CHANGED" in done.stdout
    assert '+    "share home": {' in done.stdout
    assert run_module("azlin_nfs_storage", **options)["changed"] is False


def test_failure_is_one_clear_error(arm, ansible):
    done = ansible("ansible", "localhost", "-m", "azlin.storage.azlin_storage_info", "-a", "resource_group=nowhere")

    assert done.returncode == 2
    assert '"error_code": "not_found"' in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


PLAY = f"""
- hosts: localhost
  gather_facts: false
  module_defaults:
    group/azlin.storage.azure:
      auth_source: env
  tasks:
    - azlin.storage.azlin_nfs_storage:
        name: teamhomes01
        resource_group: {GROUP}
        network: {{virtual_network: lab-vnet, subnet: endpoints}}
    - azlin.storage.azlin_attachment:
        vm_name: "{{{{ item }}}}"
        vm_resource_group: {GROUP}
        storage_name: teamhomes01
        user: azureuser
        mount_point: /home/azureuser
      loop: [worker-1, worker-2]
    - azlin.storage.azlin_storage_info:
        name: teamhomes01
      register: found
    - ansible.builtin.assert:
        that: found.storages[0].attached_vms | map(attribute='name') == ['worker-1', 'worker-2']
      when: not ansible_check_mode
"""


def test_playbook_in_check_mode_then_really_then_again(arm, ansible, tmp_path):
    (tmp_path / "play.yml").write_text(PLAY)

    checked = ansible("ansible-playbook", "play.yml", "--check")
    sent = writes(arm)
    first = ansible("ansible-playbook", "play.yml")
    second = ansible("ansible-playbook", "play.yml")

    assert sent == []
    for done, recap in ((checked, "ok=3    changed=2"), (first, "ok=4    changed=2"), (second, "ok=4    changed=0")):
        assert done.returncode == 0, done.stdout + done.stderr
        assert recap in done.stdout


def test_playbooks_pass_the_options_of_a_storage(arm, ansible, tmp_path):
    about = {"azlin_storage_name": "teamhomes01", "azlin_resource_group": GROUP}
    wanted = {
        "azlin_template": "team",
        "azlin_size": "64GiB",
        "azlin_billing_model": "provisioned_v2",
        "azlin_provisioned_iops": 4000,
        "azlin_provisioned_throughput": 200,
        "azlin_tags": {"team": "blue"},
        "azlin_purge_tags": True,
        "azlin_restore": False,
        "azlin_network": {"virtual_network": "lab-vnet", "subnet": "endpoints"},
    }

    def play(name, **variables):
        return ansible("ansible-playbook", f"azlin.storage.{name}", "-e", json.dumps({**about, **variables}))

    created, shown = play("create", **wanted), play("status")
    assert created.returncode == 0, created.stdout + created.stderr
    found = run_module("azlin_storage_info", name="teamhomes01")["storages"][0]
    assert (found["sku"], found["size_gib"], found["soft_delete_days"]) == ("PremiumV2_ZRS", 64, 14)
    assert (found["provisioned_iops"], found["provisioned_throughput"]) == (4000, 200)
    assert "Provisioned 4000 IOPS, 200 MiB/s" in shown.stdout

    deleted = play("delete", azlin_confirm="teamhomes01", azlin_delete_snapshots=True)
    assert deleted.returncode == 0 and "Storage account teamhomes01 is deleted" in deleted.stdout
    sent = [
        one["query"]["$include"] for one in arm.requests() if one["method"] == "DELETE" and "$include" in one["query"]
    ]
    assert sent == ["snapshots"]


@pytest.mark.parametrize("answer", ["", None], ids=["empty", "null"])
def test_what_nobody_answered_is_as_if_it_was_not_asked(arm, ansible, tmp_path, answer):
    """So AWX hands on the optional questions of a survey."""
    run_module("azlin_nfs_storage", **storage())
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})

    def play(name, *blank, **variables):
        given = {**variables, **dict.fromkeys(blank, answer), "ansible_become": False}
        return ansible("ansible-playbook", f"azlin.storage.{name}", *hosts, "--check", "-e", json.dumps(given))

    listed = play("list", "azlin_resource_group")
    assert listed.returncode == 0 and "1 storages, " in listed.stdout, listed.stdout + listed.stderr
    cleaned = play("cleanup", "azlin_resource_group", "azlin_cleanup_confirm")
    assert cleaned.returncode == 0 and "0 of 1 storages can go" in cleaned.stdout, cleaned.stdout + cleaned.stderr
    blank = ("azlin_hosts", "azlin_serial", "azlin_resource_group", "azlin_user")
    attached = play("attach", *blank, azlin_storage_name="teamhomes01")
    # The host was asked for the user's home, and this machine has no such user.
    assert "not_found" in attached.stdout and "azureuser" in attached.stdout, attached.stdout + attached.stderr


@pytest.mark.parametrize("playbook", ["attach", "delete"])
def test_a_mistyped_variable_is_refused_before_anything_is_asked(arm, ansible, tmp_path, playbook):
    """Without azlin_user another home would move, and without azlin_hosts no host would be asked before a deletion."""
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})
    wanted = {"azlin_storage_name": "teamhomes01", "azlin_usr": "ada", "azlin_host": "here", "azlin_department": "x"}
    done = ansible("ansible-playbook", f"azlin.storage.{playbook}", *hosts, "-e", json.dumps(wanted))
    assert done.returncode != 0
    assert "azlin_host: no playbook has such a variable. Correct it to azlin_hosts, or" in done.stdout, done.stdout
    assert "azlin_usr: no playbook has such a variable. Correct it to azlin_user, or" in done.stdout
    assert "azlin_department" not in done.stdout
    assert not arm.requests()


def test_a_variable_that_the_inventory_mistypes_for_some_hosts_is_refused(arm, ansible, tmp_path):
    here = {"ansible_connection": "local", "ansible_become": False}
    hosts = inventory(tmp_path, fine=here, wrong={**here, "azlin_usr": "ada"})
    done = ansible("ansible-playbook", "azlin.storage.attach", *hosts, "-e", "azlin_storage_name=teamhomes01")
    assert done.returncode != 0
    assert "azlin_usr: no playbook has such a variable. Correct it to azlin_user, or" in done.stdout, done.stdout


def test_what_the_inventory_says_of_hosts_chooses_and_paces_them(arm, ansible, tmp_path):
    """Ansible itself would not look there for a keyword of a play."""
    run_module("azlin_nfs_storage", **storage())
    here = {"ansible_connection": "local", "ansible_become": False}
    groups = {
        "all": {"vars": {"azlin_hosts": "chosen", "azlin_max_fail_percentage": 0}},
        "azlin_hosts": {"hosts": {"other": here}},
        "chosen": {"hosts": {f"worker-{number}": here for number in (1, 2, 3)}, "vars": {"azlin_serial": 2}},
    }
    (tmp_path / "inventory.json").write_text(json.dumps(groups))

    def play(*arguments):
        done = ansible("ansible-playbook", "-i", "inventory.json", *arguments)
        assert "other" not in done.stdout, done.stdout + done.stderr
        return [f"worker-{number}" in done.stdout for number in (1, 2, 3)]

    about = {"azlin_storage_name": "teamhomes01", "azlin_user": "nosuchuser"}
    attach = ("azlin.storage.attach", "--check", "-e", json.dumps(about))
    assert play(*attach) == [True, True, False]
    assert play(*attach, "--limit", "worker-3") == [False, False, True]

    # The playbook's own keywords for a play in which one host of the first batch fails.
    first, second = yaml.safe_load((ROOT / "playbooks/attach.yml").read_text())
    fails = {"ansible.builtin.fail": {"msg": "no"}, "when": "inventory_hostname == 'worker-1'"}
    one = {**second, "vars_files": str(ROOT / "playbooks" / second["vars_files"]), "tasks": [fails]}
    (tmp_path / "play.yml").write_text(json.dumps([{**first, "tasks": []}, one]))
    assert play("play.yml") == [True, True, False]
    assert play("play.yml", "-e", "azlin_max_fail_percentage=50") == [True, True, True]


@pytest.mark.parametrize("place", ["extra variable", "group variable", "variable of the import"])
@pytest.mark.parametrize(
    ("name", "value", "usable"),
    [
        ("azlin_serial", "abc", False),
        ("azlin_serial", [1, "x"], False),
        ("azlin_serial", "25%", True),
        ("azlin_serial", [1, "50%"], True),
        ("azlin_max_fail_percentage", "abc", False),
        ("azlin_max_fail_percentage", 101, False),
        ("azlin_max_fail_percentage", -1, False),
        ("azlin_max_fail_percentage", 12.5, True),
        ("azlin_max_fail_percentage", "100%", True),
        ("azlin_max_fail_percentage", "", True),
    ],
)
def test_batches_that_are_no_number_are_refused_by_name(ansible, tmp_path, place, name, value, usable):
    here = {"ansible_connection": "local", "ansible_become": False}
    extra, group, imported = [
        {name: value} if place == one else {} for one in ("extra variable", "group variable", "variable of the import")
    ]
    groups = {"azlin_hosts": {"hosts": {"one": here, "two": here}, "vars": group}}
    (tmp_path / "inventory.json").write_text(json.dumps(groups))
    plays = [{"ansible.builtin.import_playbook": "azlin.storage.attach", "vars": imported}]
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    given = json.dumps({"azlin_storage_name": "Not_A_Name", **extra})
    done = ansible("ansible-playbook", "play.yml", "-i", "inventory.json", "-e", given)
    assert done.returncode != 0 and "Traceback" not in done.stdout + done.stderr
    assert (f"{name}: " in done.stdout) is not usable and ("Not_A_Name" in done.stdout) is usable, done.stdout


UNCONFIRMED = ["azlin.storage.delete", "-e", "azlin_storage_name=teamhomes01", "-e", f"azlin_resource_group={GROUP}"]
UNCONFIRMED += ["-e", "ansible_become=false", "-e", "azlin_user=daemon"]
DELETION = [*UNCONFIRMED, "-e", "azlin_confirm=teamhomes01"]


def test_deletion_is_refused_by_hosts_that_cannot_be_asked(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    hosts = inventory(tmp_path, here={"ansible_connection": "local"}, gone=GONE)
    arm.clear_requests()

    refused = ansible("ansible-playbook", *DELETION, *hosts)
    limited = ansible("ansible-playbook", *DELETION, *hosts, "--limit", "here:localhost")

    for done, word in ((refused, "gone (could not be asked"), (limited, "gone (was not asked)")):
        assert done.returncode != 0 and "in_use" in done.stdout, done.stdout + done.stderr
        assert word in done.stdout
        assert "here (" not in done.stdout
    assert writes(arm) == []

    forced = ansible("ansible-playbook", *DELETION, *hosts, "-e", "azlin_force=true")
    assert forced.returncode == 0, forced.stdout + forced.stderr
    assert run_module("azlin_storage_info", name="teamhomes01")["storages"] == []


# Runs a program where a journal, $0, is the only thing in /var/lib, for nobody else to see.
WITH_JOURNAL = 'mount -t tmpfs tmpfs /var/lib && install -D "$0" /var/lib/azlin/nfs_home/daemon.json && exec "$@"'


def test_a_home_that_waits_for_its_confirmation_may_be_on_any_storage(arm, ansible, tmp_path):
    """It is local as it will be once the detach counts; until then the host may put it back on the share."""
    assert os.geteuid() == 0, "the host's journal is root's: run as root"
    run_module("azlin_nfs_storage", **storage())
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})
    journal = Journal(str(tmp_path), "daemon")
    journal.begin("0123456789ab", "detach", {})
    journal.await_confirmation({})
    arm.clear_requests()

    def play(*arguments):
        program = pathlib.Path(sys.executable).with_name("ansible-playbook")
        argv = ("--mount", "sh", "-c", WITH_JOURNAL, journal.path, str(program), *arguments, *hosts)
        return ansible(shutil.which("unshare"), *argv)

    refused, reported = play(*DELETION), play("azlin.storage.cleanup", *DELETION[-4:])

    assert refused.returncode != 0 and "in_use" in refused.stdout, refused.stdout + refused.stderr
    assert "in use: here (has an unfinished transaction)." in refused.stdout
    assert "here may have a home on it: it has an unfinished transaction" in reported.stdout, reported.stdout
    assert writes(arm) == []


@pytest.mark.parametrize(("user", "path"), [("daemon", "home"), ("nosuchuser", "home"), ("daemon", "home/projects")])
def test_deletion_is_refused_by_a_mount_for_somebody_who_was_not_asked_for(arm, ansible, tmp_path, user, path):
    run_module("azlin_nfs_storage", **storage())
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})
    source = f"teamhomes01.file.core.lab.test:/teamhomes01/{path}"
    arm.clear_requests()

    play = ("ansible-playbook", *DELETION, *hosts, "-e", f"azlin_user={user}")
    done = ansible(*where_mounted(source, *play))

    assert done.returncode != 0 and "in_use" in done.stdout, done.stdout + done.stderr
    assert f"here (has it mounted, or in its fstab, but not as the home of {user})" in done.stdout
    assert writes(arm) == []


@pytest.mark.parametrize("playbook", ["delete", "attach"])
def test_the_strategy_of_the_user_is_not_that_of_these_plays(arm, ansible, tmp_path, playbook):
    """Hosts that run ahead of each other lack what was to be found out once for all of them."""
    run_module("azlin_nfs_storage", **storage())
    (tmp_path / "ansible.cfg").write_text("[defaults]\nstrategy = free\nforks = 2\n")
    here = {"ansible_connection": "local"}
    hosts = inventory(tmp_path, **{f"worker-{number}": here for number in range(4)})
    arguments = (*DELETION[1:], "-e", "azlin_record=false", "--check")

    done = ansible("ansible-playbook", f"azlin.storage.{playbook}", *hosts, *arguments)

    said = done.stdout + done.stderr
    assert "with the free strategy" not in said and "in the free strategy" not in said
    assert "HostVarsVars" not in said and "[localhost]" in said


@pytest.mark.parametrize("playbook", ["delete", "cleanup", "report", "provision"])
def test_a_limit_that_leaves_localhost_out_is_no_success(arm, ansible, tmp_path, playbook):
    """As with most inventories, localhost is in none of its groups."""
    groups = {"azlin_hosts": {"hosts": {"here": {"ansible_connection": "local"}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(groups))
    arguments = (*DELETION[1:], "-e", "azlin_report_path=report.html", "-e", "azlin_vm_name=here")

    def play(limit):
        return ansible(
            "ansible-playbook", f"azlin.storage.{playbook}", "-i", "inventory.json", "--limit", limit, *arguments
        )

    refused = play("here")
    assert refused.returncode != 0 and "--limit 'worker-1:localhost'" in refused.stdout, refused.stdout
    assert "TASK [Look at the host]" not in refused.stdout and arm.requests() == []
    admitted = play("here:localhost")
    assert "leaves out localhost" not in admitted.stdout and "TASK [Check the variables]" in admitted.stdout


@pytest.mark.parametrize("playbook", ["attach", "nas_lab_verify"])
def test_a_limit_that_leaves_all_hosts_out_is_no_success(ansible, tmp_path, playbook):
    """Such as the name of a machine that nobody has put into the group yet."""
    here = {"ansible_connection": "local", "ansible_become": False}
    groups = {"azlin_hosts": {"hosts": {"here": here}}, "azlin_nas_client": {"hosts": {"client": here}}}
    groups["others"] = {"hosts": {"elsewhere": here}}
    (tmp_path / "inventory.json").write_text(json.dumps(groups))
    given = ("-e", "azlin_storage_name=Not_A_Name", "-e", "azlin_nas_limit=none")

    def play(limit):
        return ansible(
            "ansible-playbook", f"azlin.storage.{playbook}", "-i", "inventory.json", "--limit", limit, *given
        )

    refused, admitted = play("elsewhere"), play("elsewhere:here:client")

    assert refused.returncode != 0 and "--limit 'elsewhere' leaves out all hosts of" in refused.stdout, refused.stdout
    assert "leaves out" not in admitted.stdout and "TASK [Check the variables]" in admitted.stdout, admitted.stdout


def test_localhost_may_be_in_the_inventory_by_its_address(arm, ansible, tmp_path):
    """Ansible then takes the name for that host."""
    run_module("azlin_nfs_storage", **storage())
    groups = {"azlin_hosts": {"hosts": {"127.0.0.1": {"ansible_connection": "local"}}}}
    (tmp_path / "inventory.json").write_text(json.dumps(groups))

    done = ansible("ansible-playbook", *DELETION, "-i", "inventory.json", "--check")

    assert done.returncode == 0 and "TASK [Look at the host]" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("playbook", ["delete", "cleanup", "report"])
def test_hosts_that_are_named_but_not_there_are_no_hosts_that_were_asked(arm, ansible, tmp_path, playbook):
    run_module("azlin_nfs_storage", **storage())
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})
    arguments = (*DELETION[1:], "-e", f"azlin_report_path={tmp_path / 'report.html'}")
    arm.clear_requests()

    done = ansible("ansible-playbook", f"azlin.storage.{playbook}", *hosts, *arguments, "-e", "azlin_hosts=mistyped")

    assert done.returncode != 0 and "azlin_hosts: mistyped matches no host" in done.stdout, done.stdout + done.stderr
    assert arm.requests() == []


@pytest.mark.parametrize(
    ("named", "strange"),
    [
        ("here:mistyped", "mistyped"),
        ("here, mistyped[0] ,wrong", "mistyped[0], wrong"),
        ("here:wrong*", "wrong*"),
        ("here:mistyped:azlin_hosts[0:1]", "mistyped"),
        ("here:mistyped[0:1]", "mistyped[0:1]"),
        ("here:!mistyped:&azlin_hosts:azlin_hosts[0:1]:empty", None),
        ("here,~mis|her", None),
        ("fe80::5", None),
        ("here,fe80::5", None),
    ],
)
def test_a_part_of_the_hosts_that_is_not_there_is_not_passed_over(arm, ansible, tmp_path, named, strange):
    """Ansible warns of it only, and a deletion would go on although the hosts that were meant have homes there."""
    here = {"ansible_connection": "local", "ansible_become": False}
    hosts = inventory(tmp_path, here=here, **{"fe80::5": here})
    about = json.loads((tmp_path / "inventory.json").read_text())
    (tmp_path / "inventory.json").write_text(json.dumps({**about, "empty": {"hosts": {}}}))
    run_module("azlin_nfs_storage", **storage())
    arm.clear_requests()

    done = ansible("ansible-playbook", *DELETION, *hosts, "-e", json.dumps({"azlin_hosts": named}))

    if strange is None:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert done.returncode != 0 and f"azlin_hosts: {strange} matches no host" in done.stdout, done.stdout
        assert arm.requests() == []


def test_a_path_of_the_controller_may_begin_with_the_home(ansible, tmp_path):
    """A shell makes it one after a space, and not in a file of variables."""
    hosts = {"azlin_hosts": {"hosts": {"worker-1": {"ansible_host": "10.30.1.11"}}}}
    (tmp_path / "inventory.yml").write_text(json.dumps(hosts))
    (tmp_path / "values.yml").write_text("azlin_nas_output_dir: ~/manifests")

    done = ansible(
        "/usr/bin/env", f"HOME={tmp_path / 'me'}", str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
        "azlin.storage.nas_manifests", "-i", "inventory.yml", "-e", "@values.yml",
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "me/manifests/nas-backup.yml").is_file() and not (tmp_path / "~").exists()


def test_hosts_are_asked_about_the_home_that_is_named(arm, ansible, tmp_path):
    """A home that no host can have shows that it reached them."""
    run_module("azlin_nfs_storage", **storage())
    hosts = [*inventory(tmp_path, here={"ansible_connection": "local"}), "-e", "azlin_home=/elsewhere"]
    arm.clear_requests()

    refused = ansible("ansible-playbook", *DELETION, *hosts)
    reported = ansible("ansible-playbook", "azlin.storage.cleanup", *DELETION[-4:], *hosts)

    assert refused.returncode != 0 and "here (could not be asked: home: '/elsewhere'" in refused.stdout, refused.stdout
    assert "here may have a home on it: it could not be asked (home: '/elsewhere'" in reported.stdout, reported.stdout
    assert writes(arm) == []


def test_deletion_goes_on_where_no_host_has_a_home_on_the_storage(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    done = ansible("ansible-playbook", *DELETION, *inventory(tmp_path, here={"ansible_connection": "local"}))
    assert done.returncode == 0, done.stdout + done.stderr
    assert run_module("azlin_storage_info", name="teamhomes01")["storages"] == []


def test_deletion_in_check_mode_shows_its_plan_without_a_confirmation(arm, ansible):
    run_module("azlin_nfs_storage", **storage())
    arm.clear_requests()

    done = ansible("ansible-playbook", *UNCONFIRMED, "--check", "--diff")
    wrong = ansible("ansible-playbook", *UNCONFIRMED, "--check", "-e", "azlin_confirm=teamhomes")

    assert done.returncode == 0 and "changed=1" in done.stdout, done.stdout + done.stderr
    assert '-    "share home"' in done.stdout and "Storage account teamhomes01 is deleted" in done.stdout
    assert wrong.returncode != 0 and "confirmation_required" in wrong.stdout
    assert writes(arm) == []


ANSWERS = {
    "home and records": (
        {
            "home": {"source": "teamhomes01.file.core.lab.test:/teamhomes01/home"},
            "hosts": [{"host": "here", "user": "daemon"}, {"host": "elsewhere", "user": "ops"}],
        },
        ["here/daemon", "elsewhere/ops"],
    ),
    "home without an answer of the server": (
        {"home": {"source": "teamhomes01.file.core.lab.test:/teamhomes01/home"}, "hosts": None},
        ["here/daemon"],
    ),
    "home on another share": (
        {
            "home": {"source": "teamhomes01.file.core.lab.test:/teamhomes01/home2"},
            "hosts": [{"host": "here", "user": "daemon"}],
        },
        [],
    ),
    "local home": ({"home": {"source": None}, "hosts": None, "transaction": None}, []),
    "local home that is not settled": (
        {"home": {"source": None}, "hosts": None, "transaction": {"action": "detach", "state": "unconfirmed"}},
        ["here (has an unfinished transaction)"],
    ),
    "no such user": ({"failed": True, "error_code": "not_found", "msg": "no user"}, []),
    "failure": ({"failed": True, "msg": "no sudo"}, ["here (could not be asked: no sudo)"]),
    "not asked, for force": ({"skipped": True}, []),
}


NOBODYS = "here (has it mounted, or in its fstab, but not as the home of daemon)"
LOCAL = {"home": {"source": None}, "hosts": None, "transaction": None}
ANSWERS.update(
    {
        "another mount": (
            {**LOCAL, "mounts": "a.b:/teamhomes01/home /srv/x nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0"},
            [NOBODYS],
        ),
        "encrypted": (
            {**LOCAL, "mounts": "proc /proc proc rw 0 0\n127.0.0.1:/teamhomes01/home /srv/x nfs4 rw 0 0"},
            [NOBODYS],
        ),
        "in fstab": ({**LOCAL, "mounts": "\n a.b:/teamhomes01/home\t/srv/x\taznfs defaults 0 2"}, [NOBODYS]),
        "out of fstab": ({**LOCAL, "mounts": "# a.b:/teamhomes01/home /srv/x nfs4 defaults 0 0"}, []),
        "other shares": (
            {**LOCAL, "mounts": "a.b:/teamhomes01/home2 /x nfs4 rw 0 0\na.b:/teamhomes02/home /y nfs4 rw 0 0"},
            [],
        ),
        "not readable": ({**LOCAL, "mounts": None}, ["here (could not be asked: no cat)"]),
    }
)


def test_what_hosts_answer_is_understood(ansible, tmp_path):
    """The playbook's own expressions, with the answers that hosts can give."""
    _check, asking, deleting = yaml.safe_load((ROOT / "playbooks/delete.yml").read_text())
    note = asking["tasks"][-1]
    _look, shares = yaml.safe_load((ROOT / "playbooks/tasks/look_at_mounts.yml").read_text())
    delete = next(task for task in deleting["tasks"] if "azlin.storage.azlin_nfs_storage" in task)
    tasks = []
    for answer, expected in ANSWERS.values():
        mounts = {"msg": "no cat"} if answer.get("mounts", "") is None else {"stdout": answer.get("mounts", "")}
        tasks.append({**shares, "vars": {**shares["vars"], "azlin_mounts": mounts}})
        tasks.append({**note, "vars": {**note["vars"], "azlin_told": answer, "azlin_mounts": mounts}})
        used_by = delete["azlin.storage.azlin_nfs_storage"]["used_by"]
        about = {**delete["vars"], "azlin_used_by": used_by, "azlin_storage_name": "teamhomes01", "azlin_share": "home"}
        tasks.append({"ansible.builtin.assert": {"that": f"azlin_used_by == {expected!r}"}, "vars": about})
    play = {"hosts": "azlin_hosts", "gather_facts": False, "tasks": tasks}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    hosts = inventory(tmp_path, here={"ansible_connection": "local"})

    done = ansible("ansible-playbook", "play.yml", *hosts, "-e", "azlin_user=daemon")

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("share", ["home", "projects"])
def test_hosts_are_asked_about_the_storage_that_a_play_imports_the_deletion_for(arm, ansible, tmp_path, share):
    """Variables of an import are no variables of localhost; and what a host has by the inventory is not meant."""
    run_module("azlin_nfs_storage", **storage(share=share))
    about = {"azlin_storage_name": "teamhomes01", "azlin_resource_group": GROUP, "azlin_confirm": "teamhomes01"}
    given = {**about, "azlin_share": share, "azlin_user": "daemon"}
    (tmp_path / "play.yml").write_text(json.dumps([{"import_playbook": "azlin.storage.delete", "vars": given}]))
    hosts = inventory(tmp_path, here={"ansible_connection": "local", "azlin_share": "other"})
    # It beats what this machine, which has no such home, says of itself.
    told = {"home": {"source": f"teamhomes01.file.core.lab.test:/teamhomes01/{share}"}, "hosts": None}
    values = ["-e", json.dumps({"azlin_told": told, "ansible_become": False})]
    arm.clear_requests()

    done = ansible("ansible-playbook", "play.yml", *hosts, *values)

    assert done.returncode != 0 and "in_use" in done.stdout, done.stdout + done.stderr
    assert "here/daemon" in done.stdout
    assert writes(arm) == []


def test_servers_are_not_verified_without_a_client(ansible, tmp_path):
    hosts = (*inventory(tmp_path, here={"ansible_connection": "local"}), "-e", "azlin_hosts=here")

    for client in ((), ("-e", "azlin_nas_client=mistyped")):
        done = ansible("ansible-playbook", "azlin.storage.nas_lab_verify", *hosts, *client)
        assert done.returncode == 2, done.stdout + done.stderr
        assert "matches no host of the inventory" in done.stdout + done.stderr


def test_kubernetes_volumes_are_written_as_the_guide_says(ansible, tmp_path):
    guide = (ROOT / "docs" / "nas_lab.md").read_text()
    (tmp_path / "production.yml").write_text(re.search(r"```yaml\n(azlin_nas_overrides:.*?)```", guide, re.DOTALL)[1])
    hosts = {"azlin_hosts": {"hosts": {"worker-1": {"ansible_host": "10.30.1.11"}}}}
    (tmp_path / "inventory.yml").write_text(json.dumps(hosts))
    commands = [line for line in guide.splitlines() if line.startswith("ansible-playbook azlin.storage.nas_manifests")]

    for command in (*commands, *commands):
        done = ansible(*shlex.split(command))
        assert done.returncode == 0, done.stdout + done.stderr
    assert "changed=0" in done.stdout
    development, production = (tmp_path / "manifests" / name for name in ("development", "production"))
    assert "10.30.1.11" in (development / "nas-output-3.yml").read_text()
    written = "".join(path.read_text() for path in production.iterdir())
    assert "10.30.1.11" not in written and "localhost" not in written
