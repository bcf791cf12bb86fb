# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Microsoft.Network answered about networks and private endpoints, by the recordings of Azure/azure-cli.

Paths of sources are below src/azure-cli/azure/cli/command_modules/. The endpoint of the recordings leads to the blob
service, here it leads to files.
"""

from __future__ import annotations

import re

from tests.lab.conformance.shapes import GUID, MORE, Answer, Poll, Recording, Step

NET = "Microsoft.Network"
VNET = "{net}/virtualNetworks/net"
ENDPOINT = "{net}/privateEndpoints/pe"
GROUP = f"{ENDPOINT}/privateDnsZoneGroups/default"
ETAG = re.compile(f'W/"{GUID}"')
OPERATION = re.compile(
    r"https://[^/]+/subscriptions/[^/]+/providers/Microsoft\.Network/locations/westus2/operations/"
    rf"{GUID}\?(?=.*api-version=).*"
)
SUCCEEDED = Poll(
    "Azure-AsyncOperation",
    running=Answer(200, {"status": "InProgress"}, {"Location": None}),
    done=Answer(200, {"status": "Succeeded"}, {"Location": None}),
)
ACCEPTED = {"Azure-AsyncOperation": OPERATION, "Location": None, "ETag": None}
DELETING = {
    "Azure-AsyncOperation": OPERATION,
    "Location": re.compile(OPERATION.pattern.replace("/operations/", "/operationResults/")),
}
NOTIFYING = {**ACCEPTED, "Azure-AsyncNotification": "Enabled"}


def identified(name: str, type_: str, **more: object) -> dict:
    return {"name": name, "id": str, "etag": ETAG, "type": f"{NET}/{type_}", **more}


def subnet(state: str, **properties: object) -> dict:
    return identified(
        "endpoints",
        "virtualNetworks/subnets",
        properties={
            "provisioningState": state,
            "addressPrefix": "10.9.0.0/24",
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
            **properties,
        },
    )


def network(state: str) -> dict:
    return identified(
        "net",
        "virtualNetworks",
        location="westus2",
        properties={
            "provisioningState": state,
            "resourceGuid": re.compile(GUID),
            "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
            "privateEndpointVNetPolicies": "Disabled",
            "subnets": [subnet(state)],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        },
    )


def endpoint(state: str, description: str, configs: list) -> dict:
    connection = identified(
        "connection",
        "privateEndpoints/privateLinkServiceConnections",
        properties={
            "provisioningState": "Succeeded",
            "privateLinkServiceId": re.compile(".*/storageAccounts/homes"),
            "groupIds": ["file"],
            "privateLinkServiceConnectionState": {
                "status": "Approved",
                "description": description,
                "actionsRequired": "None",
            },
        },
    )
    return identified(
        "pe",
        "privateEndpoints",
        location="westus2",
        properties={
            "provisioningState": state,
            "resourceGuid": re.compile(GUID),
            "privateLinkServiceConnections": [connection],
            "manualPrivateLinkServiceConnections": [],
            "subnet": {"id": re.compile(".*/virtualNetworks/net/subnets/endpoints")},
            "networkInterfaces": [{"id": re.compile(rf".*/networkInterfaces/pe\.nic\.{GUID}")}],
            "customDnsConfigs": configs,
            # Of later API versions: customNetworkInterfaceName, ipConfigurations.
            MORE: None,
        },
    )


def connection() -> dict:
    name = re.compile(rf"homes\.{GUID}")
    return {
        "id": re.compile(rf".*/storageAccounts/homes/privateEndpointConnections/homes\.{GUID}"),
        "name": name,
        "type": "Microsoft.Storage/storageAccounts/privateEndpointConnections",
        "properties": {
            "provisioningState": "Succeeded",
            "privateEndpoint": {"id": re.compile(".*/privateEndpoints/pe")},
            "privateLinkServiceConnectionState": {
                "status": "Approved",
                "description": "Auto-Approved",
                "actionRequired": "None",
            },
        },
    }


def zone_group(state: str, *zones: str) -> dict:
    configs = [
        identified(
            zone.partition(".")[0],
            "privateEndpoints/privateDnsZoneGroups/privateDnsZoneConfigs",
            properties={
                "provisioningState": state,
                "privateDnsZoneId": re.compile(f".*/privateDnsZones/{zone}"),
                "recordSets": [],
            },
        )
        for zone in zones
    ]
    return identified(
        "default",
        "privateEndpoints/privateDnsZoneGroups",
        properties={"provisioningState": state, "privateDnsZoneConfigs": configs},
    )


def put_group(status: int, *zones: str) -> Step:
    configs = [
        {
            "name": zone.partition(".")[0],
            "properties": {"privateDnsZoneId": "{net}/privateDnsZones/" + zone},
        }
        for zone in zones
    ]
    body = {"name": "default", "properties": {"privateDnsZoneConfigs": configs}}
    return Step("PUT", GROUP, Answer(status, zone_group("Updating", *zones), ACCEPTED), body=body)


ENDPOINT_BODY = {
    "location": "westus2",
    "properties": {
        "subnet": {"id": VNET + "/subnets/endpoints"},
        "privateLinkServiceConnections": [
            {
                "name": "connection",
                "properties": {"privateLinkServiceId": "{storage}/storageAccounts/homes", "groupIds": ["file"]},
            }
        ],
    },
}
ONE, OTHER = "one.example.test", "other.example.test"

RECORDINGS = {
    "virtual network": Recording(
        source="storage/tests/latest/recordings/test_storage_account_private_endpoint.yaml",
        date="2025-02-23",
        api="2024-05-01",
        steps=(
            Step(
                "PUT",
                VNET,
                Answer(201, network("Updating"), NOTIFYING),
                body={
                    "location": "westus2",
                    "properties": {
                        "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
                        "enableDdosProtection": False,
                        "subnets": [{"name": "endpoints", "properties": {"addressPrefix": "10.9.0.0/24"}}],
                    },
                },
            ),
            SUCCEEDED,
            Step("GET", VNET, Answer(200, network("Succeeded"), {"ETag": ETAG})),
        ),
    ),
    "change of a subnet": Recording(
        source="network/tests/latest/recordings/test_network_private_endpoint_private_dns_zone_group.yaml",
        date="2021-04-20",
        api="2020-11-01",
        before=(("vnet", "net", "10.9.0.0/16", {"endpoints": "10.9.0.0/24"}),),
        steps=(
            Step(
                "PUT",
                VNET + "/subnets/endpoints",
                Answer(200, subnet("Updating"), ACCEPTED),
                body={
                    "name": "endpoints",
                    "properties": {
                        "addressPrefix": "10.9.0.0/24",
                        "delegations": [],
                        "privateEndpointNetworkPolicies": "Disabled",
                        "privateLinkServiceNetworkPolicies": "Enabled",
                    },
                },
            ),
            SUCCEEDED,
            Step("GET", VNET + "/subnets/endpoints", Answer(200, subnet("Succeeded"), {"ETag": ETAG})),
        ),
    ),
    "private endpoint and its zone group": Recording(
        source="network/tests/latest/recordings/test_network_private_endpoint_private_dns_zone_group.yaml",
        date="2021-04-20",
        api="2020-11-01",
        before=(
            ("account",),
            ("vnet", "net", "10.9.0.0/16", {"endpoints": "10.9.0.0/24"}),
            ("zone", ONE),
            ("zone", OTHER),
        ),
        steps=(
            Step("PUT", ENDPOINT, Answer(201, endpoint("Updating", "", []), NOTIFYING), body=ENDPOINT_BODY),
            SUCCEEDED,
            Step(
                "GET",
                ENDPOINT,
                Answer(
                    200,
                    endpoint(
                        "Succeeded",
                        "Auto-Approved",
                        [{"fqdn": re.compile(r"homes\.file\..*"), "ipAddresses": ["10.9.0.4"]}],
                    ),
                    {"ETag": ETAG},
                ),
            ),
            Step(
                "GET",
                "{storage}/storageAccounts/homes",
                Answer(200, {"properties": {"privateEndpointConnections": [connection()], MORE: None}, MORE: None}),
            ),
            put_group(201, ONE),
            SUCCEEDED,
            Step("GET", GROUP, Answer(200, zone_group("Succeeded", ONE), {"ETag": ETAG})),
            put_group(200, ONE, OTHER),
            SUCCEEDED,
            Step(
                "GET", ENDPOINT + "/privateDnsZoneGroups", Answer(200, {"value": [zone_group("Succeeded", ONE, OTHER)]})
            ),
            put_group(200, ONE),
            SUCCEEDED,
            Step("DELETE", GROUP, Answer(202, headers=DELETING)),
            SUCCEEDED,
        ),
    ),
}
