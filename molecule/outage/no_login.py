"""Nobody can log in from the moment when the move of a home begins.

no_login.py start until-undone      until the move has been undone
no_login.py start power-cut         until the move is done and would be confirmed: then the power fails
"""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import time

JOURNAL = pathlib.Path("/var/lib/azlin/nfs_home/azureuser.json")
UNIT = "azlin-test-no-login"


def transaction():
    return json.loads(JOURNAL.read_text())["transaction"] if JOURNAL.exists() else None


def wait_for(condition):
    while not condition(transaction()):
        time.sleep(0.05)


def work(end):
    wait_for(lambda moved: moved is not None)
    # Connections that are open stay open, as they do when keys are lost.
    subprocess.run(["systemctl", "stop", "ssh.service"], check=True)
    try:
        if end == "power-cut":
            wait_for(lambda moved: moved["state"] == "unconfirmed")
            # Without syncing anything. Source: the kernel's admin-guide/sysrq.
            pathlib.Path("/proc/sysrq-trigger").write_text("b")
        wait_for(lambda moved: moved is None)
    finally:
        subprocess.run(["systemctl", "start", "ssh.service"], check=True)


def main():
    command, end = sys.argv[1:]
    if command == "work":
        work(end)
        return
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={UNIT}", "/usr/bin/python3", "-c"]
    subprocess.run([*argv, pathlib.Path(__file__).read_text(), "work", end], check=True)


if __name__ == "__main__":
    main()
