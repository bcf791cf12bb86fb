# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The QEMU command line of a guest; the same for the snapshot and for every host restored from it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import platform
import signal
import tempfile
import time

from lab.errors import LabError
from lab.hosts.channels import ask_agent
from lab.paths import CACHE_DIR
from lab.processes import alive, end, run, spawn
from lab.recipe import exclusive

BINARY = "qemu-system-x86_64"
MEMORY_MIB = 512
# Left alone, translated code grows to a gigabyte a guest, twice the guest's own memory.
TCG = ("-accel", "tcg,thread=multi,tb-size=256", "-cpu", "Haswell-noTSX")
KVM = ("-accel", "kvm", "-cpu", "host")
# An emulated processor that has to wait for a real one fails the kernel's test of the timer, which then panics.
CMDLINE = "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet mitigations=off random.trust_cpu=on no_timer_check"
# A machine on which KVM works shows the kernel's first line at once and is up in seconds.
KVM_FIRST_LINE_SECONDS = 15
KVM_BOOT_SECONDS = 90


@dataclasses.dataclass(frozen=True)
class Vm:
    """One QEMU process: its files and sockets. ``tap`` is None for a guest without a network behind its card.

    ``kernel``: options for the guest's kernel, besides those of all.
    """

    folder: pathlib.Path
    run: pathlib.Path
    image: pathlib.Path
    mac: str = "52:54:00:00:00:01"
    tap: str | None = None
    kernel: str = ""

    @property
    def record(self) -> pathlib.Path:
        """Record of the process."""
        return self.folder / "qemu.json"

    @property
    def disk(self) -> pathlib.Path:
        """The disk of this guest, an overlay on the base image."""
        return self.folder / "disk.qcow2"

    @property
    def console(self) -> pathlib.Path:
        """What the guest writes on its console."""
        return self.folder / "console.log"

    @property
    def qmp(self) -> pathlib.Path:
        """Socket of the monitor."""
        return self.run / "qmp"

    @property
    def agent(self) -> pathlib.Path:
        """Socket of the agent in the guest."""
        return self.run / "agent"

    def argv(self, accel: tuple[str, ...], extra: tuple[str, ...] = ()) -> list[str]:
        """The command; option order and devices must never differ between saving and restoring a snapshot.

        ``cache=unsafe`` still hands every flush of the guest to the host's page cache, which survives the end
        of QEMU: what the guest has synced outlives a power cut of the guest, what it has not is lost.
        """
        network = f"tap,id=n0,ifname={self.tap},script=no,downscript=no" if self.tap else "hubport,id=n0,hubid=0"
        return [
            BINARY,
            "-name",
            self.folder.name,
            "-machine",
            "pc",
            *accel,
            "-smp",
            "1",
            "-m",
            str(MEMORY_MIB),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-rtc",
            "base=utc",
            "-kernel",
            str(self.image / "vmlinuz"),
            "-initrd",
            str(self.image / "initrd"),
            "-append",
            f"{CMDLINE} {self.kernel}".rstrip(),
            "-drive",
            f"file={escape(self.disk)},if=none,id=d0,format=qcow2,cache=unsafe",
            "-device",
            "virtio-blk-pci,drive=d0",
            "-netdev",
            network,
            "-device",
            f"virtio-net-pci,netdev=n0,mac={self.mac},romfile=",
            "-device",
            "virtio-rng-pci",
            "-chardev",
            f"file,id=console,path={escape(self.console)}",
            "-serial",
            "chardev:console",
            "-chardev",
            f"socket,id=agent,path={self.agent},server=on,wait=off",
            "-serial",
            "chardev:agent",
            "-qmp",
            f"unix:{self.qmp},server=on,wait=off",
            *extra,
        ]

    def launch(self, accel: tuple[str, ...], extra: tuple[str, ...] = (), enter: tuple[str, ...] = ()) -> None:
        """Start QEMU (inside what ``enter`` enters) and wait until its sockets are there."""
        self.run.mkdir(parents=True, exist_ok=True)
        for path in (self.qmp, self.agent, self.console):
            path.unlink(missing_ok=True)
        log = self.folder / "qemu.log"
        log.unlink(missing_ok=True)
        process = spawn(self.record, [*enter, *self.argv(accel, extra)], log)
        deadline = time.monotonic() + 120
        while not (self.qmp.exists() and self.agent.exists()):
            if process.poll() is not None or time.monotonic() > deadline:
                end(self.record, how=signal.SIGKILL)
                raise LabError(f"QEMU does not start: {log.read_text(errors='replace').strip()[-2000:]}")
            time.sleep(0.02)

    def running(self) -> bool:
        """Whether this guest's QEMU runs."""
        return alive(self.record) is not None

    def kill(self) -> None:
        """Cut the power."""
        end(self.record, how=signal.SIGKILL)

    def wait_booted(self, timeout: float, old_boot: str | None = None) -> str:
        """Wait until systemd has finished starting and return the id of the boot, another one than ``old_boot``."""
        deadline = time.monotonic() + timeout
        while True:
            if not self.running():
                raise LabError(f"{self.folder.name} ended while it booted: {self.last_words()}")
            if time.monotonic() > deadline:
                raise LabError(f"{self.folder.name} did not boot within {timeout:.0f} s: {self.last_words()}")
            try:
                report = ask_agent(self.agent, "report", timeout=5)
            except LabError:
                time.sleep(0.2)
                continue
            if report["state"] in ("running", "degraded") and report["boot_id"] != old_boot:
                return report["boot_id"]
            time.sleep(0.2)

    def last_words(self) -> str:
        """The end of QEMU's own output and of the guest's console."""
        texts = (path.read_text(errors="replace") for path in (self.folder / "qemu.log", self.console) if path.exists())
        return " | ".join(text.strip()[-400:] for text in texts if text.strip()) or "no output"


def escape(path: pathlib.Path) -> str:
    """QEMU separates suboptions by commas and takes a doubled one as part of the value."""
    return str(path).replace(",", ",,")


def version() -> str:
    """QEMU's version: a snapshot is loaded only by the one that saved it."""
    return run([BINARY, "--version"]).splitlines()[0]


def acceleration(image: pathlib.Path) -> tuple[str, ...]:
    """KVM if a guest really boots under it, else emulation; the verdict is remembered for this kernel."""
    if not pathlib.Path("/dev/kvm").exists():
        return TCG
    verdicts = CACHE_DIR / "kvm.json"
    key = f"{platform.release()} {version()}"
    with exclusive("kvm"):
        known = json.loads(verdicts.read_text()) if verdicts.exists() else {}
        if key not in known:
            known[key] = kvm_boots(image)
            verdicts.write_text(json.dumps(known))
    return KVM if known[key] else TCG


def kvm_boots(image: pathlib.Path) -> bool:
    """Boot the image once under KVM and throw the disk away."""
    with tempfile.TemporaryDirectory(prefix="azlin-lab-kvm-", dir="/run") as folder:
        vm = Vm(pathlib.Path(folder), pathlib.Path(folder), image)
        overlay(image / "base.qcow2", vm.disk)
        try:
            vm.launch((*KVM, "-snapshot"))
            deadline = time.monotonic() + KVM_FIRST_LINE_SECONDS
            while not vm.console.stat().st_size:
                if not vm.running() or time.monotonic() > deadline:
                    return False
                time.sleep(0.1)
            vm.wait_booted(KVM_BOOT_SECONDS)
        except LabError:
            return False
        finally:
            vm.kill()
    return True


def overlay(backing: pathlib.Path, target: pathlib.Path) -> None:
    """An empty disk on top of ``backing``."""
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(backing), str(target)])
