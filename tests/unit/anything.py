# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a user may write, for tests of properties: every value is accepted, or refused by one clear error."""

from __future__ import annotations

import json

from hypothesis import settings
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError

# The same examples in every run, and no watch on their time: a busy machine is no defect.
for_any = settings(derandomize=True, deadline=None, max_examples=120, database=None)

# Text that is nearly right finds more than text from all of Unicode.
ALPHABET = "abz019AZ-_.:/ @+=,#%()\\\n\t\0äß٣"
texts = st.one_of(st.text(ALPHABET, max_size=90), st.text(max_size=20))
# What YAML makes of a value without quotes.
scalars = st.one_of(texts, st.integers(), st.floats(), st.booleans(), st.none())


def near(pattern):
    """Texts of a pattern, some of them with one character changed, added or lost."""

    def spoilt(parts):
        text, position, extra, drop = parts
        position = min(position, len(text))
        return text[:position] + extra + text[position + drop :]

    legal = st.from_regex(pattern, fullmatch=True)
    broken = st.tuples(legal, st.integers(0, 64), st.text(ALPHABET, max_size=1), st.integers(0, 1)).map(spoilt)
    return st.one_of(legal, broken)


def outcome(function, *arguments):
    """What a function returns, and None; or None and the AzlinError that it raises. Any other exception is a defect."""
    try:
        return function(*arguments), None
    except AzlinError as error:
        return None, error


def assert_clear(error, value=None):
    """The error names the value, the reason and a remedy, and can be printed."""
    assert error.error_code == "invalid_argument"
    assert value is None or repr(value) in error.msg
    assert error.causes
    for cause, remedy in error.causes:
        assert cause and remedy and cause in error.msg and remedy in error.msg
    json.dumps(error.as_result())
