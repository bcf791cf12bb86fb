# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Home sync by Ansible over a real ssh: many files, many bytes, a kill on the way, a host key that is not known."""

from __future__ import annotations

import base64
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import sshd
from tests.run import environment

# The sizes at which azlin's home sync failed, and with which it was tested.
SIZES = {"692 files of 37.6 MB": (692, 37_600_000), "50000 files": (50_000, 5_000_000)}


@pytest.fixture(scope="module")
def server():
    assert os.geteuid() == 0, "sshd serves a user of its own: run as root"
    with sshd.running() as box:
        yield box


@pytest.fixture
def box(server):
    """The server with an empty home."""
    subprocess.run(["find", str(server.home), "-mindepth", "1", "-delete"], check=True)
    return server


def fill(source, number, size):
    """Files of chance in folders of fifty, and a secret."""
    chance = random.Random(number)
    for index in range(number):
        folder = source / f"folder{index // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"file{index}").write_bytes(chance.randbytes(size // number))
    (source / ".env").write_text("a secret by its name\n")


def start(box, source, tmp_path, *options, **variables):
    """Ansible at work."""
    files = {"source": str(source)}
    sync = {
        "source": "{{ files.source }}",
        "list_file": "{{ files.list_file }}",
        "user": sshd.USER,
        "home": str(box.home),
    }
    tasks = [
        {"azlin.storage.azlin_home_files": files, "register": "files", "run_once": True},
        {"azlin.storage.azlin_home_sync": sync, "register": "result", "ignore_errors": True},
        {"ansible.builtin.debug": {"msg": "RESULT {{ [files, result] | to_json | b64encode }}"}},
    ]
    # Each run makes a connection of its own.
    control = tempfile.mkdtemp(prefix="cp", dir=box.folder)
    play, inventory = tmp_path / "play.yml", tmp_path / "inventory.yml"
    play.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    inventory.write_text(json.dumps({"all": {"hosts": {"box": {**box.inventory(), **variables}}}}))
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play), *options],
        env={**environment(), "ANSIBLE_SSH_CONTROL_PATH_DIR": control},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def result_of(process):
    """The results of both tasks."""
    output, _nothing = process.communicate()
    found = re.search(r"RESULT ([A-Za-z0-9+/=]+)", output)
    assert found, output
    return json.loads(base64.b64decode(found[1]))


def tree(folder):
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns // 10**9, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def rsyncs(word):
    """Processes of rsync with a word in their arguments."""
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            if arguments[0].endswith(b"rsync") and any(word in argument for argument in arguments):
                yield int(entry.name)


def kill_half_way(process, box, source):
    """End the controller's rsync when some files have arrived."""
    while sum(1 for path in box.home.rglob("*") if path.parent.name == ".azlin-partial") < 20:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)
    for number in rsyncs(str(source).encode()):
        os.kill(number, signal.SIGKILL)


@pytest.mark.parametrize("size", SIZES)
def test_a_killed_run_is_gone_on_with_and_the_next_one_has_nothing_to_do(box, tmp_path, size):
    source = tmp_path / "source"
    fill(source, *SIZES[size])
    wanted = {path: found for path, found in tree(source).items() if path != ".env"}

    process = start(box, source, tmp_path)
    kill_half_way(process, box, source)
    files, result = result_of(process)
    assert result["failed"] and result["error_code"] == "sync_failed" and "rsync to box ended" in result["msg"]
    assert files["files"] == len(wanted)
    assert files["blocked"] == [{"path": ".env", "reason": "passwords"}]
    while list(rsyncs(str(box.home).encode())):
        time.sleep(0.1)
    # What can be seen under its name is whole.
    assert [path for path, found in tree(box.home).items() if found != wanted.get(path, found)] == []

    _files, result = result_of(start(box, source, tmp_path))
    assert not result["failed"] and result["changed"]
    # A kill at the wrong moment makes rsync leave a file of its own, with a name of its own.
    assert {path: found for path, found in tree(box.home).items() if path in wanted} == wanted
    assert list(box.home.rglob(".azlin-partial")) == []
    assert all(path.stat().st_uid == sshd.UID for path in box.home.rglob("*"))
    # What had arrived did not travel once more. The names of tiny files alone are longer than what is in them.
    assert result["bytes_on_the_wire"] < result["bytes_sent"] or files["bytes"] < 1000 * files["files"]

    _files, result = result_of(start(box, source, tmp_path))
    assert (result["changed"], result["changes"], result["files_sent"]) == (False, [], 0)


