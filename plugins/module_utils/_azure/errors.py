# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what the Azure SDK raises, or Azure puts in a body, to the one error of this collection.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import re

from ansible_collections.azlin.storage.plugins.module_utils._azure import wire
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# Keyed by Azure's own error codes: one HTTP status (and so one exception class of the SDK) means many things.
_MEANINGS = {
    "authorization_failed": (
        "AuthorizationFailed",
        "LinkedAuthorizationFailed",
        "RequestDisallowedByPolicy",
    ),
    "authentication_failed": (
        "AuthenticationFailed",
        "ExpiredAuthenticationToken",
        "InvalidAuthenticationToken",
        "InvalidAuthenticationTokenTenant",
    ),
    "name_conflict": ("StorageAccountAlreadyTaken", "StorageAccountAlreadyExists", "AccountAlreadyExists"),
    "immutable_property": ("InvalidResourceLocation",),
    "size_decrease_refused": (
        "ContainerQuotaDowngradeNotAllowed",
        "FileShareProvisionedBandwidthDowngradeNotAllowed",
        "FileShareProvisionedIopsDowngradeNotAllowed",
    ),
    "capacity_exceeded": (
        "TotalSharesCountExceedsAccountLimit",
        "TotalSharesProvisionedBandwidthExceedsAccountLimit",
        "TotalSharesProvisionedCapacityExceedsAccountLimit",
        "TotalSharesProvisionedIopsExceedsAccountLimit",
    ),
    "invalid_argument": (
        "AccountNameInvalid",
        "FileShareProvisionedBandwidthInvalid",
        "FileShareProvisionedIopsInvalid",
        "FileShareProvisionedStorageInvalid",
        "InvalidHeaderValue",
        "InvalidLocation",
        "InvalidSubscriptionId",
        "InvalidValuesForRequestParameters",
        "LocationNotAvailableForResourceType",
        "LocationNotAvailableForResourceGroup",
        "NetcfgInvalidSubnet",
    ),
    "not_found": (
        "NotFound",
        "ParentResourceNotFound",
        "ResourceGroupNotFound",
        "ResourceNotFound",
        "ShareNotFound",
        "SubscriptionNotFound",
    ),
    "in_use": (
        "InUseSubnetCannotBeDeleted",
        "LeaseIdMissing",
        "ScopeLocked",
        "ShareHasSnapshots",
        "ShareSnapshotInProgress",
    ),
    "throttled": ("TooManyRequests",),
    "network_failed": ("NetworkAclsValidationFailure",),
}
_MEANING_OF = {code: meaning for meaning, codes in _MEANINGS.items() for code in codes}

_POLICY_REMEDY = (
    "Ask its owner for an exemption, or choose what the policy demands, such as encryption_in_transit: required."
)

_REMEDIES = {
    "AuthorizationFailed": (
        "the identity has no role with the action named in the message",
        "Grant it, for example 'Storage Account Contributor' and 'Network Contributor' on the resource groups; "
        "docs/permissions.md lists every action.",
    ),
    "LinkedAuthorizationFailed": (
        "the identity may not join the subnet or zone named in the message",
        "Grant it 'Network Contributor' on that network; docs/permissions.md lists every action.",
    ),
    "RequestDisallowedByPolicy": (
        "an Azure Policy of the subscription forbids the request",
        _POLICY_REMEDY,
    ),
    "StorageAccountAlreadyTaken": (
        "storage account names are unique in all of Azure; a deleted account can keep its name reserved for days",
        "Choose another name.",
    ),
    "ResourceGroupNotFound": (
        "the resource group does not exist in this subscription, or the identity cannot see it",
        "Create it with 'az group create', or check resource_group and subscription_id.",
    ),
    "SubscriptionNotFound": (
        "the subscription does not exist in this tenant, or the identity has no role in it",
        "Check subscription_id; 'az account list' shows what an identity sees.",
    ),
    "ScopeLocked": (
        "a resource lock protects the resource or its resource group",
        "Remove the lock with 'az lock delete' if the change is really wanted.",
    ),
    "ShareHasSnapshots": (
        "the share has snapshots",
        "Set delete_snapshots: true to delete them with the share; this collection never does that unasked.",
    ),
    "LocationNotAvailableForResourceType": (
        "the region does not exist or does not offer the resource",
        "Choose a region that 'az account list-locations' shows and that offers premium file shares.",
    ),
    "TotalSharesProvisionedCapacityExceedsAccountLimit": (
        "all shares of the account together are larger than Azure allows, soft-deleted ones included",
        "Ask for a smaller size, use another account, or wait until soft-deleted shares are gone for good.",
    ),
    "ContainerQuotaDowngradeNotAllowed": (
        "a share can be made smaller only 24 hours after it last became larger",
        "Run again when that time is over.",
    ),
    "LeaseIdMissing": (
        "a lease protects the share or one of its snapshots, as Azure Backup takes it",
        "End that protection, for example in the backup vault, if the change is really wanted.",
    ),
    "MaxStorageAccountsCountPerSubscriptionExceeded": (
        "the subscription has as many storage accounts in the region as its quota allows",
        "Choose another region or subscription, or ask Azure for a larger quota.",
    ),
    "MissingSubscriptionRegistration": (
        "the subscription is not registered for the service that the message names, and the identity may not do that",
        "Have somebody register it once: 'az provider register --namespace' with that name.",
    ),
    "ReadOnlyDisabledSubscription": (
        "the subscription is disabled and can only be read, for example since its credit or its trial is used up",
        "Have its owner re-enable it in the Azure portal, or choose another one with subscription_id.",
    ),
    "NetworkAclsValidationFailure": (
        "the account cannot admit a subnet that network names, for the reason in the message",
        "Check that the subnet exists and has the service endpoint Microsoft.Storage, then run again.",
    ),
}
for _code in _MEANINGS["capacity_exceeded"]:
    _REMEDIES[_code] = (
        "the shares of an account have limits in all, and soft-deleted ones count until they are purged",
        "Ask for less, create a second storage, or wait; 'az storage share-rm list --include-deleted' lists them.",
    )
