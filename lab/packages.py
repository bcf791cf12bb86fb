# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The system packages of the lab: installed with apt when root, else named in one error."""

from __future__ import annotations

import os
import pathlib
import shutil

from lab.errors import LabError
from lab.processes import run

# command -> Debian/Ubuntu package
COMMANDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "mmdebstrap": "mmdebstrap",
    "podman": "podman",
    "runc": "runc",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "nft": "nftables",
    "losetup": "mount",
    "mke2fs": "e2fsprogs",
    "mkfs.xfs": "xfsprogs",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "rsync": "rsync",
}
# The guests are Debian whatever the machine is; on Debian itself the file is always there.
DEBIAN_KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def missing_packages() -> list[str]:
    """Packages that are needed and not there, sorted."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for command, package in COMMANDS.items() if not shutil.which(command, path=path)}
    if not DEBIAN_KEYRING.exists():
        missing.add("debian-archive-keyring")
    return sorted(missing)


def ensure_packages() -> list[str]:
    """Install what is missing and return it; without root name everything that is missing in one error."""
    missing = missing_packages()
    if os.geteuid() != 0:
        install = f" Packages to install first: {' '.join(missing)}." if missing else ""
        raise LabError(f"the lab needs root (network namespace, taps, containers, loop mounts).{install}")
    if missing:
        apt = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
        run([*apt, "update"], timeout=1200)
        run([*apt, "install", "-y", "--no-install-recommends", *missing], timeout=3600)
        still = missing_packages()
        if still:
            raise LabError(f"these packages could not be installed: {' '.join(still)}")
    return missing
