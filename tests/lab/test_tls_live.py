# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Encryption in transit on a running lab: who is admitted, and what can be read on the wire."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.hosts import ssh
from lab.hosts.addresses import address_of
from lab.nfs import mount_aznfs
from tests.lab.live import ACCOUNT

pytestmark = [pytest.mark.lab, pytest.mark.long]
HOST = "worker-1"
SERVER = f"{ACCOUNT}.file.core.lab.test"
MARKER = "a-text-that-nobody-else-may-read-5e1f"
WRITE = f"echo {MARKER} > /mnt/home/file && sync /mnt/home/file"


def mount(kind):
    return (
        f"sudo mkdir -p /mnt/home && sudo mount -t {kind} -o vers=4,minorversion=1,sec=sys,nconnect=4"
        f" {SERVER}:/{ACCOUNT}/home /mnt/home"
    )


def install(live):
    """Put the stand-in for Microsoft's helper, and whom it trusts, on the host."""
    for content, target in (
        (b"#!/usr/bin/python3\n" + Path(mount_aznfs.__file__).read_bytes(), "/sbin/mount.aznfs"),
        ((live.paths.state / "ca.pem").read_bytes(), mount_aznfs.CA_FILE),
    ):
        argv = ssh.ssh_argv(live.paths, address_of(HOST), ["sudo", "install", "-m", "755", "/dev/stdin", target])
        subprocess.run(argv, input=content, check=True)


@pytest.fixture
def account(live):
    live.operate("host", "reset", HOST)
    live.create_account()
    live.admit(live.subnet)
    live.share("PUT", "home", enabledProtocols="NFS", shareQuota=100, rootSquash="NoRootSquash")
    yield live
    live.operate("host", "reset", HOST)
    live.delete_account()


def captured(live, command):
    done = live.lab("capture", MARKER, HOST, "--", command)
    assert done.returncode == 0, done.stdout + done.stderr
    seen = json.loads(done.stdout)
    assert seen["nfs_packets"] > 0
    return seen["marker"]


def test_clear_text_can_be_read_on_the_wire(account):
    account.on(HOST, mount("nfs"))
    assert captured(account, WRITE) is True


def test_an_account_that_requires_encryption_takes_tls_and_nothing_else(account):
    account.require_encryption()
    assert "access denied by server" in account.refused(HOST, mount("nfs"))
    install(account)
    account.on(HOST, mount("aznfs"))
    source, kind = account.on(HOST, "findmnt -no SOURCE,FSTYPE /mnt/home").split()
    assert (source, kind) == (f"127.0.0.1:/{ACCOUNT}/home", "nfs4")
    assert captured(account, WRITE) is False
    assert account.on(HOST, "cat /mnt/home/file") == MARKER + "\n"


def test_tls_admits_no_more_networks_than_clear_text(account):
    account.require_encryption()
    account.admit()
    install(account)
    assert "access denied by server" in account.refused(HOST, mount("aznfs"))
