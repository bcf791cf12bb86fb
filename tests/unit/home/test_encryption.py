# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client for TLS: what is mounted, how it is recognised, and that one server is never reached both ways."""

from __future__ import annotations

import os
import subprocess

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mounted_source
from ansible_collections.azlin.storage.plugins.module_utils._home import encryption, manifest, mountinfo
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter

from .world import KEY, OTHER_KEY, UID, World, populate, read, write
from .world import SOURCE as SHARE

SUFFIX = "file.core.test"
SOURCE = f"acct01.{SUFFIX}:/acct01/home"
HOME = "/home/u"
TLS_MOUNT = "40 22 0:35 / /srv/a rw - nfs4 127.0.0.1:/acct01/data rw,vers=4.1,port=20049,addr=127.0.0.1\n"
PLAIN_MOUNT = f"41 22 0:36 / /srv/b rw - nfs4 acct01.{SUFFIX}:/acct01/data rw,vers=4.1,addr=10.0.0.4\n"
OTHER_PLAIN = f"42 22 0:37 / /srv/c rw - nfs4 acct02.{SUFFIX}:/acct02/data rw,addr=10.0.0.5,clientaddr=10.0.0.9\n"
ADDRESSES = {f"acct01.{SUFFIX}": {"10.0.0.4"}, f"acct02.{SUFFIX}": {"10.0.0.5"}, f"acct03.{SUFFIX}": {"10.0.0.4"}}


def refuse(mounts, fstab_text, client, source=SOURCE):
    present = encryption.uses(mountinfo.parse(mounts), fstab_text, SUFFIX)
    encryption.refuse_mixing(present, source, HOME, client, lambda host: ADDRESSES.get(host, set()))


@pytest.mark.parametrize(
    ("mounts", "fstab_text", "client", "where"),
    [
        (PLAIN_MOUNT, "", "aznfs", "/srv/b"),
        (TLS_MOUNT, "", "nfs", "/srv/a"),
        ("", f"{SOURCE} /srv/d nfs defaults 0 0\n", "aznfs", "/srv/d"),
        ("", f"{SOURCE} /srv/d aznfs defaults,notls 0 0\n", "aznfs", "/srv/d"),
        ("", f"{SOURCE} /srv/d aznfs defaults 0 0\n", "nfs", "/srv/d"),
        # Another name of the same server.
        ("", f"acct03.{SUFFIX}:/acct03/home /srv/e nfs defaults 0 0\n", "aznfs", "/srv/e"),
        (PLAIN_MOUNT.replace("acct01.", "old-name."), "", "aznfs", "/srv/b"),
        # Not the end of a line.
        ("", f"{SOURCE}\f/sub /srv/f nfs defaults 0 0\n", "aznfs", "/srv/f"),
    ],
)
def test_one_server_both_ways_is_refused_and_named(mounts, fstab_text, client, where):
    with pytest.raises(AzlinError) as caught:
        refuse(mounts, fstab_text, client)
    assert caught.value.error_code == "encryption_conflict"
    assert where in caught.value.msg and where in caught.value.causes[0][1]


@pytest.mark.parametrize(
    ("mounts", "fstab_text", "client"),
    [
        (TLS_MOUNT, "", "aznfs"),
        (PLAIN_MOUNT, "", "nfs"),
        (OTHER_PLAIN, "", "aznfs"),
        ("", f"{SOURCE} {HOME} nfs defaults 0 0\n", "aznfs"),
        ("", f"# {SOURCE} /srv/d nfs defaults 0 0\n/dev/sda1 / ext4 defaults 0 1\n", "aznfs"),
        ("43 22 0:38 / /srv/f rw - fuse.sshfs 127.0.0.1:/acct01/data rw\n", "", "nfs"),
        ("44 22 0:39 / /srv/g rw - nfs4 127.0.0.1:/ rw\n", "", "nfs"),
    ],
)
def test_other_servers_and_the_same_way_are_no_conflict(mounts, fstab_text, client):
    refuse(mounts, fstab_text, client)


