# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carrying out a plan: each step as soon as the steps it needs are done.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import errors, observe, softdelete, wire
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import (
    updated_account,
    updated_file_service,
    with_service_endpoint,
)
from ansible_collections.azlin.storage.plugins.module_utils._azure.waiters import (
    POLLING_INTERVAL,
    finish,
    verify,
    while_busy,
)
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.names import parse_resource_id

_NETWORK_KINDS = (
    "virtual network",
    "subnet",
    "security rule",
    "private DNS zone",
    "DNS zone link",
    "private endpoint",
    "DNS zone group",
)


def check_name(azure, account_id, deadline):
    """Raise if the account's name belongs to somebody else; Azure takes the question as a POST."""
    doing = f"Checking the name {account_id.name}"
    query = {"name": account_id.name, "type": "Microsoft.Storage/storageAccounts"}
    ask = azure.storage().storage_accounts.check_name_availability
    try:
        answer = while_busy(lambda: ask(query, cls=wire.body), deadline, doing)
    except Exception as exc:
        raise errors.from_azure(exc, doing) from exc
    if answer.get("nameAvailable") is False:
        message = answer.get("message") or "the name is not available"
        if answer.get("reason") != "AlreadyExists":
            raise errors.failure(doing, "AccountNameInvalid", message)
        raise _name_taken(azure, account_id, doing, errors.failure(doing, "StorageAccountAlreadyTaken", message))


def _name_taken(azure, account_id, doing, error):
    """``error``, or a better one where the name is taken by an account of this subscription: that one may be meant."""
    name, group = account_id.name, _group_of(azure, account_id.name)
    if group is None:
        return error
    if group.lower() == account_id.resource_group.lower():
        return AzlinError(
            "name_conflict",
            f"{doing} failed: storage account {name} was made meanwhile in resource group {group}.",
            causes=[("another run made it at the same time", "Run again: it goes on with that account.")],
        )
    return AzlinError(
        "name_conflict",
        f"{doing} failed: storage account {name} is in resource group {group} of this subscription, not in "
        f"{account_id.resource_group}.",
        causes=[
            ("the storage that is there is meant", f"Set resource_group: {group}."),
            ("a second storage is wanted", "Choose another name."),
        ],
        try_="az storage account list --output table",
    )


def check_elsewhere(azure, account_id):
    """Raise if an account that is not in its resource group is in another one of the subscription."""
    name, group = account_id.name, _group_of(azure, account_id.name)
    if group is None or group.lower() == account_id.resource_group.lower():
        return
    raise AzlinError(
        "not_found",
        f"Storage account {name} is in resource group {group}, not in {account_id.resource_group!r}; it is left alone.",
        causes=[("the resource group is wrong", f"Set resource_group: {group}.")],
        try_="az storage account list --output table",
    )


def _group_of(azure, name):
    """The resource group of an account of the subscription; None if there is none or the identity may not list them."""
    try:
        listed = observe.read_list("storage accounts", azure.storage().storage_accounts.list)
    except AzlinError as error:
        if error.error_code != "authorization_failed":
            raise
        return None
    return next((parse_resource_id(one["id"], "id").resource_group for one in listed if one["name"] == name), None)


def apply(azure, plan, deadline, done=None):
    """Carry out all steps. After a failure no step is started; those under way are waited for.

    :param done: a list that gets the steps that ended well, also where another one fails; one that left its resource
        to others has the action ``leave``.
    """
    if any(step.key == "account" and step.action == "create" for step in plan):
        check_name(azure, next(step.id for step in plan if step.key == "account"), deadline)
    waiting, running, accepted = list(plan), {}, {}
    done = [] if done is None else done
    begun, planned = set(), {step.key for step in plan}

    def is_ready(step):
        ended = {one.key for one in done}
        return planned.intersection(step.needs) <= ended and planned.intersection(step.needs_begun) <= begun

    with ThreadPoolExecutor(max_workers=observe.WORKERS) as pool:
        while waiting or running:
            for step in [one for one in waiting if is_ready(one)]:
                waiting.remove(step)
                news = Future()
                accepted[news] = step
                running[pool.submit(_perform_and_tell, azure, step, deadline, news, done)] = step
            if not running:
                raise AzlinError("internal_error", f"Steps wait for each other: {[step.key for step in waiting]}")
            finished, _unfinished = wait([*running, *accepted], return_when=FIRST_COMPLETED)
            for future in finished.intersection(running):
                future.result()
                del running[future]
            for news in finished.intersection(accepted):
                begun.add(accepted.pop(news).key)


def _perform_and_tell(azure, step, deadline, accepted, done):
    """Perform a step; ``accepted`` is done when Azure has taken the request, at the latest when the step ends well."""

    def tell():
        if not accepted.done():
            accepted.set_result(None)

    done.append(perform(azure, step, deadline, tell))
    tell()


def perform(azure, step, deadline, tell_accepted):
    """Send one step, wait for its end and make sure that the resource is what it should be; return it as it was done.

    ``tell_accepted`` is called as soon as an operation has begun.
    """
    doing = f"{step.action.capitalize()[:-1]}ing {step.resource}"
    default = "network_failed" if step.kind in _NETWORK_KINDS else "create_failed"
    try:
        content = while_busy(lambda: _send(azure, step, deadline, doing, tell_accepted), deadline, doing)
    except AzlinError:
        raise
    except Exception as exc:
        error = errors.from_azure(exc, doing, default if step.action != "delete" else "azure_error")
        if step.key == "account" and error.error_code == "name_conflict":
            error = _name_taken(azure, step.id, doing, error)
        if step.may_stay and error.error_code in observe.NOT_FOR_US:
            return replace(step, action="leave")
        raise error from exc
    if step.action in ("create", "update"):
        verify(content, step.id, doing, default)
    return step


