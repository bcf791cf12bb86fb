# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ganesha's configuration, as text, from the state of the data plane."""

from __future__ import annotations

import typing

from lab.dataplane import Export
from lab.nfs.tunnel import source_of

SQUASH = {"NoRootSquash": "No_Root_Squash", "RootSquash": "Root_Squash", "AllSquash": "All_Squash"}
ANONYMOUS = 65534  # nobody, as Azure Files maps squashed users
PORT = 2049
EXPORTS = "/exports"
RECOVERY = "/recovery"
# Short, so that clients of a server that was restarted wait seconds for it, not a minute and a half.
LEASE_SECONDS = 10

GLOBAL = f"""NFS_CORE_PARAM {{
    Protocols = 4;
    NFS_Port = {PORT};
    Enable_NLM = false;
    Enable_RQUOTA = false;
}}
NFSV4 {{
    Minor_Versions = 1;
    Only_Numeric_Owners = true;
    Lease_Lifetime = {LEASE_SECONDS};
    Grace_Period = {LEASE_SECONDS + 2};
    RecoveryRoot = {RECOVERY};
}}
LOG {{
    Default_Log_Level = EVENT;
}}
"""


def render(
    exports: typing.Iterable[Export], ids: typing.Mapping[str, int], read_only: typing.Container[str] = ()
) -> str:
    """The configuration file. ``ids`` holds the export number of every ``account/share``, ``read_only`` some of them.

    The root of the pseudo file system is open only to clients of some share: everybody else is told that access is
    denied, as by Azure. A client of one share is refused another one with "no such file or directory".
    """
    served = list(exports)
    everybody = sorted({client for export in served for client in admitted(export)})
    root = block(0, "/", "/", "PSEUDO", clients("RO", "No_Root_Squash", everybody))
    shares = [
        block(
            ids[f"{export.account}/{export.share}"],
            f"{EXPORTS}/{export.account}/{export.share}",
            f"/{export.account}/{export.share}",
            "VFS",
            clients(
                "RO" if f"{export.account}/{export.share}" in read_only else "RW",
                SQUASH[export.squash],
                admitted(export),
            ),
        )
        for export in served
    ]
    return "\n".join((GLOBAL, root, *shares))


def admitted(export: Export) -> tuple[str, ...]:
    """Who the server itself admits: behind TLS, the end of the tunnel, which knows the admitted networks."""
    return (source_of(export.account),) if export.encrypted else export.clients


def block(number: int, path: str, pseudo: str, fsal: str, admitted: str) -> str:
    """One EXPORT block that admits nobody but the clients named in it."""
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
{admitted}    FSAL {{ Name = {fsal}; }}
}}
"""


def clients(access: str, squash: str, networks: typing.Sequence[str]) -> str:
    """The CLIENT block for these networks, if there are any."""
    if not networks:
        return ""
    return f"    CLIENT {{ Clients = {', '.join(networks)}; Access_Type = {access}; Squash = {squash}; }}\n"