def test_names_are_resolved_only_where_it_matters():
    present = encryption.uses(mountinfo.parse(PLAIN_MOUNT), "", SUFFIX)
    encryption.refuse_mixing(present, SOURCE, HOME, "nfs", lambda host: pytest.fail(f"asked for {host}"))


def test_what_the_tunnel_shows_is_recognised_as_the_share():
    [shown] = mountinfo.parse(TLS_MOUNT.replace("data", "home"))
    plain = Mounter([], 20)
    assert plain.with_client("aznfs", ()).ours(shown, SOURCE)
    assert not plain.ours(shown, SOURCE)
    assert not plain.with_client("aznfs", ()).ours(shown, SOURCE.replace("/home", "/other"))
    assert plain.is_share(shown)


def test_the_helper_is_called_for_tls():
    argv = Mounter([], 20).with_client("aznfs", ("actimeo=30",)).mount_argv(SOURCE, "/mnt")
    assert argv[:3] == ["mount", "-t", "aznfs"] and argv[-2:] == [SOURCE, "/mnt"]
    assert {"vers=4", "minorversion=1", "sec=sys", "actimeo=30"} <= set(argv[4].split(","))


@pytest.fixture
def tunnelled(base, share):
    """A host on which a share shows as through the tunnel of aznfs."""
    subprocess.run(["umount", share], check=True)
    tunnel = mounted_source(SHARE, "aznfs")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0777,nosuid,nodev", tunnel, share], check=True)
    world = World(base, share)
    populate(world.home)
    return world


def test_what_is_written_down_is_the_share_and_not_the_tunnel(tunnelled):
    before = tunnelled.tree()
    result = tunnelled.apply(client="aznfs")
    assert (result["home"]["source"], result["home"]["client"]) == (SHARE, "aznfs")
    assert tunnelled.mount().source == "127.0.0.1:/teamhomes01/home"
    assert f"{SHARE} {tunnelled.home} aznfs ".encode() in read("/", tunnelled.fstab)
    assert tunnelled.apply(client="aznfs")["changed"] is False
    result = tunnelled.apply("detached")
    assert result["home"]["client"] is None and manifest.compare(before, tunnelled.tree()) == []


def test_the_client_of_an_attached_home_is_not_changed_under_it(tunnelled):
    tunnelled.apply(client="aznfs")
    before = tunnelled.snapshot()
    with pytest.raises(AzlinError) as caught:
        tunnelled.apply(client="nfs")
    assert caught.value.error_code == "in_use" and "client aznfs" in caught.value.msg
    assert tunnelled.snapshot() == before


def test_after_a_reboot_the_same_client_mounts(tunnelled):
    tunnelled.apply(client="aznfs", extra_options=("actimeo=30",))
    subprocess.run(["umount", tunnelled.home], check=True)
    assert tunnelled.apply("detached")["action"] == "detach"


def test_what_is_seen_of_a_share_is_seen_through_the_tunnel_too(tunnelled):
    tunnelled.apply(client="aznfs")
    write(tunnelled.home, ".ssh/authorized_keys", f"{KEY}\n{OTHER_KEY}\n", 0o600)
    assert tunnelled.apply(client="aznfs")["host_record"] == "written"
    os.chown(tunnelled.share, UID + 1, UID)
    with pytest.raises(AzlinError) as caught:
        tunnelled.apply(client="aznfs")
    assert caught.value.error_code == "uid_mismatch"
    subprocess.run(["umount", tunnelled.home], check=True)
    assert OTHER_KEY.encode() in read(tunnelled.home, ".ssh/authorized_keys")


def test_mixing_is_refused_before_anything_is_changed(world):
    with open(world.fstab, "ab") as stream:
        stream.write(f"\n{SHARE} /srv/other nfs defaults 0 0\n".encode())
    before = world.snapshot()
    with pytest.raises(AzlinError) as caught:
        world.apply(client="aznfs")
    assert caught.value.error_code == "encryption_conflict" and "/srv/other" in caught.value.msg
    assert world.snapshot() == before and not os.path.exists(world.host.run_dir)
