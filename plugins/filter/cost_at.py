# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.cost_at."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cost_at
short_description: What a storage would cost with another size
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Takes a storage as M(azlin.storage.azlin_storage_info) returns it and returns its cost with another size, at the
    same prices. IOPS and throughput stay as they are.
positional: size
options:
  _input:
    description:
      - The storage.
    type: dict
    required: true
  size:
    description:
      - The other size, such as V(500GiB).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: What twice the size would cost
  ansible.builtin.debug:
    msg: "{{ (storage | azlin.storage.cost_at(2 * storage.size_gib)).monthly }} {{ storage.cost.currency }} a month"
"""

RETURN = r"""
_value:
  description: The estimate, as RV(azlin.storage.azlin_storage_info#module:storages[].cost) has it.
  type: dict
"""

from ansible_collections.azlin.storage.plugins.module_utils._azure import cost
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import parse_size_gib
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter


@as_filter
def cost_at(storage, size):
    """The filter."""
    return cost.at_size(storage["cost"], parse_size_gib(size))


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"cost_at": cost_at}
