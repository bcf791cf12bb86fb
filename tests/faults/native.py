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
import dataclasses
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
    rescue,
    seed,
    users,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from tests.faults import tracer
from tests.faults.report import Point
from tests.faults.steps import step_names
from tests.unit.home.world import KEY, OTHER_KEY, UID, USER, World, mount_share, populate, private_mounts, write

WORKERS = 2
KIND = "kill"
_HOLE = 2 << 20
_WORKED_NS = 1700000000123456700


@dataclass(frozen=True)
class Scenario:
    """An action and the world it starts from.

    ``goal`` is what is wanted of ``World.apply``. With ``undo_of`` what is killed is not the way to the goal but the
    undo of that operation, which was killed itself when it had done all its steps.
    """

    name: str
    goal: dict
    arrange: Callable[[World], None] = lambda world: None
    undo_of: str | None = None

    def act(self, world: World) -> None:
        """What is to be killed."""
        world.apply(**({"state": "rolled_back"} if self.undo_of else self.goal))


@dataclass(frozen=True)
class State:
    """A legal state of a world."""

    tree: dict
    mounted: bool
    fstab: str
    names: tuple


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
        Scenario("attach", attached),
        Scenario("attach to a filled share", attached, _fill_share),
        Scenario("detach", detached, _attached),
        Scenario("detach_to_backup", back, _attached),
        Scenario("mount", attached, _unmounted),
        Scenario("persist", attached, _without_line),
        Scenario("undo of attach", attached, undo_of="attach"),
        Scenario("undo of detach", detached, _attached, undo_of="detach"),
        Scenario("undo of detach_to_backup", back, _attached, undo_of="detach_to_backup"),
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
    last = ("after", step_names(scenario.undo_of)[-1])
    child = os.fork()
    if child == 0:
        try:
            world.apply(checkpoint=lambda *at: at == last and os.kill(os.getpid(), signal.SIGKILL), **scenario.goal)
        finally:
            os._exit(1)
    if os.waitpid(child, 0)[1] != signal.SIGKILL:
        raise AssertionError(f"{scenario.undo_of} was not killed {last}")


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
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", base], check=True)
    try:
        share = os.path.join(base, "share")
        os.mkdir(share)
        mount_share(share)
        world = World(base, share)
        populate(world.home, hole=_HOLE)
        scenario.arrange(world)
        if scenario.undo_of:
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
    """What is compared."""
    return State(
        tree=tree_of(world.home),
        mounted=world.mount() is not None,
        fstab=fstab.read(world.fstab),
        names=tuple(sorted(os.listdir(world.homes) + os.listdir(os.path.dirname(world.fstab)))),
    )


def tree_of(path: str) -> dict:
    """The manifest of a home. Where keys are added the time is that of the run, which is not compared."""
    tree = manifest.build(path, exclude=seed.OURS, digest=True)
    for name in (keys.DIRECTORY, f"{keys.DIRECTORY}/{keys.FILE}"):
        if name in tree:
            tree[name] = dataclasses.replace(tree[name], mtime_ns=0)
    return tree


def differences(wanted: State, found: State) -> list[str]:
    """What distinguishes two states, in words."""
    texts = manifest.compare(wanted.tree, found.tree)
    for name in ("mounted", "fstab", "names"):
        if getattr(wanted, name) != getattr(found, name):
            texts.append(f"{name} is {getattr(found, name)!r}, not {getattr(wanted, name)!r}")
    return texts


def contents(world: World) -> set[str]:
    """The digests of all files in homes, backups and the share, but for keys and notes, which are merged and made."""
    found = set()
    for top in (world.homes, world.share):
        tree = manifest.build(top, digest=True)
        found |= {item.sha256 for path, item in tree.items() if item.size and not _made(path)}
    return found


