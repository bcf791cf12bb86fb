# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private endpoints that somebody has to approve: what waits for it, and what must not be done meanwhile. Pure.

An endpoint without approval carries nothing. Nobody waits for people in a run: it ends, says so, and the next run after
the approval does the rest. Until then hosts that use the storage over service endpoints keep their way to it.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import result
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties


def awaited(wanted, present):
    """Whether the wanted endpoint has no approval, and will have none at the end of this run."""
    network, endpoint = wanted.network, present.endpoint
    if network is None or network.mode != "private_endpoint":
        return False
    state = result.connection_state(endpoint)
    is_made = endpoint is not None and properties(endpoint).get("provisioningState") != "Failed"
    if not is_made or state in result.DEAD_STATES:
        return network.manual_approval
    return state == "Pending"


def held(wanted, present):
    """Whether hosts reach the account over subnets and nothing else is ready for them yet."""
    account = present.account
    if account is None or result.public_network_access(account) == "Disabled":
        return False
    return result.network_mode(account) == "service_endpoint" and awaited(wanted, present)


def warnings(wanted, before, after):
    """What people have to know and do, one sentence each; ``before`` and ``after`` the run."""
    if not awaited(wanted, before):
        return []
    connection = _connection(after.account, wanted.endpoint)
    named = f" --id {connection}" if connection else ""
    still = "the subnets that have access keep it" if held(wanted, before) else "no host reaches the share"
    return [
        f"Private endpoint {wanted.endpoint.name} waits for the approval of the owner of {wanted.account.name} "
        f"(state Pending): until then {still}. Approve it with 'az network private-endpoint-connection approve{named}' "
        "and run again."
    ]


def _connection(account, endpoint_id):
    """The id of the account's connection to an endpoint, or None."""
    for connection in properties(account).get("privateEndpointConnections") or []:
        known = dig(connection, "properties", "privateEndpoint", "id")
        if str(known).lower() == str(endpoint_id).lower():
            return connection.get("id")
    return None
