# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of an attachment: one tag of a virtual machine, merged, never replacing other tags.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import attachments, errors, result, wire
from ansible_collections.azlin.storage.plugins.module_utils._azure.attachments import Attachment
from ansible_collections.azlin.storage.plugins.module_utils._azure.observe import read, read_list
from ansible_collections.azlin.storage.plugins.module_utils._azure.waiters import (
    POLLING_INTERVAL,
    Deadline,
    finish,
    while_busy,
)
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.names import ResourceId

_TIMEOUT_SECONDS = 120


def check_options(params):
    """Raise for options that cannot work."""
    names.user_name(params["user"])
    if params["vm_id"] is not None:
        attachments.virtual_machine_id(params["vm_id"])
    else:
        names.resource_name(params["vm_name"], "vm_name")
        names.resource_group(params["vm_resource_group"], "vm_resource_group")
    if params["storage_name"] is not None:
        names.account_name(params["storage_name"], "storage_name")
    names.share_name(params["share"])
    if params["mount_point"] is not None:
        names.absolute_path(params["mount_point"], "mount_point")
    if params["state"] == "present":
        attachments.check_value(_wanted(params))


def converge(azure, params, check_mode):
    """Write or remove the record of one attachment; return the module's result."""
    vm_id = _vm_id(params, azure.subscription)
    content = read("the tags of the virtual machine", azure.resources(vm_id.subscription).tags.get_at_scope, str(vm_id))
    if content is None:
        raise _no_such_vm(vm_id)
    key, recorded = attachments.find(wire.properties(content).get("tags"), params["user"])
    if params["state"] == "absent":
        wanted, operation = None, "Delete"
        changes = key is not None and _concerns(recorded, params)
    else:
        wanted = _wanted(params)
        operation, changes = "Merge", recorded != wanted
        _check_seen(azure, vm_id, wanted)
        _check_free(vm_id, recorded, wanted)
        attachments.check_room(vm_id, wire.properties(content).get("tags"), wanted)
    subject = wanted or recorded
    if changes and not check_mode:
        tags = {wanted.key: wanted.value} if wanted else {key: wire.properties(content)["tags"][key]}
        _update(azure, vm_id, operation, tags)
    return {
        "changed": changes,
        "attachment": None if subject is None else _shown(vm_id, subject),
        "diff": _diff(vm_id, recorded, wanted if changes or wanted else recorded),
    }


def _wanted(params):
    return Attachment(params["storage_name"], params["share"], params["user"], params["mount_point"])


def _vm_id(params, subscription):
    if params["vm_id"] is not None:
        return attachments.virtual_machine_id(params["vm_id"])
    return ResourceId(
        subscription, params["vm_resource_group"], "Microsoft.Compute", ("virtualMachines",), (params["vm_name"],)
    )


def _no_such_vm(vm_id):
    return AzlinError(
        "not_found",
        f"Virtual machine {vm_id} does not exist, or the identity cannot see it.",
        causes=[("name, resource group or subscription are wrong", "Check vm_id, or vm_name and vm_resource_group.")],
        try_="az vm list --output table",
    )


def _concerns(recorded, params):
    """Whether a record is the one that shall go; without a storage any record of the user is meant."""
    if params["storage_name"] is None or recorded is None:
        return True
    return (recorded.account, recorded.share) == (params["storage_name"], params["share"])


def _check_seen(azure, vm_id, wanted):
    """A storage asks the subscriptions that it is reached from; the record of another one would protect nothing."""
    if vm_id.subscription.lower() == azure.subscription.lower():
        return
    listed = read_list("storage accounts", azure.storage().storage_accounts.list)
    account = next((one for one in listed if one["name"] == wanted.account), None)
    if account is None:
        raise AzlinError(
            "not_found",
            f"{vm_id.name} is in subscription {vm_id.subscription}, and storage account {wanted.account} is not in "
            f"subscription {azure.subscription}, or the identity cannot see it.",
            causes=[("another subscription is meant", "Set subscription_id to the subscription of the storage.")],
            try_="az storage account list --output table",
        )
    if vm_id.subscription.lower() not in result.subscriptions(account):
        raise AzlinError(
            "unsupported",
            f"{vm_id.name} is in subscription {vm_id.subscription}, from which no private endpoint and no admitted "
            f"subnet leads to {wanted.account}: a deletion of the storage would not look for records there.",
            causes=[
                (
                    "the machine's network has no way of its own to the storage",
                    f"Let {wanted.account} admit its subnet with network.subnets, or give it a second private endpoint "
                    "there, with a private DNS zone of its own (network.dns.zone_id).",
                ),
                (
                    "the machine reaches the storage through a peered network",
                    "Set azlin_record: false; only its record on the share, and azlin_hosts of the playbook delete, "
                    "then protect the storage.",
                ),
            ],
        )


def _check_free(vm_id, recorded, wanted):
    """The record of another share protects that share from deletion and is not overwritten."""
    if recorded is None or (recorded.account, recorded.share) == (wanted.account, wanted.share):
        return
    raise AzlinError(
        "in_use",
        f"The home of {wanted.user} on {vm_id.name} is recorded as attached to {recorded.account}/{recorded.share}, "
        f"not to {wanted.account}/{wanted.share}.",
        causes=[
            ("the home is still attached there", "Detach it first."),
            (
                "the record is left over",
                f"Remove it with azlin.storage.azlin_attachment, state: absent, user: {wanted.user}.",
            ),
        ],
        try_=f"ansible-playbook azlin.storage.detach -l {vm_id.name}",
    )


def _update(azure, vm_id, operation, tags):
    """One request that touches only the named tags."""
    client = azure.resources(vm_id.subscription).tags
    body = {"operation": operation, "properties": {"tags": tags}}
    doing = f"Recording the attachment on {vm_id.name}"
    deadline = Deadline(_TIMEOUT_SECONDS)

    def send():
        begin = client.begin_update_at_scope
        return finish(begin(str(vm_id), body, cls=wire.body, polling_interval=POLLING_INTERVAL), deadline, doing)

    try:
        written = wire.properties(while_busy(send, deadline, doing)).get("tags")
    except AzlinError:
        raise
    except Exception as exc:
        raise errors.from_azure(exc, doing) from exc
    if written is None:
        # Success without a word of the tags is no proof of them.
        written = wire.properties(read("the tags of the virtual machine", client.get_at_scope, str(vm_id))).get("tags")
    known = {name.lower(): value for name, value in (written or {}).items()}
    for name, value in tags.items():
        if known.get(name.lower()) != (value if operation == "Merge" else None):
            raise errors.failure(doing, "", f"Azure reported success, but the tag {name} is not what it has to be")


def _shown(vm_id, attachment):
    return {
        "vm_id": str(vm_id),
        "vm_name": vm_id.name,
        "vm_resource_group": vm_id.resource_group,
        "storage_name": attachment.account,
        "share": attachment.share,
        "user": attachment.user,
        "mount_point": attachment.mount_point,
    }


def _diff(vm_id, before, after):
    return {
        "before": {} if before is None else _shown(vm_id, before),
        "after": {} if after is None else _shown(vm_id, after),
    }
