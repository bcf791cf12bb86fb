# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._nas import layout
from ansible_collections.azlin.storage.plugins.module_utils._nas.machine import refusals
from ansible_collections.azlin.storage.plugins.module_utils._nas.plan import MIB, Seen, plan

HOSTS = [("here", "10.30.1.11")]
SERVERS = nas.servers([], "production7", ["10.30.1.0/24"], HOSTS)
ROOM = 100 * 1024 * MIB


def done(seen, steps):
    """What a host looks like after these steps."""
    seen = dataclasses.replace(
        seen,
        files=dict(seen.files),
        images=dict(seen.images),
        directories=set(seen.directories),
        running=set(seen.running),
        enabled=set(seen.enabled),
    )
    for step in steps:
        if step.action == "write":
            seen.files[step.target] = step.after
        elif step.action == "remove":
            assert step.target.rpartition("/")[2] not in seen.running, "a unit is removed while it runs"
            del seen.files[step.target]
        elif step.action == "image":
            seen.images[step.target] = step.size
        elif step.action == "directory":
            seen.directories.add(step.target)
        elif step.action == "start":
            assert f"{layout.UNITS}/{step.target}" in seen.files
            seen.running.add(step.target)
            seen.enabled.add(step.target)
        elif step.action == "stop":
            seen.running.discard(step.target)
            seen.enabled.discard(step.target)
    return seen


def fresh():
    return Seen(free_bytes=ROOM)


def running():
    seen = done(fresh(), plan(fresh(), SERVERS))
    seen.running |= {layout.mount_unit(server) for server in SERVERS}
    seen.listening = {server["port"] for server in SERVERS}
    return seen


def changed(**keys):
    return nas.servers([{"name": "nas-output-1", **keys}], "production7", ["10.30.1.0/24"], HOSTS)


def test_a_second_run_plans_nothing():
    assert plan(running(), SERVERS) == []


def test_a_fresh_host_gets_directory_file_system_and_files_before_anything_starts():
    steps = plan(fresh(), SERVERS)
    kinds = [step.action for step in steps]
    assert kinds.count("image") == kinds.count("directory") == 7
    assert kinds.index("start") == kinds.index("reload") + 1
    assert set(kinds[: kinds.index("reload")]) == {"image", "directory", "write"}
    timers = [step.target for step in steps if step.target.endswith(".timer") and step.action == "start"]
    assert timers == [
        *(f"nas_lab-nas-input-{number}-seed.timer" for number in (1, 2, 3)),
        *(f"nas_lab-nas-output-{number}-collect.timer" for number in (1, 2, 3)),
    ]


def test_a_change_restarts_its_server_alone_and_stops_the_file_system_last():
    steps = plan(running(), changed(memory_mib=128))
    assert [(step.action, step.target) for step in steps] == [
        ("stop", "nas_lab-nas-output-1-collect.timer"),
        ("stop", "nas_lab-nas-output-1.service"),
        ("stop", "srv-nas_lab-exports-nas\\x2doutput\\x2d1.mount"),
        ("write", f"{layout.UNITS}/nas_lab-nas-output-1.service"),
        ("write", f"{layout.UNITS}/nas_lab-nas-output-1-seed.service"),
        ("write", f"{layout.UNITS}/nas_lab-nas-output-1-collect.service"),
        ("reload", "systemd"),
        ("start", "nas_lab-nas-output-1.service"),
        ("start", "nas_lab-nas-output-1-collect.timer"),
    ]


@pytest.mark.parametrize("wanted", [changed(enabled=False), [s for s in SERVERS if s["name"] != "nas-output-1"], []])
def test_a_server_that_is_not_wanted_any_more_is_stopped_and_no_file_of_anybody_is_touched(wanted):
    before = running()
    steps = plan(before, wanted)
    after = done(before, steps)
    assert steps and not [path for path in after.files if "nas-output-1" in path]
    assert not [unit for unit in after.running if "output\\x2d1" in unit or "nas-output-1" in unit]
    assert after.images == before.images and after.directories == before.directories
    touched = [step.target for step in steps if step.action not in ("stop", "reload")]
    assert all(path.startswith((layout.UNITS, layout.CONFIGURATION)) for path in touched)


def test_a_server_that_died_is_started_again():
    seen = running()
    seen.running.remove("nas_lab-nas-backup.service")
    seen.listening.remove(32153)
    assert [(step.action, step.target) for step in plan(seen, SERVERS)] == [("start", "nas_lab-nas-backup.service")]


def test_a_port_of_somebody_else_is_refused_before_anything_is_done():
    seen = fresh()
    seen.listening = {22, 32153}
    with pytest.raises(AzlinError, match="32153.*something else listens"):
        plan(seen, SERVERS)


def test_a_server_that_runs_is_not_moved_to_a_port_of_somebody_else():
    """It would be stopped and not come back, and what answers on that port would pass for it."""
    seen = running()
    seen.listening.add(9999)
    with pytest.raises(AzlinError, match="9999.*something else listens"):
        plan(seen, changed(port=9999))
    assert plan(seen, changed(port=9998))


