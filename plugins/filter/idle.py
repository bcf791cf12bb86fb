# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.idle."""

from __future__ import annotations

DOCUMENTATION = r"""
name: idle
short_description: Which storages nobody needs any more
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Takes storages as M(azlin.storage.azlin_storage_info) returns them and says of each whether it can go, what speaks
    against that, and what is not known.
  - A storage can go when it carries the tag of this collection and no tag that keeps it, when neither Azure nor a host
    knows of a home on it, when its account and share are older than O(days), and when Azure Monitor says for each of
    these days and for today that there was no transaction.
  - What is not known is never taken for a "no".
options:
  _input:
    description:
      - The storages, with C(history_days) of one more than O(days), since the last day is not over.
    type: list
    elements: dict
    required: true
  days:
    description:
      - For how many days nobody may have used it.
    type: int
    default: 30
  keep_tag:
    description:
      - The tag of an account that is kept, whatever its value.
    type: str
    default: azlin-keep
  hosts:
    description:
      - What hosts say of themselves.
    type: list
    elements: dict
    default: []
    suboptions:
      host:
        description: The name of the host.
        type: str
        required: true
      source:
        description: The share that a home on it comes from; null for none.
        type: str
      mounts:
        description: The paths of the shares that it has mounted, for whomever, such as V(/teamhomes01/home).
        type: list
        elements: str
      silent:
        description: Why the host could not be asked; null if it could.
        type: str
"""

EXAMPLES = r"""
- name: Which storages did nobody use for two months?
  ansible.builtin.debug:
    msg: "{{ all.storages | azlin.storage.idle(days=60) | selectattr('candidate') | map(attribute='name') }}"
"""

RETURN = r"""
_value:
  description: A verdict for each storage.
  type: list
  elements: dict
  contains:
    name:
      description: Account and share.
      type: str
      sample: teamhomes01/home
    account:
      description: The storage account.
      type: str
    share:
      description: The file share.
      type: str
    resource_group:
      description: The resource group.
      type: str
    candidate:
      description: Whether it can go, which is when there are neither RV(_value[].reasons) nor RV(_value[].unknown).
      type: bool
    reasons:
      description: What speaks against that.
      type: list
      elements: str
    unknown:
      description: What is not known.
      type: list
      elements: str
"""

from ansible_collections.azlin.storage.plugins.module_utils._common.idle import verdicts
from ansible_collections.azlin.storage.plugins.plugin_utils._filters import as_filter


@as_filter
def idle(storages, days=30, keep_tag="azlin-keep", hosts=()):
    """The filter."""
    return verdicts(storages, days, keep_tag, hosts)


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"idle": idle}
