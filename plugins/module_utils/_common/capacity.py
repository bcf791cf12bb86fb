# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How full a share is, what is to be said about that, and how far it grows. Pure.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import invalid
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB, parse_size_gib

# Percentages from which on a warning is due.
LEVELS = (80, 90)


def reaches(used_bytes, size_gib, percent):
    """Whether so many bytes are at least that percentage of a size."""
    return used_bytes * 100 >= percent * size_gib * GIB


def level_reached(used_bytes, size_gib):
    """The highest of LEVELS that a use reaches, 0 if it reaches none; None when size or use are unknown."""
    if used_bytes is None or not size_gib:
        return None
    return max((level for level in LEVELS if reaches(used_bytes, size_gib, level)), default=0)


def warnings(name, share, used_bytes, size_gib):
    """What to say of the fullness of a share, in a list; None when size or use are unknown."""
    reached = level_reached(used_bytes, size_gib)
    if not reached:
        return None if reached is None else []
    return [
        f"{name}/{share} has reached {reached} % of its size: {used_bytes / GIB:.1f} of {size_gib} GiB are used. "
        "Enlarge it with 'ansible-playbook azlin.storage.grow', or with a bigger size and "
        "'ansible-playbook azlin.storage.create'."
    ]


def growth(size_gib, used_bytes, at, step, cap):
    """Return ``{grow, size_gib, reason}``: whether to enlarge a share by a step, and the size that it then has.

    :param at: the percentage of use from which on it grows.
    :param step: by how much, and ``cap`` up to what size, as users write sizes.
    """
    at, step_gib, cap_gib = _percentage(at), parse_size_gib(step, "step"), parse_size_gib(cap, "cap")
    if used_bytes is None or size_gib is None:
        return _stays(size_gib, "it is not known how full it is")
    if not reaches(used_bytes, size_gib, at):
        return _stays(size_gib, f"less than {at} % of {size_gib} GiB are used")
    if size_gib >= cap_gib:
        return _stays(size_gib, f"at least {at} % of {size_gib} GiB are used, but {cap_gib} GiB are its cap")
    return {
        "grow": True,
        "size_gib": min(size_gib + step_gib, cap_gib),
        "reason": f"at least {at} % of {size_gib} GiB are used",
    }


def _stays(size_gib, reason):
    return {"grow": False, "size_gib": size_gib, "reason": reason}


def _percentage(value):
    text = str(value)
    if text.isascii() and text.isdigit() and 1 <= int(text) <= 99:
        return int(text)
    raise invalid("at", value, "it is not a whole percentage from 1 to 99", "Use for example 80.")
