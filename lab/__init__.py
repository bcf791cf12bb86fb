# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small Azure and its Linux hosts on one machine, for tests and the demo.

Nothing under ``plugins/``, ``roles/``, ``playbooks/`` or ``meta/`` imports this package.
"""
