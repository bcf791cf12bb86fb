# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of a NAS test bed: presets, defaults by role, and every constraint, checked before anything starts.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.names import absolute_path

OPTION = "servers"
# Where a client finds the files of every server.
EXPORTED = "/data"
EXPORTS = "/srv/nas_lab/exports"
SOURCES = "/srv/nas_lab/sources"
ROLES = ("input", "backup", "output")
ACCESS = ("rw", "ro")
SQUASH = ("no_root_squash", "root_squash", "all_squash")
DEFAULTS = {
    "enabled": True,
    "access": "rw",
    "squash": "no_root_squash",
    "sync_seconds": 30,
    "size_mib": 500,
    "memory_mib": 256,
    "cpu_percent": 100,
}
LIMITS = {
    "port": (1024, 65535),
    # The number of an export has 16 bits, and 0 is the root of all exports.
    "fsid": (1, 65535),
    # What is copied, and what a client still believes, comes on top: a minute is never reached.
    "sync_seconds": (5, 45),
    "size_mib": (16, 1048576),
    "memory_mib": (64, 65536),
    "cpu_percent": (5, 6400),
}
KEYS = ("name", "role", "host", "address", "clients", "source", *DEFAULTS, "port", "fsid")
TOPOLOGIES = {
    "production7": tuple(
        {"name": name, "role": name.split("-")[1], "port": 32150 + index, "fsid": 1 + index}
        for index, name in enumerate(
            (
                *(f"nas-input-{number}" for number in (1, 2, 3)),
                "nas-backup",
                *(f"nas-output-{number}" for number in (1, 2, 3)),
            )
        )
    ),
}
# A label of DNS, short enough for the names of units and Kubernetes objects that are made of it.
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_INVENTORY_NAME = re.compile(r"[A-Za-z0-9_.-]{1,253}", re.ASCII)
_HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    re.ASCII,
)
# A source is copied into and read as root: never one of these, or something below them.
_SYSTEM = ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "root", "run", "sbin", "sys", "usr")


def servers(listed, topology="", clients=None, hosts=()):
    """Return the complete servers: those of the topology, changed and added to by ``listed``, with all defaults.

    :param clients: networks that may mount where a server names none; None where nobody asks who may.
    :param hosts: pairs of (host, its address for clients or nothing); a server that names no host runs on the first.
    :raises AzlinError: ``invalid_argument`` for the first constraint that does not hold.
    """
    if topology and topology not in TOPOLOGIES:
        raise invalid("topology", topology, "there is no such topology", f"Use one of: {', '.join(TOPOLOGIES)}.")
    wanted = {server["name"]: dict(server) for server in TOPOLOGIES.get(topology, ())}
    seen = set()
    for entry in listed:
        name = server_name(entry)
        if name in seen:
            raise invalid(f"{OPTION}[].name", name, "two servers have this name", "Give each server a name of its own.")
        seen.add(name)
        wanted.setdefault(name, {}).update(entry)
    if not wanted:
        raise invalid(OPTION, listed, "no server is named", "List servers, or name a topology: production7.")
    complete = [_complete(server, clients, dict(hosts)) for server in wanted.values()]
    check_together(complete)
    return complete


def server_name(entry):
    """Return the name of an entry of the list, or of an object made from it."""
    name = str(entry.get("name", "")) if isinstance(entry, dict) else ""
    if not _NAME.fullmatch(name):
        raise invalid(
            f"{OPTION}[].name",
            name or entry,
            "a name is 1 to 40 lower-case letters, digits and hyphens between them, beginning with a letter",
            "Use for example nas-input-1.",
        )
    return name


def check_together(complete):
    """Refuse servers that would share a port, an fsid or a directory."""
    for key in ("port", "fsid"):
        first = {}
        for server in complete:
            other = first.setdefault(server[key], server["name"])
            if other != server["name"]:
                raise invalid(
                    f"{OPTION}[{server['name']}].{key}",
                    server[key],
                    f"{other} has it already",
                    f"Give each server its own {key}.",
                )
    for server in complete:
        for other in complete:
            if server is not other and server["host"] == other["host"] and within(server["source"], other["source"]):
                raise invalid(
                    f"{OPTION}[{server['name']}].source",
                    server["source"],
                    f"it is, or lies in, the directory of {other['name']}",
                    "Give each server a directory of its own.",
                )


