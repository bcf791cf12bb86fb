# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private endpoints that an account knows. They can be of other people, who show them to nobody.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._azure import observe, result
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import is_beside
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


@dataclass(frozen=True)
class Endpoints:
    """Pairs of a private endpoint with its zone group, and pairs of an id that may not be read with the error.

    ``lost``, where that was asked for, are pairs of the ids of an endpoint and of a record that its zone group tells of
    and that is not there.
    """

    pairs: tuple = ()
    refused: tuple = ()
    lost: tuple = ()


def endpoints(azure, account, endpoint_ids):
    """What may be read of some private endpoints of an account; those that are gone are left out."""
    account_id, pairs, refused = names.parse_resource_id(account["id"], "id"), [], []
    for endpoint_id in endpoint_ids:
        try:
            pair = _endpoint(azure, endpoint_id)
        except AzlinError as error:
            if error.error_code not in observe.NOT_FOR_US or is_beside(endpoint_id, account_id):
                raise
            refused.append((endpoint_id, error))
        else:
            pairs.extend([pair] if pair else [])
    return Endpoints(tuple(pairs), tuple(refused))


def _endpoint(azure, endpoint_id):
    """A private endpoint and its zone group, or None when the endpoint is gone."""
    network = azure.network(endpoint_id.subscription)
    group, name = endpoint_id.resource_group, endpoint_id.name
    endpoint = observe.read("the private endpoint", network.private_endpoints.get, group, name)
    if endpoint is None:
        return None
    return endpoint, observe.zone_group(network, group, name)


def lost_records(azure, pairs):
    """Pairs of the ids of an endpoint and of a record that its zone group has written and that is not there any more.

    A zone group tells of its records as before when somebody deletes one, or another endpoint takes it along. What the
    identity may not see counts as there.
    """
    written = [
        (endpoint["id"], record)
        for endpoint, group in pairs
        for config in result.zone_configs(group)
        for record in _records(config)
    ]
    return tuple(
        (endpoint_id, record)
        for endpoint_id, record in written
        if observe.has_record(azure, record.parent, record.name) is False
    )


def _records(config):
    """The ids of what a zone group has written into one of its zones."""
    zone_id = names.parse_resource_id(properties(config)["privateDnsZoneId"], "id")
    listed = properties(config).get("recordSets") or []
    return [zone_id.child("A", one["recordSetName"]) for one in listed if one.get("recordType") == "A"]
