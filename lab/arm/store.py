# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resources of the cloud: one dictionary keyed by lower-cased id, kept in a JSON file."""

from __future__ import annotations

import copy
import datetime
import json
import pathlib
import time
import typing
import uuid

Record = dict[str, typing.Any]

# Writing the state is slow from this many seconds on.
SLOW = 0.02
# Fields of a record that Azure shows; ``lab`` (internal facts) and the times are not among them.
PUBLIC = ("sku", "kind", "id", "name", "type", "location", "tags", "etag", "properties")


def now() -> datetime.datetime:
    """The present time, in UTC."""
    return datetime.datetime.now(datetime.timezone.utc)


def timestamp(moment: datetime.datetime | None = None) -> str:
    """A time as Azure writes it: seven digits of fraction and Z."""
    return (moment or now()).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"


def earlier(text: str, hours: float) -> str:
    """A time as Azure writes it, so many hours before another."""
    moment = datetime.datetime.strptime(text[:-2] + "Z", "%Y-%m-%dT%H:%M:%S.%f%z")
    return timestamp(moment - datetime.timedelta(hours=hours))


def new_etag() -> str:
    """An entity tag that no earlier state of a resource had."""
    return f'W/"{uuid.uuid4()}"'


class Store:
    """Resources, running operations and other facts that survive a restart of the server."""

    def __init__(self, path: pathlib.Path | None = None):
        self._path = path
        self._records: dict[str, Record] = {}
        self.operations: dict[str, Record] = {}
        self.facts: dict[str, typing.Any] = {}
        self._next_save = 0.0
        self._unsaved = False
        if path and path.exists():
            saved = json.loads(path.read_text(encoding="utf-8"))
            self._records, self.operations, self.facts = saved["resources"], saved["operations"], saved["facts"]

    def save(self, at_once: bool = False) -> None:
        """Write the whole state, atomically.

        A state so large that writing it takes long (thousands of machines) is written at most every fifth of the
        time; ``flush`` writes what is left over.
        """
        if not self._path:
            return
        start = time.monotonic()
        self._unsaved = not at_once and start < self._next_save
        if self._unsaved:
            return
        document = {"resources": self._records, "operations": self.operations, "facts": self.facts}
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps(document), encoding="utf-8")
        temporary.replace(self._path)
        took = time.monotonic() - start
        self._next_save = start + (took * 5 if took > SLOW else 0)

    def flush(self) -> None:
        """Write what ``save`` has put off."""
        if self._unsaved:
            self.save()

    def clear(self) -> None:
        """Forget everything."""
        self._records, self.operations, self.facts = {}, {}, {}

    def resources(self) -> dict[str, Record]:
        """A copy of all records, for ``replace``."""
        return copy.deepcopy(self._records)

    def replace(self, records: dict[str, Record]) -> None:
        """Have these records and no operation, as before they were changed."""
        self._records, self.operations = copy.deepcopy(records), {}

    def get(self, resource_id: str) -> Record | None:
        """The record with this id, whatever its case."""
        return self._records.get(resource_id.rstrip("/").lower())

    def put(self, record: Record) -> Record:
        """Add or replace a record."""
        record.setdefault("created", timestamp())
        record["changed"] = timestamp()
        record.setdefault("lab", {})
        self._records[record["id"].lower()] = record
        return record

    def delete(self, resource_id: str) -> None:
        """Remove a record and everything below it."""
        for record in self.tree(resource_id):
            del self._records[record["id"].lower()]

    def tree(self, resource_id: str) -> list[Record]:
        """A record and everything below it."""
        key = resource_id.lower()
        return [record for other, record in self._records.items() if other == key or other.startswith(key + "/")]

    def all(self, type_: str | None = None) -> list[Record]:
        """All records, or those of one type, in the order of their creation."""
        return [record for record in self._records.values() if type_ is None or record["type"].lower() == type_.lower()]

    def children(self, parent_id: str, type_: str) -> list[Record]:
        """Records of a type below a parent, sorted by name."""
        start = parent_id.lower() + "/"
        found = [record for record in self.all(type_) if record["id"].lower().startswith(start)]
        return sorted(found, key=lambda record: record["name"].lower())

    def in_scope(self, type_: str, subscription: str | None, group: str | None) -> list[Record]:
        """Records of a type in a subscription, or one of its resource groups, sorted by id."""
        scope = f"/subscriptions/{subscription}/" + (f"resourceGroups/{group}/" if group else "")
        found = [record for record in self.all(type_) if record["id"].lower().startswith(scope.lower())]
        return sorted(found, key=lambda record: record["id"].lower())


def public(record: Record) -> Record:
    """A copy of what Azure would show of a record."""
    return {key: copy.deepcopy(record[key]) for key in PUBLIC if record.get(key) is not None}
