# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start background processes, and end only those that provably are the ones that were started."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

from lab.errors import LabError


def run(argv: list[str], *, timeout: float = 600, input_text: str | None = None, check: bool = True) -> str:
    """Run a command to its end and return its standard output; raise LabError with its error output."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, input=input_text, check=False)
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"{' '.join(argv)} did not end within {timeout:.0f} s") from error
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(argv)} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def wait_for(condition, timeout: float, what: str):
    """Call ``condition`` until it returns something true, and return that; LabError after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError(f"{what} did not happen within {timeout:.0f} s")
        time.sleep(0.05)


def start_time(pid: int) -> int | None:
    """Start time of a living process in clock ticks since boot (proc(5), stat field 22); None if it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def spawn(
    record: pathlib.Path,
    argv: list[str],
    log: pathlib.Path,
    *,
    cwd: pathlib.Path | None = None,
    env: dict[str, str] | None = None,
) -> subprocess.Popen:
    """Start a process in a session of its own and remember it in ``record``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=cwd, env=env, start_new_session=True
        )
    record.write_text(json.dumps({"pid": process.pid, "start_time": start_time(process.pid), "argv": argv}))
    return process


def alive(record: pathlib.Path) -> int | None:
    """The process id in ``record`` if exactly that process still runs."""
    try:
        remembered = json.loads(record.read_text())
    except (OSError, ValueError):
        return None
    pid = remembered["pid"]
    started = start_time(pid)
    return pid if started is not None and started == remembered["start_time"] else None


def end(record: pathlib.Path, *, how: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
    """End the process in ``record``, by force after ``patience`` seconds, and forget it."""
    pid = alive(record)
    if pid is not None:
        end_pid(pid, how=how, patience=patience)
    record.unlink(missing_ok=True)


def end_pid(pid: int, *, how: signal.Signals = signal.SIGTERM, patience: float = 20) -> None:
    """End a process that is known to be the lab's, by force after ``patience`` seconds."""
    started = start_time(pid)
    for sign, limit in ((how, patience), (signal.SIGKILL, 60)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + limit
        while started is not None and start_time(pid) == started:
            reap(pid)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return
    raise LabError(f"process {pid} cannot be ended")


def reap(pid: int) -> None:
    """Collect the exit status of a child of this process, so that it does not stay as a zombie."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
