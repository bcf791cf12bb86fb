# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which virtual machine uses which share: a tag on the virtual machine, one for each user.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid

TAG_PREFIX = "azlin-home-"
VM_TYPE = "Microsoft.Compute/virtualMachines"
SCALE_SET_VM_TYPE = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines"
# Source: Azure docs, tag-resources, "Limitations".
MAX_TAGS, MAX_TAG_VALUE = 50, 256


@dataclass(frozen=True)
class Attachment:
    """A user's home on a virtual machine that is (about to be) a share."""

    account: str
    share: str
    user: str
    mount_point: str

    @property
    def key(self):
        """The tag's name."""
        return tag_key(self.user)

    @property
    def value(self):
        """The tag's value."""
        return f"{self.account}/{self.share}:{self.mount_point}"


def tag_key(user):
    """The name of the tag for a user."""
    return f"{TAG_PREFIX}{user}"


def parse(key, value):
    """The :class:`Attachment` of a tag, or None for tags that are not ours. Tag names have no case in Azure."""
    source, colon, mount_point = str(value).partition(":")
    account, slash, share = source.partition("/")
    if not key.lower().startswith(TAG_PREFIX) or not (colon and slash):
        return None
    return Attachment(account, share, key[len(TAG_PREFIX) :], mount_point)


def find(tags, user):
    """The name (as it is spelled) and the :class:`Attachment` of a user's tag, or ``(None, None)``."""
    wanted = tag_key(user).lower()
    for key, value in (tags or {}).items():
        if key.lower() == wanted:
            return key, parse(key, value)
    return None, None


def of_storage(virtual_machines, account, share):
    """The attachments of one share (None: of all shares) of an account among listed machines, sorted by name."""
    found = []
    for machine in virtual_machines:
        for key, value in (machine.get("tags") or {}).items():
            attachment = parse(key, value)
            if attachment and attachment.account == account and share in (None, attachment.share):
                found.append(_entry(machine["id"], attachment))
    return sorted(found, key=lambda entry: (entry["name"], entry["id"], entry["user"]))


def by_account(virtual_machines):
    """Account -> the machines that have a home on one of its shares."""
    found = {}
    for machine in virtual_machines:
        tags = (machine.get("tags") or {}).items()
        for account in {attachment.account for attachment in (parse(*tag) for tag in tags) if attachment}:
            found.setdefault(account, []).append(machine)
    return found


def shares_of(virtual_machines, account):
    """The names of the shares of an account that listed machines have homes on."""
    tags = [tag for machine in virtual_machines for tag in (machine.get("tags") or {}).items()]
    return {
        attachment.share for attachment in (parse(*tag) for tag in tags) if attachment and attachment.account == account
    }


def _entry(vm_id, attachment):
    parsed = names.parse_resource_id(vm_id, "id")
    return {
        "name": parsed.name,
        "id": vm_id,
        "resource_group": parsed.resource_group,
        "user": attachment.user,
        "mount_point": attachment.mount_point,
    }


def check_room(vm_id, tags, wanted):
    """Raise when a virtual machine cannot hold one tag more."""
    if find(tags, wanted.user)[0] is None and len(tags or {}) >= MAX_TAGS:
        raise AzlinError(
            "unsupported",
            f"{vm_id.name} has {len(tags)} tags, and Azure allows {MAX_TAGS}: the tag {wanted.key} finds no room.",
            causes=[("the virtual machine has too many tags", "Remove one of its tags.")],
        )


def check_value(wanted):
    """Raise for a record that is longer than the value of a tag may be."""
    if len(wanted.value) > MAX_TAG_VALUE:
        raise invalid(
            "mount_point",
            wanted.mount_point,
            f"the record {wanted.account}/{wanted.share}:MOUNT_POINT has {len(wanted.value)} characters, and Azure "
            f"allows {MAX_TAG_VALUE} in the value of a tag",
            "Use a shorter path.",
        )


def virtual_machine_id(value):
    """The :class:`ResourceId` of the option ``vm_id``; raises for what is no virtual machine that can have tags."""
    parsed = names.parse_resource_id(value, "vm_id")
    kind = f"{parsed.provider}/{'/'.join(parsed.types)}".lower()
    if kind == SCALE_SET_VM_TYPE.lower():
        # Source: Azure docs, tag-support: these have no tags of their own.
        raise AzlinError(
            "unsupported",
            f"vm_id: {value} is an instance of a scale set in uniform orchestration; Azure gives such instances no "
            "tags, so that its use of the storage cannot be recorded in Azure.",
            causes=[
                (
                    "the scale set is in uniform orchestration",
                    "Use a scale set in flexible orchestration, whose instances are ordinary virtual machines.",
                ),
                (
                    "the instance shall have its home on the share nevertheless",
                    "Set azlin_record: false; only its record on the share then protects the storage.",
                ),
            ],
        )
    if kind != VM_TYPE.lower():
        raise invalid("vm_id", value, "it is not the id of a virtual machine", "Copy the id from 'az vm show'.")
    return parsed
