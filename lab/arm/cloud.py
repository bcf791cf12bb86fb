# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud: everything the handlers of the Resource Manager share."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import typing
import urllib.parse

from lab.arm import errors
from lab.arm.assertions import Trusted
from lab.arm.exports import data_plane_state
from lab.arm.faults import Faults
from lab.arm.identity import Identity
from lab.arm.ids import Target
from lab.arm.operations import Operations
from lab.arm.profiles import Profile
from lab.arm.requestlog import RequestLog
from lab.arm.store import Record, Store
from lab.dataplane import DataPlane, DataPlaneState


@dataclasses.dataclass
class Answer:
    """What a handler returns; a body of None is an empty body."""

    status: int
    body: typing.Any = None
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


class Cloud:
    """State, data plane and running operations of one lab."""

    def __init__(
        self,
        identity: Identity,
        data_plane: DataPlane,
        profile: Profile,
        state_dir: pathlib.Path | None = None,
    ):
        self.identity = identity
        self.data_plane = data_plane
        self.profile = profile
        self.page_size = 1000
        self.base_url = ""
        self.store = Store(state_dir / "state.json" if state_dir else None)
        self.trusted = Trusted()
        self.log = RequestLog(state_dir / "requests.jsonl" if state_dir else None)
        self.faults = Faults()
        self.operations = Operations(self)
        # What rewinding goes back to.
        self.checkpoint: dict[str, Record] | None = None
        self._purges: list[tuple[str, str]] = []
        self._applied: DataPlaneState | None = None
        self._settling = asyncio.Lock()

    @property
    def subscriptions(self) -> list[str]:
        """The subscriptions that the principal sees, its own one first."""
        return [self.identity.subscription_id, *self.store.facts.get("subscriptions", ())]

    def purge_later(self, account: str, share: str) -> None:
        """Have the data of a share removed once its export is gone."""
        self._purges.append((account, share))

    async def settle(self) -> None:
        """Save the state and bring the data plane in line with it; returns when both are done."""
        self.store.save()
        async with self._settling:
            wanted = data_plane_state(self.store)
            if wanted != self._applied:
                await asyncio.to_thread(self.data_plane.apply, wanted)
                self._applied = wanted
            while self._purges:
                await asyncio.to_thread(self.data_plane.purge, *self._purges[0])
                self._purges.pop(0)


@dataclasses.dataclass
class Call:
    """One request, parsed and authenticated."""

    cloud: Cloud
    method: str
    target: Target
    query: dict[str, str]
    headers: typing.Mapping[str, str]
    body: dict
    operation_error: dict | None = None

    @property
    def store(self) -> Store:
        """The resources."""
        return self.cloud.store

    @property
    def id(self) -> str:
        """Id of the target: the spelling of the existing resource, else that of the request."""
        record = self.store.get(self.target.id)
        return record["id"] if record else self.target.id

    def record(self) -> Record | None:
        """The record of the target, if it exists."""
        return self.store.get(self.target.id)

    def require(self) -> Record:
        """The record of the target or the 404 of the Resource Manager."""
        record = self.record()
        if record is None:
            raise errors.resource_not_found(self.target)
        return record

    def start(self, kind: str, resource_id: str, args: dict | None = None) -> str:
        """Begin a long-running operation; an injected fault can make it fail."""
        return self.cloud.operations.start(kind, resource_id, args, self.operation_error)

    def url(self, path: str, **query: str) -> str:
        """An absolute URL of this server with the api-version of the request."""
        query = {"api-version": self.query["api-version"], **query}
        return f"{self.cloud.base_url}{path}?{urllib.parse.urlencode(query)}"

    def top(self, name: str = "$top") -> int | None:
        """The page size that the request asks for, if any."""
        text = self.query.get(name, "")
        return int(text) if text.isdigit() and int(text) else None

    def page(self, items: list, show: typing.Callable[[typing.Any], dict], size: int | None = None) -> Answer:
        """One page of a list, each item as ``show`` makes it, with nextLink if there is more."""
        size = size or self.cloud.page_size
        start = int(self.query.get("$skiptoken", "0"))
        body: dict = {"value": [show(item) for item in items[start : start + size]]}
        if start + size < len(items):
            kept = {key: value for key, value in self.query.items() if key not in ("api-version", "$skiptoken")}
            path = self.path_of_collection()
            body["nextLink"] = self.url(path, **kept, **{"$skiptoken": str(start + size)})
        return Answer(200, body)

    def path_of_collection(self) -> str:
        """The path of the request, for links back to it."""
        if self.target.provider.lower() == "microsoft.resources":
            scope = f"/resourceGroups/{self.target.group}" if self.target.group else ""
            return f"/subscriptions/{self.target.subscription}{scope}/{self.target.type.split('/')[1]}"
        return self.target.id


Handler = typing.Callable[[Call], Answer | typing.Awaitable[Answer]]


@dataclasses.dataclass(frozen=True)
class Route:
    """A handler; ``orphan`` routes run even when the parent of the target does not exist."""

    handler: Handler
    orphan: bool = False


ROUTES: dict[tuple[str, str, bool], Route] = {}


def route(method: str, type_: str, item: bool = True, orphan: bool = False) -> typing.Callable[[Handler], Handler]:
    """Register the handler of a method on a type: on an item, or on a collection or action."""

    def register(handler: Handler) -> Handler:
        ROUTES[method, type_.lower(), item] = Route(handler, orphan)
        return handler

    return register
