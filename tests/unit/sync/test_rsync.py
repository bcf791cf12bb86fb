# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync itself, over a remote shell that is a process of this machine; and what its failures are called."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import stat
import subprocess
import sys
from datetime import datetime, timezone

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.plugin_utils._sync import counter, listing, rsync

# Stands for ssh: writes down what it was called with, and runs the command here.
SHELL = """#!/bin/sh
printf '%s\\n' "$@" > "$0.arguments"
while [ "$1" != box ]; do shift; done
shift
exec sh -c "$*"
"""
ODD = ("plain", "#comment", "; too", "-dash", "with space", "quo'te", "new\nline", "ümlaut", "a/b/c", "back\\slash")


class Pair:
    """A source, a home, and rsync between them."""

    def __init__(self, folder):
        self.source, self.home, self.shell = folder / "source", folder / "home", folder / "shell"
        for path in (self.source, self.home):
            path.mkdir()
        self.shell.write_text(SHELL)
        self.shell.chmod(0o755)
        self.list = folder / "list"

    def write(self, folder, path, content="x", age=100):
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        os.utime(file, (1e9 - age, 1e9 - age))

    def run(self, through=None, without=(), accepted=(0,), **options):
        paths = listing.collect(str(self.source), listing.Policy()).paths
        self.list.write_bytes(listing.Listing(paths=listing.without(paths, without)).file())
        program = shutil.which("rsync")
        assert program, "these tests need rsync"
        target = rsync.Target(str(self.home), "box", through or (str(self.shell),))
        words = rsync.command(program, str(self.source), str(self.list), target, **options)
        done = subprocess.run(
            words,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
            env={**os.environ, "LC_ALL": "C"},
            check=False,
        )
        if done.returncode not in accepted:
            raise rsync.failure("box", done.returncode, done.stderr.splitlines())
        report = rsync.Report()
        for line in done.stdout.splitlines():
            report.read(line)
        return report

    def conflicts(self):
        return self.run(dry_run=True, existing=True, accepted=rsync.INCOMPLETE).conflicts()

    def snapshot(self):
        return sorted(
            (str(path.relative_to(self.home)), path.lstat().st_mode, path.lstat().st_mtime_ns)
            for path in (self.home, *self.home.rglob("*"))
        )

    def arguments(self):
        return (self.shell.parent / "shell.arguments").read_text().split("\n")


@pytest.fixture
def pair(tmp_path):
    return Pair(tmp_path)


def test_every_name_arrives_and_a_second_run_does_nothing(pair):
    for name in ODD:
        pair.write(pair.source, name, content=name)
    first = pair.run()
    assert {path: (pair.home / path).read_text() for path in ODD} == {path: path for path in ODD}
    assert first.stats["files_sent"] == len(ODD)
    assert first.stats["bytes_sent"] == sum(len(name.encode()) for name in ODD)
    assert {one["change"] for one in first.changes} == {"create"}
    before = pair.snapshot()
    assert pair.run().changes == [] and pair.snapshot() == before


def test_nothing_but_the_list_arrives(pair):
    pair.write(pair.source, "a/kept")
    pair.write(pair.source, "a/.env", "SECRET=1")
    pair.run()
    assert not (pair.home / "a/.env").exists()


def test_what_the_home_has_stays(pair):
    pair.write(pair.source, "both", "controller")
    pair.write(pair.home, "both", "host", age=200)
    pair.write(pair.home, "own/file", "host")
    pair.run()
    assert (pair.home / "own/file").read_text() == "host"
    assert (pair.home / "both").read_text() == "controller"


def test_newer_files_stay_if_asked_for(pair):
    pair.write(pair.source, "both", "controller", age=100)
    pair.write(pair.home, "both", "host", age=0)
    assert pair.run(keep_newer=True).changes == []
    assert (pair.home / "both").read_text() == "host"
    assert [one["change"] for one in pair.run().changes] == ["update"]


def test_the_host_gets_no_rules_and_deletes_nothing(pair):
    pair.write(pair.source, "file")
    pair.run()
    words = " ".join(pair.arguments())
    assert "--server" in words
    assert not [word for word in ("delete", "exclude", "include", "filter", "inplace", "append") if word in words]


def test_the_home_and_its_ssh_folder_keep_their_modes(pair):
    pair.write(pair.source, ".ssh/config")
    pair.write(pair.home, ".ssh/authorized_keys")
    pair.source.chmod(0o777)
    (pair.source / ".ssh").chmod(0o777)
    pair.home.chmod(0o700)
    (pair.home / ".ssh").chmod(0o700)
    pair.run()
    assert (pair.home / ".ssh/config").exists()
    assert [stat.S_IMODE(path.stat().st_mode) for path in (pair.home, pair.home / ".ssh")] == [0o700, 0o700]


