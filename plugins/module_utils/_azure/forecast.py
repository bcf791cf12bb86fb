# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a storage will look like once a plan is carried out, for check mode. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import provisioned, softdelete
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common.names import same_id

# Keys of steps whose resource is the field of that name of what is present.
SHOWN = frozenset({"account", "file_service", "share", "endpoint", "zone_group"})


def forecast(wanted, present, plan):
    """Return ``present`` as the plan would leave it; what only Azure knows stays unknown."""
    for step in plan:
        if step.key == "restored_share":
            present = _with_restored(present, softdelete.to_restore(wanted, present), step.id)
        if step.key in SHOWN:
            changed = None if step.action == "delete" else _merged(getattr(present, step.key), step, wanted)
            present = replace(present, **{step.key: changed})
        if step.kind == "private endpoint" and step.action == "delete":
            # Its DNS zone group goes with it.
            account = _disconnected(present.account, step.id)
            present = replace(present, account=account, endpoint=None, zone_group=None)
    return present


def _with_restored(present, version, share_id):
    """``present`` with a soft-deleted version back in its place."""
    left = tuple(share for share in present.shares if share is not version)
    return replace(present, share=softdelete.restored(version, share_id), shares=left)


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
    for quantity in provisioned.QUANTITIES:
        # An increase starts a new time, which Azure will tell.
        if step.key == "share" and quantity.word in properties(step.body):
            about.pop(quantity.next_decrease, None)
    if step.key == "account" and step.action == "create":
        about["primaryEndpoints"] = {"file": f"https://{step.id.name}.file.{wanted.storage_suffix}/"}
    return {**known, **body, "properties": about}
