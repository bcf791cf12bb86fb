# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that no option can have, through the modules themselves: refused by name, and nobody is asked anything."""

from __future__ import annotations

import json

import pytest

from tests.integration.support import GROUP, endpoint_network, run_module, storage

VALUES = ("", "\n", "a b/", "../etc", "$(id)", "ä", "x" * 300, "{{ name }}", "home\u0000", "٣٤٥")
RECORD = {
    "vm_name": "worker-1",
    "vm_resource_group": GROUP,
    "storage_name": "teamhomes01",
    "user": "azureuser",
    "mount_point": "/home/azureuser",
}
BY_ID = {key: value for key, value in RECORD.items() if not key.startswith("vm_")}


def in_network(option, value):
    """The options of a storage with one of ``network``."""
    return storage(network=endpoint_network(**{option: [value] if option == "subnet" else value}))


OPTIONS = {
    **{
        f"storage {name}": ("azlin_nfs_storage", lambda value, name=name: storage(**{name: value}))
        for name in ("name", "resource_group", "share", "size", "location")
    },
    **{
        f"network {name}": ("azlin_nfs_storage", lambda value, name=name: in_network(name, value))
        for name in ("subnet", "virtual_network", "resource_group", "endpoint_name")
    },
    "network zone": ("azlin_nfs_storage", lambda value: in_network("dns", {"zone_id": value})),
    **{
        f"record {name}": ("azlin_attachment", lambda value, name=name: {**RECORD, name: value})
        for name in (*RECORD, "share")
    },
    "record vm_id": ("azlin_attachment", lambda value: {**BY_ID, "vm_id": value}),
    **{
        f"info {name}": ("azlin_storage_info", lambda value, name=name: {name: value})
        for name in ("name", "resource_group", "share")
    },
}
# Here an empty text is as good as none.
MAY_BE_EMPTY = {"network virtual_network", "network resource_group", "network endpoint_name", "network zone"}


@pytest.mark.parametrize("option", OPTIONS)
def test_impossible_text(arm, option):
    module, options = OPTIONS[option]
    for value in VALUES:
        if value == "" and option in MAY_BE_EMPTY:
            continue
        result = run_module(module, **options(value))
        assert result.get("failed"), (value, result)
        if "embedded null character" in result["msg"]:
            # From Python 3.12 on Ansible itself ends there: it cannot write such a value to the system's log.
            continue
        assert result["error_code"] == "invalid_argument"
        assert repr(value) in result["msg"]
        assert result["causes"] and all(entry["cause"] and entry["remedy"] for entry in result["causes"])
        assert "Traceback" not in json.dumps(result)
    assert arm.requests() == []


WRONG_TYPES = {
    "days": ("azlin_nfs_storage", storage(soft_delete_days="some")),
    "network": ("azlin_nfs_storage", storage(network="lab-vnet")),
    "network option": ("azlin_nfs_storage", storage(network=endpoint_network(nonsense=1))),
    "tags": ("azlin_nfs_storage", storage(tags=["a"])),
    "squash": ("azlin_nfs_storage", storage(root_squash="Maybe")),
    "list for a name": ("azlin_nfs_storage", storage(name=["teamhomes01"])),
    "state": ("azlin_attachment", {**RECORD, "state": "there"}),
    "both ways to name a machine": ("azlin_attachment", {**RECORD, "vm_id": "/subscriptions/x"}),
    "unknown option": ("azlin_storage_info", {"names": "teamhomes01"}),
}


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_types(arm, case):
    module, options = WRONG_TYPES[case]
    result = run_module(module, **options)
    assert result["failed"] and result["msg"]
    assert "Traceback" not in json.dumps(result)
    assert arm.requests() == []
