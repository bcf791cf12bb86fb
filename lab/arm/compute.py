# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines, as far as tags and lists need them."""

from __future__ import annotations

import uuid

from lab.arm import validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.operations import finisher
from lab.arm.store import public

MACHINES = "Microsoft.Compute/virtualMachines"


@route("GET", MACHINES, item=False)
def list_machines(call: Call) -> Answer:
    """The machines of a group or the subscription."""
    return call.page(call.store.in_scope(MACHINES, call.target.subscription, call.target.group), public)


@route("GET", MACHINES)
def get_machine(call: Call) -> Answer:
    """One machine."""
    return Answer(200, public(call.require()))


@route("PUT", MACHINES)
def put_machine(call: Call) -> Answer:
    """Create a machine or replace its model."""
    location = validation.location(call.body, MACHINES)
    existing = call.record()
    if existing:
        validation.same_location(existing, location, call.target.group or "")
    vm_id = existing["properties"]["vmId"] if existing else str(uuid.uuid4())
    properties = {**(call.body.get("properties") or {}), "vmId": vm_id, "provisioningState": "Creating"}
    record = call.store.put(
        {
            **(existing or {}),
            "id": call.id,
            "name": existing["name"] if existing else call.target.name,
            "type": MACHINES,
            "location": location,
            "tags": validation.tags(call.body) or {},
            "properties": properties,
        }
    )
    return Answer(200 if existing else 201, public(record), _polling(call, call.start("vm", record["id"])))


@route("PATCH", MACHINES)
def patch_machine(call: Call) -> Answer:
    """Replace the tags of a machine, and nothing else."""
    record = call.require()
    tags = validation.tags(call.body)
    if tags is not None:
        record["tags"] = tags
    return Answer(200, public(call.store.put(record)))


@route("DELETE", MACHINES)
def delete_machine(call: Call) -> Answer:
    """Delete a machine; a long-running operation."""
    record = call.record()
    if record is None:
        return Answer(204)
    record["properties"]["provisioningState"] = "Deleting"
    return Answer(202, None, _polling(call, call.start("vm_delete", record["id"])))


@finisher("vm")
def finish_machine(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The machine is there."""
    record = cloud.store.get(resource_id)
    if record:
        record["properties"]["provisioningState"] = "Succeeded"


@finisher("vm_delete")
def finish_machine_delete(cloud: Cloud, resource_id: str, args: dict) -> None:
    """The machine is gone."""
    cloud.store.delete(resource_id)


def _polling(call: Call, operation: str) -> dict[str, str]:
    start = f"/subscriptions/{call.target.subscription}/providers/Microsoft.Compute/locations/lab"
    return {
        "Azure-AsyncOperation": call.url(f"{start}/operations/{operation}"),
        **call.cloud.profile.retry_headers(),
    }