for _code in _MEANINGS["size_decrease_refused"]:
    _REMEDIES[_code] = (
        "Azure takes a decrease only 24 hours after the last increase",
        "Run again later; next_allowed_decrease of azlin.storage.azlin_storage_info shows when.",
    )
_REMEDIES["StorageAccountAlreadyExists"] = _REMEDIES["AccountAlreadyExists"] = (
    "an account of this name exists in another resource group of this subscription",
    "Set resource_group to that group or choose another name.",
)
# Keyed by this collection's codes, for what has no remedy of its own.
_GENERAL = {
    "authentication_failed": (
        "the credentials have expired, or are not those of this tenant",
        "Sign in again, or check AZURE_CLIENT_ID, AZURE_SECRET and AZURE_TENANT.",
    ),
    "authorization_failed": (
        "the identity may not do what the message names",
        "Grant it; docs/permissions.md lists every action that is needed.",
    ),
    "immutable_property": (
        "a resource of this name exists with another value",
        "Give the option the value that it has, or choose another name.",
    ),
    "in_use": (
        "something uses or protects the resource, as the message says",
        "Take that away if the change is really wanted, then run again.",
    ),
    "invalid_argument": (
        "Azure does not take a value that the message names",
        "Change the option that it comes from.",
    ),
    "not_found": (
        "what the request needs was never there, was deleted meanwhile, or is not seen everywhere yet",
        "Run again; if it stays, check the names in the message.",
    ),
    "throttled": (
        "the subscription sent more requests than Azure allows in a window",
        "Run again after a few minutes, with fewer forks.",
    ),
}

# Azure finishes something else on the same resource; the same request succeeds a little later.
BUSY_CODES = frozenset(
    {
        "AnotherOperationInProgress",
        # Somebody else wrote to the resource at the same time: neither a tag nor a network is then as we want it.
        "CanceledAndSupersededDueToAnotherOperation",
        "ConflictingConcurrentWriteNotAllowed",
        # Somebody changed the resource between our read and our write: both are done again.
        "PreconditionFailed",
        "ReferencedResourceNotProvisioned",
        "RetryableError",
        "ShareBeingDeleted",
        "StorageAccountIsNotProvisioned",
        "StorageAccountOperationInProgress",
        "SubnetsNotProvisioned",
    }
)


# Answers that a resource is missing which a write can meet although it was there a moment ago.
_LATE_CODES = frozenset({"NotFound", "ParentResourceNotFound", "ResourceNotFound", "ShareNotFound"})
# Microsoft Entra ID's word for too many requests; the SDK drops the status of its answer.
# Source: Azure docs, reference-error-codes of the identity platform.
_SIGN_IN_THROTTLED = "AADSTS90055"
# Answers after which nobody knows whether the request was carried out.
_CHANCE_STATUSES = frozenset({408, 500, 502, 503, 504})


class Failed(Exception):
    """An operation whose last answer is HTTP 200 with an error in it; ``payload`` is Azure's error object."""

    def __init__(self, payload):
        super().__init__(str(payload.get("message") or "no reason given"))
        self.payload = payload


class Lost(Exception):
    """An operation that Azure does not know any more, which says nothing about what became of it."""

    def __init__(self, exc):
        super().__init__(str(exc))
        self.response = getattr(exc, "response", None)


