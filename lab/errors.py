# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one exception that the command line prints without a traceback."""

from __future__ import annotations


class LabError(Exception):
    """Something the user has to know: the message says what failed and what helps."""
