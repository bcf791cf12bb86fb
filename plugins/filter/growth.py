# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.growth."""

from __future__ import annotations

DOCUMENTATION = r"""
name: growth
short_description: Whether a storage is full enough to grow, and to what size
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Takes a storage as M(azlin.storage.azlin_storage_info) returns it and decides whether it is to grow by a step. It
    never gets smaller, and never grows beyond the cap. A storage whose use is unknown does not grow.
options:
  _input:
    description:
      - The storage.
    type: dict
    required: true
  at:
    description:
      - The percentage of use from which on it grows, 1 to 99.
    type: int
    default: 80
  step:
    description:
      - By how much it grows, such as V(100GiB).
    type: str
    default: 100GiB
  cap:
    description:
      - The size beyond which it does not grow.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Decide
  ansible.builtin.set_fact:
    growth: "{{ storage | azlin.storage.growth(at=85, step='256GiB', cap='4TiB') }}"
"""

RETURN = r"""
_value:
  description: The decision.
  type: dict
  contains:
    grow:
      description: Whether it is to grow.
      type: bool
    size_gib:
      description: The size that it then has; without growth the present one.
      type: int
    reason:
      description: Why.
      type: str
"""

from ansible_collections.azlin.storage.plugins.module_utils._common import capacity
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter


@as_filter
def growth(storage, cap, at=80, step="100GiB"):
    """The filter."""
    return capacity.growth(storage["size_gib"], storage["used_bytes"], at, step, cap)


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"growth": growth}
