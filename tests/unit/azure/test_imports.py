# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that is imported costs next to nothing: the Azure SDK comes in when it is used, and only the part in use."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MODULES = "ansible_collections.azlin.storage.plugins.modules"
UTILS = "ansible_collections.azlin.storage.plugins.module_utils._azure"
HEAVY = ("azure", "msal", "requests", "cryptography", "urllib3", "asyncio", "yaml", "jinja2")


def imported(code):
    """Which packages a new interpreter has after some code, besides those that Ansible brings along."""
    show = (
        "import ansible.module_utils.basic, json, sys; before = set(sys.modules)\n"
        f"{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", ["azlin_nfs_storage", "azlin_storage_info", "azlin_attachment"])
def test_a_module_imports_nothing_heavy(module):
    found = imported(f"import {MODULES}.{module}")
    assert f"{MODULES}.{module}" in found
    assert [name for name in found if name.partition(".")[0] in HEAVY] == []


CLIENTS = {
    "storage": "azure.mgmt.storage",
    "network": "azure.mgmt.network",
    "private_dns": "azure.mgmt.privatedns",
    "resources": "azure.mgmt.resource",
}


@pytest.mark.parametrize("client", [None, *CLIENTS])
def test_a_session_imports_only_the_clients_in_use(client):
    login = {"subscription_id": "s", "client_id": "c", "secret": "x", "tenant": "t", "cloud_environment": "AzureCloud"}
    code = f"from {UTILS}.clients import Azure; azure = Azure({login!r})"
    found = imported(code if client is None else f"{code}; azure.{client}()")
    loaded = {package for package in CLIENTS.values() if any(name.startswith(package) for name in found)}
    assert loaded == ({CLIENTS[client]} if client else set())
    assert "azure.identity" in found
