# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a plan, and what a plan looks like to people. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.names import ResourceId


@dataclass(frozen=True)
class Step:
    """One request that changes something.

    ``before`` and ``after`` are the properties that people see, None for a resource that does not exist;
    ``body`` is what is sent; ``needs`` are keys of steps that, where they are part of the plan, come first, and
    ``needs_begun`` those that Azure only has to have accepted.
    """

    key: str
    action: str
    kind: str
    id: ResourceId
    before: dict | None
    after: dict | None
    body: dict | None = None
    needs: tuple = ()
    needs_begun: tuple = ()

    @property
    def resource(self):
        """The resource as people name it; some have no name of their own."""
        if self.id.name == "default":
            return f"{self.kind} of {self.id.parent.name}"
        return f"{self.kind} {self.id.name}"


def shown(plan):
    """The plan as it stands in results."""
    return [
        {"action": step.action, "resource": step.resource, "before": step.before, "after": step.after} for step in plan
    ]


def diff(plan):
    """The plan in the form of Ansible's diff mode."""
    before, after = {}, {}
    for step in plan:
        # A resource that is replaced has two steps: the first one knows its past, the last one its future.
        before.setdefault(step.resource, step.before)
        # What a restored share has besides comes from the step that changes it.
        known = after.get(step.resource)
        after[step.resource] = {**known, **step.after} if known and step.after else step.after
    return {"before": before, "after": after}
