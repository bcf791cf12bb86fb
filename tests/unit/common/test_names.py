# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

SUBSCRIPTION = "00000000-1111-2222-3333-444444444444"
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v1/subnets/s1"


def refused(function, *arguments):
    with pytest.raises(AzlinError) as caught:
        function(*arguments)
    assert caught.value.error_code == "invalid_argument"
    return caught.value.msg


@pytest.mark.parametrize("name", ["abc", "teamhomes01", "0" * 24])
def test_legal_account_names(name):
    assert names.account_name(name) == name


@pytest.mark.parametrize("name", ["", "ab", "a" * 25, "Shared", "shared-dev", "shared_dev", "abc\n", "äbc", "abc "])
def test_illegal_account_names(name):
    assert repr(name) in refused(names.account_name, name)


def test_an_illegal_account_name_is_answered_with_a_legal_one():
    assert "Use for example shareddev." in refused(names.account_name, "Shared-Dev")


@pytest.mark.parametrize("name", ["home", "team-1-home", "a" * 63])
def test_legal_share_names(name):
    assert names.share_name(name) == name


@pytest.mark.parametrize("name", ["ho", "a" * 64, "-home", "home-", "ho--me", "Home", "home\n", "ho.me"])
def test_illegal_share_names(name):
    refused(names.share_name, name)


@pytest.mark.parametrize("name", ["rg", "a.b", "A-b_(c)"])
def test_legal_resource_groups(name):
    assert names.resource_group(name) == name


@pytest.mark.parametrize("name", ["", "rg.", "a b", "a/b", "a" * 91, "rg\n"])
def test_illegal_resource_groups(name):
    refused(names.resource_group, name)


@pytest.mark.parametrize("name", ["", "-a", "a-", "a/b", "a" * 81, "a\n"])
def test_illegal_network_names_name_their_option(name):
    assert refused(names.resource_name, name, "network.subnet").startswith("network.subnet: ")


@pytest.mark.parametrize("text", ["westus2", "West US 2", "WESTUS2"])
def test_regions_have_one_form(text):
    assert names.location(text) == "westus2"


@pytest.mark.parametrize("text", ["", "west-us", "w"])
def test_illegal_regions(text):
    refused(names.location, text)


@pytest.mark.parametrize("name", ["Root", "a b", "1user", "a" * 33, "user;rm", "user\n", ""])
def test_illegal_user_names(name):
    refused(names.user_name, name)


@pytest.mark.parametrize(
    "path", ["home/a", "/", "/home/", "/home//a", "/home/../a", "/home/./a", "/home/a b", "/home/a#", "/home/a\n", ""]
)
def test_illegal_paths(path):
    refused(names.absolute_path, path, "home")


def test_a_resource_id_is_taken_apart_and_put_together():
    parsed = names.parse_resource_id(SUBNET, "subnet")
    assert (parsed.name, parsed.parent.name, parsed.resource_group) == ("s1", "v1", "net")
    assert parsed.parent.parent is None
    assert str(parsed) == SUBNET
    assert str(parsed.parent.child("subnets", "s2")) == SUBNET[:-2] + "s2"


@pytest.mark.parametrize("text", ["", "s1", SUBNET + "/", SUBNET + "/ipConfigurations", "x" + SUBNET, SUBNET + "\n"])
def test_what_is_no_resource_id(text):
    refused(names.parse_resource_id, text, "subnet")


def test_ids_are_compared_as_azure_does():
    assert names.same_id(SUBNET, SUBNET.upper() + "/")
    assert not names.same_id(SUBNET, SUBNET + "2")
