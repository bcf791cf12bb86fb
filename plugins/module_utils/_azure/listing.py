# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All storages of a resource group or subscription, in the one shape of results; those of others on request.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import guards, observe, result, softdelete
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import is_managed
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


def check_options(params):
    """Raise for options that cannot work."""
    if params["name"] is not None:
        names.account_name(params["name"])
    if params["resource_group"] is not None:
        names.resource_group(params["resource_group"])
    if params["share"] is not None:
        names.share_name(params["share"])


def storages(azure, params):
    """Return the results of all matching shares, sorted by account and share."""
    read = observe.concurrently(
        {
            "accounts": lambda: _accounts(azure, params["name"], params["resource_group"]),
            "virtual_machines": lambda: observe.virtual_machines(azure),
        }
    )
    shown = [account for account in read["accounts"] if _is_shown(account, params["unmanaged"])]
    found = observe.concurrently({account["id"]: _account_call(azure, account, params["share"]) for account in shown})
    listed = []
    for account in shown:
        details = found[account["id"]]
        for share in details["shares"]:
            listed.append(
                result.storage(
                    account,
                    details["file_service"],
                    share,
                    details["endpoints"],
                    read["virtual_machines"],
                    details["listed"],
                    details["moment"],
                )
            )
    return sorted(listed, key=lambda storage: (storage["name"], storage["share"]))


def _is_shown(account, unmanaged):
    """Ours always, and on request those of others that can hold an NFS share."""
    return is_managed(account) or (unmanaged and account.get("kind") == guards.KIND)


def _accounts(azure, name, group):
    client = azure.storage().storage_accounts
    if group is None:
        accounts = observe.read_list("storage accounts", client.list)
    elif name is None:
        accounts = observe.read_list("storage accounts", client.list_by_resource_group, group)
    else:
        accounts = [observe.read("the storage account", client.get_properties, group, name)]
        if accounts == [None]:
            _check_group(azure, group)
            return []
    return [account for account in accounts if name in (None, account["name"])]


def _check_group(azure, group):
    """An account may be missing; a resource group that does not exist is a mistake of the caller."""
    if observe.read("the resource group", azure.resources().resource_groups.get, group) is None:
        raise AzlinError(
            "not_found",
            f"resource_group: {group!r} does not exist in subscription {azure.subscription}, or the identity cannot "
            "see it.",
            causes=[("a name or the subscription is wrong", "Check resource_group and subscription_id.")],
            try_="az group list --output table",
        )


def _account_call(azure, account, share):
    return lambda: _details(azure, account, share)


def _details(azure, account, share):
    """What belongs to one account besides the account itself. An account deleted meanwhile has nothing."""
    account_id = names.parse_resource_id(account["id"], "id")
    group, name = account_id.resource_group, account_id.name
    storage = azure.storage()
    listed, moment = observe.shares_of(azure, account_id, "deleted"), observe.now()
    living = [one["name"] for one in softdelete.live(listed) if properties(one).get("enabledProtocols") == "NFS"]
    wanted = living if share is None else [one for one in living if one == share]
    shares = [observe.read("the share", storage.file_shares.get, group, name, one, expand="stats") for one in wanted]
    return {
        "file_service": observe.read("the file service", storage.file_services.get_service_properties, group, name),
        "shares": [one for one in shares if properties(one).get("enabledProtocols") == "NFS"],
        "listed": listed,
        "moment": moment,
        "endpoints": [pair for pair in (_endpoint(azure, one) for one in _endpoint_ids(account)) if pair],
    }


def _endpoint_ids(account):
    connections = properties(account).get("privateEndpointConnections") or []
    found = [dig(connection, "properties", "privateEndpoint", "id") for connection in connections]
    return [names.parse_resource_id(one, "id") for one in found if one]


def _endpoint(azure, endpoint_id):
    """A private endpoint and its zone group, or None when the endpoint is gone or belongs to somebody else."""
    network = azure.network(endpoint_id.subscription)
    group, name = endpoint_id.resource_group, endpoint_id.name
    endpoint = observe.read("the private endpoint", network.private_endpoints.get, group, name)
    if endpoint is None:
        return None
    zone_group = observe.read("the DNS zone group", network.private_dns_zone_groups.get, group, name, "default")
    return endpoint, zone_group
