# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds the transaction: the mount command, keys, arguments, the info module."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    arguments,
    attach,
    child,
    exchange,
    holders,
    info,
    instance,
    journal,
    keys,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Request
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter

from .world import KEY, OTHER_KEY, SOURCE, UID, USER, read, write


class Says(Mounter):
    """A mounter whose mount command prints a text and fails."""

    def __init__(self, text, timeout=20):
        super().__init__([], timeout)
        self._text = text

    def mount_argv(self, source, target):
        return ["sh", "-c", 'echo "$0" >&2; exit 32', self._text]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("mount.nfs: Failed to resolve server x: Name or service not known", "name_resolution_failed"),
        ("mount.nfs: access denied by server while mounting x:/a/b", "access_denied"),
        ("mount.nfs: mounting x:/a/b failed, reason given by server: No such file or directory", "access_denied"),
        ("mount.nfs: Connection timed out for x:/a/b on /mnt", "server_unreachable"),
        ("mount.nfs: Connection refused for x:/a/b on /mnt", "server_unreachable"),
        ("mount: /mnt: bad option; you might need a /sbin/mount.nfs helper program.", "mount_failed"),
        ("mount.nfs: Protocol not supported", "mount_failed"),
        ("mount: /mnt: unknown filesystem type 'aznfs'.", "unsupported"),
        (
            "Mount failed!\nMount to the same endpoint 10.0.0.4 exists that is using clear text (no TLS).",
            "encryption_conflict",
        ),
        ("Mount to the same endpoint 10.0.0.4 exists that is using TLS. Cannot mount", "encryption_conflict"),
        ("[FATAL] Not able to start stunnel: certificate verify failed", "access_denied"),
        ("[FATAL] Not able to start stunnel process for '/etc/stunnel/x'!", "mount_failed"),
        ("Failed to resolve the IP address for x!", "name_resolution_failed"),
    ],
)
def test_errors_of_mount_are_told_apart(text, code, tmp_path):
    with pytest.raises(AzlinError) as caught:
        Says(text).mount(SOURCE, str(tmp_path))
    assert caught.value.error_code == code
    assert text in caught.value.msg and caught.value.causes


def test_a_tunnel_that_the_helper_leaves_running_does_not_hold_up_the_mount(tmp_path):
    class Leaves(Mounter):
        def mount_argv(self, source, target):
            return ["sh", "-c", f"sleep 600 & echo $! > {tmp_path}/pid"]

    Leaves([], 20).mount(SOURCE, str(tmp_path))
    os.kill(int((tmp_path / "pid").read_text()), 9)


def test_a_mount_that_hangs_is_given_up(tmp_path):
    class Hangs(Mounter):
        def mount_argv(self, source, target):
            return ["sleep", "600"]

    with pytest.raises(AzlinError) as caught:
        Hangs([], 1).mount(SOURCE, str(tmp_path))
    assert caught.value.error_code == "server_unreachable"


def test_a_name_that_does_not_resolve_and_a_server_that_does_not_listen():
    with pytest.raises(AzlinError) as caught:
        Mounter([], 20).probe("teamhomes01.file.core.invalid")
    assert caught.value.error_code == "name_resolution_failed"
    with pytest.raises(AzlinError) as caught:
        Mounter([], 5).probe("127.0.0.254")
    assert caught.value.error_code == "server_unreachable"


def test_missing_keys_are_found_whatever_surrounds_them():
    present = f"# comment\r\n  {KEY}  \n\n".encode()
    wanted = f"{KEY}\n{OTHER_KEY}\n# other comment\n{OTHER_KEY}\n".encode()
    assert keys.missing(wanted, present) == [OTHER_KEY.encode()]


# sshd(8): blanks may stand in quotes, and a backslash spares a quote.
OPTIONS = r'from="10.0.0.0/8",command="echo \"a b\" c"'


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (f"{OPTIONS} {KEY}", True),
        (f"{OPTIONS} {KEY.rpartition(' ')[0]} somebody else", True),
        (f"{OPTIONS}   {KEY.rpartition(' ')[0]}", True),
        (f"{OPTIONS.replace('a b', 'a c')} {KEY}", False),
        (f"{OPTIONS} {OTHER_KEY}", False),
        (KEY, False),
    ],
)
def test_a_key_is_known_by_its_options_and_itself_and_not_by_its_comment(line, known):
    assert keys.missing(line.encode(), f"{OPTIONS} {KEY}\n".encode()) == ([] if known else [line.encode()])


