# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ganesha's configuration from the state of the data plane."""

from __future__ import annotations

import re

from lab.dataplane import Export
from lab.nfs.config import render
from lab.nfs.tunnel import STRANGER, rules, source_of


def export_blocks(text):
    """{pseudo path: block} of a configuration."""
    blocks = re.findall(r"^EXPORT \{.*?^\}", text, re.DOTALL | re.MULTILINE)
    return {re.search(r"Pseudo = (\S+);", block)[1]: block for block in blocks}


def test_a_share_is_open_to_its_clients_only():
    export = Export("acct", "home", "RootSquash", ("10.0.0.0/8", "192.168.0.0/16"), 100)
    block = export_blocks(render([export], {"acct/home": 7}))["/acct/home"]
    assert "Export_Id = 7;" in block
    assert "Access_Type = None;" in block
    assert "Clients = 10.0.0.0/8, 192.168.0.0/16; Access_Type = RW; Squash = Root_Squash;" in block


def test_a_share_can_be_made_read_only_as_a_fault():
    exports = [Export("acct", name, "NoRootSquash", ("10.0.0.0/8",), 100) for name in ("home", "other")]
    blocks = export_blocks(render(exports, {"acct/home": 1, "acct/other": 2}, ["acct/home"]))
    assert "Access_Type = RO;" in blocks["/acct/home"]
    assert "Access_Type = RW;" in blocks["/acct/other"]


def test_without_clients_nobody_is_admitted_anywhere():
    blocks = export_blocks(render([Export("acct", "home", "AllSquash", (), 100)], {"acct/home": 1}))
    assert set(blocks) == {"/", "/acct/home"}
    assert not any("CLIENT" in block for block in blocks.values())


def test_the_root_is_open_to_every_client_of_a_share():
    exports = [Export("a", "x", "AllSquash", ("10.1.0.0/16",), 100), Export("b", "y", "AllSquash", ("10.2.0.0/16",), 1)]
    root = export_blocks(render(exports, {"a/x": 1, "b/y": 2}))["/"]
    assert "Clients = 10.1.0.0/16, 10.2.0.0/16; Access_Type = RO;" in root


def test_behind_tls_only_the_end_of_the_tunnel_is_admitted():
    export = Export("acct", "home", "NoRootSquash", ("10.0.0.0/8",), 100, encrypted=True)
    blocks = export_blocks(render([export], {"acct/home": 1}))
    for block in blocks.values():
        assert f"Clients = {source_of('acct')}; Access_Type" in block and "10.0.0.0/8" not in block


def test_every_account_has_an_end_of_its_own_and_strangers_have_none():
    sources = {source_of(f"account{number}") for number in range(1000)}
    assert len(sources) > 990 and STRANGER not in sources
    assert all(source.startswith("127.") for source in sources)


def test_only_encrypted_addresses_are_redirected():
    assert "ip daddr { 10.0.0.4, 10.0.0.5 } tcp dport 2049" in rules({"10.0.0.5": {}, "10.0.0.4": {}})
    assert "redirect" not in rules({})
