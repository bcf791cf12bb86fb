# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the lab that need no running lab."""

from __future__ import annotations

import json
import shlex
import signal
import socket
import subprocess
import sys
import threading

import pytest

from lab import cli, processes, recipe
from lab.errors import LabError
from lab.hosts import ssh
from lab.hosts.addresses import address_of, host_names, mac_of
from lab.hosts.channels import ask_agent
from lab.net.metadata import answer, instance_document
from lab.nfs import container
from lab.paths import LabPaths

RESOURCE_ID = "/subscriptions/s-1/resourceGroups/azlin-lab/providers/Microsoft.Compute/virtualMachines/worker-1"
DOCUMENT = instance_document(RESOURCE_ID, "westus2", "v-1", "10.30.1.11", "00:0d:3a:30:01:0b")
HEADERS = {"Metadata": "true"}
PATH = "/metadata/instance?api-version=2021-02-01"


def test_labs_in_different_folders_share_no_name(tmp_path):
    one, other = LabPaths.of(tmp_path / "one"), LabPaths.of(tmp_path / "other")
    assert one.namespace != other.namespace
    assert one.run != other.run
    assert len(str(one.run / "podman")) <= 50


def test_hosts_differ_in_address_and_hardware_address():
    names = host_names(40)
    assert len(set(map(address_of, names))) == len(set(map(mac_of, names))) == 40
    assert address_of("worker-1") == "10.30.1.11"


def test_metadata_knows_the_asking_host():
    status, body = answer({"10.30.1.11": DOCUMENT}, "10.30.1.11", PATH, HEADERS)
    assert status == 200
    assert body["compute"]["resourceId"] == RESOURCE_ID
    assert (body["compute"]["name"], body["compute"]["resourceGroupName"]) == ("worker-1", "azlin-lab")


@pytest.mark.parametrize(
    ("address", "path", "headers", "status"),
    [
        ("10.30.1.11", PATH, {}, 400),
        ("10.30.1.11", PATH, {"Metadata": "true", "X-Forwarded-For": "10.0.0.1"}, 400),
        ("10.30.1.11", "/metadata/instance", HEADERS, 400),
        ("10.30.1.11", "/metadata/instance?api-version=1999-01-01", HEADERS, 400),
        ("10.30.1.99", PATH, HEADERS, 404),
        ("10.30.1.11", "/metadata/instance/nothing?api-version=2021-02-01", HEADERS, 404),
    ],
)
def test_metadata_refuses(address, path, headers, status):
    assert answer({"10.30.1.11": DOCUMENT}, address, path, headers)[0] == status


def test_metadata_gives_a_leaf_as_text():
    path = "/metadata/instance/compute/vmId?api-version=2021-02-01&format=text"
    assert answer({"10.30.1.11": DOCUMENT}, "10.30.1.11", path, HEADERS) == (200, "v-1")


def test_only_the_very_process_that_was_started_is_ended(tmp_path):
    record = tmp_path / "processes" / "sleep.json"
    child = processes.spawn(record, ["sleep", "1000"], tmp_path / "log")
    assert processes.alive(record) == child.pid
    remembered = json.loads(record.read_text())
    record.write_text(json.dumps({**remembered, "start_time": remembered["start_time"] - 1}))
    processes.end(record)
    assert child.poll() is None
    record.write_text(json.dumps(remembered))
    processes.end(record, how=signal.SIGKILL)
    assert processes.start_time(child.pid) is None
    assert not record.exists()


def test_ending_twice_is_no_error(tmp_path):
    record = tmp_path / "sleep.json"
    processes.spawn(record, ["sleep", "1000"], tmp_path / "log")
    processes.end(record)
    processes.end(record)


def test_a_failed_command_is_one_error_with_its_reason():
    with pytest.raises(LabError, match="No such file"):
        processes.run(["ls", "/no/such/folder"])
    with pytest.raises(LabError, match="not installed"):
        processes.run(["no-such-command"])


