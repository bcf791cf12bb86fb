# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk image of the guests: a Debian made by mmdebstrap, kernel and initrd beside it."""

from __future__ import annotations

import os
import pathlib
import shutil

from lab.processes import run
from lab.recipe import cached, digest

SUITE = "bookworm"
PACKAGES = (
    "systemd-sysv",
    "openssh-server",
    "python3",
    "linux-image-cloud-amd64",
    "initramfs-tools",
    "nfs-common",
    # mount.nfs looks proto=tcp up in /etc/protocols, which every real host has.
    "netbase",
    "rsync",
    "sudo",
    "acl",
    "attr",
    "iproute2",
    "dbus",
    "libpam-systemd",
    "kmod",
    "udev",
    # Some hosts become servers of the NAS lab.
    "nfs-ganesha",
    "nfs-ganesha-vfs",
    "e2fsprogs",
)
# Units that slow a boot under emulation and that no test needs.
MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty@tty1.service",
    "serial-getty@ttyS0.service",
    "nfs-blkmap.service",
    "nfs-ganesha.service",
    "nfs-ganesha-config.service",
    "nfs-ganesha-lock.service",
    "rpc-gssd.service",
    "rpc-svcgssd.service",
    "auth-rpcgss-module.service",
    "rpcbind.service",
    "rpcbind.socket",
    "rpc-statd.service",
    "systemd-timesyncd.service",
    "systemd-networkd.service",
    "systemd-resolved.service",
    "rpc-statd-notify.service",
    "dev-hugepages.mount",
    "dev-mqueue.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "sys-fs-fuse-connections.mount",
    "modprobe@.service",
    "kmod-static-nodes.service",
    "proc-sys-fs-binfmt_misc.automount",
    "systemd-binfmt.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
)
# What systemd runs at every boot and daemon-reload, and for which a lab host has nothing; fstab's stays.
MASKED_GENERATORS = (
    "nfs-server-generator",
    "rpc-pipefs-generator",
    "systemd-bless-boot-generator",
    "systemd-cryptsetup-generator",
    "systemd-debug-generator",
    "systemd-getty-generator",
    "systemd-gpt-auto-generator",
    "systemd-hibernate-resume-generator",
    "systemd-integritysetup-generator",
    "systemd-rc-local-generator",
    "systemd-run-generator",
    "systemd-system-update-generator",
    "systemd-sysv-generator",
    "systemd-veritysetup-generator",
)
# The initrd needs only these; with everything in it (the default) it takes several times as long to unpack.
INITRD_MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "ext4")
# Room for a home of 4 GiB beside its copy.
DISK_SIZE = "12G"
GUEST_FILES = pathlib.Path(__file__).parent / "guest"
HOST_KEY = "/etc/ssh/ssh_host_ed25519_key"
FILES = {
    "etc/fstab": "# <file system> <mount point> <type> <options> <dump> <pass>\n/dev/vda / ext4 defaults 0 0\n",
    "etc/resolv.conf": "nameserver 168.63.129.16\n",
    "etc/sudoers.d/90-azureuser": "azureuser ALL=(ALL) NOPASSWD:ALL\n",
    "etc/hostname": "lab-image\n",
    "etc/ssh/sshd_config.d/lab.conf": f"HostKey {HOST_KEY}\nPasswordAuthentication no\n",
    # There is no host key before the host has its identity.
    "etc/systemd/system/ssh.service.d/lab.conf": f"[Unit]\nConditionPathExists={HOST_KEY}\n",
    # Disk and network card: the other devices of an emulated machine take seconds to be looked at, and are not used.
    "etc/systemd/system/systemd-udev-trigger.service.d/lab.conf": (
        "[Service]\nExecStart=\nExecStart=-udevadm trigger --action=add --subsystem-match=block --subsystem-match=net\n"
    ),
}


def base_image() -> pathlib.Path:
    """Folder with base.qcow2, vmlinuz and initrd; about a minute to build, seconds when cached."""
    key = digest(SUITE, PACKAGES, MASKED, INITRD_MODULES, DISK_SIZE, FILES, GUEST_FILES, pathlib.Path(__file__))
    return cached("guest", key, build)


def build(folder: pathlib.Path) -> None:
    """Make the image in ``folder``."""
    tree = folder / "tree"
    bootstrap(folder, tree)
    customise(tree)
    for name, target in (("vmlinuz-*", "vmlinuz"), ("initrd.img-*", "initrd")):
        shutil.copyfile(next((tree / "boot").glob(name)), folder / target)
    raw = folder / "base.raw"
    # With whole inode tables: else every guest writes them in its first minutes.
    options = ["-q", "-t", "ext4", "-L", "lab", "-m", "0", "-E", "lazy_itable_init=0"]
    run(["mke2fs", *options, "-d", str(tree), str(raw), DISK_SIZE])
    run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(folder / "base.qcow2")])
    raw.unlink()
    shutil.rmtree(tree)


def bootstrap(folder: pathlib.Path, tree: pathlib.Path) -> None:
    """Install Debian into ``tree``; the initrd's configuration must be there before the kernel is."""
    settings = folder / "initramfs"
    settings.mkdir()
    conf = settings / "initrd.conf"
    conf.write_text("MODULES=list\n")
    modules = settings / "azlin-lab"
    modules.write_text("".join(f"{name}\n" for name in INITRD_MODULES))
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--format=directory",
            f"--include={','.join(PACKAGES)}",
            '--essential-hook=mkdir -p "$1/etc/initramfs-tools/conf.d" "$1/usr/share/initramfs-tools/modules.d"',
            f"--essential-hook=copy-in {conf} /etc/initramfs-tools/conf.d/",
            f"--essential-hook=copy-in {modules} /usr/share/initramfs-tools/modules.d/",
            SUITE,
            str(tree),
        ],
        timeout=3600,
    )
    shutil.rmtree(settings)


def customise(tree: pathlib.Path) -> None:
    """User, services and files of a lab host."""
    for name, text in FILES.items():
        path = tree / name
        path.parent.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_text(text)
    (tree / "etc/sudoers.d/90-azureuser").chmod(0o440)
    for key in (tree / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for folder, names in (("system", MASKED), ("system-generators", MASKED_GENERATORS)):
        for name in names:
            link = tree / "etc/systemd" / folder / name
            link.parent.mkdir(exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to("/dev/null")
    library = tree / "usr/lib/azlin-lab"
    library.mkdir()
    for name in ("guest_agent.py", "make_home.py"):
        shutil.copy(GUEST_FILES / name, library)
    for unit in GUEST_FILES.glob("*.service"):
        shutil.copy(unit, tree / "etc/systemd/system")
    enter = ["chroot", str(tree)]
    run([*enter, "useradd", "--uid", "1000", "--user-group", "--no-create-home", "--shell", "/bin/bash", "azureuser"])
    run([*enter, "python3", "/usr/lib/azlin-lab/make_home.py", "/home/azureuser"])
    run([*enter, "systemctl", "enable", *(unit.name for unit in GUEST_FILES.glob("*.service"))])
    run([*enter, "systemctl", "set-default", "multi-user.target"])
    os.chown(tree, 0, 0)
