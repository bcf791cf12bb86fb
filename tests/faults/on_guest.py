# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on a guest, as root, beside a copy of the collection's module_utils: does one thing and prints one JSON line.

``serve``: does what each line of its input asks for. A login and a start of Python take an emulated guest seconds.

``apply``: brings the home into a state, mounting within ``mount_seconds`` and giving up after ``silent_seconds`` of
no sign of life. At the step ``stop`` it says so, and goes on when its input says so or, with ``until_away``, when the
server no longer answers.
``work``: does what a user does. ``look``: says what is there, ``mounted`` what can be said without touching the home.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import sys
import time
from multiprocessing import Process

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import mount_options
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    manifest,
    mountinfo,
    recover,
    run,
    users,
    watchdog,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import Host, Request
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import Journal
from ansible_collections.azlin.storage.plugins.module_utils._home.mounter import NFS_PORT, Mounter

# An emulated guest on a busy machine may take its time to mount.
MOUNT_SECONDS = 300
WORKED_NS = 1700000000123456700


def apply(
    user,
    state,
    stop=None,
    until_away=None,
    source=None,
    mount_seconds=MOUNT_SECONDS,
    silent_seconds=watchdog.LIMIT,
    **options,
):
    watchdog.LIMIT = silent_seconds
    account = users.lookup(user)
    host = recover.host(Mounter(mount_options(), mount_seconds))
    request = Request(state=state, user=account, home=account.home, source=source, **options)

    def checkpoint(*point):
        if stop is not None and point == tuple(stop):
            say({"stopped": stop})
            if until_away:
                wait_until_away(until_away)
            else:
                sys.stdin.readline()

    try:
        result = run.apply(host, request, checkpoint=checkpoint)
    except AzlinError as error:
        return {"error_code": error.error_code, "msg": error.msg}
    return {name: result[name] for name in ("changed", "action", "confirmation")}


def wait_until_away(server):
    """Return when a host, known by its address since its name may go too, no longer takes connections."""
    address = socket.gethostbyname(server)
    while True:
        try:
            socket.create_connection((address, NFS_PORT), timeout=2).close()
        except OSError:
            return
        time.sleep(0.1)


def mounted(user):
    mount = mountinfo.at(mountinfo.read(), users.lookup(user).home)
    moving = Journal(Host(mounter=None).state_dir, user).transaction is not None
    return {"mounted": mount.source if mount else None, "moving": moving}


def work(user):
    account = users.lookup(user)
    folder = os.path.join(account.home, "work")
    file = os.path.join(folder, "today")
    os.mkdir(folder)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write("done by hand")
    for path in (file, folder, account.home):
        os.chown(path, account.uid, account.gid)
        os.utime(path, ns=(WORKED_NS, WORKED_NS))
    os.sync()
    return {}


def look(user):
    account = users.lookup(user)
    host = Host(mounter=None)
    mount = mountinfo.at(mountinfo.read(), account.home)
    with open(host.fstab, encoding="utf-8") as stream:
        text = stream.read()
    journal = Journal(host.state_dir, user)
    homes = os.path.dirname(account.home)
    return {
        "homes": {name: dataclasses.asdict(item) for name, item in manifest.build(homes, digest=True).items()},
        "mounted": mount.source if mount else None,
        "fstab": text,
        "names": sorted(os.listdir(homes)),
        "left": left(host, homes),
        "journal": journal.transaction,
    }


def left(host, homes):
    """What a transaction makes for itself and has to take away."""
    run_dir = [f"{host.run_dir}/{name}" for name in names(host.run_dir) if name.startswith("stage.")]
    new = [
        f"{folder}/{name}"
        for folder in (os.path.dirname(host.fstab), host.state_dir)
        for name in names(folder)
        if name.endswith("azlin-new")
    ]
    return run_dir + new + [f"{homes}/{name}" for name in names(homes) if name.startswith(".")]


def names(folder):
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


def say(document):
    print(json.dumps(document), flush=True)


def serve():
    for line in sys.stdin:
        process = Process(target=as_new_login, args=(json.loads(line),))
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{line.strip()} ended with {process.exitcode}")


def as_new_login(wanted):
    """Do it as in a login of its own, which is what pam_loginuid(8) makes one: the kernel counts a new session."""
    with open("/proc/self/loginuid", "w", encoding="ascii") as stream:
        stream.write(str(users.lookup(wanted["user"]).uid))
    do(wanted)


def do(wanted):
    say({"apply": apply, "work": work, "look": look, "mounted": mounted}[wanted.pop("do")](**wanted))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        do(json.loads(sys.argv[1]))
