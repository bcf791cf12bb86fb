# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft-deleted shares: which there are, when they are purged, which one is restored; and deleted accounts. Pure.

Source: Azure docs, storage-files-prevent-file-share-deletion and storage-account-recover; REST reference of
Microsoft.Storage, file shares and deleted accounts.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import datetime

from ansible_collections.azlin.storage.plugins.module_utils._azure.provisioned import timestamp
from ansible_collections.azlin.storage.plugins.module_utils._azure.wire import properties
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# What Azure says of a share only while it is soft-deleted.
_MARKS = ("deleted", "deletedTime", "remainingRetentionDays", "version")


def live(shares):
    """The shares of a list that are neither soft-deleted nor snapshots."""
    return [one for one in shares if not properties(one).get("deleted") and not properties(one).get("snapshotTime")]


def snapshots(shares, name):
    """The snapshots of a living share."""
    return [
        one
        for one in shares
        if one["name"] == name and properties(one).get("snapshotTime") and not properties(one).get("deleted")
    ]


def deleted(shares):
    """The soft-deleted shares of a list, the last deleted one first."""
    found = [one for one in shares if properties(one).get("deleted") and not properties(one).get("snapshotTime")]
    return sorted(found, key=lambda one: properties(one).get("deletedTime") or "", reverse=True)


def names_of_deleted(shares):
    """The names of the soft-deleted shares of a list, sorted; None for an unknown one."""
    return None if shares is None else sorted({share["name"] for share in deleted(shares)})


def versions(shares, name):
    """The soft-deleted versions of one share, the newest first."""
    return [one for one in deleted(shares) if one["name"] == name]


def to_restore(wanted, present):
    """The version that is to be restored, or None."""
    if present.share is not None or not wanted.restore:
        return None
    found = versions(present.shares or (), wanted.share)
    return found[0] if found else None


def restored(version, share_id):
    """A version as the share that it becomes; how full it is will be known then.

    A list of deleted shares need not tell the protocol; then it is taken to be the wanted one.
    """
    kept = {key: value for key, value in properties(version).items() if key not in _MARKS}
    return {**version, "id": str(share_id), "properties": {"enabledProtocols": "NFS", **kept}}


def purge_time(version, moment):
    """About when Azure purges a version, or None.

    Azure tells whole days that are left, counted from the time of the deletion.
    """
    about = properties(version)
    at, left = _time(about.get("deletedTime")), about.get("remainingRetentionDays")
    if None in (at, left, moment):
        return None
    return at + datetime.timedelta(days=left + max(0, (moment - at).days))


def _time(text):
    """A time of Azure, to the second; None for what is none."""
    try:
        return datetime.datetime.strptime(str(text)[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        return None


def shown(shares, name, moment):
    """The soft-deleted versions of a share as they stand in results; None when they are not known."""
    if shares is None:
        return None
    return [
        {
            "version": properties(version).get("version"),
            "deleted_time": properties(version).get("deletedTime"),
            "purge_time": timestamp(purge_time(version, moment)),
            "size_gib": properties(version).get("shareQuota"),
        }
        for version in versions(shares, name)
    ]


def check(wanted, present):
    """Raise where a soft-deleted share has the wanted name and nothing says what is to become of it."""
    found = versions(present.shares or (), wanted.share)
    if present.share is not None:
        return
    if wanted.restore and not found:
        raise nothing_to_restore(wanted)
    if not found or wanted.restore is not None:
        return
    newest = properties(found[0])
    purged = timestamp(purge_time(found[0], present.moment)) or "a time that is not known"
    several = f" It is the newest of {len(found)} versions." if len(found) > 1 else ""
    raise AzlinError(
        "soft_deleted",
        f"{wanted.account.name}/{wanted.share} was deleted at {newest.get('deletedTime')} with all homes on it and can "
        f"be restored until about {purged}.{several} A new share of that name would be empty.",
        causes=[
            ("the homes are still needed", "Set restore: true; the share comes back as it was."),
            ("an empty share is really wanted", "Set restore: false; the deleted one stays restorable until then."),
        ],
    )


def check_account(wanted, present):
    """Raise where a new account would take the name that a deleted one needs to be recovered."""
    if not present.deleted_accounts or wanted.restore is not None:
        return
    about = properties(present.deleted_accounts[0])
    raise AzlinError(
        "soft_deleted",
        f"Storage account {about.get('storageAccountResourceId') or wanted.account.name} was deleted at "
        f"{about.get('deletionTime')} with all homes on it. Azure can often recover it, but not when a new account has "
        "its name, and the new one would be empty.",
        causes=[
            (
                "the homes are still needed",
                "Recover the account in the Azure portal (Storage accounts, Restore) and run again.",
            ),
            (
                "an empty storage is really wanted",
                "Set restore: false; the deleted account cannot be recovered any more then.",
            ),
        ],
    )


def nothing_to_restore(wanted):
    """The error for a restore of what is not there."""
    return AzlinError(
        "not_found",
        f"restore: there is no soft-deleted share {wanted.account.name}/{wanted.share}, so nothing can be restored.",
        causes=[
            ("its time is over, or soft delete was off", "Set restore: false to create an empty share."),
            (
                "the whole account was deleted",
                "Recover the account in the Azure portal: Storage accounts, Restore.",
            ),
        ],
    )


def note(wanted, present):
    """What has to be said when one of several versions is restored; None when there is only one."""
    version = to_restore(wanted, present)
    others = [one for one in versions(present.shares or (), wanted.share) if one is not version]
    if version is None or not others:
        return None
    times = ", ".join(str(properties(one).get("deletedTime")) for one in others)
    return (
        f"Of {len(others) + 1} soft-deleted versions of share {wanted.share} the newest is restored, deleted at "
        f"{properties(version).get('deletedTime')}; the others were deleted at {times}."
    )