def describe(exc):
    """Azure's error as ``(code, message, codes)``; ``codes`` also holds those of nested details."""
    payload = _payload(exc)
    code = payload.get("code") or ""
    message = payload.get("message") or getattr(exc, "message", "") or str(exc)
    return code, " ".join(str(message).split()), frozenset(_codes(payload))


def _payload(exc):
    """The object with ``code`` and ``message`` of an error response; an empty dict if there is none."""
    if isinstance(exc, Failed):
        return exc.payload
    response = getattr(exc, "response", None)
    try:
        content = json.loads(response.text()) if response is not None else {}
    except ValueError:
        content = {}
    return error_in(content) or {}


def error_in(content):
    """The error object inside a response body, or None; operations can carry one under HTTP 200 as well."""
    if not isinstance(content, dict):
        return None
    error = content.get("error") or wire.dig(content, "properties", "error")
    if isinstance(error, dict):
        return error
    if "code" in content and "message" in content:
        return content
    return None


def _codes(payload):
    """All error codes of a payload; network resources hide the telling one in ``details``."""
    if payload.get("code"):
        yield payload["code"]
    # NetworkAclsValidationFailure names its reason only in the text, and so does the Conflict of a virtual machine.
    if "SubnetsNotProvisioned" in str(payload.get("message")):
        yield "SubnetsNotProvisioned"
    if "conflict with a concurrent request" in str(payload.get("message")):
        yield "ConflictingConcurrentWriteNotAllowed"
    for detail in payload.get("details") or ():
        if isinstance(detail, dict):
            yield from _codes(detail)


# Azure's own texts, the only place where a 403 or a lock says what it is about.
_ACTION = re.compile(r"perform action '([^']+)'(?: (?:over|on) scope '([^']+)')?")
_LINKED_ACTION = re.compile(
    r"not have permission to perform action(?:\(s\)|s)? '([^']+)' on the linked scope(?:\(s\)|s)? '([^']+)'"
)
_LOCKED = re.compile(r"scope\(s\) are locked: '([^']+)'")
_LOCK_ID = re.compile(r"(.+)/providers/Microsoft\.Authorization/locks/([^/]+)", re.IGNORECASE)


def remedies(code, message, payload=None):
    """Pairs of cause and remedy for an error code, as exact as Azure's text lets them be."""
    special = {
        "AuthorizationFailed": _missing_action,
        "LinkedAuthorizationFailed": _missing_linked_action,
        "ScopeLocked": _lock,
        "RequestDisallowedByPolicy": _policy,
        "Conflict": _second_zone,
    }.get(code)
    found = special(message, payload or {}) if special else None
    general = [_REMEDIES[code]] if code in _REMEDIES else []
    return [found] if found else general


def _grant(action, scope):
    where = f" on {scope}" if scope else ""
    return (
        f"the identity lacks the action {action}",
        f"Give it a role with {action}{where}; docs/permissions.md lists every action that is needed.",
    )


def _missing_action(message, _payload):
    match = _ACTION.search(message)
    return _grant(*match.groups()) if match else None


def _missing_linked_action(message, _payload):
    match = _LINKED_ACTION.search(message)
    return _grant(*match.groups()) if match else None


def _lock(message, _payload):
    """The scope that is locked, and the lock where Azure names it."""
    match = _LOCKED.search(message)
    if not match:
        return None
    lock = _LOCK_ID.fullmatch(match.group(1))
    if lock:
        return (
            f"the lock {lock.group(2)} protects {lock.group(1)}",
            f"Remove it if the change is really wanted: az lock delete --ids {match.group(1)}",
        )
    return (
        f"a lock protects {match.group(1)}",
        f"Look for it with 'az lock list' and remove it if the change is really wanted; it lies at {match.group(1)}.",
    )


def _policy(_message, payload):
    """The policy by the names that people know it by."""
    names = [
        info.get("policyAssignmentDisplayName") or info.get("policyAssignmentName") or info.get("policyAssignmentId")
        for info in (entry.get("info") for entry in payload.get("additionalInfo") or () if isinstance(entry, dict))
        if isinstance(info, dict)
    ]
    named = ", ".join(sorted({name for name in names if name}))
    return (f"the Azure Policy assignment {named} forbids the request", _POLICY_REMEDY) if named else None


def _second_zone(message, _payload):
    """A virtual network takes one zone of a name. Source: Azure docs, private-link FAQ."""
    if "overlapping namespaces" not in message:
        return None
    return (
        "the virtual network is linked to another private DNS zone of the same name already",
        "Set network.dns.zone_id to that zone ('az network private-dns zone list' in the subscription of its owner), "
        "or set network.dns.manage: false.",
    )