def test_a_server_under_a_new_name_takes_the_port_of_the_one_that_is_stopped_first():
    last = {"name": "nas-output-4", "role": "output", "port": 32156, "fsid": 7}
    renamed = [*SERVERS[:-1], *nas.servers([last], "", ["10.30.1.0/24"], HOSTS)]
    steps = [(step.action, step.target) for step in plan(running(), renamed)]
    stopped = steps.index(("stop", "nas_lab-nas-output-3.service"))
    assert stopped < steps.index(("start", "nas_lab-nas-output-4.service"))


def test_a_port_of_a_server_that_runs_no_more_is_whoever_listens_on_it():
    seen = running()
    seen.running.remove("nas_lab-nas-backup.service")
    with pytest.raises(AzlinError, match="32153.*something else listens"):
        plan(seen, SERVERS)


def test_a_file_system_is_never_made_anew_for_another_size():
    with pytest.raises(AzlinError, match="500 MiB, and its size is not changed"):
        plan(running(), changed(size_mib=600))


def test_what_does_not_fit_on_the_disk_is_refused():
    with pytest.raises(AzlinError) as caught:
        plan(Seen(free_bytes=7 * 500 * MIB - 1), SERVERS)
    assert caught.value.error_code == "no_space"
    assert plan(Seen(free_bytes=7 * 500 * MIB), SERVERS)


def units(server):
    return {path.rpartition("/")[2]: text for path, text in layout.files(server).items() if path.endswith(".service")}


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server["name"])
def test_copies_go_one_way_and_never_delete(server):
    copies = {name: text for name, text in units(server).items() if "rsync" in text}
    expected = {"input": 1, "backup": 1, "output": 2}[server["role"]]
    assert len(copies) == expected
    for name, text in copies.items():
        line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
        assert "delete" not in line and "--update" in line.split() and "SuccessExitStatus=24" in text
        source, target = line.split(" -- ")[1].split()
        ends = [f"{server['source']}/", f"{layout.data(server)}/"]
        assert [source, target] == (ends[::-1] if "collect" in name else ends)
        # It can write where it copies to, and nowhere else.
        writable = next(line for line in text.splitlines() if line.startswith("ReadWritePaths=")).partition("=")[2]
        assert nas.within(target.rstrip("/"), writable) and not nas.within(source.rstrip("/"), writable)


def test_only_inputs_and_outputs_are_copied_again_and_again():
    timers = {server["name"]: [path for path in layout.files(server) if path.endswith(".timer")] for server in SERVERS}
    assert [len(found) for found in timers.values()] == [1, 1, 1, 0, 1, 1, 1]
    text = layout.files(SERVERS[0])[timers["nas-input-1"][0]]
    assert "OnUnitInactiveSec=30\n" in text and "OnActiveSec=30\n" in text


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server["name"])
def test_a_server_can_change_users_and_has_the_rights_of_no_administrator(server):
    text = units(server)[layout.unit(server, ".service")]
    granted = set(next(line for line in text.splitlines() if line.startswith("CapabilityBoundingSet=")).split())
    assert {"CAP_SETUID", "CAP_DAC_READ_SEARCH"} <= granted
    assert not {"CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", "CAP_NET_ADMIN", "CAP_NET_BIND_SERVICE"} & granted
    assert {"ProtectSystem=strict", "NoNewPrivileges=yes", "MemoryMax=256M", "CPUQuota=100%"} <= set(text.splitlines())


def test_no_two_servers_look_like_one_to_a_client():
    owners = {
        line for server in SERVERS for line in layout.configuration(server).splitlines() if "Server_Owner" in line
    }
    assert len(owners) == 7


def test_the_server_itself_refuses_writes_to_the_backup():
    access = {
        server["name"]: layout.configuration(server).rpartition("CLIENT")[2].partition("Access_Type = ")[2][:2]
        for server in SERVERS
    }
    assert [name for name, word in access.items() if word == "RO"] == ["nas-backup"]


def test_a_mount_unit_is_named_as_systemd_wants_it():
    # systemd-escape --path --suffix=mount /srv/nas_lab/exports/nas-input-1
    assert layout.mount_unit(SERVERS[0]) == "srv-nas_lab-exports-nas\\x2dinput\\x2d1.mount"


def test_a_server_that_lost_its_export_is_told_by_its_log():
    unit, told = (
        "nas_lab-nas-input-1.service",
        "26/11/2026 19:28:37 : epoch 6b08 : worker-1 : ganesha.nfsd-11[main] ",
    )
    lines = [
        "nfs_lift_grace_locked :STATE :EVENT :NFS Server Now NOT IN GRACE",
        "gsh_dbus_pkginit :DBUS :CRIT :dbus_bus_get failed (Failed to connect to socket)",
        "vfs_create_export :FSAL :CRIT :resolve_posix_filesystem(/srv/nas_lab/exports/nas-input-1/data) returned (2)",
        "fsal_cfg_commit :CONFIG :CRIT :Could not create export for (/data) to (/srv/nas_lab/exports/nas-input-1/data)",
    ]
    entries = [{"_SYSTEMD_UNIT": unit, "MESSAGE": told + line} for line in lines]
    assert refusals([*entries[:2], {"_SYSTEMD_UNIT": unit, "MESSAGE": [27, 91]}]) == {}
    assert refusals(entries) == {
        unit: [
            "resolve_posix_filesystem(/srv/nas_lab/exports/nas-input-1/data) returned (2)",
            "Could not create export for (/data) to (/srv/nas_lab/exports/nas-input-1/data)",
        ]
    }
