# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the Resource Manager to a kernel mount on a host of a running lab."""

from __future__ import annotations

import pytest

from tests.lab.live import ACCOUNT

pytestmark = pytest.mark.lab
HOST = "worker-1"
SERVER = f"{ACCOUNT}.file.core.lab.test"
MOUNT = "sudo mkdir -p /mnt/{0} && sudo mount -t nfs -o vers=4,minorversion=1,sec=sys,nconnect=4,retry=0 "
MOUNT += SERVER + ":/" + ACCOUNT + "/{0} /mnt/{0}"


@pytest.fixture
def account(live):
    live.operate("host", "reset", HOST)
    live.create_account()
    yield live
    live.operate("host", "reset", HOST)
    live.delete_account()


def test_only_admitted_hosts_mount_and_only_while_the_share_exists(account):
    account.share("PUT", "home", enabledProtocols="NFS", shareQuota=100, rootSquash="NoRootSquash")
    account.refused(HOST, MOUNT.format("home"))
    account.admit(account.subnet)
    account.on(HOST, MOUNT.format("home"))
    source, kind, options = account.on(HOST, "findmnt -no SOURCE,FSTYPE,OPTIONS /mnt/home").split()
    assert (source, kind) == (f"{SERVER}:/{ACCOUNT}/home", "nfs4")
    assert "vers=4.1" in options.split(",")
    account.share("DELETE", "home")
    assert "Stale" in account.refused(HOST, "ls /mnt/home")
    account.on(HOST, "sudo umount -l /mnt/home")
    account.refused(HOST, MOUNT.format("home"))


def test_size_and_use_are_those_of_the_share(account):
    account.admit(account.subnet)
    account.share("PUT", "home", enabledProtocols="NFS", shareQuota=100)
    account.on(HOST, MOUNT.format("home"))
    account.share("PATCH", "home", shareQuota=300)
    gib = int(account.on(HOST, "df --block-size=1G --output=size /mnt/home").split()[1])
    assert gib == 300
    account.on(HOST, "head -c 8M /dev/urandom > /mnt/home/data && sync /mnt/home/data")
    used = account.share("GET", "home?$expand=stats")["properties"]["shareUsageBytes"]
    assert 8 << 20 <= used < 10 << 20


@pytest.mark.parametrize(
    ("squash", "root_is", "user_is"),
    [("NoRootSquash", "0", "1000"), ("RootSquash", "65534", "1000"), ("AllSquash", "65534", "65534")],
)
def test_squash(account, squash, root_is, user_is):
    account.admit(account.subnet)
    account.share("PUT", "home", enabledProtocols="NFS", shareQuota=100, rootSquash=squash)
    account.on(HOST, MOUNT.format("home"))
    account.on(HOST, "sudo touch /mnt/home/root && touch /mnt/home/user")
    assert account.on(HOST, "stat -c %u /mnt/home/root /mnt/home/user").split() == [root_is, user_is]


def test_a_stopped_server_refuses_and_serves_the_same_data_after_its_start(account):
    account.admit(account.subnet)
    account.share("PUT", "home", enabledProtocols="NFS", shareQuota=100)
    account.on(HOST, MOUNT.format("home") + " && echo here > /mnt/home/file && sync /mnt/home/file")
    account.operate("nfs", "stop")
    try:
        account.refused("worker-2", f"timeout 60 bash -c 'exec 3<>/dev/tcp/{SERVER}/2049'")
    finally:
        account.operate("nfs", "start")
    assert account.on(HOST, "timeout 120 cat /mnt/home/file") == "here\n"
