# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network namespace of a lab and what lives in it: bridge, taps, addresses.

No address of the lab exists outside the namespace, so a lab can neither disturb the machine nor another lab.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pathlib
import socket
import threading
import typing

from lab.errors import LabError
from lab.paths import LabPaths
from lab.processes import end_pid, run

BRIDGE = "vnet"
GATEWAY = "10.30.1.1"
PREFIX = 24
DNS_ADDRESS = "168.63.129.16"  # Azure docs: what-is-ip-address-168-63-129-16
METADATA_ADDRESS = "169.254.169.254"  # Azure docs: instance-metadata-service
CLONE_NEWNET = 0x40000000
Result = typing.TypeVar("Result")


def enter_argv(paths: LabPaths) -> tuple[str, ...]:
    """Prefix that runs a command in the lab's network."""
    return ("nsenter", f"--net={paths.netns}")


def enter_thread(netns: str | os.PathLike[str]) -> None:
    """Move the calling thread, and only it, into a network namespace."""
    descriptor = os.open(netns, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")
    finally:
        os.close(descriptor)


def call_inside(paths: LabPaths, function: typing.Callable[[], Result]) -> Result:
    """Call ``function`` in a thread that is in the lab's network; its exception is raised here."""
    outcome: dict[str, typing.Any] = {}

    def target() -> None:
        try:
            enter_thread(paths.netns)
            outcome["result"] = function()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def listens(paths: LabPaths, port: int) -> bool:
    """Whether something accepts connections to a TCP port of the gateway."""

    def connect() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((GATEWAY, port), timeout=2):
            return True
        return False

    return call_inside(paths, connect)


def exists(paths: LabPaths) -> bool:
    """Whether the namespace is there."""
    return os.path.ismount(paths.netns)


def create(paths: LabPaths) -> None:
    """Make namespace and bridge, with the gateway's and the platform's addresses."""
    if exists(paths):
        return
    run(["ip", "netns", "add", paths.namespace])
    ip = ["ip", "-n", paths.namespace]
    run([*ip, "link", "set", "lo", "up"])
    run([*ip, "link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0"])
    run([*ip, "address", "add", f"{GATEWAY}/{PREFIX}", "dev", BRIDGE])
    run([*ip, "link", "set", BRIDGE, "up"])
    for address in (DNS_ADDRESS, METADATA_ADDRESS):
        add_address(paths, address)


def add_address(paths: LabPaths, address: str) -> None:
    """Let the namespace answer at ``address`` as well."""
    run(["ip", "-n", paths.namespace, "address", "replace", f"{address}/32", "dev", "lo"])


def remove_address(paths: LabPaths, address: str) -> None:
    """Stop answering at ``address``."""
    run(["ip", "-n", paths.namespace, "address", "del", f"{address}/32", "dev", "lo"])


def addresses(paths: LabPaths) -> set[str]:
    """Addresses that were added, without the platform's own."""
    shown = run(["ip", "-n", paths.namespace, "-json", "-4", "address", "show", "dev", "lo"])
    local = {info["local"] for link in json.loads(shown) for info in link.get("addr_info", ())}
    return local - {"127.0.0.1", DNS_ADDRESS, METADATA_ADDRESS}


def add_tap(paths: LabPaths, name: str) -> None:
    """A network card's other end for a guest, plugged into the bridge."""
    ip = ["ip", "-n", paths.namespace]
    if not has_link(paths, name):
        run([*ip, "tuntap", "add", "dev", name, "mode", "tap"])
    plug(paths, name)
    run([*ip, "link", "set", name, "up"])


def plug(paths: LabPaths, tap: str) -> None:
    """Connect a tap to the bridge."""
    run(["ip", "-n", paths.namespace, "link", "set", tap, "master", BRIDGE])


def unplug(paths: LabPaths, tap: str) -> None:
    """Take a tap off the bridge: packets vanish without a sign, as when a cloud network fails."""
    run(["ip", "-n", paths.namespace, "link", "set", tap, "nomaster"])


def plugged(paths: LabPaths, tap: str) -> bool:
    """Whether a tap is connected to the bridge."""
    return bool(has_link(paths, tap)) and "master" in has_link(paths, tap)[0]


def has_link(paths: LabPaths, name: str) -> list[dict]:
    """The link of that name as ip(8) shows it, or nothing."""
    links = json.loads(run(["ip", "-n", paths.namespace, "-json", "link", "show"]))
    return [link for link in links if link["ifname"] == name]


def processes(paths: LabPaths) -> list[int]:
    """Processes in the namespace; only the lab puts any there."""
    if not exists(paths):
        return []
    return [int(pid) for pid in run(["ip", "netns", "pids", paths.namespace]).split()]


def end_connections(paths: LabPaths, address: str) -> None:
    """End the SSH connectors to one guest: after a power cut nobody else would tell them."""
    for pid in processes(paths):
        try:
            words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if address.encode() in words and any(word.endswith(b"/net/connect.py") for word in words):
            end_pid(pid)


def remove(paths: LabPaths) -> None:
    """End what still runs in the namespace and remove it with all links in it."""
    if not paths.netns.exists():
        return
    for pid in processes(paths):
        if pid != os.getpid():
            end_pid(pid, patience=5)
    run(["ip", "netns", "delete", paths.namespace])
    if paths.netns.exists():
        raise LabError(f"{paths.netns} could not be removed")
