# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and resources for the pure tests, as a playbook gives them and as the REST API shows them."""

from __future__ import annotations

import datetime

from ansible_collections.azlin.storage.plugins.module_utils._azure import desired
from ansible_collections.azlin.storage.plugins.module_utils._azure.observe import Present

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SUFFIX = "core.windows.net"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/team"
ACCOUNT_ID = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/teamhomes01"
VNET_ID = f"{GROUP_ID}/providers/Microsoft.Network/virtualNetworks/net"
ENDPOINT_ID = f"{GROUP_ID}/providers/Microsoft.Network/privateEndpoints/teamhomes01-pe"
ZONE_ID = f"{GROUP_ID}/providers/Microsoft.Network/privateDnsZones/privatelink.file.core.windows.net"
OURS = {"managed-by": "azlin"}
# When everything was read.
NOW = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.timezone.utc)


def network(**changes):
    """The suboptions of ``network`` with the defaults that Ansible fills in."""
    return {
        "mode": "private_endpoint",
        "virtual_network": "net",
        "subnets": ["homes"],
        "resource_group": None,
        "create": False,
        "address_prefix": "10.0.0.0/16",
        "subnet_prefix": "10.0.0.0/24",
        "endpoint_name": None,
        "manual_approval": False,
        "request_message": None,
        "nsg_rule": False,
        "dns": None,
        **changes,
    }


def params(**changes):
    """The options of azlin_nfs_storage with the defaults that Ansible fills in."""
    return {
        "state": "present",
        "name": "teamhomes01",
        "resource_group": "team",
        "location": None,
        "share": "home",
        "more_shares": [],
        "size": None,
        "tier": "premium",
        "redundancy": None,
        "billing_model": None,
        "provisioned_iops": None,
        "provisioned_throughput": None,
        "paid_bursting": None,
        "root_squash": None,
        "encryption_in_transit": None,
        "network": network(),
        "soft_delete_days": None,
        "tags": None,
        "purge_tags": False,
        "template": None,
        "restore": None,
        "delete_snapshots": False,
        "allow_shrink": False,
        "confirm": None,
        "force": False,
        "used_by": [],
        "wait_timeout": 1800,
        **changes,
    }


def wanted(**changes):
    """A wanted storage."""
    options = params(**changes)
    desired.check_options(options)
    return desired.desired(options, SUBSCRIPTION, SUFFIX)


def account(tags=(("managed-by", "azlin"),), **properties):
    """A storage account behind a private endpoint."""
    return {
        "id": ACCOUNT_ID,
        "name": "teamhomes01",
        "location": "westus2",
        "kind": "FileStorage",
        "sku": {"name": "Premium_LRS"},
        "tags": dict(tags),
        "properties": {
            "provisioningState": "Succeeded",
            "creationTime": "2026-11-21T00:00:00Z",
            "primaryEndpoints": {"file": "https://teamhomes01.file.core.windows.net/"},
            "publicNetworkAccess": "Disabled",
            "supportsHttpsTrafficOnly": False,
            "minimumTlsVersion": "TLS1_2",
            "allowBlobPublicAccess": False,
            "networkAcls": {"defaultAction": "Deny", "virtualNetworkRules": [], "ipRules": [], "bypass": "None"},
            "privateEndpointConnections": [
                {
                    "properties": {
                        "privateEndpoint": {"id": ENDPOINT_ID},
                        "privateLinkServiceConnectionState": {"status": "Approved"},
                    }
                }
            ],
            **properties,
        },
    }


def file_service(**properties):
    """The file service as Azure shows it on a fresh account."""
    return {
        "id": f"{ACCOUNT_ID}/fileServices/default",
        "name": "default",
        "properties": {
            "cors": {"corsRules": []},
            "protocolSettings": {"smb": {"multichannel": {"enabled": True}}},
            "shareDeleteRetentionPolicy": {"enabled": True, "days": 7},
            **properties,
        },
    }


def share(name="home", **properties):
    """An NFS share of 500 GiB, half full."""
    return {
        "id": f"{ACCOUNT_ID}/fileServices/default/shares/{name}",
        "name": name,
        "properties": {
            "enabledProtocols": "NFS",
            "rootSquash": "NoRootSquash",
            "shareQuota": 500,
            "shareUsageBytes": 250 * 1024**3,
            **properties,
        },
    }


def deleted_share(name="home", version="01DC5B", days=7, **properties):
    """A share that was deleted a day and some hours before now, as a list of deleted shares has it."""
    about = {
        "shareQuota": 500,
        "version": version,
        "deleted": True,
        "deletedTime": "2026-11-20T08:00:00.1234567Z",
        "remainingRetentionDays": days - 1,
        **properties,
    }
    return {"id": f"{ACCOUNT_ID}/fileServices/default/shares/{name}_{version}", "name": name, "properties": about}


