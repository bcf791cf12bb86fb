# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab shows of a resource has no word that Azure's specification lacks.

The models of the SDK are made from that specification: what one of them knows, it renames to Python's spelling, and
what it does not know keeps the capitals of the wire.
"""

from __future__ import annotations

import pytest
from azure.core.serialization import as_attribute_dict
from azure.mgmt.network import models as network
from azure.mgmt.privatedns import models as dns
from azure.mgmt.storage import models as storage

from tests.lab.conftest import ZONE

ACCOUNT = "Microsoft.Storage/storageAccounts/homes"
SERVICE = f"{ACCOUNT}/fileServices/default"
SHOWN = {
    "account": (ACCOUNT, storage.StorageAccount),
    "file service": (SERVICE, storage.FileServiceProperties),
    "share": (f"{SERVICE}/shares/home", storage.FileShare),
    "network": ("Microsoft.Network/virtualNetworks/net", network.VirtualNetwork),
    "subnet": ("Microsoft.Network/virtualNetworks/net/subnets/endpoints", network.Subnet),
    "endpoint": ("Microsoft.Network/privateEndpoints/pe", network.PrivateEndpoint),
    "zone group": ("Microsoft.Network/privateEndpoints/pe/privateDnsZoneGroups/default", network.PrivateDnsZoneGroup),
    "zone": (f"Microsoft.Network/privateDnsZones/{ZONE}", dns.PrivateZone),
    "link": (f"Microsoft.Network/privateDnsZones/{ZONE}/virtualNetworkLinks/link", dns.VirtualNetworkLink),
    "record": (f"Microsoft.Network/privateDnsZones/{ZONE}/A/homes", dns.RecordSet),
}
# What the service shows all the same (tests/lab/conformance/network.py).
RECORDED = {"endpoint": [".resourceGuid"], "zone group": [".private_dns_zone_configs[].provisioningState"]}


def unknown(value, where=""):
    """Paths of the words that a model has not renamed; tags may have any."""
    if isinstance(value, list):
        return [path for one in value for path in unknown(one, f"{where}[]")]
    if not isinstance(value, dict):
        return []
    found = [f"{where}.{key}" for key in value if key != key.lower()]
    return found + [path for key, one in value.items() if key != "tags" for path in unknown(one, f"{where}.{key}")]


@pytest.fixture
def everything(azure):
    """One of each resource, all connected."""
    azure.vnet()
    azure.account()
    azure.share()
    azure.zone()
    azure.link()
    azure.endpoint()
    azure.zone_group()
    return azure


def test_no_word_is_made_up(everything):
    for name, (path, model) in SHOWN.items():
        shown = everything.wire.get(f"{everything.group_id}/providers/{path}").json()
        assert unknown(as_attribute_dict(model(shown))) == RECORDED.get(name, []), name


def test_a_made_up_word_is_found():
    share = storage.FileShare({"properties": {"shareQuota": 100, "shareColour": "blue"}})
    assert unknown(as_attribute_dict(share)) == [".properties.shareColour"]
