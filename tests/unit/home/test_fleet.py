# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts and one empty share."""

from __future__ import annotations

import json
import os
import signal

from ansible_collections.azlin.storage.plugins.module_utils._home import manifest

from .world import World, populate, read, write

HOSTS = 6


def start(world):
    """Attach in a process of its own; returns (pid, pipe that will carry the result)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result = world.apply()
            os.write(writer, json.dumps([result["seeded"], result["keys_added"]]).encode())
        finally:
            os._exit(0)
    os.close(writer)
    return child, reader


def outcome(child, reader):
    with os.fdopen(reader) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return json.loads(text)


def hosts(base, share, number):
    worlds = [World(base, share, f"host{index}") for index in range(number)]
    for index, world in enumerate(worlds):
        populate(world.home, key=f"ssh-ed25519 AAAAkey{index} host{index}")
        write(world.home, "from", str(index))
    return worlds


def test_exactly_one_of_many_hosts_fills_an_empty_share(base, share):
    worlds = hosts(base, share, HOSTS)
    trees = [world.tree() for world in worlds]
    results = [outcome(*running) for running in [start(world) for world in worlds]]
    assert [seeded for seeded, _added in results].count(True) == 1
    assert sorted(added for _seeded, added in results) == [0] + [1] * (HOSTS - 1)
    seeder = [seeded for seeded, _added in results].index(True)
    differences = manifest.compare(trees[seeder], worlds[0].tree())
    assert [line for line in differences if not line.startswith(".ssh")] == []
    with open(os.path.join(share, ".ssh", "authorized_keys"), encoding="utf-8") as stream:
        keys = stream.read()
    assert all(f"AAAAkey{index} " in keys for index in range(HOSTS))


def die_at(world, when, step):
    child = os.fork()
    if child == 0:
        try:
            world.apply(
                checkpoint=lambda *point: os.kill(os.getpid(), signal.SIGKILL) if point == (when, step) else None
            )
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_a_half_done_seed_is_taken_over(base, share):
    first, second = hosts(base, share, 2)
    tree = second.tree()
    die_at(first, "after", "seed")
    assert second.apply()["seeded"]
    assert manifest.compare(tree, second.tree()) == []
    assert first.apply()["seeded"] is False
    assert read(first.home, "from") == b"1"


def test_a_seed_that_was_rolled_back_is_done_again_with_what_changed_since(base, share):
    (first,) = hosts(base, share, 1)
    die_at(first, "after", "verify")
    first.apply("rolled_back")
    write(first.home, "from", "edited after the rollback")
    tree = first.tree()
    assert first.apply()["seeded"]
    assert manifest.compare(tree, first.tree()) == []


def test_a_rolled_back_seed_that_another_host_lives_on_is_not_copied_over(base, share):
    first, second = hosts(base, share, 2)
    die_at(first, "after", "verify")
    assert second.apply()["seeded"] is False
    write(second.home, "from", "second lives here")
    first.apply("rolled_back")
    assert first.apply()["seeded"] is False
    assert read(first.home, "from") == b"second lives here"
