# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The snapshot that every host starts from: the image booted once, saved with its memory."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

from lab.hosts.channels import ask_agent, human_monitor, monitor
from lab.hosts.qemu import Vm, overlay, version
from lab.processes import run
from lab.recipe import cached, digest

SNAPSHOT = "ready"
# A full boot takes half a minute, and ten times that when the neighbours are busy.
BOOT_SECONDS = 900


def golden_disk(image: pathlib.Path, accel: tuple[str, ...]) -> pathlib.Path:
    """The disk that holds the snapshot."""
    nowhere = pathlib.Path("/nonexistent")
    shape = Vm(nowhere, nowhere, pathlib.Path(image.name)).argv(accel)
    key = digest(image.name, version(), shape, pathlib.Path(__file__))
    return cached("golden", key, lambda folder: build(folder, image, accel)) / "disk.qcow2"


def build(folder: pathlib.Path, image: pathlib.Path, accel: tuple[str, ...]) -> None:
    """Boot the image, let it settle, save disk and memory."""
    with tempfile.TemporaryDirectory(prefix="azlin-lab-golden-", dir="/run") as sockets:
        vm = Vm(folder, pathlib.Path(sockets), image)
        overlay(image / "base.qcow2", vm.disk)
        vm.launch(accel)
        try:
            vm.wait_booted(BOOT_SECONDS)
            ask_agent(vm.agent, "warm-up", timeout=300)
            monitor(vm.qmp, "stop")
            human_monitor(vm.qmp, f"savevm {SNAPSHOT}")
        finally:
            vm.kill()


def copy_disk(golden: pathlib.Path, image: pathlib.Path, target: pathlib.Path) -> None:
    """Give one host its own disk; the backing file is named anew because the cache may have been moved."""
    unfinished = target.with_suffix(".new")
    run(["cp", "--reflink=auto", "--sparse=always", str(golden), str(unfinished)])
    run(["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", str(image / "base.qcow2"), str(unfinished)])
    shutil.move(unfinished, target)
