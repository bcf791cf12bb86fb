# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosts of a lab: start, stop, kill, reboot, reset, cut and restore."""

from __future__ import annotations

import concurrent.futures
import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import time
import typing

from lab.errors import LabError
from lab.hosts.addresses import address_of, mac_of, number_of
from lab.hosts.channels import ask_agent, human_monitor
from lab.hosts.cloud_image import cloud_image, make_disk, seed
from lab.hosts.golden import SNAPSHOT, copy_disk, golden_disk
from lab.hosts.guest.guest_agent import HOST_KEY, STORE
from lab.hosts.image import base_image
from lab.hosts.qemu import Vm, acceleration
from lab.hosts.ssh import public_key, wait_for_login
from lab.net import namespace
from lab.paths import LabPaths
from lab.processes import wait_for

COLD_BOOT_SECONDS = 900
SHUTDOWN_SECONDS = 300
RESTORE_SECONDS = 300


def images() -> tuple[pathlib.Path, pathlib.Path]:
    """Folder of the guests' image and the disk with the snapshot, both from the cache or made now."""
    image = base_image()
    return image, golden_disk(image, acceleration(image))


class Hosts:
    """The hosts of one lab; an operation on several of them runs on all at once."""

    def __init__(self, paths: LabPaths) -> None:
        self.paths = paths

    def vm(self, name: str) -> Vm:
        """The QEMU side of a host; it keeps the image that it was made from when the recipe changes."""
        folder = self.paths.host(name)
        image = pathlib.Path((folder / "image").read_text())
        options = folder / "kernel"
        kernel = options.read_text() if options.exists() else ""
        return Vm(folder, self.paths.run / name, image, mac_of(name), tap=name, kernel=kernel)

    def names(self) -> list[str]:
        """The hosts that exist, in order."""
        folder = self.paths.state / "hosts"
        found = [path.name for path in folder.iterdir() if (path / "disk.qcow2").exists()] if folder.exists() else []
        return sorted(found, key=number_of)

    def each(self, names: typing.Sequence[str], operation: typing.Callable[[str], object]) -> None:
        """Run ``operation`` on all named hosts at once; the first error of any of them is raised at the end."""
        known = self.names()
        for name in names:
            if name not in known:
                raise LabError(f"there is no host {name!r} in this lab; it has: {', '.join(known) or 'none'}")
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(len(names), 1)) as pool:
            for running in [pool.submit(operation, name) for name in names]:
                running.result()

    def prepare(self, names: typing.Sequence[str]) -> None:
        """Give new hosts their disk; the snapshot is made first if the cache does not hold it."""
        missing = [name for name in names if name not in self.names()]
        if not missing:
            return
        image, golden = images()
        for name in missing:
            folder = self.paths.host(name)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "image").write_text(str(image))
            copy_disk(golden, image, folder / "disk.qcow2")

    def provision(self, name: str, user_data: str, kernel: str = "") -> None:
        """Start a new host from the image with cloud-init; as in a cloud, its first boot is not waited for."""
        self.remove(name)
        image, folder = cloud_image(), self.paths.host(name)
        folder.mkdir(parents=True)
        (folder / "image").write_text(str(image))
        identity = {
            "name": name,
            "mac": mac_of(name),
            "address": address_of(name),
            "prefix": namespace.PREFIX,
            "gateway": namespace.GATEWAY,
        }
        files = {
            STORE: (json.dumps(identity), 0o644),
            HOST_KEY: (self.paths.host_key.read_text(), 0o600),
            "/etc/machine-id": (f"{self.machine_id(name)}\n", 0o444),
            **seed(name, public_key(self.paths.ssh_key), user_data),
        }
        make_disk(image, folder, files)
        (folder / "kernel").write_text(kernel)
        (folder / "adopted").touch()
        self._launch(self.vm(name), ())

    def ensure_started(self, name: str) -> None:
        """Start a host: the first time from the snapshot, later from its disk."""
        vm = self.vm(name)
        if vm.running():
            return
        if (vm.folder / "adopted").exists():
            self.start(name)
        else:
            self.reset(name)

    def start(self, name: str) -> None:
        """Boot a host from its disk and wait for a login."""
        if not self.vm(name).running():
            self.boot(name)
            wait_for_login(self.paths, name, COLD_BOOT_SECONDS)

    def boot(self, name: str) -> None:
        """Boot a host that is off from its disk, whether or not anybody can log in then."""
        vm = self.vm(name)
        self._launch(vm, ())
        vm.wait_booted(COLD_BOOT_SECONDS)

    def stop(self, name: str) -> None:
        """Shut a host down in order."""
        vm = self.vm(name)
        if not vm.running():
            return
        ask_agent(vm.agent, "poweroff")
        wait_for(lambda: not vm.running(), SHUTDOWN_SECONDS, f"the shutdown of {name}")
        self._forget(vm)

    def kill(self, name: str) -> None:
        """Cut a host's power."""
        vm = self.vm(name)
        vm.kill()
        self._forget(vm)

    def reboot(self, name: str) -> None:
        """Restart a host in order."""
        vm = self.vm(name)
        before = ask_agent(vm.agent, "report")["boot_id"]
        ask_agent(vm.agent, "reboot")
        vm.wait_booted(COLD_BOOT_SECONDS, old_boot=before)
        namespace.end_connections(self.paths, address_of(name))
        wait_for_login(self.paths, name, COLD_BOOT_SECONDS)

    def reset(self, name: str) -> None:
        """Put a host, whatever state it is in, back to the snapshot."""
        vm = self.vm(name)
        if vm.running():
            human_monitor(vm.qmp, f"loadvm {SNAPSHOT}")
        else:
            self._launch(vm, ("-loadvm", SNAPSHOT))
        namespace.plug(self.paths, name)
        namespace.end_connections(self.paths, address_of(name))
        self._adopt(vm)
        wait_for_login(self.paths, name, RESTORE_SECONDS)

    def discard(self, name: str) -> None:
        """Cut a host's power and forget what it was: the next start is from the snapshot."""
        self.kill(name)
        (self.vm(name).folder / "adopted").unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Cut a host's power and remove its files."""
        folder = self.paths.host(name)
        if folder.exists():
            self.kill(name)
            shutil.rmtree(folder)

    def cut(self, name: str) -> None:
        """Take a host off the network without it noticing."""
        namespace.unplug(self.paths, name)

    def restore(self, name: str) -> None:
        """Give a host its network back."""
        namespace.plug(self.paths, name)

    def remove_all(self) -> None:
        """End every host and remove its files; works without images, after a crash too."""
        folder = self.paths.state / "hosts"
        for path in folder.iterdir() if folder.exists() else ():
            Vm(path, self.paths.run / path.name, path).kill()
        shutil.rmtree(folder, ignore_errors=True)

    def state(self, name: str) -> str:
        """One word for the status."""
        if not self.vm(name).running():
            return "off"
        return "on" if namespace.plugged(self.paths, name) else "cut off"

    def _launch(self, vm: Vm, extra: tuple[str, ...]) -> None:
        namespace.add_tap(self.paths, vm.folder.name)
        vm.launch(acceleration(vm.image), extra, namespace.enter_argv(self.paths))

    def _adopt(self, vm: Vm) -> None:
        """Tell a restored guest who it is; until then its network card is down."""
        name = vm.folder.name
        ask_agent(
            vm.agent,
            "adopt",
            timeout=RESTORE_SECONDS,
            name=name,
            mac=vm.mac,
            address=address_of(name),
            prefix=namespace.PREFIX,
            gateway=namespace.GATEWAY,
            machine_id=self.machine_id(name),
            entropy=os.urandom(64).hex(),
            authorized_key=public_key(self.paths.ssh_key),
            host_key=self.paths.host_key.read_text(),
            host_key_public=public_key(self.paths.host_key),
            time=time.time(),
        )
        # Becoming somebody took a while in which the request aged: once more, with the way there allowed for.
        asked = time.time()
        ask_agent(vm.agent, "report")
        ask_agent(vm.agent, "clock", time=time.time() + (time.time() - asked) / 2)
        (vm.folder / "adopted").touch()

    def machine_id(self, name: str) -> str:
        """machine-id(5) of a host: another one in every lab, the same after every reset."""
        return hashlib.sha256(f"{self.paths.host_key.read_text()}{name}".encode()).hexdigest()[:32]

    def _forget(self, vm: Vm) -> None:
        vm.record.unlink(missing_ok=True)
        with contextlib.suppress(LabError):
            namespace.end_connections(self.paths, address_of(vm.folder.name))
