# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource ids and request paths; comparison is case-insensitive, spelling is kept."""

from __future__ import annotations

import dataclasses
import re

# Azure answers with its own spelling of a type, however the request spelt it.
CANONICAL_TYPES = {
    name.lower(): name
    for name in (
        "Microsoft.Resources/subscriptions",
        "Microsoft.Resources/resourceGroups",
        "Microsoft.Resources/resources",
        "Microsoft.Resources/locations",
        "Microsoft.Resources/operationresults",
        "Microsoft.Resources/providers",
        "Microsoft.Resources/providers/register",
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Compute/virtualMachines/instanceView",
        "Microsoft.Compute/locations/operations",
        "Microsoft.Compute/locations/vmSizes",
        "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions",
        "Microsoft.Network/virtualNetworks",
        "Microsoft.Network/virtualNetworks/subnets",
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Network/networkSecurityGroups",
        "Microsoft.Network/networkSecurityGroups/securityRules",
        "Microsoft.Network/privateEndpoints",
        "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
        "Microsoft.Network/privateDnsZones",
        "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
        "Microsoft.Network/privateDnsZones/A",
        "Microsoft.Network/privateDnsZones/SOA",
        "Microsoft.Network/privateDnsZones/ALL",
        "Microsoft.Network/privateDnsOperationStatuses",
        "Microsoft.Network/privateDnsOperationResults",
        "Microsoft.Network/locations/operations",
        "Microsoft.Network/locations/operationResults",
        "Microsoft.Storage/storageAccounts",
        "Microsoft.Storage/storageAccounts/privateEndpointConnections",
        "Microsoft.Storage/storageAccounts/privateLinkResources",
        "Microsoft.Storage/storageAccounts/fileServices",
        "Microsoft.Storage/storageAccounts/fileServices/usages",
        "Microsoft.Storage/storageAccounts/fileServices/shares",
        "Microsoft.Storage/storageAccounts/fileServices/shares/restore",
        "Microsoft.Storage/checkNameAvailability",
        "Microsoft.Storage/deletedAccounts",
        "Microsoft.Storage/skus",
        "Microsoft.Storage/locations/asyncoperations",
    )
}
PROVIDERS = {name.split("/")[0].lower(): name.split("/")[0] for name in CANONICAL_TYPES.values()}


@dataclasses.dataclass(frozen=True)
class Target:
    """What a path points at: an item (as many names as types) or a collection or action (one name less)."""

    subscription: str | None
    group: str | None
    provider: str
    types: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def is_item(self) -> bool:
        """Whether the path names one resource."""
        return len(self.types) == len(self.names)

    @property
    def type(self) -> str:
        """The full type in Azure's spelling, for example Microsoft.Storage/storageAccounts."""
        written = "/".join((self.provider,) + self.types)
        return CANONICAL_TYPES.get(written.lower(), written)

    @property
    def name(self) -> str:
        """The last name of the path."""
        return self.names[-1]

    @property
    def type_and_name(self) -> str:
        """Types and names interleaved, as error messages show them."""
        return "/".join((self.type.split("/")[0],) + self._pairs())

    @property
    def id(self) -> str:
        """The resource id in canonical form."""
        if self.type == "Microsoft.Resources/resourceGroups":
            return f"/subscriptions/{self.subscription}/resourceGroups/{self.names[0]}"
        start = f"/subscriptions/{self.subscription}"
        if self.group:
            start += f"/resourceGroups/{self.group}"
        return "/".join((start, "providers", self.type.split("/")[0]) + self._pairs())

    @property
    def root(self) -> Target:
        """The top-level resource of a nested one."""
        return dataclasses.replace(self, types=self.types[:1], names=self.names[:1])

    def child(self, type_: str, *names: str) -> Target:
        """A nested resource (or collection, without name)."""
        return dataclasses.replace(self, types=self.types + (type_,), names=self.names + names)

    def _pairs(self) -> tuple[str, ...]:
        types = self.type.split("/")[1:]
        pairs: list[str] = []
        for position, type_ in enumerate(types):
            pairs.append(type_)
            if position < len(self.names):
                pairs.append(self.names[position])
        return tuple(pairs)


def parse(path: str) -> Target | None:
    """Read a request path or resource id; None when it has no meaning to the Resource Manager."""
    parts = [part for part in path.split("/") if part]
    subscription = group = None
    if parts and parts[0].lower() == "subscriptions":
        if len(parts) <= 2:
            return Target(None, None, "Microsoft.Resources", ("subscriptions",), tuple(parts[1:]))
        subscription, parts = parts[1], parts[2:]
        if parts[0].lower() == "resourcegroups":
            if len(parts) <= 2:
                return Target(subscription, None, "Microsoft.Resources", ("resourceGroups",), tuple(parts[1:]))
            group, parts = parts[1], parts[2:]
    if not parts:
        return None
    registration = len(parts) == 3 and parts[2].lower() == "register"
    if parts[0].lower() == "providers" and len(parts) > 2 and not registration:
        return Target(subscription, group, parts[1], tuple(parts[2::2]), tuple(parts[3::2]))
    return Target(subscription, group, "Microsoft.Resources", tuple(parts[0::2]), tuple(parts[1::2]))


def same(one: str, other: str) -> bool:
    """Resource ids are compared without regard to case."""
    return one.strip("/").lower() == other.strip("/").lower()


def group_of(resource_id: str) -> str:
    """The resource group in an id, or an empty text."""
    found = re.match(r"/subscriptions/[^/]+/resourceGroups/([^/]+)", resource_id, re.IGNORECASE)
    return found.group(1) if found else ""
