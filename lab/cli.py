# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command line of the lab: ``python -m lab --help``."""

from __future__ import annotations

import argparse
import collections.abc
import concurrent.futures
import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import sys
import time

from lab import services
from lab.arm.client import LabClient
from lab.arm.client import LabError as ArmError
from lab.arm.profiles import PROFILES
from lab.errors import LabError
from lab.hosts import ssh
from lab.hosts.addresses import MOST_HOSTS, address_of, host_names, number_of
from lab.hosts.cloud_image import SELINUX
from lab.hosts.machines import Hosts, images
from lab.net import capture, namespace
from lab.nfs import container
from lab.nfs.image import root_file_system
from lab.packages import ensure_packages
from lab.paths import DEFAULT_STATE_DIR, RESULTS, LabPaths
from lab.processes import alive

HOST_ACTIONS = {
    "start": "boot from its disk",
    "stop": "shut down in order",
    "kill": "cut the power",
    "reboot": "restart in order",
    "reset": "back to the snapshot, in seconds",
    "remove": "cut the power and remove its files",
    "discard": "cut the power; the next `up` starts it from the snapshot",
    "cut": "take off the network",
    "restore": "back on the network",
}


@contextlib.contextmanager
def step(title: str) -> collections.abc.Iterator[None]:
    """Print a step and the time it took."""
    print(f"{title} ... ", end="", flush=True)
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print("failed", flush=True)
        raise
    print(f"{time.monotonic() - started:.1f} s", flush=True)


