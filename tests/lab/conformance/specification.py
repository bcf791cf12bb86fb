# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What requests and answers of Azure's services look like, by the examples of its specification.

Sources are paths in Azure/azure-rest-api-specs, and say which words and values a request has and an answer shows. An
example shows an excerpt of what the service answers, so that the lab may show more, but no less. Where a recording is
more exact, and for what nobody here sends, there is no entry: an answer to a PUT of the file service shows no ``sku``,
and the examples of accounts are full of settings of other services.
"""

from __future__ import annotations

import re

from tests.lab.conformance import dns, network
from tests.lab.conformance.shapes import MORE, Answer, Recording, Step
from tests.lab.conformance.storage import ACCOUNT, HOME, SERVICE, SHARE, SHARES

STORAGE = "specification/storage/resource-manager/Microsoft.Storage/stable/2025-01-01/examples/"
NETWORK = "specification/network/resource-manager/Microsoft.Network/stable/2024-05-01/examples/"
DNS = "specification/privatedns/resource-manager/Microsoft.Network/stable/2020-06-01/examples/"
HTTP_DATE = re.compile(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT")

V2 = (("account", "homes", "PremiumV2_LRS"),)
PROVISIONED = {"shareQuota": 100, "provisionedIops": 5000, "provisionedBandwidthMibps": 200}
# Three times the provisioned IOPS, for an hour.
BURST = {"includedBurstIops": 15000, "maxBurstCreditsForIops": 36000000}
DECREASES = {
    "nextAllowedQuotaDowngradeTime": HTTP_DATE,
    "nextAllowedProvisionedIopsDowngradeTime": HTTP_DATE,
    "nextAllowedProvisionedBandwidthDowngradeTime": HTTP_DATE,
}
BURSTING = {
    "fileSharePaidBursting": {
        "paidBurstingEnabled": True,
        "paidBurstingMaxIops": 102400,
        "paidBurstingMaxBandwidthMibps": 10340,
    }
}


def share(properties: dict, **more: object) -> dict:
    place = re.compile(".*/storageAccounts/homes/fileServices/default/shares/home")
    return {"id": place, "name": "home", "type": SHARE, **more, "properties": {**properties, MORE: None}, MORE: None}


def put(path: str, sent: dict, *statuses_and_shapes: tuple) -> tuple[Step, ...]:
    return tuple(Step("PUT", path, Answer(status, shape), body=sent) for status, shape in statuses_and_shapes)


QUANTITIES = ("ProvisionedStorageGiB", "ProvisionedIOPS", "ProvisionedBandwidthMiBPerSec")
TOTALS = dict.fromkeys(
    ("fileShareCount", "provisionedStorageGiB", "provisionedIOPS", "provisionedBandwidthMiBPerSec"), int
)
USAGE = {
    "storageAccountLimits": dict.fromkeys(("maxFileShares", *(f"max{one}" for one in QUANTITIES)), int),
    "fileShareLimits": dict.fromkeys([f"{end}{one}" for one in QUANTITIES for end in ("min", "max")], int),
    "fileShareRecommendations": {
        "baseIOPS": 3000,
        "ioScalar": 1,
        "baseBandwidthMiBPerSec": int,
        "bandwidthScalar": 0.1,
    },
    "burstingConstants": {"burstFloorIOPS": 10000, "burstIOScalar": 3, "burstTimeframeSeconds": 3600},
    "storageAccountUsage": {"liveShares": TOTALS, "softDeletedShares": TOTALS},
}
VNET = (("vnet", "net", "10.0.0.0/16", {}),)
SUBNET = f"{network.VNET}/subnets/subnet1"
RULE = {
    "protocol": "*",
    "sourceAddressPrefix": "10.0.0.0/8",
    "destinationAddressPrefix": "11.0.0.0/8",
    "access": "Deny",
    "destinationPortRange": "8080",
    "sourcePortRange": "*",
    "priority": 100,
    "direction": "Outbound",
}
TAGS = {"key1": "value1"}
COUNTS = (
    "maxNumberOfRecordSets",
    "numberOfRecordSets",
    "maxNumberOfVirtualNetworkLinks",
    "numberOfVirtualNetworkLinks",
    "maxNumberOfVirtualNetworkLinksWithRegistration",
    "numberOfVirtualNetworkLinksWithRegistration",
)


def identified(name: str, properties: dict, **more: object) -> dict:
    state = {"provisioningState": "Succeeded"}
    return {"id": str, "name": name, **more, "properties": {**properties, **state, MORE: None}, MORE: None}


EXAMPLES = {
    "NFS share": Recording(
        source=f"{STORAGE}FileSharesPut_NFS.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",),),
        steps=put(
            HOME,
            {"properties": {"enabledProtocols": "NFS"}},
            *((status, share({"enabledProtocols": "NFS"})) for status in (201, 200)),
        ),
    ),
    "share on provisioned v2": Recording(
        source=f"{STORAGE}FileSharesPut_ProvisionedV2.json",
        date="2025-01-01",
        api="2025-01-01",
        before=V2,
        steps=put(
            HOME,
            {"properties": PROVISIONED},
            *((status, share({**PROVISIONED, **BURST})) for status in (201, 200)),
        ),
    ),
    "share with paid bursting": Recording(
        source=f"{STORAGE}FileSharesPut_PaidBursting.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",),),
        steps=put(HOME, {"properties": BURSTING}, *((status, share(BURSTING)) for status in (201, 200))),
    ),
    "change of a share on provisioned v2": Recording(
        source=f"{STORAGE}FileSharesPatch_ProvisionedV2.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(*V2, ("share",)),
        steps=(
            Step(
                "PATCH",
                HOME,
                Answer(200, share({**PROVISIONED, **BURST, **DECREASES})),
                body={"properties": PROVISIONED},
            ),
        ),
    ),
    "change of paid bursting": Recording(
        source=f"{STORAGE}FileSharesPatch_PaidBursting.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",), ("share",)),
        steps=(Step("PATCH", HOME, Answer(200, share(BURSTING)), body={"properties": BURSTING}),),
    ),
    "use of a share": Recording(
        source=f"{STORAGE}FileSharesGet_Stats.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",), ("share",)),
        steps=(
            Step(
                "GET",
                HOME,
                Answer(200, share({"lastModifiedTime": str, "shareQuota": int, "shareUsageBytes": int}, etag=str)),
                query={"$expand": "stats"},
            ),
        ),
    ),
    "what a share on provisioned v2 shows": Recording(
        source=f"{STORAGE}FileSharesGet_ProvisionedV2.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(*V2, ("share",)),
        steps=(
            Step("PATCH", HOME, Answer(200, dict), body={"properties": PROVISIONED}),
            Step(
                "GET",
                HOME,
                Answer(200, share({"lastModifiedTime": str, **PROVISIONED, **BURST, **DECREASES}, etag=str)),
            ),
        ),
    ),
    "deleted shares": Recording(
        source=f"{STORAGE}DeletedFileSharesList.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",), ("share",)),
        steps=(
            Step("DELETE", HOME, Answer(200)),
            Step(
                "GET",
                SHARES,
                Answer(
                    200,
                    {
                        "value": [
                            {
                                "id": re.compile(r".*/shares/home_\w+"),
                                "name": "home",
                                "type": SHARE,
                                "etag": str,
                                "properties": {
                                    "lastModifiedTime": str,
                                    "shareQuota": int,
                                    "version": str,
                                    "deleted": True,
                                    "deletedTime": str,
                                    "remainingRetentionDays": int,
                                    MORE: None,
                                },
                            }
                        ]
                    },
                ),
                query={"$expand": "deleted"},
            ),
        ),
    ),
    "deletion of a share that is not there": Recording(
        source=f"{STORAGE}FileSharesDelete.json",
        date="2025-01-01",
        api="2025-01-01",
        before=(("account",), ("share",)),
        steps=(Step("DELETE", HOME, Answer(200)), Step("DELETE", HOME, Answer(204))),
    ),
    "limits and usage of the file service": Recording(
        source=f"{STORAGE}FileServicesGetUsage.json",
        date="2025-01-01",
        api="2025-01-01",
        before=V2,
        steps=(
            Step(
                "GET",
                f"{SERVICE}/usages/default",
                Answer(
                    200,
                    {
                        "id": re.compile(".*/fileServices/default/usages/default"),
                        "name": "default",
                        "type": "Microsoft.Storage/storageAccounts/fileServices/usages",
                        "properties": USAGE,
                    },
                ),
            ),
        ),
    ),
    "subnet with a service endpoint": Recording(
        source=f"{NETWORK}SubnetCreateServiceEndpoint.json",
        date="2024-05-01",
        api="2024-05-01",
        before=VNET,
        steps=(
            Step(
                "PUT",
                SUBNET,
                Answer(201, dict),
                body={
                    "properties": {
                        "addressPrefix": "10.0.0.0/16",
                        "serviceEndpoints": [{"service": "Microsoft.Storage"}],
                    }
                },
            ),
            network.SUCCEEDED,
            Step(
                "GET",
                SUBNET,
                Answer(
                    200,
                    identified(
                        "subnet1",
                        {
                            "addressPrefix": "10.0.0.0/16",
                            "serviceEndpoints": [
                                {"service": "Microsoft.Storage", "locations": list, "provisioningState": "Succeeded"}
                            ],
                        },
                    ),
                ),
            ),
        ),
    ),
    "security rule": Recording(
        source=f"{NETWORK}NetworkSecurityGroupRuleCreate.json",
        date="2024-05-01",
        api="2024-05-01",
        before=(("security_group",),),
        steps=(
            Step(
                "PUT",
                "{net}/networkSecurityGroups/nsg/securityRules/rule1",
                Answer(201, dict),
                body={"properties": RULE},
            ),
            network.SUCCEEDED,
            Step(
                "GET",
                "{net}/networkSecurityGroups/nsg/securityRules/rule1",
                Answer(200, identified("rule1", RULE)),
            ),
        ),
    ),
    "private endpoint with an address of its own": Recording(
        source=f"{NETWORK}PrivateEndpointCreate.json",
        date="2024-05-01",
        api="2024-05-01",
        before=(("account",), ("vnet", "net", "192.168.0.0/16", {"endpoints": "192.168.0.0/24"})),
        steps=(
            Step(
                "PUT",
                network.ENDPOINT,
                Answer(201, dict),
                body={
                    "location": "westus2",
                    "properties": {
                        "subnet": {"id": f"{network.VNET}/subnets/endpoints"},
                        "privateLinkServiceConnections": [
                            {
                                "name": "connection",
                                "properties": {
                                    "privateLinkServiceId": ACCOUNT,
                                    "groupIds": ["file"],
                                    "requestMessage": "Homes of the team",
                                },
                            }
                        ],
                        "ipConfigurations": [
                            {
                                "name": "pestaticconfig",
                                "properties": {
                                    "groupId": "file",
                                    "memberName": "file",
                                    "privateIPAddress": "192.168.0.6",
                                },
                            }
                        ],
                        "customNetworkInterfaceName": "testPeNic",
                    },
                },
            ),
            network.SUCCEEDED,
            Step(
                "GET",
                network.ENDPOINT,
                Answer(
                    200,
                    identified(
                        "pe",
                        {
                            "privateLinkServiceConnections": [
                                {
                                    "id": str,
                                    "properties": {
                                        "privateLinkServiceId": re.compile(".*/storageAccounts/homes"),
                                        "groupIds": ["file"],
                                        "requestMessage": "Homes of the team",
                                        "privateLinkServiceConnectionState": {
                                            "status": "Approved",
                                            # The recordings write it with a second capital.
                                            "description": re.compile("auto-approved", re.IGNORECASE),
                                            "actionsRequired": "None",
                                        },
                                        MORE: None,
                                    },
                                    MORE: None,
                                }
                            ],
                            "manualPrivateLinkServiceConnections": [],
                            "subnet": {"id": re.compile(".*/virtualNetworks/net/subnets/endpoints")},
                            "networkInterfaces": [{"id": re.compile(".*/networkInterfaces/testPeNic")}],
                            "customDnsConfigs": [{"fqdn": str, "ipAddresses": ["192.168.0.6"]}],
                            "ipConfigurations": [
                                {
                                    "name": "pestaticconfig",
                                    "properties": {
                                        "groupId": "file",
                                        "memberName": "file",
                                        "privateIPAddress": "192.168.0.6",
                                        MORE: None,
                                    },
                                    MORE: None,
                                }
                            ],
                            "customNetworkInterfaceName": "testPeNic",
                        },
                        location="westus2",
                    ),
                ),
            ),
        ),
    ),
    "records of a zone group": Recording(
        source=f"{NETWORK}PrivateEndpointDnsZoneGroupCreate.json",
        date="2024-05-01",
        api="2024-05-01",
        before=(("account",), ("vnet",), ("zone",), ("endpoint",), ("zone_group",)),
        steps=(
            Step(
                "GET",
                network.GROUP,
                Answer(
                    200,
                    identified(
                        "default",
                        {
                            "privateDnsZoneConfigs": [
                                {
                                    "properties": {
                                        "privateDnsZoneId": re.compile(".*/privateDnsZones/privatelink.*"),
                                        "recordSets": [
                                            {
                                                "recordType": "A",
                                                "recordSetName": "homes",
                                                "fqdn": re.compile(r"homes\.privatelink\..*"),
                                                "ipAddresses": [str],
                                                MORE: None,
                                            }
                                        ],
                                        MORE: None,
                                    },
                                    MORE: None,
                                }
                            ]
                        },
                    ),
                ),
            ),
        ),
    ),
    "deletion of a private endpoint": Recording(
        source=f"{NETWORK}PrivateEndpointDelete.json",
        date="2024-05-01",
        api="2024-05-01",
        before=(("account",), ("vnet",), ("endpoint",)),
        steps=(
            Step("DELETE", network.ENDPOINT, Answer(202, headers={"Azure-AsyncOperation": str})),
            network.SUCCEEDED,
            Step("DELETE", network.ENDPOINT, Answer(204)),
        ),
    ),
    "zone": Recording(
        source=f"{DNS}PrivateZonePut.json",
        date="2020-06-01",
        api="2020-06-01",
        steps=(
            Step("PUT", dns.ZONE, dns.CREATING, body={"location": "Global", "tags": TAGS}),
            dns.SUCCEEDED,
            Step(
                "GET",
                dns.ZONE,
                Answer(
                    200,
                    identified(
                        dns.ZONE_NAME, dict.fromkeys(COUNTS, int), type=dns.TYPE, location="global", etag=str, tags=TAGS
                    ),
                ),
            ),
        ),
    ),
    "link of a zone": Recording(
        source=f"{DNS}VirtualNetworkLinkPut.json",
        date="2020-06-01",
        api="2020-06-01",
        before=(("vnet",), ("zone", dns.ZONE_NAME)),
        steps=(
            Step(
                "PUT",
                dns.LINK,
                dns.CREATING,
                body={
                    "location": "Global",
                    "tags": TAGS,
                    "properties": {"virtualNetwork": {"id": network.VNET}, "registrationEnabled": False},
                },
            ),
            dns.SUCCEEDED,
            Step(
                "GET",
                dns.LINK,
                Answer(
                    200,
                    identified(
                        "link",
                        {
                            "virtualNetwork": {"id": re.compile(".*/virtualNetworks/net")},
                            "registrationEnabled": False,
                            "virtualNetworkLinkState": "Completed",
                        },
                        type=f"{dns.TYPE}/virtualNetworkLinks",
                        location="global",
                        etag=str,
                        tags=TAGS,
                    ),
                ),
            ),
        ),
    ),
}
