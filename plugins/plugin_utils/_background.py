# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module that runs as a background job on a host: when to look at it, what to ask, what the answer means.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass

# Seconds between looks: a short run is hardly delayed, a long one is asked seldom.
_FIRST_LOOK = 0.3
_SLOWEST = 6.0
_ALIVE, _JOB, _PROGRESS, _END = (f"azlin-{mark}" for mark in ("alive", "job", "progress", "end"))
# Connections that start processes on the host without logging in.
_WITHOUT_LOGIN = {
    *("buildah", "chroot", "docker", "docker_api", "funcd", "incus", "jail", "kubectl", "local", "lxc", "lxd"),
    *("machinectl", "nsenter", "oc", "podman", "qubes", "run0", "saltstack", "zone"),
}
_JOB_ID = re.compile(r"(?:^|\basync_wrapper\S* )'?j(\d+)\b")


@dataclass(frozen=True)
class Look:
    """What a look at a job found: its result as text once there is one, and how far it is, if it tells."""

    alive: bool
    result: str | None
    progress: dict | None


def next_look(elapsed):
    """Seconds until the next look at a job that began ``elapsed`` seconds ago."""
    return min(_SLOWEST, _FIRST_LOOK + elapsed / 5)


def job_number(text):
    """The number in the id of a job, ``j583920184733.4711`` or in the command that starts it; None if there is none."""
    match = _JOB_ID.search(text)
    return match[1] if match else None


def look_command(directory, number, progress_file):
    """The shell command that answers what :func:`parse` reads: a few reads, and no interpreter to start.

    :param directory: where async_wrapper keeps the files of jobs.
    """
    # The command must not hold the id of the job as it stands: it looks for processes that do.
    return (
        f'id={number}; grep -qs "[j]$id" /proc/[0-9]*/cmdline && echo {_ALIVE}; '
        f"echo {_JOB}; cat {_job_file(directory)} 2>/dev/null; echo; "
        f"echo {_PROGRESS}; cat {shlex.quote(progress_file)} 2>/dev/null; echo; echo {_END}"
    )


def forget_command(directory, number):
    """The shell command that removes the file of a job that has ended."""
    return f"id={number}; rm -f {_job_file(directory)}"


def _job_file(directory):
    # The number of a process ends the name; what async_wrapper is still writing has another ending.
    return f'{shlex.quote(directory)}"/j$id."*[0-9]'


def parse(output):
    """Return the :class:`Look` in the output of the command, or None where it did not come to its end."""
    lines = [line.strip() for line in output.splitlines()]
    if not {_JOB, _PROGRESS, _END} <= set(lines):
        return None
    job = "\n".join(lines[lines.index(_JOB) + 1 : lines.index(_PROGRESS)]).strip()
    progress = "\n".join(lines[lines.index(_PROGRESS) + 1 : lines.index(_END)])
    return Look(
        alive=_ALIVE in lines[: lines.index(_JOB)],
        result=job if _is_result(job) else None,
        progress=_dict_of(progress),
    )


def _is_result(text):
    # Until the module has answered, the file only says that the job was started.
    document = _dict_of(text)
    return document is not None and "started" not in document


def _dict_of(text):
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def describe(progress, seconds):
    """One line on how far a job is that runs for ``seconds``.

    For example ``copying 1200/50000 files, 12 MiB of 340 MiB, 3.1 MiB/s, about 100 s left``.
    """
    if not progress or not progress.get("phase"):
        return f"at work for {seconds:.0f} s"
    parts = [progress["phase"]]
    if progress.get("files_total") is not None:
        parts[0] += f" {progress.get('files', 0)}/{progress['files_total']} files"
    elif progress.get("files"):
        parts[0] += f" {progress['files']} files"
    done, total = progress.get("bytes") or 0, progress.get("bytes_total")
    if total is not None:
        # Holes are not in the total, and count in files that were copied.
        parts.append(f"{in_units(min(done, total))} of {in_units(total)}")
    elif done:
        parts.append(in_units(done))
    if progress.get("bytes_per_second"):
        parts.append(f"{in_units(progress['bytes_per_second'])}/s")
    if progress.get("remaining_seconds") is not None:
        parts.append(f"about {progress['remaining_seconds']} s left")
    elif len(parts) == 1:
        parts.append(f"{seconds:.0f} s so far")
    return ", ".join(parts)


def in_units(size):
    """A number of bytes in the unit that keeps it short: ``340 MiB``, ``3.1 GiB``."""
    units = ("B", "KiB", "MiB", "GiB", "TiB")
    unit = 0
    while size >= 1024 and unit < len(units) - 1:
        size /= 1024
        unit += 1
    return f"{size:.1f} {units[unit]}" if unit and size < 10 else f"{size:.0f} {units[unit]}"


def has_login(transport):
    """Whether a connection logs in to the host, so that a new one proves that the user gets in."""
    return transport.rpartition(".")[2] not in _WITHOUT_LOGIN
