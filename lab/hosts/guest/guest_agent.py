# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside a guest: gives it its identity after a restore from the common snapshot, and again at every boot.

``boot`` applies the identity that was stored last, before the network and sshd start.
``serve`` answers requests on the second serial port: one JSON object a line, one answer a line.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
import subprocess
import sys
import time
import tty

PORT = "/dev/ttyS1"
STORE = "/var/lib/azlin-lab/identity.json"
NIC = "eth0"
RNDADDENTROPY = 0x40085203  # random(4)
RNDRESEEDCRNG = 0x5207
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
# 2 January 2015, like the rest of the home.
KEYS_MADE = 1420156800


def run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


def write_file(path: str, text: str, mode: int = 0o644, owner: int = 0) -> None:
    """Replace a file atomically and durably."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.azlin-lab"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8") as stream:
        os.fchmod(descriptor, mode)
        os.fchown(descriptor, owner, owner)
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    os.rename(temporary, path)


def stir(entropy: str) -> None:
    """Every guest wakes with the same random generator: mix in bytes that only this one gets."""
    data = bytes.fromhex(entropy)
    with open("/dev/urandom", "wb") as pool:
        fcntl.ioctl(pool, RNDADDENTROPY, struct.pack("ii", len(data) * 8, len(data)) + data)
        fcntl.ioctl(pool, RNDRESEEDCRNG)


def configure_network(identity: dict) -> None:
    run("ip", "link", "set", "dev", NIC, "down")
    run("ip", "link", "set", "dev", NIC, "address", identity["mac"])
    run("ip", "address", "flush", "dev", NIC)
    run("ip", "address", "add", f"{identity['address']}/{identity['prefix']}", "dev", NIC)
    run("ip", "link", "set", "dev", NIC, "up")
    run("ip", "route", "replace", "default", "via", identity["gateway"])


def set_names(identity: dict) -> None:
    name = identity["name"]
    write_file("/etc/hostname", f"{name}\n")
    write_file("/etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {name}\n::1 localhost ip6-localhost\n")
    with open("/proc/sys/kernel/hostname", "w", encoding="ascii") as stream:
        stream.write(name)


def set_clock(request: dict) -> dict:
    """After a restore the clock stands where it stood when the snapshot was taken."""
    time.clock_settime(time.CLOCK_REALTIME, request["time"])
    return {}


def adopt(identity: dict) -> dict:
    """Become the host that the lab names, for good."""
    set_clock(identity)
    stir(identity["entropy"])
    write_file("/etc/machine-id", f"{identity['machine_id']}\n", 0o444)
    write_file(HOST_KEY, identity["host_key"], 0o600)
    write_file(f"{HOST_KEY}.pub", identity["host_key_public"])
    write_authorized_keys(identity["authorized_key"])
    write_file(STORE, json.dumps({key: identity[key] for key in ("name", "mac", "address", "prefix", "gateway")}))
    set_names(identity)
    configure_network(identity)
    run("systemctl", "start", "ssh.service")
    return {}


def write_authorized_keys(key: str) -> None:
    """Like cloud-init on Azure: the key appears in the home when the machine is made. All homes are of one age."""
    folder = "/home/azureuser/.ssh"
    path = f"{folder}/authorized_keys"
    write_file(path, f"{key}\n", 0o600, 1000)
    for name in (path, folder):
        os.utime(name, (KEYS_MADE, KEYS_MADE))


def boot() -> None:
    """Cold boot: nothing to do before the first identity, else take it up again."""
    if not os.path.exists(STORE):
        return
    with open(STORE, encoding="utf-8") as stream:
        identity = json.load(stream)
    set_names(identity)
    configure_network(identity)


def report(_request: dict) -> dict:
    """State of systemd (systemctl(1), is-system-running) and the id of this boot."""
    state = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True, check=False)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        return {"state": state.stdout.strip(), "boot_id": stream.read().strip()}


def warm_up(_request: dict) -> dict:
    """Before the snapshot: load what the first login and mount need, so that every restored guest has it in memory."""
    run("/usr/sbin/modprobe", "nfsv4")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "/run/warm-up")
    os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
    run("/usr/sbin/sshd", "-t", "-f", "/dev/null", "-h", "/run/warm-up")
    run("/usr/bin/python3", "-c", "import json, zipfile, tempfile, subprocess, logging, argparse, runpy, socket")
    run("/usr/sbin/runuser", "-l", "azureuser", "-c", "sudo -n true")
    os.sync()
    return {}


def power(request: dict) -> dict:
    """Clean shutdown or restart, after the answer is out."""
    subprocess.Popen(["systemctl", "--no-block", request["do"]])
    return {}


REQUESTS = {
    "adopt": adopt,
    "clock": set_clock,
    "report": report,
    "warm-up": warm_up,
    "poweroff": power,
    "reboot": power,
}


def answer(line: bytes) -> bytes:
    """The answer to one request; carries the request's number so that late answers are recognised."""
    try:
        request = json.loads(line)
    except ValueError:
        return b""
    try:
        reply = REQUESTS[request["do"]](request)
        reply["ok"] = True
    except Exception as error:
        reply = {"ok": False, "error": repr(error)}
    reply["number"] = request.get("number")
    return json.dumps(reply).encode() + b"\n"


def serve() -> None:
    """Answer requests for ever; a first empty line ends whatever half line is left in the channel."""
    port = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    os.write(port, b"\n")
    pending = b""
    while True:
        data = os.read(port, 4096)
        pending += data
        while b"\n" in pending:
            line, _newline, pending = pending.partition(b"\n")
            reply = answer(line) if line.strip() else b""
            while reply:
                reply = reply[os.write(port, reply) :]


if __name__ == "__main__":
    {"boot": boot, "serve": serve}[sys.argv[1]]()
