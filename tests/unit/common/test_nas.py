# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

CLIENTS = ["10.30.1.0/24"]


def complete(*listed, topology="", **options):
    return nas.servers(listed, topology, **{"clients": CLIENTS, **options})


def one(**keys):
    return {"name": "one", "role": "input", "port": 32150, "fsid": 1, **keys}


def test_the_preset_is_three_inputs_a_backup_and_three_outputs():
    servers = complete(topology="production7")
    assert [server["role"] for server in servers] == ["input"] * 3 + ["backup"] + ["output"] * 3
    assert [server["port"] for server in servers] == list(range(32150, 32157))
    assert [server["fsid"] for server in servers] == list(range(1, 8))
    assert [server["name"] for server in servers if server["access"] == "ro"] == ["nas-backup"]
    assert len({server["source"] for server in servers}) == 7
    assert all(server["clients"] == CLIENTS and server["sync_seconds"] == 30 for server in servers)


def test_a_listed_server_changes_the_one_of_the_preset_and_another_name_adds_one():
    servers = complete(
        {"name": "nas-backup", "enabled": False, "size_mib": 64}, one(port=32160, fsid=8), topology="production7"
    )
    assert len(servers) == 8
    assert (servers[3]["enabled"], servers[3]["size_mib"], servers[3]["port"]) == (False, 64, 32153)
    assert servers[7]["name"] == "one"


def test_the_list_of_the_user_and_the_preset_are_left_alone():
    listed = [{"name": "nas-backup", "port": 32200}]
    nas.servers(listed, "production7", CLIENTS)
    assert listed == [{"name": "nas-backup", "port": 32200}]
    assert complete(topology="production7")[3]["port"] == 32153


def test_servers_are_spread_as_they_say_and_are_found_at_the_address_of_their_host():
    hosts = [("a", "10.0.0.1"), ("b", "10.0.0.2")]
    first, second = complete(one(), one(name="two", port=32151, fsid=2, host="b"), hosts=hosts)
    assert (first["host"], first["address"]) == ("a", "10.0.0.1")
    assert (second["host"], second["address"]) == ("b", "10.0.0.2")


def test_a_host_without_an_address_is_found_by_its_name():
    assert complete(one(), hosts=[("nas.example.net", "")])[0]["address"] == "nas.example.net"


def test_two_hosts_may_use_the_same_path():
    hosts = [("a", "a.example.net"), ("b", "b.example.net")]
    two = one(name="two", port=32151, fsid=2, host="b", source="/srv/files")
    assert len(complete(one(source="/srv/files"), two, hosts=hosts)) == 2
    beside = one(name="two", port=32151, fsid=2, source="/srv/files2")
    assert len(complete(one(source="/srv/files"), beside)) == 2


@pytest.mark.parametrize(
    "second, said",
    [
        ({"port": 32150}, "one has it already"),
        ({"fsid": 1}, "one has it already"),
        ({"name": "one"}, "two servers have this name"),
        ({"source": "/srv/files"}, "the directory of (one|two)"),
        ({"source": "/srv/files/below"}, "lies in, the directory of one"),
        ({"source": "/srv"}, "more than test files"),
    ],
)
def test_what_two_servers_may_not_share_is_refused(second, said):
    with pytest.raises(AzlinError, match=said) as caught:
        complete(one(source="/srv/files"), {**one(name="two", port=32151, fsid=2), **second})
    assert caught.value.error_code == "invalid_argument"


def test_a_directory_around_that_of_another_server_is_refused_in_either_order():
    with pytest.raises(AzlinError, match="directory of two"):
        complete(one(source="/srv/files/below"), one(name="two", port=32151, fsid=2, source="/srv/files"))


@pytest.mark.parametrize(
    "keys",
    [
        {"port": 1023},
        {"port": 65536},
        {"port": True},
        {"port": "32150\n"},
        {"port": None},
        {"fsid": 0},
        {"fsid": 65536},
        {"role": "archive"},
        {"role": None},
        {"access": "wo"},
        {"squash": "none"},
        {"enabled": "yes"},
        {"sync_seconds": 60},
        {"sync_seconds": 0},
        {"size_mib": 1},
        {"size_mib": "500M"},
        {"memory_mib": 1},
        {"cpu_percent": 0},
        {"clients": ["0.0.0.0/0 }"]},
        {"clients": ["10.30.1.1/24"]},
        {"clients": "10.30.1.0/24"},
        {"source": "srv/files"},
        {"source": "/srv/../etc"},
        {"source": "/etc/ssh"},
        {"source": "/srv/a b"},
        {"source": "/srv/nas_lab/exports/one"},
        {"source": "/srv/nas_lab"},
        {"source": "/tmp/in"},
        {"source": "/var/tmp"},
        {"source": "/var/tmp/in"},
        {"address": "10.30.1.300"},
        {"address": "bad_name"},
        {"address": "a\nb"},
        {"delete": True},
        {"name": "One"},
        {"name": "one.two"},
        {"name": "-one"},
        {"name": "one-"},
        {"name": "o" * 41},
        {"name": "one\n"},
        {"host": "elsewhere"},
        {"host": 'here"; }'},
    ],
    ids=repr,
)
def test_a_value_that_cannot_work_is_refused_by_name(keys):
    (key, value) = next(iter(keys.items()))
    with pytest.raises(AzlinError) as caught:
        complete(one(**keys), hosts=[("here", "10.0.0.1")])
    assert caught.value.error_code == "invalid_argument"
    assert key in caught.value.msg
    assert caught.value.causes[0][1]


@pytest.mark.parametrize("keys", [{"port": "32150"}, {"address": "fd00::1"}, {"source": "/home/tester/in"}], ids=repr)
def test_a_value_that_can_work_is_taken(keys):
    assert complete(one(**keys))[0]["port"] == 32150


def test_nobody_may_mount_unless_somebody_is_named():
    with pytest.raises(AzlinError, match="nobody may mount"):
        complete(one(), clients=())
    assert complete(one(clients=["10.0.0.7"]), clients=())[0]["clients"] == ["10.0.0.7/32"]
    assert complete(one(), clients=None)[0]["clients"] == []


@pytest.mark.parametrize("listed, topology", [([], ""), ([], "production8"), (["nas-input-1"], "")])
def test_a_list_that_is_none_is_refused(listed, topology):
    with pytest.raises(AzlinError):
        nas.servers(listed, topology, CLIENTS)
