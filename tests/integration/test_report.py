# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook of the report, from what Azure says to the file."""

from __future__ import annotations

import json

from tests.integration.support import GROUP, run_module, storage, writes


def test_playbook_writes_the_page(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    vm = {"vm_name": "worker-1", "vm_resource_group": GROUP, "storage_name": "teamhomes01"}
    run_module("azlin_attachment", **vm, user="azureuser", mount_point="/home/azureuser")
    # Nothing listens there.
    gone = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_connection": "ssh"}
    here = {"localhost": {"ansible_connection": "local"}}
    inventory = {"ungrouped": {"hosts": here}, "azlin_hosts": {"hosts": {"worker-1": gone}}}
    (tmp_path / "inventory.json").write_text(json.dumps(inventory))
    path = tmp_path / "report.html"
    arm.clear_requests()

    def play(*options, **variables):
        about = json.dumps({"azlin_report_path": path.name, "azlin_resource_group": GROUP, **variables})
        return ansible("ansible-playbook", "azlin.storage.report", "-i", "inventory.json", "-e", about, *options)

    checked = play("--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert not path.exists()

    done = play()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "teamhomes01/home" in path.read_text() and "No host was asked." in path.read_text()

    asked = play(azlin_hosts="azlin_hosts")
    assert "teamhomes01/home: Whether the mount is in order is unknown: worker-1." in asked.stdout, asked.stdout
    assert "It cannot be reached" in path.read_text()
    assert writes(arm) == []


def test_the_same_report_is_written_once(arm, ansible, tmp_path):
    run_module("azlin_nfs_storage", **storage())
    found = run_module("azlin_storage_info", name="teamhomes01")["storages"]
    options = json.dumps({"dest": str(tmp_path / "report.html"), "storages": found, "time": "2026-11-26T12:00:00Z"})
    same = ("localhost", "-m", "azlin.storage.azlin_report", "-a", options)
    first, second = ansible("ansible", *same), ansible("ansible", *same)
    assert "localhost | CHANGED" in first.stdout, first.stdout + first.stderr
    assert "localhost | SUCCESS" in second.stdout, second.stdout + second.stderr


def test_a_bad_time_is_one_clear_error(arm, ansible, tmp_path):
    options = json.dumps({"dest": str(tmp_path / "report.html"), "storages": [], "time": "yesterday"})
    done = ansible("ansible", "localhost", "-m", "azlin.storage.azlin_report", "-a", options)
    assert done.returncode == 2 and '"error_code": "invalid_argument"' in done.stdout
    assert not (tmp_path / "report.html").exists()


def test_the_list_is_a_table_as_wide_as_its_values(arm, ansible):
    run_module("azlin_nfs_storage", **storage())
    done = ansible("ansible-playbook", "azlin.storage.list", "-e", f"azlin_resource_group={GROUP}")
    assert done.returncode == 0, done.stdout + done.stderr
    heading, row = (
        line.strip().strip('",') for line in done.stdout.splitlines() if "REGION" in line or "premium" in line.lower()
    )
    assert heading.startswith(f"NAME        {'RESOURCE GROUP':<{max(14, len(GROUP))}} REGION")
    assert row.startswith(f"teamhomes01 {GROUP:<14} ") and " Premium_LRS " in row
    assert heading.index("TIER") == row.index("Premium_LRS")