def test_a_link_to_a_folder_in_the_home_stays(pair):
    pair.write(pair.source, "data/file")
    (pair.home / "disk").mkdir()
    os.symlink("disk", pair.home / "data")
    pair.run()
    assert (pair.home / "data").is_symlink() and (pair.home / "disk/file").exists()


def test_a_folder_with_content_never_makes_way_for_a_file(pair):
    pair.write(pair.source, "name")
    pair.write(pair.home, "name/precious")
    with pytest.raises(AzlinError) as caught:
        pair.run()
    assert caught.value.error_code == "sync_failed"
    assert caught.value.details["rsync_status"] == 23
    assert "name" in caught.value.msg and "rsync error" in caught.value.msg
    assert (pair.home / "name/precious").exists()


def test_nothing_of_the_host_makes_way_for_another_kind(pair):
    for name in ODD:
        pair.write(pair.source, f"{name}/below/file")
        pair.write(pair.home, name, "precious")
    for kind in ("file", "folder/x", "folder/below/y"):
        pair.write(pair.source, f"for/{kind}")
    (pair.home / "for").mkdir()
    os.symlink("nowhere", pair.home / "for/folder")
    os.symlink("../target", pair.home / "for/file")
    pair.write(pair.home, "target", "precious")
    os.symlink("target", pair.source / "link")
    pair.write(pair.home, "link", "precious")
    pair.write(pair.source, "full")
    pair.write(pair.home, "full/below/file", "precious")
    pair.write(pair.source, "empty")
    (pair.home / "empty").mkdir()
    (pair.source / "bytes\udcff").mkdir()
    pair.write(pair.home, "bytes\udcff", "precious")
    # Same kinds: these are what a sync is for.
    pair.write(pair.source, "same", "controller")
    pair.write(pair.home, "same", "host", age=200)
    os.symlink("same", pair.source / "relinked")
    os.symlink("link", pair.home / "relinked")
    before = {path: found for path, *found in pair.snapshot()}

    conflicts = pair.conflicts()
    names = {"for/file", "for/folder", "link", "full", "empty", "bytes\\xff"}
    assert conflicts == sorted(names | set(ODD))
    done = pair.run(without=conflicts)
    assert {one["path"] for one in done.changes if one["kind"] != "directory"} == {"same", "relinked"}
    after = {path: found for path, *found in pair.snapshot()}
    assert after.keys() == before.keys()
    assert {path for path in after if after[path] != before[path]} <= {".", "same", "relinked"}
    assert pair.run(without=pair.conflicts()).changes == []


def test_a_dry_run_says_what_the_real_one_does_and_does_nothing(pair):
    pair.write(pair.source, "new/file", "12345")
    pair.write(pair.source, "old", "new content")
    pair.write(pair.home, "old", "x")
    os.symlink("old", pair.source / "link")
    before = pair.snapshot()
    said = pair.run(dry_run=True)
    assert pair.snapshot() == before
    done = pair.run()
    assert said.changes == done.changes
    assert {(one["path"], one["kind"], one["change"]) for one in done.changes} == {
        ("new", "directory", "create"),
        ("new/file", "file", "create"),
        ("old", "file", "update"),
        ("link", "link", "create"),
    }
    assert said.stats["bytes_sent"] == done.stats["bytes_sent"] == 16
    assert "create file new/file\n" in done.diff()["after"]


def test_the_words_of_the_remote_shell_arrive_one_by_one(pair, tmp_path):
    pair.write(pair.source, "file")
    words = ("-o", "ProxyCommand=ssh -W \"%h:%p\" -i 'my key' jump", "-o", 'IdentityFile="/a b/key"', "", "it's")
    pair.run(through=(str(pair.shell), *words))
    assert pair.arguments()[: len(words) + 1] == [*words, "box"]


