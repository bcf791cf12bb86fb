# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table and the file that every benchmark makes."""

from __future__ import annotations

import json
import pathlib

from lab.paths import DEFAULT_STATE_DIR, RESULTS

OURS = "azlin.storage"


class Report:
    """Rows {case, tool, seconds, ratio} in ``.lab/bench/<name>.json``, written anew with each row.

    ``ratio`` is a tool's time over ours, so that ours is 1.0 and more is slower; it is null where ours was not
    measured, and so is ``seconds`` where the tool was not. A row with ``ended`` is of a tool that was ended before it
    was done, so that both are at least so much.
    """

    def __init__(self, name: str) -> None:
        self.file = DEFAULT_STATE_DIR / RESULTS / f"{name}.json"
        self.seconds: dict[tuple[str, str], float | None] = {}
        self.figures: dict[tuple[str, str], dict[str, float]] = {}
        self.ended: set[tuple[str, str]] = set()

    def add(self, case: str, tool: str, seconds: float | None, ended: bool = False, **figures: float) -> None:
        """Note one measurement, with what else was counted, and say it."""
        self.seconds[case, tool] = seconds
        self.figures[case, tool] = figures
        if ended:
            self.ended.add((case, tool))
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self.rows(), indent=1) + "\n")
        told = "not measured" if seconds is None else f"{'more than ' if ended else ''}{seconds:.1f} s"
        print(f"{case}: {tool}: {told}", flush=True)

    def rows(self) -> list[dict]:
        """What is measured so far."""
        return [
            {
                "case": case,
                "tool": tool,
                "seconds": None if seconds is None else round(seconds, 2),
                "ratio": self.ratio(case, seconds),
                **({"ended": True} if (case, tool) in self.ended else {}),
                **self.figures[case, tool],
            }
            for (case, tool), seconds in self.seconds.items()
        ]

    def ratio(self, case: str, seconds: float | None) -> float | None:
        """A time over ours for the same case."""
        ours = self.seconds.get((case, OURS))
        return round(seconds / ours, 2) if seconds is not None and ours else None

    def print_table(self, notes: tuple[str, ...] = ()) -> None:
        """The rows for people, and what has to be known about them."""
        width = max(len(case) for case, _tool in self.seconds)
        counted = list(dict.fromkeys(name for figures in self.figures.values() for name in figures))
        heads = "".join(f"  {name.replace('_', ' '):>18}" for name in counted)
        print(f"\n{'case':{width}}  {'tool':28}  {'seconds':>8}  {'ratio':>6}{heads}")
        for row in self.rows():
            more = ">" if row.get("ended") else ""
            seconds = "-" if row["seconds"] is None else f"{more}{row['seconds']:.1f}"
            ratio = "-" if row["ratio"] is None else f"{more}{row['ratio']:.2f}"
            figures = "".join(f"  {row.get(name, '-'):>18}" for name in counted)
            print(f"{row['case']:{width}}  {row['tool']:28}  {seconds:>8}  {ratio:>6}{figures}")
        for note in notes:
            print(note)
        print(f"written to {shown(self.file)}")


def shown(path: pathlib.Path) -> str:
    """A path as a user of the repository types it."""
    root = DEFAULT_STATE_DIR.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
