# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of azlin_nfs_storage that are really killed: one process imports the SDK and forks another for each run.

Reads tasks from standard input, a JSON object a line: ``options`` of the module and ``fatal``, the request with whose
answer the run dies: its number (0: none), or how the path of a write ends. Before that request is sent the run says so
and waits for a line. Answers with the requests that were sent and with how the run ended.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from urllib.parse import urlsplit

from azure.core.pipeline.transport import RequestsTransport

from ansible_collections.azlin.storage.plugins.module_utils._azure import waiters
from tests.integration.support import WRITES, run_module

MODULE = "azlin_nfs_storage"
LIBRARIES = ("identity", "mgmt.storage", "mgmt.network", "mgmt.privatedns", "mgmt.resource.resources")


class Runs:
    """The forking process, seen from a test."""

    def __init__(self, environ):
        argv = [sys.executable, "-m", "tests.integration.killed"]
        # What pytest has put there: the tests and the development tree of the collection.
        path = os.pathsep.join(place for place in sys.path if place)
        environ = {**os.environ, **environ, "PYTHONPATH": path}
        self._process = subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_exc):
        self._process.stdin.close()
        self._process.wait(30)

    def run(self, options, fatal=0, before=None):
        """Have a run die with the answer to a request; the methods of what it sent, None if it was killed.

        ``before`` is called when that request is about to be sent.
        """
        self._tell(json.dumps({"options": options, "fatal": fatal}))
        answers = []
        while not answers or "ended_by" not in answers[-1]:
            answer = json.loads(self._process.stdout.readline())
            if "about_to_die" in answer:
                if before:
                    before()
                self._tell("")
            else:
                answers.append(answer)
        if answers[-1]["ended_by"] == signal.SIGKILL:
            return None
        assert answers[-1]["ended_by"] == 0 and answers[0]["changed"], answers
        return answers[0]["requests"]

    def _tell(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


def _serve():
    waiters.BUSY_PAUSE = (0.02, 0.1)
    for name in LIBRARIES:
        importlib.import_module(f"azure.{name}")
    for line in sys.stdin:
        task = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(task["options"], task["fatal"])
            os._exit(0)
        _pid, status = os.waitpid(pid, 0)
        print(json.dumps({"ended_by": os.WTERMSIG(status) if os.WIFSIGNALED(status) else status}), flush=True)


def _run(options, fatal):
    """One run, in a process of its own."""
    methods, lock, send = [], threading.Lock(), RequestsTransport.send

    def counted(self, request, **kwargs):
        with lock:
            methods.append(request.method)
            is_fatal = fatal == len(methods) or _ends_with(request, fatal)
            if is_fatal:
                # What the module prints goes elsewhere.
                print(json.dumps({"about_to_die": True}), file=sys.__stdout__, flush=True)
                sys.stdin.readline()
        response = send(self, request, **kwargs)
        if is_fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return response

    RequestsTransport.send = counted
    result = run_module(MODULE, **options)
    print(json.dumps({"requests": methods, "changed": result.get("changed"), "msg": result.get("msg")}), flush=True)


def _ends_with(request, ending):
    return isinstance(ending, str) and request.method in WRITES and urlsplit(request.url).path.endswith(ending)


if __name__ == "__main__":
    _serve()
