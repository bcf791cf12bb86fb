# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of the operations, asked of the operations themselves, so that new ones are tried without being named."""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._home import attach, detach
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host, Request
from ansible_collections.azlin.storage.plugins.module_utils._home.users import User


def step_names(action: str) -> list[str]:
    """Names of the steps of an operation, in order."""
    request = Request(state="attached", user=User("u", 1, 1, "/home/u"), home="/home/u", source="s:/a/b")
    return [step.name for step in _named(action)(Host(mounter=None), request, None, "x").steps]


def _named(action):
    pending = [attach.Mount, detach.Detach]
    while pending:
        kind = pending.pop()
        if kind.action == action:
            return kind
        pending += kind.__subclasses__()
    raise ValueError(f"there is no operation {action}")
