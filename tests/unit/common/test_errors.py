# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import (
    ERROR_CODES,
    AzlinError,
    invalid,
    run_module,
)


class Exit(Exception):
    pass


class Module:
    """Stands in for AnsibleModule, whose two exits never return."""

    def exit_json(self, **result):
        raise Exit("ok", result)

    def fail_json(self, **result):
        raise Exit("failed", result)


def test_an_error_becomes_the_keys_of_a_failed_result():
    def fail():
        raise AzlinError("in_use", "teamhomes01 is in use.", [("worker-1 uses it", "Detach worker-1.")], "a command")

    with pytest.raises(Exit) as caught:
        run_module(Module(), fail)
    assert caught.value.args == (
        "failed",
        {
            "error_code": "in_use",
            "msg": "teamhomes01 is in use.",
            "causes": [{"cause": "worker-1 uses it", "remedy": "Detach worker-1."}],
            "try": "a command",
        },
    )


def test_a_result_is_passed_through():
    with pytest.raises(Exit) as caught:
        run_module(Module(), lambda: {"changed": False})
    assert caught.value.args == ("ok", {"changed": False})


def test_an_undocumented_code_is_a_defect():
    with pytest.raises(ValueError, match="no_such_code"):
        raise AzlinError("no_such_code", "text")


def test_every_code_is_explained_in_a_sentence():
    assert all(text[0].isupper() and text.endswith(".") for text in ERROR_CODES.values())


def test_a_bad_argument_names_value_reason_and_remedy():
    error = invalid("size", "1KB", "it is too small", "Use 100GiB.")
    assert error.error_code == "invalid_argument"
    assert error.msg == "size: '1KB' is not usable: it is too small. Use 100GiB."
