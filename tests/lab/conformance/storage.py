# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Microsoft.Storage answered, by the recordings of Azure/azure-cli.

Paths of sources are below src/azure-cli/azure/cli/command_modules/. The recorder drops Retry-After and the ids of
requests, so that nothing is said about them here.
"""

from __future__ import annotations

import re

from tests.lab.conformance.shapes import GUID, MORE, Answer, Poll, Recording, Step

SHARE = "Microsoft.Storage/storageAccounts/fileServices/shares"
SHARES = "{storage}/storageAccounts/homes/fileServices/default/shares"
HOME = f"{SHARES}/home"
SERVICE = "{storage}/storageAccounts/homes/fileServices/default"
ACCOUNT = "{storage}/storageAccounts/homes"
# The recording has StandardV2_LRS; the answers name no other SKU than that of the request.
SKU = "Premium_LRS"
ETAG = re.compile(r'"0x[0-9A-F]{15}"')
VERSION = re.compile(r"[0-9A-F]{16}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z")


def share(properties: dict, **more: object) -> dict:
    return {"id": str, "name": "home", "type": SHARE, **more, "properties": properties}


def stored(**properties: object) -> dict:
    """The properties that a share has besides those that were set."""
    return {"leaseStatus": "unlocked", "leaseState": "available", "lastModifiedTime": TIME, **properties}


def premium(squash: str, **more: object) -> dict:
    # The recorded share had never grown and shows no nextAllowedQuotaDowngradeTime; the lab's does, on purpose.
    more["nextAllowedQuotaDowngradeTime"] = str
    return stored(accessTier="Premium", shareQuota=int, enabledProtocols="NFS", rootSquash=squash, **more)


standard = {
    "accessTier": "TransactionOptimized",
    "shareQuota": int,
    "enabledProtocols": "SMB",
    MORE: None,
}


def deleted() -> dict:
    facts = {"leaseState": "broken", "version": VERSION, "deleted": True, "deletedTime": TIME}
    return share({**stored(**standard), **facts, "remainingRetentionDays": 7}, etag=ETAG)


def service(properties: dict, **more: object) -> dict:
    return {
        "id": re.compile(".*/storageAccounts/homes/fileServices/default"),
        "name": "default",
        "type": "Microsoft.Storage/storageAccounts/fileServices",
        "properties": properties,
        **more,
    }


WEEK = {"enabled": True, "days": 7}
MULTICHANNEL = {"multichannel": {"enabled": True}}


def protocols(smb: bool, nfs: bool) -> dict:
    return {
        "smb": {**MULTICHANNEL, "encryptionInTransit": {"required": smb}},
        "nfs": {"encryptionInTransit": {"required": nfs}},
    }


def encryption(smb: bool, nfs: bool) -> tuple[Step, Step]:
    """A PUT that answers what was sent, and the GET that shows all of it."""
    sent = {"shareDeleteRetentionPolicy": WEEK, "protocolSettings": protocols(smb, nfs)}
    shown = {**sent, "cors": {"corsRules": []}}
    sku = {"name": "Premium_LRS", "tier": "Premium"}
    return (
        Step("PUT", SERVICE, Answer(200, service(sent)), body={"properties": sent}),
        Step("GET", SERVICE, Answer(200, service(shown, sku=sku))),
    )


def account(sku: str, **properties: object) -> dict:
    key = {"keyType": "Account", "enabled": True, "lastEnabledTime": TIME}
    return {
        "sku": {"name": sku, "tier": sku.partition("_")[0].removesuffix("V2")},
        "kind": "FileStorage",
        "id": re.compile(".*/providers/Microsoft.Storage/storageAccounts/homes"),
        "name": "homes",
        "type": "Microsoft.Storage/storageAccounts",
        "location": "eastus2",
        "tags": {},
        "properties": {
            "allowCrossTenantDelegationSas": False,
            "keyCreationTime": {"key1": TIME, "key2": TIME},
            "allowCrossTenantReplication": False,
            "privateEndpointConnections": [],
            "minimumTlsVersion": "TLS1_0",
            "allowBlobPublicAccess": False,
            "largeFileSharesState": "Enabled",
            "networkAcls": {
                "ipv6Rules": [],
                "bypass": "AzureServices",
                "virtualNetworkRules": [],
                "ipRules": [],
                "defaultAction": "Allow",
            },
            "supportsHttpsTrafficOnly": True,
            "encryption": {"services": {"file": key, "blob": key}, "keySource": "Microsoft.Storage"},
            "provisioningState": "Succeeded",
            "creationTime": TIME,
            "primaryEndpoints": {"file": re.compile(r"https://homes\.file\..*/")},
            "primaryLocation": "eastus2",
            "statusOfPrimary": "available",
            **properties,
        },
    }


OPERATION = re.compile(
    r"https://[^/]+/subscriptions/[^/]+/providers/Microsoft\.Storage/locations/eastus2/asyncoperations/"
    rf"{GUID}\?(?=.*monitor=true)(?=.*api-version=2025-08-01).*"
)


def missing(code: str, message: str) -> Answer:
    body = {"error": {"code": code, "message": re.compile(message)}}
    return Answer(404, body, {"x-ms-failure-cause": "gateway"})


UNDER_WAY = Answer(202, headers={"Location": OPERATION, "Azure-AsyncOperation": None})

RECORDINGS = {
    "life of an NFS share": Recording(
        source="storage/tests/latest/recordings/test_storage_share_rm_with_NFS.yaml",
        date="2025-02-23",
        api="2024-01-01",
        before=(("account",),),
        steps=(
            Step(
                "PUT",
                HOME,
                Answer(201, share({"enabledProtocols": "NFS", "rootSquash": "AllSquash"}), {"ETag": ETAG}),
                body={"properties": {"enabledProtocols": "NFS", "rootSquash": "AllSquash"}},
            ),
            Step(
                "GET", HOME, Answer(200, share(premium("AllSquash", signedIdentifiers=[]), etag=ETAG), {"ETag": ETAG})
            ),
            Step(
                "PATCH",
                HOME,
                Answer(
                    200,
                    share(
                        {
                            "accessTier": "Premium",
                            "shareQuota": 100,
                            "enabledProtocols": "NFS",
                            "rootSquash": "NoRootSquash",
                        }
                    ),
                    {"ETag": ETAG},
                ),
                body={
                    "properties": {
                        "shareQuota": 100,
                        "enabledProtocols": "NFS",
                        "rootSquash": "NoRootSquash",
                        "accessTier": "Premium",
                    }
                },
            ),
            Step("GET", HOME, Answer(200, share(premium("NoRootSquash", signedIdentifiers=[]), etag=ETAG))),
            Step("GET", SHARES, Answer(200, {"value": [share(premium("NoRootSquash"), etag=ETAG)]}, {"ETag": None})),
            Step("DELETE", HOME, Answer(200, headers={"Location": None}), query={"$include": "none"}),
            Step("GET", SHARES, Answer(200, {"value": []})),
        ),
    ),
    "soft delete and restore": Recording(
        source="storage/tests/latest/recordings/test_storage_share_rm_soft_delete.yaml",
        date="2025-02-24",
        api="2024-01-01",
        before=(("standard_account",),),
        steps=(
            Step(
                "GET",
                SERVICE,
                Answer(
                    200,
                    service(
                        {
                            "protocolSettings": {"smb": {}},
                            "cors": {"corsRules": []},
                            "shareDeleteRetentionPolicy": WEEK,
                        },
                        sku={"name": "Standard_LRS", "tier": "Standard"},
                    ),
                ),
            ),
            Step(
                "PUT",
                SERVICE,
                Answer(200, service({"shareDeleteRetentionPolicy": WEEK})),
                body={"properties": {"shareDeleteRetentionPolicy": WEEK}},
            ),
            Step("PUT", HOME, Answer(201, share({}), {"ETag": ETAG}), body={}),
            Step("GET", SHARES, Answer(200, {"value": [share(stored(**standard), etag=ETAG)]})),
            Step("DELETE", HOME, Answer(200), query={"$include": "none"}),
            Step("GET", SHARES, Answer(200, {"value": []})),
            Step("GET", SHARES, Answer(200, {"value": [deleted()]}), query={"$expand": "deleted"}),
            Step(
                "POST",
                f"{HOME}/restore",
                Answer(200),
                body={"deletedShareName": "home", "deletedShareVersion": "{version}"},
            ),
            Step("GET", SHARES, Answer(200, {"value": [share(stored(**standard), etag=ETAG)]})),
        ),
    ),
    "encryption in transit": Recording(
        source="storage/tests/latest/recordings/test_storage_account_file_smb_nfs_encryption_in_transit.yaml",
        date="2026-01-12",
        api="2025-06-01",
        before=(("account",),),
        steps=(
            Step(
                "GET",
                SERVICE,
                Answer(
                    200,
                    service(
                        {
                            "protocolSettings": {"smb": MULTICHANNEL},
                            "cors": {"corsRules": []},
                            "shareDeleteRetentionPolicy": WEEK,
                        },
                        sku={"name": "Premium_LRS", "tier": "Premium"},
                    ),
                ),
            ),
            *encryption(smb=True, nfs=True),
            *encryption(smb=False, nfs=False),
            *encryption(smb=True, nfs=False),
        ),
    ),
    "creation of an account": Recording(
        source="storage/tests/latest/recordings/test_storage_account_provisioned_v2_sku.yaml",
        date="2026-05-12",
        api="2025-08-01",
        steps=(
            Step(
                "POST",
                "{subscription}/providers/Microsoft.Storage/checkNameAvailability",
                Answer(200, {"nameAvailable": True}),
                body={"name": "homes", "type": "Microsoft.Storage/storageAccounts"},
            ),
            Step(
                "PUT",
                ACCOUNT,
                UNDER_WAY,
                body={
                    "sku": {"name": SKU},
                    "kind": "FileStorage",
                    "location": "eastus2",
                    "properties": {"encryption": {"keySource": "Microsoft.Storage", "services": {"blob": {}}}},
                },
            ),
            Poll("Location", running=UNDER_WAY, done=Answer(200, account(SKU), {"Location": None})),
            Step("GET", ACCOUNT, Answer(200, account(SKU))),
        ),
    ),
    "no such group, no such account": Recording(
        source="storage/tests/latest/recordings/test_storage_account_show_exit_codes.yaml",
        date="2025-02-23",
        api="2024-01-01",
        steps=(
            Step(
                "GET",
                "{subscription}/resourceGroups/nowhere/providers/Microsoft.Storage/storageAccounts/homes",
                missing("ResourceGroupNotFound", "Resource group 'nowhere' could not be found."),
            ),
            Step(
                "GET",
                ACCOUNT,
                missing("ResourceNotFound", ".*'Microsoft.Storage/storageAccounts/homes' under resource group.*"),
            ),
        ),
    ),
    # Asserted by the test (a 409 is its ResourceExistsError), and named in the SDKs' lists of error codes.
    "share that has snapshots": Recording(
        source="storage/tests/latest/test_storage_file_rm_scenarios.py",
        date="2025-02-24",
        api="2024-01-01",
        before=(("account",), ("share",)),
        steps=(
            Step(
                "PUT",
                HOME,
                Answer(201, share({"snapshotTime": TIME, MORE: None}), {"Location": None}),
                body={"properties": {}},
                query={"$expand": "snapshots"},
            ),
            Step("GET", SHARES, Answer(200, {"value": [dict, dict]}), query={"$expand": "snapshots"}),
            Step(
                "DELETE",
                HOME,
                Answer(409, {"error": {"code": "ShareHasSnapshots", "message": str}}),
                query={"$include": "none"},
            ),
        ),
    ),
}
