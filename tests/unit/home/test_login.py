# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as a new login, and which transaction it confirms."""

from __future__ import annotations

import types

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import confirmation


@pytest.fixture(autouse=True)
def session(tmp_path, monkeypatch):
    """Sets the audit session of this process; without a text the kernel tells none."""
    path = tmp_path / "sessionid"
    monkeypatch.setattr(confirmation, "SESSION", str(path))
    path.write_text("8\n")
    return lambda text: path.unlink() if text is None else path.write_text(f"{text}\n")


def waiting(identifier="a", state="unconfirmed", session="7"):
    return {"id": identifier, "state": state, "confirm": {**confirmation.expected(60), "session": session}}


def ended(identifier="a", outcome="committed", reason=""):
    return {"id": identifier, "outcome": outcome, "reason": reason}


def require(transaction=None, last=None):
    return confirmation.require(types.SimpleNamespace(transaction=transaction, last=last), "a")


def test_what_waits_for_a_new_login_is_confirmed_once():
    assert require(waiting()) is False
    assert require(waiting(), last=ended("b")) is False
    assert require(last=ended()) is True


@pytest.mark.parametrize(
    ("transaction", "last", "word"),
    [
        (None, None, "as a"),
        (waiting("b"), None, "as a"),
        # This one counts already, but its home is on the way to somewhere else.
        (waiting("b"), ended(), "as a"),
        (None, ended("b"), "as a"),
        (None, ended(outcome="undone", reason="Nobody came back."), "Nobody came back."),
        (None, ended("b", outcome="undone", reason="Another one."), "as a"),
        (waiting(state="undoing"), None, "put back"),
        (waiting(state="running"), None, "as a"),
        (waiting(session="8"), None, "proves nothing"),
    ],
)
def test_nothing_else_is_confirmed(transaction, last, word):
    with pytest.raises(AzlinError) as caught:
        require(transaction, last)
    assert caught.value.error_code == "not_confirmed" and word in caught.value.msg
    assert "Another one." not in caught.value.msg


@pytest.mark.parametrize("unknown", [None, str(2**32 - 1)])
def test_where_there_are_no_sessions_the_word_of_the_caller_has_to_do(session, unknown):
    """Some containers have none, and what no login has started has one that is not set."""
    session(unknown)
    assert require(waiting(session=None)) is False


def test_a_reboot_ends_the_wait(tmp_path, monkeypatch):
    confirm = confirmation.expected(60)
    assert 0 < confirmation.seconds_left(confirm) <= 60
    assert confirmation.seconds_left({**confirm, "deadline": confirm["deadline"] - 61}) == 0
    monkeypatch.setattr(confirmation, "BOOT", str(tmp_path / "boot"))
    (tmp_path / "boot").write_text("another\n")
    assert confirmation.seconds_left(confirm) == 0
