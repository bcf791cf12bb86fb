# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS in front of the NFS server, for accounts that require encryption in transit.

``python -m lab.nfs.tunnel STATE_DIR``, in the lab's network. Connections to TCP port 2049 of such accounts are
redirected here. What begins with a TLS handshake and comes from an admitted network goes on to the server from an
address that stands for the account, the rest from one that the server admits nowhere: it is told that access is
denied, as by Azure.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import pathlib
import socket
import ssl
import struct
import sys

from lab.arm.metadata import FILE_SUFFIX
from lab.dataplane import DataPlaneState
from lab.net.namespace import enter_argv
from lab.paths import LabPaths
from lab.processes import run

PORT = 20490
NFS_PORT = 2049
STRANGER = "127.0.0.2"
HANDSHAKE = 0x16  # RFC 8446, ContentType
BLOCK = 1 << 18
SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
TABLE = "azlin_lab"


def source_of(account: str) -> str:
    """The address from which the server sees what came through TLS for an account."""
    first, second, third = hashlib.sha256(account.encode()).digest()[:3]
    return f"127.{1 + first % 254}.{second}.{1 + third % 254}"


def settings_file(paths: LabPaths) -> pathlib.Path:
    """Which addresses are encrypted, read anew for every connection: {address: {source, networks}}."""
    return paths.shares / "tunnels.json"


def publish(paths: LabPaths, state: DataPlaneState) -> None:
    """Put TLS in front of exactly the accounts that require it."""
    settings = {}
    for export in state.exports:
        address = state.names.get(f"{export.account}.{FILE_SUFFIX}")
        if export.encrypted and address:
            settings[address] = {"source": source_of(export.account), "networks": list(export.clients)}
    file = settings_file(paths)
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(settings))
    temporary.rename(file)
    run([*enter_argv(paths), "nft", "--file", "-"], input_text=rules(settings))


def rules(addresses) -> str:
    """The redirection of nft(8), replaced as a whole."""
    # A table has to be there to be deleted.
    text = f"table ip {TABLE} {{}}\ndelete table ip {TABLE}\n"
    if addresses:
        text += f"""table ip {TABLE} {{
    chain tls {{
        type nat hook prerouting priority dstnat
        ip daddr {{ {", ".join(sorted(addresses))} }} tcp dport {NFS_PORT} redirect to :{PORT}
    }}
}}
"""
    return text


class Tunnel:
    """The server's end of all tunnels."""

    def __init__(self, paths: LabPaths) -> None:
        self.settings = settings_file(paths)
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(paths.state / "server.pem")
        self.tasks: set[asyncio.Task] = set()

    async def serve(self) -> None:
        """Accept for ever."""
        loop = asyncio.get_running_loop()
        with socket.create_server(("0.0.0.0", PORT), backlog=128) as listener:
            listener.setblocking(False)
            while True:
                connection, _peer = await loop.sock_accept(listener)
                task = asyncio.create_task(self.handle(connection))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)

    async def handle(self, connection: socket.socket) -> None:
        """Relay one connection until either end closes it."""
        writers = []
        try:
            with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
                encrypted = await first_byte(connection) == HANDSHAKE
                source = self.source_for(connection, encrypted)
                reader, writer = await streams(connection, self.context if encrypted else None)
                writers.append(writer)
                back, forth = await asyncio.open_connection("127.0.0.1", NFS_PORT, local_addr=(source, 0), limit=BLOCK)
                writers.append(forth)
                await join(relay(reader, forth), relay(back, writer))
        finally:
            for each in writers:
                each.transport.abort()
            connection.close()

    def source_for(self, connection: socket.socket, encrypted: bool) -> str:
        """From where the server is to see this connection."""
        account = json.loads(self.settings.read_text()).get(original_address(connection))
        peer = ipaddress.ip_address(connection.getpeername()[0])
        if encrypted and account and any(peer in ipaddress.ip_network(network) for network in account["networks"]):
            return account["source"]
        return STRANGER


def original_address(connection: socket.socket) -> str:
    """The address that a redirected connection was meant for."""
    _family, _port, address = struct.unpack("!HH4s8x", connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
    return socket.inet_ntoa(address)


async def first_byte(connection: socket.socket) -> int | None:
    """The first byte, which stays to be read; None at the end of the connection."""
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(connection, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(connection)
    return next(iter(connection.recv(1, socket.MSG_PEEK)), None)


async def streams(
    connection: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Reader and writer of an accepted connection."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=BLOCK)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _protocol = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one way until the end."""
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()


async def join(*ways) -> None:
    """Run both ways until the first ends."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(Tunnel(LabPaths.of(sys.argv[1])).serve())