def is_missing(exc):
    """Whether Azure says that the resource does not exist; not the subscription, nor a proxy about its address."""
    return getattr(exc, "status_code", None) == 404 and describe(exc)[0] not in ("", "SubscriptionNotFound")


def is_throttled(exc):
    """Whether Azure wants fewer requests; not that something else is busy, which it says with the same status."""
    _code, message, codes = describe(exc)
    throttled = getattr(exc, "status_code", None) == 429 or "TooManyRequests" in codes or _SIGN_IN_THROTTLED in message
    return throttled and not codes & BUSY_CODES


def is_busy(exc):
    """Whether the same request can succeed a little later."""
    return is_throttled(exc) or bool(describe(exc)[2] & BUSY_CODES)


def is_chance(exc):
    """Whether the same write may succeed at once: answer or operation were lost, or a parent is not seen everywhere.

    Every write of this collection can be repeated: it says what shall be, not what shall change.
    """
    names = {cls.__name__ for cls in type(exc).__mro__}
    status = getattr(exc, "status_code", None)
    return (
        isinstance(exc, Lost)
        or bool(names & {"ServiceRequestError", "ServiceResponseError"})
        or status in _CHANCE_STATUSES
        or (status == 404 and describe(exc)[0] in _LATE_CODES)
    )


def retry_after(exc):
    """The seconds that Azure wants to be left alone for, or None when it does not say."""
    headers = getattr(getattr(exc, "response", None), "headers", None) or {}
    for name, unit in (("Retry-After", 1), ("x-ms-retry-after-ms", 1000)):
        text = str(headers.get(name) or "").strip()
        if text.isdigit() and int(text):
            return int(text) / unit
    return None


def failure(doing, code, message, default="azure_error", payload=None):
    """The AzlinError for an Azure error code and message met while ``doing`` something."""
    meaning = _MEANING_OF.get(code, default)
    causes = remedies(code, message, payload) or ([_GENERAL[meaning]] if meaning in _GENERAL else [])
    label = f" ({code})" if code else ""
    return AzlinError(meaning, f"{doing} failed{label}: {message}", causes=causes, try_=_try(meaning, code))


def not_made(resource, name, value, wanted):
    """The AzlinError for a change that Azure reported as done, while the resource is as it was."""
    return AzlinError(
        "azure_error",
        f"Azure reported success, but of {resource} {name} is {value!r} and not {wanted!r}.",
        causes=[
            (
                "an Azure Policy with the effect modify sets it otherwise ('az policy assignment list' shows them)",
                _POLICY_REMEDY,
            ),
            ("somebody else changed it meanwhile", "Run again."),
        ],
        try_="az policy assignment list --disable-scope-strict-match",
    )


def _try(meaning, code=""):
    if code == "ScopeLocked":
        return "az lock list --output table"
    if meaning == "name_conflict":
        return "az storage account check-name --name NAME"
    if meaning in ("authorization_failed", "authentication_failed"):
        return "az account show"
    return ""


def from_azure(exc, doing, default="azure_error"):
    """The AzlinError for an exception of the Azure SDK met while ``doing`` something."""
    if isinstance(exc, AzlinError):
        return exc
    names = {cls.__name__ for cls in type(exc).__mro__}
    code, message, _all = describe(exc)
    if not code and not is_throttled(exc) and names & {"ClientAuthenticationError", "CredentialUnavailableError"}:
        return _authentication(message)
    if names & {"ServiceRequestError", "ServiceResponseError"}:
        return _unreachable(doing, message)
    if code not in _MEANING_OF:
        status = 429 if is_throttled(exc) else getattr(exc, "status_code", None)
        default = {401: "authentication_failed", 403: "authorization_failed", 429: "throttled"}.get(status, default)
    return failure(doing, code, message, default, _payload(exc))


def _authentication(message):
    return AzlinError(
        "authentication_failed",
        f"Signing in to Azure failed: {message}",
        causes=[
            (
                "client id, secret, certificate or tenant are wrong or have expired",
                "Check AZURE_CLIENT_ID, AZURE_SECRET and AZURE_TENANT, or the options client_id, secret and tenant.",
            ),
            ("nobody is signed in to the Azure CLI", "Run 'az login'."),
        ],
        try_="az account show",
    )


def _unreachable(doing, message):
    return AzlinError(
        "server_unreachable",
        f"{doing} failed: Azure Resource Manager does not answer: {message}",
        causes=[
            ("no network connection, or a proxy is needed", "Check the connection and HTTPS_PROXY."),
            (
                "the certificate of the endpoint is not trusted",
                "Point REQUESTS_CA_BUNDLE to the certificate authority of the cloud.",
            ),
            ("cloud_environment names the wrong endpoint", "Check cloud_environment or AZURE_CLOUD_ENVIRONMENT."),
        ],
    )
