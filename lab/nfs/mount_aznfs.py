# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for Microsoft's mount helper on a host of the lab: to be installed there as /sbin/mount.aznfs,
below a line that names the Python of the host.

Like the real one it opens one TLS tunnel from 127.0.0.1 to the address of each server and mounts through that, so
that the mount table shows 127.0.0.1. It trusts the authority in CA_FILE. Source: AZNFS-mount, nfsv4mountscript.sh.

Imports nothing of the lab, since it runs on the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time

CA_FILE = "/etc/aznfs-stand-in.pem"
STATE = pathlib.Path("/run/aznfs-stand-in")
PORTS = range(20049, 21050)
NFS_PORT = 2049
BLOCK = 1 << 18
START_SECONDS = 180


def main() -> int:
    if sys.argv[1] == "--tunnel":
        port, address, host = sys.argv[2:]
        asyncio.run(tunnel(int(port), address, host))
        return 0
    source, target = sys.argv[1:3]
    host, _colon, directory = source.partition(":")
    try:
        address = socket.getaddrinfo(host, NFS_PORT, socket.AF_INET, socket.SOCK_STREAM)[0][4][0]
    except socket.gaierror:
        return failed(f"Failed to resolve the IP address for {host}!")
    if clear_text_mounts(address):
        return failed(
            f"Mount failed!\nMount to the same endpoint {address} exists that is using clear text (no TLS). "
            "Cannot mount with TLS to the same endpoint as they use the same connection."
        )
    port = open_tunnel(address, host)
    options = [sys.argv[place + 1] for place, word in enumerate(sys.argv[:-1]) if word == "-o"]
    argv = ["mount", "-t", "nfs", "-o", ",".join([*options, f"port={port}"]), f"127.0.0.1:{directory}", target]
    return subprocess.run(argv, check=False).returncode


def failed(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


def clear_text_mounts(address: str) -> bool:
    """Whether something of this server is mounted without a tunnel."""
    mounts = pathlib.Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    options = [line.split(" ")[3].split(",") for line in mounts if line.split(" ")[2] == "nfs4"]
    return any(f"addr={address}" in each for each in options)


def open_tunnel(address: str, host: str) -> int:
    """The local port of the tunnel to a server, opened if it is not there."""
    STATE.mkdir(mode=0o700, exist_ok=True)
    with open(STATE / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = STATE / address
        if known.exists() and answers(int(known.read_text())):
            return int(known.read_text())
        port = next(port for port in PORTS if not answers(port))
        start_service(port, address, host)
        deadline = time.monotonic() + START_SECONDS
        while not answers(port):
            if time.monotonic() > deadline:
                sys.exit(f"[FATAL] Not able to start stunnel process for '{address}'")
            time.sleep(0.1)
        known.write_text(str(port))
        return port


def start_service(port: int, address: str, host: str) -> None:
    """Run the tunnel outside of whatever calls this, and until the very end of a shutdown: mounts need it."""
    words = [sys.executable, os.path.realpath(__file__), "--tunnel", str(port), address, host]
    unit = f"aznfs-stand-in-{address}-{port}"
    options = [f"--unit={unit}", "--collect", "--quiet", "--property=DefaultDependencies=no"]
    subprocess.run(["systemd-run", *options, *words], check=True, stdin=subprocess.DEVNULL)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


async def tunnel(port: int, address: str, host: str) -> None:
    """Relay connections to the server through TLS, verifying who it is."""
    context = ssl.create_default_context(cafile=CA_FILE)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            back, forth = await asyncio.open_connection(
                address, NFS_PORT, ssl=context, server_hostname=host, limit=BLOCK
            )
            writers.append(forth)
            ways = [asyncio.ensure_future(relay(reader, forth)), asyncio.ensure_future(relay(back, writer))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except OSError as error:
            print(f"{host}: {error}", file=sys.stderr, flush=True)
        finally:
            for each in writers:
                each.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", port, limit=BLOCK)
    await server.serve_forever()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()


if __name__ == "__main__":
    sys.exit(main())
