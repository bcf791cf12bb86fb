# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.faults``: every fault, or some, and the table."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from lab.hosts.machines import Hosts
from lab.paths import REPOSITORY, LabPaths
from tests.faults import guests, native, outages, surroundings
from tests.faults.report import Point, closing_line, good, missed_line, table

KINDS = ("kill", "full", "power", "outage")
TELL_SECONDS = 60
# Emulated guests take a processor each, but for most of an outage they wait.
GUESTS = 8


def main() -> int:
    """Try, print what is wrong as it is found, close with the table and the line that counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", action="append", choices=KINDS, help="only this kind (default: all)")
    parser.add_argument("--action", action="append", help="only this action (default: all)")
    parser.add_argument("--most", type=int, help="at most this many points of each action, evenly spread")
    parser.add_argument("--lab", type=LabPaths.of, help="a lab that runs, with hosts (default: one of its own)")
    options = parser.parse_args()
    points: list[Point] = []
    began = told = time.monotonic()
    for point in tried(options):
        points.append(point)
        if time.monotonic() - told > TELL_SECONDS:
            told = time.monotonic()
            print(f"{len(points)} points after {told - began:.0f} s", flush=True)
        for line in point.lines():
            print(line, flush=True)
    took = f"{time.monotonic() - began:.0f} s"
    print("\n".join(["", *table(points), "", took, missed_line(points), closing_line(points)]), flush=True)
    return 0 if good(points) else 1


def tried(options: argparse.Namespace) -> Iterator[Point]:
    """The points of everything that was asked for."""
    kinds = options.kind or KINDS
    with native.Workers() as workers:
        if "kill" in kinds:
            yield from native.run(workers, native.chosen(native.scenarios(), options.action), options.most)
        if "full" in kinds:
            yield from surroundings.run(workers, surroundings.points(options.action, options.most))
    if {"power", "outage"} & set(kinds):
        with lab(options.lab) as paths:
            hosts = Hosts(paths).names()[:GUESTS]
            if "power" in kinds:
                # Booting takes all of a processor.
                yield from guests.run(paths, hosts[: os.cpu_count()], guests.points(options.action, options.most))
            if "outage" in kinds:
                yield from outages.run(paths, hosts, outages.points(options.action, options.most))


@contextlib.contextmanager
def lab(paths: LabPaths | None) -> Iterator[LabPaths]:
    """The lab that was named, or one for this run alone."""
    if paths is not None:
        yield paths
        return
    with tempfile.TemporaryDirectory(prefix="azlin-faults-lab-", dir="/var/tmp") as folder:
        state = os.path.join(folder, "lab")
        command = [sys.executable, "-m", "lab", "--state-dir", state]
        try:
            subprocess.run(
                [*command, "up", "--hosts", str(GUESTS)], check=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL
            )
            yield LabPaths.of(state)
        finally:
            subprocess.run([*command, "down"], check=True, cwd=REPOSITORY, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
