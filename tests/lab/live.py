# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The running lab for the tests marked ``lab``: named by AZLIN_LAB_DIR, never started here."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lab.arm.client import LabClient
from lab.paths import REPOSITORY, LabPaths

ACCOUNT = "livetest01"
STORAGE_API = "2025-06-01"
NETWORK_API = "2024-05-01"


class LiveLab:
    """Commands on hosts, lab operations and requests to the Resource Manager."""

    def __init__(self, paths: LabPaths, account: str = ACCOUNT) -> None:
        self.paths = paths
        self.azure = LabClient.from_state_dir(paths.state)
        self.group = f"/subscriptions/{self.azure.subscription_id}/resourceGroups/azlin-lab"
        self.account = f"{self.group}/providers/Microsoft.Storage/storageAccounts/{account}"
        self.subnet = f"{self.group}/providers/Microsoft.Network/virtualNetworks/lab-vnet/subnets/hosts"

    def lab(self, *arguments: str) -> subprocess.CompletedProcess:
        argv = [sys.executable, "-m", "lab", "--state-dir", str(self.paths.state), *arguments]
        return subprocess.run(
            argv, cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, errors="surrogateescape", check=False
        )

    def operate(self, *arguments: str) -> None:
        done = self.lab(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    def on(self, host: str, command: str) -> str:
        done = self.lab("ssh", host, "--", command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def refused(self, host: str, command: str) -> str:
        done = self.lab("ssh", host, "--", command)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def create_account(self) -> None:
        service_endpoint = {"addressPrefix": "10.30.1.0/24", "serviceEndpoints": [{"service": "Microsoft.Storage"}]}
        self.azure.request("PUT", self.subnet, {"properties": service_endpoint}, NETWORK_API)
        properties = {"supportsHttpsTrafficOnly": False, "networkAcls": {"defaultAction": "Deny"}}
        body = {
            "location": "westus2",
            "kind": "FileStorage",
            "sku": {"name": "Premium_LRS"},
            "properties": properties,
        }
        self.azure.request("PUT", self.account, body, STORAGE_API)

    def delete_account(self) -> None:
        self.azure.request("DELETE", self.account, None, STORAGE_API)

    def admit(self, *subnets: str) -> None:
        rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": subnet} for subnet in subnets]}
        self.azure.request("PATCH", self.account, {"properties": {"networkAcls": rules}}, STORAGE_API)

    def require_encryption(self) -> None:
        settings = {"protocolSettings": {"nfs": {"encryptionInTransit": {"required": True}}}}
        self.azure.request("PUT", f"{self.account}/fileServices/default", {"properties": settings}, STORAGE_API)

    def share(self, method: str, name: str, **properties: object) -> dict:
        body = {"properties": properties} if properties else None
        path = f"{self.account}/fileServices/default/shares/{name}"
        return self.azure.request(method, path, body, STORAGE_API)


@pytest.fixture(scope="session")
def live():
    folder = os.environ.get("AZLIN_LAB_DIR")
    assert folder, "AZLIN_LAB_DIR names no lab: start one with `python -m lab up`"
    paths = LabPaths.of(folder)
    assert paths.lab_file.exists(), f"no lab in {folder}: start one with `python -m lab up`"
    return LiveLab(paths)
