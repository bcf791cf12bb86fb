# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook provision with the real collection azure.azcollection, against the lab's Resource Manager.

Both collections share an environment that is made as docs/provision.md says: the other's libraries first, then ours.
The Resource Manager starts no machine, so each run ends when nobody logs in.
"""

from __future__ import annotations

import base64
import json
import subprocess
import venv
from pathlib import Path

import pytest

from lab.arm.seed import COMPUTE_API, GROUP, NETWORK_API, seed
from lab.paths import REPOSITORY
from tests.bench.control.__main__ import environment_of, resource_manager
from tests.bench.control.peer import have_peer
from tests.bench.packages import CACHE, run
from tests.integration.support import vm_id, writes

PEER = CACHE / "azcollection"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== of a user"
ALL = {"azlin_storage_name": "teamhomes01", "azlin_resource_group": GROUP}
STORAGE = {"azlin_size": "100GiB", "azlin_network": {"virtual_network": "lab-vnet", "subnet": ["endpoints"]}}
MACHINE = {
    "azlin_vm_name": "worker-9",
    "azlin_vm_create": True,
    "azlin_vm_public_key": KEY,
    "azlin_vm_virtual_network": "lab-vnet",
    "azlin_vm_subnet": "hosts",
    "azlin_vm_timeout": 1,
}


@pytest.fixture(scope="module")
def python():
    """The Python of an environment with both collections' libraries; that of the benchmark stays as it is."""
    have_peer(PEER)
    folder = PEER / "with-ours"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        (libraries,) = (PEER / "venv/lib").glob("python3*/site-packages")
        (own,) = folder.glob("lib/python3*/site-packages")
        (own / "peer.pth").write_text(f"{libraries}\n", encoding="utf-8")
        run(folder / "bin/python", "-m", "pip", "install", "--quiet", "-r", REPOSITORY / "meta/requirements.txt")
        (folder / "ready").touch()
    return folder / "bin/python"


@pytest.fixture
def arm(python):
    """A Resource Manager with a network and a storage."""
    with resource_manager() as server:
        server.profile("fast")
        seed(server, [])
        done = play(python, server, "azlin.storage.create", {**ALL, **STORAGE, "azlin_location": "westus2"})
        assert done.returncode == 0, done.stdout + done.stderr
        server.clear_requests()
        yield server


def play(python: Path, server, playbook, variables, *options):
    """Run a playbook of ours with both collections at hand."""
    program = PEER / "venv/bin/ansible-playbook"
    argv = [python, program, playbook, "-e", json.dumps({**variables, "ansible_python_interpreter": str(python)})]
    return subprocess.run(
        [str(part) for part in (*argv, *options)],
        env=environment_of(server, REPOSITORY / ".cache/collections", PEER / "collections"),
        cwd=CACHE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_machine_has_the_user_data_and_no_way_in_from_outside(python, arm):
    done = play(python, arm, "azlin.storage.provision", {**ALL, **MACHINE})

    machine = arm.request("GET", vm_id(arm, "worker-9"), api_version=COMPUTE_API)["properties"]
    profile = machine["osProfile"]
    assert base64.b64decode(profile["customData"]).startswith(b"#cloud-config\n")
    assert profile["adminUsername"] == "azureuser" and profile["linuxConfiguration"]["disablePasswordAuthentication"]
    (key,) = profile["linuxConfiguration"]["ssh"]["publicKeys"]
    assert (key["path"], key["keyData"]) == ("/home/azureuser/.ssh/authorized_keys", KEY)
    assert machine["hardwareProfile"]["vmSize"] == "Standard_B2s"
    (interface,) = machine["networkProfile"]["networkInterfaces"]
    (address,) = arm.request("GET", interface["id"], api_version=NETWORK_API)["properties"]["ipConfigurations"]
    assert address["properties"]["subnet"]["id"].endswith("/virtualNetworks/lab-vnet/subnets/hosts")
    assert not address["properties"].get("publicIPAddress")
    # Nobody listens there, and that is what is told.
    assert done.returncode != 0 and address["properties"]["privateIPAddress"] in done.stdout, done.stdout


def test_a_machine_that_is_there_is_left_alone(python, arm):
    play(python, arm, "azlin.storage.provision", {**ALL, **MACHINE})
    arm.clear_requests()

    done = play(python, arm, "azlin.storage.provision", {**ALL, **MACHINE, "azlin_vm_size": "Standard_D4s_v5"})

    assert "10.30.1." in done.stdout and "Wait for a login" in done.stdout, done.stdout
    assert writes(arm) == []


def test_check_mode_writes_nothing_and_says_what_a_run_would_do(python, arm):
    done = play(python, arm, "azlin.storage.provision", {**ALL, **MACHINE}, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "worker-9 would be made" in done.stdout
    assert writes(arm) == []
