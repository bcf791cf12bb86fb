# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test for collections that are needed by some runs only."""

from __future__ import annotations

DOCUMENTATION = r"""
name: installed_collection
short_description: Whether Ansible finds a collection
version_added: 0.1.0
description:
  - Tells whether a collection is installed where this run of Ansible looks for collections, without loading anything
    of it. A playbook that needs it for some runs only can say so before it begins.
author:
  - azlin.storage project (!UNKNOWN)
positional: _input
options:
  _input:
    description: The name of the collection, as C(NAMESPACE.NAME).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Stop if a collection is missing
  ansible.builtin.assert:
    that: "'azure.azcollection' is azlin.storage.installed_collection"
"""

RETURN = r"""
_value:
  description: Whether it is installed.
  type: bool
"""

from importlib.util import find_spec


def installed_collection(name):
    """Whether the collection can be imported."""
    try:
        return find_spec(f"ansible_collections.{name}") is not None
    except ImportError:
        return False


class TestModule:
    """The test for Ansible."""

    def tests(self):
        """Return it by name."""
        return {"installed_collection": installed_collection}
