#!/usr/bin/python

# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin module: arguments in, _nas does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_nas_lab
short_description: Run the NFS servers of a NAS test bed on a host
version_added: 0.1.0
description:
  - Runs one NFS-Ganesha for each server, in a confined systemd unit of its own, with limits for memory, processor and
    size, and copies files between its export and a directory of its own.
  - At every start the files of the directory are copied into the export. Then, every O(servers[].sync_seconds), an
    C(input) copies its directory to its export and an C(output) its export to its directory. A copy adds and renews
    files; it never removes one, nor replaces one that is newer.
  - Servers that are not listed any more, or not enabled, are stopped and their units removed. Their files stay.
author:
  - azlin.storage project (!UNKNOWN)
extends_documentation_fragment:
  - azlin.storage.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  servers:
    description:
      - The servers of this host. P(azlin.storage.nas_servers#filter) makes such lists.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the server. 1 to 40 lower-case letters, digits and hyphens.
        type: str
        required: true
      role:
        description: V(input) is filled from its directory, V(output) fills it, and V(backup) is filled at its start.
        type: str
        choices: [input, backup, output]
        required: true
      port:
        description: TCP port, 1024 to 65535. The only one that the server uses.
        type: int
        required: true
      fsid:
        description: Number of the file system as clients see it, 1 to 65535.
        type: int
        required: true
      enabled:
        description: Whether the server runs.
        type: bool
        default: true
      clients:
        description: Addresses and networks of the clients that may mount.
        type: list
        elements: str
        required: true
      access:
        description: Whether clients may write. The default is V(ro) for a C(backup) and V(rw) for the others.
        type: str
        choices: [rw, ro]
      squash:
        description: Whose files the root of a client, or everybody there, creates and reads as nobody.
        type: str
        choices: [no_root_squash, root_squash, all_squash]
        default: no_root_squash
      source:
        description: The directory of the server. The default is one with its name in C(/srv/nas_lab/sources).
        type: path
      sync_seconds:
        description: Seconds between the end of a copy and the next one, 5 to 45.
        type: int
        default: 30
      size_mib:
        description: Size of the export in MiB, reserved on the host. A full export is an error for who writes.
        type: int
        default: 500
      memory_mib:
        description: Memory limit in MiB.
        type: int
        default: 256
      cpu_percent:
        description: Processor limit in percent of one processor.
        type: int
        default: 100
      host:
        description: Name of the host that runs the server. It makes the identity that clients see unique.
        type: str
      address:
        description: Where clients find the server. Not used on the host.
        type: str
  timeout:
    description: Seconds to wait until the servers answer.
    type: int
    default: 60
notes:
  - Runs as root. Use C(become).
seealso:
  - plugin: azlin.storage.nas_servers
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Run an input and an output
  azlin.storage.azlin_nas_lab:
    servers:
      - {name: nas-input-1, role: input, port: 32150, fsid: 1, clients: [10.30.1.0/24]}
      - {name: nas-output-1, role: output, port: 32154, fsid: 5, clients: [10.30.1.0/24]}
  become: true
"""

RETURN = r"""
steps:
  description: What was done, or would be done in check mode, in order.
  type: list
  elements: dict
  returned: success
  contains:
    action:
      description: V(stop), V(remove), V(directory), V(image), V(write), V(reload) or V(start).
      type: str
      sample: write
    target:
      description: The unit, file or directory.
      type: str
      sample: /etc/nas_lab/nas-input-1.conf
servers:
  description: The servers that are enabled, with the names of their units.
  type: list
  elements: dict
  returned: success
  contains:
    name:
      description: Name of the server.
      type: str
    port:
      description: Its TCP port.
      type: int
    unit:
      description: Its systemd unit.
      type: str
      sample: nas_lab-nas-input-1.service
    source:
      description: Its directory.
      type: str
      sample: /srv/nas_lab/sources/nas-input-1
    export:
      description: What clients see, as a path on the host.
      type: str
      sample: /srv/nas_lab/exports/nas-input-1/data
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import run_module
from ansible_collections.azlin.storage.plugins.module_utils._nas import run

SERVER = {
    "name": {"type": "str", "required": True},
    "role": {"type": "str", "choices": list(nas.ROLES), "required": True},
    "port": {"type": "int", "required": True},
    "fsid": {"type": "int", "required": True},
    "enabled": {"type": "bool", "default": nas.DEFAULTS["enabled"]},
    "clients": {"type": "list", "elements": "str", "required": True},
    "access": {"type": "str", "choices": list(nas.ACCESS)},
    "squash": {"type": "str", "choices": list(nas.SQUASH), "default": nas.DEFAULTS["squash"]},
    "source": {"type": "path"},
    "sync_seconds": {"type": "int", "default": nas.DEFAULTS["sync_seconds"]},
    "size_mib": {"type": "int", "default": nas.DEFAULTS["size_mib"]},
    "memory_mib": {"type": "int", "default": nas.DEFAULTS["memory_mib"]},
    "cpu_percent": {"type": "int", "default": nas.DEFAULTS["cpu_percent"]},
    "host": {"type": "str"},
    "address": {"type": "str"},
}


def main():
    module = AnsibleModule(
        argument_spec={
            "servers": {"type": "list", "elements": "dict", "options": SERVER, "required": True},
            "timeout": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    run_module(module, lambda: run.converge(module.params["servers"], module.params["timeout"], module.check_mode))


if __name__ == "__main__":
    main()
