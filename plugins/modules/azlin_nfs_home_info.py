#!/usr/bin/python

# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin module: arguments in, _home.info does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_nfs_home_info
short_description: Show where a user's home directory lies and whether it is in order
version_added: 0.1.0
description:
  - Shows what is mounted on the home of a user, what fstab and the journal say, and what does not agree.
  - It never waits for a server that is gone; what cannot be found out is C(null).
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.attributes
  - azlin.storage.attributes.info_module
options:
  user:
    description: The login name of the user.
    type: str
    required: true
  home:
    description: The home directory. The default is the one in the user database.
    type: path
notes:
  - Runs as root. Use C(become).
seealso:
  - module: azlin.storage.azlin_nfs_home
"""

EXAMPLES = r"""
- name: Look at the home of azureuser
  azlin.storage.azlin_nfs_home_info:
    user: azureuser
  become: true
  register: result

- name: Stop if something is wrong
  ansible.builtin.assert:
    that: result.healthy
    fail_msg: "{{ result.problems | join(' ') }}"
"""

RETURN = r"""
home:
  description: The home, in the same shape as from M(azlin.storage.azlin_nfs_home).
  type: dict
  returned: success
  contains:
    user:
      description: The user.
      type: str
      sample: azureuser
    path:
      description: The home directory.
      type: str
      sample: /home/azureuser
    state:
      description: V(attached) or V(local).
      type: str
      sample: attached
    mounted:
      description: Whether a share is mounted on the home at this moment.
      type: bool
    source:
      description: The share, or C(null) for a local home.
      type: str
      sample: teamhomes01.file.core.windows.net:/teamhomes01/home
    fstype:
      description: The file system type of what is mounted on the home, or C(null).
      type: str
      sample: nfs4
    options:
      description: Options in force on the mount.
      type: list
      elements: str
    fstab:
      description: The entries of fstab for the home.
      type: list
      elements: str
    backup:
      description: Where the local copy of the time before the home was attached lies, or C(null).
      type: str
      sample: /home/azureuser.backup
    client:
      description: V(nfs), V(aznfs) for TLS, or C(null) for a local home.
      type: str
      sample: nfs
    local_paths:
      description: Paths in the home that are on the local disk.
      type: list
      elements: str
      sample: [.cache]
    journal:
      description: The journal of the transactions of this home.
      type: str
      sample: /var/lib/azlin/nfs_home/azureuser.json
share:
  description: Size and use of the share in bytes, while it is mounted and answers; else C(null).
  type: dict
  returned: success
  contains:
    size_bytes:
      description: Size in bytes.
      type: int
    used_bytes:
      description: Bytes in use.
      type: int
hosts:
  description:
    - The hosts that have a home on this share, from the records that they leave there, while the share is mounted and
      answers; else C(null).
    - A host that was lost without being detached stays listed; RV(hosts[].seen) tells.
  type: list
  elements: dict
  returned: success
  contains:
    host:
      description: Name of the host.
      type: str
    machine:
      description: Its C(machine-id).
      type: str
    vm_id:
      description: Resource id of the virtual machine, or C(null) where it was not known.
      type: str
    user:
      description: The user whose home it is there.
      type: str
      sample: azureuser
    uid:
      description: The user's number.
      type: int
      sample: 1000
    gid:
      description: The number of the user's group.
      type: int
      sample: 1000
    home:
      description: The home directory on that host.
      type: str
      sample: /home/azureuser
    attached:
      description: When the home was attached, in UTC.
      type: str
      sample: "2026-01-02T03:04:05Z"
    seen:
      description: When the host was last known to use it, in UTC. A run that finds the home attached renews it.
      type: str
      sample: "2026-01-02T03:04:05Z"
transaction:
  description: The transaction that an earlier run did not finish, or C(null).
  type: dict
  returned: success
  contains:
    id:
      description: Its identifier.
      type: str
    action:
      description: What it does.
      type: str
    state:
      description: V(running), V(unconfirmed) while a new login is waited for, V(undoing) or V(finishing).
      type: str
    step:
      description: The last step that was begun.
      type: str
instance:
  description: The virtual machine as Azure's instance metadata describes it; C(null) elsewhere.
  type: dict
  returned: success
  contains:
    vm_id:
      description: Resource id of the virtual machine.
      type: str
    name:
      description: Its name.
      type: str
    resource_group:
      description: Its resource group.
      type: str
    subscription_id:
      description: Its subscription.
      type: str
    location:
      description: Its region.
      type: str
healthy:
  description: Whether there are no RV(problems).
  type: bool
  returned: success
problems:
  description: What is not as it should be, one sentence each.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import info
from ansible_collections.azlin.storage.plugins.module_utils._home.arguments import request_of
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter


def main():
    module = AnsibleModule(
        argument_spec={"user": {"type": "str", "required": True}, "home": {"type": "path"}},
        supports_check_mode=True,
    )
    host = Host(mounter=Mounter(mount_options(), info.TIMEOUT))
    run_module(module, lambda: dict(info.collect(host, request_of(module.params)), changed=False))


if __name__ == "__main__":
    main()
