# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import parse_size_gib


@pytest.mark.parametrize(
    ("text", "gib"),
    [
        (100, 100),
        ("100", 100),
        ("100GiB", 100),
        ("100GB", 100),
        ("100 GiB", 100),
        ("500g", 500),
        ("1TB", 1024),
        ("1TiB", 1024),
        ("1.5TiB", 1536),
        ("0.5tb", 512),
        ("100.0", 100),
    ],
)
def test_sizes_are_read_as_gib(text, gib):
    assert parse_size_gib(text) == gib


@pytest.mark.parametrize(
    "text", ["", "0", "0GiB", "-100", "+1", "100MB", "1.5GiB", "1e3", "100GiB\n", "1,000", "TB", "١٠٠", None, "1" * 10]
)
def test_everything_else_is_refused_with_the_value(text):
    with pytest.raises(AzlinError) as caught:
        parse_size_gib(text)
    assert caught.value.error_code == "invalid_argument"
    assert repr(text) in caught.value.msg
