# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long-running operations: accepted now, finished later, polled in between."""

from __future__ import annotations

import asyncio
import functools
import time
import traceback
import typing
import uuid

from lab.arm.errors import ArmError

if typing.TYPE_CHECKING:
    from lab.arm.cloud import Call, Cloud

# What an operation does to the state when its time has come; by name, so that it survives a restart.
Finisher = typing.Callable[["Cloud", str, dict], None]
FINISHERS: dict[str, Finisher] = {}
# Finished operations that can still be polled.
KEPT = 500


def finisher(kind: str) -> typing.Callable[[Finisher], Finisher]:
    """Register the end of a kind of operation."""

    def register(function: Finisher) -> Finisher:
        FINISHERS[kind] = function
        return function

    return register


def dns_polling(call: Call, operation: str) -> dict[str, str]:
    """Headers of a private DNS operation that is under way."""
    start = f"/subscriptions/{call.target.subscription}/resourceGroups/{call.target.group}/providers/Microsoft.Network"
    return {
        "Azure-AsyncOperation": call.url(f"{start}/privateDnsOperationStatuses/{operation}"),
        "Location": call.url(f"{start}/privateDnsOperationResults/{operation}"),
        **call.cloud.profile.retry_headers(),
    }


class Operations:
    """Starts operations and finishes them on time."""

    def __init__(self, cloud: Cloud):
        self._cloud = cloud
        self._tasks: dict[str, asyncio.Task] = {}

    def start(
        self,
        kind: str,
        resource_id: str,
        args: dict | None = None,
        error: dict | None = None,
    ) -> str:
        """Begin an operation on a resource; ``error`` makes it end as Failed. Returns its id."""
        operation_id = str(uuid.uuid4())
        self._drop_old()
        self._cloud.store.operations[operation_id] = {
            "id": operation_id,
            "kind": kind,
            "resource": resource_id,
            "args": args or {},
            "due": time.time() + self._cloud.profile.duration(kind),
            "status": "InProgress",
            "error": error,
        }
        self._schedule(self._cloud.store.operations[operation_id])
        return operation_id

    def get(self, operation_id: str) -> dict:
        """One operation; Azure answers 404 for an id it does not know."""
        try:
            return self._cloud.store.operations[operation_id]
        except KeyError:
            raise ArmError(404, "OperationNotFound", f"The operation with id '{operation_id}' was not found.") from None

    def resume(self) -> None:
        """Schedule again what was running when the server stopped."""
        for operation in self._cloud.store.operations.values():
            if operation["status"] == "InProgress":
                self._schedule(operation)

    def hasten(self, seconds: float) -> None:
        """Let everything that is under way be over in so many seconds at the latest."""
        due = time.time() + seconds
        for operation_id, task in list(self._tasks.items()):
            operation = self._cloud.store.operations.get(operation_id)
            if operation and operation["due"] > due:
                task.cancel()
                operation["due"] = due
                self._schedule(operation)

    def forget(self) -> None:
        """Cancel what is scheduled."""
        for task in list(self._tasks.values()):
            task.cancel()

    async def stop(self) -> None:
        """Cancel what is scheduled and wait for it; it stays in the state as running."""
        self.forget()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _drop_old(self) -> None:
        """Nobody polls the oldest of many finished operations any more."""
        operations = self._cloud.store.operations
        finished = [name for name, operation in operations.items() if operation["status"] != "InProgress"]
        for name in finished[:-KEPT]:
            del operations[name]

    def _schedule(self, operation: dict) -> None:
        task = asyncio.get_running_loop().create_task(self._finish_later(operation))
        self._tasks[operation["id"]] = task
        task.add_done_callback(functools.partial(self._drop_task, operation["id"]))

    def _drop_task(self, operation_id: str, task: asyncio.Task) -> None:
        # Another one may have taken its place.
        if self._tasks.get(operation_id) is task:
            del self._tasks[operation_id]

    async def _finish_later(self, operation: dict) -> None:
        await asyncio.sleep(max(0.0, operation["due"] - time.time()))
        error = operation["error"]
        if error is None:
            try:
                FINISHERS[operation["kind"]](self._cloud, operation["resource"], operation["args"])
                await self._cloud.settle()
            except ArmError as problem:
                error = problem.body()["error"]
            except Exception as problem:
                traceback.print_exc()
                error = {"code": "InternalServerError", "message": f"{type(problem).__name__}: {problem}"}
        operation["error"] = error
        operation["status"] = "Failed" if error else "Succeeded"
        if error:
            self._mark_failed(operation)
        self._cloud.store.save()

    def _mark_failed(self, operation: dict) -> None:
        """Leave a failed resource behind for the next try; of a failed account nothing remains."""
        if operation["kind"] == "account":
            self._cloud.store.delete(operation["resource"])
            return
        for record in self._cloud.store.tree(operation["resource"]):
            if record["properties"].get("provisioningState") in ("Creating", "Updating", "Deleting"):
                record["properties"]["provisioningState"] = "Failed"
