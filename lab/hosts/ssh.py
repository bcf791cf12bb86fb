# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, known_hosts, inventory and the SSH command of a lab."""

from __future__ import annotations

import json
import pathlib
import shlex
import subprocess
import sys
import time
import typing

from lab.errors import LabError
from lab.hosts.addresses import address_of
from lab.paths import LabPaths
from lab.processes import run

USER = "azureuser"
CONNECTOR = pathlib.Path(__file__).resolve().parent.parent / "net" / "connect.py"
LOGIN_SECONDS = 60


def make_keys(paths: LabPaths) -> None:
    """A key to log in with and a key that the hosts show; both live and die with the lab."""
    for key in (paths.ssh_key, paths.host_key):
        if not key.exists():
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "azlin-lab", "-f", str(key)])


def public_key(private: pathlib.Path) -> str:
    """The public half of a key, one line."""
    return private.with_suffix(".pub").read_text().strip()


def write_known_hosts(paths: LabPaths, addresses: typing.Iterable[str]) -> None:
    """The hosts' key under every address."""
    kind, key = public_key(paths.host_key).split()[:2]
    paths.known_hosts.write_text("".join(f"{address} {kind} {key}\n" for address in addresses))


def ssh_options(paths: LabPaths) -> list[str]:
    """Options that every connection needs, for ssh(1) and for Ansible."""
    proxy = shlex.join([sys.executable, "-I", "-S", str(CONNECTOR), str(paths.netns)]).replace("%", "%%") + " %h %p"
    return [
        "-o",
        f"ProxyCommand={proxy}",
        "-o",
        f'UserKnownHostsFile="{paths.known_hosts}"',
        "-o",
        "GlobalKnownHostsFile=/dev/null",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "ServerAliveInterval=15",
        "-o",
        "ServerAliveCountMax=8",
    ]


def ssh_argv(paths: LabPaths, address: str, command: typing.Sequence[str] = ()) -> list[str]:
    """ssh(1) to a host."""
    return ["ssh", "-F", "/dev/null", "-i", str(paths.ssh_key), *ssh_options(paths), f"{USER}@{address}", *command]


def wait_for_login(paths: LabPaths, name: str, timeout: float) -> None:
    """Wait until a real login succeeds."""
    argv = ssh_argv(paths, address_of(name), ("true",))
    argv[1:1] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "LogLevel=ERROR"]
    deadline = time.monotonic() + timeout
    while True:
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LOGIN_SECONDS, check=False
            )
            problem = done.stderr.strip()
            if done.returncode == 0:
                return
        except subprocess.TimeoutExpired:
            problem = "no answer"
        if time.monotonic() > deadline:
            raise LabError(f"no login on {name} within {timeout:.0f} s: {problem}")
        time.sleep(0.1)


def write_inventory(paths: LabPaths, hosts: typing.Mapping[str, str]) -> None:
    """Ansible inventory with one group; JSON is YAML too."""
    common = {
        "ansible_user": USER,
        "ansible_ssh_private_key_file": str(paths.ssh_key),
        "ansible_ssh_common_args": shlex.join(ssh_options(paths)),
        "ansible_python_interpreter": "/usr/bin/python3",
        # Hosts of two labs have the same addresses, and must not share a kept connection.
        "ansible_control_path_dir": str(paths.run / "ssh"),
        # An emulated host on a busy machine takes longer than Ansible's 10 s to begin a login.
        "ansible_timeout": 120,
        # One exchange a task instead of six: what everybody who minds the time sets.
        "ansible_pipelining": True,
    }
    members = {name: {"ansible_host": address} for name, address in hosts.items()}
    group = {"azlin_hosts": {"hosts": members, "vars": common}}
    paths.inventory.write_text(json.dumps(group, indent=2) + "\n")
