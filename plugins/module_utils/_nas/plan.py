# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there, what is missing, and in which order it is put right: observed, planned, applied.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.nas import OPTION
from ansible_collections.azlin.storage.plugins.module_utils._nas import layout

MIB = 1024 * 1024


@dataclass
class Seen:
    """What is on a host.

    ``files``: content of every configuration and unit that is this collection's, by path. ``images``: sizes in bytes,
    by path. ``directories``: sources that exist. ``running`` and ``enabled``: names of units. ``listening``: TCP ports.
    """

    files: dict = field(default_factory=dict)
    images: dict = field(default_factory=dict)
    directories: set = field(default_factory=set)
    running: set = field(default_factory=set)
    enabled: set = field(default_factory=set)
    listening: set = field(default_factory=set)
    free_bytes: int = 0


@dataclass(frozen=True)
class Step:
    """One change: ``before`` and ``after`` are contents of files, or empty."""

    action: str
    target: str
    before: str = ""
    after: str = ""
    size: int = 0


def plan(seen, servers):
    """Return the steps that make a host run these servers and no others.

    Files of users are in no step: an image and a source are made where they are missing, and never removed.

    :raises AzlinError: where a server cannot run here; nothing has been changed then.
    """
    wanted = [server for server in servers if server["enabled"]]
    check(seen, wanted)
    files = {path: text for server in wanted for path, text in layout.files(server).items()}
    stale = sorted(set(seen.files) - set(files))
    changed = {
        server["name"]: [path for path, text in layout.files(server).items() if seen.files.get(path) != text]
        for server in wanted
    }
    steps = [Step("stop", unit) for unit in in_order_of_stopping(stale, seen, wanted, changed)]
    steps += [Step("remove", path, before=seen.files[path]) for path in stale]
    for server in wanted:
        if server["source"] not in seen.directories:
            steps.append(Step("directory", server["source"]))
        if layout.image(server) not in seen.images:
            steps.append(Step("image", layout.image(server), size=server["size_mib"] * MIB))
        for path in changed[server["name"]]:
            steps.append(Step("write", path, seen.files.get(path, ""), files[path]))
    if stale or any(changed.values()):
        steps.append(Step("reload", "systemd"))
    for server in wanted:
        for unit in layout.started(server):
            if changed[server["name"]] or unit not in seen.running or unit not in seen.enabled:
                steps.append(Step("start", unit))
    return steps


def in_order_of_stopping(stale, seen, wanted, changed):
    """The units that must stop before files change: what uses a file system before the file system."""
    names = {path.rpartition("/")[2] for path in stale if path.startswith(layout.UNITS)}
    for server in wanted:
        if changed[server["name"]]:
            names |= {*layout.started(server), layout.mount_unit(server)}
    return sorted(names & (seen.running | seen.enabled), key=lambda name: (name.endswith(".mount"), name))


def own_ports(seen):
    """The ports of servers that run: one that is not wanted any more stops before another starts."""
    return {layout.port(text) for path, text in seen.files.items() if layout.unit_of(path) in seen.running}


def check(seen, wanted):
    """Refuse what this host cannot do."""
    needed = 0
    others = seen.listening - own_ports(seen)
    for server in wanted:
        size, image = server["size_mib"] * MIB, layout.image(server)
        if server["port"] in others:
            raise invalid(
                f"{OPTION}[{server['name']}].port",
                server["port"],
                "something else listens on it on this host",
                "Use another port, or end what uses it: 'ss -ltnp' on the host names it.",
            )
        if seen.images.get(image, size) != size:
            raise invalid(
                f"{OPTION}[{server['name']}].size_mib",
                server["size_mib"],
                f"the file system of this server has {seen.images[image] // MIB} MiB, and its size is not changed",
                f"Use that size, or save the files, disable the server, remove {image} there and enable it again.",
            )
        needed += 0 if image in seen.images else size
    if needed > seen.free_bytes:
        raise AzlinError(
            "no_space",
            f"The file systems of the servers need {needed // MIB} MiB in {layout.STATE}; "
            f"{seen.free_bytes // MIB} MiB are free.",
            causes=[("The servers are larger than the disk.", f"Lower size_mib in {OPTION}, or free space.")],
        )
