# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the harness found, point by point, and its table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_HEAD = ("kind", "action", "tried", "recovered", "lost", "locked out")
_MOST_LINES = 8
# Of a hundred kills, how many may come too late: the threads of a copy do not always make as many calls.
_MOST_MISSED = 1


@dataclass
class Point:
    """One fault at one place, and everything that was wrong afterwards.

    ``lost``: content of a file that is nowhere any more. ``locked_out``: a moment without a home that has its keys.
    ``problems``: whatever else is not as it has to be. ``missed``: the run had ended before the fault could happen.
    """

    kind: str
    action: str
    place: str
    lost: list[str] = field(default_factory=list)
    locked_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missed: bool = False

    @property
    def recovered(self) -> bool:
        """Whether nothing at all was wrong."""
        return not (self.lost or self.locked_out or self.problems)

    def lines(self) -> list[str]:
        """What was wrong, a line each; of many only the first."""
        named = (("lost", self.lost), ("locked out", self.locked_out), ("not recovered", self.problems))
        told = [f"{self.kind} {self.action} {self.place}: {word}: {text}" for word, texts in named for text in texts]
        more = [f"... and {len(told) - _MOST_LINES} more"] if len(told) > _MOST_LINES else []
        return told[:_MOST_LINES] + more


def tried(points: Iterable[Point]) -> list[Point]:
    """The points whose fault has happened."""
    return [point for point in points if not point.missed]


def table(points: Iterable[Point]) -> list[str]:
    """The lines of the table."""
    rows: dict[tuple[str, str], list[int]] = {}
    for point in tried(points):
        counts = rows.setdefault((point.kind, point.action), [0, 0, 0, 0])
        for place, one in enumerate((True, point.recovered, bool(point.lost), bool(point.locked_out))):
            counts[place] += one
    lines = [_row(_HEAD)]
    lines += [_row((kind, action, *counts)) for (kind, action), counts in rows.items()]
    return lines


def missed_line(points: list[Point]) -> str:
    """How many points were not tried since the run had ended before."""
    return f"{len(points) - len(tried(points))} missed"


def closing_line(points: list[Point]) -> str:
    """The last line of the harness."""
    points = tried(points)
    recovered = sum(point.recovered for point in points)
    lost = sum(bool(point.lost) for point in points)
    locked_out = sum(bool(point.locked_out) for point in points)
    return f"faults: {len(points)} tried, {recovered} recovered, {lost} lost, {locked_out} locked out"


def good(points: list[Point]) -> bool:
    """Whether something was tried, nearly everything, and all of it recovered."""
    happened = tried(points)
    enough = 100 * (len(points) - len(happened)) <= _MOST_MISSED * len(points)
    return bool(happened) and enough and all(point.recovered for point in happened)


def _row(cells: tuple) -> str:
    kind, action, *counts = cells
    return f"{kind:<14} {action:<26}" + "".join(f" {count:>10}" for count in counts)
