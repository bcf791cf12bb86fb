# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import (
    fstab_line,
    fstab_options,
    mount_options,
    mounted_source,
)


def test_a_line_of_fstab_is_what_azure_documents_and_lets_the_host_boot():
    fields = fstab_line("h.example.net:/acct/home", "/home/azureuser").split(" ")
    assert fields[:3] == ["h.example.net:/acct/home", "/home/azureuser", "nfs"]
    assert fields[4:] == ["0", "0"]
    assert {"vers=4", "minorversion=1", "sec=sys", "nconnect=4", "hard", "_netdev", "nofail"} <= set(
        fields[3].split(",")
    )


def test_fstab_and_mount_agree():
    assert fstab_options(extra=["actimeo=30"])[: len(mount_options(extra=["actimeo=30"]))] == mount_options(
        extra=["actimeo=30"]
    )


def test_an_extra_option_replaces_the_default_of_its_name():
    options = mount_options(extra=["nconnect=2", "actimeo=30"])
    assert "nconnect=4" not in options
    assert options[-2:] == ["nconnect=2", "actimeo=30"]


@pytest.mark.parametrize(
    "option", ["soft", "ro", "vers=3", "minorversion=2", "sec=krb5", "nofail", "a,b", "a b", "x=#", "", "nconnect=4\n"]
)
def test_unsafe_or_malformed_options_are_refused(option):
    with pytest.raises(AzlinError) as caught:
        mount_options(extra=[option])
    assert repr(option) in caught.value.msg


def test_an_unknown_client_is_refused():
    with pytest.raises(AzlinError, match="smb"):
        mount_options(client="smb")


def test_the_client_for_tls_gets_what_its_documentation_says():
    fields = fstab_line("h.example.net:/acct/home", "/home/azureuser", client="aznfs").split(" ")
    assert fields[:3] == ["h.example.net:/acct/home", "/home/azureuser", "aznfs"]
    assert {"sec=sys", "vers=4", "minorversion=1", "nolock", "proto=tcp", "nofail", "_netdev"} <= set(
        fields[3].split(",")
    )
    assert not {"nolock", "notls"} & set(mount_options())


def test_the_mount_table_shows_the_tunnel():
    assert mounted_source("h.example.net:/acct/home", "aznfs") == "127.0.0.1:/acct/home"
    assert mounted_source("h.example.net:/acct/home") == "h.example.net:/acct/home"


@pytest.mark.parametrize("option", ["notls", "port=2049", "x-systemd.automount"])
def test_options_that_undo_what_was_chosen_elsewhere_are_refused(option):
    with pytest.raises(AzlinError):
        mount_options(client="aznfs", extra=[option])
