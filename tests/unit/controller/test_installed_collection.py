# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.test.installed_collection import installed_collection


@pytest.mark.parametrize(("name", "found"), [("azlin.storage", True), ("azlin.nosuch", False), ("nosuch.any", False)])
def test_a_collection_is_found_where_it_is(name, found):
    assert installed_collection(name) is found
