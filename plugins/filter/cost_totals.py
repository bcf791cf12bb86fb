# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.cost_totals."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cost_totals
short_description: What some storages cost together
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Adds up the costs of a choice of storages, in all and by resource group, as M(azlin.storage.azlin_storage_info) does
    for all that it returns. One unknown cost makes a sum null; private endpoints of an account count once.
options:
  _input:
    description:
      - The storages, as M(azlin.storage.azlin_storage_info) returns them, in one currency.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: What the storages of one team cost
  ansible.builtin.debug:
    msg: "{{ all.storages | selectattr('tags.team', 'defined') | azlin.storage.cost_totals }}"
"""

RETURN = r"""
_value:
  description: The totals, as RV(azlin.storage.azlin_storage_info#module:cost) has them.
  type: dict
"""

from ansible.errors import AnsibleFilterError

from ansible_collections.azlin.storage.plugins.module_utils._azure import cost
from ansible_collections.azlin.storage.plugins.module_utils._azure.prices import CURRENCY


def cost_totals(storages):
    """The filter."""
    storages = list(storages)
    currencies = {storage["cost"]["currency"] for storage in storages} or {CURRENCY}
    if len(currencies) > 1:
        raise AnsibleFilterError(f"Costs in {' and '.join(sorted(currencies))} cannot be added up.")
    return cost.totals(storages, currencies.pop())


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"cost_totals": cost_totals}
