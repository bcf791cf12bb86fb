# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deletion deletes, and what can be brought back afterwards. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import datetime
from dataclasses import replace

from ansible_collections.azlin.storage.plugins.module_utils._azure import guards, result, softdelete
from ansible_collections.azlin.storage.plugins.module_utils._azure.desired import TAG_KEY, TAG_VALUE, is_beside
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import deletion_of, removal_of, removed_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import timestamp
from ansible_collections.azlin.storage.plugins.module_utils._azure.steps import Step, shown
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties
from ansible_collections.azlin.storage.plugins.module_utils._common import names

# Days in which Azure can recover a deleted account on a best-effort basis. Source: Azure docs,
# storage-account-recover.
ACCOUNT_RECOVERY_DAYS = 14


def plan_deletion(wanted, present):
    """Return the steps that delete shares and, when no other is left, their account and our endpoints.

    The shares go first: if Azure refuses that, because of snapshots or a lock, everything still works. The virtual
    network, the DNS zone and its links stay, since other storages may use them.
    """
    guards.check_deletion(wanted, present)
    shares = _shares(wanted, present)
    if guards.other_shares(wanted, present):
        return shares
    others = _all_but_shares(wanted, present, tuple(step.key for step in shares))
    return [*shares, *(replace(step, emptied=wanted.account) for step in others)]


def _all_but_shares(wanted, present, shares):
    """The steps that delete our endpoints and, when they are gone, the account."""
    steps = removed_endpoint(wanted, present, needs=shares)
    for number, (endpoint, group) in enumerate(present.other_endpoints):
        if guards.is_own_endpoint(endpoint, wanted.account):
            endpoint_id = names.parse_resource_id(endpoint["id"], "id")
            removal = removal_of(endpoint_id, endpoint, group, needs=shares, mark=f"_{number}")
            may_stay = not is_beside(endpoint_id, wanted.account)
            steps += [replace(step, may_stay=may_stay) for step in removal]
    if present.account is not None:
        view = {"location": present.account.get("location"), "sku": dig(present.account, "sku", "name")}
        needs = (*shares, *(step.key for step in steps))
        steps.append(deletion_of("account", "storage account", wanted.account, view, needs))
    return steps


def _shares(wanted, present):
    """The steps that delete the shares that are there."""
    steps = [] if present.share is None else [_share(wanted, present, "share", present.share)]
    for share in softdelete.live(present.shares or ()):
        if share["name"] in wanted.more_shares:
            steps.append(_share(wanted, present, f"share {share['name']}", share))
    return steps


def _share(wanted, present, key, share):
    """The step that deletes a share; snapshots are said to go with it only where the guards let them."""
    about = properties(share)
    view = {"size_gib": about.get("shareQuota"), "root_squash": about.get("rootSquash")}
    found = softdelete.snapshots(present.shares or (), share["name"])
    if found:
        view["snapshots"] = [properties(one)["snapshotTime"] for one in found]
    body = {"include": "snapshots" if wanted.delete_snapshots else "none"}
    return Step(key, "delete", "share", wanted.id_of(share["name"]), view, None, body)


def recovery(wanted, present, plan):
    """What can be brought back after a plan that deletes, in words; None when nothing is deleted."""
    if not plan:
        return None
    kept = guards.other_shares(wanted, present)
    gone = [step.id.name for step in plan if step.kind == "share"]
    if kept:
        words = " ".join(_share_words(present, share) for share in gone)
        return f"Storage account {wanted.account.name} stays, since it holds other shares: {', '.join(kept)}. {words}"
    return (
        f"Storage account {wanted.account.name} is deleted. {_lost_words(present, gone)} Azure can often recover a "
        f"deleted account within {ACCOUNT_RECOVERY_DAYS} days, if no other account took its name and its resource "
        f"group still exists (Azure portal: Storage accounts, Restore).{_left_words(present, plan)}"
    )


def broken_off(error, present, done):
    """The error of a deletion that failed after some of its steps were done, with what they deleted."""
    if not done:
        return error
    shares = [_share_words(present, step.id.name) for step in done if step.kind == "share"]
    words = " ".join([f"Deleted already: {', '.join(one['resource'] for one in shown(done))}.", *shares])
    error = error.with_addition(words)
    error.details = {**error.details, "recovery": words}
    return error


def _left_words(present, plan):
    """Which private endpoints of the account stay: those that are not ours, or that we may not see or delete."""
    read = [present.endpoint, *(endpoint for endpoint, _group in present.other_endpoints)]
    there = [one["id"] for one in read if one is not None] + [str(one) for one in present.hidden_endpoints]
    gone = [str(step.id) for step in plan]
    left = [
        str(one)
        for one in result.endpoint_ids(present.account)
        if any(names.same_id(one, known) for known in there) and not any(names.same_id(one, other) for other in gone)
    ]
    if not left:
        return ""
    return (
        f" These private endpoints of it stay and are billed further, since they do not carry the tag "
        f"{TAG_KEY}={TAG_VALUE} or the identity may not see or delete them: {', '.join(left)}."
    )


def _share_words(present, share):
    """What becomes of a share where its account stays."""
    days = result.soft_delete_days(present.file_service)
    if days is None:
        return f"Whether share {share} is kept by soft delete is not known."
    if not days:
        return f"Soft delete is off: share {share} cannot be brought back."
    until = (
        "" if present.moment is None else f", until about {timestamp(present.moment + datetime.timedelta(days=days))}"
    )
    return (
        f"Share {share} is kept by soft delete for {days} days{until}: azlin.storage.create with "
        "azlin_restore: true brings it back."
    )


def _lost_words(present, gone):
    """What goes with the account: soft delete is a setting of it and ends with it."""
    lost = {*gone, *softdelete.names_of_deleted(present.shares or ())}
    days = result.soft_delete_days(present.file_service)
    if not days or not lost:
        known = "is off" if days == 0 else "of a deleted account keeps nothing"
        return f"Soft delete {known}: its shares come back only with the account."
    return (
        f"Soft delete ({days} days) is part of the account and ends with it: {', '.join(sorted(lost))} "
        "can be brought back only by recovering the account first."
    )
