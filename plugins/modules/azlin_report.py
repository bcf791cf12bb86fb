#!/usr/bin/python
# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation only: the action plugin of this name does the work on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: azlin_report
short_description: Write a page with size, use, cost and health of storages
version_added: 0.1.0
description:
  - Writes one HTML page that needs no other file and no network. What needs attention comes first.
  - "Nothing on it is a guess: what is not known is called unknown."
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
    support: partial
    details:
      - The page tells the time, so that the same page needs the same O(time).
options:
  dest:
    description:
      - The file to write. On a local connection a relative path starts where Ansible was started.
    type: path
    required: true
  storages:
    description:
      - The storages, as RV(azlin.storage.azlin_storage_info#module:storages) has them.
      - The use over time, its growth and what follows from it are unknown for storages without C(history).
    type: list
    elements: dict
    required: true
  hosts:
    description:
      - What hosts told, that is the result of M(azlin.storage.azlin_nfs_home_info) under the name of the host. An empty
        or failed result, or one of an unreachable host, makes the health of its mount unknown.
      - A host is found by the virtual machine that it says it is, and without that by its name.
      - When not set, no host was asked, and the page says so.
    type: dict
  title:
    description: The heading of the page.
    type: str
    default: Shared home storages
  time:
    description:
      - When this was found out, in UTC, as in V(2026-11-26T12:00:00Z).
      - When not set, now.
    type: str
requirements:
  - pygal (Python library, for the Python that runs Ansible)
notes:
  - "Growth: the median of the slopes between all pairs of known days among the last 30 (the Theil-Sen estimate).
    It is unknown when fewer than 7 of them are known."
  - "Full in: the rest of the size divided by the growth; unknown where one of them is, and without growth there is no
    such day."
  - "Projected cost: the present estimate with the size that is needed for at most 80 % to be used in 30 days, never
    less than the present one; unknown where growth, use or a price is."
  - "Attention: V(critical) from 90 % used, when full within 7 days, or when a mount is not in order; V(warning) from
    80 %, when full within 30 days, or when Azure's state of account, endpoint or subnet is not as it should be;
    V(unknown) when the use, the virtual machines or the mount of one of them are unknown."
  - Existing files are overwritten. The page holds names of machines, users and tags.
seealso:
  - module: azlin.storage.azlin_storage_info
  - module: azlin.storage.azlin_nfs_home_info
"""

EXAMPLES = r"""
- name: Ask Azure
  azlin.storage.azlin_storage_info:
    history_days: 30
  register: all

- name: Write the report
  azlin.storage.azlin_report:
    dest: /var/www/html/homes.html
    storages: "{{ all.storages }}"
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
  sample: /var/www/html/homes.html
levels:
  description: How many storages are V(critical), V(warning), V(unknown) and V(fine).
  returned: success
  type: dict
  sample: {critical: 1, warning: 0, unknown: 2, fine: 30}
attention:
  description: The storages that are not V(fine), those that need attention most first.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The storage account.
      type: str
    share:
      description: The file share.
      type: str
    level:
      description: V(critical), V(warning) or V(unknown).
      type: str
    notices:
      description: What it is about, one sentence each.
      type: list
      elements: str
error_code:
  description: What kind of failure it is; a stable word to branch on.
  returned: failure
  type: str
  sample: missing_library
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
