# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Polling of long-running operations, in the dialect of each provider."""

from __future__ import annotations

from lab.arm.cloud import Answer, Call, route
from lab.arm.exports import ACCOUNTS
from lab.arm.operations import dns_polling
from lab.arm.storage import shown


@route("GET", "Microsoft.Storage/locations/asyncoperations")
def storage_operation(call: Call) -> Answer:
    """202 until the account is there, then 200 with it.

    A failure arrives as 200 with a body that says Failed, which is what the live service does.
    """
    operation = call.cloud.operations.get(call.target.name)
    if operation["status"] == "InProgress":
        path = f"{call.target.id}"
        headers = {"Location": call.url(path, monitor="true"), **call.cloud.profile.retry_headers()}
        return Answer(202, None, headers)
    if operation["error"]:
        return Answer(200, {"status": "Failed", "error": operation["error"]})
    account = call.store.get(operation["resource"])
    return Answer(200, shown(call.store, account)) if account and account["type"] == ACCOUNTS else Answer(204)


@route("GET", "Microsoft.Network/privateDnsOperationStatuses")
def dns_operation_status(call: Call) -> Answer:
    """The status document of private DNS: while it runs with 202 and the addresses of the first answer."""
    operation = call.cloud.operations.get(call.target.name)
    if operation["status"] == "InProgress":
        return Answer(202, _status(operation), dns_polling(call, call.target.name))
    return Answer(200, _status(operation))


def _status(operation: dict) -> dict:
    """The status, and the error of an operation that is over; one that is bound to fail keeps that to itself."""
    body: dict = {"status": operation["status"]}
    if operation["status"] == "Failed":
        body["error"] = operation["error"]
    return body


@route("GET", "Microsoft.Network/locations/operations")
@route("GET", "Microsoft.Compute/locations/operations")
def operation_status(call: Call) -> Answer:
    """The status document behind Azure-AsyncOperation."""
    operation = call.cloud.operations.get(call.target.name)
    headers = call.cloud.profile.retry_headers() if operation["status"] == "InProgress" else {}
    return Answer(200, _status(operation), headers)


@route("GET", "Microsoft.Network/locations/operationResults")
@route("GET", "Microsoft.Network/privateDnsOperationResults")
@route("GET", "Microsoft.Resources/operationresults")
def operation_result(call: Call) -> Answer:
    """The result behind Location: 202 while it runs, an error if it failed, nothing when done."""
    operation = call.cloud.operations.get(call.target.name)
    if operation["status"] == "InProgress":
        where = {"Location": call.url(call.path_of_collection() + f"/{call.target.name}")}
        if call.target.provider.lower() != "microsoft.resources":
            where = {"Location": call.url(call.target.id)}
        return Answer(202, None, {**where, **call.cloud.profile.retry_headers()})
    if operation["error"]:
        return Answer(409, {"error": operation["error"]})
    return Answer(200 if call.target.provider.lower() == "microsoft.resources" else 204)