def _made(path):
    return any(part in (keys.DIRECTORY, rescue.NOTE, seed.DIRECTORY) for part in path.split("/"))


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
    found = [f"{folder}/{name}" for folder in (world.host.run_dir,) for name in _names(folder)]
    found += [f"{world.homes}/{name}" for name in os.listdir(world.homes) if name.startswith(".")]
    for folder in (os.path.dirname(world.fstab), world.host.state_dir):
        found += [f"{folder}/{name}" for name in _names(folder) if name.endswith("azlin-new")]
    expected = (world.share, world.home)
    found += [
        f"mount {mount.path}"
        for mount in mountinfo.below(mountinfo.read(), os.path.dirname(world.base))
        if mount.path not in expected and not mount.path.startswith(world.home)
    ]
    if Journal(world.host.state_dir, USER).transaction is not None:
        found.append("the journal is not closed")
    return found


def _names(folder):
    return os.listdir(folder) if os.path.isdir(folder) else []


def try_point(base: str, scenario: Scenario, ideal: Reference, number: int, undo: bool) -> Point | None:
    """Kill the action at its n-th call and look; None if this time the action made fewer calls."""
    with new_world(base, scenario) as world:
        before = ideal.acted if scenario.undo_of else state_of(world)
        content = contents(world)
        calls = tracer.run(functools.partial(scenario.act, world), stop_at=number)
        if len(calls) <= number:
            return None
        point = Point(KIND, scenario.name, f"{number} {calls[number]}")
        try:
            _look(world, point, content)
            if undo:
                world.apply("rolled_back")
                point.problems += _neither(before, ideal.after, state_of(world))
                _look(world, point, content)
            _reach_goal(world, point, scenario, ideal)
            _look(world, point, content)
        except Exception as error:  # whatever it is, the other points are still to be tried
            point.problems.append(f"{type(error).__name__}: {getattr(error, 'msg', error)}")
        return point


def _look(world, point, content):
    point.locked_out += login_problems(world)
    missing = content - contents(world)
    if missing:
        point.lost.append(f"the content of {len(missing)} files is nowhere")


def _neither(before, after, found):
    wrong = [differences(state, found) for state in (before, after)]
    return [] if [] in wrong else [f"after the undo: {text}" for text in min(wrong, key=len)]


def _reach_goal(world, point, scenario, ideal):
    world.apply(**scenario.goal)
    point.problems += [f"at the goal: {text}" for text in differences(ideal.after, state_of(world))]
    if ideal.after.mounted:
        point.problems += [f"on the share: {text}" for text in manifest.compare(ideal.share, tree_of(world.share))]
    point.problems += [f"left behind: {name}" for name in leftovers(world)]
    if world.apply(**scenario.goal)["changed"]:
        point.problems.append("the same once more changed something")


def run(names: Iterable[str], most: int | None) -> Iterator[Point]:
    """Try the points of some scenarios, ``most`` of each, evenly spread; all of them if None."""
    with tempfile.TemporaryDirectory(prefix="azlin-faults-", dir="/var/tmp") as base:
        os.chmod(base, 0o755)
        fork = multiprocessing.get_context("fork")
        with ProcessPoolExecutor(WORKERS, mp_context=fork, initializer=_begin_worker) as pool:
            ideals = {name: pool.submit(_reference_of, base, name) for name in names}
            waiting = [
                pool.submit(_try, base, name, ideal.result(), number, bool(place % 2))
                for name, ideal in ideals.items()
                for place, number in enumerate(spread(len(ideal.result().calls), most))
            ]
            for future in waiting:
                point = future.result()
                if point is not None:
                    yield point


def spread(total: int, most: int | None) -> list[int]:
    """At most ``most`` numbers below ``total``, evenly spread and always the same."""
    if most is None or most >= total:
        return list(range(total))
    return [place * total // most for place in range(most)]


def _begin_worker():
    # The mounts of a worker end with it.
    contextlib.ExitStack().enter_context(private_mounts())


def _reference_of(base, name):
    return reference(base, scenarios()[name])


def _try(base, name, ideal, number, undo):
    return try_point(base, scenarios()[name], ideal, number, undo)
