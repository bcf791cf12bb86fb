# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power cuts on real guests with a share on real NFS: when the journal names a step, and after the last one.

The guest is killed where it stands and boots again. Nothing but the boot may be needed: the user logs in, and the
home is in one of the two legal states. Then every second point is told to roll back, and every point is run again
and must be where an undisturbed run ends.
"""

from __future__ import annotations

import contextlib
import queue
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from ansible_collections.azlin.storage.plugins.module_utils._home import manifest, seed
from lab.errors import LabError
from lab.paths import LabPaths
from tests.faults.guest import USER, Guest, Hangs, Storage
from tests.faults.native import chosen, some
from tests.faults.report import Point
from tests.faults.states import State, comparable, differences, digests, lost, neither
from tests.faults.steps import step_names

KIND = "power cut"
# A share that was not there in time at boot is mounted as soon as it is; this bounds the wait for that.
SETTLE_SECONDS = 60
CONFIRM_SECONDS = 120
GOALS = {
    "attach": {"state": "attached"},
    "detach": {"state": "detached"},
    "detach_to_backup": {"state": "detached", "copy_back": "none"},
}
# What settles a journal at boot is put in place by the first step of the first attach. Before that nothing has
# happened to the home, and the next run closes the journal.
LEFT_AFTER_BOOT = {("attach", "before", "guard"): ("an open journal",)}
# What ends one point, and must not end the others.
PROBLEMS = (AssertionError, Hangs, LabError, subprocess.SubprocessError)
Result = TypeVar("Result")


class Case:
    """A guest and a share of its own, in the state in which an action begins."""

    def __init__(self, guest: Guest, storage: Storage, action: str) -> None:
        self.guest = guest
        self.storage = storage
        self.goal = GOALS[action]
        self.share = storage.new_share()
        self.source = storage.source(self.share)
        guest.begin()
        if action != "attach":
            self.apply({"state": "attached"})
            guest.run("work")

    def request(self, goal: dict) -> dict:
        """A goal with what it needs besides."""
        wanted = dict(goal, confirm_timeout=CONFIRM_SECONDS)
        return dict(wanted, source=self.source) if goal["state"] == "attached" else wanted

    def apply(self, goal: dict) -> dict:
        """Let the product reach a goal, undisturbed."""
        result = checked(goal, self.guest.run("apply", **self.request(goal)))
        self.confirm(result)
        return result

    def confirm(self, result: dict) -> None:
        """Do what the controller does after a run that waits for it; every call counts as a login of its own."""
        if result.get("confirmation"):
            goal = {"state": "confirmed", "confirmation": result["confirmation"]["id"]}
            checked(goal, self.guest.run("apply", **goal))

    def state(self) -> State:
        """What is on the guest and on the share."""
        found = self.guest.run("look")
        homes = {name: _item(item) for name, item in found["homes"].items()}
        trees = (homes, self.share_tree())
        left = found["left"] + (["an open journal"] if found["journal"] else [])
        return State(
            tree=_without_link_times(comparable(_below(homes, USER))),
            mounted=found["mounted"] is not None,
            fstab=found["fstab"].replace(self.source, "SHARE"),
            names=tuple(found["names"]),
            content=frozenset(digest for tree in trees for digest in digests(tree)),
            left=tuple(left),
        )

    def squash(self, kind: str) -> None:
        """Change the squash of the share."""
        self.storage.set_squash(self.share, kind)

    def read_only(self, on: bool) -> None:
        """Take the right to write away, or give it back."""
        self.storage.set_read_only(self.share, on)

    def share_tree(self) -> dict:
        """The manifest of the share as the server has it."""
        tree = manifest.build(str(self.storage.folder(self.share)), exclude=seed.OURS, digest=True)
        return _without_link_times(comparable(tree))

    def close(self) -> None:
        """Give the guest and the share up."""
        self.guest.leave()
        self.storage.remove_share(self.share)


def _item(document):
    return manifest.Item(**dict(document, links=tuple(document["links"])))


def _below(homes, name):
    """The manifest of one home from that of the directory above it."""
    tree = {".": homes[name]}
    for path, item in homes.items():
        top, _slash, path = path.partition("/")
        if top == name and path and path.partition("/")[0] not in seed.OURS:
            tree[path] = replace(item, links=tuple(link.partition("/")[2] for link in item.links))
    return tree


def _without_link_times(tree):
    """The lab's server does not keep the time of a symbolic link itself."""
    return {name: replace(item, mtime_ns=0) if item.type == "symlink" else item for name, item in tree.items()}


def checked(goal: dict, result: dict) -> dict:
    """A result that is not a failure."""
    if "error_code" in result:
        raise AssertionError(f"{goal} failed: {result['error_code']}: {result['msg']}")
    return result


