# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines, as far as tags, lists and a module that makes them need them; nothing starts one."""

from __future__ import annotations

import uuid

from lab.arm import validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.operations import finisher
from lab.arm.store import public

MACHINES = "Microsoft.Compute/virtualMachines"
LOCATIONS = "Microsoft.Compute/locations"
IMAGES = f"{LOCATIONS}/publishers/artifacttypes/offers/skus/versions"
SIZES = ({"name": "Standard_B2s", "numberOfCores": 2, "memoryInMB": 4096, "maxDataDiskCount": 4},)
VERSIONS = ("24.04.202601150", "24.04.202602090")


@route("GET", f"{LOCATIONS}/vmSizes", item=False, orphan=True)
def list_sizes(call: Call) -> Answer:
    """Sizes of a region."""
    return call.page(list(SIZES), dict)


@route("GET", IMAGES, item=False, orphan=True)
def list_images(call: Call) -> Answer:
    """Versions of an image, which is a bare list. Source: REST reference, virtual machine images, list."""
    place = call.target.id
    return Answer(200, [{"name": name, "location": call.target.names[0], "id": f"{place}/{name}"} for name in VERSIONS])


@route("GET", MACHINES, item=False)
def list_machines(call: Call) -> Answer:
    """The machines of a group or the subscription."""
    return call.page(call.store.in_scope(MACHINES, call.target.subscription, call.target.group), public)


@route("GET", MACHINES)
def get_machine(call: Call) -> Answer:
    """One machine, with its power state where that is asked for: no machine here is ever stopped."""
    shown = public(call.require())
    if call.query.get("$expand", "").lower() == "instanceview":
        shown["properties"] = {**shown["properties"], "instanceView": _instance_view(shown)}
    return Answer(200, shown)


@route("GET", f"{MACHINES}/instanceView", item=False)
def get_instance_view(call: Call) -> Answer:
    """The state of a machine alone."""
    return Answer(200, _instance_view(call.store.get(call.target.root.id)))


def _instance_view(machine: dict) -> dict:
    state = machine["properties"]["provisioningState"]
    provisioned = {"code": f"ProvisioningState/{state.lower()}", "displayStatus": f"Provisioning {state.lower()}"}
    return {"statuses": [provisioned, {"code": "PowerState/running", "displayStatus": "VM running"}]}


@route("PUT", MACHINES)
def put_machine(call: Call) -> Answer:
    """Create a machine or replace its model."""
    location = validation.location(call.body, MACHINES)
    existing = call.record()
    if existing:
        validation.same_location(existing, location, call.target.group or "")
    vm_id = existing["properties"]["vmId"] if existing else str(uuid.uuid4())
    properties = {**(call.body.get("properties") or {}), "vmId": vm_id, "provisioningState": "Creating"}
    if "osDisk" in properties.get("storageProfile", {}):
        # The service learns the system from the image, and shows an empty list of disks.
        properties["storageProfile"]["osDisk"].setdefault("osType", "Linux")
        properties["storageProfile"].setdefault("dataDisks", [])
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
