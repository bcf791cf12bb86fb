# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host itself: reads what is there and carries steps out.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import atomic
from ansible_collections.azlin.storage.plugins.module_utils._nas import layout
from ansible_collections.azlin.storage.plugins.module_utils._nas.plan import Seen

PROGRAMS = ("ganesha.nfsd", "python3", "rsync", "mkfs.ext4", "systemctl")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
# rsync(1) and the servers may take a while on a slow machine; a hanging systemctl must not hang a run for ever.
SYSTEMCTL_SECONDS = 900
LISTEN = "0A"


def require_programs():
    """Fail if a program is missing that a server needs."""
    missing = [name for name in PROGRAMS if not shutil.which(name, path=PATH)]
    if missing:
        raise AzlinError(
            "unsupported",
            f"This host lacks {', '.join(missing)}.",
            causes=[("A package is not installed.", "Let the role install it with azlin_manage_packages: true.")],
            try_="ansible-playbook azlin.storage.nas_lab",
        )


def require_loop_devices():
    """Fail if files cannot be mounted as file systems."""
    if not os.path.exists("/dev/loop-control"):
        raise AzlinError(
            "unsupported",
            "This host has no loop devices, on which the file systems of the servers are mounted.",
            causes=[
                ("The kernel module 'loop' is not loaded.", "Run 'modprobe loop', and have it loaded at every boot."),
                ("The host is a container.", "Use a machine with a kernel of its own."),
            ],
            try_="ansible-playbook azlin.storage.nas_lab",
        )


def look(servers):
    """Return what there is, as :class:`Seen`."""
    seen = Seen(free_bytes=free_bytes(layout.STATE), listening=listening())
    for path in own_files():
        with open(path, encoding="utf-8") as file:
            seen.files[path] = file.read()
    for server in servers:
        with contextlib.suppress(FileNotFoundError):
            seen.images[layout.image(server)] = os.stat(layout.image(server)).st_size
        if os.path.isdir(server["source"]):
            seen.directories.add(server["source"])
    units = {path.rpartition("/")[2] for path in seen.files if path.startswith(layout.UNITS)}
    for name, state in unit_states(sorted(units)).items():
        if state.get("ActiveState") in ("active", "activating", "reloading"):
            seen.running.add(name)
        if state.get("UnitFileState") == "enabled":
            seen.enabled.add(name)
    return seen


def own_files():
    """Configurations and units that are this collection's."""
    for folder, prefixes, endings in (
        (layout.CONFIGURATION, ("",), (".conf", ".py")),
        (layout.UNITS, (layout.PREFIX,), (".service", ".timer")),
        (layout.UNITS, (layout.MOUNT_PREFIX,), (".mount",)),
    ):
        names = os.listdir(folder) if os.path.isdir(folder) else []
        yield from (
            f"{folder}/{name}" for name in sorted(names) if name.startswith(prefixes) and name.endswith(endings)
        )


