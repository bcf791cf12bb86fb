# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes over the wire of the virtual network, for proofs of what does not."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
import threading

from lab.errors import LabError
from lab.net.namespace import BRIDGE, call_inside
from lab.paths import LabPaths

NFS_PORT = 2049
ALL_PROTOCOLS = 0x0003  # ETH_P_ALL
IPV4 = 0x0800
SO_RCVBUFFORCE = 33
SOL_PACKET, PACKET_STATISTICS = 263, 6  # packet(7)
BUFFER = 256 << 20
LARGEST = 1 << 16
COMMAND_SECONDS = 600


def while_running(paths: LabPaths, argv: list[str], marker: bytes) -> dict:
    """Run a command and report the packets that crossed the network meanwhile, and whether one held the marker."""
    wire = call_inside(paths, open_wire)
    seen = {"packets": 0, "nfs_packets": 0, "marker": False}
    ended = threading.Event()
    reader = threading.Thread(target=read_all, args=(wire, marker, seen, ended))
    reader.start()
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False)
    finally:
        ended.set()
        reader.join()
        _received, dropped = struct.unpack("II", wire.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        wire.close()
    if done.returncode != 0:
        raise LabError(f"the command failed ({done.returncode}): {done.stderr.decode(errors='replace')[-1000:]}")
    if dropped:
        raise LabError(f"{dropped} packets were missed, so nothing is proved")
    return seen


def open_wire() -> socket.socket:
    """A socket that sees every packet of the virtual network."""
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
    wire.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
    wire.bind((BRIDGE, ALL_PROTOCOLS))
    wire.settimeout(0.1)
    return wire


def read_all(wire: socket.socket, marker: bytes, seen: dict, ended: threading.Event) -> None:
    """Read until the end of the command, and then what is still queued."""
    while True:
        last_look = ended.is_set()
        with contextlib.suppress(TimeoutError):
            packet = wire.recv(LARGEST)
            seen["packets"] += 1
            seen["nfs_packets"] += NFS_PORT in ports(packet)
            seen["marker"] = seen["marker"] or marker in packet
            continue
        if last_look:
            return


def ports(frame: bytes) -> tuple[int, ...]:
    """The TCP ports of an Ethernet frame, if it has any (RFC 791, RFC 9293)."""
    if len(frame) < 34 or int.from_bytes(frame[12:14], "big") != IPV4 or frame[23] != socket.IPPROTO_TCP:
        return ()
    start = 14 + (frame[14] & 0x0F) * 4
    return struct.unpack("!HH", frame[start : start + 4])
