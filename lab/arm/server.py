# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS server: uvicorn with the certificate of the lab, as a process of its own or inside a test."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import tempfile
import threading
import typing

import uvicorn
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol

from lab.arm import certificates
from lab.arm.app import application
from lab.arm.client import LabClient
from lab.arm.cloud import Cloud
from lab.arm.identity import load_or_create, write_private
from lab.arm.profiles import PROFILES
from lab.dataplane import DataPlane, NoDataPlane


@dataclasses.dataclass
class _Server:
    """A configured uvicorn server with its listening socket."""

    uvicorn: uvicorn.Server
    socket: socket.socket
    started: threading.Event
    description: dict

    def run(self) -> None:
        """Serve until told to stop."""
        self.uvicorn.run(sockets=[self.socket])


def _protocol(transports: dict[tuple[str, int], typing.Any]) -> type[H11Protocol]:
    """A protocol that remembers the transport of each client, so that a fault can close it."""

    class Remembering(H11Protocol):
        def connection_made(self, transport: typing.Any) -> None:
            super().connection_made(transport)
            self.peer = transport.get_extra_info("peername")[:2]
            transports[self.peer] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            transports.pop(self.peer, None)
            super().connection_lost(exc)

        def shutdown(self) -> None:
            """Do not wait for the TLS farewell of idle clients: it takes up to 30 s."""
            if self.cycle is None or self.cycle.response_complete:
                self.transport.abort()
            else:
                super().shutdown()

    return Remembering


def _listen(port: int) -> socket.socket:
    # asyncio switches Nagle's algorithm off, which costs 40 ms an answer, only where it sees the protocol number.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _listen_again(state_dir: pathlib.Path) -> socket.socket:
    """A free port; after a restart the port of before, if nobody took it, since clients know it."""
    known = state_dir / "arm.json"
    if known.exists():
        with contextlib.suppress(OSError):
            return _listen(json.loads(known.read_text(encoding="utf-8"))["port"])
    return _listen(0)


def make_server(
    state_dir: pathlib.Path,
    port: int = 0,
    profile: str = "fast",
    data_plane: DataPlane | None = None,
) -> _Server:
    """A server on 127.0.0.1 that keeps all its state in a directory."""
    state_dir = state_dir.resolve()
    state_dir.mkdir(parents=True, exist_ok=True)
    ca_file, server_file = certificates.ensure(state_dir)
    identity = load_or_create(state_dir / "identity.json")
    listener = _listen(port) if port else _listen_again(state_dir)
    cloud = Cloud(identity, data_plane or NoDataPlane(), PROFILES[profile], state_dir)
    cloud.base_url = f"https://localhost:{listener.getsockname()[1]}"
    description = {
        "url": cloud.base_url,
        "port": listener.getsockname()[1],
        "tenant": identity.tenant,
        "subscription_id": identity.subscription_id,
        "client_id": identity.client_id,
        "secret": identity.secret,
        "lab_key": identity.lab_key,
        "ca_file": str(ca_file),
        "pid": os.getpid(),
    }
    started = threading.Event()
    transports: dict[tuple[str, int], typing.Any] = {}

    def ready() -> None:
        write_private(state_dir / "arm.json", json.dumps(description, indent=2))
        started.set()

    def drop(request: Request) -> None:
        if request.client:
            transports[request.client.host, request.client.port].abort()

    config = uvicorn.Config(
        application(cloud, ready, drop),
        http=_protocol(transports),
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        ssl_certfile=str(server_file),
        timeout_graceful_shutdown=5,
        timeout_keep_alive=30,
    )
    return _Server(uvicorn.Server(config), listener, started, description)


@contextlib.contextmanager
def running(
    profile: str = "fast",
    data_plane: DataPlane | None = None,
    state_dir: pathlib.Path | None = None,
) -> typing.Iterator[LabClient]:
    """A server in a thread of this process, for tests; yields its client."""
    with contextlib.ExitStack() as stack:
        directory = state_dir or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = make_server(directory, profile=profile, data_plane=data_plane)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        try:
            if not server.started.wait(30):
                raise RuntimeError("the Resource Manager did not start within 30 s")
            yield LabClient(server.description)
        finally:
            server.uvicorn.should_exit = True
            thread.join(15)
