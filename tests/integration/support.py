# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: calling modules, options of a storage, reading the request log."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import pathlib
import shutil
import sys
from unittest import mock

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.17

    def patch_module_args(arguments):
        """Hand arguments to the module that is run meanwhile."""
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())


from ansible_collections.azlin.storage.plugins.module_utils._azure import converge
from lab.arm.client import LabError

MODULES = "ansible_collections.azlin.storage.plugins.modules"
GROUP = "azlin-lab"
WRITES = ("PUT", "PATCH", "POST", "DELETE")
NETWORK_API = "2024-05-01"
# An inventory's host on which nothing listens.
GONE = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_connection": "ssh"}
STORAGE_API = "2025-06-01"
DNS_API = "2024-06-01"


def run_module(module_name, /, *, check=False, **options):
    """Run a module's own main() and return what it printed."""
    module = importlib.import_module(f"{MODULES}.{module_name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    # Kept for the process, which is one of many modules only here.
    warnings._global_warnings.clear()
    output = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    return json.loads(output.getvalue())


def warnings_of(result):
    """The warnings of a module; Ansible has written them as objects since 2.19."""
    return [one if isinstance(one, str) else one["event"]["msg"] for one in result.get("warnings", ())]


# While this rule of the server is in force, whatever is sent to change something fails. Signing in is no change.
READ_ONLY = {
    "method": "|".join(WRITES),
    "path": "(?<!/token)$",
    "status": 400,
    "code": "WrittenInCheckMode",
    "message": "A run in check mode sent a request that writes.",
    "times": 0,
}


def forecast(arm, module_name, /, **options):
    """Run a module in check mode against a server that lets nothing be written; return what it printed."""
    arm.clear_requests()
    arm.faults(READ_ONLY)
    try:
        result = run_module(module_name, check=True, **options)
    finally:
        arm.clear_faults()
    assert writes(arm) == []
    return result


def assert_forecast(arm, module_name, /, **options):
    """A run in check mode says what the real one does from the same state on; return the result of that one."""
    said = forecast(arm, module_name, **options)
    real = run_module(module_name, **options)
    for key in ("failed", "changed", "plan", "diff", "attachment", "error_code", "msg"):
        assert said.get(key) == real.get(key)
    assert_agree(said.get("storage"), real.get("storage"))
    return real


# What only Azure knows of a storage before the work is done; places in lists have no part in it.
UNFORESEEN = {
    "cost.parts.quantity",
    "created",
    "network.private_endpoints.ip_address",
    "network.private_endpoints.state",
    "next_allowed_decrease.provisioned_iops",
    "next_allowed_decrease.provisioned_throughput",
    "next_allowed_decrease.size",
    "paid_bursting.max_throughput",
    "provisioned_throughput",
    "provisioning_state",
    "used_bytes",
    "utilization_percent",
    "warnings",
}


def assert_agree(said, real, *where):
    """What a forecast knows is true; what it cannot know is null, and that is little."""
    if isinstance(said, dict) and isinstance(real, dict):
        assert said.keys() == real.keys()
        for key, value in said.items():
            assert_agree(value, real[key], *where, key)
    elif isinstance(said, list) and isinstance(real, list):
        assert len(said) == len(real)
        for index, one in enumerate(said):
            assert_agree(one, real[index], *where)
    elif said is not None or ".".join(where) not in UNFORESEEN:
        assert said == real, where


def endpoint_network(**extra):
    """The network option for a private endpoint in the lab's network."""
    return {"virtual_network": "lab-vnet", "subnet": ["endpoints"], **extra}


def service_network(**extra):
    """The network option for the lab's hosts over a service endpoint."""
    return {"mode": "service_endpoint", "virtual_network": "lab-vnet", "subnet": ["hosts"], **extra}


def storage(name="teamhomes01", **extra):
    """The options of a storage behind a private endpoint."""
    return {"name": name, "resource_group": GROUP, "size": "500GiB", "network": endpoint_network(), **extra}


def deletion(**extra):
    """The options that delete the storage."""
    return {"name": "teamhomes01", "resource_group": GROUP, "state": "absent", "confirm": "teamhomes01", **extra}


def assert_refused(result, error_code, *words, remedied=True):
    """One clear error: failed, with its code, the values and a remedy, and nothing of Python's insides.

    :param remedied: false where Azure's code is one that nobody knows, so that there is only its message.
    """
    assert result.get("failed") is True
    assert result["error_code"] == error_code
    for word in words:
        assert word in result["msg"]
    assert "Traceback" not in json.dumps(result) and "exception" not in result
    assert bool(result["causes"]) is remedied
    assert all(entry["cause"] and entry["remedy"] for entry in result["causes"])


def exists(arm, path, api):
    """Whether there is something at an id."""
    try:
        arm.request("GET", path, api_version=api)
    except LabError as error:
        assert " 404 " in str(error)
        return False
    return True


def sent(arm, method, ending):
    """The log's entries of one method to paths with an ending."""
    return [one for one in arm.requests() if one["method"] == method and one["path"].endswith(ending)]


def assert_succeeded(result):
    """The module did what it was asked for."""
    assert "error_code" not in result, result["msg"]
    return result


def assert_finished(arm, **options):
    """A run does what is left to do, the next one finds nothing, and there is one of everything."""
    assert_succeeded(run_module("azlin_nfs_storage", **options))
    arm.clear_requests()
    again = run_module("azlin_nfs_storage", **options)
    assert (again["changed"], again["plan"], writes(arm)) == (False, [], [])
    if options.get("state") == "absent":
        return again
    kinds = {
        storage_id(arm, "storageAccounts"): STORAGE_API,
        network_id(arm, "privateEndpoints"): NETWORK_API,
        network_id(arm, "privateDnsZones"): DNS_API,
    }
    for path, api in kinds.items():
        assert len(arm.request("GET", path, api_version=api)["value"]) <= 1
    states = [one["state"] for one in again["storage"]["network"]["private_endpoints"]]
    assert again["storage"]["provisioning_state"] == "Succeeded" and set(states) <= {"Approved"}
    return again


@contextlib.contextmanager
def before_the_first_write(monkeypatch, action):
    """Have something happen between a run's reading and its writing."""
    carry_out = converge.apply

    def apply(*args):
        action()
        carry_out(*args)

    with monkeypatch.context() as patch:
        patch.setattr(converge, "apply", apply)
        yield


def writes(arm):
    """What the log says was sent to change something; signing in is not."""
    return [
        (entry["method"], entry["path"])
        for entry in arm.requests()
        if entry["method"] in WRITES and not entry["path"].endswith("/token")
    ]


def polls(arm):
    """The requests that asked after a long-running operation."""
    return [entry["path"] for entry in arm.requests() if "operation" in entry["path"].lower()]


def vm_id(arm, name="worker-1"):
    """The resource id of a host."""
    return (
        f"/subscriptions/{arm.subscription_id}/resourceGroups/{GROUP}"
        f"/providers/Microsoft.Compute/virtualMachines/{name}"
    )


def network_id(arm, rest):
    """The resource id of something of Microsoft.Network in the lab's group."""
    return f"/subscriptions/{arm.subscription_id}/resourceGroups/{GROUP}/providers/Microsoft.Network/{rest}"


def storage_id(arm, rest):
    """The resource id of something of Microsoft.Storage in the lab's group."""
    return f"/subscriptions/{arm.subscription_id}/resourceGroups/{GROUP}/providers/Microsoft.Storage/{rest}"


def assert_nothing_to_do(arm, **options):
    """A run of azlin_nfs_storage with the same options sends no write and no poll."""
    arm.clear_requests()
    result = run_module("azlin_nfs_storage", **options)
    assert (result["changed"], result["plan"]) == (False, [])
    assert (writes(arm), polls(arm)) == ([], [])
    return result


def where_mounted(source, program, *arguments):
    """Program and arguments that run a program of Ansible where a share seems to be mounted, for nobody else to see."""
    ansible = str(pathlib.Path(sys.executable).with_name(program))
    seem = 'mount -t tmpfs "$0" /mnt && exec "$@"'
    return [shutil.which("unshare"), "--mount", "sh", "-c", seem, source, ansible, *arguments]


def inventory(tmp_path, **hosts):
    """Arguments of ansible-playbook for an inventory with these hosts in the group azlin_hosts."""
    path = tmp_path / "inventory.json"
    here = {"localhost": {"ansible_connection": "local"}}
    path.write_text(json.dumps({"ungrouped": {"hosts": here}, "azlin_hosts": {"hosts": hosts}}))
    return ["-i", str(path)]
