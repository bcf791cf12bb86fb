# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kills at every system call that changes something, on this machine, with a tmpfs in place of the share.

Each point starts from a new world, runs the action up to its n-th call, and looks at once: the home is there with its
keys, and no content of any file is gone. Then every second point is rolled back and must be in one of the two legal
states, and every point is run again and must be where an undisturbed run ends.
"""

from __future__ import annotations

import contextlib
import functools
import multiprocessing
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    fstab,
    keys,
    manifest,
    mountinfo,
    seed,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from tests.faults import tracer
from tests.faults.report import Point
from tests.faults.states import State, comparable, differences, digests, lost, neither
from tests.faults.steps import step_names
from tests.unit.home.world import (
    KEY,
    OTHER_KEY,
    UID,
    USER,
    World,
    mount_share,
    populate,
    private_mounts,
    share_mounts,
    write,
)

WORKERS = 2
KIND = "kill"
# Bytes that a world and its share may each take.
SIZE = 512 << 20
_HOLE = 2 << 20
_WORKED_NS = 1700000000123456700


@dataclass(frozen=True)
class Scenario:
    """An action and the world it starts from.

    ``goal`` is what is wanted of ``World.apply``. With ``undo`` what is killed is not the way to the goal but the undo
    of the operation, which was killed itself when it had done all its steps.
    """

    name: str
    action: str
    goal: dict
    arrange: Callable[[World], None] = lambda world: None
    undo: bool = False

    def act(self, world: World) -> None:
        """What is to be killed."""
        world.apply(**({"state": "rolled_back"} if self.undo else self.goal))


@dataclass(frozen=True)
class Reference:
    """An undisturbed run: the calls it makes, what it leaves, and what the world and its share are at the goal."""

    calls: tuple
    acted: State
    after: State
    share: dict


def scenarios() -> dict[str, Scenario]:
    """Every action, and the undo of each."""
    attached = {"state": "attached"}
    detached = {"state": "detached"}
    back = {"state": "detached", "copy_back": "none"}
    listed = (
        Scenario("attach", "attach", attached),
        Scenario("attach to a filled share", "attach", attached, _fill_share),
        Scenario("detach", "detach", detached, _attached),
        Scenario("detach_to_backup", "detach_to_backup", back, _attached),
        Scenario("mount", "mount", attached, _unmounted),
        Scenario("persist", "persist", attached, _without_line),
        Scenario("undo of attach", "attach", attached, undo=True),
        Scenario("undo of detach", "detach", detached, _attached, undo=True),
        Scenario("undo of detach_to_backup", "detach_to_backup", back, _attached, undo=True),
    )
    return {scenario.name: scenario for scenario in listed}


def _fill_share(world):
    """Another host with other keys has filled the share, and its user has worked since."""
    other = World(os.path.dirname(world.base), world.share, "other")
    populate(other.home, key=OTHER_KEY, hole=_HOLE)
    other.apply()
    _work(other.home, "work")
    # It is another machine: what lies there is not where this one's files may be.
    subprocess.run(["umount", other.home], check=True)
    _work(world.home, "only here")


def _attached(world):
    world.apply()
    _work(world.home, "work")


def _unmounted(world):
    _attached(world)
    subprocess.run(["umount", world.home], check=True)


def _without_line(world):
    _attached(world)
    fstab.write(world.fstab, fstab.without_entry(fstab.read(world.fstab), world.home))


def _killed(world, scenario):
    """A run that was killed when it had done all its steps, so that all of them are to be undone."""
    last = ("after", step_names(scenario.action)[-1])
    child = os.fork()
    if child == 0:
        try:
            world.apply(checkpoint=lambda *at: at == last and os.kill(os.getpid(), signal.SIGKILL), **scenario.goal)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        raise AssertionError(f"{scenario.action} was not killed {last}")


def _work(home, name):
    """What a user does: one file more and one less, at a time that is the same in every world."""
    write(home, f"{name}/today", f"{name}, done by hand")
    os.unlink(os.path.join(home, "empty"))
    for path in (f"{name}/today", name, "."):
        full = os.path.join(home, path)
        os.lchown(full, UID, UID)
        os.utime(full, ns=(_WORKED_NS, _WORKED_NS))


@contextlib.contextmanager
def new_world(base: str, scenario: Scenario) -> Iterator[World]:
    """A world in which the scenario begins; afterwards nothing of it is left. ``base`` is the same for every world."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=0755,size={SIZE}", "tmpfs", base], check=True)
    share_mounts(base)
    try:
        share = os.path.join(base, "share")
        os.mkdir(share)
        mount_share(share)
        world = World(base, share)
        populate(world.home, hole=_HOLE)
        scenario.arrange(world)
        if scenario.undo:
            _killed(world, scenario)
        yield world
    finally:
        for mount in reversed(mountinfo.read()):
            if mount.path == base or mount.path.startswith(base + "/"):
                subprocess.run(["umount", "--lazy", mount.path], check=True)


def reference(base: str, scenario: Scenario) -> Reference:
    """Let the scenario run undisturbed."""
    with new_world(base, scenario) as world:
        calls = tracer.run(functools.partial(scenario.act, world))
        acted = state_of(world)
        world.apply(**scenario.goal)
        return Reference(tuple(calls), acted, state_of(world), tree_of(world.share))


def state_of(world: World) -> State:
    """What there is now."""
    trees = [manifest.build(top, digest=True) for top in (world.homes, world.share)]
    return State(
        tree=tree_of(world.home),
        mounted=world.mount() is not None,
        fstab=fstab.read(world.fstab),
        names=tuple(sorted(os.listdir(world.homes))),
        content=frozenset(digest for tree in trees for digest in digests(tree)),
        left=tuple(leftovers(world)),
    )


