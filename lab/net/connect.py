# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH ProxyCommand: ``connect.py NETNS HOST PORT`` joins its standard streams to a TCP connection in the lab.

A program of its own that imports nothing of the lab, because SSH starts it anew for every connection.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import socket
import sys

CLONE_NEWNET = 0x40000000
CONNECT_SECONDS = 30
BLOCK = 1 << 16


def main() -> int:
    netns, host, port = sys.argv[1:]
    with open(netns, "rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            print(f"cannot enter {netns}: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
            return 1
    try:
        connection = socket.create_connection((host, int(port)), CONNECT_SECONDS)
    except OSError as error:
        print(f"{host}:{port}: {error}", file=sys.stderr)
        return 1
    connection.settimeout(None)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    join(connection)
    return 0


def join(connection: socket.socket) -> None:
    """Copy both ways until the connection ends."""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(connection, selectors.EVENT_READ)
        while True:
            for key, _events in selector.select():
                if key.fileobj is connection:
                    data = connection.recv(BLOCK)
                    if not data:
                        return
                    while data:
                        data = data[os.write(1, data) :]
                    continue
                data = os.read(0, BLOCK)
                if data:
                    connection.sendall(data)
                else:
                    selector.unregister(0)
                    connection.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, KeyboardInterrupt):
        sys.exit(1)
