# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long things take: ``fast`` for tests, ``azure`` with the times of the real cloud."""

from __future__ import annotations

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Profile:
    """All times in seconds.

    ``operations`` gives the duration of each kind of long-running operation, ``retry_after`` what the
    client is told to wait between polls. Below one second the header ``x-ms-retry-after-ms`` is used,
    because azure-core treats ``Retry-After: 0`` as absent and falls back to its 30 s default.
    """

    name: str
    read: float
    write: float
    retry_after: float
    operations: typing.Mapping[str, float]
    share_delete: float = 0.0

    def duration(self, kind: str) -> float:
        """Seconds that an operation of this kind takes."""
        return self.operations.get(kind, self.operations["default"])

    def scaled(self, factor: float) -> Profile:
        """The same with all times multiplied."""
        return dataclasses.replace(
            self,
            read=self.read * factor,
            write=self.write * factor,
            retry_after=self.retry_after * factor,
            share_delete=self.share_delete * factor,
            operations={kind: seconds * factor for kind, seconds in self.operations.items()},
        )

    def retry_headers(self) -> dict[str, str]:
        """The header that tells a client when to poll again."""
        if self.retry_after >= 1:
            return {"Retry-After": str(int(self.retry_after))}
        return {"x-ms-retry-after-ms": str(int(self.retry_after * 1000))}


# Times of the public cloud as users see them: an account about 20 s, a private endpoint about 40 s,
# a private DNS zone about 15 s. ``share_delete`` is how long the name of a deleted share stays blocked.
PROFILES = {
    "fast": Profile("fast", read=0.001, write=0.002, retry_after=0.02, operations={"default": 0.03}),
    "azure": Profile(
        "azure",
        read=0.1,
        write=0.4,
        retry_after=5,
        share_delete=30.0,
        operations={
            "account": 20.0,
            "endpoint": 40.0,
            "endpoint_delete": 20.0,
            "zone": 15.0,
            "link": 15.0,
            "zone_group": 12.0,
            "vnet": 4.0,
            "subnet": 4.0,
            "vm": 20.0,
            "group_delete": 30.0,
            "default": 10.0,
        },
    ),
}
