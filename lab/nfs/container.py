# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container that runs NFS-Ganesha, in the lab's network."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import shutil

from lab.errors import LabError
from lab.mounts import unmount_below
from lab.net.namespace import listens
from lab.nfs.config import EXPORTS, PORT, RECOVERY
from lab.nfs.image import root_file_system
from lab.paths import LabPaths
from lab.processes import run, wait_for

START_SECONDS = 120
REMOVE_SECONDS = 60


def podman(paths: LabPaths) -> list[str]:
    """podman with storage of the lab's own; cgroupfs because a container host need not run systemd."""
    return [
        "podman",
        "--root",
        str(paths.state / "podman"),
        "--runroot",
        str(paths.run / "podman"),
        "--cgroup-manager",
        "cgroupfs",
        "--runtime",
        "runc",
        "--events-backend",
        "none",
    ]


def start(paths: LabPaths) -> None:
    """Start the server if it does not run, and wait until it accepts connections."""
    if running(paths):
        return
    remove(paths)
    config = paths.shares / "config"
    recovery = paths.shares / "recovery"
    recovery.mkdir(parents=True, exist_ok=True)
    run(
        [
            *podman(paths),
            "run",
            "--detach",
            "--name",
            paths.namespace,
            "--log-driver",
            "k8s-file",
            "--log-opt",
            f"path={paths.logs / 'ganesha.log'}",
            "--network",
            f"ns:{paths.netns}",
            "--no-hosts",
            "--security-opt",
            "apparmor=unconfined",
            "--security-opt",
            "seccomp=unconfined",
            "--cap-add",
            "DAC_READ_SEARCH,SYS_ADMIN",
            # podman's defaults are above the hard limits of small machines.
            "--ulimit",
            "nofile=8192:8192",
            "--ulimit",
            "nproc=4096:4096",
            "--volume",
            f"{config}:/config:ro",
            "--volume",
            f"{recovery}:{RECOVERY}",
            # Shares that are mounted later have to appear in the container too.
            "--volume",
            f"{paths.shares / 'exports'}:{EXPORTS}:rslave",
            "--rootfs",
            f"{root_file_system()}:O",
            "/usr/bin/ganesha.nfsd",
            "-F",
            "-L",
            "STDOUT",
            "-f",
            "/config/ganesha.conf",
            "-p",
            "/run/ganesha.pid",
        ]
    )
    wait_for(lambda: listens(paths, PORT) or not_dead(paths), START_SECONDS, "the start of the NFS server")


def not_dead(paths: LabPaths) -> None:
    """Raise with the server's last words if it has ended."""
    if not running(paths):
        log = paths.logs / "ganesha.log"
        words = log.read_text(errors="replace")[-1500:] if log.exists() else "no output"
        raise LabError(f"the NFS server ended while it started: {words}")


def running(paths: LabPaths) -> bool:
    """Whether the container runs."""
    return bool(pid(paths))


def pid(paths: LabPaths) -> int:
    """Process id of the server as this machine sees it; 0 if it does not run."""
    if not (paths.state / "podman").exists() or not shutil.which("podman"):
        return 0
    listed = run([*podman(paths), "ps", "--format", "json"])
    return next((each["Pid"] for each in json.loads(listed) if paths.namespace in each["Names"]), 0)


def signal_server(paths: LabPaths, name: str) -> None:
    """Send the server a signal."""
    run([*podman(paths), "kill", "--signal", name, paths.namespace])


def stop(paths: LabPaths) -> None:
    """Stop the server as on a planned outage: connections break, nobody answers any more."""
    if running(paths):
        run([*podman(paths), "stop", "--time", "10", paths.namespace])
    remove(paths)


def remove(paths: LabPaths) -> None:
    """Remove the container, running or not."""
    if (paths.state / "podman").exists() and shutil.which("podman"):
        run([*podman(paths), "rm", "--force", "--ignore", "--time", "0", paths.namespace])


def remove_storage(paths: LabPaths) -> None:
    """Remove container and storage of podman, with what it has left mounted."""
    remove(paths)
    # When a container has ended, podman is run once more to clean up, which mounts its storage again.
    wait_for(lambda: not _is_used(paths.state / "podman"), REMOVE_SECONDS, "podman's clean-up")
    for top in (paths.state / "podman", paths.run):
        unmount_below(top)
        shutil.rmtree(top, ignore_errors=True)


def _is_used(storage: pathlib.Path) -> bool:
    """Whether a process has a path as an argument of its own, as podman and what watches its containers do."""
    for arguments in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        # One that has ended meanwhile has none.
        with contextlib.suppress(OSError):
            if os.fsencode(storage) in arguments.read_bytes().split(b"\0"):
                return True
    return False
