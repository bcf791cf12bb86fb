# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decide on the controller which files of a directory may be copied to hosts: the action azlin_home_files."""

from __future__ import annotations

import os
import tempfile

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.plugin_utils._sync import listing, places

display = Display()

_OPTIONS = {
    "source": {"type": "path", "default": "~/.azlin/home"},
    "allow": {"type": "list", "elements": "str", "default": []},
    "deny": {"type": "list", "elements": "str", "default": []},
    "scan_limit": {"type": "bytes", "default": "5M"},
    "unscanned": {"type": "str", "choices": ["send", "block"], "default": "send"},
}


class ActionModule(ActionBase):
    """Runs on the controller, as the user who runs Ansible, whatever the task's connection and become say."""

    _supports_check_mode = True
    _requires_connection = False

    def run(self, tmp=None, task_vars=None):
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=_OPTIONS)
        try:
            result.update(_decide(arguments))
        except AzlinError as error:
            result.update(error.as_result(), failed=True)
        return result


def _decide(arguments):
    if not arguments["source"]:
        # It would be the current directory.
        raise invalid("source", "", "it names no directory", "Name one, or leave it out for ~/.azlin/home.")
    if arguments["scan_limit"] < 1:
        raise invalid("scan_limit", arguments["scan_limit"], "nothing would be scanned", "Use for example 5M.")
    policy = listing.Policy(
        allow=places.pattern(arguments["allow"], "allow"),
        deny=places.pattern(arguments["deny"], "deny"),
        scan_limit=arguments["scan_limit"],
        send_unscanned=arguments["unscanned"] == "send",
    )
    source = os.path.realpath(arguments["source"])
    found = listing.collect(source, policy)
    for text in _warnings(found, arguments["deny"]):
        display.warning(text)
    # Ansible removes its own folder for temporary files when it ends, and nobody else may look into it.
    with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, prefix="azlin-list-", delete=False) as file:
        file.write(found.file())
    return {
        "changed": False,
        "source": source,
        "list_file": file.name,
        **found.as_result(),
    }


def _warnings(found, deny):
    idle = found.idle(deny)
    if idle:
        yield f"{len(idle)} patterns of deny match nothing in the source: {listing.few(idle)}"
    secret = [one for one in found.blocked if one["reason"] != listing.EXCLUDED]
    if secret:
        yield f"{len(secret)} files of the source are not copied: {_named(secret)}"
    if found.unscanned:
        yield f"{len(found.unscanned)} files of the source could not be searched for secrets: {_named(found.unscanned)}"
    if found.allowed:
        yield f"{len(found.allowed)} files are copied although they look like secrets: {_named(found.allowed)}"


def _named(entries):
    return listing.few([f"{one['path']} ({one['reason']})" for one in entries])
