# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes use a tree.

Found by device, not by path: once a mount covers a directory its path no longer tells where a file lies.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import pwd

from ansible_collections.azlin.storage.plugins.module_utils._home import child

_LINKS = ("cwd", "root", "exe")


def ancestry(pid=None):
    """Return the ids of a process (default: this one) and of everything that started it."""
    pids = set()
    pid = os.getpid() if pid is None else pid
    while pid > 0 and pid not in pids:
        pids.add(pid)
        pid = _parent(pid)
    return pids


def find(device, path=None, exempt=frozenset(), timeout=20):
    """Return the processes with a working directory, root, program, open file or mapping on a device.

    :param device: ``st_dev`` of the tree.
    :param path: count only what lies under it, for a tree that shares its device with others.
    :param timeout: seconds; looking at files of a dead server hangs, so a child does it.
    :returns: list of {pid, user, command, uses}; None when the child did not answer.
    """
    exempt = set(exempt)
    try:
        # The child itself inherits the working directory; it is not a holder.
        return child.call(lambda: _scan(device, path, exempt | {os.getpid()}), timeout)
    except child.ChildTimeout:
        return None


def describe(processes):
    """Return a short text naming processes."""
    return ", ".join(f"{one['command']} (pid {one['pid']}, {one['user']}: {one['uses'][0]})" for one in processes)


def _scan(device, path, exempt):
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in exempt:
            uses = _uses(int(name), device, path)
            if uses:
                found.append(_description(int(name), uses))
    return found


def _uses(pid, device, path):
    base = f"/proc/{pid}"
    uses = [f"{link} {target}" for link in _LINKS for target in _held(f"{base}/{link}", device, path)]
    try:
        handles = os.listdir(f"{base}/fd")
    except OSError:
        handles = []
    for handle in handles:
        uses.extend(f"file {target}" for target in _held(f"{base}/fd/{handle}", device, path))
    return uses or _mapped(base, device, path)


def _held(link, device, path):
    """Yield the target of a /proc link when it lies in the tree; processes come and go, so errors mean no."""
    try:
        target = os.readlink(link)
        # Sockets, pipes and the like have no path; a path outside need not be looked at.
        if target.startswith("/") and _under(target, path) and os.stat(link).st_dev == device:
            yield target
    except OSError:
        return


def _mapped(base, device, path):
    wanted = f"{os.major(device):02x}:{os.minor(device):02x}"
    try:
        with open(f"{base}/maps", encoding="utf-8", errors="replace") as stream:
            for line in stream:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and fields[3] == wanted and _under(fields[5], path):
                    return [f"mapping {fields[5]}"]
    except OSError:
        return []
    return []


def _under(target, path):
    return path is None or target == path or target.startswith(path + "/")


def _parent(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
            # The command in parentheses may itself hold blanks and parentheses.
            return int(stream.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _description(pid, uses):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
            command = stream.read().strip()
        uid = os.stat(f"/proc/{pid}").st_uid
    except OSError:
        command, uid = "?", None
    return {"pid": pid, "user": _user_name(uid), "command": command, "uses": uses[:5]}


def _user_name(uid):
    if uid is None:
        return "?"
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
