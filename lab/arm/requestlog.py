# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The request log: what was asked, what was answered; in memory and appended to a JSON lines file."""

from __future__ import annotations

import json
import pathlib


class RequestLog:
    """Every request to the Resource Manager and the token endpoint, in order."""

    def __init__(self, path: pathlib.Path | None = None):
        self._path = path
        self.entries: list[dict] = []

    def add(self, entry: dict) -> None:
        """Remember one request."""
        self.entries.append(entry)
        if self._path:
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")

    def clear(self) -> None:
        """Forget all requests; the file starts anew."""
        self.entries = []
        if self._path:
            self._path.write_text("", encoding="utf-8")