def within(path, other):
    """Whether a path is, or lies below, another one."""
    return path == other or path.startswith(other.rstrip("/") + "/")


def address(value, option="address"):
    """Return a host name or an IP address, as clients find a server by it."""
    text = str(value)
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        # A name whose last label is a number is an address with a typing error.
        if _HOST_NAME.fullmatch(text) and not text.rpartition(".")[2].isdigit():
            return text
    raise invalid(option, value, "it is neither a host name nor an IP address", "Use for example 10.30.1.11.")


def _complete(server, clients, hosts):
    name = server_name(server)
    option = f"{OPTION}[{name}]"
    for key in server:
        if key not in KEYS:
            raise invalid(f"{option}.{key}", server[key], "there is no such key", f"Use some of: {', '.join(KEYS)}.")
    role = _one_of(f"{option}.role", server.get("role"), ROLES)
    complete = {**DEFAULTS, "access": "ro" if role == "backup" else "rw", **server, "role": role}
    for key, (least, most) in LIMITS.items():
        complete[key] = _number(f"{option}.{key}", complete.get(key), least, most)
    _one_of(f"{option}.access", complete["access"], ACCESS)
    _one_of(f"{option}.squash", complete["squash"], SQUASH)
    if not isinstance(complete["enabled"], bool):
        raise invalid(f"{option}.enabled", complete["enabled"], "it is neither true nor false", "Write true or false.")
    networks = complete.get("clients") or clients
    complete["clients"] = [] if networks is None else _networks(f"{option}.clients", networks)
    complete["source"] = _source(f"{option}.source", complete.get("source") or f"{SOURCES}/{name}")
    complete["host"] = complete.get("host") or next(iter(hosts), "localhost")
    if not _INVENTORY_NAME.fullmatch(str(complete["host"])):
        reason = "a host is named by letters, digits, underscores, full stops and hyphens"
        raise invalid(f"{option}.host", complete["host"], reason, "Use a name of the inventory.")
    if hosts and complete["host"] not in hosts:
        raise invalid(
            f"{option}.host",
            complete["host"],
            "it is none of the hosts of this run",
            f"Use one of: {', '.join(hosts)}.",
        )
    complete["address"] = address(
        complete.get("address") or hosts.get(complete["host"]) or complete["host"], f"{option}.address"
    )
    return complete


def _one_of(option, value, allowed):
    if value not in allowed:
        raise invalid(option, value, "it is not one of the known values", f"Use one of: {', '.join(allowed)}.")
    return value


def _number(option, value, least, most):
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or not least <= int(text) <= most:
        raise invalid(option, value, "it is not a whole number in range", f"Use {least} to {most}.")
    return int(text)


def _networks(option, values):
    remedy = "List the addresses and networks of the clients, for example [10.30.1.0/24]."
    if not isinstance(values, (list, tuple)) or not values:
        raise invalid(option, values, "it is not a list" if values else "nobody may mount", remedy)
    networks = []
    for value in values:
        try:
            networks.append(str(ipaddress.ip_network(str(value))))
        except ValueError as error:
            raise invalid(option, value, f"it is not an IP network ({error})", remedy) from None
    return networks


def _source(option, value):
    path = absolute_path(value, option)
    if path.count("/") < 2 or path.split("/")[1] in _SYSTEM:
        raise invalid(
            option, value, "it holds more than test files", "Use a directory of its own, such as /srv/files/in."
        )
    # The units of the copies have folders of their own there (PrivateTmp, systemd.exec(5)), and see none of these.
    if within(path, "/tmp") or within(path, "/var/tmp"):
        raise invalid(
            option, value, "the copies have a /tmp of their own, and do not see it", "Use for example /srv/files/in."
        )
    if within(path, EXPORTS) or within(EXPORTS, path):
        raise invalid(option, value, f"{EXPORTS} holds what the servers export", "Use a directory outside it.")
    return path
