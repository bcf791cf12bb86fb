# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, paths and resource ids: what is allowed, checked by full matches before anything is sent or run.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

# Azure docs: "Naming rules and restrictions for Azure resources", Microsoft.Storage and Microsoft.Network.
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}", re.ASCII)
_SHARE = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)
_RESOURCE_GROUP = re.compile(r"[A-Za-z0-9_().-]{0,89}[A-Za-z0-9_()-]", re.ASCII)
_RESOURCE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?", re.ASCII)
_LOCATION = re.compile(r"[a-z0-9]{2,40}", re.ASCII)
# useradd(8): what Debian's and Red Hat's defaults both accept.
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII)
# A whitelist, since a blank or a '#' in a path would split a line of fstab.
_PATH = re.compile(r"(?:/[A-Za-z0-9._+@-]+)+", re.ASCII)


def account_name(value, option="name"):
    """Return a storage account name: 3-24 lower-case letters and digits, unique in all of Azure."""
    text = str(value)
    if _ACCOUNT.fullmatch(text):
        return text
    legal = re.sub(r"[^a-z0-9]", "", text.lower())[:24]
    remedy = f"Use for example {legal}." if len(legal) >= 3 else "Use for example teamhomes01."
    raise invalid(option, value, "a storage account name is 3 to 24 lower-case letters and digits", remedy)


def share_name(value, option="share"):
    """Return a file share name: 3-63 lower-case letters, digits and single hyphens between them."""
    text = str(value)
    if _SHARE.fullmatch(text):
        return text
    raise invalid(
        option,
        value,
        "a share name is 3 to 63 lower-case letters and digits, with single hyphens between them",
        "Use for example home.",
    )


def resource_group(value, option="resource_group"):
    """Return a resource group name: up to 90 letters, digits, ``_().-``, not ending in a full stop."""
    text = str(value)
    if _RESOURCE_GROUP.fullmatch(text):
        return text
    raise invalid(
        option,
        value,
        "a resource group name is 1 to 90 letters, digits, underscores, parentheses, hyphens and full stops, "
        "not ending in a full stop",
        "Look names up with 'az group list'.",
    )


def resource_name(value, option):
    """Return the name of a network resource: up to 80 letters, digits and ``_.-``."""
    text = str(value)
    if _RESOURCE.fullmatch(text):
        return text
    raise invalid(
        option,
        value,
        "the name is 1 to 80 letters, digits, underscores, full stops and hyphens, "
        "beginning with a letter or digit and ending in a letter, digit or underscore",
        "Check the name in the Azure portal.",
    )


def location(value, option="location"):
    """Return an Azure region in its short form: ``West US 2`` and ``westus2`` are both ``westus2``."""
    text = str(value).replace(" ", "").lower()
    if _LOCATION.fullmatch(text):
        return text
    raise invalid(option, value, "a region is letters and digits", "Use for example westus2.")


def user_name(value, option="user"):
    """Return a Linux user name."""
    text = str(value)
    if _USER.fullmatch(text):
        return text
    raise invalid(
        option,
        value,
        "a user name is 1 to 32 lower-case letters, digits, underscores and hyphens, beginning with a letter",
        "Use for example azureuser.",
    )


def absolute_path(value, option):
    """Return an absolute, normalised path of letters, digits and ``._+@-``."""
    text = str(value)
    if _PATH.fullmatch(text) and not {".", ".."} & set(text.split("/")):
        return text
    raise invalid(
        option,
        value,
        "the path must be absolute and normalised, of letters, digits and the characters . _ + @ -",
        "Use for example /home/azureuser.",
    )


@dataclass(frozen=True)
class ResourceId:
    """An Azure resource id taken apart; ``types`` and ``names`` run in parallel, outermost first."""

    subscription: str
    resource_group: str
    provider: str
    types: tuple
    names: tuple

    @property
    def name(self):
        """The resource's own name."""
        return self.names[-1]

    @property
    def parent(self):
        """The id of the enclosing resource, such as the virtual network of a subnet; None at the top."""
        if len(self.names) == 1:
            return None
        return ResourceId(self.subscription, self.resource_group, self.provider, self.types[:-1], self.names[:-1])

    def child(self, type_, name):
        """The id of a resource inside this one."""
        return ResourceId(
            self.subscription, self.resource_group, self.provider, self.types + (type_,), self.names + (name,)
        )

    def __str__(self):
        head = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}/providers/{self.provider}"
        return head + "".join(f"/{type_}/{name}" for type_, name in zip(self.types, self.names))


_RESOURCE_ID = re.compile(
    r"/subscriptions/([0-9a-f-]{36})/resourcegroups/([^/\s]{1,90})/providers/([a-z0-9.]+)((?:/[a-z0-9]+/[^/\s]+)+)",
    re.ASCII | re.IGNORECASE,
)


def parse_resource_id(value, option):
    """Return the :class:`ResourceId` of ``/subscriptions/S/resourceGroups/G/providers/P/TYPE/NAME...``."""
    match = _RESOURCE_ID.fullmatch(str(value))
    if not match:
        raise invalid(
            option,
            value,
            "a resource id has the form /subscriptions/ID/resourceGroups/GROUP/providers/PROVIDER/TYPE/NAME",
            "Copy it from the resource's JSON view in the Azure portal.",
        )
    subscription, group, provider, rest = match.groups()
    parts = rest.split("/")[1:]
    return ResourceId(subscription, group, provider, tuple(parts[::2]), tuple(parts[1::2]))


def same_id(one, other):
    """Whether two resource ids mean the same resource: Azure compares them without regard to case."""
    return str(one or "").rstrip("/").lower() == str(other or "").rstrip("/").lower()
