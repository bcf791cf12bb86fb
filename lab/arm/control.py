# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control path /_lab/: request log, faults, profile, reset. For the lab and its tests, not part of Azure."""

from __future__ import annotations

import dataclasses
import math
import typing
import uuid

from lab.arm import metrics, provisioning, shares, storage
from lab.arm.assertions import Trusted
from lab.arm.cloud import Answer, Cloud
from lab.arm.exports import ACCOUNTS, SHARES
from lab.arm.profiles import PROFILES


async def control(cloud: Cloud, method: str, path: str, body: typing.Any) -> Answer:
    """Answer a request below /_lab/ whose key has been checked."""
    try:
        action = ACTIONS[method, path.rstrip("/")]
    except KeyError:
        known = ", ".join(f"{verb} {name}" for verb, name in sorted(ACTIONS))
        return Answer(404, {"error": f"No such control request. Known: {known}."})
    try:
        answer = action(cloud, body)
    except (ValueError, KeyError, TypeError) as error:
        return Answer(400, {"error": f"Bad control request: {error}."})
    await cloud.settle()
    return answer


def _status(cloud: Cloud, body: typing.Any) -> Answer:
    running = [entry for entry in cloud.store.operations.values() if entry["status"] == "InProgress"]
    return Answer(
        200,
        {
            "profile": cloud.profile.name,
            "resources": len(cloud.store.all()),
            "running_operations": len(running),
            "requests": len(cloud.log.entries),
            "faults": [rule.spec for rule in cloud.faults.rules if rule.left != 0],
        },
    )


def _requests(cloud: Cloud, body: typing.Any) -> Answer:
    return Answer(200, {"value": cloud.log.entries})


def _clear_requests(cloud: Cloud, body: typing.Any) -> Answer:
    cloud.log.clear()
    return Answer(204)


def _add_faults(cloud: Cloud, body: typing.Any) -> Answer:
    cloud.faults.add(body)
    return Answer(204)


def _clear_faults(cloud: Cloud, body: typing.Any) -> Answer:
    cloud.faults.clear()
    return Answer(204)


def _set_profile(cloud: Cloud, body: typing.Any) -> Answer:
    """``name``; ``scale`` multiplies its times, ``page_size`` and ``operations`` (seconds by kind) change values."""
    if body["name"] not in PROFILES:
        raise ValueError(f"profile {body['name']} is not one of {', '.join(PROFILES)}")
    scale = float(body.get("scale", 1))
    if not 0 < scale < math.inf:
        raise ValueError(f"scale {scale} is not above 0")
    profile = PROFILES[body["name"]].scaled(scale)
    cloud.profile = dataclasses.replace(profile, operations={**profile.operations, **body.get("operations", {})})
    cloud.page_size = int(body.get("page_size", 1000))
    return Answer(204)


def _take_names(cloud: Cloud, body: typing.Any) -> Answer:
    cloud.store.facts["taken_names"] = list(body)
    return Answer(204)


def _trust(cloud: Cloud, body: typing.Any) -> Answer:
    """Accept these certificates, federated issuers and this header of the managed identity, and no others."""
    cloud.trusted = Trusted(**body)
    return Answer(204)


def _checkpoint(cloud: Cloud, body: typing.Any) -> Answer:
    """Remember all resources as they are now."""
    cloud.checkpoint = cloud.store.resources()
    return Answer(204)


def _rewind(cloud: Cloud, body: typing.Any) -> Answer:
    """Have the resources of the checkpoint again; operations, faults and requests since then are forgotten."""
    if cloud.checkpoint is None:
        raise ValueError("there is no checkpoint")
    cloud.operations.forget()
    cloud.store.replace(cloud.checkpoint)
    cloud.faults.clear()
    cloud.log.clear()
    return Answer(204)


def _hasten(cloud: Cloud, body: typing.Any) -> Answer:
    """Let all operations that are under way be over in ``seconds``."""
    cloud.operations.hasten(float(body["seconds"]))
    return Answer(204)


def _let_pass(cloud: Cloud, body: typing.Any) -> Answer:
    """Let ``hours`` pass: accounts get older, with what has to be waited for and what is kept for a time."""
    for share in cloud.store.all(SHARES):
        provisioning.let_pass(share, float(body["hours"]))
    for account in cloud.store.all(ACCOUNTS):
        shares.let_pass(account, float(body["hours"]))
    storage.let_pass(cloud.store, float(body["hours"]))
    return Answer(204)


def _set_metrics(cloud: Cloud, body: typing.Any) -> Answer:
    """Set the values by hour of a ``metric`` of an ``account``, of one ``share`` or of what concerns none."""
    metrics.set_series(cloud, body["account"], body["metric"], body.get("share"), body["points"])
    return Answer(204)


def _add_subscriptions(cloud: Cloud, body: typing.Any) -> Answer:
    cloud.store.facts["subscriptions"] = [str(uuid.UUID(one)) for one in body]
    return Answer(204)


def _reset(cloud: Cloud, body: typing.Any) -> Answer:
    """Forget all resources, with the data of their shares, what was trusted, all faults and all requests."""
    for account in cloud.store.all(ACCOUNTS):
        storage.purge_account(cloud, account)
    cloud.operations.forget()
    cloud.trusted = Trusted()
    cloud.store.clear()
    cloud.faults.clear()
    cloud.log.clear()
    return Answer(204)


ACTIONS: dict[tuple[str, str], typing.Callable[[Cloud, typing.Any], Answer]] = {
    ("GET", "/_lab/status"): _status,
    ("GET", "/_lab/requests"): _requests,
    ("DELETE", "/_lab/requests"): _clear_requests,
    ("POST", "/_lab/faults"): _add_faults,
    ("DELETE", "/_lab/faults"): _clear_faults,
    ("PUT", "/_lab/profile"): _set_profile,
    ("PUT", "/_lab/taken-names"): _take_names,
    ("PUT", "/_lab/trusted"): _trust,
    ("PUT", "/_lab/checkpoint"): _checkpoint,
    ("POST", "/_lab/rewind"): _rewind,
    ("POST", "/_lab/hasten"): _hasten,
    ("POST", "/_lab/let-pass"): _let_pass,
    ("PUT", "/_lab/metrics"): _set_metrics,
    ("PUT", "/_lab/subscriptions"): _add_subscriptions,
    ("POST", "/_lab/reset"): _reset,
}
