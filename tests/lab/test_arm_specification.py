# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab shows of a resource has no word that Azure's specification lacks.

The models of the SDK are made from that specification, and know the names that the wire has for their attributes.
"""

from __future__ import annotations

import pytest
from azure.core.serialization import is_generated_model
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
CONFIG = ".properties.privateDnsZoneConfigs[]"
RECORDED = {
    "endpoint": {".properties.resourceGuid"},
    "zone group": {".type", *(f"{CONFIG}.{word}" for word in ("etag", "id", "type", "properties.provisioningState"))},
}


def unknown(value, where=""):
    """Paths of the words that a model does not have; what is a dictionary there, such as tags, may have any."""
    if isinstance(value, list):
        return [path for one in value for path in unknown(one, f"{where}[]")]
    if isinstance(value, dict):
        return [path for key, one in value.items() for path in unknown(one, f"{where}.{key}")]
    if not is_generated_model(value):
        return []
    attributes = {field._rest_name: name for name, field in value._attr_to_rest_field.items()}
    found = []
    for key in value:
        path = f"{where}.{key}"
        found += unknown(getattr(value, attributes[key]), path) if key in attributes else [path]
    return found


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
        assert set(unknown(model(shown))) == RECORDED.get(name, set()), name


def test_a_made_up_word_is_found():
    share = storage.FileShare({"properties": {"shareQuota": 100, "shareColour": "blue", "colour": "blue"}})
    assert unknown(share) == [".properties.shareColour", ".properties.colour"]
