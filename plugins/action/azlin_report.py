# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module azlin_report: draws the page on the controller and copies it to where it is wanted."""

from __future__ import annotations

import os
import shutil
import tempfile
from datetime import datetime, timezone

from ansible import constants
from ansible.plugins.action import ActionBase

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.plugin_utils._report import attention, page

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_OPTIONS = {
    "dest": {"type": "str", "required": True},
    "storages": {"type": "list", "elements": "dict", "required": True},
    "hosts": {"type": "dict"},
    "title": {"type": "str", "default": "Shared home storages"},
    "time": {"type": "str"},
}


class ActionModule(ActionBase):
    """Draws and copies; check mode and diff mode are those of the copy."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        _validation, options = self.validate_argument_spec(argument_spec=_OPTIONS)
        try:
            text, shown = page.render(options["storages"], options["hosts"], options["title"], _moment(options["time"]))
        except AzlinError as error:
            return {**result, **error.as_result(), "failed": True}
        copied = self._copy(text, self._path(options["dest"]), task_vars)
        numbers = {level: shown["levels"][level] for level in attention.LEVELS}
        return {**result, **copied, "levels": numbers, "attention": _attention(shown["storages"])}

    def _path(self, dest):
        """Below the directory that Ansible was started in, where a local connection has that of the playbook."""
        if self._connection.transport.rpartition(".")[2] == "local":
            return os.path.abspath(os.path.expanduser(dest))
        return dest

    def _copy(self, text, dest, task_vars):
        """Have ansible.builtin.copy write the page: whole or not at all, and only if it differs."""
        folder = tempfile.mkdtemp(dir=constants.DEFAULT_LOCAL_TMP)
        try:
            source = os.path.join(folder, "report.html")
            with open(source, "w", encoding="utf-8") as file:
                file.write(text)
            task = self._task.copy()
            task.args = {"src": source, "dest": dest, "mode": "0644"}
            copy = self._shared_loader_obj.action_loader.get(
                "ansible.legacy.copy",
                task=task,
                connection=self._connection,
                play_context=self._play_context,
                loader=self._loader,
                templar=self._templar,
                shared_loader_obj=self._shared_loader_obj,
            )
            return copy.run(task_vars=task_vars)
        finally:
            shutil.rmtree(folder)


def _moment(time):
    if time is None:
        return datetime.now(timezone.utc)
    try:
        return datetime.strptime(time, _TIME).replace(tzinfo=timezone.utc)
    except ValueError as exc:
        raise invalid("time", time, "it is not a time in UTC", "Write for example 2026-11-26T12:00:00Z.") from exc


def _attention(storages):
    """What is not in order, in the order of the page."""
    return [
        {
            "name": storage["name"],
            "share": storage["share"],
            "level": storage["level"],
            "notices": [sentence for _level, sentence in storage["notices"]],
        }
        for storage in storages
        if storage["level"] != attention.FINE
    ]
