# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage will look like once a plan is carried out, for check mode. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common.names import same_id

_FIELDS = {
    "account": "account",
    "file_service": "file_service",
    "share": "share",
    "endpoint": "endpoint",
    "zone_group": "zone_group",
}


def forecast(wanted, present, plan):
    """Return ``present`` as the plan would leave it; what only Azure knows stays unknown."""
    for step in plan:
        if step.key in _FIELDS:
            field = _FIELDS[step.key]
            changed = None if step.action == "delete" else _merged(getattr(present, field), step, wanted)
            present = replace(present, **{field: changed})
        if step.key == "old_endpoint":
            # The zone group goes with its endpoint.
            present = replace(present, endpoint=None, zone_group=None)
        if step.key in ("endpoint", "old_endpoint") and step.action == "delete":
            present = replace(present, account=_disconnected(present.account, step.id))
    return present


def _disconnected(account, endpoint_id):
    """The account without its connection to an endpoint."""
    if account is None:
        return None
    about = properties(account)
    kept = [
        connection
        for connection in about.get("privateEndpointConnections") or []
        if not same_id(dig(connection, "properties", "privateEndpoint", "id"), endpoint_id)
    ]
    return {**account, "properties": {**about, "privateEndpointConnections": kept}}


def _merged(resource, step, wanted):
    """A resource with a request's body in it, as Azure would show it."""
    body = dict(step.body)
    known = resource or {"id": str(step.id), "name": step.id.name}
    about = {**properties(resource), **body.pop("properties")}
    if step.key == "account" and step.action == "create":
        about["primaryEndpoints"] = {"file": f"https://{step.id.name}.file.{wanted.storage_suffix}/"}
    return {**known, **body, "properties": about}
