# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The data plane of the lab: puts what the Resource Manager decides in force on the NFS server."""

from __future__ import annotations

import json
import os
import pathlib
import threading
import typing

from lab.dataplane import DataPlaneState
from lab.errors import LabError
from lab.net import dns, namespace
from lab.nfs import config, container, tunnel, volumes
from lab.paths import LabPaths
from lab.processes import wait_for

RELOAD_SECONDS = 60


class GaneshaDataPlane:
    """Implements lab.dataplane.DataPlane for the lab in ``state_dir``."""

    def __init__(self, state_dir: str | os.PathLike[str]) -> None:
        self.paths = LabPaths.of(pathlib.Path(state_dir))
        self.lock = threading.Lock()

    def apply(self, state: DataPlaneState) -> None:
        """Make file systems, exports, addresses and names what ``state`` says; returns when clients see it."""
        with self.lock:
            for export in state.exports:
                volumes.ensure(self.paths, export.account, export.share, export.quota_gib)
            wanted = set(state.names.values())
            present = namespace.addresses(self.paths)
            for address in wanted - present:
                namespace.add_address(self.paths, address)
            self._reload(config.render(state.exports, self._export_ids(state), read_only(self.paths)))
            tunnel.publish(self.paths, state)
            dns.publish(self.paths, state.names)
            for address in present - wanted:
                namespace.remove_address(self.paths, address)

    def usage_bytes(self, account: str, share: str) -> int:
        """Bytes really used on disk by a share."""
        return volumes.usage_bytes(self.paths, account, share)

    def purge(self, account: str, share: str) -> None:
        """Remove the data of a share that is permanently deleted."""
        with self.lock:
            volumes.destroy(self.paths, account, share)

    def _export_ids(self, state: DataPlaneState) -> dict[str, int]:
        """Numbers of the exports: part of every file handle, so a number is never used for another share."""
        file = self.paths.shares / "export-ids.json"
        ids: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
        for export in state.exports:
            ids.setdefault(f"{export.account}/{export.share}", len(ids) + 1)
        file.write_text(json.dumps(ids))
        return ids

    def _reload(self, text: str) -> None:
        """Write the configuration and, if it is another one, wait until the server has taken it up."""
        if text == write_config(self.paths, text) or not container.running(self.paths):
            return
        log = self.paths.logs / "ganesha.log"
        seen = log.stat().st_size
        container.signal_server(self.paths, "HUP")
        wait_for(lambda: reloaded(log, seen), RELOAD_SECONDS, "the NFS server's change of exports")


def read_only(paths: LabPaths) -> list[str]:
    """The shares, as ``account/share``, that the server serves for reading only: a fault, unknown to Azure."""
    file = paths.shares / "read-only.json"
    return json.loads(file.read_text()) if file.exists() else []


def set_read_only(paths: LabPaths, shares: typing.Sequence[str]) -> None:
    """Name those shares; in force with the next change of any share through the Resource Manager."""
    (paths.shares / "read-only.json").write_text(json.dumps(list(shares)))


def write_config(paths: LabPaths, text: str) -> str:
    """Replace the configuration and return what it was before."""
    file = paths.shares / "config" / "ganesha.conf"
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text() if file.exists() else ""
    temporary = file.with_suffix(".new")
    temporary.write_text(text)
    temporary.rename(file)
    return before


def reloaded(log: pathlib.Path, seen: int) -> bool:
    """Whether the server has reported the end of a reload after position ``seen`` of its log."""
    with log.open("rb") as stream:
        stream.seek(seen)
        text = stream.read().decode(errors="replace")
    if ":CONFIG :CRIT :" in text:
        raise LabError(f"the NFS server refuses its configuration: {text[-1000:]}")
    return "Reread exports complete" in text


def create(state_dir: str | os.PathLike[str]) -> GaneshaDataPlane:
    """Factory for ``python -m lab.arm --data-plane lab.nfs.ganesha:create``."""
    return GaneshaDataPlane(state_dir)
