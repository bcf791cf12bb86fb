# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules for homes return is what their documentation says."""

from __future__ import annotations

import subprocess

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._home import info, users
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request
from tests.unit.repo import facts
from tests.unit.repo.shapes import EMPTY, differences

from .world import USER, write


def documented(module):
    """What is returned by every run that succeeds."""
    entries = facts.module_documentation(module, "RETURN")
    return {key: entry for key, entry in entries.items() if entry["returned"] == "success"}


def strange(module, result):
    # Ansible itself says what these are.
    own = {key: value for key, value in result.items() if key not in ("changed", "diff", "warnings")}
    return [text for text in differences(documented(module), own) if not text.endswith(EMPTY)]


def test_homes_are_documented_once():
    home, information = documented("azlin_nfs_home")["home"], documented("azlin_nfs_home_info")["home"]
    assert home["contains"].keys() == information["contains"].keys()


@pytest.mark.parametrize("check_mode", [True, False])
def test_results_are_what_is_documented(world, check_mode):
    for state in ("attached", "attached", "detached"):
        assert strange("azlin_nfs_home", world.apply(state, check_mode=check_mode)) == []


def test_who_still_uses_a_home_and_what_a_merge_met_are_what_is_documented(world):
    write(world.share, "theirs", "theirs")
    with subprocess.Popen(["sleep", "600"], cwd=world.home) as process:
        result = world.apply(seed="merge", busy="ignore")
        process.kill()
    assert result["holders"] and result["merged"]
    assert strange("azlin_nfs_home", result) == []


def test_what_is_known_of_a_home_is_what_is_documented(world, monkeypatch):
    request = Request(state="attached", user=users.lookup(USER), home=world.home)
    vm = dict.fromkeys(documented("azlin_nfs_home_info")["instance"]["contains"], "x")
    monkeypatch.setattr(info.instance, "describe", lambda _url: vm)
    assert strange("azlin_nfs_home_info", info.collect(world.host, request)) == []
    world.apply()
    attached = info.collect(world.host, request)
    assert attached["hosts"] and attached["share"]
    assert strange("azlin_nfs_home_info", attached) == []


def test_every_state_of_a_transaction_is_documented():
    """As journal.Journal names them."""
    text = documented("azlin_nfs_home_info")["transaction"]["contains"]["state"]["description"]
    assert all(f"V({state})" in text for state in ("running", "unconfirmed", "undoing", "finishing"))
