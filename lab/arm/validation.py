# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of names, locations and values, with the refusals of Azure."""

from __future__ import annotations

import ipaddress
import re
import typing

from lab.arm.errors import ArmError

# Regions of the lab; the value says whether the region has availability zones and so offers ZRS.
LOCATIONS = {
    "australiaeast": True,
    "centralus": True,
    "eastus": True,
    "eastus2": True,
    "francecentral": True,
    "germanywestcentral": True,
    "japaneast": True,
    "northeurope": True,
    "southeastasia": True,
    "swedencentral": True,
    "uksouth": True,
    "westeurope": True,
    "westus": False,
    "westus2": True,
    "westus3": True,
}


def location(body: dict, type_: str) -> str:
    """The normalised location of a body or the refusal of the Resource Manager."""
    value = body.get("location")
    if not value:
        raise ArmError(400, "LocationRequired", "The location property is required for this definition.")
    normal = str(value).replace(" ", "").lower()
    if normal not in LOCATIONS:
        code = "LocationNotAvailableForResourceType"
        if type_.endswith("/resourceGroups"):
            code = "LocationNotAvailableForResourceGroup"
        raise ArmError(
            400,
            code,
            f"The provided location '{value}' is not available for resource type '{type_}'. List of available "
            f"regions for the resource type is '{','.join(LOCATIONS)}'.",
        )
    return normal


def same_location(existing: dict, wanted: str, group: str) -> None:
    """A resource cannot move to another location."""
    if existing["location"] != wanted:
        raise ArmError(
            409,
            "InvalidResourceLocation",
            f"The resource '{existing['name']}' already exists in location '{existing['location']}' in resource group "
            f"'{group}'. A resource with the same name cannot be created in location '{wanted}'. "
            "Please select a new resource name.",
        )


def tags(body: dict) -> dict[str, str] | None:
    """The tags of a body within the limits of the Resource Manager (50 tags, names 512, values 256 long)."""
    value = body.get("tags")
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, (str, type(None))) for text in value.values()):
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid: tags must be a map of texts.")
    if len(value) > 50:
        raise ArmError(400, "TooManyTags", f"The number of tags '{len(value)}' exceeds the maximum '50'.")
    for name, text in value.items():
        if not name or len(name) > 512 or re.search(r"[<>%&\\?/]", name):
            raise ArmError(
                400,
                "InvalidTagNameCharacters",
                f"The tag names '{name}' have reserved characters '<,>,%,&,\\,?,/' or control characters.",
            )
        if text and len(text) > 256:
            raise ArmError(400, "InvalidTagValue", f"The value of tag '{name}' is longer than 256 characters.")
    return {name: text or "" for name, text in value.items()}


def account_name(name: str) -> None:
    """Storage account names: 3 to 24 lower-case letters and digits."""
    if not re.fullmatch(r"[a-z0-9]{3,24}", name):
        raise ArmError(
            400,
            "AccountNameInvalid",
            f"{name} is not a valid storage account name. Storage account name must be between 3 and 24 characters "
            "in length and use numbers and lower-case letters only.",
        )


def share_name(name: str) -> None:
    """Share names: 3 to 63 of lower-case letters, digits and single hyphens between them."""
    if not 3 <= len(name) <= 63:
        raise ArmError(
            400, "OutOfRangeInput", "The specified resource name length is not within the permissible limits."
        )
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ArmError(400, "InvalidResourceName", "The specified resource name contains invalid characters.")


def group_name(name: str) -> None:
    """Resource group names: up to 90 of letters, digits, and -_.() not ending in a period."""
    if not re.fullmatch(r"[\w\-.()]{1,90}", name) or name.endswith("."):
        raise ArmError(
            400,
            "InvalidResourceGroup",
            "The provided resource group name has these invalid characters or is longer than 90 characters. The name "
            "can only be a letter, digit, '-', '.', '(', ')' or '_' and cannot end with '.'.",
        )


def network_name(name: str, resource_id: str) -> None:
    """Names of network resources: 1 to 80, beginning with a letter or digit."""
    if not re.fullmatch(r"[A-Za-z0-9]([\w.\-]{0,78}\w)?", name):
        raise ArmError(
            400,
            "InvalidResourceName",
            f"Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word "
            "character, and it must end with a word character or with '_'. The name may contain word characters or "
            "'.', '-', '_'.",
            target=resource_id,
        )


def prefix(text: typing.Any, resource_id: str) -> ipaddress.IPv4Network:
    """An IPv4 prefix in CIDR notation."""
    try:
        return ipaddress.IPv4Network(text)
    except (ValueError, TypeError):
        raise ArmError(
            400,
            "InvalidCIDRNotation",
            f"The address prefix {text} in resource {resource_id} has an invalid CIDR notation. For the given prefix "
            "length, the address prefix should be the network address.",
        ) from None


def choice(value: typing.Any, allowed: typing.Iterable[str], name: str) -> None:
    """A value out of a closed set; absent is fine."""
    if value is not None and value not in tuple(allowed):
        raise ArmError(
            400,
            "InvalidRequestPropertyValue",
            f"The value '{value}' is not allowed for property {name}. Allowed values are: {', '.join(allowed)}.",
        )


def boolean(value: typing.Any, name: str) -> None:
    """A truth value; absent is fine."""
    if value is not None and not isinstance(value, bool):
        raise ArmError(400, "InvalidRequestPropertyValue", f"The value '{value}' is not a boolean for property {name}.")
