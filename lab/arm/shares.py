# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file service of an account and its shares."""

from __future__ import annotations

import asyncio
import copy
import time

from lab.arm import errors, ids, provisioning, validation
from lab.arm.cloud import Answer, Call, Cloud, route
from lab.arm.errors import ArmError
from lab.arm.exports import SHARES
from lab.arm.storage import require_provisioned
from lab.arm.store import Record, earlier, now, public, timestamp

SERVICES = "Microsoft.Storage/storageAccounts/fileServices"
USAGES = f"{SERVICES}/usages"
SQUASH = ("NoRootSquash", "RootSquash", "AllSquash")


def _account(call: Call) -> Record:
    account = call.store.get(call.target.root.id)
    if account is None:
        raise errors.resource_not_found(call.target.root)
    return account


def _service(call: Call, account: Record) -> Record:
    """The file service; every account has one, named default."""
    service_id = f"{account['id']}/fileServices/default"
    # Multichannel is a feature of SSD accounts, which have it on.
    smb = {"multichannel": {"enabled": True}} if account["kind"] == "FileStorage" else {}
    return call.store.get(service_id) or {
        "id": service_id,
        "name": "default",
        "type": SERVICES,
        "properties": {
            "protocolSettings": {"smb": smb},
            "cors": {"corsRules": []},
            "shareDeleteRetentionPolicy": {"enabled": True, "days": 7},
        },
    }


@route("GET", SERVICES, item=False)
def list_services(call: Call) -> Answer:
    """The one file service."""
    return Answer(200, {"value": [_shown_service(call)]})


@route("GET", SERVICES)
def get_service(call: Call) -> Answer:
    """The settings of the file service."""
    return Answer(200, _shown_service(call))


def _shown_service(call: Call) -> dict:
    account = _account(call)
    return {"sku": account["sku"], **public(_service(call, account))}


@route("PUT", SERVICES)
def put_service(call: Call) -> Answer:
    """Set soft delete and protocol settings; the answer repeats what was sent."""
    account = _account(call)
    require_provisioned(account)
    given = call.body.get("properties") or {}
    _check_retention(given.get("shareDeleteRetentionPolicy"))
    nfs = ((given.get("protocolSettings") or {}).get("nfs") or {}).get("encryptionInTransit") or {}
    validation.boolean(nfs.get("required"), "protocolSettings.nfs.encryptionInTransit.required")
    service = _service(call, account)
    properties = service["properties"]
    for name in ("cors", "shareDeleteRetentionPolicy"):
        if given.get(name) is not None:
            properties[name] = copy.deepcopy(given[name])
    for protocol, settings in (given.get("protocolSettings") or {}).items():
        if settings is not None:
            properties["protocolSettings"][protocol] = copy.deepcopy(settings)
    call.store.put(service)
    echoed = {key: value for key, value in given.items() if value is not None and key != "cors"}
    return Answer(200, {**public(service), "properties": copy.deepcopy(echoed)})


def _check_retention(policy: dict | None) -> None:
    if not policy:
        return
    validation.boolean(policy.get("enabled"), "shareDeleteRetentionPolicy.enabled")
    days = policy.get("days")
    if policy.get("enabled") and (not isinstance(days, int) or not 1 <= days <= 365):
        raise errors.invalid_values("shareDeleteRetentionPolicy.days")


@route("GET", USAGES, item=False)
def list_usages(call: Call) -> Answer:
    """The one usage of the file service."""
    return Answer(200, {"value": [_usage(call)]})


@route("GET", USAGES)
def get_usage(call: Call) -> Answer:
    """Limits, recommendations and what is provisioned already, soft-deleted shares apart."""
    return Answer(200, _usage(call))


