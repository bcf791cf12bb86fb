# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The two sockets of a running QEMU: its monitor (QMP) and the agent inside the guest."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import time

from lab.errors import LabError


class LineSocket:
    """One JSON object a line over a unix socket, with a time limit in seconds for every answer."""

    def __init__(self, path: pathlib.Path, timeout: float) -> None:
        self.what = f"{path.parent.name}/{path.name}"
        self.timeout = timeout
        self.pending = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(timeout)
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise LabError(f"{self.what} does not accept a connection: {error}") from error

    def __enter__(self) -> LineSocket:
        return self

    def __exit__(self, *_ignored: object) -> None:
        self.socket.close()

    def send(self, message: dict, prefix: bytes = b"") -> None:
        """Send one object."""
        self.socket.sendall(prefix + json.dumps(message).encode() + b"\n")

    def receive(self, wanted) -> dict:
        """The next object for which ``wanted`` is true; everything else is skipped."""
        deadline = time.monotonic() + self.timeout
        while True:
            while b"\n" in self.pending:
                line, _newline, self.pending = self.pending.partition(b"\n")
                with contextlib.suppress(ValueError):
                    message = json.loads(line)
                    if isinstance(message, dict) and wanted(message):
                        return message
            left = deadline - time.monotonic()
            if left <= 0:
                raise LabError(f"{self.what} did not answer within {self.timeout:.0f} s")
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                continue
            except OSError as error:
                raise LabError(f"{self.what} broke off: {error}") from error
            if not data:
                raise LabError(f"{self.what} was closed")
            self.pending += data


def monitor(path: pathlib.Path, command: str, timeout: float = 120, **arguments: object) -> object:
    """Run one QMP command and return its result."""
    with LineSocket(path, timeout) as qmp:
        qmp.receive(lambda message: "QMP" in message)
        for execute, values in (("qmp_capabilities", {}), (command, arguments)):
            qmp.send({"execute": execute, "arguments": values})
            reply = qmp.receive(lambda message: "return" in message or "error" in message)
            if "error" in reply:
                raise LabError(f"QEMU refused {execute}: {reply['error'].get('desc')}")
        return reply["return"]


def human_monitor(path: pathlib.Path, line: str) -> None:
    """Run a command that exists only in the human monitor (snapshots); any output is an error message."""
    # A snapshot writes all of the memory of the guest.
    output = monitor(path, "human-monitor-command", 300, **{"command-line": line})
    if output:
        raise LabError(f"QEMU refused {line}: {str(output).strip()}")


def ask_agent(path: pathlib.Path, do: str, timeout: float = 120, **values: object) -> dict:
    """Send one request to the agent in the guest and return its answer."""
    number = int.from_bytes(os.urandom(6), "big")
    with LineSocket(path, timeout) as agent:
        # The empty line ends whatever half line an earlier, broken off request left behind.
        agent.send({"do": do, "number": number, **values}, prefix=b"\n")
        reply = agent.receive(lambda message: message.get("number") == number)
    if not reply.get("ok"):
        raise LabError(f"the guest could not {do}: {reply.get('error')}")
    return reply
