"""A program of the user that writes to the home all the time, and what it may rely on.

Every line it wrote and synced without an error counts as acknowledged, and is noted outside the home.

writer.py start reopen|keep     begin, in the background: open the file anew for each line, or once and for all
writer.py check                 exit 1, with the reason, unless it still writes and every acknowledged line is there
writer.py stop                  end it, then check all it wrote; print the longest time in seconds a line took
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import time

UNIT = "azlin-test-writer"
WRITTEN = pathlib.Path("/home/azureuser/written.log")
NOTES = pathlib.Path("/var/tmp/azlin-test-writer")
ACKNOWLEDGED = NOTES / "acknowledged"
PAUSE = 0.05
PATIENCE = 120


def write(handle, number):
    os.write(handle, b"%d\n" % number)
    os.fsync(handle)


def reopen(number):
    handle = os.open(WRITTEN, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        write(handle, number)
    finally:
        os.close(handle)


def work(how):
    """Write for ever. Opening by path may be refused while the home is switched; an open file never fails."""
    kept = os.open(WRITTEN, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if how == "keep" else None
    number = 0
    with ACKNOWLEDGED.open("a", buffering=1) as notes:
        while True:
            number += 1
            began = time.monotonic()
            try:
                reopen(number) if kept is None else write(kept, number)
            except OSError:
                if kept is not None:
                    raise
            else:
                notes.write(f"{number} {time.monotonic() - began:.1f}\n")
            time.sleep(PAUSE)


def acknowledged():
    """The lines that count, each with the seconds it took; the last note may still be in the making."""
    whole, _newline, _rest = ACKNOWLEDGED.read_text().rpartition("\n")
    return [(int(number), float(seconds)) for number, seconds in map(str.split, whole.splitlines())]


def start(how):
    NOTES.mkdir(mode=0o777)
    NOTES.chmod(0o777)
    argv = ["systemd-run", "--quiet", f"--unit={UNIT}", "--uid=azureuser", "/usr/bin/python3", "-c"]
    subprocess.run([*argv, pathlib.Path(__file__).read_text(), "work", how], check=True)
    wait_for_more(0)


def wait_for_more(count):
    deadline = time.monotonic() + PATIENCE
    while not ACKNOWLEDGED.exists() or len(acknowledged()) <= count:
        if time.monotonic() > deadline:
            sys.exit("the program writes no more")
        if subprocess.run(["systemctl", "is-active", "--quiet", UNIT], check=False).returncode != 0:
            sys.exit("the program saw an error and ended")
        time.sleep(PAUSE)


def check():
    counted = acknowledged()
    present = {int(line) for line in WRITTEN.read_text().splitlines()}
    lost = [number for number, _seconds in counted if number not in present]
    if lost:
        sys.exit(f"{len(lost)} of {len(counted)} acknowledged lines are lost: {lost[:20]}")
    return counted


def main():
    command, *arguments = sys.argv[1:]
    if command == "start":
        start(*arguments)
    elif command == "work":
        work(*arguments)
    else:
        wait_for_more(len(acknowledged()))
        if command == "stop":
            subprocess.run(["systemctl", "stop", UNIT], check=True)
        print(max(seconds for _number, seconds in check()))


if __name__ == "__main__":
    main()