def test_ssh_goes_the_way_of_ansible():
    options = {
        "ssh_executable": "/usr/bin/ssh",
        "ssh_args": "-C -o ControlMaster=auto",
        "port": 2222,
        "private_key_file": "/keys/my key",
        "remote_user": "azureuser",
        "timeout": 10,
        "ssh_common_args": "-o ProxyJump=jump.example.com",
        "ssh_extra_args": "-o 'SetEnv=A=\"b c\"'",
    }
    words = rsync.ssh(options.get, "/tmp/cp/socket")
    assert words[0] == "/usr/bin/ssh" and "BatchMode=yes" in words
    assert words.index("ControlMaster=no") < words.index("ControlMaster=auto")
    assert {"Port=2222", 'IdentityFile="/keys/my key"', 'User="azureuser"', "ConnectTimeout=10"} <= set(words)
    assert {"ProxyJump=jump.example.com", 'SetEnv=A="b c"', 'ControlPath="/tmp/cp/socket"'} <= set(words)
    assert not [word for word in words if "HostKey" in word or "KnownHosts" in word]
    assert [word for word in rsync.ssh(dict.fromkeys(options).get) if "=" in word] == [
        "BatchMode=yes",
        "ControlMaster=no",
    ]


def test_another_user_receives_by_sudo_and_addresses_are_bracketed():
    target = rsync.Target("/home/azureuser", "fd00::1", ("ssh",), "azureuser")
    words = rsync.command("rsync", "/s", "/l", target)
    assert "--rsync-path=sudo -n -u azureuser rsync" in words
    assert words[-3:] == ["--", "/s/", "[fd00::1]:/home/azureuser/"]


@pytest.mark.parametrize(
    ("status", "said", "code", "remedy"),
    [
        (11, "rsync: write failed: No space left on device (28)", "no_space", "azlin_size"),
        (255, "Host key verification failed.", "sync_failed", "known_hosts"),
        (255, "me@box: Permission denied (publickey).", "sync_failed", "key"),
        (127, "sh: 1: rsync: not found", "sync_failed", "azlin_manage_packages"),
        (12, "sudo: a password is required", "sync_failed", "log in as the user"),
        (30, "rsync error: timeout in data send/receive (code 30)", "sync_failed", "azlin_sync_timeout"),
        (22, "rsync error: error allocating core memory buffers (code 22)", "sync_failed", "manual"),
    ],
)
def test_a_failure_shows_the_last_lines_and_a_remedy(status, said, code, remedy):
    error = rsync.failure("box", status, [f"line {number}" for number in range(100)] + [said])
    assert error.error_code == code
    assert said in error.msg and "line 99" in error.msg and "line 0\n" not in error.msg
    assert remedy in " ".join(f"{cause} {what}" for cause, what in error.causes)
    assert error.as_result()["rsync_status"] == status


@pytest.mark.parametrize(
    ("text", "supported"),
    [
        ("rsync  version 3.2.7  protocol version 31\n", True),
        ("rsync  version v3.3.0  protocol version 31\n", True),
        ("rsync  version 3.0.9  protocol version 30\n", False),
        ("openrsync: protocol version 29\nrsync version 2.6.9 compatible\n", False),
        ("", False),
    ],
)
def test_only_a_real_rsync_will_do(text, supported):
    assert rsync.is_supported(text) is supported


def test_the_counter_counts(tmp_path):
    file = str(tmp_path / "count.json")
    counter.count(file, "worker-1", {"files_sent": 3, "bytes_sent": 100})
    counter.count(file, "worker-2", {"failed": True, "error_code": "sync_failed"})
    counter.count(file, "worker-1", {"files_sent": 0, "bytes_sent": 0})
    numbers = counter._read(file)
    assert (numbers["succeeded"], numbers["failed"]) == (2, 1)
    assert (numbers["files_sent"], numbers["bytes_sent"]) == (3, 100)
    assert numbers["last_failure"]["host"] == "worker-2"


def test_many_count_at_a_time(tmp_path):
    file = str(tmp_path / "count.json")
    code = f"""
from {counter.__name__} import count
for _ in range(50):
    count({file!r}, "box", {{}})
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _number in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert counter._read(file)["succeeded"] == 200


@pytest.mark.parametrize("content", ["[]", '{"other": 1}', "no json"])
def test_another_file_is_never_written_over(tmp_path, content):
    file = tmp_path / "count.json"
    file.write_text(content)
    with pytest.raises(AzlinError, match=shlex.quote(str(file))):
        counter.count(str(file), "box", {})
    assert file.read_text() == content


def test_numbers_that_cannot_be_written_leave_the_file_and_nothing_else(tmp_path):
    file = tmp_path / "count.json"
    counter.count(str(file), "box", {})
    before = file.read_text()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(AzlinError, match="too large"):
            counter.count(str(file), "box", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_text() == before
    assert {path.name for path in tmp_path.iterdir()} == {"count.json", "count.json.lock"}


def test_moments_are_in_utc():
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert counter.add({}, "box", {}, moment)["last_success"] == {"host": "box", "time": "2026-01-02T03:04:05Z"}