def free_bytes(path):
    """Bytes that root can still write at a path, or where it will be."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def listening():
    """The TCP ports on which something listens. Source: Linux, Documentation/networking/proc_net_tcp.rst."""
    ports = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(FileNotFoundError), open(table, encoding="ascii") as lines:
            rows = [line.split() for line in lines][1:]
            ports |= {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == LISTEN}
    return ports


def unit_states(names):
    """The properties ActiveState, UnitFileState and InvocationID of units, by name."""
    if not names:
        return {}
    text = run(["systemctl", "show", "--property=Id,ActiveState,UnitFileState,InvocationID", "--", *names])
    blocks = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in text.split("\n\n")]
    return {block["Id"]: block for block in blocks if "Id" in block}


def carry_out(steps, timeout):
    """Make the changes, in their order; neighbours of one kind that systemd takes together are one call."""
    actions = {"directory": make_directory, "image": make_image, "remove": remove, "write": write}
    for step in steps:
        if step.action in actions:
            actions[step.action](step)
        elif step.action == "stop":
            # disable forgets the unit's links as well; a mount has none and is only stopped.
            run(
                [
                    "systemctl",
                    *(["stop"] if step.target.endswith(".mount") else ["disable", "--now"]),
                    "--",
                    step.target,
                ]
            )
        elif step.action == "reload":
            run(["systemctl", "daemon-reload"])
    starting = [step.target for step in steps if step.action == "start"]
    if starting:
        run(["systemctl", "enable", "--now", "--", *starting], max(timeout, SYSTEMCTL_SECONDS))


def make_directory(step):
    """Make a source: whoever may test may put files there."""
    os.makedirs(step.target, exist_ok=True)
    os.chmod(step.target, 0o777)


def make_image(step):
    """Make a file system with all its space reserved, so that a full disk of the host can never damage it."""
    folder, unfinished = os.path.dirname(step.target), f"{step.target}.new"
    os.makedirs(folder, mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as content:
        for name, mode in (("data", 0o777), ("incoming", 0o700)):
            os.mkdir(f"{content}/{name}")
            os.chmod(f"{content}/{name}", mode)
        with open(unfinished, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            os.posix_fallocate(file.fileno(), 0, step.size)
        options = ["-q", "-F", "-m", "0", "-E", "nodiscard,root_owner=0:0", "-d", content]
        run(["mkfs.ext4", *options, unfinished])
    os.rename(unfinished, step.target)


def remove(step):
    """Remove a configuration or a unit."""
    os.unlink(step.target)


def write(step):
    """Write a configuration or a unit."""
    os.makedirs(os.path.dirname(step.target), mode=0o755, exist_ok=True)
    atomic.replace(step.target, step.after.encode(), mode=0o644)


def wait_until_answering(servers, timeout):
    """Wait until every server accepts connections."""
    deadline = time.monotonic() + timeout
    for server in servers:
        while not answers(server["port"]):
            if time.monotonic() > deadline:
                unit = layout.unit(server, ".service")
                last = run(["journalctl", "--no-pager", "--lines=15", "--output=cat", f"--unit={unit}"])
                raise AzlinError(
                    "server_unreachable",
                    f"{server['name']} does not answer on port {server['port']} after {timeout} s. {last}",
                    causes=[
                        ("The server ended, or the host is slow.", "The last lines of its log are in the message.")
                    ],
                    try_=f"journalctl --unit={unit}",
                )
            time.sleep(0.5)


def check_exports(servers):
    """Fail if a server runs without its files: it answers then as well, and only its log says that it has none."""
    states = unit_states([layout.unit(server, ".service") for server in servers])
    run(["journalctl", "--sync"])
    matches = [f"_SYSTEMD_INVOCATION_ID={state['InvocationID']}" for state in states.values()]
    log = run(["journalctl", "--no-pager", "--output=json", "--output-fields=_SYSTEMD_UNIT,MESSAGE", *matches])
    refused = refusals(json.loads(line) for line in log.splitlines())
    for unit, lines in sorted(refused.items()):
        raise AzlinError(
            "unsupported",
            f"{unit} answers, but does not serve its files: {' '.join(lines)}",
            causes=[("The host lacks something that the server needs.", "The lines of its log are in the message.")],
            try_=f"journalctl --unit={unit}",
        )


def refusals(entries):
    """What servers said of a configuration or an export that they do not serve, by unit."""
    found = {}
    for entry in entries:
        # A message that is no text is a list of numbers.
        message = str(entry.get("MESSAGE", ""))
        if re.search(r":(?:CONFIG|FSAL) :(?:CRIT|MAJ|FATAL) :", message):
            found.setdefault(entry.get("_SYSTEMD_UNIT", ""), []).append(message.rpartition(" :")[2])
    return found


def answers(port):
    """Whether something accepts connections on a port of this host."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def run(argv, timeout=SYSTEMCTL_SECONDS):
    """Run a program and return its output."""
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, env=environment, timeout=timeout, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise AzlinError(
            "unsupported",
            f"'{' '.join(argv)}' failed with status {done.returncode}: {done.stderr.strip() or done.stdout.strip()}",
        )
    return done.stdout
