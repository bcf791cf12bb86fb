# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names, ids, sizes, addresses and mount options: any value is used as it is, or refused by one clear error.

The rules are those of Azure's documentation ("Naming rules and restrictions for Azure resources", "Mount NFS Azure
file shares on Linux"), written down a second time and in another way than in the code under test.
"""

from __future__ import annotations

import math
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.module_utils._common import endpoints, mounts, names, sizes
from tests.unit.anything import ALPHABET, assert_clear, for_any, near, outcome, scalars, texts

LOWER, LETTERS, DIGITS = set(string.ascii_lowercase), set(string.ascii_letters), set(string.digits)


def of(text, allowed, shortest, longest):
    return shortest <= len(text) <= longest and set(text) <= allowed


def is_account(text):
    return of(text, LOWER | DIGITS, 3, 24)


def is_share(text):
    words = text.split("-")
    return of(text, LOWER | DIGITS | {"-"}, 3, 63) and all(words)


def is_group(text):
    return of(text, LETTERS | DIGITS | set("_().-"), 1, 90) and not text.endswith(".")


def is_resource(text):
    return (
        of(text, LETTERS | DIGITS | set("_.-"), 1, 80)
        and text[0] in LETTERS | DIGITS
        and text[-1] in LETTERS | DIGITS | {"_"}
    )


def is_user(text):
    return of(text, LOWER | DIGITS | set("_-"), 1, 32) and text[0] in LOWER | {"_"}


def is_path(text):
    words = text.split("/")
    return (
        len(words) > 1
        and words[0] == ""
        and all(words[1:])
        and not {".", ".."} & set(words)
        and set(text) <= LETTERS | DIGITS | set("/._+@-")
    )


NAMES = {
    "account": (names.account_name, is_account, "[a-z0-9]{2,25}"),
    "share": (names.share_name, is_share, "[a-z0-9]{1,4}(-[a-z0-9]{1,4}){0,3}"),
    "group": (names.resource_group, is_group, r"[A-Za-z0-9_().-]{1,91}"),
    "resource": (lambda value: names.resource_name(value, "option"), is_resource, r"[A-Za-z0-9_.-]{1,81}"),
    "user": (names.user_name, is_user, "[a-z_][a-z0-9_-]{0,32}"),
    "path": (lambda value: names.absolute_path(value, "option"), is_path, r"(/[A-Za-z0-9._+@-]{1,4}){1,4}"),
}


@pytest.mark.parametrize("kind", NAMES)
def test_names(kind):
    function, is_legal, pattern = NAMES[kind]

    @for_any
    @given(st.one_of(near(pattern), scalars))
    def check(value):
        text, error = outcome(function, value)
        assert is_legal(str(value)) == (error is None)
        if error is None:
            assert text == str(value)
        else:
            assert_clear(error, value)

    check()


@for_any
@given(st.one_of(near("[A-Za-z0-9_ -]{0,30}"), scalars))
def test_the_suggested_account_name_is_legal(value):
    _name, error = outcome(names.account_name, value)
    if error is not None:
        suggested = re.search(r"Use for example (\w+)\.$", error.msg)
        assert suggested and is_account(suggested[1])


@for_any
@given(st.one_of(near("[a-zA-Z0-9 ]{2,20}"), scalars))
@example("West US 2")
def test_locations(value):
    region, error = outcome(names.location, value)
    if error is None:
        assert of(region, LOWER | DIGITS, 2, 40)
        assert names.location(region) == region
    else:
        assert_clear(error, value)


SEGMENT = st.text(string.ascii_letters + string.digits + "-_.()", min_size=1, max_size=12)
WORD = st.text(string.ascii_letters + string.digits, min_size=1, max_size=8)
IDS = st.builds(
    lambda subscription, group, provider, pairs: names.ResourceId(
        str(subscription), group, provider, tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    ),
    st.uuids(),
    SEGMENT,
    WORD,
    st.lists(st.tuples(WORD, SEGMENT), min_size=1, max_size=3),
)


@for_any
@given(IDS)
def test_resource_ids_survive_being_written(resource_id):
    assert names.parse_resource_id(str(resource_id), "id") == resource_id
    assert names.same_id(str(resource_id).upper(), resource_id)


@for_any
@given(
    st.one_of(
        st.tuples(IDS, st.integers(0, 120), st.text(ALPHABET, max_size=2)).map(
            lambda parts: str(parts[0])[: parts[1]] + parts[2] + str(parts[0])[parts[1] :]
        ),
        scalars,
    )
)
def test_resource_ids(value):
    parsed, error = outcome(names.parse_resource_id, value, "vm_id")
    if error is None:
        assert names.same_id(parsed, value)
        assert len(parsed.types) == len(parsed.names)
        assert not re.search(r"\s", str(parsed))
    else:
        assert_clear(error, value)


@for_any
@given(st.one_of(near(r"[0-9]{1,6}(\.[0-9]{1,3})? ?(GiB|GB|TB|tib|g|T|)"), scalars))
@example("1.5TiB")
@example("0.0009765625TiB")
def test_sizes(value):
    gib, error = outcome(sizes.parse_size_gib, value)
    if error is not None:
        assert_clear(error, value)
        return
    assert isinstance(gib, int) and gib >= 1
    if gib < 10**9:  # A size is written in nine digits at most.
        assert sizes.parse_size_gib(f"{gib}GiB") == gib
    number = re.match(r"[0-9.]+", str(value))
    assert number and math.isclose(gib, float(number[0]) * (1024 if "t" in str(value).lower() else 1))


@for_any
@given(
    st.one_of(
        near(r"[a-z0-9]{1,5}(\.[a-z-]{1,9}){1,4}:/[a-z0-9]{3,9}/[a-z0-9-]{3,9}"),
        near(r"teamhomes01\.(privatelink\.)?file\.core\.windows\.net:/teamhomes01/home"),
        scalars,
    )
)
def test_addresses_of_shares(value):
    endpoint, error = outcome(endpoints.parse_endpoint, value)
    if error is None:
        assert endpoint.source == value
        assert is_account(endpoint.account) and is_share(endpoint.share)
        assert ".privatelink." not in endpoint.host
        assert of(endpoint.host, LOWER | DIGITS | set(".-"), 4, 253)
    else:
        assert error.error_code == "invalid_argument"
        assert_clear(error)


OPTION = near(r"(rsize|actimeo|soft|vers|nconnect|sec|port|timeo|noac|_netdev|x-a\.b)(=[a-z0-9:/.]{1,9})?")


@for_any
@given(st.lists(st.one_of(OPTION, texts), max_size=4), st.sampled_from(mounts.CLIENTS))
def test_mount_options(extra, client):
    options, error = outcome(mounts.mount_options, client, extra)
    if error is not None:
        assert_clear(error, next(option for option in extra if repr(option) in error.msg))
        return
    assert options[len(options) - len(extra) :] == extra
    for needed in ("vers=4", "minorversion=1", "sec=sys"):
        assert options.count(needed) == 1
    assert "soft" not in options and "ro" not in options
    line = mounts.fstab_line("host.example:/account/share", "/home/user", client, extra)
    assert len(line.split()) == 6
    assert line.split()[3].split(",") == mounts.fstab_options(client, extra)


@for_any
@given(scalars)
def test_clients(value):
    kind, error = outcome(mounts.fstype, value)
    if error is None:
        assert kind == value and value in mounts.CLIENTS
    else:
        assert_clear(error, value)
