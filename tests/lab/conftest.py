# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running Resource Manager for the tests of the lab, and clients for it."""

from __future__ import annotations

import functools
import ssl

import httpx
import pytest
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.privatedns import PrivateDnsManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

from lab.arm.server import running
from lab.dataplane import DataPlaneState

# The fixture of the tests on a running lab.
from tests.lab.live import live  # noqa: F401 # pylint: disable=unused-import

GROUP = "rg-Test"
ZONE = "privatelink.file.core.lab.test"
API = "2025-06-01"


class RecordingDataPlane:
    """A data plane that only remembers what it was told."""

    def __init__(self):
        self.state = DataPlaneState()
        self.used = {}
        self.purged = []

    def apply(self, state):
        self.state = state

    def usage_bytes(self, account, share):
        return self.used.get((account, share), 0)

    def purge(self, account, share):
        self.purged.append((account, share))

    def export(self, share):
        """The export of a share, None if there is none."""
        return next((export for export in self.state.exports if export.share == share), None)


def http_client(arm, **options):
    """A plain HTTP client that trusts the lab."""
    context = ssl.create_default_context(cafile=arm.ca_file)
    return httpx.Client(base_url=arm.url, verify=context, trust_env=False, **options)


class Azure:
    """The unmodified SDK clients and a plain HTTP client, all signed in as the service principal."""

    def __init__(self, arm):
        self.arm = arm
        self.subscription = f"/subscriptions/{arm.subscription_id}"
        self.group_id = f"{self.subscription}/resourceGroups/{GROUP}"

    @functools.cached_property
    def credential(self):
        return ClientSecretCredential(
            self.arm.tenant,
            self.arm.client_id,
            self.arm.secret,
            authority=self.arm.url,
            disable_instance_discovery=True,
            connection_verify=self.arm.ca_file,
        )

    def _client(self, kind):
        return kind(
            self.credential,
            self.arm.subscription_id,
            base_url=self.arm.url,
            credential_scopes=[f"{self.arm.url}/.default"],
            connection_verify=self.arm.ca_file,
        )

    @functools.cached_property
    def storage(self):
        return self._client(StorageManagementClient)

    @functools.cached_property
    def network(self):
        return self._client(NetworkManagementClient)

    @functools.cached_property
    def dns(self):
        return self._client(PrivateDnsManagementClient)

    @functools.cached_property
    def resources(self):
        return self._client(ResourceManagementClient)

    @functools.cached_property
    def wire(self):
        token = self.credential.get_token(f"{self.arm.url}/.default").token
        return http_client(self.arm, params={"api-version": API}, headers={"Authorization": f"Bearer {token}"})

    def account(self, name="homes", sku="Premium_LRS", **properties):
        """A storage account that is ready, open to plaintext NFS unless told otherwise."""
        body = {
            "location": "westus2",
            "kind": "FileStorage",
            "sku": {"name": sku},
            "properties": {"supportsHttpsTrafficOnly": False, "networkAcls": {"defaultAction": "Deny"}, **properties},
        }
        return self.storage.storage_accounts.begin_create(GROUP, name, body).result()

    def share(self, name="home", account="homes", **properties):
        """An NFS share."""
        body = {"properties": {"enabledProtocols": "NFS", "shareQuota": 100, **properties}}
        return self.storage.file_shares.create(GROUP, account, name, body)

    def vnet(self, name="net", prefix="10.9.0.0/16", subnets=None):
        """A virtual network; ``subnets`` maps names to prefixes."""
        subnets = subnets if subnets is not None else {"hosts": "10.9.1.0/24", "endpoints": "10.9.2.0/24"}
        listed = [{"name": key, "properties": {"addressPrefix": value}} for key, value in subnets.items()]
        properties = {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": listed}
        body = {"location": "westus2", "properties": properties}
        return self.network.virtual_networks.begin_create_or_update(GROUP, name, body).result()

    def subnet_id(self, subnet, vnet="net"):
        return f"{self.group_id}/providers/Microsoft.Network/virtualNetworks/{vnet}/subnets/{subnet}"

    def account_id(self, name="homes"):
        return f"{self.group_id}/providers/Microsoft.Storage/storageAccounts/{name}"

    def subnet(self, name, prefix, **properties):
        """Create or replace a subnet of the network."""
        body = {"properties": {"addressPrefix": prefix, **properties}}
        return self.network.subnets.begin_create_or_update(GROUP, "net", name, body).result()

    def endpoint(self, name="pe", account="homes", manual=False):
        """A private endpoint for the file service of an account."""
        key = "manualPrivateLinkServiceConnections" if manual else "privateLinkServiceConnections"
        connection = {"privateLinkServiceId": self.account_id(account), "groupIds": ["file"]}
        properties = {"subnet": {"id": self.subnet_id("endpoints")}, key: [{"name": "c", "properties": connection}]}
        body = {"location": "westus2", "properties": properties}
        return self.network.private_endpoints.begin_create_or_update(GROUP, name, body).result()

    def zone(self, name=ZONE):
        return self.dns.private_zones.begin_create_or_update(GROUP, name, {"location": "global"}).result()

    def link(self, zone=ZONE, vnet="net", name="link"):
        vnet_id = self.subnet_id("", vnet).partition("/subnets/")[0]
        body = {"location": "global", "properties": {"virtualNetwork": {"id": vnet_id}, "registrationEnabled": False}}
        return self.dns.virtual_network_links.begin_create_or_update(GROUP, zone, name, body).result()

    def zone_group(self, endpoint="pe", zone=ZONE):
        zone_id = f"{self.group_id}/providers/Microsoft.Network/privateDnsZones/{zone}"
        body = {
            "properties": {"privateDnsZoneConfigs": [{"name": "file", "properties": {"privateDnsZoneId": zone_id}}]}
        }
        return self.network.private_dns_zone_groups.begin_create_or_update(GROUP, endpoint, "default", body).result()


@pytest.fixture(scope="session")
def _server():
    plane = RecordingDataPlane()
    with running(profile="fast", data_plane=plane) as arm:
        yield arm, plane, Azure(arm)


@pytest.fixture
def arm(_server):
    """An empty Resource Manager with the fast profile."""
    arm, plane, _azure = _server
    arm.profile("fast")
    arm.taken_names()
    arm.reset()
    plane.purged.clear()
    plane.used.clear()
    return arm


@pytest.fixture
def anonymous(arm):
    """A plain HTTP client that is not signed in."""
    with http_client(arm) as client:
        yield client


@pytest.fixture
def plane(arm, _server):
    """Its data plane."""
    return _server[1]


@pytest.fixture
def azure(arm, _server):
    """Clients, with an empty resource group in place."""
    azure = _server[2]
    azure.resources.resource_groups.create_or_update(GROUP, {"location": "westus2"})
    return azure
