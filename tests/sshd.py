# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real sshd on a free port, with keys and a user of its own that nobody else on this machine sees."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from lab.paths import REPOSITORY

USER = "azlinsync"
UID = 64321
UNPACKED = REPOSITORY / ".cache" / "sshd"
# Debian's sshd wants a user and a folder of its own. Both are there, like our user, in a mount namespace alone. So is,
# for root, what stands for a sudo that asks nothing.
START = """
set -e
mount --bind "$1/passwd" /etc/passwd
mount -t tmpfs none /run
mkdir /run/sshd
mount --bind "$1/sudo" /usr/local/sbin
exec "$2" -D -e -f "$1/sshd_config"
"""
SUDO = """#!/bin/sh
while [ "$1" != -u ]; do shift; done
user=$2
shift 2
exec setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups -- "$@"
"""


@dataclass(frozen=True)
class Box:
    """How to get in."""

    folder: Path
    port: int
    process: int

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def inside(self, *argv: str) -> str:
        """Run something as root where the server runs."""
        return run("nsenter", "--mount", f"--target={self.process}", *argv)

    def inventory(self) -> dict:
        """The variables that a user would set."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.folder / "user key"),
            "ansible_ssh_common_args": f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={self.folder}/known_hosts",
        }


def program() -> tuple[str, str]:
    """An sshd and where its libraries are: this machine's, or one that is unpacked and not installed."""
    installed = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
    if installed:
        return installed, ""
    unpacked = UNPACKED / "usr/sbin/sshd"
    if not unpacked.exists():
        shutil.rmtree(UNPACKED, ignore_errors=True)
        UNPACKED.mkdir(parents=True)
        depends = run("apt-cache", "depends", "--no-recommends", "--no-suggests", "--important", "openssh-server")
        libraries = [line.split()[-1] for line in depends.splitlines() if "Depends: lib" in line]
        run("apt-get", "download", "openssh-server", *libraries, cwd=UNPACKED)
        for package in UNPACKED.glob("*.deb"):
            run("dpkg", "--extract", str(package), str(UNPACKED))
    folders = {path.parent for path in UNPACKED.rglob("*.so.*")}
    return str(unpacked), ":".join(map(str, sorted(folders)))


def run(*argv: str, cwd: Path | None = None) -> str:
    done = subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv[:3])}: {done.stderr[-500:]}"
    return done.stdout


@contextlib.contextmanager
def running():
    """An sshd with a user who has an empty home."""
    sshd, libraries = program()
    folder = Path(tempfile.mkdtemp(prefix="azlin-sshd-", dir="/var/tmp"))
    folder.chmod(0o755)
    (folder / "home").mkdir(mode=0o700)
    os.chown(folder / "home", UID, UID)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name in ("host key", "user key"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    kind, key = (folder / "host key.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    shutil.copy(folder / "user key.pub", folder / "authorized_keys")
    (folder / "passwd").write_text(
        f"root:x:0:0::/root:/bin/sh\nsshd:x:{UID + 1}:65534::/run/sshd:/usr/sbin/nologin\n"
        f"{USER}:x:{UID}:{UID}::{folder}/home:/bin/sh\n"
    )
    (folder / "sudo").mkdir()
    (folder / "sudo/sudo").write_text(SUDO)
    (folder / "sudo/sudo").chmod(0o755)
    settings = {
        "ListenAddress": "127.0.0.1",
        "Port": port,
        "HostKey": f'"{folder}/host key"',
        "AuthorizedKeysFile": f"{folder}/authorized_keys",
        "PidFile": "none",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
        "StrictModes": "no",
    }
    (folder / "sshd_config").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, "sh", str(folder), sshd]
    with (folder / "log").open("wb") as log:
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
        server = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        while not answers(port):
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.05)
        yield Box(folder, port, server.pid)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(folder)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        return connection.recv(4) == b"SSH-"
    return False
