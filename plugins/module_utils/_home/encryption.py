# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One endpoint is reached either with TLS or in clear text, never both from one host.

All mounts of an endpoint share connections, so the kernel may send what was to be encrypted over a connection in
clear text. Source: Azure docs, "Encryption in transit for NFS shares"; AZNFS-mount, nfsv4mountscript.sh.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import LOOPBACK, encrypted
from ansible_collections.azlin.storage.plugins.module_utils._home import fstab
from ansible_collections.azlin.storage.plugins.module_utils._home.mountinfo import NFS_TYPES


@dataclass(frozen=True)
class Use:
    """A share that this host mounts or is to mount: its server's name, its address if known, where, and how."""

    host: str
    address: str | None
    path: str
    tls: bool
    found_in: str


def uses(mounts, fstab_text, suffix):
    """Return the :class:`Use` of every NFS share in a mount table and in the text of an fstab.

    :param suffix: what follows the account in the server's name. A tunnel shows the account, but not the server.
    """
    found = []
    for mount in mounts:
        host, colon, export = mount.source.partition(":")
        if mount.fstype not in NFS_TYPES or not colon:
            continue
        tls = host == LOOPBACK
        if tls:
            host = f"{export.split('/')[1]}.{suffix}" if export.count("/") > 1 else ""
        found.append(Use(host, None if tls else _address(mount), mount.path, tls, "mounted"))
    for line in fstab_text.split("\n"):
        entry = fstab.parse_line(line)
        if entry is not None and entry.fstype in (*NFS_TYPES, "aznfs") and ":" in entry.source:
            tls = entry.fstype == "aznfs" and "notls" not in entry.options.split(",")
            found.append(Use(entry.source.partition(":")[0], None, entry.path, tls, "in fstab"))
    return [use for use in found if use.host]


def refuse_mixing(present, source, home, client, resolve):
    """Fail if the share ``source`` is wanted with TLS while its endpoint is used without, or the other way round.

    :param present: list of :class:`Use`.
    :param home: where the share is to be mounted; what is there itself does not count.
    :param resolve: returns the set of addresses of a name, empty if it has none.
    """
    host = source.partition(":")[0]
    wanted = encrypted(client)
    others = [use for use in present if use.tls != wanted and use.path != home]
    if not others:
        return
    addresses = resolve(host)
    for use in others:
        known = {use.address} if use.address else set()
        if use.host == host or addresses & (known or resolve(use.host)):
            raise _mixed(use, host, wanted)


def _mixed(use, host, wanted):
    how = {True: "with TLS (aznfs)", False: "in clear text (nfs)"}
    what = host if use.host == host else f"{use.host}, the same server as {host},"
    return AzlinError(
        "encryption_conflict",
        f"{what} is {use.found_in} {how[use.tls]} at {use.path}, so this host cannot mount it {how[wanted]} too.",
        causes=[
            (
                "all mounts of one server share its connections, encrypted or not",
                f"use client: {'aznfs' if use.tls else 'nfs'} here too, or change {use.path} first",
            )
        ],
    )


def _address(mount):
    for option in mount.super_options:
        if option.startswith("addr="):
            return option.partition("=")[2]
    return None