def test_a_recipe_is_built_once_and_anew_when_it_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "CACHE_DIR", tmp_path)
    built = []

    def build(folder):
        built.append(folder)
        (folder / "image").touch()

    folders = [recipe.cached("thing", recipe.digest(version), build) for version in ("1", "1", "2")]
    assert folders[0] == folders[1] != folders[2]
    assert len(built) == 2
    assert all((folder / "image").exists() for folder in folders)


def test_a_broken_build_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(recipe, "CACHE_DIR", tmp_path)

    def fail(folder):
        (folder / "half").touch()
        raise LabError("disk full")

    def succeed(folder):
        assert not (folder / "half").exists()

    with pytest.raises(LabError):
        recipe.cached("thing", "key", fail)
    assert recipe.cached("thing", "key", succeed).exists()


def test_a_recipe_follows_the_content_of_files(tmp_path):
    (tmp_path / "file").write_text("one")
    before = recipe.digest(tmp_path)
    (tmp_path / "file").write_text("two")
    assert recipe.digest(tmp_path) != before


def test_ssh_finds_its_way_through_a_folder_with_spaces(tmp_path):
    paths = LabPaths.of(tmp_path / "my lab 100%")
    proxy = next(option for option in ssh.ssh_options(paths) if option.startswith("ProxyCommand="))
    words = shlex.split(proxy.removeprefix("ProxyCommand=").replace("%%", "%"))
    assert words[0] == sys.executable
    assert words[-3:] == [str(paths.netns), "%h", "%p"]


def test_late_answers_of_the_agent_are_not_taken_for_the_present_one(tmp_path):
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "agent"))
    server.listen()

    def serve():
        connection, _address = server.accept()
        request = json.loads(connection.recv(65536).strip())
        late = json.dumps({"number": request["number"] + 1, "ok": True, "state": "late"})
        now = json.dumps({"number": request["number"], "ok": True, "state": "now"})
        connection.sendall(f'half {{"a line\n{late}\n{now}\n'.encode())
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ask_agent(tmp_path / "agent", "report", timeout=60)["state"] == "now"
    thread.join()
    server.close()


def test_the_state_folder_is_taken_before_and_after_the_command():
    parse = cli.parser().parse_args
    assert parse(["--state-dir", "x", "status"]).state_dir == "x"
    assert parse(["status", "--state-dir", "x"]).state_dir == "x"
    assert parse(["ssh", "worker-1", "--", "ls", "-l"]).command[-2:] == ["ls", "-l"]


def test_without_a_lab_commands_say_so(tmp_path, capsys):
    assert cli.main(["--state-dir", str(tmp_path), "env"]) == 1
    assert "no lab in" in capsys.readouterr().err


def test_down_does_not_remove_a_folder_that_is_no_lab(tmp_path):
    (tmp_path / "precious").touch()
    assert cli.main(["down", "--state-dir", str(tmp_path)]) == 1
    assert (tmp_path / "precious").exists()


def test_results_of_benchmarks_outlive_the_lab(tmp_path):
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "seed.json").write_text("[]")
    (tmp_path / "hosts").mkdir()
    (tmp_path / "lab.json").write_text("{}")
    assert cli.main(["down", "--state-dir", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["bench"]
    assert cli.main(["down", "--state-dir", str(tmp_path)]) == 0
    assert (tmp_path / "bench" / "seed.json").read_text() == "[]"


def test_a_storage_that_podman_still_cleans_up_is_removed_after_that(tmp_path, monkeypatch):
    """It does so some time after a container has ended."""
    paths = LabPaths.of(tmp_path / "lab")
    overlay = paths.state / "podman/overlay"
    overlay.mkdir(parents=True)
    clean_up = (
        "import pathlib, sys, time; time.sleep(2); pathlib.Path(sys.argv[1], 'overlay/check').mkdir(parents=True)"
    )
    monkeypatch.setattr(container, "remove", lambda _paths: None)
    with subprocess.Popen([sys.executable, "-c", clean_up, str(overlay.parent)]):
        container.remove_storage(paths)
    assert not overlay.parent.exists()
