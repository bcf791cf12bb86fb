# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real guests whose server or rights on the share go away before a step, and come back later.

While the server is away, a home that is local must be usable by a fresh login, and in a legal state; one that is on
the share waits for it. When all is well again the same run reaches the goal.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab import services
from lab.hosts.machines import Hosts
from lab.nfs import container
from lab.paths import LabPaths
from tests.faults import guests
from tests.faults.guest import ACCOUNT, Guest, Hangs, Storage
from tests.faults.native import chosen, some
from tests.faults.report import Point
from tests.faults.states import neither
from tests.faults.steps import step_names

MOUNT_SECONDS = 90
# Longer than the time limit of a mount.
CUT_SECONDS = 110
# While the home can be used a run waits longer for its server than this, which would take the points many minutes.
SILENT_SECONDS = 200
# A run that the server leaves waiting ends itself before, and its guard brings the home back.
END_SECONDS = 400
# Until all guests of a common fault have come to their steps, or have coped.
MEETING_SECONDS = 1800


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong around a guest.

    ``cut``: the guest cannot be reached meanwhile, so that it has to notice by itself. ``common``: it happens to all
    guests, so that it begins and ends for all of them at once.
    """

    kind: str
    begin: Callable[[guests.Case], None]
    end: Callable[[guests.Case], None]
    cut: bool = False
    common: bool = False


class Lasting:
    """A fault while it lasts: for the points of some guests together, each of which is at its step when it begins."""

    def __init__(self, fault: Fault, parties: int) -> None:
        self.fault = fault
        self._case: guests.Case | None = None
        self._begin = threading.Barrier(parties, lambda: fault.begin(self._case), MEETING_SECONDS)
        self._end = threading.Barrier(parties, lambda: fault.end(self._case), MEETING_SECONDS)

    @contextlib.contextmanager
    def during(self, case: guests.Case) -> Iterator[None]:
        """Wait until all are there, and at the end until all have coped."""
        self._case = case
        self._begin.wait()
        try:
            yield
        finally:
            self._end.wait()

    def give_up(self) -> None:
        """Keep no other point waiting for one that does not come to its step."""
        self._begin.abort()


def faults(paths: LabPaths) -> dict[str, Fault]:
    """All of them."""
    hosts = Hosts(paths)
    listed = (
        Fault("network", lambda case: hosts.cut(case.guest.name), lambda case: case.guest.reconnect(), cut=True),
        Fault("server", lambda _case: container.stop(paths), lambda _case: services.start_nfs(paths), common=True),
        Fault("root squash", lambda case: case.squash("RootSquash"), lambda case: case.squash("NoRootSquash")),
        Fault("all squash", lambda case: case.squash("AllSquash"), lambda case: case.squash("NoRootSquash")),
        Fault("read only", lambda case: case.read_only(True), lambda case: case.read_only(False)),
    )
    return {fault.kind: fault for fault in listed}


KINDS = ("network", "server", "root squash", "all squash", "read only")


def points(actions: list[str] | None, most: int | None) -> list[tuple[str, str, str]]:
    """Kind, action and step of the points, at most so many of each kind and action."""
    return [
        (kind, action, step)
        for kind in KINDS
        for action in chosen(guests.GOALS, actions)
        for step in some(step_names(action), most)
    ]


def try_point(
    guest: Guest, storage: Storage, lasting: Lasting, action: str, step: str, ideal: guests.Reference
) -> Point:
    """Let it go wrong before a step, see how the run copes, and make all well again."""
    point = Point(lasting.fault.kind, action, step)
    try:
        with contextlib.closing(guests.Case(guest, storage, action)) as case:
            _try(case, point, lasting, ideal)
    except threading.BrokenBarrierError:
        point.problems.append("it was not tried, since another guest did not come to its step")
    except guests.PROBLEMS as error:
        point.problems.append(str(error))
    finally:
        lasting.give_up()
    return point


def _try(case, point, lasting, ideal):
    fault = lasting.fault
    start = case.state()
    away = f"{ACCOUNT}.file.core.lab.test" if fault.cut else None
    limits = {"mount_seconds": MOUNT_SECONDS, "silent_seconds": SILENT_SECONDS}
    fragile = {"stop": ("before", point.place), "until_away": away, **limits}
    running = case.guest.start("apply", **fragile, **case.request(case.goal))
    try:
        told = running.answer()
        if "stopped" not in told:
            raise AssertionError(f"it did not come there: {told}")
        with lasting.during(case):
            _cope(case, point, fault, running, start, ideal)
    finally:
        running.end()
    _settle(case)
    guests.reach_goal(case, point, start, ideal)


def _cope(case, point, fault, running, start, ideal):
    if fault.cut:
        # Nothing can be seen from here until the guest is back.
        time.sleep(CUT_SECONDS)
        return
    running.tell()
    try:
        told = running.answer(END_SECONDS)
    except Hangs:
        told = {"error_code": "hangs"}
    if told.get("error_code") == "rollback_failed":
        point.problems.append(told["msg"])
    if _where(case, told)["mounted"] is None:
        # Not on the share: whatever is wrong with that, the user can work.
        case.confirm(told)
        guests.judge(case, point, start, fault.kind, lambda found: neither(start, ideal.after, found))


def _where(case, told):
    """Where the home is; after a run that was ended for hanging, where its guard has put it."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        found = case.guest.run("mounted")
        if told.get("error_code") != "hangs" or not found["moving"] or time.monotonic() > deadline:
            return found
        time.sleep(1)


def _settle(case):
    """Let a run that was waiting, and its guard, come to their end: whoever asks for the same waits for them."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        told = case.guest.run("apply", **case.request(case.goal))
        if told.get("error_code") != "journal_conflict" or time.monotonic() > deadline:
            return


def run(paths: LabPaths, hosts: list[str], wanted: list[tuple[str, str, str]]) -> Iterator[Point]:
    """Try these points: faults of one guest on all guests independently, common ones on all of them together."""
    known = faults(paths)
    with guests.Guests(paths, hosts) as pool:
        ideals = pool.references(dict.fromkeys(action for _kind, action, _step in wanted))
        for common in (False, True):
            points = [point for point in wanted if known[point[0]].common == common]
            jobs = []
            for meeting in batches(points, len(hosts) if common else 1):
                lasting = Lasting(known[meeting[0][0]], len(meeting))
                jobs += [(lasting, action, step, ideals[action]) for _kind, action, step in meeting]
            yield from pool.each(try_point, jobs)


def batches(listed: list, size: int) -> list[list]:
    """A list in pieces of a size."""
    return [listed[place : place + size] for place in range(0, len(listed), size)]
