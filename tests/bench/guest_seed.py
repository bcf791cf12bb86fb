# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of the benchmark that runs on a host of the lab, as root: makes homes and times one copy of one."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

USER = 1000
# Files of a directory, and of the two levels above it how many there are: a few projects with packages.
FILES = (1, 2, 4, 8, 8, 12, 20)
PROJECTS, PACKAGES = 16, 12


def make_home(path, count):
    """A developer's home: small files, log-normal in size (median 1.5 kB), few in each directory."""
    chance = random.Random(1)
    block = chance.randbytes(1 << 18)
    made = number = 0
    while made < count:
        place = os.path.join(
            path, f"project{number % PROJECTS}", f"package{number // PROJECTS % PACKAGES}", f"d{number}"
        )
        os.makedirs(place)
        number += 1
        for index in range(min(count - made, chance.choice(FILES))):
            start = chance.randrange(1 << 10)
            with open(os.path.join(place, f"file{index}.py"), "wb") as stream:
                stream.write(block[start : start + min(200_000, int(chance.lognormvariate(7.3, 1.4)))])
            made += 1
        os.symlink("file0.py", os.path.join(place, "latest"))
    for top, _names, others in os.walk(path):
        for name in [".", *others]:
            os.chown(os.path.join(top, name), USER, USER, follow_symlinks=False)


def make_large(path, mebibytes):
    """A home of one file without holes."""
    os.makedirs(path)
    block = random.Random(2).randbytes(1 << 20)
    with open(os.path.join(path, "large.img"), "wb") as stream:
        for number in range(mebibytes):
            stream.write(number.to_bytes(8, "big") + block[8:])
    for name in (".", "large.img"):
        os.chown(os.path.join(path, name), USER, USER)


def commands(tool, source, target, jobs):
    """The commands that together copy ``source`` to ``target`` with a tool."""
    rsync = ["rsync", "-aHS", "--numeric-ids"]
    if tool == "rsync":
        return [[*rsync, f"{source}/", f"{target}/"]]
    if tool == "cp":
        return [["cp", "-a", f"{source}/.", f"{target}/"]]
    if tool == "fpsync":
        # As many parts as there are processes, twice over, so that they end together. It refuses -a, which recurses.
        part = str(max(1, count_names(source) // jobs // 2))
        options = "-lptgoDHS --numeric-ids"
        return [["fpsync", "-n", str(jobs), "-f", part, "-o", options, f"{source}/", f"{target}/"]]
    if tool == "rsyncs":
        packages = [f"{one}/{two}" for one in os.listdir(source) for two in os.listdir(os.path.join(source, one))]
        split = [packages[number::jobs] for number in range(jobs)]
        return [
            [*rsync, "--relative", *(f"{source}/./{name}" for name in part), f"{target}/"] for part in split if part
        ]
    raise SystemExit(f"unknown tool {tool}")


def count_names(path):
    """Files, directories and links below a path."""
    return sum(len(names) + len(others) for _top, names, others in os.walk(path))


def copy_by_ours(source, target):
    """The product's copier in a process of its own, as any tool; prints how much memory it took."""
    from ansible_collections.azlin.storage.plugins.module_utils._home import copier

    report = copier.Copier(source, target).run()
    later = copier.Copier(source, target, since=report.memory)
    started = time.monotonic()
    later.run()
    again = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"files": report.files, "unstable": len(report.unstable), "again": again, "peak_mib": peak}))


def sync(path):
    """All of a file system is on the server, or on the disk."""
    handle = os.open(path, os.O_RDONLY)
    if ctypes.CDLL(None).syncfs(handle) != 0:
        raise SystemExit(f"syncfs of {path} failed")
    os.close(handle)


def outputs_of(running, limit):
    """(output, errors) of each process, or None where not all are done in so many seconds: then they are ended."""
    deadline = None if limit is None else time.monotonic() + limit
    try:
        return [process.communicate(timeout=deadline and deadline - time.monotonic()) for process in running]
    except subprocess.TimeoutExpired:
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return None


def measure(tool, source, target, jobs, limit):
    """Time one copy, from the first process to the last byte on the server, or as far as it comes in the time limit."""
    os.makedirs(target)
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as stream:
        stream.write("3")
    ours = [sys.executable, os.path.abspath(__file__), "ours", source, target]
    argvs = [ours] if tool == "ours" else commands(tool, source, target, jobs)
    started = time.monotonic()
    # Errors are shown only of a tool that fails: fpsync complains in each run that it has no terminal.
    kept = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = [subprocess.Popen(argv, start_new_session=True, **kept) for argv in argvs]
    outputs = outputs_of(running, limit)
    if outputs is None:
        print(json.dumps({"seconds": time.monotonic() - started, "ended": True}))
        return
    sync(target)
    seconds = time.monotonic() - started
    statuses = [process.returncode for process in running]
    if any(statuses):
        raise SystemExit(f"{tool} ended with {statuses}: {outputs}")
    details = json.loads(outputs[0][0]) if tool == "ours" else {}
    # The second pass is no part of a copy.
    print(json.dumps({"seconds": seconds - details.get("again", 0), "ended": False, **details}))


def main():
    action, *arguments = sys.argv[1:]
    if action == "home":
        make_home(arguments[0], int(arguments[1]))
    elif action == "large":
        make_large(arguments[0], int(arguments[1]))
    elif action == "ours":
        copy_by_ours(*arguments)
    else:
        tool, source, target, jobs, limit = arguments
        measure(tool, source, target, int(jobs), float(limit) or None)


if __name__ == "__main__":
    main()
