# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounting and unmounting, with time limits and errors that say what to do.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import copy
import ctypes
import os
import signal
import socket
import subprocess

from ansible_collections.azlin.storage.plugins.module_utils._common import mounts
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child, mountinfo

NFS_PORT = 2049
_PR_SET_PDEATHSIG = 1
_UNMOUNT_TIMEOUT = 30
_MS_BIND = 4096
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_LIBC = ctypes.CDLL(None, use_errno=True)

_NAME = (
    "name_resolution_failed",
    [
        ("the private DNS zone is not linked to this host's network, or lacks the record", "run the create playbook"),
        ("the host uses a DNS server that does not know the zone", "forward the zone to 168.63.129.16"),
    ],
)
_UNREACHABLE = (
    "server_unreachable",
    [
        ("a network security group or firewall blocks TCP 2049", "allow TCP 2049 from this host to the endpoint"),
        ("the host is in a network without a private endpoint or peering", "attach hosts of the storage's network"),
    ],
)
_DENIED = (
    "access_denied",
    [
        ("the host's subnet is not admitted", "run the create playbook with this host's subnet"),
        ("the account demands encryption in transit", "use client: aznfs, or set encryption_in_transit to disabled"),
        ("the share does not exist", "look the address up with the status playbook"),
    ],
)
_FAILED = (
    "mount_failed",
    [
        ("the NFS client is not installed", "install nfs-common (Debian, Ubuntu) or nfs-utils (RHEL, SUSE)"),
        ("a mount option is not understood by this kernel", "leave mount_options empty"),
    ],
)
_NO_HELPER = (
    "unsupported",
    [
        (
            "the package aznfs is not installed",
            "configure Microsoft's package repository for this distribution and install aznfs from it",
        ),
    ],
)
_MIXED = (
    "encryption_conflict",
    [
        (
            "another share of this server is mounted on this host the other way",
            "use the same client for all of them, or unmount that one first",
        ),
        (
            "one was until a moment ago",
            "wait until the watchdog of aznfs has ended its tunnel, or mount once by hand with the option clean",
        ),
    ],
)
_CERTIFICATE = (
    "access_denied",
    [
        ("something between this host and Azure opens the encryption", "exempt TCP 2049 from inspection"),
        ("aznfs trusts another authority than this cloud uses", "update the package aznfs"),
        ("the name resolves to another server", "look the address up with the status playbook"),
    ],
)
_TUNNEL = (
    "mount_failed",
    [
        ("the service aznfswatchdogv4 does not run", "start it: systemctl start aznfswatchdogv4"),
        ("stunnel is missing or broken", "install the package aznfs again; its log is /opt/microsoft/aznfs/data"),
    ],
)
# What mount(8), mount.nfs(8) and mount.aznfs print; the first that fits counts.
# Source: nfs-utils, utils/mount/error.c; AZNFS-mount, nfsv4mountscript.sh.
_MESSAGES = (
    ("unknown filesystem type 'aznfs'", _NO_HELPER),
    ("mount to the same endpoint", _MIXED),
    ("certificate verify failed", _CERTIFICATE),
    ("aznfswatchdog", _TUNNEL),
    ("not able to start stunnel", _TUNNEL),
    ("failed to resolve the ip address", _NAME),
    ("failed to resolve server", _NAME),
    ("name or service not known", _NAME),
    ("temporary failure in name resolution", _NAME),
    ("access denied by server", _DENIED),
    ("operation not permitted", _DENIED),
    ("permission denied", _DENIED),
    ("no such file or directory", _DENIED),
    ("connection timed out", _UNREACHABLE),
    ("connection refused", _UNREACHABLE),
    ("no route to host", _UNREACHABLE),
    ("network is unreachable", _UNREACHABLE),
)


def trouble(path, timeout=20):
    """What keeps a mounted file system from being used: None, or ChildTimeout of a silent server, or ChildFailed."""
    try:
        child.call(lambda: os.statvfs(path).f_bsize, timeout)
        return None
    except (child.ChildFailed, child.ChildTimeout) as error:
        return error


def is_silent(path):
    """Whether the server of what is mounted at a path does not answer."""
    return isinstance(trouble(path), child.ChildTimeout)


