# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing the result of a module with what its documentation says of it."""

from __future__ import annotations

TYPES = {"str": str, "int": int, "float": float, "bool": bool, "list": list, "dict": dict}
# Dicts whose keys are the user's own, or Azure's.
FREE = {"tags", "before", "after", "resource_groups"}
EMPTY = "is empty, so that nothing is compared"


def differences(documented, value, where=""):
    """What a result has and its documentation lacks, or the other way round, one sentence each.

    Null can stand for anything. A list without entries proves nothing, which is EMPTY.
    """
    found = [f"{where}.{key} is not documented" for key in value.keys() - documented.keys()]
    found += [f"{where}.{key} is not returned" for key in documented.keys() - value.keys()]
    for key in value.keys() & documented.keys():
        found += _differences(documented[key], value[key], f"{where}.{key}")
    return found


def _differences(entry, value, where):
    if value is None:
        return []
    if not isinstance(value, TYPES[entry["type"]]):
        return [f"{where} is no {entry['type']}"]
    key = where.rpartition(".")[2]
    if isinstance(value, dict) and key not in FREE:
        return differences(entry["contains"], value, where)
    if not isinstance(value, list):
        return []
    if not value:
        return [f"{where} {EMPTY}"]
    if entry["elements"] != "dict":
        return [
            f"{where}[] is no {entry['elements']}" for one in value if not isinstance(one, TYPES[entry["elements"]])
        ]
    return [text for one in value if key not in FREE for text in differences(entry["contains"], one, f"{where}[]")]
