# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.faults``: every fault, or some, and the table."""

from __future__ import annotations

import argparse
import sys
import time

from tests.faults import native
from tests.faults.report import Point, closing_line, good, table


def main() -> int:
    """Try, print what is wrong as it is found, close with the table and the line that counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, help="this many points of each action, evenly spread (default: all)")
    parser.add_argument("--action", action="append", help="only this action")
    options = parser.parse_args()
    points: list[Point] = []
    began = time.monotonic()
    for point in native.run(options.action or list(native.scenarios()), options.most):
        points.append(point)
        for line in point.lines():
            print(line, flush=True)
    print("\n".join(table(points)))
    print(f"{time.monotonic() - began:.0f} s")
    print(closing_line(points), flush=True)
    return 0 if good(points) else 1


if __name__ == "__main__":
    sys.exit(main())
