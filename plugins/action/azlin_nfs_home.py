# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's side of the module azlin_nfs_home.

The module runs as a background job, so that a lost connection does not end it half way. Its progress is shown,
and where it asks for it, the switch is confirmed through a new login.
"""

from __future__ import annotations

import contextvars
import inspect
import threading
import time

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import progress
from ansible_collections.azlin.storage.plugins.plugin_utils import _background as background

display = Display()

# Root's own, on every host: in a directory that all may write to, somebody else could lay links for root.
_JOBS = f"{progress.RUN_DIR}/jobs"
_ANSIBLE_DEFAULT_JOBS = "~/.ansible_async"
# The wrapper kills a job after this time. A move is never killed for being slow.
_JOB_SECONDS = 30 * 24 * 3600
# How often to start a job that the loss of the connection kept from beginning.
_STARTS = 3
# A look takes milliseconds. Over a dead connection it would take until TCP gives up.
_LOOK_SECONDS = 30
# A terminal that shows nothing for ten seconds looks like a run that hangs.
_SILENCE = 9
_TICK = 0.5
# How long a host may be out of reach: it may restart.
_LOST_SECONDS = 300
_RETRY_SECONDS = 2
# After the deadline of the confirmation: the host is putting the home back.
_ROLLBACK_SECONDS = 60


class ActionModule(ActionBase):
    """Runs the module, follows it, confirms."""

    _supports_check_mode = True
    _supports_async = True

    _host = ""
    _shell = ""
    _jobs = ""
    _number = None
    _job_is_ours = False
    _lost_at_start = None
    _starts = 0
    _began = _spoke = 0.0
    _progress = None
    _last_error = ""

    def run(self, tmp=None, task_vars=None):
        """See ActionBase."""
        result = super().run(tmp, task_vars)
        self._host = task_vars["inventory_hostname"]
        self._shell = self._play_context.executable
        self._began = self._spoke = time.monotonic()
        try:
            result.update(self._act(dict(self._task.args), task_vars))
        except AzlinError as error:
            result.update(error.as_result(), failed=True)
        return result

    def _act(self, arguments, task_vars):
        if self._task.check_mode or arguments.get("state") in ("confirmed", "rolled_back"):
            return self._execute_module(module_args=arguments, task_vars=task_vars)
        if self._task.async_val:
            # Ansible waits for the end, and nobody is left here to confirm.
            arguments.setdefault("confirm_timeout", 0)
            return self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True)
        if not background.has_login(self._connection.transport):
            arguments["confirm_timeout"] = 0
            self._say(f"the connection {self._connection.transport} has no login, so none confirms the switch")
        result = None
        while result is None:
            job = self._launch(arguments, task_vars)
            if self._number is None:
                # What hinders the start, such as a user who is not root, is better told by the module itself.
                return self._execute_module(module_args=arguments, task_vars=task_vars)
            result = self._follow()
        if "ansible_facts" in job:
            result["ansible_facts"] = job["ansible_facts"]
        confirmation = result.get("confirmation")
        if confirmation and not result.get("failed"):
            return self._confirm(result, confirmation, arguments, task_vars)
        return result

    # The job.

    def _launch(self, arguments, task_vars):
        """Start the job and return what async_wrapper answers, which is nothing if the connection was lost."""
        self._job_is_ours, self._lost_at_start = True, None
        self._starts += 1
        self._task.async_val = _JOB_SECONDS
        self._jobs = self._remote_expand_user(self.get_shell_option("async_dir"))
        try:
            job = self._execute_module(module_args=arguments, task_vars=task_vars, wrap_async=True)
        except AnsibleConnectionFailure as error:
            if self._number is None:
                raise
            self._lost_at_start = error
            return {}
        finally:
            self._task.async_val = 0
            self._job_is_ours = False
        self._number = background.job_number(job.get("ansible_job_id", ""))
        return job

    def get_shell_option(self, option, default=None):
        """Have the files of our jobs outside the home, where Ansible has them by default."""
        value = super().get_shell_option(option, default)
        if self._job_is_ours and option == "async_dir" and value in (None, _ANSIBLE_DEFAULT_JOBS):
            return _JOBS
        return value

    def _low_level_execute_command(self, cmd, *args, **kwargs):
        """A login begins in the home, where a command that lasts would be in the way of what it has come for."""
        if self._job_is_ours:
            self._number = background.job_number(cmd)
        self._play_context.executable = f"cd / && {self._shell}"
        try:
            return super()._low_level_execute_command(cmd, *args, **kwargs)
        finally:
            self._play_context.executable = self._shell

    def _follow(self):
        """Wait for the end of the job, showing how far it is, and return its result; None if it never began."""
        command = background.look_command(self._jobs, self._number, progress.path_of(self._task.args.get("user")))
        began = heard = time.monotonic()
        while True:
            self._pause(background.next_look(time.monotonic() - began))
            look = self._bounded(lambda: background.parse(self._low_level_execute_command(command)["stdout"]))
            if look is None:
                self._reconnect(time.monotonic() - heard)
                continue
            heard, self._last_error = time.monotonic(), ""
            self._progress = look.progress
            if look.result is not None:
                self._forget_job()
                return self._parsed(look.result)
            if not look.alive:
                if self._lost_at_start is None:
                    raise _interrupted()
                if self._starts == _STARTS:
                    raise self._lost_at_start
                return None

    def _forget_job(self):
        command = background.forget_command(self._jobs, self._number)
        self._bounded(lambda: self._low_level_execute_command(command))

    def _parsed(self, text):
        """The result as _execute_module returns it: what it takes for that differs between releases of Ansible."""
        arguments = [{"rc": 0, "stdout": text, "stderr": ""}]
        if "profile" in inspect.signature(self._parse_returned_data).parameters:
            arguments.append("legacy")
        parsed = self._parse_returned_data(*arguments)
        if not isinstance(parsed, dict):
            parsed = parsed.as_result_dict(for_round_trip=True)
        parsed.pop("_ansible_parsed", None)
        return parsed

    # The connection.

    def _bounded(self, function, seconds=_LOOK_SECONDS):
        """What a function returns, or None if the host could not be reached or did not answer in time.

        The thread of one that hangs is left behind; it ends when TCP gives the connection up.
        """
        answers = []

        def call():
            try:
                answers.append(function())
            except AnsibleError as error:
                self._last_error = _sentence(error)

        # Ansible keeps what belongs to a task in context variables.
        thread = threading.Thread(target=contextvars.copy_context().run, args=(call,), daemon=True)
        thread.start()
        deadline = time.monotonic() + seconds
        while thread.is_alive() and time.monotonic() < deadline:
            thread.join(min(_TICK, deadline - time.monotonic()))
            self._speak_up()
        if not answers and not self._last_error:
            self._last_error = f"It did not answer within {seconds:.0f} s."
        return answers[0] if answers else None

    def _reconnect(self, silent):
        """After a failed look; gives the host up at last, which goes on by itself."""
        if silent > _LOST_SECONDS:
            raise AnsibleConnectionFailure(
                f"{self._host} has not been reached for {silent:.0f} s while it moved the home: {self._last_error} "
                "The host ends the move by itself, and undoes it if it waits for a confirmation."
            )
        self._say("the connection is lost; the host goes on by itself, trying to reach it again")
        self._log_in_afresh()

    def _log_in_afresh(self):
        """Make the next command log in: a kept connection would hide that nobody can."""
        try:
            self._connection.reset()
        except AnsibleError as error:
            self._last_error = _sentence(error)

    # The confirmation.

    def _confirm(self, result, confirmation, arguments, task_vars):
        """Tell the host that the user gets in; without that it undoes the switch by itself."""
        self._progress = {"phase": "waiting for a new login"}
        deadline = time.monotonic() + confirmation["seconds"]
        wanted = {name: arguments[name] for name in ("user", "home") if arguments.get(name) is not None}
        wanted.update(state="confirmed", confirmation=confirmation["id"])
        while time.monotonic() < deadline and self._gets_in(deadline):
            try:
                answer = self._execute_module(module_args=wanted, task_vars=task_vars)
                break
            except AnsibleConnectionFailure as error:
                self._last_error = _sentence(error)
        else:
            return self._refused(confirmation["seconds"])
        if answer.get("failed"):
            return answer
        for key in ("warnings", "deprecations"):
            if answer.get(key):
                result[key] = [*result.get(key, ()), *answer[key]]
        result.update(confirmed=True, confirmation=None)
        return result

    def _gets_in(self, deadline):
        """Whether a new login succeeds before the deadline."""
        while True:
            self._log_in_afresh()
            left = max(1, min(_LOOK_SECONDS, deadline - time.monotonic()))
            if self._bounded(lambda: self._low_level_execute_command("true"), left):
                return True
            if time.monotonic() >= deadline:
                return False
            self._progress = {"phase": f"trying to log in anew ({self._last_error.rstrip('.')})"}
            self._pause(_RETRY_SECONDS)

    def _refused(self, seconds):
        """The result when no new login succeeded: the host has begun to undo the switch."""
        error = _not_confirmed(self._host, seconds, self._last_error)
        self._say("no new login succeeded; the host puts the home back by itself")
        is_back = self._gets_in(time.monotonic() + _ROLLBACK_SECONDS)
        return dict(error.as_result(), **{"failed" if is_back else "unreachable": True})

    # The terminal.

    def _pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(max(0, min(_TICK, end - time.monotonic())))
            self._speak_up()

    def _speak_up(self):
        """Say how far it is, if nothing was said for a while."""
        now = time.monotonic()
        if now - self._spoke >= _SILENCE:
            self._say(background.describe(self._progress, now - self._began))

    def _say(self, line):
        self._spoke = time.monotonic()
        if not self._task.no_log:
            display.display(f"{self._host}: {line}")


def _sentence(error):
    return str(error).strip().rstrip(".") + "."


def _interrupted():
    return AzlinError(
        "interrupted",
        "The module ended on the host before it could answer. The host undoes by itself what was begun.",
        causes=[
            ("the host was restarted", "run again when it is up"),
            ("the process was killed, for example for lack of memory", "look into the log of the host"),
        ],
    )


def _not_confirmed(host, seconds, reason):
    return AzlinError(
        "not_confirmed",
        f"The home was switched, but no new login to {host} succeeded within {seconds} s: {reason} "
        "The host puts the home back by itself.",
        causes=[
            ("the keys on the share do not open the door", "add the controller's key to authorized_keys there"),
            ("sshd does not run, or refuses the home on the share", "read the log of sshd on the host"),
        ],
    )