class Mounter:
    """Mounts NFS shares; what differs for another kind of share is in ``fstypes`` and ``mount_argv``.

    :param options: list of options for mount(8).
    :param timeout: seconds for each connection attempt and for the mount.
    :param client: ``nfs``, or ``aznfs`` for TLS.
    """

    fstypes = mountinfo.NFS_TYPES

    def __init__(self, options, timeout, client="nfs"):
        self.options = list(options)
        self.timeout = timeout
        self.client = client

    def with_client(self, client, extra):
        """The same mounter for another client and other options than the default ones."""
        other = copy.copy(self)
        other.client = client
        other.options = mounts.mount_options(client, extra)
        return other

    def mount_argv(self, source, target):
        """The command that mounts a share."""
        return ["mount", "-t", mounts.fstype(self.client), "-o", ",".join(self.options), source, target]

    def probe(self, host):
        """Fail unless the name resolves and the server answers on the NFS port within the time limit."""
        addresses = self._resolve(host)
        failures = []
        for address in addresses:
            try:
                socket.create_connection((address, NFS_PORT), timeout=self.timeout).close()
                return
            except OSError as error:
                failures.append(f"{address}: {error}")
        raise _error(_UNREACHABLE, f"{host} does not answer on TCP {NFS_PORT} ({'; '.join(failures)}).")

    def mount(self, source, target):
        """Mount the share ``source`` at a directory."""
        self._run(self.mount_argv(source, target), f"{source} could not be mounted", self.timeout)

    def bind(self, source, target):
        """Show the mounted directory ``source`` at ``target`` too; at once, and with the same mount flags."""
        self._run(["mount", "--bind", source, target], f"{source} could not be bound to {target}", self.timeout)

    def bind_to(self, source, target):
        """Show a local directory at an open one, whatever its owner does to the path meanwhile."""
        if _LIBC.mount(os.fsencode(source), f"/proc/self/fd/{target}".encode(), None, _MS_BIND, None) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise _error(_FAILED, f"{source} could not be bound to {os.readlink(f'/proc/self/fd/{target}')}: {reason}.")

    def make_private(self, target):
        """Let what is mounted, or unmounted, below a mount point not do the same where its file system shows too.

        Systemd makes all mounts shared, so that unmounting the stage would take with it what is mounted in the home
        (mount_namespaces(7)).
        """
        if _LIBC.mount(None, os.fsencode(target), None, _MS_PRIVATE, None) != 0:
            raise _error(_FAILED, f"{target} could not be made private: {os.strerror(ctypes.get_errno())}.")

    def unmount(self, target, lazy=False):
        """Unmount a mount point; True if it worked. Lazily it works even while in use or without a server."""
        argv = ["umount", "-l", target] if lazy else ["umount", target]
        return _execute(argv, _UNMOUNT_TIMEOUT)[0] == 0

    def unmount_below(self, directory, name, lazy=False):
        """As :func:`unmount`, of a name in an open directory, and never of what a link of that name leads to."""
        flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if lazy else 0)
        return _LIBC.umount2(f"/proc/self/fd/{directory}/{name}".encode(), flags) == 0

    def ours(self, mount, source):
        """Whether a mount (or None) is the root of the share ``source``, mounted by this client."""
        shown = mounts.mounted_source(source, self.client)
        return mount is not None and mount.fstype in self.fstypes and mount.source == shown and mount.root == "/"

    def is_share(self, mount):
        """Whether a mount (or None) is a share of any address."""
        return mount is not None and mount.fstype in self.fstypes

    def addresses(self, host):
        """The addresses of a name; empty if it has none."""
        try:
            return set(self._resolve(host))
        except AzlinError:
            return set()

    def _resolve(self, host):
        def addresses():
            found = socket.getaddrinfo(host, NFS_PORT, proto=socket.IPPROTO_TCP)
            return sorted({info[4][0] for info in found})

        try:
            return child.call(addresses, self.timeout)
        except child.ChildFailed as error:
            raise _error(_NAME, f"{host} cannot be resolved: {error}.") from error
        except child.ChildTimeout as error:
            raise _error(_NAME, f"{host} was not resolved within {self.timeout} s.") from error

    def _run(self, argv, what, timeout):
        try:
            status, text = _execute(argv, timeout)
        except FileNotFoundError as error:
            raise _error(_FAILED, f"{what}: {argv[0]} is not installed.") from error
        if status is None:
            raise _error(_UNREACHABLE, f"{what}: no answer within {timeout} s.")
        if status != 0:
            raise _classified(what, text)


def _classified(what, text):
    lowered = text.lower()
    for message, kind in _MESSAGES:
        if message in lowered:
            return _error(kind, f"{what}: {text}")
    return _error(_FAILED, f"{what}: {text}")


def _error(kind, msg):
    return AzlinError(kind[0], msg, causes=kind[1], try_="ansible-playbook azlin.storage.status")


def _die_with_parent():
    """A mount that finishes after its parent was killed would surprise the run that recovers."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _execute(argv, timeout):
    """Return (status, output) of a command; status None when it did not end and was abandoned."""
    # A file, since the tunnel that a mount helper leaves running may keep its output open; in memory, since the disk
    # may be full.
    with os.fdopen(os.memfd_create("output"), "w+b") as output:
        # AnsibleModule.run_command knows no time limit.
        # pylint: disable-next=ansible-bad-function
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=dict(os.environ, LC_ALL="C"),
            preexec_fn=_die_with_parent,
            start_new_session=True,
        )
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            # A process in an uninterruptible NFS call survives even this; it must not hold up the caller.
            os.killpg(process.pid, signal.SIGKILL)
            return None, ""
        output.seek(0)
        return process.returncode, output.read().decode("utf-8", "replace").strip()
