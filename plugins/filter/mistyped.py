# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter azlin.storage.mistyped."""

from __future__ import annotations

DOCUMENTATION = r"""
name: mistyped
short_description: The names that nearly are variables of the playbooks
version_added: 0.1.0
author:
  - azlin.storage project (!UNKNOWN)
description:
  - Ansible passes over a variable that nobody reads, so that a mistyped one is as if it was not given.
  - Names that resemble no variable of the playbooks may be yours and are left alone.
positional: _input
options:
  _input:
    description: Names of variables.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Stop if the name of a variable is mistyped
  ansible.builtin.assert:
    that: query('ansible.builtin.varnames', '^azlin_') | azlin.storage.mistyped | length == 0
"""

RETURN = r"""
_value:
  description: A sentence for every such name, which says what is probably meant.
  type: list
  elements: str
"""

from ansible_collections.azlin.storage.plugins.plugin_utils import _variables


def mistyped(names):
    """The filter."""
    return _variables.mistyped(names)


class FilterModule:
    """What Ansible loads."""

    def filters(self):
        """The filter by its name."""
        return {"mistyped": mistyped}
