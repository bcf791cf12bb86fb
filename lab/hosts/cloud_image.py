# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guests' image as a cloud has it: cloud-init makes the user at the first boot, and SELinux can be had.

Derived from the ordinary one.
"""

from __future__ import annotations

import collections.abc
import contextlib
import json
import os
import pathlib
import secrets
import shutil
import tempfile

from lab.hosts.image import base_image
from lab.packages import DEBIAN_KEYRING
from lab.processes import run
from lab.recipe import cached, digest

PACKAGES = ("cloud-init", "selinux-policy-default", "policycoreutils", "selinux-utils")
# Debian's kernel has SELinux and leaves it off. A new host has files without labels, so nothing is enforced at first.
SELINUX = "security=selinux enforcing=0"
SETTINGS = {
    "datasource_list": ["NoCloud"],
    # The lab gives a guest its address, its name and the key by which it is known.
    "network": {"config": "disabled"},
    "preserve_hostname": True,
    "ssh_deletekeys": False,
    "ssh_genkeytypes": ["ed25519"],
    # A lab has no package mirror, and an emulated machine takes minutes to make a locale.
    "apt": {"preserve_sources_list": True},
    "locale": "C.UTF-8",
    "growpart": {"mode": "off"},
    "resize_rootfs": False,
    "system_info": {
        "default_user": {
            "name": "azureuser",
            "lock_passwd": True,
            "shell": "/bin/bash",
            "sudo": ["ALL=(ALL) NOPASSWD:ALL"],
            "groups": [],
        }
    },
}
SEED = "/var/lib/cloud/seed/nocloud"


def cloud_image() -> pathlib.Path:
    """Folder with base.raw, vmlinuz and initrd."""
    base = base_image()
    key = digest(base.name, pathlib.Path(__file__))
    return cached("cloud", key, lambda folder: build(folder, base))


def build(folder: pathlib.Path, base: pathlib.Path) -> None:
    """Make the image in ``folder`` from the ordinary one."""
    for name in ("vmlinuz", "initrd"):
        shutil.copyfile(base / name, folder / name)
    raw = folder / "base.raw"
    run(["qemu-img", "convert", "-O", "raw", str(base / "base.qcow2"), str(raw)])
    with mounted(raw) as tree:
        install(tree, folder / "apt")
        run(["chroot", str(tree), "userdel", "--remove", "azureuser"])
        (tree / "etc/sudoers.d/90-azureuser").unlink()
        (tree / "etc/apt/sources.list").write_text("")
        (tree / "etc/cloud/cloud.cfg.d/90_lab.cfg").write_text(json.dumps(SETTINGS))
        label(tree)
    shutil.rmtree(folder / "apt")


def install(tree: pathlib.Path, work: pathlib.Path) -> None:
    """Install what it has more with the machine's own apt, which knows the way to a mirror, and the guest's sources."""
    archives = work / "archives"
    for path in (archives / "partial", work / "lists/partial"):
        path.mkdir(parents=True)
    options = {
        "APT::Architecture": "amd64",
        "APT::Sandbox::User": "root",
        "Dir::State::status": tree / "var/lib/dpkg/status",
        "Dir::State::lists": work / "lists",
        "Dir::Cache::archives": archives,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "Dir::Etc::sourcelist": tree / "etc/apt/sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::trusted": DEBIAN_KEYRING,
    }
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    run([*apt, "update"], timeout=1200)
    run([*apt, "install", "-y", "--no-install-recommends", "--download-only", *PACKAGES], timeout=1200)
    inside = tree / "var/cache/apt/archives"
    packages = [shutil.copy(path, inside) for path in archives.glob("*.deb")]
    names = [f"/var/cache/apt/archives/{pathlib.Path(path).name}" for path in packages]
    run(["chroot", str(tree), "env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--install", *names], timeout=1200)
    for path in packages:
        os.unlink(path)


def label(tree: pathlib.Path) -> None:
    """Give every file its SELinux label; setfiles looks into /proc for what it may label."""
    process_files = tree / "proc"
    run(["mount", "--bind", "/proc", str(process_files)])
    try:
        contexts = "/etc/selinux/default/contexts/files/file_contexts"
        run(["chroot", str(tree), "setfiles", "-F", "-e", "/proc", contexts, "/"], timeout=1200)
    finally:
        run(["umount", str(process_files)])


def make_disk(image: pathlib.Path, folder: pathlib.Path, files: dict[str, tuple[str, int]]) -> None:
    """Give a new host its disk: the image with some files, each a text and a mode by its path."""
    raw = folder / "disk.raw"
    run(["cp", "--reflink=auto", "--sparse=always", str(image / "base.raw"), str(raw)])
    with mounted(raw) as tree:
        for name, (text, mode) in files.items():
            path = tree / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.unlink(missing_ok=True)
            path.touch(mode)
            path.write_text(text)
            path.chmod(mode)
    disk = folder / "disk.qcow2"
    disk.unlink(missing_ok=True)
    run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(raw), str(disk)])


def seed(name: str, authorized_key: str, user_data: str) -> dict[str, tuple[str, int]]:
    """What cloud-init finds at the first boot, as files; JSON is YAML too."""
    meta_data = {"instance-id": f"{name}-{secrets.token_hex(4)}", "public-keys": [authorized_key]}
    return {f"{SEED}/user-data": (user_data, 0o600), f"{SEED}/meta-data": (json.dumps(meta_data), 0o600)}


@contextlib.contextmanager
def mounted(raw: pathlib.Path) -> collections.abc.Iterator[pathlib.Path]:
    """The file system of a raw image; a mount point of its own, so that no clean-up of a cache ever removes in it."""
    with tempfile.TemporaryDirectory(prefix="azlin-lab-image-", dir="/run") as point:
        run(["mount", "-o", "loop", str(raw), point])
        try:
            yield pathlib.Path(point)
        finally:
            run(["umount", point])