def _send(azure, step, deadline, doing, tell_accepted):
    """The body of the answer, or of the end of the operation that the request began."""
    try:
        if step.emptied:
            _check_empty(azure, step.emptied)
        answer = _handler(step)(azure, step)
        if not hasattr(answer, "wait"):
            return answer
        tell_accepted()
        return finish(answer, deadline, doing)
    except Exception as exc:
        if step.action == "delete" and errors.is_missing(exc):
            return None
        raise


def _handler(step):
    if step.action == "delete":
        return _DELETIONS[step.kind]
    return _restored_share if step.action == "restore" else _WRITES[step.kind]


def _begun(begin, *args, **kwargs):
    """The poller of an operation."""
    return begin(*args, cls=wire.body, polling_interval=POLLING_INTERVAL, **kwargs)


def _virtual_network(azure, step):
    begin = azure.network(step.id.subscription).virtual_networks.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.name, step.body)


def _subnet(azure, step):
    """Azure replaces a subnet as a whole, so it is read at the last moment and sent only if it is still the same."""
    subnets = azure.network(step.id.subscription).subnets
    where = (step.id.resource_group, step.id.parent.name, step.id.name)
    body, headers = step.body, {}
    if step.action == "update":
        now = subnets.get(*where, cls=wire.body)
        body, headers = with_service_endpoint(now), {"If-Match": now["etag"]} if now.get("etag") else {}
    return _begun(subnets.begin_create_or_update, *where, body, headers=headers)


def _security_rule(azure, step):
    begin = azure.network(step.id.subscription).security_rules.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.parent.name, step.id.name, step.body)


def _zone(azure, step):
    begin = azure.private_dns(step.id.subscription).private_zones.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.name, step.body)


def _link(azure, step):
    begin = azure.private_dns(step.id.subscription).virtual_network_links.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.parent.name, step.id.name, step.body)


def _account(azure, step):
    accounts = azure.storage().storage_accounts
    if step.action == "create":
        return _begun(accounts.begin_create, step.id.resource_group, step.id.name, step.body)
    place, body = (step.id.resource_group, step.id.name), step.body
    if "tags" in body or "networkAcls" in body["properties"]:
        # Azure replaces these as a whole; what somebody else set while other steps took their time stays.
        body = updated_account(step, accounts.get_properties(*place, cls=wire.body))
    return accounts.update(*place, body, cls=wire.body)


def _file_service(azure, step):
    services, place, body = azure.storage().file_services, (step.id.resource_group, step.id.parent.name), step.body
    if step.before is not None:
        # Azure replaces the settings as a whole, like parts of an account.
        body = updated_file_service(step, services.get_service_properties(*place, cls=wire.body))
    return services.set_service_properties(*place, body, cls=wire.body)


def _share(azure, step):
    shares = azure.storage().file_shares
    send = shares.create if step.action == "create" else shares.update
    return send(step.id.resource_group, step.id.names[0], step.id.name, step.body, cls=wire.body)


def _restored_share(azure, step):
    """Bring a soft-deleted version back; the answer is empty."""
    azure.storage().file_shares.restore(step.id.resource_group, step.id.names[0], step.id.name, step.body)


def _endpoint(azure, step):
    begin = azure.network(step.id.subscription).private_endpoints.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.name, step.body)


def _zone_group(azure, step):
    begin = azure.network(step.id.subscription).private_dns_zone_groups.begin_create_or_update
    return _begun(begin, step.id.resource_group, step.id.parent.name, step.id.name, step.body)


def _check_empty(azure, account_id):
    """Raise where an account holds shares, made since the plan was made: they would go, or lose their way."""
    get, shares = azure.storage().storage_accounts.get_properties, observe.listed_shares(azure, account_id)
    if shares is None and observe.read("the account", get, account_id.resource_group, account_id.name) is not None:
        raise observe.contents_unknown(account_id, "its list of shares")
    found = ", ".join(sorted(share["name"] for share in softdelete.live(shares or ())))
    if found:
        raise AzlinError(
            "in_use",
            f"Deleting {account_id.name} is refused: it holds shares that were made meanwhile: {found}.",
            causes=[("somebody uses the account for another share", "Run again: the account then stays for it.")],
        )


def _delete_share(azure, step):
    # Always said, since the service's own default deletes the snapshots along with the share.
    shares = azure.storage().file_shares
    shares.delete(step.id.resource_group, step.id.names[0], step.id.name, include=step.body["include"])


def _delete_account(azure, step):
    azure.storage().storage_accounts.delete(step.id.resource_group, step.id.name)


def _delete_endpoint(azure, step):
    begin = azure.network(step.id.subscription).private_endpoints.begin_delete
    return begin(step.id.resource_group, step.id.name, polling_interval=POLLING_INTERVAL)


def _delete_zone_group(azure, step):
    begin = azure.network(step.id.subscription).private_dns_zone_groups.begin_delete
    return begin(step.id.resource_group, step.id.parent.name, step.id.name, polling_interval=POLLING_INTERVAL)


_WRITES = {
    "virtual network": _virtual_network,
    "subnet": _subnet,
    "security rule": _security_rule,
    "private DNS zone": _zone,
    "DNS zone link": _link,
    "storage account": _account,
    "file service": _file_service,
    "share": _share,
    "private endpoint": _endpoint,
    "DNS zone group": _zone_group,
}
_DELETIONS = {
    "share": _delete_share,
    "storage account": _delete_account,
    "private endpoint": _delete_endpoint,
    "DNS zone group": _delete_zone_group,
}