def _usage(call: Call) -> dict:
    account = _account(call)
    require_provisioned(account)
    expire_deleted(call.cloud, account)
    if not provisioning.is_v2(account):
        # The reference ties the usage to provisioned v2; what Azure says of other accounts is not known.
        raise ArmError(400, "FeatureNotSupportedForAccount", "The usage exists for provisioned v2 accounts only.")
    return {
        "id": f"{account['id']}/fileServices/default/usages/default",
        "name": "default",
        "type": USAGES,
        "properties": provisioning.usage(call.store, account),
    }


@route("GET", SHARES, item=False)
def list_shares(call: Call) -> Answer:
    """The shares of an account; deleted ones and snapshots only if asked for."""
    account = _account(call)
    require_provisioned(account)
    expire_deleted(call.cloud, account)
    expand = _expand(call)
    views = []
    for share in call.store.children(account["id"], SHARES):
        views.append(_listed(share))
        if "snapshots" in expand:
            views += [_snapshot_view(share, moment) for moment in share["lab"]["snapshots"]]
    if "deleted" in expand:
        views += [_deleted_view(share) for share in account["lab"]["deleted_shares"]]
    views.sort(key=lambda view: view["name"])
    return call.page(views, dict, call.top("$maxpagesize"))


@route("GET", SHARES)
async def get_share(call: Call) -> Answer:
    """One share, with the bytes really used if $expand=stats."""
    account, share = _account(call), _share(call)
    view = _listed(share)
    view["properties"]["signedIdentifiers"] = []
    if "stats" in _expand(call):
        plane = call.cloud.data_plane
        used = await asyncio.to_thread(plane.usage_bytes, account["name"], share["name"])
        view["properties"]["shareUsageBytes"] = used
    return Answer(200, view, {"ETag": share["lab"]["etag"]})


def _expand(call: Call) -> set[str]:
    return {part.strip().lower() for part in call.query.get("$expand", "").split(",")}


@route("PUT", SHARES)
def put_share(call: Call) -> Answer:
    """Create a share (201, only what was sent), take a snapshot, or write an existing share again (200)."""
    account = _account(call)
    require_provisioned(account)
    validation.share_name(call.target.name)
    existing = call.record()
    if existing and "snapshots" in _expand(call):
        return _take_snapshot(existing)
    given = call.body.get("properties") or {}
    _check_share(account, given)
    if existing:
        _update_share(call, account, existing, given)
        return _echo(call, existing, given, 200)
    _refuse_while_being_deleted(account, call.target.name)
    expire_deleted(call.cloud, account)
    provisioned = provisioning.provision(call.store, account, None, given)
    _give_way(call.cloud, account, call.target.name)
    protocol = given.get("enabledProtocols", "SMB")
    properties = {
        "leaseStatus": "unlocked",
        "leaseState": "available",
        "accessTier": "Premium" if account["kind"] == "FileStorage" else "TransactionOptimized",
        "lastModifiedTime": timestamp(),
        **provisioned,
        "enabledProtocols": protocol,
    }
    if protocol == "NFS":
        properties["rootSquash"] = given.get("rootSquash", "NoRootSquash")
    if given.get("metadata"):
        properties["metadata"] = given["metadata"]
    share = call.store.put(
        {
            "id": call.target.id,
            "name": call.target.name,
            "type": SHARES,
            "properties": properties,
            "lab": {"etag": _etag(), "snapshots": []},
        }
    )
    return _echo(call, share, given, 201)


@route("PATCH", SHARES)
def patch_share(call: Call) -> Answer:
    """Change what is provisioned, squash or metadata of a share."""
    account, share = _account(call), _share(call)
    given = call.body.get("properties") or {}
    _check_share(account, {"enabledProtocols": share["properties"]["enabledProtocols"], **given})
    _update_share(call, account, share, given)
    return _echo(call, share, given, 200)


