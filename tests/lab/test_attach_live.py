# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of an attach, over real SSH to a real host: lost connections, progress, the new login."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from lab.paths import REPOSITORY

pytestmark = [pytest.mark.lab, pytest.mark.long]
HOST = "worker-1"
HOME = "/home/azureuser"
STORAGE = {"azlin_storage_name": "loginhomes01", "azlin_resource_group": "azlin-lab"}
NETWORK = {"mode": "private_endpoint", "virtual_network": "lab-vnet", "subnet": "endpoints"}
LONG_SECONDS = 600
# A home that takes a while to copy, over a line that answers late.
FILL = f"""python3 - <<'END'
import os
for folder in range(40):
    os.makedirs(f"{HOME}/many/{{folder}}")
    for file in range(100):
        with open(f"{HOME}/many/{{folder}}/{{file}}", "w") as stream:
            stream.write("x" * 40 * file)
END
sudo tc qdisc add dev eth0 root netem delay 10ms"""
# The share's keys are lost the moment the home is switched to it, as by somebody on another host.
LOSE_KEYS = f"""sudo systemd-run --quiet --collect sh -c '
while ! grep -q " {HOME} nfs4 " /proc/mounts; do sleep 0.1; done
: > {HOME}/.ssh/authorized_keys'"""


class Play:
    """Ansible at work in the background."""

    def __init__(self, live, tmp_path, variables):
        tasks = [{"ansible.builtin.include_role": {"name": "azlin.storage.nfs_home"}, "vars": variables}]
        self._file = tmp_path / "play.yml"
        self._file.write_text(json.dumps([{"hosts": HOST, "gather_facts": False, "tasks": tasks}]))
        self._output = tmp_path / "output"
        self._log = tmp_path / "log"
        environment = {**environment_of(live), "ANSIBLE_LOG_PATH": str(self._log), "PYTHONUNBUFFERED": "1"}
        with self._output.open("w") as output:
            self._process = subprocess.Popen(
                [ansible_playbook(), "-v", "-i", live.paths.state / "inventory.yml", self._file],
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, pattern):
        """Wait until the output holds something."""
        deadline = time.monotonic() + LONG_SECONDS
        while not re.search(pattern, self._output.read_text()):
            assert self._process.poll() is None and time.monotonic() < deadline, self._output.read_text()
            time.sleep(0.1)

    def end(self):
        """Exit status and output."""
        try:
            return self._process.wait(timeout=LONG_SECONDS), self._output.read_text()
        finally:
            self._process.kill()


def ansible_playbook():
    return str(Path(sys.executable).parent / "ansible-playbook")


def environment_of(live):
    credentials = json.loads((live.paths.state / "env.json").read_text())
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **credentials, "PATH": path, "ANSIBLE_NOCOLOR": "1"}


def azure(live, playbook, **variables):
    argv = [ansible_playbook(), f"azlin.storage.{playbook}", "-e", json.dumps({**STORAGE, **variables})]
    done = subprocess.run(
        argv,
        cwd=REPOSITORY,
        env=environment_of(live),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def source(live):
    """The source of an empty share; the host is fresh before and after."""
    live.operate("host", "reset", HOST)
    azure(live, "create", azlin_size="100GiB", azlin_network=NETWORK, azlin_restore=False)
    name = STORAGE["azlin_storage_name"]
    yield f"{name}.file.core.lab.test:/{name}/home"
    live.operate("host", "reset", HOST)
    azure(live, "delete", azlin_confirm=name, azlin_force=True)


def kept_connections(live):
    """The processes that keep the connections of Ansible to hosts of this lab open."""
    sockets = f"ssh: {live.paths.run}/ssh/".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cmdline").read_bytes().startswith(sockets):
                yield int(process.name)


def test_a_lost_connection_does_not_end_an_attach(live, source, tmp_path):
    live.on(HOST, FILL)
    play = Play(live, tmp_path, {"nfs_home_source": source})
    play.wait_for(rf"{HOST}: copying \d+/\d+ files")
    killed = list(kept_connections(live))
    for process in killed:
        os.kill(process, signal.SIGKILL)
    status, output = play.end()
    assert killed
    assert status == 0, output
    assert f"{HOST}: the connection is lost" in output
    assert '"confirmed": true' in output
    assert re.search(rf"{HOST}: copying \d+/\d+ files, .* MiB, .*/s, about \d+ s left", output)
    assert "nfs4" in live.on(HOST, f"findmnt --noheadings --output FSTYPE --mountpoint {HOME}")
    assert live.on(HOST, f"find {HOME}/many -type f | wc -l").strip() == "4000"
    assert live.on(HOST, "sudo ls -A /run/azlin/jobs; ls -d /var/tmp/ansible-tmp-* 2> /dev/null || true") == ""


def test_without_a_new_login_the_host_puts_the_home_back(live, source, tmp_path):
    live.on(HOST, LOSE_KEYS)
    play = Play(live, tmp_path, {"nfs_home_source": source, "nfs_home_confirm_timeout": 30})
    status, output = play.end()
    assert status == 2, output
    assert '"error_code": "not_confirmed"' in output
    assert "Permission denied" in output
    assert len(re.findall(r"no new login to worker-1 succeeded within", output)) <= 2, output
    # Ansible got in again, and so do we.
    assert live.on(HOST, f"grep -c ' {HOME} ' /proc/mounts /etc/fstab; true").split() == [
        "/proc/mounts:0",
        "/etc/fstab:0",
    ]
    assert int(live.on(HOST, "find . | wc -l")) > 300
