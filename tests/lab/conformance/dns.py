# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What private DNS answered, by the recordings of Azure/azure-cli.

Paths of sources are below src/azure-cli/azure/cli/command_modules/privatedns/tests/latest/recordings/.
"""

from __future__ import annotations

import re

from tests.lab.conformance.shapes import GUID, MORE, Answer, Poll, Recording, Step

ZONE_NAME = "homes.example.test"
ZONE = "{net}/privateDnsZones/" + ZONE_NAME
LINK = ZONE + "/virtualNetworkLinks/link"
TYPE = "Microsoft.Network/privateDnsZones"
CREATION = {"If-None-Match": "*"}
GATEWAY = {"x-ms-failure-cause": "gateway"}


def address(what: str) -> re.Pattern:
    return re.compile(
        r"https://[^/]+/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/"
        rf"privateDnsOperation{what}/[^/?]+\?(?=.*api-version=).*"
    )


RUNNING = {"Azure-AsyncOperation": address("Statuses"), "Location": address("Results")}
OVER = {"Azure-AsyncOperation": None, "Location": None}
CREATING = Answer(202, {}, RUNNING)


def poll(body: dict) -> Poll:
    running = Answer(202, {"status": "InProgress"}, RUNNING)
    return Poll("Azure-AsyncOperation", running=running, done=Answer(200, body, OVER))


SUCCEEDED = poll({"status": "Succeeded"})


def refused(message: str) -> Poll:
    return poll({"status": "Failed", "error": {"code": "PreconditionFailed", "message": message}})


def missing(code: str, message: str) -> Answer:
    return Answer(404, {"error": {"code": code, "message": re.compile(message)}}, GATEWAY)


SHOWN_ZONE = {
    "id": str,
    "name": ZONE_NAME,
    "type": TYPE,
    "etag": re.compile(GUID),
    "location": "global",
    "properties": {
        "maxNumberOfRecordSets": 25000,
        "maxNumberOfVirtualNetworkLinks": 1000,
        "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
        "numberOfRecordSets": 1,
        "numberOfVirtualNetworkLinks": 0,
        "numberOfVirtualNetworkLinksWithRegistration": 0,
        "provisioningState": "Succeeded",
        # Of later API versions: internalId.
        MORE: None,
    },
}
SHOWN_LINK = {
    "id": str,
    "name": "link",
    "type": f"{TYPE}/virtualNetworkLinks",
    "etag": re.compile('"[0-9a-f-]+"'),
    "location": "global",
    "properties": {
        "provisioningState": "Succeeded",
        "registrationEnabled": False,
        "virtualNetwork": {"id": re.compile(".*/virtualNetworks/net")},
        "virtualNetworkLinkState": "Completed",
        # Of later API versions: resolutionPolicy.
        MORE: None,
    },
}
RECORD = ZONE + "/A/homes"
SHOWN_RECORD = {
    "id": str,
    "name": "homes",
    "type": f"{TYPE}/A",
    "etag": re.compile(GUID),
    "properties": {
        "fqdn": f"homes.{ZONE_NAME}.",
        "ttl": 3600,
        "aRecords": [{"ipv4Address": "10.0.0.1"}],
        "isAutoRegistered": False,
    },
}
RECORD_BODY = {"properties": {"ttl": 3600, "aRecords": [{"ipv4Address": "10.0.0.1"}]}}
PUT_ZONE = Step("PUT", ZONE, CREATING, body={"location": "global"}, headers=CREATION)
PUT_LINK = Step(
    "PUT",
    LINK,
    CREATING,
    body={
        "location": "global",
        "properties": {"registrationEnabled": False, "virtualNetwork": {"id": "{net}/virtualNetworks/net"}},
    },
    headers=CREATION,
)

RECORDINGS = {
    "zone that exists is not created again": Recording(
        source="test_PutZone_ZoneExistsIfNoneMatchFailure_ExpectError.yaml",
        date="2023-07-26",
        api="2018-09-01",
        steps=(
            PUT_ZONE,
            SUCCEEDED,
            Step("GET", ZONE, Answer(200, SHOWN_ZONE, {"ETag": re.compile(GUID)})),
            PUT_ZONE,
            refused(f"The Zone {ZONE_NAME} exists already and hence cannot be created again."),
        ),
    ),
    "deletion of a zone": Recording(
        source="test_DeleteZone_ZoneExists_ExpectZoneDeleted.yaml",
        date="2023-07-26",
        api="2018-09-01",
        before=(("zone", ZONE_NAME),),
        steps=(Step("DELETE", ZONE, Answer(202, headers=RUNNING)), SUCCEEDED),
    ),
    "deletion of no zone": Recording(
        source="test_DeleteZone_ZoneNotExists_ExpectNoError.yaml",
        date="2021-04-26",
        api="2018-09-01",
        steps=(Step("DELETE", ZONE, Answer(204, headers=OVER)),),
    ),
    "no such zone": Recording(
        source="test_GetZone_ZoneNotExists_ExpectError.yaml",
        date="2023-07-26",
        api="2018-09-01",
        steps=(Step("GET", ZONE, missing("ResourceNotFound", f".*'{TYPE}/{ZONE_NAME}' under resource group.*")),),
    ),
    "creation of a link": Recording(
        source="test_PutLink_LinkNotExistsWithoutRegistration_ExpectLinkCreated.yaml",
        date="2024-08-19",
        api="2018-09-01",
        before=(("vnet",), ("zone", ZONE_NAME)),
        steps=(
            PUT_LINK,
            SUCCEEDED,
            Step("GET", LINK, Answer(200, SHOWN_LINK, {"ETag": re.compile('"[0-9a-f-]+"')})),
        ),
    ),
    "link that exists is not created again": Recording(
        source="test_PutLink_LinkExistsIfNoneMatchFailure_ExpectError.yaml",
        date="2024-08-19",
        api="2018-09-01",
        before=(("vnet",), ("zone", ZONE_NAME), ("link", ZONE_NAME)),
        steps=(
            PUT_LINK,
            refused(
                f"The Virtual Network link link for the Private DNS zone {ZONE_NAME} exists already and hence cannot "
                "be created again."
            ),
        ),
    ),
    "link of no zone": Recording(
        source="test_GetLink_ZoneNotExists_ExpectError.yaml",
        date="2023-07-25",
        api="2018-09-01",
        steps=(
            Step(
                "GET",
                LINK,
                missing("ResourceNotFound", f".*'{TYPE}/{ZONE_NAME}/virtualNetworkLinks/link' under resource group.*"),
            ),
        ),
    ),
    "deletion of a link of no zone": Recording(
        source="test_DeleteLink_ZoneNotExists_ExpectNoError.yaml",
        date="2024-10-17",
        api="2024-06-01",
        steps=(Step("DELETE", LINK, Answer(204, headers=OVER)),),
    ),
    "record that exists is not created again": Recording(
        source="test_PutRecordSet_IfNoneMatchFailure_ExpectError.yaml",
        date="2023-07-26",
        api="2018-09-01",
        before=(("zone", ZONE_NAME), ("record", ZONE_NAME)),
        steps=(
            Step("PUT", RECORD, Answer(200, SHOWN_RECORD, {"ETag": re.compile(GUID)}), body=RECORD_BODY),
            # At once, and without the word "error" around it.
            Step(
                "PUT",
                RECORD,
                Answer(
                    412,
                    {
                        "code": "PreconditionFailed",
                        "message": "The Record set homes exists already and hence cannot be created again.",
                    },
                    OVER,
                ),
                body={"properties": {"ttl": 3600}},
                headers=CREATION,
            ),
        ),
    ),
    "record of no zone": Recording(
        source="test_PutRecordSet_ZoneNotExists_ExpectError.yaml",
        date="2023-08-07",
        api="2018-09-01",
        steps=(
            Step(
                "PUT",
                RECORD,
                missing("ParentResourceNotFound", f".*type 'privateDnsZones/A', because.*/{ZONE_NAME}' could not.*"),
                body={"properties": {"ttl": 3600}},
            ),
        ),
    ),
}