@route("DELETE", SHARES, orphan=True)
def delete_share(call: Call) -> Answer:
    """Delete a share or one snapshot; snapshots go with the share unless $include=none."""
    account = call.store.get(call.target.root.id)
    if account is None:
        raise errors.parent_not_found(call.target)
    include = call.query.get("$include", "snapshots")
    if include not in ("snapshots", "leased-snapshots", "none"):
        raise ArmError(400, "InvalidQueryParameterValue", f"The value '{include}' of $include is not valid.")
    share = call.record()
    if share is None:
        return Answer(204)
    snapshot = call.headers.get("x-ms-snapshot")
    if snapshot:
        return _delete_snapshot(share, snapshot)
    if include == "none" and share["lab"]["snapshots"]:
        raise ArmError(
            409,
            "ShareHasSnapshots",
            "The share has snapshots and the operation requires no snapshots.",
        )
    _remove_share(call, account, share)
    return Answer(200)


@route("POST", "Microsoft.Storage/storageAccounts/fileServices/shares/restore", item=False)
def restore_share(call: Call) -> Answer:
    """Bring back a soft-deleted share."""
    account = _account(call)
    expire_deleted(call.cloud, account)
    name, version = call.body.get("deletedShareName"), call.body.get("deletedShareVersion")
    deleted = account["lab"]["deleted_shares"]
    found = next((share for share in deleted if share["name"] == name and share["lab"]["version"] == version), None)
    if found is None:
        raise _share_not_found()
    restored = ids.parse(call.target.id.rsplit("/", 1)[0])
    if restored is None or call.store.get(restored.id):
        raise ArmError(409, "ShareAlreadyExists", "The specified share already exists.")
    deleted.remove(found)
    if found["lab"].get("emptied"):
        _give_way(call.cloud, account, str(name))
    for key in ("version", "deleted", "expires", "emptied"):
        found["lab"].pop(key, None)
    call.store.put({**found, "id": restored.id, "name": restored.name})
    return Answer(200)


def _share(call: Call) -> Record:
    share = call.record()
    if share is None:
        raise _share_not_found()
    return share


def _share_not_found() -> ArmError:
    return ArmError(404, "ShareNotFound", "The specified share does not exist.")


def _check_share(account: Record, given: dict) -> None:
    """Values that cannot be right, whatever the present state."""
    validation.choice(given.get("enabledProtocols"), ("SMB", "NFS"), "enabledProtocols")
    validation.choice(given.get("rootSquash"), SQUASH, "rootSquash")
    validation.choice(given.get("accessTier"), ("TransactionOptimized", "Hot", "Cool", "Premium"), "accessTier")
    nfs = given.get("enabledProtocols") == "NFS"
    if nfs and account["kind"] != "FileStorage":
        raise ArmError(
            400, "FeatureNotSupportedForAccount", "The NFS protocol is only supported for premium file shares."
        )
    if given.get("rootSquash") and not nfs:
        raise provisioning.header_value_invalid("x-ms-root-squash")
    provisioning.check(account, given)


def _update_share(call: Call, account: Record, share: Record, given: dict) -> None:
    properties = share["properties"]
    protocol = given.get("enabledProtocols")
    if protocol and protocol != properties["enabledProtocols"]:
        raise provisioning.header_value_invalid("x-ms-enabled-protocols")
    expire_deleted(call.cloud, account)
    properties.update(provisioning.provision(call.store, account, share, given))
    for name in ("rootSquash", "metadata"):
        if given.get(name) is not None:
            properties[name] = given[name]
    properties["lastModifiedTime"] = timestamp()
    share["lab"]["etag"] = _etag()
    call.store.put(share)


def _refuse_while_being_deleted(account: Record, name: str) -> None:
    if account["lab"].get("being_deleted", {}).get(name, 0) > time.time():
        raise ArmError(409, "ShareBeingDeleted", "The specified share is being deleted. Try operation later.")


