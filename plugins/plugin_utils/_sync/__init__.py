# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copying a directory of the controller to homes, without the secrets in it.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations
