# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of the module: check, look, plan, carry out, wait.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._nas import layout, machine
from ansible_collections.azlin.storage.plugins.module_utils._nas.plan import plan


def converge(listed, timeout, check_mode):
    """Return the result of the module. A list without servers stops all."""
    # What the caller has left out is not the same as what it has set to nothing.
    given = [{key: value for key, value in server.items() if value is not None} for server in listed]
    servers = nas.servers(given, clients=()) if given else []
    enabled = [server for server in servers if server["enabled"]]
    if os.geteuid():
        raise AzlinError("unsupported", "Only root can run servers.", [("The task has no rights.", "Use become.")])
    if enabled:
        # In check mode nobody has installed what the run itself would install.
        if not check_mode:
            machine.require_programs()
        machine.require_loop_devices()
    steps = plan(machine.look(servers), servers)
    if not check_mode:
        machine.carry_out(steps, timeout)
        machine.wait_until_answering(enabled, timeout)
        if enabled:
            machine.check_exports(enabled)
    return {
        "changed": bool(steps),
        "steps": [{"action": step.action, "target": step.target} for step in steps],
        "servers": [
            {
                "name": server["name"],
                "port": server["port"],
                "unit": layout.unit(server, ".service"),
                "source": server["source"],
                "export": layout.data(server),
            }
            for server in enabled
        ],
        "diff": [
            {"before_header": step.target, "after_header": step.target, "before": step.before, "after": step.after}
            for step in steps
            if step.action in ("write", "remove")
        ]
        + [
            {"before": "", "after": f"{step.action} {step.target}\n"}
            for step in steps
            if step.action in ("directory", "image", "stop", "start")
        ],
    }
