# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks cleanup and grow, and what list and status show, as users run them."""

from __future__ import annotations

import datetime
import json

from tests.integration.support import (
    GONE,
    STORAGE_API,
    endpoint_network,
    inventory,
    run_module,
    storage,
    storage_id,
    vm_id,
    where_mounted,
    writes,
)

HERE = {"ansible_connection": "local"}
GIB = 1024**3


def idle_storage(arm, name, **extra):
    """A storage that, as far as Azure can tell, nobody has used in the last days."""
    run_module("azlin_nfs_storage", **storage(name=name, prices="builtin", **extra))
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [(today - datetime.timedelta(days=ago)).strftime("%Y-%m-%dT%H:%M:%SZ") for ago in range(5)]
    arm.metrics(name, "FileCapacity", dict.fromkeys(days, 0), "home")
    arm.metrics(name, "Transactions", dict.fromkeys(days, 0))
    return days


def cleanup(ansible, hosts, **variables):
    values = {"azlin_idle_days": 3, "azlin_user": "daemon", "ansible_become": False, **variables}
    return ansible("ansible-playbook", "azlin.storage.cleanup", *hosts, "-e", json.dumps(values))


def names(arm):
    return [one["name"] for one in run_module("azlin_storage_info")["storages"]]


def test_cleanup_reports_and_deletes_only_what_was_confirmed(arm, ansible, tmp_path):
    hosts = inventory(tmp_path, here=HERE)
    idle_storage(arm, "teamhomes01")
    idle_storage(arm, "teamhomes02")
    idle_storage(arm, "kept", tags={"azlin-keep": "until June"})
    days = idle_storage(arm, "busy")
    arm.metrics("busy", "Transactions", {days[1]: 1}, "home")
    run_module("azlin_nfs_storage", **storage(name="unknown"))
    idle_storage(arm, "attached")
    about = {"vm_id": vm_id(arm), "storage_name": "attached", "user": "ops", "mount_point": "/home/ops"}
    run_module("azlin_attachment", **about)
    before = names(arm)
    arm.let_pass(24 * 5)
    arm.clear_requests()

    reported = cleanup(ansible, hosts)

    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert writes(arm) == [] and names(arm) == before
    for word in (
        "teamhomes01/home in azlin-lab, 87.3 USD a month: can go, not used for 3 days",
        "it carries the tag azlin-keep",
        "there were transactions on 1 of the last 4 days",
        "unknown: its transactions are not known for 4 of the last 4 days",
        "worker-1 has the home of ops on it",
        "2 of 6 storages can go: -e azlin_cleanup_confirm=teamhomes01/home,teamhomes02/home deletes them",
    ):
        assert word in reported.stdout

    refused = cleanup(ansible, hosts, azlin_cleanup_confirm=["teamhomes01/home", "busy/home"])
    assert refused.returncode != 0 and "busy/home cannot go" in refused.stdout
    assert names(arm) == before

    arm.clear_requests()
    checked = ansible(
        "ansible-playbook", "azlin.storage.cleanup", *hosts, "--check", "-e", "azlin_idle_days=3 azlin_user=daemon",
        "-e", "ansible_become=false azlin_cleanup_confirm=teamhomes01/home",
    )  # fmt: skip
    assert checked.returncode == 0 and "changed=1" in checked.stdout, checked.stdout + checked.stderr
    assert "Storage account teamhomes01 is deleted. Soft delete (7 days) is part of the account" in checked.stdout
    assert writes(arm) == []

    done = cleanup(ansible, hosts, azlin_cleanup_confirm="teamhomes01/home")
    assert done.returncode == 0, done.stdout + done.stderr
    assert names(arm) == [name for name in before if name != "teamhomes01"]