def test_check_mode_lists_and_changes_nothing(box, tmp_path):
    source = tmp_path / "source"
    fill(source, 60, 6000)
    before = box.home.stat().st_mtime_ns
    _files, said = result_of(start(box, source, tmp_path, "--check", "--diff"))
    assert said["changed"] and list(box.home.iterdir()) == [] and box.home.stat().st_mtime_ns == before
    assert {one["path"] for one in said["changes"] if one["kind"] == "file"} == set(tree(source)) - {".env"}
    assert "create file folder0/file0\n" in said["diff"]["after"]


def test_a_file_of_the_host_never_makes_way_for_a_folder(box, tmp_path):
    source = tmp_path / "source"
    fill(source, 1, 10)
    mine = box.home / "folder0"
    mine.write_text("mine\n")
    os.chown(mine, sshd.UID, -1)
    (source / "other").write_text("x")
    for options, arrived in (("--check",), []), ((), ["other"]):
        _files, result = result_of(start(box, source, tmp_path, *options))
        assert result["changed"] and result["conflicts"] == ["folder0"]
        assert [one["path"] for one in result["changes"]] == ["other"]
        assert mine.read_text() == "mine\n"
        assert sorted(path.name for path in box.home.iterdir() if path != mine) == arrived


@pytest.fixture
def share(box):
    """A home on what stands for a share, with what stands for systemd's automount below it."""
    homes = box.folder / "homes"
    homes.mkdir()
    for kind, source in (("ramfs", "systemd-1"), ("tmpfs", "server:/export")):
        box.inside("mount", "-t", kind, source, str(homes))
    home = homes / "me"
    box.inside("mkdir", str(home))
    box.inside("chown", f"{sshd.UID}:{sshd.UID}", str(home))
    yield home
    box.inside("umount", str(homes), str(homes))
    homes.rmdir()


