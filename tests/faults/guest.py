# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real guests of a running lab and the shares they mount, as the harness needs them."""

from __future__ import annotations

import contextlib
import io
import json
import queue
import secrets
import shlex
import subprocess
import tarfile
import threading
import time
from pathlib import Path

from lab.hosts import ssh
from lab.hosts.addresses import address_of
from lab.hosts.machines import Hosts
from lab.nfs import ganesha, volumes
from lab.paths import REPOSITORY, LabPaths
from tests.lab.live import LiveLab

USER = ssh.USER
ACCOUNT = "faulthomes01"
LOGIN_SECONDS = 120
RUN_SECONDS = 600
# Fewer small files and a smaller hole, which an emulated guest reads at 10 MiB/s; the times that this changes are put
# back.
_FEWER_FILES = "rm -r data/0[1-9] && truncate -s 1M sparse.img && touch -d @1500000000 data sparse.img"
_PLACE = "/opt/azlin-faults"
_PACKAGE = "ansible_collections/azlin/storage/plugins/module_utils"


class Hangs(Exception):
    """Something on a guest did not end in time; the message says what."""


class Storage:
    """A storage account and its shares, one for every point."""

    def __init__(self, paths: LabPaths) -> None:
        self._paths = paths
        self._lab = LiveLab(paths, ACCOUNT)
        self._lab.create_account()
        self._lab.admit(self._lab.subnet)
        self._lock = threading.Lock()
        self._read_only: frozenset[str] = frozenset()

    def new_share(self) -> str:
        """Make an empty share and return its name."""
        name = f"point-{secrets.token_hex(4)}"
        self.set_squash(name, "NoRootSquash")
        return name

    def set_squash(self, name: str, squash: str) -> None:
        """Make a share with this squash, or change that of one."""
        self._lab.share("PUT", name, enabledProtocols="NFS", shareQuota=100, rootSquash=squash)

    def set_read_only(self, name: str, on: bool) -> None:
        """Serve a share for reading only, or for writing again."""
        with self._lock:
            self._read_only = self._read_only | {name} if on else self._read_only - {name}
            ganesha.set_read_only(self._paths, [f"{ACCOUNT}/{share}" for share in sorted(self._read_only)])
            # The next change of what is exported puts it in force.
            self.remove_share(self.new_share())

    def remove_share(self, name: str) -> None:
        """Remove a share with its files."""
        self._lab.share("DELETE", name)

    def remove(self) -> None:
        """Remove the account."""
        self._lab.delete_account()

    def source(self, name: str) -> str:
        """What is mounted."""
        return f"{ACCOUNT}.file.core.lab.test:/{ACCOUNT}/{name}"

    def folder(self, name: str) -> Path:
        """Where the server keeps the files of a share."""
        return volumes.mount_of(self._paths, ACCOUNT, name)


class Run:
    """A run of the product on a guest that goes on while the harness does something else."""

    def __init__(self, argv: list[str], what: str) -> None:
        self._what = what
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, daemon=True).start()

    def answer(self, seconds: float = RUN_SECONDS) -> dict:
        """The next line it says that is JSON."""
        deadline = time.monotonic() + seconds
        said = []
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise Hangs(f"{self._what} did not end within {seconds:.0f} s") from None
            if line is None:
                raise Hangs(f"{self._what} ended without an answer: {' '.join(said)[-500:]}")
            if line.startswith("{"):
                return json.loads(line)
            said.append(line.strip())

    def tell(self, line: str = "") -> None:
        """Send it a line; an empty one lets it pass the step it stopped at."""
        try:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Hangs(f"{self._what} has ended") from None

    def end(self) -> None:
        """End this side of it."""
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()

    def _read(self):
        with self._process.stdout as stream:
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)


class Guest:
    """One guest."""

    def __init__(self, paths: LabPaths, name: str) -> None:
        self.name = name
        self._paths = paths
        self.hosts = Hosts(paths)
        self._service: Run | None = None

    def begin(self) -> None:
        """Start from the snapshot, with the product's code in place; few files of each sort are enough here."""
        self.hosts.reset(self.name)
        prepare = f"{_FEWER_FILES} && sudo mkdir -p {_PLACE} && sudo tar -x -C {_PLACE}"
        subprocess.run(self._argv(prepare), input=_archive(), check=True, timeout=RUN_SECONDS)

    def start(self, do: str, **values: object) -> Run:
        """Begin something of on_guest.py, in a login of its own."""
        return self._program(json.dumps({"do": do, "user": USER, **values}), f"{do} on {self.name}")

    def run(self, do: str, **values: object) -> dict:
        """Do something of on_guest.py and return what it says."""
        if self._service is None:
            self._service = self._program("serve", f"what serves on {self.name}")
        try:
            self._service.tell(json.dumps({"do": do, "user": USER, **values}))
            return self._service.answer()
        except Hangs:
            self.leave()
            raise

    def leave(self) -> None:
        """End what run() has left there for the next time."""
        if self._service is not None:
            self._service.end()
            self._service = None

    def cut_power(self) -> None:
        """QEMU is killed. What the guest has not flushed is lost: see lab.hosts.qemu.Vm.argv."""
        self.leave()
        self.hosts.kill(self.name)

    def boot(self) -> None:
        """Boot from what the disk holds now, whether or not anybody can log in then."""
        self.hosts.boot(self.name)

    def reconnect(self) -> None:
        """Give it its network back, which takes a moment to find its way."""
        self.leave()
        self.hosts.restore(self.name)
        ssh.wait_for_login(self._paths, self.name, RUN_SECONDS)

    def login_problem(self, seconds: float = LOGIN_SECONDS) -> str | None:
        """Why a fresh login as the user does not get a shell that can use the home; None if it does."""
        argv = self._argv("cd && cat .ssh/authorized_keys > /dev/null && ls > /dev/null && echo works")
        argv[1:1] = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={LOGIN_SECONDS}", "-o", "LogLevel=ERROR"]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired:
            return f"no login within {seconds:.0f} s"
        return None if done.stdout.endswith("works\n") else f"{done.stdout.strip()} {done.stderr.strip()}"

    def _program(self, argument, what):
        # The home of the user, in which a login begins, is not to be held.
        command = shlex.join(["sudo", "python3", f"{_PLACE}/on_guest.py", argument])
        return Run(self._argv(f"cd / && exec {command}"), what)

    def _argv(self, command: str) -> list[str]:
        return ssh.ssh_argv(self._paths, address_of(self.name), (command,))


def _archive() -> bytes:
    """The module_utils and the program that uses them, as tar."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(Path(__file__).parent / "on_guest.py", "on_guest.py")
        for path in sorted((REPOSITORY / "plugins/module_utils").rglob("*.py")):
            archive.add(path, f"{_PACKAGE}/{path.relative_to(REPOSITORY / 'plugins/module_utils')}")
    return data.getvalue()
