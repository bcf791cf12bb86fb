# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever makes a role of docs/permissions.md may do all that the modules ask Azure for."""

from __future__ import annotations

import pathlib
import re

from tests.integration.support import (
    assert_succeeded,
    deletion,
    endpoint_network,
    polls,
    run_module,
    service_network,
    storage,
    vm_id,
)

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "permissions.md"
VERBS = {"GET": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete", "POST": "action"}
# Signing in, the cloud's own description, and what Azure has no action for: it shows of all resources those that may be
# read, and how the creation of an account fares to whoever began it.
FREE = re.compile(
    r"/token$|/\.well-known/|^/metadata/|/subscriptions/[^/]+/resources$|Microsoft.Storage/locations/", re.I
)


def action(entry):
    """The action that a request needs, in lower case."""
    _scope, provided, rest = entry["path"].rpartition("/providers/")
    if not provided:
        assert re.fullmatch("/subscriptions/[^/]+/resourcegroups/[^/]+", entry["path"].lower()), entry
        rest = "Microsoft.Resources/subscriptions/x/resourceGroups"
    provider, *parts = rest.split("/")
    kind, verb = "/".join([provider, *parts[::2]]).lower(), VERBS[entry["method"]]
    return f"{kind}/{'read' if kind.endswith('/checknameavailability') else verb}"


def test_the_page_names_every_action_that_a_request_needs(arm):
    own = {"virtual_network": "own-vnet", "subnet": ["homes"], "create": True}
    about = {"vm_id": vm_id(arm), "storage_name": "teamhomes01", "user": "ops", "mount_point": "/home/ops"}
    for module, options in (
        ("azlin_nfs_storage", storage(network=own)),
        ("azlin_nfs_storage", storage(share="projects", network=own)),
        ("azlin_attachment", about),
        ("azlin_storage_info", {"details": True, "history_days": 2}),
        ("azlin_attachment", {**about, "state": "absent"}),
        ("azlin_nfs_storage", deletion()),
        ("azlin_nfs_storage", storage(network=own, restore=True)),
        ("azlin_nfs_storage", deletion(more_shares=["projects"])),
        ("azlin_nfs_storage", storage("teamhomes02", network=service_network(), billing_model="provisioned_v2")),
        ("azlin_nfs_storage", storage("teamhomes02", network=endpoint_network(), size="600GiB", share="projects")),
    ):
        assert_succeeded(run_module(module, **options))

    listed = {one.lower() for one in re.findall(r"`(Microsoft\.[\w./]+)`", PAGE.read_text(encoding="utf-8"))}
    needed = {action(entry) for entry in arm.requests() if not FREE.search(entry["path"])}

    assert needed - listed == set()
    assert polls(arm) and len(needed) > 25
