# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Surroundings that fail before a step and stay so while the run copes: file systems that are full, on this machine.

The run ends, and the home is at once in a legal state, with the file system still full. When there is room again
the same run reaches the goal.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from tests.faults import native
from tests.faults.report import Point
from tests.faults.states import neither
from tests.faults.steps import step_names
from tests.unit.home.world import World

# kind -> the file system that is full
PLACES: dict[str, Callable[[World], str]] = {
    "share full": lambda world: world.share,
    "disk full": lambda world: os.path.dirname(world.base),
}
ACTIONS = ("attach", "attach to a filled share", "detach", "detach_to_backup", "mount", "persist")


def points(actions: list[str] | None, most: int | None) -> list[tuple[str, str, str]]:
    """Kind, scenario and step of the points, at most so many of each scenario."""
    listed = native.scenarios()
    return [
        (kind, name, step)
        for kind in PLACES
        for name in native.chosen(ACTIONS, actions)
        for step in native.some(step_names(listed[name].action), most)
    ]


def try_point(base: str, kind: str, name: str, ideal: native.Reference, step: str) -> Point:
    """Fill the file system before a step, and make room when the run has ended."""
    scenario = native.scenarios()[name]
    point = Point(kind, name, step)
    filled = False
    with native.new_world(base, scenario) as world:
        start = native.state_of(world)
        place = PLACES[kind](world)

        def fail(*at):
            nonlocal filled
            if at == ("before", step):
                _resize(place, _used(place))
                filled = True

        try:
            try:
                world.apply(checkpoint=fail, **scenario.goal)
            except AzlinError as error:
                if error.error_code == "rollback_failed":
                    point.problems.append(error.msg)
            if not filled:
                point.problems.append("it did not come there")
            found = native.look(world, point, start)
            point.problems += [f"while full: {text}" for text in neither(start, ideal.after, found)]
            _resize(place, native.SIZE)
            native.reach_goal(world, point, scenario, ideal, start)
        except Exception as error:  # whatever it is, the other points are still to be tried
            point.problems.append(f"{type(error).__name__}: {getattr(error, 'msg', error)}")
    return point


def _used(place):
    status = os.statvfs(place)
    # A size of nothing means no limit.
    return max(1, status.f_blocks - status.f_bfree) * status.f_frsize


def _resize(place, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", place], check=True)


def run(workers: native.Workers, chosen: list[tuple[str, str, str]]) -> Iterator[Point]:
    """Try these points."""
    ideals = workers.references(dict.fromkeys(name for _kind, name, _step in chosen))
    yield from workers.each(try_point, [(kind, name, ideals[name], step) for kind, name, step in chosen])
