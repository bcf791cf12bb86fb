# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a server of a NAS test bed: NFS-Ganesha's configuration and the systemd units, as text.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import inspect
import re

from ansible_collections.azlin.storage.plugins.module_utils._common.nas import EXPORTED, EXPORTS
from ansible_collections.azlin.storage.plugins.module_utils._nas import copier

PREFIX = "nas_lab-"
CONFIGURATION = "/etc/nas_lab"
STATE = "/var/lib/nas_lab"
UNITS = "/etc/systemd/system"
MOUNT_PREFIX = "srv-nas_lab-exports-"
# Short, so that clients of a server that was restarted wait seconds for it, not a minute and a half.
LEASE_SECONDS = 10
ANONYMOUS = 65534
# A server acts as root for a client's root and, per request, as the client's user, from whom the kernel then takes
# the first five. It opens files by their handles (DAC_READ_SEARCH).
SERVER_CAPABILITIES = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_FSETID CAP_SETGID CAP_SETUID"
# A copy keeps owners and modes, whoever may read the files.
COPY_CAPABILITIES = "CAP_CHOWN CAP_DAC_OVERRIDE CAP_FOWNER CAP_FSETID"
CONFINED = """NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
PrivateDevices=yes
RestrictNamespaces=yes
RestrictRealtime=yes
SystemCallArchitectures=native
InaccessiblePaths=-/run/dbus
"""


def unit(server, suffix):
    """The name of a unit of a server: its ``.service``, ``-seed.timer`` and so on."""
    return f"{PREFIX}{server['name']}{suffix}"


def unit_of(path):
    """The name of the unit that a configuration is for, or None of another file."""
    folder, _slash, name = path.rpartition("/")
    return f"{PREFIX}{name[: -len('.conf')]}.service" if folder == CONFIGURATION and name.endswith(".conf") else None


def port(text):
    """The port in a configuration, or None."""
    found = re.search(r"^ *NFS_Port = ([0-9]+);$", text, re.MULTILINE)
    return int(found[1]) if found else None


def mount_unit(server):
    """The name of the unit of its file system: systemd names it after the path. systemd.unit(5), "String escaping"."""
    escaped = server["name"].replace("-", "\\x2d")
    return f"{MOUNT_PREFIX}{escaped}.mount"


def image(server):
    """The file that holds its file system."""
    return f"{STATE}/{server['name']}.img"


def mount_point(server):
    """Where its file system is mounted."""
    return f"{EXPORTS}/{server['name']}"


def data(server):
    """The directory that clients see; beside it lie, on the same file system, copies that are not complete."""
    return f"{mount_point(server)}/data"


def program(server):
    """What copies."""
    return f"{CONFIGURATION}/{server['name']}.py"


def incoming(server):
    """Where a copy into the export is put together, so that no client sees half a file."""
    return f"{mount_point(server)}/incoming"


def started(server):
    """The units that run, or wait, while a server is enabled."""
    timers = {"input": ("-seed.timer",), "backup": (), "output": ("-collect.timer",)}[server["role"]]
    return [unit(server, ".service"), *(unit(server, timer) for timer in timers)]


def files(server):
    """All files of a server, as a dict of path to content."""
    found = {
        f"{CONFIGURATION}/{server['name']}.conf": configuration(server),
        program(server): inspect.getsource(copier),
        f"{UNITS}/{mount_unit(server)}": mount(server),
        f"{UNITS}/{unit(server, '.service')}": service(server),
        f"{UNITS}/{unit(server, '-seed.service')}": copy(
            server, "seed", server["source"], data(server), f"--temp-dir={incoming(server)}"
        ),
    }
    if server["role"] == "input":
        found[f"{UNITS}/{unit(server, '-seed.timer')}"] = timer(server, "seed")
    if server["role"] == "output":
        # A client that removes an open file renames it to .nfs...; that is no output.
        found[f"{UNITS}/{unit(server, '-collect.service')}"] = copy(
            server, "collect", data(server), server["source"], "--exclude=.nfs????????????????*"
        )
        found[f"{UNITS}/{unit(server, '-collect.timer')}"] = timer(server, "collect")
    return found


def configuration(server):
    """The configuration of NFS-Ganesha: NFS 4.1 alone, on one port, for the named clients.

    Servers of one machine must not look like one server: a client then takes two for two ways to the same files.
    Hence owner and scope, which by default are the name of the machine. RFC 8881, section 2.10.5.
    """
    owner = f"{server['host']}/{server['name']}"
    root = _export(0, "/", "/", _admitted(server, "RO", "root_squash"), "PSEUDO")
    files_of_it = _export(
        server["fsid"], data(server), EXPORTED, _admitted(server, server["access"].upper(), server["squash"]), "VFS"
    )
    return f"""NFS_CORE_PARAM {{
    Protocols = 4;
    NFS_Port = {server["port"]};
    Enable_NLM = false;
    Enable_RQUOTA = false;
    Enable_UDP = false;
}}
NFSV4 {{
    Minor_Versions = 1;
    Only_Numeric_Owners = true;
    Server_Owner = "{owner}";
    Server_Scope = "{owner}";
    Lease_Lifetime = {LEASE_SECONDS};
    Grace_Period = {LEASE_SECONDS + 2};
    RecoveryRoot = {STATE}/{server["name"]};
}}
MDCACHE {{
    Entries_HWMark = 10000;
}}
LOG {{
    Default_Log_Level = EVENT;
}}
{root}{files_of_it}"""


