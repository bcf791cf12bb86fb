# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all filters of the collection have in common.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import functools

from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.validation import check_type_list

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid


def as_filter(function):
    """Return a function that tells its AzlinError as Ansible tells errors of filters."""

    @functools.wraps(function)
    def filtered(*arguments, **options):
        try:
            return function(*arguments, **options)
        except AzlinError as error:
            raise AnsibleFilterError(error.msg) from error

    return filtered


def as_list(option, value):
    """Return what Ansible makes of an option that is a list, such as of a text with commas.

    :raises AzlinError: ``invalid_argument``.
    """
    try:
        return check_type_list(value or [])
    except TypeError as error:
        raise invalid(option, value, "it is not a list", "Give a list, or a text with commas.") from error