def test_cleanup_says_beforehand_that_an_account_goes_with_all_of_its_shares(arm, ansible, tmp_path):
    hosts = inventory(tmp_path, here=HERE)
    days = idle_storage(arm, "teamhomes01")
    run_module("azlin_nfs_storage", **storage(share="projects"))
    arm.metrics("teamhomes01", "FileCapacity", dict.fromkeys(days, 0), "projects")
    arm.let_pass(24 * 5)
    confirmed = {"azlin_cleanup_confirm": "teamhomes01/home,teamhomes01/projects"}
    arm.clear_requests()

    checked = cleanup(ansible, [*hosts, "--check"], **confirmed)
    sent = writes(arm)
    done = cleanup(ansible, hosts, **confirmed)

    assert sent == [] and names(arm) == []
    for run in (checked, done):
        assert run.returncode == 0, run.stdout + run.stderr
        assert "Storage account teamhomes01 is deleted." in run.stdout
        assert "home, projects can be brought back only by recovering the account" in run.stdout
        assert "stays" not in run.stdout


def test_cleanup_tells_what_can_be_brought_back_although_another_deletion_failed(arm, ansible, tmp_path):
    idle_storage(arm, "teamhomes01")
    days = idle_storage(arm, "teamhomes02")
    run_module("azlin_nfs_storage", **storage("teamhomes02", share="projects"))
    arm.metrics("teamhomes02", "FileCapacity", dict.fromkeys(days, 0), "projects")
    arm.let_pass(24 * 5)
    refused = {"method": "DELETE", "path": "teamhomes02/.*/home$", "status": 409, "code": "ShareHasSnapshots"}
    arm.faults(refused)

    confirmed = "teamhomes01/home,teamhomes02/home,teamhomes02/projects"
    done = cleanup(ansible, inventory(tmp_path, here=HERE), azlin_cleanup_confirm=confirmed)

    assert done.returncode != 0 and "ShareHasSnapshots" in done.stdout
    assert "Storage account teamhomes01 is deleted." in done.stdout
    assert '"msg": "Deleted already: share projects. Share projects is kept by soft delete' in done.stdout
    assert names(arm) == ["teamhomes02"]


def test_cleanup_lets_a_host_that_cannot_be_asked_speak_for_every_storage(arm, ansible, tmp_path):
    idle_storage(arm, "teamhomes01")
    arm.let_pass(24 * 5)
    hosts = inventory(tmp_path, here=HERE, gone=GONE)

    refused = cleanup(ansible, hosts, azlin_cleanup_confirm="teamhomes01/home")
    limited = cleanup(ansible, [*hosts, "--limit", "here:localhost"])

    assert refused.returncode != 0 and "teamhomes01/home cannot go" in refused.stdout
    assert "unknown: gone may have a home on it: it could not be asked (" in refused.stdout
    assert "unknown: gone may have a home on it: it was not asked" in limited.stdout
    assert "here may have" not in limited.stdout
    assert names(arm) == ["teamhomes01"]


def test_cleanup_decides_anew_whatever_the_job_before_it_in_a_workflow_found(arm, ansible, tmp_path):
    """AWX makes variables of the command line of what a job hands over, and those beat what a play finds out."""
    days = idle_storage(arm, "teamhomes01")
    arm.let_pass(24 * 5)
    arm.metrics("teamhomes01", "Transactions", {days[1]: 1}, "home")
    storages = run_module("azlin_storage_info")["storages"]
    earlier = {"name": "teamhomes01/home", "account": "teamhomes01", "share": "home", "resource_group": "azlin-lab"}
    handed_over = {"azlin_verdicts": [{**earlier, "candidate": True, "reasons": [], "unknown": []}]}

    refused = cleanup(ansible, inventory(tmp_path, here=HERE), azlin_cleanup_confirm="teamhomes01/home", **handed_over)

    assert refused.returncode != 0 and "teamhomes01/home cannot go" in refused.stdout, refused.stdout
    assert names(arm) == [one["name"] for one in storages]


def test_cleanup_keeps_what_a_host_has_mounted_for_somebody_who_was_not_asked_for(arm, ansible, tmp_path):
    """Nobody may have worked there for weeks."""
    idle_storage(arm, "teamhomes01")
    arm.let_pass(24 * 5)
    values = {"azlin_idle_days": 3, "azlin_user": "nosuchuser", "azlin_cleanup_confirm": "teamhomes01/home"}

    source = "teamhomes01.file.core.lab.test:/teamhomes01/home"
    play = ("ansible-playbook", "azlin.storage.cleanup", *inventory(tmp_path, here=HERE))
    done = ansible(*where_mounted(source, *play, "-e", json.dumps({**values, "ansible_become": False})))

    assert done.returncode != 0 and "teamhomes01/home cannot go" in done.stdout, done.stdout + done.stderr
    assert "here has a home on it, or has it mounted" in done.stdout
    assert names(arm) == ["teamhomes01"]


