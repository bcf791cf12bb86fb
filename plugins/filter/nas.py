# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the servers of a NAS test bed: thin wiring around _common.nas and _common.manifests."""

from __future__ import annotations

from ansible.errors import AnsibleFilterError

from ansible_collections.azlin.storage.plugins.module_utils._common import manifests, mounts, nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


def explained(function):
    """Let a refusal of the core be the failure of the task."""

    def call(*arguments, **options):
        try:
            return function(*arguments, **options)
        except AzlinError as error:
            raise AnsibleFilterError(error.msg) from error

    return call


def servers(listed, topology="", clients=None, hosts=None):
    """The complete servers."""
    return nas.servers(listed, topology, clients, list((hosts or {}).items()))


def mount_options(server):
    """The mount options of a server."""
    return mounts.nas_options(server["port"], server["access"] == "ro")


class FilterModule:
    """What Ansible asks for."""

    def filters(self):
        return {
            "nas_servers": explained(servers),
            "nas_mount_options": explained(mount_options),
            "nas_manifests": explained(manifests.manifests),
        }
