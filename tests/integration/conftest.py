# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real modules and the real Azure SDK against the Resource Manager of the lab, in this process."""

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._azure import waiters
from lab.arm.seed import seed
from lab.arm.server import running


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
