# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault injection: rules that answer instead of the cloud, slow it down or cut the connection."""

from __future__ import annotations

import re
import typing

KNOWN = {
    "method",
    "path",
    "status",
    "code",
    "message",
    "body",
    "headers",
    "times",
    "delay",
    "drop",
    "after",
    "fail_operation",
}


class Rule:
    """One rule; ``method`` and ``path`` are regular expressions (full match and search, case ignored).

    ``status`` with ``code`` and ``message`` (or a whole ``body``) and ``headers`` gives the answer,
    ``delay`` waits that many seconds first, ``drop`` closes the connection without an answer,
    ``after`` does so only after the request has been carried out (a lost answer),
    ``fail_operation`` ({code, message}) accepts the request and lets its long-running operation fail,
    ``times`` is how often the rule works (1 if not given, 0 for always).
    """

    def __init__(self, spec: dict):
        unknown = set(spec) - KNOWN
        if unknown:
            raise ValueError(f"unknown keys in a fault rule: {', '.join(sorted(unknown))}")
        self.spec = spec
        self.left = int(spec.get("times", 1)) or None
        self._method = re.compile(spec.get("method", ".*"), re.IGNORECASE)
        self._path = re.compile(spec.get("path", ""), re.IGNORECASE)

    def matches(self, method: str, path: str) -> bool:
        """Whether the rule is for this request; counts down when it is."""
        if self.left == 0 or not self._method.fullmatch(method) or not self._path.search(path):
            return False
        if self.left is not None:
            self.left -= 1
        return True

    @property
    def answers(self) -> bool:
        """Whether the rule gives an answer of its own."""
        return "status" in self.spec

    def body(self) -> typing.Any:
        """The body of its answer."""
        if "body" in self.spec:
            return self.spec["body"]
        code = self.spec.get("code", "InternalServerError")
        return {"error": {"code": code, "message": self.spec.get("message", "Injected fault.")}}


class Faults:
    """The rules in force; the first that matches a request is applied to it."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def add(self, specs: typing.Iterable[dict]) -> None:
        """Append rules."""
        self.rules += [Rule(spec) for spec in specs]

    def clear(self) -> None:
        """Drop all rules."""
        self.rules = []

    def find(self, method: str, path: str) -> Rule | None:
        """The rule for a request, if any."""
        return next((rule for rule in self.rules if rule.matches(method, path)), None)
