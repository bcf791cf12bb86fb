# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All storages of a resource group or subscription, in the one shape of results; those of others on request.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

from ansible_collections.azlin.storage.plugins.module_utils._azure import (
    attachments,
    connected,
    cost,
    guards,
    metrics,
    observe,
    result,
    retail,
    softdelete,
    vm_cost,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import is_managed
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

DEFAULT_SHARE = "home"
# In five minutes Azure admits 800 reads of storage resources, but only 100 lists (Azure docs, scalability targets of
# storage accounts). With more accounts than this in a region, a list of shares for each would run into that limit.
MAX_LISTS = 80
# Requests in flight at once.
WORKERS = 20


@dataclass(frozen=True)
class Shares:
    """The living NFS shares of an account; ``listed`` are all, with the soft-deleted ones, or None if not asked for."""

    living: list
    listed: tuple | None
    moment: datetime


def check_options(params):
    """Raise for options that cannot work."""
    if params["name"] is not None:
        names.account_name(params["name"])
    if params["resource_group"] is not None:
        names.resource_group(params["resource_group"])
    if params["share"] is not None:
        names.share_name(params["share"])
    metrics.check_days(params["history_days"])
    retail.check_options(params)


def listing(azure, params):
    """Return the shares that match, sorted by account and share, and what they cost together.

    That takes two lists of the subscription, one of each other subscription that a storage is reached from, and for
    each account a list of its shares. Since a list does not say how much is used, each NFS share is read as well. Where
    lists are too many, only shares with known names are read.
    A history takes two requests more for a share and one for an account. The costs of machines take one list of each
    subscription with attached machines, and one question about prices for each size in each region.
    """
    read = observe.concurrently(
        {
            "accounts": lambda: _accounts(azure, params["name"], params["resource_group"]),
            "machines": lambda: observe.machines_of(azure, [azure.subscription]),
        }
    )
    shown = [account for account in read["accounts"] if _is_shown(account, params["unmanaged"])]
    elsewhere = {account["id"]: result.subscriptions(account) - {azure.subscription.lower()} for account in shown}
    machines = observe.machines_of(azure, set().union(*elsewhere.values()))
    attached = attachments.by_account([*read["machines"].known, *machines.known])
    unlisted = {
        key: [
            *read["machines"].errors.values(),
            *(machines.errors[one] for one in sorted(wanted & set(machines.errors))),
        ]
        for key, wanted in elsewhere.items()
    }
    crowded = _crowded_regions(params, shown)
    found = observe.concurrently(_calls(azure, params, shown, attached, crowded), workers=WORKERS)
    price_list = found["prices"]
    endpoints = {account["id"]: found.get((account["id"], "endpoints"), connected.Endpoints()) for account in shown}
    histories = _histories(azure, params["history_days"], {one["id"]: found[one["id"], "shares"] for one in shown})
    storages = [
        {
            **result.storage(
                account,
                found.get((account["id"], "file_service")),
                share,
                endpoints[account["id"]].pairs,
                None if unlisted[account["id"]] else attached.get(account["name"], []),
                found[account["id"], "shares"].listed,
                found[account["id"], "shares"].moment,
                price_list,
            ),
            **histories.get((account["id"], share["name"]), {}),
        }
        for account in shown
        for share in found[account["id"], "shares"].living
    ]
    total = cost.totals(storages, price_list.currency)
    beside, problem = vm_cost.beside(azure, params, storages, total) if params["vm_costs"] else (None, None)
    full = [text for storage in storages for text in storage["warnings"] or ()]
    return {
        "storages": sorted(storages, key=lambda storage: (storage["name"], storage["share"])),
        "cost": total if beside is None else {**total, "vms": beside},
        "warnings": [
            *(text for text in (price_list.problem, problem) if text is not None),
            *(_not_listed(region) for region in sorted(crowded)),
            *(_not_read(account["name"], *one) for account in shown for one in endpoints[account["id"]].refused),
            *(_lost(account["name"], *one) for account in shown for one in endpoints[account["id"]].lost),
            *(observe.not_listed(account["name"], error) for account in shown for error in unlisted[account["id"]]),
            *full,
        ],
    }


def _not_read(name, endpoint_id, error):
    return (
        f"{name}: subnet, address and DNS zone of a private endpoint are not known, since the identity may not read "
        f"{endpoint_id}. {error.msg}"
    )


def _lost(name, endpoint_id, record):
    return (
        f"{name}: {record.parent} has no record of it any more, so that hosts do not find it there. Run "
        f"azlin.storage.create with the azlin_network of private endpoint {endpoint_id}: it has Azure write it again."
    )


def _crowded_regions(params, accounts):
    """The regions with too many accounts to list the shares of each, unless the caller knows what to do about it."""
    if params["name"] is not None or params["share"] is not None or params["all_shares"] is not None:
        return set()
    numbers = Counter(names.location(account["location"]) for account in accounts)
    return {region for region, number in numbers.items() if number > MAX_LISTS}


def _not_listed(region):
    return (
        f"There are more than {MAX_LISTS} storages in {region}, too many to list the shares of each: shown are the "
        f"shares named {DEFAULT_SHARE!r} and those with attached homes. Set all_shares to true to see all, however "
        "long that takes, or to false if there are no others."
    )


def _calls(azure, params, accounts, attached, crowded):
    """What to ask at once, by what it is about."""
    calls = {"prices": lambda: retail.price_list(azure, params, accounts)}
    details = params["name"] is not None if params["details"] is None else params["details"]
    for account in accounts:
        key = account["id"]
        wanted = _share_names(params, account, attached.get(account["name"], []), crowded)
        calls[key, "shares"] = _shares_call(azure, account, wanted, params["share"])
        if details:
            calls[key, "file_service"] = _file_service_call(azure, account)
            calls[key, "endpoints"] = _endpoints_call(azure, account)
    return calls


def _histories(azure, count, shares):
    """What each share gets for its history, by the id of its account and its name; nothing when none is wanted."""
    if count is None:
        return {}
    days = metrics.days_until(observe.now(), count)
    names_of = {account_id: [one["name"] for one in found.living] for account_id, found in shares.items()}
    calls = {
        (account_id, *key): call
        for account_id, wanted in names_of.items()
        if wanted
        for key, call in metrics.calls(azure, account_id, wanted, days).items()
    }
    answers = observe.concurrently(calls, workers=WORKERS)
    return {
        (account_id, share): {"history": metrics.history(_of_account(answers, account_id), share, days)}
        for account_id, wanted in names_of.items()
        for share in wanted
    }


def _of_account(answers, account_id):
    return {key[1:]: answer for key, answer in answers.items() if key[0] == account_id}


def _share_names(params, account, machines, crowded):
    """The shares to read, None for all that a list shows."""
    if params["name"] is not None:
        return None
    if params["share"] is not None:
        return {params["share"]}
    if params["all_shares"] or (params["all_shares"] is None and names.location(account["location"]) not in crowded):
        return None
    return {DEFAULT_SHARE, *attachments.shares_of(machines, account["name"])}


def _shares_call(azure, account, wanted, only):
    return lambda: _shares(azure, account, wanted, only)


def _file_service_call(azure, account):
    account_id = names.parse_resource_id(account["id"], "id")
    get = azure.storage().file_services.get_service_properties
    return lambda: observe.read("the file service", get, account_id.resource_group, account_id.name)


def _endpoints_call(azure, account):
    def call():
        found = connected.endpoints(azure, account, result.endpoint_ids(account))
        return replace(found, lost=connected.lost_records(azure, found.pairs))

    return call


def _shares(azure, account, wanted, only):
    """NFS shares with their use, those of ``only`` one name or all; an account deleted meanwhile has none."""
    account_id = names.parse_resource_id(account["id"], "id")
    listed, moment = None, observe.now()
    if wanted is None:
        listed = observe.shares_of(azure, account_id, "deleted")
        wanted = [one["name"] for one in softdelete.live(listed) if properties(one).get("enabledProtocols") == "NFS"]
    get = azure.storage().file_shares.get
    shares = [
        observe.read("the share", get, account_id.resource_group, account_id.name, one, expand="stats")
        for one in sorted(wanted)
        if only in (None, one)
    ]
    return Shares([one for one in shares if properties(one).get("enabledProtocols") == "NFS"], listed, moment)


def _is_shown(account, unmanaged):
    """Ours, and on request those of others, if they can hold an NFS share; Azure lists no shares of some others."""
    return account.get("kind") == guards.KIND and (is_managed(account) or unmanaged)


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
