# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The policies for programs that use a home, with made-up programs."""

from __future__ import annotations

import signal

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import busy


def process(pid):
    return {"pid": pid, "user": "me", "command": f"program{pid}", "uses": ["cwd /home/me"]}


ONE, OTHER, INIT = process(41), process(42), process(1)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(busy, "_SECOND_LOOK", 0)
    monkeypatch.setattr(busy, "_POLL", 0)


@pytest.fixture
def sent(monkeypatch):
    """The signals that were sent, as pairs of process and signal."""
    signals = []
    monkeypatch.setattr(busy.os, "kill", lambda *one: signals.append(one))
    return signals


def settle(policy, *answers, **options):
    """Apply a policy where one look after the other finds this; the last answer stays."""
    left = list(answers)
    return busy.settle(lambda: left.pop(0) if len(left) > 1 else left[0], "/home/me", policy, 60, **options)


def error_of(*arguments, **options):
    with pytest.raises(AzlinError) as caught:
        settle(*arguments, **options)
    assert caught.value.error_code == "home_busy"
    return caught.value


@pytest.mark.parametrize("answers", [([],), ([ONE], []), ([ONE], [OTHER], [OTHER])])
def test_who_passes_by_does_not_count(answers):
    assert settle("fail", *answers) == []


def test_who_stays_is_named_alone():
    error = error_of("fail", [ONE], [ONE, OTHER])
    assert error.details["holders"] == [ONE] and "program42" not in error.msg


@pytest.mark.parametrize("answers", [(None,), ([ONE], None), ([ONE], [ONE], None)])
@pytest.mark.parametrize("policy", ["wait", "ignore"])
def test_not_to_know_is_not_nobody(policy, answers):
    if policy == "wait":
        assert error_of(policy, *answers).details["holders"] is None
    # A server that is gone may be why, and then hinders nothing.
    found = settle(policy, *answers, dead_server=lambda: True)
    assert found is None or (policy == "ignore" and found == [ONE])


def test_waiting_ends_when_they_are_gone_and_when_the_run_is_told_to_stop():
    assert settle("wait", [ONE], [ONE], [ONE, OTHER], [OTHER], []) == []
    asked = iter([False, False, True])
    assert error_of("wait", [ONE], cancelled=lambda: next(asked)).details["holders"] == [ONE]
    assert list(asked) == []


def test_they_are_asked_to_end_and_the_first_process_never_is(sent):
    assert settle("terminate", [ONE, INIT], [ONE, INIT], [INIT], []) == []
    assert sent == [(41, signal.SIGTERM)]


def test_who_does_not_end_within_the_grace_time_is_ended(sent, monkeypatch):
    now = iter([0, 0, 0, 5, 5, busy._GRACE, busy._GRACE])
    monkeypatch.setattr(busy.time, "monotonic", lambda: next(now))
    assert settle("terminate", [ONE], [ONE], [ONE], [ONE], []) == []
    assert sent == [(41, signal.SIGTERM), (41, signal.SIGTERM), (41, signal.SIGKILL)]