def sync(box, home, tmp_path, hosts, play="azlin.storage.sync", **extra):
    """Run a playbook on hosts that all have one home; return the status, the output, and the numbers of the counter."""
    counter, inventory = tmp_path / "count.json", tmp_path / "inventory.yml"
    variables = {
        **box.inventory(),
        "ansible_user": "root",
        "azlin_user": sshd.USER,
        "azlin_home": str(home),
        "azlin_sync_source": str(tmp_path / "source"),
        "azlin_sync_counter_file": str(counter),
    }
    inventory.write_text(json.dumps({"azlin_hosts": {"hosts": hosts}, "all": {"vars": variables}}))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(play)]
        + ["-e", json.dumps({"__home_sync_network_types": ["tmpfs"], **extra})],
        env={**environment(), "ANSIBLE_SSH_CONTROL_PATH_DIR": tempfile.mkdtemp(prefix="cp", dir=box.folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = json.loads(counter.read_text()) if counter.exists() else {}
    return done.returncode, done.stdout + done.stderr, numbers


def test_a_share_behind_an_automount_is_one_home(box, share, tmp_path):
    fill(tmp_path / "source", 1, 10)
    status, output, numbers = sync(box, share, tmp_path, {"one": {}, "two": {}}, azlin_sync_deny=["/a/path"])
    assert status == 0, output
    assert "1 patterns of deny match nothing in the source: /a/path" in output
    assert (numbers.get("succeeded"), numbers.get("files_sent")) == (1, 1), output


def test_after_a_failure_the_role_can_run_again(box, share, tmp_path):
    fill(tmp_path / "source", 1, 10)
    play = tmp_path / "play.yml"
    role = {"name": "azlin.storage.home_sync"}
    wanted = {
        "home_sync_source": str(tmp_path / "source"),
        "home_sync_user": sshd.USER,
        "home_sync_path": str(share),
        "home_sync_counter_file": str(tmp_path / "count.json"),
        "home_sync_manage_packages": False,
    }
    wrong = {**wanted, "home_sync_timeout": -1, "home_sync_ignore_errors": True}
    tasks = [{"ansible.builtin.include_role": role, "vars": variables} for variables in (wrong, wanted)]
    play.write_text(json.dumps([{"hosts": "azlin_hosts", "gather_facts": False, "tasks": tasks}]))
    status, output, numbers = sync(box, share, tmp_path, {"one": {}}, play)
    assert status == 0, output
    assert (numbers["failed"], numbers["succeeded"], numbers["files_sent"]) == (1, 1, 1)


def test_a_host_that_went_away_has_not_copied(box, share, tmp_path):
    fill(tmp_path / "source", 1, 10)
    # Its connection breaks between the choice and the copy.
    one = {"ansible_port": f"{{{{ 1 if __home_sync_by is defined else {box.port} }}}}"}
    hosts = {"one": one, "two": {}, "three": {}}
    status, output, numbers = sync(box, share, tmp_path, hosts, azlin_serial=2)
    assert status == 4 and "one" in output, output
    assert (numbers.get("succeeded"), numbers.get("files_sent")) == (1, 1), output


def test_hosts_that_are_to_have_different_files_are_refused(box, share, tmp_path):
    fill(tmp_path / "source", 1, 10)
    status, output, numbers = sync(box, share, tmp_path, {"one": {}, "two": {"azlin_sync_deny": ["folder0"]}})
    assert status == 2 and numbers == {}
    assert "home_sync_deny" in output and "--limit" in output and "home_sync_allow" not in output
    assert box.inside("find", str(share), "-type", "f") == ""


def test_what_an_earlier_batch_was_to_have_counts(box, share, tmp_path):
    fill(tmp_path / "source", 1, 10)
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    hosts = {"one": {}, "two": {"azlin_sync_source": str(other)}}
    status, output, numbers = sync(box, share, tmp_path, hosts, azlin_serial=1)
    assert status == 2 and numbers.get("succeeded") == 1, output
    assert "home_sync_source" in output and "for two and the hosts of earlier batches" in output, output


def test_a_later_play_may_copy_something_else(box, share, tmp_path):
    plays = []
    for name in ("source", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"from_{name}").touch()
        wanted = {
            "home_sync_source": str(tmp_path / name),
            "home_sync_user": sshd.USER,
            "home_sync_path": str(share),
            "home_sync_manage_packages": False,
        }
        task = {"ansible.builtin.include_role": {"name": "azlin.storage.home_sync"}, "vars": wanted}
        plays.append({"hosts": "azlin_hosts", "gather_facts": False, "serial": 1, "tasks": [task]})
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    status, output, _numbers = sync(box, share, tmp_path, {"one": {}, "two": {}}, tmp_path / "play.yml")
    assert status == 0, output
    assert "from_other" in box.inside("find", str(share), "-type", "f")


def test_a_host_key_that_is_not_known_ends_it(box, tmp_path):
    source = tmp_path / "source"
    fill(source, 1, 10)
    (tmp_path / "nobody").touch()
    options = f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={tmp_path}/nobody"
    process = start(box, source, tmp_path, ansible_ssh_common_args=options)
    output, _nothing = process.communicate()
    assert process.returncode and "Host key verification failed" in output
    assert list(box.home.iterdir()) == []
