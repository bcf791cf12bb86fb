# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resolver of the virtual network: dnsmasq at Azure's address, knowing only the lab's names."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import struct
import typing

from lab.net.namespace import DNS_ADDRESS, call_inside, enter_argv
from lab.paths import LabPaths
from lab.processes import alive, spawn, wait_for

TIMEOUT_SECONDS = 60


def start(paths: LabPaths) -> None:
    """Start dnsmasq if it does not run."""
    record = paths.processes / "dnsmasq.json"
    if alive(record):
        return
    for file in (paths.dns_hosts_file, paths.dns_storage_file):
        file.parent.mkdir(parents=True, exist_ok=True)
        # dnsmasq gives up root and reads the files as nobody.
        file.parent.chmod(0o755)
        file.touch()
    spawn(
        record,
        [
            *enter_argv(paths),
            "dnsmasq",
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            f"--listen-address={DNS_ADDRESS}",
            "--bind-interfaces",
            "--pid-file=",
            "--user=root",
            "--group=",
            f"--addn-hosts={paths.dns_hosts_file}",
            f"--addn-hosts={paths.dns_storage_file}",
            "--local=/#/",
            "--local-ttl=0",
            "--log-facility=-",
        ],
        paths.logs / "dnsmasq.log",
    )
    wait_for(lambda: resolve(paths, "nothing.invalid") is not None, TIMEOUT_SECONDS, "an answer of the resolver")


def publish(paths: LabPaths, names: typing.Mapping[str, str]) -> None:
    """Answer with exactly these names of storage accounts; returns when the resolver does."""
    before = read_hosts(paths)
    if before == dict(names):
        return
    text = "".join(f"{address} {name}\n" for name, address in sorted(names.items()))
    temporary = paths.dns_storage_file.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(paths.dns_storage_file)
    reload(paths)
    for name in {*before, *names}:
        wanted = {names[name]} if name in names else set()
        wait_for(
            lambda name=name, wanted=wanted: resolve(paths, name) == wanted,
            TIMEOUT_SECONDS,
            f"the resolver's change of {name}",
        )


def read_hosts(paths: LabPaths) -> dict[str, str]:
    """The names that are published now."""
    if not paths.dns_storage_file.exists():
        return {}
    pairs = (line.split() for line in paths.dns_storage_file.read_text().splitlines())
    return {name: address for address, name in pairs}


def reload(paths: LabPaths) -> None:
    """Let dnsmasq read its files again."""
    pid = alive(paths.processes / "dnsmasq.json")
    if pid:
        os.kill(pid, signal.SIGHUP)


def resolve(paths: LabPaths, name: str) -> set[str] | None:
    """IPv4 addresses of ``name`` in the lab; empty if it does not exist, None if the resolver does not answer."""
    return call_inside(paths, lambda: query(name))


def query(name: str) -> set[str] | None:
    """Ask for A records (RFC 1035)."""
    number = secrets.randbits(16)
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(1)
        udp.connect((DNS_ADDRESS, 53))
        try:
            udp.send(question)
            reply = udp.recv(4096)
        except OSError:
            return None
    answered, _flags, _questions, answers = struct.unpack(">HHHH", reply[:8])
    if answered != number:
        return None
    found = set()
    position = len(question)
    for _answer in range(answers):
        # dnsmasq always writes the name as a two-byte pointer to the question.
        kind, _class, _ttl, size = struct.unpack(">HHIH", reply[position + 2 : position + 12])
        position += 12
        if kind == 1:
            found.add(socket.inet_ntoa(reply[position : position + size]))
        position += size
    return found
