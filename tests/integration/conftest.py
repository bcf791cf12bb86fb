# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real modules and the real Azure SDK against the Resource Manager of the lab, in this process."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time
import types

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import waiters
from lab.arm.seed import seed
from lab.arm.server import running

COLLECTIONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "collections"
PROGRAMS = pathlib.Path(sys.executable).parent
# Seconds after which a program is taken to hang; a play of seconds takes minutes on a machine that is full of others.
PATIENCE = 1200


class Disk:
    """A data plane that serves nothing and remembers how full its shares are said to be."""

    def __init__(self):
        self.used = {}

    def apply(self, state):
        """Nothing is served."""

    def usage_bytes(self, account, share):
        """What a test put there."""
        return self.used.get((account, share), 0)

    def purge(self, account, share):
        """The data goes."""
        self.used.pop((account, share), None)


@pytest.fixture(scope="session")
def disk():
    """The data plane of the server."""
    return Disk()


@pytest.fixture(scope="session")
def server(disk):
    """One Resource Manager for all tests."""
    with running(profile="fast", data_plane=disk) as client:
        yield client


@pytest.fixture
def impatient(monkeypatch):
    """The modules wait for a busy resource as seldom as for a fast one."""
    monkeypatch.setattr(waiters, "BUSY_PAUSE", (0.02, 0.1))


@pytest.fixture
def arm(server, monkeypatch):
    """The Resource Manager with nothing in it but the seed, and an environment that signs in to it."""
    server.reset()
    server.profile("fast")
    server.taken_names()
    seed(server, [("worker-1", "10.30.1.11"), ("worker-2", "10.30.1.12")])
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    server.clear_requests()
    return server


@pytest.fixture
def clock_of_faults(arm, monkeypatch):
    """The modules' clock stands still, but for 100 s with every answer 409 or 429: the machine may be slow."""

    def monotonic():
        return 100 * sum(one["status"] in (409, 429) for one in arm.requests())

    monkeypatch.setattr(waiters, "time", types.SimpleNamespace(monotonic=monotonic, sleep=time.sleep))


@pytest.fixture
def ansible(arm, tmp_path):
    """Call a program of Ansible: ``ansible("ansible", "localhost", "-m", ...)``."""
    environ = {
        **os.environ,
        # A test may put another collection where it works.
        "ANSIBLE_COLLECTIONS_PATH": f"{COLLECTIONS}{os.pathsep}{tmp_path / 'collections'}",
        "ANSIBLE_HOME": str(tmp_path),
        # From 2.21 on it shows the arguments of modules only where that is asked for.
        "ANSIBLE_INJECT_INVOCATION": "true",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "LC_ALL": "C.UTF-8",
    }

    def call(program, *arguments):
        argv = [str(PROGRAMS / program), *arguments, "-e", f"ansible_python_interpreter={sys.executable}"]
        return subprocess.run(
            argv, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    return call
