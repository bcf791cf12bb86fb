# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deletion deletes, and what can be brought back afterwards. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._azure import guards, result
from ansible_collections.azlin.storage.plugins.module_utils._azure.plan import deletion_of, removed_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import dig, properties

# Days in which Azure can recover a deleted account on a best-effort basis. Source: Azure docs,
# storage-account-recover.
ACCOUNT_RECOVERY_DAYS = 14


def plan_deletion(wanted, present):
    """Return the steps that delete a share and, when it is the last one, its account and endpoint.

    The share goes first: if Azure refuses that, because of snapshots or a lock, everything still works. The virtual
    network, the DNS zone and its links stay, since other storages may use them.
    """
    guards.check_deletion(wanted, present)
    steps = []
    if present.share is not None:
        about = properties(present.share)
        view = {"size_gib": about.get("shareQuota"), "root_squash": about.get("rootSquash")}
        steps.append(deletion_of("share", "share", wanted.share_id, view, ()))
    if guards.other_shares(wanted, present):
        return steps
    steps += removed_endpoint(wanted, present, needs=("share",))
    if present.account is not None:
        view = {"location": present.account.get("location"), "sku": dig(present.account, "sku", "name")}
        needs = ("share", "zone_group", "endpoint")
        steps.append(deletion_of("account", "storage account", wanted.account, view, needs))
    return steps


def recovery(wanted, present, plan):
    """What can be brought back after the deletion, in words; None when nothing is deleted."""
    if not plan:
        return None
    kept = guards.other_shares(wanted, present)
    days = result.soft_delete_days(present.file_service)
    if kept:
        share = _share_words(days)
        return f"Storage account {wanted.account.name} stays, since it holds other shares: {', '.join(kept)}. {share}"
    return (
        f"Storage account {wanted.account.name} is deleted. Azure can often recover a deleted account within "
        f"{ACCOUNT_RECOVERY_DAYS} days, if no other account took its name and its resource group still exists "
        f"(Azure portal: Storage accounts, Restore). {_share_words(days)}"
    )


def _share_words(days):
    if days is None:
        return "Whether the share itself is kept by soft delete is not known."
    if not days:
        return "Soft delete is off: the share itself cannot be brought back."
    return (
        f"The share itself is kept by soft delete for {days} days, as long as its account exists "
        "(az storage share-rm restore)."
    )
