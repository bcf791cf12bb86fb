# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cloud-init runs on a new machine: the same transaction that Ansible runs on one that is there.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import json
import sys
import time

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import recover, run
from ansible_collections.azlin.storage.plugins.module_utils._home.arguments import request_of
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import Mounter

# A network that has just come up may lack names and routes for a while.
_PASSING = ("name_resolution_failed", "server_unreachable")
_PATIENCE = 120
_PAUSE = 5


def main(text):
    """Attach the home that the JSON object ``text`` describes; ends the process, with status 1 if it stayed local."""
    params = json.loads(text)
    host = recover.host(Mounter(mount_options(), params["mount_timeout"]))
    raise SystemExit(attach(host, params))


def attach(host, params, patience=_PATIENCE):
    """Attach a home; return 0, or 1 when it is as it was. Tells on standard output, which cloud-init keeps."""
    # Nobody waits for this login: it is proved by the run of Ansible that comes after.
    params = dict(params, state="attached", seed="if_empty", confirm_timeout=0, busy="wait")
    deadline = time.monotonic() + patience
    while True:
        try:
            result = run.apply(host, request_of(params))
        except AzlinError as error:
            if error.error_code in _PASSING and time.monotonic() < deadline:
                time.sleep(_PAUSE)
                continue
            _say(dict(error.as_result(), failed=True))
            return 1
        _say({"changed": result["changed"], "home": result["home"], "seeded": result["seeded"]})
        return 0


def _say(result):
    sys.stdout.write(f"azlin.storage: {json.dumps(result)}\n")