@dataclass(frozen=True)
class Reference:
    """Where an undisturbed run ends."""

    after: State
    share: dict


def reference(guest: Guest, storage: Storage, action: str) -> Reference:
    """Let an action run undisturbed."""
    case = Case(guest, storage, action)
    try:
        case.apply(case.goal)
        return Reference(case.state(), case.share_tree())
    finally:
        case.close()


def points(actions: list[str] | None, most: int | None) -> list[tuple[str, str, str]]:
    """Action, before or after, and step of the points, at most so many of each action.

    After a step is where the kills of native.py come too; only the name of the next one in the journal is missing.
    """
    listed = []
    for action in chosen(GOALS, actions):
        steps = step_names(action)
        cuts = [("before", step) for step in steps] + [("after", steps[-1])]
        listed += [(action, when, step) for when, step in some(cuts, most)]
    return listed


def try_point(guest: Guest, storage: Storage, action: str, stop: tuple, ideal: Reference, undo: bool) -> Point:
    """Cut the power at one place and see what becomes of it."""
    point = Point(KIND, action, " ".join(stop))
    try:
        with contextlib.closing(Case(guest, storage, action)) as case:
            _try(case, point, stop, ideal, undo)
    except PROBLEMS as error:
        point.problems.append(str(error))
    return point


def _try(case, point, stop, ideal, undo):
    start = case.state()
    running = case.guest.start("apply", stop=stop, **case.request(case.goal))
    try:
        told = running.answer()
        if "stopped" not in told:
            raise AssertionError(f"it did not come there: {told}")
        case.guest.cut_power()
    finally:
        running.end()
    case.guest.boot()
    _settle(case, point, replace(start, left=LEFT_AFTER_BOOT.get((point.action, *stop), ())), ideal)
    if undo:
        case.apply({"state": "rolled_back"})
        judge(case, point, start, "after the undo", lambda found: neither(start, ideal.after, found))
    reach_goal(case, point, start, ideal)


def _settle(case, point, start, ideal):
    """After the boot alone the home is in a legal state, at once or as soon as the share answers."""
    problem = case.guest.login_problem()
    if problem:
        point.locked_out.append(f"after the boot: {problem}")
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = case.state()
        wrong = neither(start, ideal.after, found)
        if not wrong or time.monotonic() > deadline:
            break
    point.lost += lost(start, found)
    point.problems += [f"after the boot: {text}" for text in wrong]


def reach_goal(case: Case, point: Point, start: State, ideal: Reference) -> None:
    """Run again, undisturbed, and compare with the undisturbed run."""
    case.apply(case.goal)
    judge(case, point, start, "at the goal", lambda found: differences(ideal.after, found))
    if ideal.after.mounted:
        point.problems += [f"on the share: {text}" for text in manifest.compare(ideal.share, case.share_tree())]
    if case.apply(case.goal)["changed"]:
        point.problems.append("the same once more changed something")


def judge(case: Case, point: Point, start: State, when: str, compare: Callable[[State], list[str]]) -> None:
    """Look at a guest and note everything that is wrong."""
    found = case.state()
    problem = case.guest.login_problem()
    if problem:
        point.locked_out.append(f"{when}: {problem}")
    point.lost += lost(start, found)
    point.problems += [f"{when}: {text}" for text in compare(found)]


def run(paths: LabPaths, hosts: list[str], wanted: list[tuple[str, str, str]]) -> Iterator[Point]:
    """Try these points."""
    with Guests(paths, hosts) as pool:
        ideals = pool.references(dict.fromkeys(action for action, _when, _step in wanted))
        jobs = [
            (action, (when, step), ideals[action], bool(number % 2))
            for number, (action, when, step) in enumerate(wanted)
        ]
        yield from pool.each(try_point, jobs)


class Guests:
    """Guests of a lab that try points, as many at once as there are of them."""

    def __init__(self, paths: LabPaths, hosts: list[str]) -> None:
        self._storage = Storage(paths)
        self._free: queue.SimpleQueue[Guest] = queue.SimpleQueue()
        for host in hosts:
            self._free.put(Guest(paths, host))
        self._pool = ThreadPoolExecutor(len(hosts))

    def __enter__(self) -> Guests:
        return self

    def __exit__(self, *_details: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._storage.remove()

    def references(self, actions: Iterable[str]) -> dict[str, Reference]:
        """The undisturbed runs of actions."""
        listed = list(actions)
        return dict(zip(listed, self.each(reference, [(action,) for action in listed]), strict=True))

    def each(self, function: Callable[..., Result], jobs: Iterable[tuple]) -> Iterator[Result]:
        """Call a function with a guest that is free, the storage and the values of each job."""

        def call(job):
            guest = self._free.get()
            try:
                return function(guest, self._storage, *job)
            finally:
                self._free.put(guest)

        yield from self._pool.map(call, jobs)
