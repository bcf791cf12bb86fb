"""Programs that use the home in every way a program can, each under a name that tells how.

holders.py start            begin those that do not run, and wait until each of them has what it holds
holders.py release          in the background: end them once a move of the home waits for them
holders.py released         print which step the move was at when they were ended
holders.py stop             end those that run and print their names, sorted
"""

from __future__ import annotations

import json
import mmap
import os
import pathlib
import signal
import subprocess
import sys
import time

HOME = pathlib.Path("/home/azureuser")
JOURNAL = pathlib.Path("/var/lib/azlin/nfs_home/azureuser.json")
READY = pathlib.Path("/run/azlin-test-holders")
RELEASED = READY / "released"
USER, NOBODY = 1000, 65534
PATIENCE = 120


def become(uid):
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)


def directory():
    become(USER)
    os.chdir(HOME / "data")


def file():
    become(USER)
    return os.open(HOME / "data/00/file-0000.txt", os.O_RDONLY)


def mapping():
    become(USER)
    handle = os.open(HOME / "data/01/file-0001.txt", os.O_RDONLY)
    mapped = mmap.mmap(handle, 0, prot=mmap.PROT_READ)
    # The object keeps a descriptor of its own, with a higher number.
    os.closerange(handle, handle + 8)
    return mapped


def stranger():
    """What another user holds."""
    handle = os.open(HOME / "data/02/file-0002.txt", os.O_RDONLY)
    become(NOBODY)
    return handle


def container():
    """What a container holds: the home under another path, in mounts of its own."""
    subprocess.run(["mount", "--bind", HOME, "/srv"], check=True)
    os.chroot("/srv")
    os.chdir("/data")


KINDS = {kind.__name__: kind for kind in (directory, file, mapping, stranger, container)}


def hold(name):
    ready = os.open(READY / name, os.O_WRONLY | os.O_CREAT, 0o600)
    pathlib.Path("/proc/self/comm").write_text(f"hold-{name}")
    # Kept by being referred to.
    _held = KINDS[name]()
    os.write(ready, b"ready\n")
    os.close(ready)
    while True:
        signal.pause()


def in_background(unit, arguments, *properties):
    argv = ["systemd-run", "--quiet", "--collect", f"--unit={unit}", *properties, "/usr/bin/python3", "-c"]
    subprocess.run([*argv, pathlib.Path(__file__).read_text(), *arguments], check=True)


def start():
    READY.mkdir(exist_ok=True)
    RELEASED.unlink(missing_ok=True)
    missing = [name for name in KINDS if name not in running()]
    for name in missing:
        (READY / name).unlink(missing_ok=True)
        # Mounts of its own and, by systemd's default, slave to those of the host.
        own = ["--property=PrivateMounts=yes"] if name == "container" else []
        in_background(unit_of(name), ["hold", name], *own)
    wait_for(lambda: all((READY / name).exists() and (READY / name).stat().st_size for name in missing))


def release():
    """End them when a move waits for them, and note how far it has come until then."""
    wait_for(lambda: steps()[-1:] == ["quiesce"])
    # In this time a move that does not wait goes on.
    time.sleep(3)
    RELEASED.write_text(steps()[-1])
    stop()


def steps():
    transaction = json.loads(JOURNAL.read_text())["transaction"] if JOURNAL.exists() else None
    return transaction["begun"] if transaction else []


def running():
    states = {name: subprocess.run(["systemctl", "is-active", "--quiet", unit_of(name)], check=False) for name in KINDS}
    return sorted(name for name, state in states.items() if state.returncode == 0)


def stop():
    ended = running()
    if ended:
        subprocess.run(["systemctl", "kill", "--signal=SIGKILL", *map(unit_of, ended)], check=True)
        wait_for(lambda: not running())
    return ended


def unit_of(name):
    return f"azlin-test-hold-{name}.service"


def wait_for(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("waited in vain")
        time.sleep(0.05)


def main():
    command, *arguments = sys.argv[1:]
    if command == "start":
        start()
    elif command == "hold":
        hold(*arguments)
    elif command == "release":
        in_background("azlin-test-release", ["wait"])
    elif command == "wait":
        release()
    elif command == "released":
        print(RELEASED.read_text())
    elif command == "stop":
        print(" ".join(stop()))


if __name__ == "__main__":
    main()