def _give_way(cloud: Cloud, account: Record, name: str) -> None:
    """Empty the place where the data of a name are, for a share that takes it.

    Azure keeps the data of every soft-deleted version. The lab has one place for the data of a name: the newest
    version has its data, and one that had to give way comes back empty.
    """
    deleted = [share for share in account["lab"]["deleted_shares"] if share["name"] == name]
    for share in deleted:
        share["lab"]["emptied"] = True
    if deleted:
        cloud.purge_later(account["name"], name)


def _remove_share(call: Call, account: Record, share: Record) -> None:
    policy = _service(call, account)["properties"]["shareDeleteRetentionPolicy"]
    call.store.delete(share["id"])
    if policy.get("enabled"):
        moment = now()
        version = f"{int(moment.timestamp() * 10_000_000) + 116_444_736_000_000_000:016X}"
        share["lab"].update(
            version=version,
            deleted=timestamp(moment),
            expires=moment.timestamp() + policy["days"] * 86400,
        )
        account["lab"]["deleted_shares"].append(share)
        return
    blocked = account["lab"].setdefault("being_deleted", {})
    blocked[share["name"]] = time.time() + call.cloud.profile.share_delete
    call.cloud.purge_later(account["name"], share["name"])


def expire_deleted(cloud: Cloud, account: Record) -> None:
    """Soft-deleted shares go for good when their time is over."""
    kept = []
    for share in account["lab"]["deleted_shares"]:
        if share["lab"]["expires"] > time.time():
            kept.append(share)
        elif not share["lab"].get("emptied"):
            cloud.purge_later(account["name"], share["name"])
    account["lab"]["deleted_shares"] = kept


def let_pass(account: Record, hours: float) -> None:
    """Let hours pass for an account and its soft-deleted shares."""
    account["properties"]["creationTime"] = earlier(account["properties"]["creationTime"], hours)
    for share in account["lab"]["deleted_shares"]:
        share["lab"]["expires"] -= hours * 3600
        share["lab"]["deleted"] = earlier(share["lab"]["deleted"], hours)


def _take_snapshot(share: Record) -> Answer:
    moment = timestamp()
    share["lab"]["snapshots"].append(moment)
    view = public(share)
    view["properties"] = {"snapshotTime": moment}
    return Answer(201, view)


def _delete_snapshot(share: Record, moment: str) -> Answer:
    if moment not in share["lab"]["snapshots"]:
        raise ArmError(404, "ShareSnapshotNotFound", "The specified share snapshot does not exist.")
    share["lab"]["snapshots"].remove(moment)
    return Answer(200)


def _listed(share: Record) -> dict:
    view = public(share)
    view["etag"] = share["lab"]["etag"]
    return view


def _snapshot_view(share: Record, moment: str) -> dict:
    view = _listed(share)
    view["properties"]["snapshotTime"] = moment
    return view


def _deleted_view(share: Record) -> dict:
    view = _listed(share)
    facts = share["lab"]
    view["id"] += f"_{facts['version']}"
    left = max(0, int((facts["expires"] - time.time()) // 86400 + 1))
    view["properties"].update(
        leaseState="broken",
        version=facts["version"],
        deleted=True,
        deletedTime=facts["deleted"],
        remainingRetentionDays=left,
    )
    return view


def _echo(call: Call, share: Record, given: dict, status: int) -> Answer:
    """The answer to a write: only what was sent (recorded), on provisioned v2 with what follows (the specification)."""
    sent = {key: copy.deepcopy(value) for key, value in given.items() if value is not None}
    if provisioning.is_v2(_account(call)):
        follows = provisioning.BURST if call.method == "PUT" else (*provisioning.BURST, *provisioning.NEXT_DECREASES)
        sent.update({word: share["properties"][word] for word in follows})
    return Answer(status, {**public(share), "properties": sent}, {"ETag": share["lab"]["etag"]})


def _etag() -> str:
    return f'"0x{time.time_ns() // 100 + 0x8D0000000000000 & 0xFFFFFFFFFFFFFFF:X}"'
