# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a share cannot hold is put on record and put back, on a real file system."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import tempfile

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import copier, manifest, sidecar, trees

from .world import UID, populate, write

ACCESS, DEFAULT = trees.ACLS
# linux/capability.h: revision 2 with the effective bit, CAP_NET_RAW permitted.
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 13, 0, 0, 0)


def acl(*entries):
    """The raw value of an ACL (linux/posix_acl_xattr.h): version 2, then (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


# Owner rw, the user 4711 rw, group r, mask rw, others none.
LIST = acl((1, 6, 0xFFFFFFFF), (2, 6, 4711), (4, 4, 0xFFFFFFFF), (0x10, 6, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF))


@pytest.fixture
def homes():
    """A home with everything a share cannot hold, and an empty directory, on a disk."""
    path = tempfile.mkdtemp(prefix="azlin-sidecar-", dir="/var/tmp")
    home, share = os.path.join(path, "home"), os.path.join(path, "share")
    populate(home)
    os.mkdir(share)
    os.mkdir(os.path.join(share, ".azlin"), 0o700)
    os.setxattr(os.path.join(home, ".bashrc"), ACCESS, LIST)
    os.setxattr(os.path.join(home, "src"), DEFAULT, LIST)
    os.setxattr(os.path.join(home, "secret"), "user.origin", b"\x00binary\xff")
    os.setxattr(os.fsencode(home) + b"/latin1-\xe4\xf6", "user.note", b"odd name")
    os.setxattr(os.path.join(home, "run.sh"), "security.capability", CAPABILITY)
    os.mknod(os.path.join(home, "linked/null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chown(os.path.join(home, "linked/null"), UID, 5)
    write(home, "many/0", "content")
    for number in range(1, 200):
        os.link(os.path.join(home, "many/0"), os.path.join(home, f"many/{number}"))
    yield home, share
    shutil.rmtree(path)


def everything(path):
    """The manifest with attributes and device numbers."""
    result = manifest.build(path, exclude=[".azlin"], digest=True)
    extra = {}
    for name in result:
        full = os.path.join(path, name)
        values = {
            attribute: os.getxattr(full, attribute, follow_symlinks=False)
            for attribute in os.listxattr(full, follow_symlinks=False)
        }
        extra[name] = (values, os.lstat(full).st_rdev)
    return result, extra


def test_what_is_saved_comes_back(homes, tmp_path):
    home, share = homes
    before = everything(home)
    document = sidecar.collect(home)
    digest = sidecar.save(share, ".azlin", "me", document)
    copier.Copier(home, share, exclude=[".azlin"]).run()
    assert manifest.compare(before[0], everything(share)[0])
    back = os.path.join(os.path.dirname(home), "back")
    os.mkdir(back)
    copier.Copier(share, back, exclude=[".azlin"]).run()
    assert sidecar.restore(back, *sidecar.load(share, ".azlin", "me", digest), UID) == []
    assert manifest.compare(before[0], everything(back)[0]) == []
    assert everything(back)[1] == before[1]


def test_a_survey_names_what_the_sidecar_saves(homes):
    home, _share = homes
    found = trees.survey(home)
    document = sidecar.collect(home)
    named = {line.rsplit(": ", 1)[0] for line in found.refused}
    saved = [item["path"] for part in ("attributes", "devices") for item in document[part]]
    saved += [path for paths in document["links"] for path in paths]
    assert named == set(saved) and found.refusals == len(found.refused)


def test_nothing_to_save_leaves_no_file(homes, tmp_path):
    _home, share = homes
    populate(str(tmp_path / "plain"))
    sidecar.save(share, ".azlin", "me", dict(sidecar.collect(share), links=[["a", "b"]]))
    assert sidecar.load(share, ".azlin", "me", None) is not None
    assert sidecar.save(share, ".azlin", "me", sidecar.collect(str(tmp_path / "plain"))) is None
    assert sidecar.load(share, ".azlin", "me", None) is None


def test_a_mode_that_was_set_since_counts(homes):
    home, _share = homes
    document = sidecar.collect(home)
    path = os.path.join(home, ".bashrc")
    os.removexattr(path, ACCESS)
    os.chmod(path, 0o600)
    assert sidecar.restore(home, dict(document, devices=[]), trusted=True, uid=UID) == []
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert ACCESS in os.listxattr(path)


@pytest.mark.parametrize("noted", ["nothing", "another"])
def test_a_record_that_somebody_else_may_have_written_makes_no_devices_and_no_capabilities(homes, noted):
    home, share = homes
    document = sidecar.collect(home)
    another = sidecar.save(share, ".azlin", "me", dict(document, links=[]))
    sidecar.save(share, ".azlin", "me", document)
    os.unlink(os.path.join(home, "linked/null"))
    os.removexattr(os.path.join(home, "run.sh"), "security.capability")
    document, trusted = sidecar.load(share, ".azlin", "me", another if noted == "another" else None)
    failures = sidecar.restore(home, document, trusted, UID)
    assert sorted(line.split(":")[0] for line in failures) == ["linked/null", "run.sh"]
    assert not os.path.lexists(os.path.join(home, "linked/null"))
    assert os.listxattr(os.path.join(home, "run.sh")) == []


def test_a_program_that_was_changed_gets_no_capabilities(homes):
    home, _share = homes
    document = dict(sidecar.collect(home), devices=[])
    write(home, "run.sh", "#!/bin/sh\nanother\n", 0o755)
    assert os.listxattr(os.path.join(home, "run.sh")) == []
    (failure,) = sidecar.restore(home, document, trusted=True, uid=UID)
    assert failure.startswith("run.sh: ")
    assert os.listxattr(os.path.join(home, "run.sh")) == []


def test_links_are_not_followed_and_what_is_gone_is_reported(homes, tmp_path):
    home, _share = homes
    document = dict(sidecar.collect(home), devices=[], links=[])
    victim = tmp_path / "victim"
    victim.write_text("mine")
    os.unlink(os.path.join(home, ".bashrc"))
    os.symlink(victim, os.path.join(home, ".bashrc"))
    os.unlink(os.path.join(home, "secret"))
    failures = sidecar.restore(home, document, trusted=True, uid=UID)
    assert {line.split(":")[0] for line in failures} == {".bashrc", "secret"}
    assert os.listxattr(victim) == []


@pytest.mark.parametrize(("call", "path"), [("setxattr", ".bashrc"), ("setxattr", "run.sh"), ("chown", "linked/null")])
def test_a_name_that_is_exchanged_for_a_link_meanwhile_is_not_followed(homes, tmp_path, monkeypatch, call, path):
    home, _share = homes
    document = dict(sidecar.collect(home), links=[])
    document["attributes"] = [item for item in document["attributes"] if item["path"] == path]
    os.unlink(os.path.join(home, "linked/null"))
    os.removexattr(os.path.join(home, "run.sh"), "security.capability")
    victim = tmp_path / "victim"
    shutil.copy2(os.path.join(home, "run.sh"), victim)
    victim.chmod(0o600)
    real = getattr(os, call)

    def exchange_then(*arguments, **options):
        real(*arguments, **options)
        monkeypatch.setattr(os, call, real)
        os.rename(os.path.join(home, path), os.path.join(home, "aside"))
        os.symlink(victim, os.path.join(home, path))

    monkeypatch.setattr(os, call, exchange_then)
    sidecar.restore(home, document, trusted=True, uid=UID)
    assert os.path.islink(os.path.join(home, path))
    status = os.stat(victim)
    assert (stat.S_IMODE(status.st_mode), status.st_uid, os.listxattr(victim)) == (0o600, 0, [])


def test_a_device_that_is_exchanged_meanwhile_is_reported(homes, tmp_path, monkeypatch):
    home, _share = homes
    document = dict(sidecar.collect(home), links=[], attributes=[])
    path = os.path.join(home, "linked/null")
    os.unlink(path)
    victim = tmp_path / "victim"
    victim.write_text("mine")
    victim.chmod(0o600)
    real = os.mknod

    def exchange_then(*arguments, **options):
        real(*arguments, **options)
        os.unlink(path)
        os.symlink(victim, path)

    monkeypatch.setattr(os, "mknod", exchange_then)
    (failure,) = sidecar.restore(home, document, trusted=True, uid=UID)
    assert failure.startswith("linked/null: ")
    assert (stat.S_IMODE(victim.stat().st_mode), victim.stat().st_uid) == (0o600, 0)


@pytest.mark.parametrize("owner", [0, 7])
def test_a_record_of_somebody_else_changes_no_file_of_others_than_the_user(homes, owner):
    home, _share = homes
    document = dict(sidecar.collect(home), devices=[], links=[])
    os.chown(os.path.join(home, "secret"), owner, owner)
    os.removexattr(os.path.join(home, "secret"), "user.origin")
    failures = sidecar.restore(home, document, trusted=False, uid=UID)
    assert "secret" in {line.split(":")[0] for line in failures}
    assert os.listxattr(os.path.join(home, "secret")) == []


@pytest.mark.parametrize("content", [b"[" * 100_000, b" " * ((64 << 20) + 1), None])
def test_a_record_that_costs_too_much_is_an_error(homes, content):
    _home, share = homes
    path = os.path.join(share, ".azlin/unsupported.me.json")
    if content is None:
        os.mkfifo(path)
    else:
        with open(path, "wb") as stream:
            stream.write(content)
    with pytest.raises(AzlinError) as caught:
        sidecar.load(share, ".azlin", "me", None)
    assert caught.value.error_code == "journal_conflict"


def test_names_that_no_system_call_takes_are_reported(homes):
    home, _share = homes
    items = [{"path": "a\0b", "values": {"user.a": ""}}, {"path": "secret", "values": {"user.\0": ""}}]
    document = {"format": 1, "devices": [], "links": [], "attributes": items}
    assert len(sidecar.restore(home, document, trusted=True, uid=UID)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"devices": [{"path": "x"}]},
        {"links": [["../outside", "x"]]},
        {"attributes": [{"path": "/etc/passwd", "values": {}}]},
        {"attributes": [{"path": "x", "values": {"user.a": "not base64!"}}]},
    ],
)
def test_a_record_that_cannot_be_understood_is_an_error(homes, change):
    _home, share = homes
    document = {"format": 1, "attributes": [], "devices": [], "links": [], **change}
    with open(os.path.join(share, ".azlin/unsupported.me.json"), "w", encoding="utf-8") as stream:
        json.dump(document, stream)
    with pytest.raises(AzlinError) as caught:
        sidecar.load(share, ".azlin", "me", None)
    assert caught.value.error_code == "journal_conflict"