def test_cleanup_keeps_an_account_with_shares_that_can_be_restored(arm, ansible, tmp_path):
    idle_storage(arm, "teamhomes01")
    run_module("azlin_nfs_storage", **storage(share="projects", soft_delete_days=30))
    share = storage_id(arm, "storageAccounts/teamhomes01/fileServices/default/shares/projects")
    arm.request("DELETE", share, api_version=STORAGE_API)
    arm.let_pass(24 * 5)

    refused = cleanup(ansible, inventory(tmp_path, here=HERE), azlin_cleanup_confirm="teamhomes01/home")

    assert refused.returncode != 0 and "teamhomes01/home cannot go" in refused.stdout
    assert "its account holds deleted shares that can still be restored: projects" in refused.stdout
    assert names(arm) == ["teamhomes01"]


def test_cleanup_for_longer_than_azure_remembers(arm, ansible, tmp_path):
    done = cleanup(ansible, inventory(tmp_path, here=HERE), azlin_idle_days=90)
    assert done.returncode != 0 and "azlin_idle_days: 90 is not usable" in done.stdout


def test_grow_by_steps_up_to_the_cap(arm, disk, ansible):
    run_module("azlin_nfs_storage", **storage(prices="builtin"))

    def grow(*more):
        values = {"azlin_storage_name": "teamhomes01", "azlin_grow_step": "64GiB", "azlin_grow_cap": "600GiB"}
        done = ansible("ansible-playbook", "azlin.storage.grow", "-e", json.dumps(values), *more)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout, run_module("azlin_storage_info", name="teamhomes01")["storages"][0]["size_gib"]

    disk.used["teamhomes01", "home"] = 399 * GIB
    said, size = grow()
    assert (size, "less than 80 % of 500 GiB are used" in said, "changed=0" in said) == (500, True, True)
    disk.used["teamhomes01", "home"] = 500 * GIB
    arm.clear_requests()
    said, size = grow("--check")
    assert (size, writes(arm), "changed=1" in said) == (500, [], True)
    assert "grows to 564 GiB" in said and "97.54 USD a month" in said
    assert [grow()[1], grow()[1]] == [564, 600]
    said, size = grow()
    assert (size, "600 GiB are its cap" in said, "changed=0" in said) == (600, True, True)


def test_list_shows_what_others_own_on_request(arm, ansible):
    body = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}
    arm.request("PUT", storage_id(arm, "storageAccounts/foreign"), body, STORAGE_API)
    share = storage_id(arm, "storageAccounts/foreign/fileServices/default/shares/data")
    arm.request("PUT", share, {"properties": {"enabledProtocols": "NFS", "shareQuota": 100}}, STORAGE_API)

    ours = ansible("ansible-playbook", "azlin.storage.list")
    everything = ansible("ansible-playbook", "azlin.storage.list", "-e", "azlin_unmanaged=true")

    assert ours.returncode == everything.returncode == 0, everything.stdout + everything.stderr
    assert "foreign" not in ours.stdout
    (line,) = [line for line in everything.stdout.splitlines() if '"foreign ' in line]
    assert line.rstrip('",').endswith("not ours")


def test_status_tells_of_an_endpoint_that_waits_and_of_a_full_share(arm, disk, ansible):
    network = endpoint_network(manual_approval=True)
    made = run_module("azlin_nfs_storage", **storage(network=network, wait_timeout=60))
    (endpoint,) = made["storage"]["network"]["private_endpoints"]
    assert endpoint["state"] == "Pending"
    disk.used["teamhomes01", "home"] = 460 * GIB

    shown = ansible("ansible-playbook", "azlin.storage.status", "-e", "azlin_storage_name=teamhomes01")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert f"endpoint {endpoint['name']} is Pending, hosts reach the storage when its owner" in shown.stdout
    assert "Warning     teamhomes01/home has reached 90 % of its size: 460.0 of 500 GiB" in shown.stdout
