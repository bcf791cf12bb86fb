# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.nas_mount_options."""

from __future__ import annotations

DOCUMENTATION = r"""
name: nas_mount_options
short_description: The mount options of a server of a NAS test bed
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - The options that mount(8) and a PersistentVolume take, from the one place where this collection makes mount options.
positional: _input
options:
  _input:
    description: A server, as P(azlin.storage.nas_servers#filter) returns it.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the options of every server
  ansible.builtin.debug:
    msg: "{{ item | azlin.storage.nas_mount_options | join(',') }}"
  loop: "{{ servers }}"
"""

RETURN = r"""
_value:
  description: The options.
  type: list
  elements: str
"""

from ansible_collections.azlin.storage.plugins.module_utils._common import mounts


def nas_mount_options(server):
    """The filter."""
    return mounts.nas_options(server["port"], server["access"] == "ro")


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"nas_mount_options": nas_mount_options}
