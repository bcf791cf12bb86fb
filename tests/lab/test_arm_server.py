# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as a process: files it writes, crash and restart, clean stop."""

import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from lab.arm.client import LabClient, LabError

GROUP_API = "2025-04-01"
STORAGE_API = "2025-06-01"


class Process:
    """A server process with its state directory."""

    def __init__(self, directory):
        self.directory = directory
        self.process = None

    def start(self, *options):
        arguments = [sys.executable, "-m", "lab.arm", "--state-dir", str(self.directory), *options]
        self.process = subprocess.Popen(arguments)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._pid_in_file() == self.process.pid:
                return LabClient.from_state_dir(self.directory)
            time.sleep(0.05)
        raise AssertionError("the server did not start")

    def _pid_in_file(self):
        path = self.directory / "arm.json"
        return json.loads(path.read_text())["pid"] if path.exists() else None

    def stop(self, number):
        self.process.send_signal(number)
        return self.process.wait(30)


@pytest.fixture
def server(tmp_path):
    server = Process(tmp_path)
    yield server
    if server.process and server.process.poll() is None:
        server.process.kill()
        server.process.wait()


def group(client):
    return f"/subscriptions/{client.subscription_id}/resourceGroups/g"


def account(client):
    return f"{group(client)}/providers/Microsoft.Storage/storageAccounts/homes"


BODY = {
    "location": "westus2",
    "kind": "FileStorage",
    "sku": {"name": "Premium_LRS"},
    "properties": {"supportsHttpsTrafficOnly": False},
}


def test_state_and_address_survive_a_crash(server):
    client = server.start()
    client.request("PUT", group(client), {"location": "westus2"}, GROUP_API)
    client.request("PUT", account(client), BODY, STORAGE_API)
    server.stop(signal.SIGKILL)
    again = server.start()
    assert again.url == client.url
    # The token of before the crash is still good.
    assert client.request("GET", account(client), None, STORAGE_API)["properties"]["provisioningState"] == "Succeeded"


def test_running_operations_survive_a_crash(server):
    client = server.start()
    client.request("PUT", group(client), {"location": "westus2"}, GROUP_API)
    client.profile("fast", operations={"vnet": 2})
    vnet = f"{group(client)}/providers/Microsoft.Network/virtualNetworks/net"
    properties = {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}
    client.faults({"method": "GET", "path": "/operations/", "status": 500, "times": 0})
    with pytest.raises(LabError, match="500"):
        client.request("PUT", vnet, {"location": "westus2", "properties": properties}, STORAGE_API)
    server.stop(signal.SIGKILL)
    client = server.start()
    deadline = time.monotonic() + 30
    while client.request("GET", vnet, None, STORAGE_API)["properties"]["provisioningState"] != "Succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_stop_is_clean_and_secrets_are_private(server):
    client = server.start("--profile", "azure")
    assert client.status()["profile"] == "azure"
    assert server.stop(signal.SIGTERM) == 0
    for name in ("arm.json", "identity.json", "server.pem"):
        assert stat.S_IMODE(os.stat(server.directory / name).st_mode) == 0o600
    assert (server.directory / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_requests_are_appended_to_a_file(server):
    client = server.start()
    client.request("PUT", group(client), {"location": "westus2"}, GROUP_API)
    lines = (server.directory / "requests.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["path"] == group(client)
    assert client.secret not in "".join(lines)


def test_data_plane_is_named_on_the_command_line(server):
    client = server.start("--data-plane", "lab.dataplane:NoDataPlane")
    assert client.status()["resources"] == 0


def test_environment_points_azure_clients_here(server):
    client = server.start()
    env = client.env()
    assert env["AZURE_CLOUD_ENVIRONMENT"] == client.url
    assert {"AZURE_TENANT", "AZURE_CLIENT_ID", "AZURE_SECRET", "AZURE_SUBSCRIPTION_ID"} <= set(env)


def test_help_tells_the_options():
    result = subprocess.run([sys.executable, "-m", "lab.arm", "--help"], capture_output=True, text=True, check=True)
    for option in ("--state-dir", "--port", "--profile", "--data-plane"):
        assert option in result.stdout
