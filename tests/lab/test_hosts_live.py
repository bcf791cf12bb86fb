# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a running lab."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.lab
METADATA = (
    "import urllib.request as u; print(u.urlopen(u.Request("
    "'http://169.254.169.254/metadata/instance?api-version=2021-02-01', headers={'Metadata': 'true'})).read().decode())"
)


def test_every_host_is_somebody_else(live):
    ask = "hostname; cat /etc/machine-id; cat /sys/class/net/eth0/address; head -c 16 /dev/urandom | base64"
    first, second = (live.on(host, ask).split() for host in ("worker-1", "worker-2"))
    assert first[0] == "worker-1"
    assert second[0] == "worker-2"
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_metadata_names_the_virtual_machine_in_azure(live):
    told = json.loads(live.on("worker-2", f'python3 -c "{METADATA}"'))["compute"]
    machine = live.azure.request("GET", told["resourceId"], None, "2024-07-01")
    assert machine["name"] == told["name"] == "worker-2"
    assert machine["properties"]["vmId"] == told["vmId"]


def test_home_holds_what_a_copy_can_lose(live):
    live.operate("host", "reset", "worker-1")
    found = live.on("worker-1", "find . -printf '%y %n %s %b %TY %P\\0'").split("\0")
    kinds = [entry.split(" ", 5) for entry in found if entry]
    assert sum(kind[0] == "l" for kind in kinds) == 5
    assert [kind for kind in kinds if kind[0] == "f" and kind[1] == "3"]
    assert [kind for kind in kinds if int(kind[2]) > 1 << 25 and int(kind[3]) * 512 < 1 << 20]
    assert [kind for kind in kinds if "\n" in kind[5]]
    assert [kind for kind in kinds if kind[4] == "2015"]
    assert len(kinds) > 300


def test_a_power_cut_loses_what_was_not_synced_and_nothing_else(live):
    live.operate("host", "reset", "worker-1")
    live.on("worker-1", "echo kept > kept && sync kept && sync . && echo lost > lost")
    live.operate("host", "kill", "worker-1")
    live.operate("host", "start", "worker-1")
    assert live.on("worker-1", "cat kept; cat lost 2>/dev/null; hostname").split() == ["kept", "worker-1"]
    live.operate("host", "reset", "worker-1")
    assert live.on("worker-1", "ls kept 2>/dev/null; true") == ""


def test_a_host_that_is_cut_off_is_unreachable_until_restored(live):
    reach = "timeout 5 bash -c 'exec 3<>/dev/tcp/10.30.1.12/22'"
    live.operate("host", "cut", "worker-2")
    try:
        live.refused("worker-1", reach)
    finally:
        live.operate("host", "restore", "worker-2")
    live.on("worker-1", "timeout 60 bash -c 'exec 3<>/dev/tcp/10.30.1.12/22'")