def _admitted(server, access, squash):
    words = "_".join(word.capitalize() for word in squash.split("_"))
    clients = ", ".join(server["clients"])
    return f"CLIENT {{ Clients = {clients}; Protocols = 4; Access_Type = {access}; Squash = {words}; }}"


def _export(number, path, pseudo, admitted, backend):
    # The root of all exports has the number 0 and keeps the file system number that the server gives it.
    identity = f"Filesystem_Id = {number}.{number};\n    " if number else ""
    # What is copied into the export behind the server's back is seen a second later.
    return f"""EXPORT {{
    Export_Id = {number};
    Path = {path};
    Pseudo = {pseudo};
    Protocols = 4;
    Transports = TCP;
    SecType = sys;
    Access_Type = None;
    Anonymous_Uid = {ANONYMOUS};
    Anonymous_Gid = {ANONYMOUS};
    Attr_Expiration_Time = 1;
    {identity}{admitted}
    FSAL {{ Name = {backend}; }}
}}
"""


def mount(server):
    """The unit of the file system, which is the limit of the size: a full export is an error, not a loss."""
    return f"""[Unit]
Description=Files of the NAS server {server["name"]}

[Mount]
What={image(server)}
Where={mount_point(server)}
Type=ext4
Options=loop,nosuid,nodev,noatime
"""


def service(server):
    """The unit of the server. Of the machine's files it can write its own export and its own state."""
    name = server["name"]
    return f"""[Unit]
Description=NAS server {name} ({server["role"]}, {server["access"]}, port {server["port"]}, fsid {server["fsid"]})
Wants=network-online.target {unit(server, "-seed.service")}
After=network-online.target {unit(server, "-seed.service")}
RequiresMountsFor={mount_point(server)}

[Service]
Type=exec
ExecStart=/usr/bin/ganesha.nfsd -F -L STDERR -f {CONFIGURATION}/{name}.conf -p /run/{unit(server, "")}/pid
Restart=on-failure
RestartSec=2
RuntimeDirectory={unit(server, "")}
StateDirectory=nas_lab/{name}
StateDirectoryMode=0700
MemoryMax={server["memory_mib"]}M
CPUQuota={server["cpu_percent"]}%
TasksMax=512
{CONFINED}ProtectHome=yes
ProtectProc=invisible
TemporaryFileSystem=/srv:ro
BindPaths={mount_point(server)}
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
CapabilityBoundingSet={SERVER_CAPABILITIES}
SystemCallFilter=@system-service @setuid name_to_handle_at open_by_handle_at
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def copy(server, action, source, target, option):
    """The unit of one copy. It adds and renews and never removes; what is newer or of another kind at the target stays.

    Files that vanish while rsync looks (status 24) are no failure: the next copy has them right. The window of -1 has
    rsync compare times to the nanosecond: a file that is written twice in a second would else stay as it was first.
    """
    words = (
        f"/usr/bin/python3 -I {program(server)} {data(server)}",
        "/usr/bin/rsync --recursive --links --perms --chmod=Fug-s --times --owner --group --numeric-ids",
        f"--update --modify-window=-1 --one-file-system {option} -- {source}/ {target}/",
    )
    return f"""[Unit]
Description=Copy of files of the NAS server {server["name"]} ({action}: {source} to {target})
RequiresMountsFor={mount_point(server)} {server["source"]}

[Service]
Type=oneshot
ExecStart={" ".join(words)}
SuccessExitStatus=24
Nice=10
IOSchedulingClass=idle
MemoryMax={server["memory_mib"]}M
CPUQuota={server["cpu_percent"]}%
{CONFINED}ProtectHome=read-only
ReadWritePaths={mount_point(server) if action == "seed" else target}
PrivateNetwork=yes
RestrictAddressFamilies=AF_UNIX
CapabilityBoundingSet={COPY_CAPABILITIES}
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


def timer(server, action):
    """The timer of a copy: so long after the last one has ended."""
    return f"""[Unit]
Description=Copies of files of the NAS server {server["name"]} ({action})

[Timer]
OnActiveSec={server["sync_seconds"]}
OnUnitInactiveSec={server["sync_seconds"]}
AccuracySec=1

[Install]
WantedBy=timers.target
"""
