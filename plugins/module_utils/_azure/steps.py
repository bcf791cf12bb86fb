# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a plan, and what a plan looks like to people. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.names import ResourceId

# Kinds of which several parents can have one of a name in the same plan.
_NAMED_IN_PARENT = ("subnet", "security rule")


@dataclass(frozen=True)
class Step:
    """One request that changes something.

    ``before`` and ``after`` are the properties that people see, None for a resource that does not exist;
    ``body`` is what is sent; ``needs`` are keys of steps that, where they are part of the plan, come first, and
    ``needs_begun`` those that Azure only has to have accepted. ``emptied`` is the account that must hold no share then;
    ``may_stay`` leaves a resource that is elsewhere to those who may delete it.
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
    emptied: ResourceId | None = None
    may_stay: bool = False

    @property
    def resource(self):
        """The resource as people name it; some have no name of their own, and some have it only in their parent."""
        if self.id.name == "default":
            return f"{self.kind} of {self.id.parent.name}"
        place = f" of {self.id.parent.name}" if self.kind in _NAMED_IN_PARENT else ""
        return f"{self.kind} {self.id.name}{place}"


def shown(plan):
    """The plan as it stands in results."""
    labels = _labels(plan)
    return [
        {"action": step.action, "resource": labels[step.id], "before": step.before, "after": step.after}
        for step in plan
    ]


def _labels(plan):
    """Id -> what its resource is called: by its id where another one of the plan has the same name."""
    ids = {}
    for step in plan:
        ids.setdefault(step.resource, set()).add(step.id)
    return {step.id: step.resource if len(ids[step.resource]) == 1 else f"{step.kind} {step.id}" for step in plan}


def diff(plan):
    """The plan in the form of Ansible's diff mode."""
    before, after, labels = {}, {}, _labels(plan)
    for step in plan:
        label = labels[step.id]
        # A resource that is replaced has two steps: the first one knows its past, the last one its future.
        before.setdefault(label, step.before)
        # What a restored share has besides comes from the step that changes it.
        known = after.get(label)
        after[label] = {**known, **step.after} if known and step.after else step.after
    return {"before": before, "after": after}
