# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User-data for cloud-init as data; that it does its work is tested on the filter and in the Molecule scenario."""

from __future__ import annotations

import ast
import json

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import cloud_init
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

SOURCE = "teamhomes01.file.core.windows.net:/teamhomes01/home"
CODE = {"package/module.py": "def main(text):\n    print(text)\n"}


def config(wanted=None, **options):
    wanted = wanted or cloud_init.request(SOURCE, "azureuser")
    return cloud_init.config(wanted, CODE, "package.module", **options)


@pytest.mark.parametrize(
    ("family", "package"), [("Debian", "nfs-common"), ("RedHat", "nfs-utils"), ("Suse", "nfs-client")]
)
def test_the_client_is_installed_before_the_home_moves(family, package):
    rendered = config(os_family=family)
    assert rendered["packages"] == [package]
    assert sorted(rendered) == ["packages", "runcmd", "write_files"]


@pytest.mark.parametrize("options", [{"manage_packages": False}, {"wanted": {"client": "aznfs"}}])
def test_a_client_that_the_image_has_to_bring_is_not_installed(options):
    assert "packages" not in config(**options)


def test_the_user_is_left_to_the_cloud():
    """cloud-init takes a list of users for all there are to be, and keys it is given for more than are known."""
    assert not {"users", "ssh_authorized_keys", "mounts", "bootcmd"} & set(config())


def test_the_program_runs_once_without_a_shell_and_is_told_all_in_one_argument():
    wanted = cloud_init.request(
        SOURCE, "dev", options=["actimeo=30"], home="/srv/homes/dev", local_paths=[".cache"], mount_timeout=60
    )
    rendered = config(wanted)
    (command,) = rendered["runcmd"]
    assert command[:3] == ["python3", "-I", rendered["write_files"][0]["path"]]
    assert json.loads(command[3]) == {
        "user": "dev",
        "home": "/srv/homes/dev",
        "source": SOURCE,
        "client": "nfs",
        "mount_options": ["actimeo=30"],
        "local_paths": [".cache"],
        "manage_selinux": True,
        "mount_timeout": 60,
        "busy_timeout": 300,
    }


def test_only_root_can_read_or_change_the_program():
    (file,) = config()["write_files"]
    assert (file["permissions"], file["owner"]) == ("0700", "root:root")


def test_the_program_is_python_without_anything_a_template_engine_takes_for_its_own():
    code = {f"module{number}.py": f"value = {number**40}\n" * number for number in range(60)}
    text = cloud_init.program(code, "package.module")
    ast.parse(text)
    assert not [mark for mark in ("{{", "{%", "{#") if mark in text]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"source": "teamhomes01"}, "source"),
        ({"user": "root; reboot"}, "user"),
        ({"client": "smb"}, "client"),
        ({"options": ["soft"]}, "mount_options"),
        ({"home": "/home/../etc"}, "home"),
        ({"local_paths": ["../beside"]}, "local_paths"),
        ({"local_paths": [".azlin"]}, "local_paths"),
        ({"mount_timeout": -1}, "mount_timeout"),
    ],
)
def test_what_cannot_work_is_refused_before_there_is_a_machine(arguments, word):
    with pytest.raises(AzlinError) as caught:
        cloud_init.request(**{"source": SOURCE, "user": "azureuser", **arguments})
    assert caught.value.error_code == "invalid_argument"
    assert word in caught.value.msg


def test_an_unknown_distribution_is_refused():
    with pytest.raises(AzlinError, match="os_family: 'Alpine'"):
        config(os_family="Alpine")


def test_user_data_that_azure_would_refuse_is_refused_here():
    assert cloud_init.checked_size("x" * cloud_init.MOST_BYTES)
    with pytest.raises(AzlinError, match="65536 bytes, and Azure takes 65535"):
        cloud_init.checked_size("x" * (cloud_init.MOST_BYTES + 1))
