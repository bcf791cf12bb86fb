# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one place that renders mount sources, options and fstab lines.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid

# Azure docs, "Mount NFS Azure file shares on Linux": version, sec and nconnect (no gain above 4);
# dotted minor versions are not understood everywhere. noresvport: recommended for kernels before 5.18.
# hard: an outage stalls programs instead of failing their writes. nosuid, nodev: users own what lies here.
_NFS_OPTIONS = (
    "vers=4",
    "minorversion=1",
    "sec=sys",
    "nconnect=4",
    "noresvport",
    "hard",
    "timeo=600",
    "retrans=2",
    "nosuid",
    "nodev",
)
# Azure docs, "Mount NFS Azure file shares on Linux", the line for aznfs; NFS 4 itself ignores nolock.
_AZNFS_OPTIONS = ("nolock", "proto=tcp")
# What is copied into an export behind the server's back has to be seen within seconds, not after a minute.
_NAS_OPTIONS = ("actimeo=5",)
# nofail: a host boots without the server. The mount's own limit keeps that boot short.
_BOOT_OPTIONS = ("_netdev", "nofail", "x-systemd.mount-timeout=30s")
# aznfs is Microsoft's mount helper: TLS by a tunnel on this host, through which it mounts from 127.0.0.1.
_FSTYPES = {"nfs": "nfs", "aznfs": "aznfs"}
CLIENTS = tuple(_FSTYPES)
# The package with the client, by what Ansible calls the family of the distribution; aznfs has one name everywhere.
_PACKAGES = {"Debian": "nfs-common", "RedHat": "nfs-utils", "Suse": "nfs-client"}
LOOPBACK = "127.0.0.1"
_OPTION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:=[A-Za-z0-9_./:@%+-]+)?", re.ASCII)
# What would make a mounted home lose data, or a share that is not NFS 4.1.
_REFUSED = {
    "soft": "a soft mount returns errors to programs in the middle of a write",
    "softerr": "a soft mount returns errors to programs in the middle of a write",
    "ro": "a home must be writable",
    "bg": "the mount must be in place when the command returns",
    "x-systemd.automount": "a login would wait for a mount that nothing shows beforehand",
    "notls": "encryption is chosen by the client",
    "port": "Azure Files answers on 2049, and the tunnel of aznfs has a port of its own",
}
_FIXED = ("vers", "nfsvers", "minorversion", "sec")


def fstype(client="nfs"):
    """Return the filesystem type that mount(8) is given for a client."""
    if client not in _FSTYPES:
        raise invalid("client", client, "it is not a known NFS client", f"Use one of: {', '.join(_FSTYPES)}.")
    return _FSTYPES[client]


def client_package(os_family, client="nfs"):
    """Return the name of the package with the NFS client."""
    if os_family not in _PACKAGES:
        known = ", ".join(_PACKAGES)
        raise invalid("os_family", os_family, "its package of the NFS client is not known", f"Use one of: {known}.")
    return "aznfs" if encrypted(client) else _PACKAGES[os_family]


def encrypted(client):
    """Whether a client encrypts what goes over the wire."""
    return client == "aznfs"


def mounted_source(source, client="nfs"):
    """Return the source that the mount table shows for the share ``HOST:/ACCOUNT/SHARE``.

    Source: AZNFS-mount, nfsv4mountscript.sh: the helper mounts ``127.0.0.1:/ACCOUNT/SHARE`` from its tunnel.
    """
    return f"{LOOPBACK}:{source.partition(':')[2]}" if encrypted(client) else source


def mount_options(client="nfs", extra=()):
    """Return the list of options for mount(8); ``extra`` replaces defaults of the same name.

    :raises AzlinError: ``invalid_argument`` for an option that is malformed, fixed by Azure or unsafe for homes.
    """
    fstype(client)
    extra = [_checked(option) for option in extra]
    replaced = {_key(option) for option in extra}
    defaults = _NFS_OPTIONS + (_AZNFS_OPTIONS if encrypted(client) else ())
    return [option for option in defaults if _key(option) not in replaced] + extra


def nas_options(port, read_only=False):
    """Return the list of options for mount(8) and for a PersistentVolume of a server of a NAS test bed.

    They are those of a share, so that what is mounted in a test behaves as in production.
    """
    return [*mount_options(), *_NAS_OPTIONS, f"port={port}", *(("ro",) if read_only else ())]


def fstab_options(client="nfs", extra=()):
    """Return the list of options for fstab(5): those of mount(8) and what a boot needs."""
    return mount_options(client, extra) + list(_BOOT_OPTIONS)


def fstab_line(source, path, client="nfs", extra=()):
    """Return the line of fstab(5), without its newline."""
    return f"{source} {path} {fstype(client)} {','.join(fstab_options(client, extra))} 0 0"


def bind_line(directory, path, home):
    """Return the line of fstab(5) that shows a local directory at a path in a mounted home, without its newline."""
    options = ("bind", "_netdev", "nofail", f"x-systemd.requires-mounts-for={home}")
    return f"{directory} {path} none {','.join(options)} 0 0"


def _key(option):
    return option.partition("=")[0]


def _checked(option):
    text = str(option)
    key = _key(text)
    if not _OPTION.fullmatch(text):
        raise invalid("mount_options", option, "it is not a single mount option", "Write one list item per option.")
    if key in _REFUSED:
        raise invalid("mount_options", option, _REFUSED[key], "Leave it out.")
    if key in _FIXED:
        raise invalid("mount_options", option, "Azure Files offers NFS 4.1 with sec=sys only", "Leave it out.")
    if key in map(_key, _BOOT_OPTIONS):
        raise invalid("mount_options", option, "it is always set in fstab", "Leave it out.")
    return text
