# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a forked child, for what may hang or must run as somebody else.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import os
import select
import signal
import time


class ChildFailed(Exception):
    """The function raised in the child; the text says what."""


class ChildTimeout(Exception):
    """The child did not answer in time. One that hangs in the kernel is left behind, unreaped."""


def call(function, timeout):
    """Return what ``function()`` returns (JSON) from a forked child, within ``timeout`` seconds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run(function, reader, writer)
    os.close(writer)
    try:
        answer = _read(reader, time.monotonic() + timeout)
    except ChildTimeout:
        os.kill(child, signal.SIGKILL)
        _reap(child, 1)
        raise
    finally:
        os.close(reader)
    _reap(child, 5)
    if not answer:
        raise ChildFailed("the process ended without an answer")
    document = json.loads(answer)
    if "error" in document:
        raise ChildFailed(document["error"])
    return document["result"]


def _run(function, reader, writer):
    status = 1
    try:
        os.close(reader)
        try:
            document = {"result": function()}
        except Exception as error:  # the parent reports it, whatever it is
            document = {"error": f"{type(error).__name__}: {error}"}
        os.write(writer, json.dumps(document).encode())
        status = 0
    finally:
        # Not sys.exit: the parent's cleanup handlers must not run twice.
        os._exit(status)


def _read(reader, deadline):
    chunks = []
    while True:
        ready = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready:
            raise ChildTimeout()
        chunk = os.read(reader, 65536)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def _reap(child, seconds):
    """Wait a little; a child in an uninterruptible NFS call cannot be waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        time.sleep(0.01)
