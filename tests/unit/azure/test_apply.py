# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for what while a plan is carried out."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import apply
from ansible_collections.azlin.storage.plugins.module_utils._azure.steps import Step
from ansible_collections.azlin.storage.plugins.module_utils._azure.waiters import Deadline
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id
from tests.unit.azure import builders as make


def step(key, **waits):
    return Step(
        key, "create", "storage account", parse_resource_id(make.ACCOUNT_ID, "id"), None, {}, {"key": key}, **waits
    )


@pytest.fixture
def written(monkeypatch):
    """Key -> what a step does when it is sent; each answers with its poller, or like a resource that works."""
    actions = {}

    def write(azure, sent):
        return actions[sent.key]() or {"id": str(sent.id)}

    monkeypatch.setitem(apply._WRITES, "storage account", write)
    return actions


class Poller:
    """An operation that ends when an event does."""

    def __init__(self, event):
        self._event = event

    def wait(self, timeout):
        """Until it is over, or too late."""
        self._event.wait(timeout)

    def done(self):
        """Whether it is over."""
        return self._event.is_set()

    def result(self):
        """A resource that works."""
        return {"id": make.ACCOUNT_ID}


def test_a_step_can_start_as_soon_as_another_is_accepted(written):
    second_began = threading.Event()
    written["first"] = lambda: Poller(second_began)
    written["second"] = second_began.set
    apply.apply(None, [step("first"), step("second", needs_begun=("first",))], Deadline(30))
    assert second_began.is_set()


def test_a_step_that_needs_another_waits_for_its_end(written):
    order, over = [], threading.Event()

    class Ending(Poller):
        """An operation that is over after its first wait."""

        def wait(self, timeout):
            """The end comes later than the acceptance: a step that waits for less has the time to show it."""
            time.sleep(0.1)
            order.append("first")
            over.set()

    written["first"] = lambda: Ending(over)
    written["second"] = lambda: order.append("second")
    apply.apply(None, [step("second", needs=("first",)), step("first")], Deadline(30))
    assert order == ["first", "second"]


@pytest.mark.parametrize("wait", ["needs", "needs_begun"])
def test_nothing_starts_after_what_was_refused(written, wait):
    def refuse():
        raise AzlinError("azure_error", "No.")

    written["first"] = refuse
    written["second"] = lambda: pytest.fail("the second step was sent")
    with pytest.raises(AzlinError, match="No."):
        apply.apply(None, [step("first"), step("second", **{wait: ("first",)})], Deadline(30))


def test_a_step_that_is_no_operation_counts_as_accepted_when_it_is_over(written):
    order = []
    written["first"] = lambda: order.append("first")
    written["second"] = lambda: order.append("second")
    apply.apply(None, [step("second", needs_begun=("first",)), step("first")], Deadline(30))
    assert order == ["first", "second"]


def test_steps_that_wait_for_each_other_are_an_error(written):
    with pytest.raises(AzlinError, match="wait for each other"):
        apply.apply(None, [step("a", needs=("b",)), step("b", needs_begun=("a",))], Deadline(30))
