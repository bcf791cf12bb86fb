# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy the files of a list to the home of a user on the host: the action azlin_home_sync.

It runs on the controller, where Ansible's connection to the host is, with all that the user has set for it.
"""

from __future__ import annotations

import collections
import os
import shutil
import subprocess
import tempfile
import threading
import time

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.azlin.storage.plugins.module_utils._common import names
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError, invalid
from ansible_collections.azlin.storage.plugins.plugin_utils._background import in_units
from ansible_collections.azlin.storage.plugins.plugin_utils._sync import counter, listing, rsync

display = Display()

_OPTIONS = {
    "source": {"type": "path", "required": True},
    "list_file": {"type": "path", "required": True},
    "user": {"type": "str", "required": True},
    "home": {"type": "str", "required": True},
    "only": {"type": "list", "elements": "str"},
    "keep_newer": {"type": "bool", "default": False},
    "free_bytes": {"type": "int"},
    "timeout": {"type": "int", "default": 300},
    "counter_file": {"type": "path"},
}
# A terminal that shows nothing for ten seconds looks like a run that hangs.
_SILENCE = 9
_KEPT_LINES = 200


class ActionModule(ActionBase):
    """Builds the command from Ansible's connection, runs it, and says what it did."""

    _supports_check_mode = True

    def run(self, tmp=None, task_vars=None):
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        _validated, arguments = self.validate_argument_spec(argument_spec=_OPTIONS)
        host = task_vars["inventory_hostname"]
        try:
            result.update(self._sync(arguments, host))
        except AzlinError as error:
            result.update(error.as_result(), failed=True)
        if arguments["counter_file"] and not self._task.check_mode:
            try:
                counter.count(arguments["counter_file"], host, result)
            except AzlinError as error:
                # What went wrong first is what the user has to know.
                if not result.get("failed"):
                    result.update(error.as_result(), failed=True)
        return result

    def _sync(self, arguments, host):
        names.user_name(arguments["user"])
        home = names.absolute_path(arguments["home"], "home")
        if arguments["timeout"] < 0:
            raise invalid("timeout", arguments["timeout"], "it is negative", "Use seconds, or 0 for no limit.")
        executable = _rsync()
        target = self._target(home, arguments["user"])
        list_file = arguments["list_file"]
        if arguments["only"] is not None:
            list_file = _written(listing.within(_read(list_file), arguments["only"]))

        def run(files, dry_run, existing=False):
            words = rsync.command(
                executable,
                arguments["source"].rstrip("/"),
                files,
                target,
                dry_run=dry_run,
                existing=existing,
                keep_newer=arguments["keep_newer"],
                timeout=arguments["timeout"],
            )
            return _run(words, host, rsync.INCOMPLETE if existing else (0,))

        conflicts = run(list_file, dry_run=True, existing=True).conflicts()
        if conflicts:
            told = f"{len(conflicts)} names are of another kind in the home and stay as they are"
            display.warning(f"{host}: {told}: {listing.few(conflicts)}")
            list_file = _written(listing.without(_read(list_file), conflicts))
        self._require_space(arguments, list_file, lambda: run(list_file, dry_run=True))
        report = run(list_file, self._task.check_mode)
        result = {
            "changed": bool(report.changes),
            "changes": report.changes,
            "conflicts": conflicts,
            **report.stats,
        }
        if self._task.diff:
            result["diff"] = report.diff()
        return result

    def _target(self, home, user):
        """Where to, by Ansible's own connection."""
        # Also opens the connection that rsync then goes through, by whatever means of login Ansible has.
        told = self._low_level_execute_command("id -un", sudoable=False)
        login = told["stdout"].strip()
        if told["rc"] or not login:
            raise AzlinError(
                "sync_failed",
                f"The host does not say who Ansible is there: {told['stderr'].strip()}",
                causes=[("the login has no shell", "log in as a user with a shell")],
            )
        transport = self._connection.transport.rpartition(".")[2]
        if transport == "local" and login == user:
            return rsync.Target(home)
        if transport != "ssh":
            raise AzlinError(
                "unsupported",
                f"The connection {self._connection.transport} as {login} cannot carry rsync to the home of {user}.",
                causes=[("rsync goes over ssh, or on one machine as the user himself", "use ansible_connection: ssh")],
            )
        option = self._connection.get_option
        shell = rsync.ssh(option, self._control_path())
        return rsync.Target(home, option("host"), shell, as_user="" if login == user else user)

    def _control_path(self):
        """The socket of the connection that Ansible keeps open; None where it keeps none."""
        path = getattr(self._connection, "control_path", None)
        folder = getattr(self._connection, "control_path_dir", None)
        if not path or not folder:
            return None
        return path % {"directory": os.path.expanduser(folder)}

    @staticmethod
    def _require_space(arguments, list_file, forecast):
        """Refuse before anything is written. The size of the source says it mostly, and costs nothing."""
        free = arguments["free_bytes"]
        if free is None or _size(arguments["source"], list_file) <= free:
            return
        needed = forecast().stats["bytes_sent"] or 0
        if needed > free:
            raise AzlinError(
                "no_space",
                f"The home on the host has {in_units(free)} free, and {in_units(needed)} are to be copied.",
                causes=[
                    ("the share or disk is too small", "enlarge the share with a bigger azlin_size, or free space")
                ],
            )


def _rsync():
    """The rsync of this machine."""
    executable = shutil.which("rsync")
    version = ""
    if executable:
        version = subprocess.run([executable, "--version"], capture_output=True, text=True, check=False).stdout
    if not rsync.is_supported(version):
        raise AzlinError(
            "unsupported",
            "This machine has no rsync 3.1 or newer.",
            causes=[("it is not installed, or is another program of the name, as on macOS", "install rsync 3")],
        )
    return executable


def _read(list_file):
    with open(list_file, "rb") as file:
        return listing.read_list(file.read())


def _written(paths):
    """The name of a new list of these paths."""
    with tempfile.NamedTemporaryFile(dir=constants.DEFAULT_LOCAL_TMP, prefix="azlin-list-", delete=False) as file:
        file.write(listing.Listing(paths=paths).file())
    return file.name


def _size(source, list_file):
    """Bytes in the files of the list, as far as they are still there."""
    size = 0
    for path in _read(list_file):
        try:
            size += os.lstat(os.path.join(os.fsencode(source), path)).st_size
        except FileNotFoundError:
            continue
    return size


def _run(words, host, accepted):
    """Run rsync and return its report, where it ends with an accepted status."""
    report, errors = rsync.Report(), collections.deque(maxlen=_KEPT_LINES)
    process = subprocess.Popen(
        words,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="backslashreplace",
    )
    reader = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
    reader.start()
    try:
        spoke = time.monotonic()
        for line in process.stdout:
            report.read(line.rstrip("\n"))
            if time.monotonic() - spoke >= _SILENCE:
                spoke = time.monotonic()
                display.display(f"{host}: rsync, {len(report.changes)} names so far")
        status = process.wait()
        reader.join()
    finally:
        process.kill()
        process.wait()
    if status not in accepted:
        raise rsync.failure(host, status, list(errors))
    return report
