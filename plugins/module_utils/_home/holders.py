# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes use a tree.

Found by device, not by path: once a mount covers a directory, or a container shows it elsewhere, its path no longer
tells where a file lies. A tree that shares its device with others is told by its place in the file system.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import pwd

from ansible_collections.azlin.storage.plugins.module_utils._home import child, mountinfo

_LINKS = ("cwd", "root", "exe")
# Seconds. For a tree that no server holds up; below the time after which a run that does not move is ended.
_LOCAL_TIMEOUT = 45


def ancestry():
    """Return the ids of this process and of everything that started it."""
    pids = set()
    pid = os.getpid()
    while pid > 0 and pid not in pids:
        pids.add(pid)
        pid = _parent(pid)
    return pids


def find(device, path=None, exempt=frozenset(), timeout=20):
    """Return the processes with a working directory, root, program, open file or mapping on a device.

    Of a tree that is told by its path, also those in a container that has a part of it mounted.

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


def of_directory(path, exempt=frozenset()):
    """Return the processes that use a local directory; see :func:`find`."""
    return find(os.lstat(path).st_dev, path, exempt, _LOCAL_TIMEOUT)


def describe(processes):
    """Return a short text naming processes."""
    return ", ".join(f"{one['command']} (pid {one['pid']}, {one['user']}: {one['uses'][0]})" for one in processes)


class _Tree:
    """What is looked for; ``place`` is where it lies in its file system, or None for all of the device."""

    def __init__(self, device, path):
        self.device = device
        # Namespace of mounts -> its mounts by path, read once.
        self._tables = {}
        self.place = None if path is None else self._place("self", path)
        # Namespace of mounts -> where it shows parts of the tree; nobody asks about our own.
        self._shown = {os.readlink("/proc/self/ns/mnt"): []}
        self._own = mountinfo.read()
        # What the maps of processes call the device: on Btrfs stat(2) has one of its own for each subvolume.
        self._mount = None if path is None else mountinfo.holding(self._own, path)
        self.mapped = {_in_maps(device), _in_maps(self._mount.device_number if self._mount else device)}

    def holds(self, pid, link, target):
        """Whether a link of /proc leads into it."""
        # Sockets, pipes and the like have no path.
        if not target.startswith("/"):
            return False
        return self.has(pid, target) and os.stat(link).st_dev == self.device

    def has(self, pid, target):
        """Whether a path, as a process sees it, lies in it, if it is on the device."""
        if self.place is None:
            return True
        return self._inside(self._place(pid, target))

    def shown(self, pid):
        """Where a container that a process is in has a part of the tree mounted, which it would keep."""
        if self._mount is None:
            return []
        namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        if namespace not in self._shown:
            mounts = mountinfo.read(f"/proc/{pid}/mountinfo")
            self._shown[namespace] = [mount.path for mount in mounts if self._keeps(mount, mounts)]
        return self._shown[namespace]

    def _keeps(self, mount, mounts):
        if mount.device != self._mount.device or not self._inside(mount.root):
            return False
        # Of what a service has from the host, and of what lies on the tree itself, the path goes on to count.
        if any((mount.path, mount.device, mount.root) == (one.path, one.device, one.root) for one in self._own):
            return False
        below = next((one for one in mounts if one.mount_id == mount.parent_id), None)
        return below is None or below.device != mount.device or not self._inside(_place_on(below, mount.path))

    def _inside(self, place):
        return place == self.place or place.startswith(self.place + "/")

    def _place(self, pid, path):
        """A path of a process as one from the root of its file system, which is the same for all processes."""
        namespace = os.readlink(f"/proc/{pid}/ns/mnt")
        if namespace not in self._tables:
            self._tables[namespace] = mountinfo.by_path(mountinfo.read(f"/proc/{pid}/mountinfo"))
        mount = mountinfo.topmost(self._tables[namespace], path)
        return path if mount is None else _place_on(mount, path)


def _place_on(mount, path):
    return mount.root.rstrip("/") + path[len(mount.path.rstrip("/")) :]


def _scan(device, path, exempt):
    tree = _Tree(device, path)
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in exempt:
            uses = _uses(int(name), tree)
            if uses:
                found.append(_description(int(name), uses))
    return found


def _uses(pid, tree):
    base = f"/proc/{pid}"
    uses = [f"{link} {target}" for link in _LINKS for target in _held(pid, f"{base}/{link}", tree)]
    try:
        handles = os.listdir(f"{base}/fd")
    except OSError:
        handles = []
    for handle in handles:
        uses.extend(f"file {target}" for target in _held(pid, f"{base}/fd/{handle}", tree))
    return uses or _mapped(pid, tree) or _shown(pid, tree)


def _shown(pid, tree):
    try:
        return [f"mount {path}" for path in tree.shown(pid)]
    except OSError:
        return []


def _held(pid, link, tree):
    """Yield the target of a /proc link when it lies in the tree; processes come and go, so errors mean no."""
    try:
        target = os.readlink(link)
        if tree.holds(pid, link, target):
            yield target
    except OSError:
        return


def _mapped(pid, tree):
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace", newline="\n") as stream:
            for line in stream:
                fields = line.rstrip("\n").split(None, 5)
                if len(fields) == 6 and fields[3] in tree.mapped and tree.has(pid, fields[5]):
                    return [f"mapping {fields[5]}"]
    except OSError:
        return []
    return []


def _in_maps(device):
    return f"{os.major(device):02x}:{os.minor(device):02x}"


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
