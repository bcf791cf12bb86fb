# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.cost."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cost
short_description: Estimate what a storage costs, without asking anybody
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Takes the provisioned size of an Azure Files NFS share and returns what it costs by the built-in table of list
    prices in USD. The table knows provisioned v1 in some regions only; what it does not know is null.
  - For prices of today, and in other currencies, see M(azlin.storage.azlin_storage_info).
options:
  _input:
    description:
      - The size, such as V(500GiB) or V(1TB) (1024 GiB).
    type: str
    required: true
  location:
    description:
      - The Azure region.
    type: str
    required: true
  redundancy:
    description:
      - How many copies are kept where.
    type: str
    choices: [LRS, ZRS]
    default: LRS
  private_endpoints:
    description:
      - How many private endpoints lead to the account.
    type: int
    default: 0
  days:
    description:
      - The number of days for RV(_value.for_days).
    type: int
    default: 30
seealso:
  - plugin: azlin.storage.cost_at
    plugin_type: filter
  - plugin: azlin.storage.cost_totals
    plugin_type: filter
"""

EXAMPLES = r"""
- name: What half a TiB costs in a week
  ansible.builtin.debug:
    msg: "{{ ('512GiB' | azlin.storage.cost(location='westus2', redundancy='ZRS', days=7)).for_days }} USD"
"""

RETURN = r"""
_value:
  description: The estimate, as RV(azlin.storage.azlin_storage_info#module:storages[].cost) has it.
  type: dict
  contains:
    monthly:
      description: The cost of a month of 730 hours, or null.
      type: float
    for_days:
      description: The cost of O(days) days, or null.
      type: float
    currency:
      description: The currency.
      type: str
    source:
      description: Where the prices come from.
      type: str
    parts:
      description: What the sum is made of.
      type: list
      elements: dict
"""

from ansible_collections.azlin.storage.plugins.module_utils._azure import cost, prices
from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import V1
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import parse_size_gib
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter


def _number(option, value):
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(option, value, "it is not a whole number from 0 on", "Use for example 1.")
    return value


@as_filter
def estimate(size, location, redundancy="LRS", private_endpoints=0, days=30):
    """The filter."""
    if redundancy not in ("LRS", "ZRS"):
        raise invalid("redundancy", redundancy, "NFS shares have LRS or ZRS", "Use LRS or ZRS.")
    billed = cost.Billed(
        billing_model=V1,
        redundancy=redundancy,
        location=names.location(location),
        size_gib=parse_size_gib(size),
        private_endpoints=_number("private_endpoints", private_endpoints),
    )
    estimated = cost.estimate(billed, prices.built_in())
    return {**estimated, "for_days": cost.for_days(estimated["monthly"], _number("days", days))}


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"cost": estimate}
