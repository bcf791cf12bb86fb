# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources that a lab has before anybody uses it: a group, a network and one virtual machine a host."""

from __future__ import annotations

import typing

from lab.arm.client import LabClient

GROUP = "azlin-lab"
LOCATION = "westus2"
VNET = "lab-vnet"
NETWORK_API = "2024-05-01"
COMPUTE_API = "2024-07-01"


def seed(server: LabClient | typing.Mapping[str, typing.Any], hosts: typing.Iterable[tuple[str, str]]) -> None:
    """Create group, network, and for each (name, private address) an interface and a virtual machine.

    ``server`` is a client or the contents of ``arm.json``. All by ordinary requests, so it can be repeated.
    """
    client = server if isinstance(server, LabClient) else LabClient(server)
    group = f"/subscriptions/{client.subscription_id}/resourceGroups/{GROUP}"
    client.request("PUT", group, {"location": LOCATION})
    vnet = f"{group}/providers/Microsoft.Network/virtualNetworks/{VNET}"
    subnets = [
        {"name": "hosts", "properties": {"addressPrefix": "10.30.1.0/24"}},
        {"name": "endpoints", "properties": {"addressPrefix": "10.30.2.0/24"}},
    ]
    if not _exists(client, group, "Microsoft.Network/virtualNetworks", VNET):
        properties = {"addressSpace": {"addressPrefixes": ["10.30.0.0/16"]}, "subnets": subnets}
        client.request("PUT", vnet, {"location": LOCATION, "properties": properties}, NETWORK_API)
    for name, address in hosts:
        if not _exists(client, group, "Microsoft.Compute/virtualMachines", name):
            _seed_host(client, group, f"{vnet}/subnets/hosts", name, address)


def _exists(client: LabClient, group: str, type_: str, name: str) -> bool:
    listed = client.request(
        "GET", f"{group}/resources?$filter=resourceType%20eq%20'{type_}'%20and%20name%20eq%20'{name}'"
    )
    return bool(listed["value"])


def _seed_host(client: LabClient, group: str, subnet: str, name: str, address: str) -> None:
    interface = f"{group}/providers/Microsoft.Network/networkInterfaces/{name}-nic"
    configuration = {
        "name": "primary",
        "properties": {"privateIPAddress": address, "privateIPAllocationMethod": "Static", "subnet": {"id": subnet}},
    }
    properties: dict = {"ipConfigurations": [configuration]}
    client.request("PUT", interface, {"location": LOCATION, "properties": properties}, NETWORK_API)
    machine = f"{group}/providers/Microsoft.Compute/virtualMachines/{name}"
    properties = {
        "hardwareProfile": {"vmSize": "Standard_B2s"},
        "osProfile": {"computerName": name, "adminUsername": "azureuser"},
        "networkProfile": {"networkInterfaces": [{"id": interface}]},
    }
    client.request("PUT", machine, {"location": LOCATION, "properties": properties}, COMPUTE_API)