def snapshot(name="home", moment="2026-11-20T08:00:00.0000000Z"):
    """A snapshot, as a list of snapshots has it."""
    return {**share(name), "properties": {"snapshotTime": moment}}


def v2_account():
    """A storage account on provisioned v2."""
    return {**account(), "sku": {"name": "PremiumV2_LRS"}}


def v2_share(**properties):
    """A share with its own IOPS and throughput, increased for the last time ten hours ago."""
    earliest = "Sun, 22 Nov 2026 02:00:00 GMT"
    return share(
        **{
            "provisionedIops": 5000,
            "provisionedBandwidthMibps": 200,
            "nextAllowedQuotaDowngradeTime": earliest,
            "nextAllowedProvisionedIopsDowngradeTime": earliest,
            "nextAllowedProvisionedBandwidthDowngradeTime": earliest,
            **properties,
        }
    )


def usage(live=(500, 5000, 200), deleted=(0, 0, 0), shares=(1, 0)):
    """The usage of the file service of a provisioned v2 account, with smaller limits than the documented ones."""

    def totals(values, count):
        words = ("provisionedStorageGiB", "provisionedIOPS", "provisionedBandwidthMiBPerSec")
        return {**dict(zip(words, values, strict=True)), "fileShareCount": count}

    return {
        "properties": {
            "storageAccountLimits": {
                "maxFileShares": 3,
                "maxProvisionedStorageGiB": 10000,
                "maxProvisionedIOPS": 20000,
                "maxProvisionedBandwidthMiBPerSec": 2000,
            },
            "fileShareLimits": {
                "minProvisionedStorageGiB": 64,
                "maxProvisionedStorageGiB": 8000,
                "minProvisionedIOPS": 3000,
                "maxProvisionedIOPS": 15000,
                "minProvisionedBandwidthMiBPerSec": 125,
                "maxProvisionedBandwidthMiBPerSec": 1500,
            },
            "fileShareRecommendations": {
                "baseIOPS": 3000,
                "ioScalar": 1,
                "baseBandwidthMiBPerSec": 125,
                "bandwidthScalar": 0.1,
            },
            "storageAccountUsage": {
                "liveShares": totals(live, shares[0]),
                "softDeletedShares": totals(deleted, shares[1]),
            },
        }
    }


def virtual_network(**subnet_properties):
    """A virtual network with one subnet."""
    subnet = {"id": f"{VNET_ID}/subnets/homes", "name": "homes", "properties": {"addressPrefix": "10.1.0.0/24"}}
    subnet["properties"].update(subnet_properties)
    return {"id": VNET_ID, "name": "net", "location": "westus2", "properties": {"subnets": [subnet]}}


def endpoint(state="Approved"):
    """The private endpoint of the account."""
    connection = {
        "name": "teamhomes01-psc",
        "properties": {
            "privateLinkServiceId": ACCOUNT_ID,
            "privateLinkServiceConnectionState": {"status": state},
        },
    }
    return {
        "id": ENDPOINT_ID,
        "name": "teamhomes01-pe",
        "tags": OURS,
        "properties": {
            "provisioningState": "Succeeded",
            "subnet": {"id": f"{VNET_ID}/subnets/homes"},
            "privateLinkServiceConnections": [connection],
            "customDnsConfigs": [],
        },
    }


def zone_group():
    """The endpoint's zone group."""
    config = {
        "name": "privatelink-file",
        "properties": {"privateDnsZoneId": ZONE_ID, "recordSets": [{"ipAddresses": ["10.1.0.4"]}]},
    }
    return {
        "id": f"{ENDPOINT_ID}/privateDnsZoneGroups/default",
        "name": "default",
        "properties": {"privateDnsZoneConfigs": [config]},
    }


def link():
    """The zone's link to the network."""
    return {"name": "net-link", "properties": {"virtualNetwork": {"id": VNET_ID.upper()}}}


def complete(**changes):
    """A storage that is there with all its parts."""
    parts = {
        "account": account(),
        "file_service": file_service(),
        "share": share(),
        "endpoint": endpoint(),
        "zone_group": zone_group(),
        "shares": (share(),),
        "moment": NOW,
        "zone": {"id": ZONE_ID},
        "links": (link(),),
        "virtual_networks": {VNET_ID.lower(): virtual_network()},
    }
    return Present(**{**parts, **changes})


def nothing(**changes):
    """A subscription with a resource group and a network."""
    parts = {
        "resource_group": {"location": "westus2"},
        "regions": {
            "Premium_LRS": {"westus2", "eastus"},
            "Premium_ZRS": {"westus2"},
            "PremiumV2_LRS": {"westus2"},
        },
        "shares": (),
        "moment": NOW,
        "virtual_networks": {VNET_ID.lower(): virtual_network()},
    }
    return Present(**{**parts, **changes})
