#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_attachment
short_description: Record which virtual machine has a home on which share
version_added: 0.1.0
description:
  - Writes or removes one tag on a virtual machine, C(azlin-home-USER) with the value C(ACCOUNT/SHARE:MOUNT_POINT).
    Other tags are never touched.
  - The record protects the storage from deletion and makes it possible to list all attached homes of a subscription
    with one query. Mounting itself is the work of M(azlin.storage.azlin_nfs_home).
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.azure_auth
  - azlin.storage.attributes
  - azlin.storage.attributes.actiongroup_azure
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description:
      - V(present) writes the record. A record of the same user for another share is not overwritten but an error.
      - V(absent) removes it; when O(storage_name) is set, only if it is for that storage and share.
    type: str
    choices: [present, absent]
    default: present
  vm_id:
    description:
      - The resource id of the virtual machine, such as its instance metadata show it.
      - It may be of another subscription than the storage, if that holds a subnet that the storage admits, or a private
        endpoint of it. Records are looked for there and in the subscription of the storage, and refused elsewhere.
      - An instance of a scale set in flexible orchestration is a virtual machine like any other. One in uniform
        orchestration has no tags in Azure and is refused.
    type: str
  vm_name:
    description:
      - The name of the virtual machine, instead of O(vm_id).
    type: str
  vm_resource_group:
    description:
      - The resource group of O(vm_name).
    type: str
  storage_name:
    description:
      - The storage account. Required for O(state=present).
    type: str
  share:
    description:
      - The file share.
    type: str
    default: home
  user:
    description:
      - Whose home it is.
    type: str
    required: true
  mount_point:
    description:
      - Where the share is mounted. Required for O(state=present).
    type: str
notes:
  - A record is one request that merges or removes one tag. Azure allows 50 tags a virtual machine and 256 characters in
    the value of each; what would exceed that is refused before it is sent.
  - "Sources: Azure documentation, REST reference of Microsoft.Resources tags, Update at scope; articles tag-resources
    and tag-support."
seealso:
  - module: azlin.storage.azlin_nfs_storage
"""

EXAMPLES = r"""
- name: Record that the home of azureuser is on the share
  azlin.storage.azlin_attachment:
    vm_name: worker-1
    vm_resource_group: team
    storage_name: teamhomes01
    user: azureuser
    mount_point: /home/azureuser

- name: Remove the record
  azlin.storage.azlin_attachment:
    state: absent
    vm_name: worker-1
    vm_resource_group: team
    user: azureuser
"""

RETURN = r"""
attachment:
  description: The record that was written, found or removed; null when there was none to remove.
  returned: success
  type: dict
  contains:
    vm_id:
      description: The resource id of the virtual machine.
      type: str
    vm_name:
      description: Its name.
      type: str
    vm_resource_group:
      description: Its resource group.
      type: str
    storage_name:
      description: The storage account.
      type: str
    share:
      description: The file share.
      type: str
    user:
      description: Whose home it is.
      type: str
    mount_point:
      description: Where the share is mounted.
      type: str
error_code:
  description: What kind of failure it is; a stable word to branch on.
  returned: failure
  type: str
  sample: immutable_property
causes:
  description: Possible causes, each with its remedy.
  returned: failure
  type: list
  elements: dict
try:
  description: A command that helps.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._azure import tagging
from ansible_collections.azlin.storage.plugins.module_utils._azure.argspec import attachment_options, auth_options
from ansible_collections.azlin.storage.plugins.module_utils._azure.clients import Azure
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module


def manage(module):
    """Check the options, sign in and converge."""
    tagging.check_options(module.params)
    return tagging.converge(Azure(module.params), module.params, module.check_mode)


def main():
    """Entry point."""
    module = AnsibleModule(
        argument_spec={**attachment_options(), **auth_options()},
        mutually_exclusive=[("vm_id", "vm_name"), ("vm_id", "vm_resource_group")],
        required_one_of=[("vm_id", "vm_name")],
        required_together=[("vm_name", "vm_resource_group")],
        required_if=[("state", "present", ("storage_name", "mount_point"))],
        supports_check_mode=True,
    )
    run_module(module, lambda: manage(module))


if __name__ == "__main__":
    main()
