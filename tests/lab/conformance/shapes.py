# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How facts about Azure's answers are written down, and how an answer is held against them.

A shape is a literal (equal), a type (of that type), a pattern (a text that matches in full), a list (as many items,
each of its shape) or a dict (exactly these keys; a ``MORE`` among them admits others, for recordings of an older API
version than the lab's).
"""

from __future__ import annotations

import dataclasses
import re
import typing

MORE = "..."
GUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclasses.dataclass(frozen=True)
class Answer:
    """What Azure answered; a header of None is not there, and a body of "" is empty."""

    status: int
    body: typing.Any = ""
    headers: dict[str, typing.Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Step:
    """A request and its answer. ``{net}`` and ``{storage}`` in a path stand for the group's two providers."""

    method: str
    path: str
    answer: Answer
    body: dict | None = None
    query: dict[str, str] = dataclasses.field(default_factory=dict)
    headers: dict[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Poll:
    """Requests to the address that a header of the answer before gave, until the operation is over."""

    header: str
    done: Answer
    running: Answer


@dataclasses.dataclass(frozen=True)
class Recording:
    """Requests in their order, as recorded on a day with an API version."""

    source: str
    date: str
    api: str
    steps: tuple[Step | Poll, ...]
    # What has to be there before: methods of the fixture ``azure``, with their arguments.
    before: tuple[tuple, ...] = ()


def differences(shape: typing.Any, value: typing.Any, where: str = "body") -> list[str]:
    """Where a value is not of a shape."""
    if isinstance(shape, dict):
        return _of_dict(shape, value, where)
    if isinstance(shape, list):
        if not isinstance(value, list) or len(shape) != len(value):
            return [f"{where}: {value!r} is no list of {len(shape)}"]
        found = [differences(part, value[index], f"{where}[{index}]") for index, part in enumerate(shape)]
        return [problem for problems in found for problem in problems]
    if isinstance(shape, type):
        fits = isinstance(value, shape) and (shape is bool or not isinstance(value, bool))
    elif isinstance(shape, re.Pattern):
        fits = isinstance(value, str) and shape.fullmatch(value) is not None
    else:
        fits = type(value) is type(shape) and value == shape
    return [] if fits else [f"{where}: {value!r} is not {shape!r}"]


def _of_dict(shape: dict, value: typing.Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    wanted = {key for key in shape if key != MORE}
    found = [f"{where}.{key} is missing" for key in sorted(wanted - set(value))]
    if MORE not in shape:
        found += [f"{where}.{key} is not in the recording" for key in sorted(set(value) - wanted)]
    for key in sorted(wanted & set(value)):
        found += differences(shape[key], value[key], f"{where}.{key}")
    return found
