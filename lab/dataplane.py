# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The contract between the Resource Manager (control plane) and the NFS server (data plane) of the lab."""

from __future__ import annotations

import dataclasses
import typing


@dataclasses.dataclass(frozen=True)
class Export:
    """One NFS share that the data plane serves as ``/<account>/<share>``.

    ``squash`` is Azure's word: NoRootSquash, RootSquash or AllSquash.
    ``clients`` are the admitted networks in CIDR form; an empty tuple admits nobody.
    ``quota_gib`` is the provisioned size in GiB.
    ``encrypted``: TLS alone is admitted, clear text refused.
    """

    account: str
    share: str
    squash: str
    clients: tuple[str, ...]
    quota_gib: int
    encrypted: bool = False


@dataclasses.dataclass(frozen=True)
class DataPlaneState:
    """Everything the data plane has to know; always the whole state, never a difference.

    ``names`` maps a fully qualified name to the IPv4 address under which the lab's VNet sees it;
    every one of these addresses must answer on TCP port 2049.
    """

    exports: tuple[Export, ...] = ()
    names: typing.Mapping[str, str] = dataclasses.field(default_factory=dict)


class DataPlane(typing.Protocol):
    """What the Resource Manager asks of the NFS side."""

    def apply(self, state: DataPlaneState) -> None:
        """Put ``state`` in force; idempotent, called after every change, returns when in force."""

    def usage_bytes(self, account: str, share: str) -> int:
        """Bytes really used on disk by a share."""

    def purge(self, account: str, share: str) -> None:
        """Remove the data of a share that is permanently deleted."""


class NoDataPlane:
    """Serves nothing: for tests of the Resource Manager alone."""

    def apply(self, state: DataPlaneState) -> None:
        """Ignore the state."""

    def usage_bytes(self, account: str, share: str) -> int:
        """No data, so nothing is used."""
        return 0

    def purge(self, account: str, share: str) -> None:
        """No data, so nothing to remove."""
