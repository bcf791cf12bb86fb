# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which storages nobody needs any more. What is not known is never taken for a "no". Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid


def verdicts(storages, days, keep_tag, hosts):
    """Return a verdict for each storage; see :func:`verdict`."""
    if isinstance(days, bool) or not isinstance(days, int) or days < 1:
        raise invalid("days", days, "it is not a number of days", "Use a whole number from 1 on.")
    return [verdict(storage, days, keep_tag, hosts) for storage in storages]


def verdict(storage, days, keep_tag, hosts):
    """Return whether a storage can go, with all that speaks against it and all that nobody knows.

    It can go only when every question about it has an answer and every answer is "no".

    :param storage: as azlin_storage_info returns it, with a history of one day more than ``days``, since the last is
        not over yet.
    :param keep_tag: the tag of an account that is kept, whatever its value.
    :param hosts: what hosts say of themselves: dicts with ``host``, ``source`` (the share that the home is on, or
        None), ``mounts`` (the paths of shares that it has mounted for anybody) and ``silent`` (why the host could
        not be asked, or None).
    """
    reasons, unknown = [], []
    for ask in (_ours, _kept, _attached, _restorable, _mounted, _age, _requests):
        against, open_questions = ask(storage, days, keep_tag, hosts)
        reasons += against
        unknown += open_questions
    return {
        "name": f"{storage['name']}/{storage['share']}",
        "account": storage["name"],
        "share": storage["share"],
        "resource_group": storage["resource_group"],
        "candidate": not reasons and not unknown,
        "reasons": reasons,
        "unknown": unknown,
    }


def _ours(storage, _days, _keep_tag, _hosts):
    return ([] if storage.get("managed") is True else ["it does not carry the tag of this collection"]), []


def _kept(storage, _days, keep_tag, _hosts):
    """Names of tags have no case in Azure."""
    if storage.get("tags") is None:
        return [], ["its tags are not known"]
    kept = str(keep_tag).lower() in {name.lower() for name in storage["tags"]}
    return ([f"it carries the tag {keep_tag}"] if kept else []), []


def _attached(storage, _days, _keep_tag, _hosts):
    machines = storage.get("attached_vms")
    if machines is None:
        return [], ["the virtual machines with homes on it are not known"]
    return [f"{one['name']} has the home of {one['user']} on it, says its tag" for one in machines], []


def _restorable(storage, _days, _keep_tag, _hosts):
    """With its last share an account goes, and with the account all that soft delete keeps in it."""
    shares = storage.get("restorable_shares")
    if shares is None:
        return [], ["it is not known whether its account holds deleted shares that can still be restored"]
    return ([f"its account holds deleted shares that can still be restored: {', '.join(shares)}"] if shares else []), []


def _mounted(storage, _days, _keep_tag, hosts):
    path = f":/{storage['name']}/{storage['share']}"
    using = [
        one["host"]
        for one in hosts
        if str(one.get("source") or "").endswith(path) or path[1:] in (one.get("mounts") or ())
    ]
    silent = [f"{one['host']} may have a home on it: {one['silent']}" for one in hosts if one.get("silent")]
    return [f"{host} has a home on it, or has it mounted" for host in using], silent


def _window(storage, days, series):
    """The last full days of a history and the day that is not over; None when it does not reach back so far."""
    known = (storage.get("history") or {}).get(series) or []
    return known[-(days + 1) :] if len(known) > days else None


def _age(storage, days, _keep_tag, _hosts):
    """A storage that did not exist all the time has had no chance to be used."""
    window = _window(storage, days, "used")
    if window is None:
        return [], [f"Azure Monitor was not asked for the last {days} days"]
    first = window[0]["time"][:10]
    if not storage.get("created"):
        return [], ["it is not known since when there is the account"]
    if storage["created"][:10] >= first:
        return [f"its account was created on {storage['created'][:10]}, less than {days} days ago"], []
    if window[0]["bytes"] is None:
        return [], [f"Azure Monitor does not know its use on {first}; the share may be younger"]
    return [], []


def _requests(storage, days, _keep_tag, _hosts):
    window = _window(storage, days, "transactions")
    if window is None:
        return [], [f"its transactions of the last {days} days are not known"]
    busy = [one["time"][:10] for one in window if one["count"]]
    missing = [one["time"][:10] for one in window if one["count"] is None]
    return (
        [f"there were transactions on {len(busy)} of the last {len(window)} days, last on {busy[-1]}"] if busy else [],
        [f"its transactions are not known for {len(missing)} of the last {len(window)} days"] if missing else [],
    )
