# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which parts of a home may stay local."""

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import homes
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError


@pytest.mark.parametrize(
    "values",
    [
        ["/absolute"],
        ["../beside"],
        ["a/../b"],
        ["."],
        ["./a"],
        ["a//b"],
        [""],
        ["a b"],
        ["a,b"],
        ["x#y"],
        [".ssh"],
        [".ssh/keys"],
        [".azlin"],
        ["lost+found"],
        [".cache", ".cache/pip"],
        [".cache", ".cache/"],
    ],
)
def test_paths_that_cannot_stay_local_are_refused(values):
    with pytest.raises(AzlinError) as caught:
        homes.local_paths(values)
    assert caught.value.error_code == "invalid_argument" and "local_paths" in caught.value.msg


def test_paths_are_put_in_order_and_beginnings_of_names_are_no_parents():
    assert homes.local_paths(["b/", ".cache2", ".cache"]) == (".cache", ".cache2", "b")
