# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts tell each other through a share: records, ids that have to agree, keys."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import stat
import types
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import agreement, folder, keys, records, seed, users

from .world import KEY, OTHER_KEY, UID, USER, fill, read, write


@pytest.fixture
def user():
    return users.lookup(USER)


def record_of(share, host, **changes):
    """The record that another host would have left."""
    known = {
        "host": host,
        "machine": "0" * 32,
        "vm_id": None,
        "user": USER,
        "uid": UID,
        "gid": UID,
        "home": f"/home/{USER}",
        "attached": "2026-01-02T03:04:05Z",
        "seen": "2026-01-02T03:04:05Z",
    }
    write(share, f".azlin/hosts/{host}.00000000.{USER}.json", json.dumps(dict(known, **changes)))


def test_a_record_tells_who_and_where_and_belongs_to_the_user(share, user):
    records.write(share, user, "/home/azhomer", vm_id="/subscriptions/s/vm")
    (found,) = records.listed(share)
    assert (found["host"], found["user"], found["uid"], found["home"]) == (
        socket.gethostname(),
        USER,
        UID,
        "/home/azhomer",
    )
    assert found["vm_id"] == "/subscriptions/s/vm"
    for path in (".azlin", ".azlin/hosts", f".azlin/hosts/{records.name_of(user)}"):
        assert os.lstat(os.path.join(share, path)).st_uid == UID


def test_a_second_look_changes_when_it_was_seen_and_nothing_else(share, user):
    records.write(share, user, "/home/azhomer", vm_id="/subscriptions/s/vm")
    path = f".azlin/hosts/{records.name_of(user)}"
    before = dict(json.loads(read(share, path)), attached="2026-01-02T03:04:05Z", seen="2026-01-02T03:04:05Z")
    write(share, path, json.dumps(before))
    assert records.touch(share, user, "/home/azhomer")
    (after,) = records.listed(share)
    assert after.pop("seen") > before.pop("seen")
    assert after == before


def test_a_record_cannot_be_noted_where_the_user_may_not_write(share, user):
    os.chmod(share, 0o755)
    assert records.touch(share, user, "/home/azhomer") is False
    assert records.listed(share) == []


def test_removing_takes_this_hosts_record_only(share, user):
    record_of(share, "other")
    records.write(share, user, "/home/azhomer")
    assert records.remove(share, user) is True
    assert records.remove(share, user) is False
    assert [one["host"] for one in records.listed(share)] == ["other"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"host": "x"}', "\udcff"])
def test_a_record_that_makes_no_sense_is_passed_over(share, content):
    record_of(share, "good")
    write(share, ".azlin/hosts/bad.00000000.x.json", "")
    with open(os.path.join(share, ".azlin/hosts/bad.00000000.x.json"), "wb") as stream:
        stream.write(content.encode("utf-8", "surrogateescape"))
    os.symlink("/etc/passwd", os.path.join(share, ".azlin/hosts/link.json"))
    os.mkfifo(os.path.join(share, ".azlin/hosts/fifo.json"))
    assert [one["host"] for one in records.listed(share)] == ["good"]


def test_records_are_listed_as_the_user_or_are_unknown(share, user):
    records.write(share, user, "/home/azhomer")
    assert len(records.listed_as(user, share)) == 1
    os.chown(os.path.join(share, ".azlin"), 0, 0)
    assert records.listed_as(user, share) is None


def mismatch(share, user):
    with pytest.raises(AzlinError) as caught:
        agreement.check(share, user)
    assert caught.value.error_code == "uid_mismatch"
    return caught.value


def test_ids_that_agree_pass(share, user):
    agreement.check(share, user)
    record_of(share, "other")
    seed.mark_seeding(share, user, "one")
    os.chown(share, UID, UID)
    agreement.check(share, user)


