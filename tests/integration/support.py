# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integration tests share: calling modules, options of a storage, reading the request log."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
from unittest import mock

import pytest
from ansible.module_utils import basic

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.17

    def patch_module_args(arguments):
        """Hand arguments to the module that is run meanwhile."""
        return mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode())


MODULES = "ansible_collections.azlin.storage.plugins.modules"
GROUP = "azlin-lab"
WRITES = ("PUT", "PATCH", "POST", "DELETE")
NETWORK_API = "2024-05-01"
STORAGE_API = "2025-06-01"
DNS_API = "2024-06-01"


def run_module(module_name, /, *, check=False, **options):
    """Run a module's own main() and return what it printed."""
    module = importlib.import_module(f"{MODULES}.{module_name}")
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    output = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(output), pytest.raises(SystemExit):
        module.main()
    return json.loads(output.getvalue())


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


def assert_agree(said, real):
    """What a forecast knows is true; what it cannot know is null."""
    if isinstance(said, dict) and isinstance(real, dict):
        assert said.keys() == real.keys()
        for key, value in said.items():
            assert_agree(value, real[key])
    elif isinstance(said, list) and isinstance(real, list):
        assert len(said) == len(real)
        for index, one in enumerate(said):
            assert_agree(one, real[index])
    else:
        assert said is None or said == real


def endpoint_network(**extra):
    """The network option for a private endpoint in the lab's network."""
    return {"virtual_network": "lab-vnet", "subnet": ["endpoints"], **extra}


def service_network(**extra):
    """The network option for the lab's hosts over a service endpoint."""
    return {"mode": "service_endpoint", "virtual_network": "lab-vnet", "subnet": ["hosts"], **extra}


def storage(name="teamhomes01", **extra):
    """The options of a storage behind a private endpoint."""
    return {"name": name, "resource_group": GROUP, "size": "500GiB", "network": endpoint_network(), **extra}


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