@contextlib.contextmanager
def exclusive(paths: LabPaths) -> collections.abc.Iterator[None]:
    """Let only one ``up`` or ``down`` work on a lab at a time."""
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    with open(f"/run/{paths.namespace}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def up(paths: LabPaths, options: argparse.Namespace) -> int:
    """Bring up whatever does not run yet."""
    with step("system packages"):
        ensure_packages()
    with exclusive(paths):
        started = time.monotonic()
        known = json.loads(paths.lab_file.read_text()) if paths.lab_file.exists() else {}
        count = options.hosts or known.get("hosts", 3)
        profile = options.profile or known.get("profile", "fast")
        names = host_names(max(count, known.get("hosts", 0)))
        paths.state.mkdir(mode=0o700, parents=True, exist_ok=True)
        paths.lab_file.write_text(json.dumps({"hosts": len(names), "profile": profile}))
        hosts = Hosts(paths)
        with step("images"), concurrent.futures.ThreadPoolExecutor() as pool:
            for building in (pool.submit(images), pool.submit(root_file_system)):
                building.result()
        with step("network and resolver"):
            services.start_network(paths, names)
        with step("NFS server"):
            services.start_nfs(paths)
        with step("Resource Manager"):
            client = services.start_arm(paths, profile)
            services.seed_azure(paths, client, names)
            services.start_metadata(paths)
            services.start_tunnel(paths)
            services.write_environment(paths, client)
        with step("keys and inventory"):
            ssh.make_keys(paths)
            ssh.write_known_hosts(paths, map(address_of, names))
            ssh.write_inventory(paths, {name: address_of(name) for name in names})
        with step("disks of the hosts"):
            hosts.prepare(names)
        with step(f"{len(names)} hosts"):
            hosts.each(names, hosts.ensure_started)
        print(f"lab is up after {time.monotonic() - started:.1f} s: {paths.state}")
    return status(paths, options)


def down(paths: LabPaths, _options: argparse.Namespace) -> int:
    """Remove every process, container, mount and file of the lab."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root")
    if paths.state.exists() and not is_lab(paths.state):
        raise LabError(f"{paths.state} is not empty and not a lab: nothing is removed")
    with exclusive(paths):
        with step("hosts"):
            Hosts(paths).remove_all()
        with step("services"):
            services.remove_all(paths)
        with step("files"):
            if paths.state.exists():
                clear(paths.state)
        pathlib.Path(f"/run/{paths.namespace}.lock").unlink(missing_ok=True)
    return 0


def is_lab(folder: pathlib.Path) -> bool:
    """Whether a folder was made by ``up``, or is empty but for results of benchmarks."""
    return (folder / "lab.json").exists() or not any(path.name != RESULTS for path in folder.iterdir())


def clear(folder: pathlib.Path) -> None:
    """Remove a lab's folder, or all in it but the results of benchmarks."""
    if not (folder / RESULTS).exists():
        shutil.rmtree(folder)
        return
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != RESULTS:
                shutil.rmtree(path)
        else:
            path.unlink()


def status(paths: LabPaths, _options: argparse.Namespace) -> int:
    """Print what runs; exit status 1 if something that should run does not."""
    if not paths.lab_file.exists():
        print(f"no lab in {paths.state}")
        return 1
    hosts = Hosts(paths)
    lines = {
        "network": "up" if namespace.exists(paths) else "missing",
        "resolver": "up" if alive(paths.processes / "dnsmasq.json") else "missing",
        "metadata": "up" if alive(paths.processes / "metadata.json") else "missing",
        "resource manager": "missing",
        "tls for nfs": "up" if alive(paths.processes / "tunnel.json") else "missing",
        "nfs server": "up" if container.running(paths) else "off",
    }
    if alive(paths.processes / "arm.json") and paths.arm_file.exists():
        lines["resource manager"] = json.loads(paths.arm_file.read_text())["url"]
    for name in hosts.names():
        lines[name] = f"{hosts.state(name)}, {address_of(name)}"
    for name, value in lines.items():
        print(f"{name:17} {value}")
    return 1 if "missing" in lines.values() else 0


def open_ssh(paths: LabPaths, options: argparse.Namespace) -> int:
    """Become ssh(1)."""
    require(paths)
    names = Hosts(paths).names()
    if options.host not in names:
        raise LabError(f"there is no host {options.host!r} in this lab; it has: {', '.join(names)}")
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv = ssh.ssh_argv(paths, address_of(options.host), command)
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def host(paths: LabPaths, options: argparse.Namespace) -> int:
    """One operation on some hosts at once."""
    require(paths)
    hosts = Hosts(paths)
    with step(f"{options.action} {' '.join(options.hosts)}"):
        hosts.each(options.hosts, getattr(hosts, options.action))
    return 0


def provision(paths: LabPaths, options: argparse.Namespace) -> int:
    """Start a new host from the image with cloud-init, as a cloud would."""
    require(paths)
    hosts = Hosts(paths)
    names = sorted({*hosts.names(), options.host}, key=number_of)
    with step(f"{options.host} in Azure and its network"):
        services.start_network(paths, names)
        services.seed_azure(paths, LabClient.from_state_dir(paths.state), names)
        ssh.write_known_hosts(paths, map(address_of, names))
    with step(f"first boot of {options.host}"):
        hosts.provision(options.host, options.user_data.read_text(), SELINUX if options.selinux else "")
    return 0


def nfs(paths: LabPaths, options: argparse.Namespace) -> int:
    """Stop or start the NFS server."""
    require(paths)
    with step(f"nfs {options.action}"):
        if options.action == "stop":
            container.stop(paths)
        else:
            services.start_nfs(paths)
    return 0


def env(paths: LabPaths, _options: argparse.Namespace) -> int:
    """Print the environment for eval in a shell."""
    require(paths)
    for key, value in json.loads((paths.state / "env.json").read_text()).items():
        print(f"export {key}={shlex.quote(value)}")
    return 0


def requests(paths: LabPaths, options: argparse.Namespace) -> int:
    """Print, or forget, the request log of the Resource Manager, one JSON object a line."""
    require(paths)
    client = LabClient.from_state_dir(paths.state)
    if options.clear:
        client.clear_requests()
        return 0
    for entry in client.requests():
        if not options.writes or is_write(entry):
            print(json.dumps(entry))
    return 0


def is_write(entry: dict) -> bool:
    """Whether a request would change something; a sign-in is a POST and does not."""
    return entry["method"] not in ("GET", "HEAD") and not entry["path"].endswith("/token")


def watch_wire(paths: LabPaths, options: argparse.Namespace) -> int:
    """Run a command on a host and print, as JSON, what of it went over the wire."""
    require(paths)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv = ssh.ssh_argv(paths, address_of(options.host), command)
    print(json.dumps(capture.while_running(paths, argv, options.marker.encode())))
    return 0


def require(paths: LabPaths) -> None:
    """Refuse to work on a lab that is not there."""
    if not paths.lab_file.exists():
        raise LabError(f"no lab in {paths.state}: start one with `python -m lab up`")


def host_count(text: str) -> int:
    """A number of hosts that fits the subnet."""
    count = int(text)
    if not 1 <= count <= MOST_HOSTS:
        raise argparse.ArgumentTypeError(f"a lab has 1 to {MOST_HOSTS} hosts")
    return count


def host_name(text: str) -> str:
    """The name of a host that fits the subnet."""
    if text not in host_names(MOST_HOSTS):
        raise argparse.ArgumentTypeError(f"a host is one of worker-1 to worker-{MOST_HOSTS}")
    return text


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument(
        "--state-dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="folder with all state of the lab (default: .lab in the repository)",
    )
    top = argparse.ArgumentParser(
        prog="python -m lab",
        parents=[where],
        description="A small Azure with an NFS server and Linux hosts on this machine.",
    )
    commands = top.add_subparsers(dest="name", required=True, metavar="COMMAND")

    def command(name: str, function: collections.abc.Callable, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text, parents=[where])
        made.set_defaults(function=function)
        return made

    made = command("up", up, "start whatever of the lab does not run; also repairs")
    made.add_argument("--hosts", type=host_count, metavar="N", help="number of hosts (default: 3)")
    made.add_argument("--profile", choices=sorted(PROFILES), help="latencies of the Resource Manager (default: fast)")
    command("down", down, "remove every process, container, mount and file of the lab")
    command("status", status, "what runs")
    made = command("ssh", open_ssh, "log in to a host, or run a command there")
    made.add_argument("host", help="for example worker-1")
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    made = command("host", host, "operate hosts: " + "; ".join(f"{key}: {text}" for key, text in HOST_ACTIONS.items()))
    made.add_argument("action", choices=HOST_ACTIONS)
    made.add_argument("hosts", nargs="+", metavar="HOST")
    made = command(
        "provision", provision, "start a new host from an image with cloud-init, in the place of one of its name"
    )
    made.add_argument("host", type=host_name, help="for example worker-4")
    made.add_argument("--user-data", type=pathlib.Path, required=True, metavar="FILE", help="what cloud-init is given")
    made.add_argument("--selinux", action="store_true", help="with SELinux, which is not enforced yet")
    made = command("nfs", nfs, "stop or start the NFS server")
    made.add_argument("action", choices=("start", "stop"))
    made = command("capture", watch_wire, "tell whether a text crosses the network while a command runs on a host")
    made.add_argument("marker", help="the text to look for in every packet")
    made.add_argument("host", help="for example worker-1")
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    command("env", env, "print the environment that points Ansible and Azure clients at the lab")
    made = command("requests", requests, "print the request log of the Resource Manager")
    made.add_argument("--clear", action="store_true", help="forget the log instead")
    made.add_argument("--writes", action="store_true", help="only requests that would change something")
    return top


def main(argv: list[str] | None = None) -> int:
    """Run one command; an expected failure is one line on standard error and exit status 1."""
    options = parser().parse_args(argv)
    paths = LabPaths.of(getattr(options, "state_dir", DEFAULT_STATE_DIR))
    try:
        return options.function(paths, options)
    except (LabError, ArmError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read the output has seen enough; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