def test_the_ids_of_the_host_that_filled_the_share_count(share, user):
    seed.mark_seeding(share, dataclasses.replace(user, uid=1001, gid=1002), "one")
    error = mismatch(share, user)
    assert all(f"uid {number}" in error.msg for number in (UID, 1001))
    assert "gid 1002" in error.msg
    assert f"usermod --uid 1001 {USER}" in error.causes[0][1]
    assert f"usermod --gid 1002 {USER}" in error.causes[0][1]


def test_a_group_alone_that_differs_is_refused(share, user):
    seed.mark_seeding(share, dataclasses.replace(user, gid=1002), "one")
    remedy = mismatch(share, user).causes[0][1]
    assert "usermod --gid 1002" in remedy and "--uid" not in remedy


@pytest.mark.parametrize(
    ("own_group", "taken_by", "commands"),
    [
        (USER, None, "groupmod --gid 1002 azhomer; chown"),
        ("users", None, "groupadd --gid 1002 azhomer; usermod --gid 1002 azhomer; chown"),
        (USER, "video", "usermod --gid 1002 azhomer; chown"),
        ("users", "users2", "usermod --gid 1002 azhomer; chown"),
    ],
)
def test_a_group_that_others_have_is_not_given_another_number(monkeypatch, share, user, own_group, taken_by, commands):
    """The groups of distributions differ: `users` is everybody's on SUSE, and has the number 100 on Debian too."""
    there = {user.gid: own_group, 1002: taken_by}

    def named(gid):
        if there.get(gid) is None:
            raise KeyError(gid)
        return types.SimpleNamespace(gr_name=there[gid])

    monkeypatch.setattr(agreement.grp, "getgrgid", named)
    seed.mark_seeding(share, dataclasses.replace(user, gid=1002), "one")
    assert f": {commands} " in mismatch(share, user).causes[0][1]


def test_the_owner_of_the_share_counts(share, user):
    os.chown(share, 1001, 1001)
    assert "uid 1001" in mismatch(share, user).msg


def test_the_record_of_another_host_counts_for_the_same_user_name(share, user):
    record_of(share, "other", uid=1001, user="somebody")
    agreement.check(share, user)
    record_of(share, "third", uid=1001)
    error = mismatch(share, user)
    assert "third" in error.msg and "other" not in error.msg
    assert any(f".azlin/hosts/third.00000000.{USER}.json" in remedy for _cause, remedy in error.causes)


def test_this_hosts_own_old_record_does_not_count(share, user):
    records.write(share, dataclasses.replace(user, uid=1001), "/home/azhomer")
    os.chown(os.path.join(share, ".azlin"), UID, UID)
    agreement.check(share, user)


def test_a_marker_of_an_older_version_says_nothing_about_ids(share, user):
    marker = {"state": "complete", "id": "one", "adopted_by": [], "host": "old", "time": "2026-01-02T03:04:05Z"}
    write(share, ".azlin/seed.json", json.dumps(marker))
    agreement.check(share, user)
    assert seed.decide(share, "if_empty", []) == seed.ADOPT


def test_what_lies_in_our_folder_becomes_the_users(share, user):
    os.makedirs(os.path.join(share, ".azlin"))
    seed.Lock(share, user).release()
    seed.mark_seeding(share, user, "one")
    owners = {os.lstat(os.path.join(share, ".azlin", name)).st_uid for name in ("", "seed.lock", "seed.json")}
    assert owners == {UID}
    assert stat.S_IMODE(os.lstat(os.path.join(share, ".azlin", "seed.json")).st_mode) == 0o600


def test_a_seeder_that_lost_the_share_notices(share, user):
    seed.mark_seeding(share, user, "first")
    with ThreadPoolExecutor(1) as other:
        assert other.submit(seed.Fence(share, "first")).result() is None
        seed.mark_seeding(share, user, "second")
        with pytest.raises(AzlinError, match="lost the lock"):
            other.submit(seed.Fence(share, "first")).result()
    with pytest.raises(AzlinError, match="lost the lock"):
        seed.mark_complete(share, user, "first")
    seed.mark_complete(share, user, "second")


