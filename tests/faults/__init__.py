# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault harness: kills, power cuts and failing surroundings at every point of a move, and what is left then."""

from __future__ import annotations

import sys

from lab.paths import REPOSITORY

# The development tree of the collection, linked by tools/bootstrap.sh.
sys.path.insert(0, str(REPOSITORY / ".cache/collections"))