def test_modes_that_sshd_refuses_are_put_right(tmp_path):
    user = users.lookup(USER)
    for path, mode in (("", 0o777), (".ssh", 0o775)):
        (tmp_path / path).mkdir(exist_ok=True)
        os.chown(tmp_path / path, UID, UID)
        (tmp_path / path).chmod(mode)
    file = tmp_path / ".ssh" / "authorized_keys"
    # Without a newline at its end, as some editors leave it.
    file.write_text(OTHER_KEY)
    os.chown(file, UID, UID)
    file.chmod(0o664)
    assert keys.ensure(str(tmp_path), KEY.encode(), user) == 1
    assert file.read_text() == f"{OTHER_KEY}\n{KEY}\n"
    assert [oct((tmp_path / path).stat().st_mode & 0o777) for path in ("", ".ssh", ".ssh/authorized_keys")] == [
        "0o755",
        "0o755",
        "0o644",
    ]
    assert keys.ensure(str(tmp_path), KEY.encode(), user) == 0
    assert os.listdir(tmp_path / ".ssh") == ["authorized_keys"]


def test_keys_are_not_written_through_a_link(tmp_path):
    user = users.lookup(USER)
    os.chown(tmp_path, UID, UID)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".ssh").symlink_to("elsewhere")
    with pytest.raises(AzlinError) as caught:
        keys.ensure(str(tmp_path), KEY.encode(), user)
    assert caught.value.error_code == "unsupported"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_exchange_and_move_replace_nothing(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    exchange.exchange(str(tmp_path / "one"), str(tmp_path / "two"))
    assert os.listdir(tmp_path / "one") == ["two"]
    with pytest.raises(FileExistsError):
        exchange.move(str(tmp_path / "one"), str(tmp_path / "two"))
    exchange.move(str(tmp_path / "one"), str(tmp_path / "three"))
    assert sorted(os.listdir(tmp_path)) == ["three", "two"]


def test_holders_are_found_by_directory_file_and_mapping(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * 5000)
    program = (
        "import mmap, sys, time\n"
        "stream = open(sys.argv[1], 'r+b')\n"
        "mapped = mmap.mmap(stream.fileno(), 0)\n"
        "if sys.argv[2] == 'map': stream.close()\n"
        "print('ready', flush=True)\n"
        "time.sleep(600)\n"
    )
    running = [subprocess.Popen(["sleep", "600"], cwd=tmp_path)]
    for kind in ("file", "map"):
        process = subprocess.Popen(["python3", "-c", program, str(path), kind], stdout=subprocess.PIPE)
        process.stdout.readline()
        running.append(process)
    try:
        device = tmp_path.stat().st_dev
        found = {one["pid"]: one for one in holders.find(device, str(tmp_path))}
        assert set(found) == {process.pid for process in running}
        assert found[running[0].pid]["uses"] == [f"cwd {tmp_path}"]
        assert set(holders.find(device, str(tmp_path), exempt=set(found))) == set()
        # On Btrfs stat(2) tells another device than the kernel's tables.
        found = holders.find(os.makedev(0, 999999), str(tmp_path))
        assert {one["pid"] for one in found} == {process.pid for process in running[1:]}
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_a_child_that_hangs_or_fails_is_reported():
    with pytest.raises(child.ChildTimeout):
        child.call(lambda: threading.Event().wait(), 0.2)
    with pytest.raises(child.ChildFailed, match="ZeroDivisionError"):
        child.call(lambda: 1 / 0, 20)


def test_acting_as_the_user_drops_every_privilege():
    ids = users.call_as(users.lookup(USER), lambda: [os.getuid(), os.geteuid(), os.getgid(), os.getgroups()], 20)
    assert ids == [UID, UID, UID, [UID]]


@pytest.mark.parametrize(
    "params",
    [
        {"user": "Not A User"},
        {"user": "root"},
        {"user": "nobody-of-this-name"},
        {"user": USER, "home": "relative"},
        {"user": USER, "home": "/toplevel"},
        {"user": USER, "home": "/home/../etc/x"},
        {"user": USER, "home": "/home/u", "source": "host:/only-share"},
        {"user": USER, "home": "/home/u", "mount_options": ["soft"]},
        {"user": USER, "home": "/home/u", "mount_timeout": 0},
    ],
)
def test_bad_arguments_are_refused_before_anything_happens(params):
    with pytest.raises(AzlinError):
        arguments.request_of(params)


def test_info_of_a_home_through_its_life(world):
    request = Request(state="attached", user=users.lookup(USER), home=world.home)

    def look():
        return info.collect(world.host, request)

    assert look()["home"]["state"] == "local" and look()["healthy"] and look()["instance"] is None
    world.apply()
    attached = look()
    assert attached["healthy"] and attached["share"]["size_bytes"] > attached["share"]["used_bytes"] > 0
    subprocess.run(["umount", world.home], check=True)
    assert look()["home"]["state"] == "attached" and not look()["healthy"]
    assert f"{SOURCE} is not mounted on {world.home}." in look()["problems"]


def test_instance_metadata():
    compute = {
        "resourceId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/worker-1",
        "name": "worker-1",
        "resourceGroupName": "g",
        "subscriptionId": "s",
        "location": "westus2",
    }

    class Service(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            ok = self.headers.get("Metadata") == "true"
            self.send_response(200 if ok else 400)
            self.end_headers()
            self.wfile.write(json.dumps({"compute": compute}).encode())

        def log_message(self, *_details):
            """Quiet."""

    with http.server.HTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = instance.describe(f"http://127.0.0.1:{server.server_port}/metadata/instance")
        server.shutdown()
    assert found["vm_id"] == compute["resourceId"] and found["resource_group"] == "g"


def test_a_home_below_a_link_to_a_path_that_fstab_cannot_hold_is_refused(tmp_path):
    (tmp_path / "my disk" / "u").mkdir(parents=True)
    (tmp_path / "home").symlink_to("my disk")
    with pytest.raises(AzlinError) as caught:
        arguments.request_of({"user": USER, "home": str(tmp_path / "home" / "u"), "source": SOURCE})
    assert caught.value.error_code == "invalid_argument" and "my disk" in caught.value.msg


def test_keys_that_cannot_be_read_are_an_error_with_a_remedy(tmp_path):
    os.makedirs(tmp_path / ".ssh" / "authorized_keys")
    for path in (tmp_path, tmp_path / ".ssh", tmp_path / ".ssh" / "authorized_keys"):
        os.chown(path, UID, UID)
    for parent in list(tmp_path.parents)[:-2]:
        parent.chmod(0o755)
    with pytest.raises(AzlinError) as caught:
        keys.read(users.lookup(USER), str(tmp_path))
    assert caught.value.causes


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', '{"version": 99}', "[]", "\xff"])
def test_a_journal_that_cannot_be_used_is_named(tmp_path, text):
    (tmp_path / "u.json").write_text(text, encoding="latin-1")
    with pytest.raises(AzlinError) as caught:
        journal.Journal(str(tmp_path), "u")
    assert caught.value.error_code == "journal_conflict" and "u.json" in caught.value.msg


@pytest.mark.parametrize(("option", "code"), [("ro", "unsupported"), ("nr_inodes=1", "no_space")])
def test_a_system_disk_that_takes_no_journal_is_named(world, option, code):
    """Linux makes a file system read-only when its disk has errors."""
    os.makedirs(world.host.state_dir)
    subprocess.run(["mount", "-t", "tmpfs", "-o", option, "none", world.host.state_dir], check=True)
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == code and world.host.state_dir in caught.value.msg and caught.value.causes
    assert world.snapshot() == before


def test_two_users_at_once_both_get_their_line_in_fstab(world):
    """Runs for two users hold different locks, and fstab is one."""
    names = [f"user{number}" for number in range(6)]
    children = []
    for name in names:
        child_id = os.fork()
        if child_id == 0:
            status = 1
            try:
                record = journal.Journal(world.host.state_dir, name)
                record.begin(name, "attach", {"fstab_before": None, "fstab_after": None})
                for number in range(20):
                    home = f"/home/{name}-{number}"
                    request = Request(state="attached", user=users.lookup(USER), home=home, source=SOURCE)
                    attach.Mount(world.host, request, record, "x").persist()
                status = 0
            finally:
                os._exit(status)
        children.append(child_id)
    assert [os.waitpid(child_id, 0)[1] for child_id in children] == [0] * len(names)
    with open(world.fstab, encoding="latin-1") as stream:
        lines = [line.split() for line in stream if line.startswith(SOURCE)]
    assert sorted(line[1] for line in lines) == sorted(
        f"/home/{name}-{number}" for name in names for number in range(20)
    )


@pytest.fixture
def settings_of_sshd(tmp_path, monkeypatch):
    """Lets sshd have a setting."""

    def settings(text):
        program = tmp_path / "sbin" / "sshd"
        program.parent.mkdir(exist_ok=True)
        # Port comes first; the user decides, as with Match.
        program.write_text(f'#!/bin/sh\ncase "$3" in *user={USER},*) echo "port 22"; echo "{text}";; esac\n')
        program.chmod(0o755)
        monkeypatch.setattr(keys, "_SBIN", str(program.parent))

    return settings


@pytest.mark.parametrize("name", [".ssh/deploy", "%h/.ssh/deploy", "/nonexistent/.keys/%u", "/nonexistent/%%%U"])
def test_keys_in_another_file_of_the_home_that_sshd_reads_count_too(world, settings_of_sshd, name):
    settings_of_sshd(f"authorizedkeysfile .ssh/authorized_keys /etc/ssh/keys/%u {name}")
    tokens = {"%h/": "", "/nonexistent/": "", "%u": USER, "%%": "%", "%U": str(UID)}
    for token, text in tokens.items():
        name = name.replace(token, text)
    write(world.home, name, OTHER_KEY + "\n", 0o644)
    assert keys.read(users.lookup(USER), world.home).decode().splitlines()[-1] == OTHER_KEY
    world.apply()
    assert OTHER_KEY in read(world.home, ".ssh/authorized_keys").decode()


@pytest.mark.parametrize(
    ("setting", "refused"),
    [
        (".ssh/deploy", True),
        ("%h/.ssh/authorized_keys", False),
        ("/etc/ssh/keys/%u", False),
        ("none", False),
        (".ssh/authorized_keys .ssh/authorized_keys2", False),
    ],
)
def test_a_home_whose_keys_sshd_takes_from_other_files_only_is_refused(world, settings_of_sshd, setting, refused):
    settings_of_sshd(f"authorizedkeysfile {setting}")
    if not refused:
        assert world.apply(check_mode=True)["changed"]
        return
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply()
    assert caught.value.error_code == "unsupported" and ".ssh/deploy" in caught.value.msg
    assert world.snapshot() == before


def test_keys_in_the_second_file_that_sshd_reads_count_too(tmp_path):
    """sshd_config(5): AuthorizedKeysFile is .ssh/authorized_keys .ssh/authorized_keys2 unless set."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "authorized_keys").write_text(KEY)
    (tmp_path / ".ssh" / "authorized_keys2").write_text(OTHER_KEY)
    for parent in (tmp_path, *list(tmp_path.parents)[:-2]):
        parent.chmod(0o755)
    found = keys.read(users.lookup(USER), str(tmp_path))
    assert found.splitlines() == [KEY.encode(), OTHER_KEY.encode()]


@pytest.mark.parametrize("check_mode", [True, False])
@pytest.mark.parametrize(
    ("module", "options"),
    [("azlin_nfs_home", {"user": "root", "source": SOURCE}), ("azlin_nfs_home_info", {"user": "root"})],
)
def test_who_forgets_become_is_told_so(module, options, check_mode):
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check_mode}})
    name = f"ansible_collections.azlin.storage.plugins.modules.{module}"
    program = f"import os, {name} as module; os.setresuid(65534, 65534, 65534); module.main()"
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), TMPDIR="/tmp", HOME="/tmp")
    done = subprocess.run(
        [sys.executable, "-c", program], input=given, env=environment, capture_output=True, text=True, check=False
    )
    result = json.loads(done.stdout)
    assert (result["failed"], result["error_code"]) == (True, "unsupported"), result
    assert "become: true" in result["causes"][0]["remedy"]