class Held:
    """The lock, held by another process for as long as this is entered."""

    def __init__(self, share, user):
        self._share, self._user = share, user

    def __enter__(self):
        ready, tell = os.pipe()
        wait, self._end = os.pipe()
        self._child = os.fork()
        if self._child == 0:
            try:
                os.close(self._end)
                seed.Lock(self._share, self._user)
                os.write(tell, b"1")
                os.read(wait, 1)
            finally:
                os._exit(0)
        os.close(wait)
        assert os.read(ready, 1) == b"1"
        os.close(ready)
        os.close(tell)

    def __exit__(self, *_details):
        os.close(self._end)
        os.waitpid(self._child, 0)


def test_waiting_for_the_lock_names_who_is_waited_for_and_ends_when_told_to(share, user):
    seed.mark_seeding(share, user, "one")
    seen = []
    with Held(share, user), pytest.raises(AzlinError) as caught:
        seed.Lock(share, user, cancelled=lambda: bool(seen), waiting=seen.append)
    assert seen == [socket.gethostname()]
    assert caught.value.error_code == "rolled_back"
    seed.Lock(share, user).release()


def test_waiting_for_the_lock_ends_some_time(share, user):
    with Held(share, user), pytest.raises(AzlinError) as caught:
        seed.Lock(share, user, wait=0)
    assert caught.value.error_code == "timeout"


OPTIONS = 'from="10.0.0.0/8,host one",command="echo \\"hi there\\"",no-pty '


@pytest.mark.parametrize(
    ("wanted", "present"),
    [
        (KEY, KEY.replace("first@laptop", "the laptop of somebody")),
        (KEY, KEY.rpartition(" ")[0]),
        (KEY, "\t" + KEY.replace(" ", " \t ")),
        (OPTIONS + KEY, OPTIONS + KEY + " again"),
        ("not a key at all", "not a key at all"),
    ],
)
def test_the_same_key_is_not_added_again(wanted, present):
    assert keys.missing(wanted.encode(), present.encode()) == []


@pytest.mark.parametrize(
    ("wanted", "present"),
    [(OPTIONS + KEY, KEY), (KEY, OPTIONS + KEY), (KEY, OTHER_KEY), (KEY, "# " + KEY), ("odd", "not a key at all")],
)
def test_another_key_or_other_options_are_added(wanted, present):
    assert keys.missing(wanted.encode(), present.encode()) == [wanted.encode()]


def test_what_stands_in_the_file_keeps_its_place_and_comments_are_not_brought(share, user):
    os.chown(share, UID, UID)
    present = f"# of the share\n\n{OTHER_KEY}   # odd comment\nnonsense\n"
    write(share, ".ssh/authorized_keys", present, 0o600)
    for path in (".ssh", ".ssh/authorized_keys"):
        os.chown(os.path.join(share, path), UID, UID)
    assert keys.ensure(share, f"# of the host\n{OTHER_KEY}\n{KEY}\n".encode(), user) == 1
    assert read(share, ".ssh/authorized_keys").decode() == f"{present}{KEY}\n"


def test_keys_are_not_written_to_a_share_that_is_nearly_full(share, user):
    os.chown(share, UID, UID)
    write(share, ".ssh/authorized_keys", f"{OTHER_KEY}\n", 0o600)
    for path in (".ssh", ".ssh/authorized_keys"):
        os.chown(os.path.join(share, path), UID, UID)
    fill(share, free=32 << 10)
    with pytest.raises(AzlinError) as caught:
        keys.ensure(share, KEY.encode(), user)
    assert caught.value.error_code == "no_space"
    assert read(share, ".ssh/authorized_keys").decode() == f"{OTHER_KEY}\n"
    assert folder.OURS[0] not in os.listdir(share)