def tree_of(path: str) -> dict:
    """The manifest of a home."""
    return comparable(manifest.build(path, exclude=seed.OURS, digest=True))


def login_problems(world: World) -> list[str]:
    """Why sshd with StrictModes would not let the user in with the key, or nothing."""
    user = users.lookup(USER)
    try:
        problems = []
        for path in ("", keys.DIRECTORY, f"{keys.DIRECTORY}/{keys.FILE}"):
            status = os.stat(os.path.join(world.home, path))
            if status.st_uid not in (0, UID) or status.st_mode & 0o022:
                problems.append(f"{path or 'home'} has mode {stat.S_IMODE(status.st_mode):o}, owner {status.st_uid}")
        if KEY not in keys.read(user, world.home).decode():
            problems.append("the key is not among those of the home")
        return problems
    except (OSError, AzlinError) as error:
        return [str(error)]


def leftovers(world: World) -> list[str]:
    """What a transaction makes for itself and has to take away."""
    found = _names(world.host.run_dir)
    for folder in (os.path.dirname(world.fstab), world.host.state_dir, world.homes):
        found += [name for name in _names(folder) if "azlin-" in name]
    found += [mount.path for mount in mountinfo.below(mountinfo.read(), world.base) if mount.path != world.home]
    if Journal(world.host.state_dir, USER).transaction is not None:
        found.append("an open journal")
    return found


def _names(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def try_point(base: str, name: str, ideal: Reference, number: int, undo: bool) -> Point:
    """Kill the action at its n-th call and look; missed if this time the action made fewer calls."""
    scenario = scenarios()[name]
    with new_world(base, scenario) as world:
        start = state_of(world)
        calls = tracer.run(functools.partial(scenario.act, world), stop_at=number)
        if len(calls) <= number:
            return Point(KIND, scenario.name, str(number), missed=True)
        point = Point(KIND, scenario.name, f"{number} {calls[number]}")
        try:
            look(world, point, start)
            if undo:
                world.apply("rolled_back")
                found = look(world, point, start)
                legal = (ideal.acted if scenario.undo else start, ideal.after)
                point.problems += [f"after the undo: {text}" for text in neither(*legal, found)]
            reach_goal(world, point, scenario, ideal, start)
        except Exception as error:  # whatever it is, the other points are still to be tried
            point.problems.append(f"{type(error).__name__}: {getattr(error, 'msg', error)}")
        return point


def reach_goal(world: World, point: Point, scenario: Scenario, ideal: Reference, start: State) -> None:
    """Run again, undisturbed, and compare with the undisturbed run."""
    world.apply(**scenario.goal)
    found = look(world, point, start)
    point.problems += [f"at the goal: {text}" for text in differences(ideal.after, found)]
    if ideal.after.mounted:
        compared = manifest.compare(ideal.share, tree_of(world.share))
        point.problems += [f"on the share: {text}" for text in compared]
    if world.apply(**scenario.goal)["changed"]:
        point.problems.append("the same once more changed something")


def look(world: World, point: Point, start: State) -> State:
    """Note who is locked out and what is lost right now, and return the state."""
    found = state_of(world)
    point.locked_out += login_problems(world)
    point.lost += lost(start, found)
    return found


class Workers:
    """Processes with mounts of their own that try points, as many at once as there are of them."""

    def __init__(self) -> None:
        self._held = contextlib.ExitStack()
        self._base = self._held.enter_context(tempfile.TemporaryDirectory(prefix="azlin-faults-", dir="/var/tmp"))
        os.chmod(self._base, 0o755)
        fork = multiprocessing.get_context("fork")
        self._pool = ProcessPoolExecutor(WORKERS, mp_context=fork, initializer=_begin_worker)
        self._held.enter_context(self._pool)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *details: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._held.__exit__(*details)

    def references(self, names: Iterable[str]) -> dict[str, Reference]:
        """The undisturbed runs of scenarios."""
        begun = {name: self._pool.submit(_reference_of, self._base, name) for name in names}
        return {name: running.result() for name, running in begun.items()}

    def each(self, function: Callable[..., Point], jobs: Iterable[tuple]) -> Iterator[Point]:
        """Call a function with the base directory and the values of each job, and return the points it makes."""
        for running in [self._pool.submit(function, self._base, *job) for job in jobs]:
            yield running.result()


def run(workers: Workers, names: Iterable[str], most: int | None) -> Iterator[Point]:
    """Try the points of some scenarios, ``most`` of each, evenly spread; all of them if None."""
    ideals = workers.references(names)
    jobs = [
        (name, ideal, number, bool(place % 2))
        for name, ideal in ideals.items()
        for place, number in enumerate(spread(len(ideal.calls), most))
    ]
    yield from workers.each(try_point, jobs)


def spread(total: int, most: int | None) -> list[int]:
    """At most ``most`` numbers below ``total``, evenly spread and always the same."""
    if most is None or most >= total:
        return list(range(total))
    return [place * total // most for place in range(most)]


def chosen(known: Iterable[str], wanted: list[str] | None) -> list[str]:
    """The known actions that are wanted."""
    return [name for name in known if not wanted or name in wanted]


def some(listed: list, most: int | None) -> list:
    """At most so many of them, evenly spread."""
    return [listed[place] for place in spread(len(listed), most)]


def _begin_worker():
    # The mounts of a worker end with it.
    contextlib.ExitStack().enter_context(private_mounts())


def _reference_of(base, name):
    return reference(base, scenarios()[name])
