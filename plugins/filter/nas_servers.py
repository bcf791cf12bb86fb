# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.nas_servers."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nas_servers
short_description: Complete and check the servers of a NAS test bed
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Adds the servers of a topology and every default, and refuses servers that cannot work together.
  - Names, ports, fsids and, on one host, directories have to be unique. Nothing is started or looked at.
positional: _input
options:
  _input:
    description:
      - Servers as dicts of the keys in the guide.
      - C(name) is needed and, where the topology has no server of that name, C(role), C(port) and C(fsid).
    type: list
    elements: dict
    required: true
  topology:
    description:
      - Where to start from. V(production7) has 3 input servers, a backup server that is read-only and 3 output
        servers.
    type: str
    default: ""
    choices: ["", production7]
  clients:
    description:
      - Addresses and networks that may mount, for servers that name none. Leave it out where that does not matter.
    type: list
    elements: str
  hosts:
    description:
      - The hosts in order, each with the address under which clients find it; an empty one means its name.
      - A server that names no host runs on the first.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Show the ports of the seven servers
  ansible.builtin.debug:
    msg: "{{ [] | azlin.storage.nas_servers(topology='production7') | map(attribute='port') | list }}"
"""

RETURN = r"""
_value:
  description: The servers, each with every key.
  type: list
  elements: dict
"""

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter, as_list


@as_filter
def nas_servers(listed, topology="", clients=None, hosts=None):
    """The filter."""
    admitted = None if clients is None else as_list("clients", clients)
    return nas.servers(listed, topology, admitted, list((hosts or {}).items()))


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"nas_servers": nas_servers}
