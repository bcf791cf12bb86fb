# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors of the Resource Manager, with the codes and texts that Azure sends."""

from __future__ import annotations

from lab.arm.ids import Target

# What the Resource Manager answers itself, before any provider is asked, says so.
GATEWAY = {"x-ms-failure-cause": "gateway"}


class ArmError(Exception):
    """An answer of the form ``{"error": {"code": ..., "message": ...}}``."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        headers: dict[str, str] | None = None,
        target: str | None = None,
        details: list[dict] | None = None,
    ):
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}
        self.target = target
        self.details = details

    def body(self) -> dict:
        """The JSON document Azure would send."""
        error: dict = {"code": self.code, "message": self.message}
        if self.target:
            error["target"] = self.target
        if self.details is not None:
            error["details"] = self.details
        return {"error": error}


class FlatError(ArmError):
    """An answer of the form ``{"code": ..., "message": ...}``, as private DNS gives it at once."""

    def body(self) -> dict:
        return super().body()["error"]


def resource_group_not_found(name: str) -> ArmError:
    """The resource group of the path does not exist."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.", GATEWAY)


def resource_not_found(target: Target) -> ArmError:
    """A resource that the Resource Manager keeps track of does not exist."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{target.type_and_name}' under resource group '{target.group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        GATEWAY,
    )


def network_child_not_found(target: Target) -> ArmError:
    """A child of a network resource does not exist; the network provider has its own words for it."""
    return ArmError(404, "NotFound", f"Resource {target.id} not found.")


def parent_not_found(target: Target) -> ArmError:
    """A write to a child whose top-level resource does not exist."""
    short = target.type.split("/", 1)[1]
    return ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on resource(s) of type '{short}', because the parent resource "
        f"'{target.root.id}' could not be found.",
        GATEWAY,
    )


def invalid_content(reason: str) -> ArmError:
    """The request body cannot be read."""
    return ArmError(
        400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{reason}'."
    )


def invalid_values(*names: str) -> ArmError:
    """Values that the storage provider refuses, named by property."""
    return ArmError(
        400,
        "InvalidValuesForRequestParameters",
        f"Values for request parameters are invalid: {','.join(names)}. "
        "For more information, see - https://aka.ms/storageaccountset",
    )


def invalid_reference(resource_id: str, referenced_by: str) -> ArmError:
    """A resource named in the body does not exist."""
    return ArmError(
        400,
        "InvalidResourceReference",
        f"Resource {resource_id} referenced by resource {referenced_by} was not found. Please make sure that "
        "the referenced resource exists, and that both resources are in the same region.",
    )


def account_busy() -> ArmError:
    """Another operation holds the storage account."""
    return ArmError(
        409,
        "StorageAccountOperationInProgress",
        "An operation is currently performing on this storage account that requires exclusive access.",
    )
