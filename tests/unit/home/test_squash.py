# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Acting with the ids that count on a share, natively: a process without root's file privileges is a squashed root."""

from __future__ import annotations

import ctypes
import os
import struct
import threading

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import child, squash, users

from .world import UID, USER, write

# capabilities(7): CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER.
_FILE_CAPABILITIES = 0b1111


@pytest.fixture
def user():
    return users.lookup(USER)


def drop_file_privileges():
    """Let root be stopped by owners and modes, as it is on a share that squashes it."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("II", 0x20080522, 0)
    data = ctypes.create_string_buffer(24)
    assert libc.capget(header, data) == 0
    words = list(struct.unpack("6I", data.raw))
    words[0] &= ~_FILE_CAPABILITIES
    assert libc.capset(header, struct.pack("6I", *words)) == 0


def squashed(function):
    """Run a function as a root without privileges; an AzlinError comes back as its result."""

    def run():
        drop_file_privileges()
        try:
            return function()
        except AzlinError as error:
            return error.as_result()

    return child.call(run, 20)


def test_every_run_asks_the_server_with_ids_of_its_own(world):
    """What an NFS client remembers of refusals counts for the ids that were refused."""
    seen = [os.getgroups()]
    for _run in range(2):
        world.apply()
        seen.append(os.getgroups())
    assert len({tuple(groups) for groups in seen}) == len(seen)


def test_files_are_created_with_the_users_ids_and_root_comes_back(share, user):
    with squash.acting_as(user):
        write(share, "one", "x")
        thread = threading.Thread(target=write, args=(share, "two", "x"))
        thread.start()
        thread.join()
        pid = os.fork()
        if pid == 0:
            write(share, "three", "x")
            os._exit(0)
        os.waitpid(pid, 0)
    write(share, "four", "x")
    owners = {name: os.lstat(os.path.join(share, name)) for name in ("one", "two", "three", "four")}
    assert [(one.st_uid, one.st_gid) for one in owners.values()] == [(UID, UID)] * 3 + [(0, 0)]


def test_other_threads_stay_root(share, user):
    go, done = threading.Event(), threading.Event()

    def other():
        go.wait()
        write(share, "other", "x")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    with squash.acting_as(user):
        go.set()
        done.wait()
    thread.join()
    assert os.lstat(os.path.join(share, "other")).st_uid == 0


def test_local_privileges_stay(base, user):
    path = os.path.join(base, "private")
    os.mkdir(path, 0o700)
    with squash.acting_as(user):
        write(path, "file", "x")
        os.chown(os.path.join(path, "file"), 4, 4)
    assert os.lstat(os.path.join(path, "file")).st_uid == 4


def test_ids_come_back_after_an_error(share, user):
    with pytest.raises(RuntimeError), squash.acting_as(user):
        raise RuntimeError
    write(share, "file", "x")
    assert os.lstat(os.path.join(share, "file")).st_uid == 0


def test_a_root_that_is_root_acts_as_itself(share, user):
    ids = squash.for_writing(share, user)
    assert not ids.squashed
    with ids():
        write(share, "file", "x")
    assert os.lstat(os.path.join(share, "file")).st_uid == 0
    assert not squash.for_reading(share, user).squashed


def test_a_root_that_is_nobody_acts_as_the_user_whose_the_share_is(share, user):
    os.chown(share, UID, UID)
    os.chmod(share, 0o750)

    def work():
        writing = squash.for_writing(share, user)
        with writing():
            write(share, "file", "x")
        return [writing.squashed, squash.for_reading(share, user).squashed]

    assert squashed(work) == [True, True]
    assert os.lstat(os.path.join(share, "file")).st_uid == UID
    assert os.listdir(os.path.join(share, ".azlin")) == []


def test_where_neither_may_write_the_numbers_are_told(share, user):
    os.chmod(share, 0o555)
    answer = squashed(lambda: bool(squash.for_writing(share, user)))
    assert answer["error_code"] == "access_denied"
    assert f"uid {UID}" in answer["msg"] and "uid 0" in answer["msg"] and "0555" in answer["msg"]
    assert os.listdir(share) == []


def test_a_share_of_another_uid_is_refused_with_the_numbers(share, user):
    os.chown(share, 1001, 1001)
    with pytest.raises(AzlinError) as caught:
        squash.for_writing(share, user)
    assert caught.value.error_code == "uid_mismatch"
    assert "uid 1001" in caught.value.msg and f"uid {UID}" in caught.value.msg


def test_a_home_that_is_all_the_users_can_be_copied_by_the_user(world, user):
    squash.check_home(world.home, user)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: os.chown(path, 0, UID), "belongs to uid 0"),
        (lambda path: os.chown(path, UID, 1234), "has group 1234"),
        (lambda path: os.chmod(path, 0o200), "has mode 0200"),
    ],
)
def test_what_the_user_cannot_copy_is_named(world, user, change, reason):
    path = os.path.join(world.home, "linked", "one")
    change(path)
    with pytest.raises(AzlinError) as caught:
        squash.check_home(world.home, user)
    assert caught.value.error_code == "unsupported"
    assert "linked/one" in caught.value.msg and reason in caught.value.msg
