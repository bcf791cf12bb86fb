# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real mounts in a mount namespace of our own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._home import mountinfo

from . import world as worlds
from .world import World, mount_share, populate


@pytest.fixture(scope="package", autouse=True)
def private_mounts():
    """Everything these tests mount is visible to this process and its children only."""
    try:
        with worlds.private_mounts():
            yield
    except worlds.CannotMount as error:
        pytest.fail(f"These tests need mounts of their own: {error}.", pytrace=False)


@pytest.fixture
def base():
    """A directory that an unprivileged user can reach, with a share mounted in it; all mounts go at the end."""
    path = tempfile.mkdtemp(prefix="azlin-home-test-", dir="/var/tmp")
    os.chmod(path, 0o755)
    subprocess.run(["mount", "--bind", path, path], check=True)
    worlds.share_mounts(path)
    share = os.path.join(path, "share")
    os.mkdir(share)
    mount_share(share)
    yield path
    for mount in reversed(mountinfo.read()):
        if mount.path.startswith(path):
            subprocess.run(["umount", "-l", mount.path], check=True)
    shutil.rmtree(path)


@pytest.fixture
def share(base):
    return os.path.join(base, "share")


@pytest.fixture
def world(base, share):
    result = World(base, share)
    populate(result.home)
    return result
