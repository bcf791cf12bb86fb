# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of nas_lab_verify.yml: ``nas_check.py ACTION``, with servers and settings as JSON on standard input.

Prints JSON: ``lines``, each PASS, FAIL or SKIP and what was seen. On a client the actions are open, arrived, after and
close; on a host of servers sync, restart, footprint and tidy. Everything that is written lies in one directory of each
server, which is named after the run; close and tidy remove it, by name. Testers may write there too, so that nothing
is opened to be written, or given another mode, but what this has just made: never what a link leads to.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import subprocess
import sys
import time

MOUNTS = "/run/nas_check"
MARKER, ARRIVING, INSIDE, SECOND = "marker", "arriving", "sub-1/inside", "second"
USERS = (1001, 1002)
NOBODY = 65534
WAIT_SECONDS = 180
MIB = 1024 * 1024
# Per cent of an export from which on the log of its copies warns too.
FULL = 90


class Lines(list):
    """What was found, one line each."""

    def check(self, passed, text):
        self.append(f"{'PASS' if passed else 'FAIL'} {text}")
        return passed

    def skip(self, text):
        self.append(f"SKIP {text}")


class Run:
    """The servers and the settings of one run."""

    def __init__(self, settings):
        options = settings["options"]
        self.servers = [{**server, "options": options[server["name"]]} for server in settings["servers"]]
        self.directory = settings["directory"]
        self.limit = settings["limit"]
        self.fill = settings.get("fill", False)
        self.lines = Lines()

    @property
    def writable(self):
        return [server for server in self.servers if server["access"] == "rw"]

    def of_role(self, role):
        return [server for server in self.servers if server["role"] == role and server["access"] == "rw"]

    def mounted(self, server, name=""):
        return os.path.join(MOUNTS, server["name"], self.directory, name)

    def exported(self, server, name=""):
        return os.path.join("/srv/nas_lab/exports", server["name"], "data", self.directory, name)

    def source(self, server, name=""):
        return os.path.join(server["source"], self.directory, name)


def command(*argv):
    """Run a program; its status and what it said."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=WAIT_SECONDS)
    return done.returncode, (done.stdout + done.stderr).strip()


def write(path, text):
    """Create a file under another name first, as careful programs do."""
    with open(f"{path}.new", "x", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.rename(f"{path}.new", path)


def make_open(path):
    """Make a directory in which everybody may write."""
    path = path.rstrip("/")
    os.mkdir(path)
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchmod(handle, 0o777)
    finally:
        os.close(handle)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def content(server):
    return f"written through {server['name']}\n"


def mount(server, options, path, below=""):
    """Mount a server; an empty text, or what mount said."""
    os.makedirs(path, exist_ok=True)
    source = f"[{server['address']}]" if ":" in server["address"] else server["address"]
    status, said = command("mount", "-t", "nfs", "-o", ",".join(options), f"{source}:/data{below}", path)
    return said or f"status {status}" if status else ""


def unmount(path):
    if os.path.ismount(path):
        command("umount", path)
    with contextlib.suppress(OSError):
        os.rmdir(path)


def error_of(function, *arguments):
    """The number of the error that a call ends with; 0 if it does not."""
    try:
        function(*arguments)
    except OSError as error:
        return error.errno
    return 0


def as_user(uid, function, *arguments):
    """Call a function in a process of another user; the number of its error."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
            status = error_of(function, *arguments)
        finally:
            os._exit(status)
    return os.WEXITSTATUS(os.waitpid(child, 0)[1])


def create(path):
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def until(found, seconds=WAIT_SECONDS):
    """Wait until a call returns something that is true, and return it, or None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            result = found()
            if result:
                return result
        time.sleep(0.5)
    return None


# On the client.


def open_all(run):
    """Mount every server and try all that needs the client alone."""
    reachable = [server for server in run.servers if open_one(run, server)]
    check_file_systems(run, reachable)
    writable = [server for server in reachable if server["access"] == "rw"]
    for server in writable:
        make_open(run.mounted(server))
        write(run.mounted(server, MARKER), content(server))
    for server in reachable:
        seen = [other["name"] for other in writable if sees(run, server, other)]
        wanted = [server["name"]] if server in writable else []
        run.lines.check(seen == wanted, f"{server['name']}: of what was written to all servers it shows {seen}")
    for server in writable:
        check_directories(run, server)
        check_users(run, server)


def open_one(run, server):
    path = os.path.join(MOUNTS, server["name"])
    if server["access"] == "ro":
        # Without "ro" on the client, so that it is the server that refuses.
        said = mount(server, [option for option in server["options"] if option != "ro"], path)
        refused = error_of(create, os.path.join(path, run.directory)) if not said else 0
        name = errno.errorcode.get(refused, "no error")
        run.lines.check(refused == errno.EROFS, f"{server['name']}: writing to the read-only export: {said or name}")
        unmount(path)
    said = mount(server, server["options"], path)
    return run.lines.check(not said, f"{server['name']}: {said or 'mounted from port ' + str(server['port'])}")


def check_file_systems(run, servers):
    """Every server has the file system number that it was given. The kernel lists address, port and fsid in hex."""
    rows = [line.split() for line in read("/proc/fs/nfsfs/volumes").splitlines()[1:]]
    seen = {int(row[2], 16): row[4] for row in rows}
    for server in servers:
        wanted = f"{server['fsid']:x}:{server['fsid']:x}"
        found = seen.get(server["port"])
        run.lines.check(found == wanted, f"{server['name']}: its file system is {found}, wanted {wanted}")


def sees(run, server, other):
    with contextlib.suppress(OSError):
        return read(run.mounted(server, MARKER)) == content(other)
    return False


def check_directories(run, server):
    """A directory made at run time can be mounted by itself."""
    os.mkdir(run.mounted(server, "sub-1"))
    write(run.mounted(server, INSIDE), content(server))
    path = os.path.join(MOUNTS, "below", server["name"])
    said = mount(server, server["options"], path, f"/{run.directory}/sub-1")
    if not said:
        with contextlib.suppress(OSError):
            said = "" if read(os.path.join(path, "inside")) == content(server) else "another content"
    unmount(path)
    run.lines.check(not said, f"{server['name']}: a new subdirectory mounted by itself: {said or 'shows its file'}")


def check_users(run, server):
    """Requests of several users are served as those users, and one cannot read what is another's."""
    owners, errors = [], []
    for uid in USERS:
        errors.append(as_user(uid, create, run.mounted(server, f"by-{uid}")))
        with contextlib.suppress(OSError):
            owners.append(os.stat(run.mounted(server, f"by-{uid}")).st_uid)
    if server["squash"] == "all_squash":
        run.lines.check(owners == [NOBODY] * 2, f"{server['name']}: files of users {USERS} belong to {owners}")
        return
    refused = as_user(USERS[1], read, run.mounted(server, f"by-{USERS[0]}"))
    run.lines.check(
        owners == list(USERS) and not any(errors) and refused == errno.EACCES,
        f"{server['name']}: files of users {USERS} belong to {owners}; "
        f"one reading the other's: {errno.errorcode.get(refused, 'no error')}",
    )


def arrived(run):
    """A client sees what was put into the source of an input, although nobody told the server of it."""
    for server in run.of_role("input"):
        began = time.monotonic()
        found = until(functools.partial(os.path.exists, run.mounted(server, ARRIVING)))
        seconds = time.monotonic() - began
        whole = found and read(run.mounted(server, ARRIVING)) == content(server)
        run.lines.check(
            whole and seconds < run.limit,
            f"{server['name']}: the client looked {seconds:.0f} s for the file from its source: "
            f"{'whole' if whole else 'another content' if found else 'not there'}",
        )


def after(run):
    """Files and mounts outlive a restart of the servers; a full export is an error and no loss."""
    for server in run.writable:
        code = (
            "import sys; sys.stdout.write(open(sys.argv[1]).read()); open(sys.argv[2], 'x').write('written after\\n')"
        )
        argv = [sys.executable, "-c", code, run.mounted(server, MARKER), run.mounted(server, SECOND)]
        try:
            said = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=WAIT_SECONDS).stdout
        except (subprocess.SubprocessError, OSError) as error:
            said = str(error)
        kept = said == content(server)
        run.lines.check(kept, f"{server['name']}: reading and writing through the mount: {'works' if kept else said}")
    if run.fill:
        fill(run, min(run.of_role("input"), key=lambda server: server["size_mib"]))
    else:
        run.lines.skip("filling an export up to its limit: azlin_nas_fill is not set")


def fill(run, server):
    path = run.mounted(server, "filling")

    def write_all():
        with open(path, "xb", buffering=0) as file:
            for _mebibyte in range(server["size_mib"] + 1):
                file.write(bytes(MIB))
            os.fsync(file.fileno())

    failed = error_of(write_all)
    written = os.stat(path).st_size // MIB
    kept = read(run.mounted(server, MARKER)) == content(server)
    os.unlink(path)
    run.lines.check(
        failed == errno.ENOSPC and kept,
        f"{server['name']}: the export of {server['size_mib']} MiB took {written} MiB more, then "
        f"{errno.errorcode.get(failed, 'no error')}; other files are {'whole' if kept else 'damaged'}",
    )


def close(run):
    """Remove what was written, by name, and unmount."""
    for server in run.servers:
        if os.path.ismount(os.path.join(MOUNTS, server["name"])):
            if server["access"] == "rw":
                remove(run.mounted(server))
            unmount(os.path.join(MOUNTS, server["name"]))
        unmount(os.path.join(MOUNTS, "below", server["name"]))
    for path in (os.path.join(MOUNTS, "below"), MOUNTS):
        with contextlib.suppress(OSError):
            os.rmdir(path)


def remove(directory):
    names = [MARKER, ARRIVING, INSIDE, SECOND, "filling", *(f"by-{uid}" for uid in USERS)]
    for name in (*names, *(f"{name}.new" for name in names)):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
    for name in ("sub-1", ""):
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(os.path.join(directory, name))


# On a host of servers.


def sync(run):
    """Files go from sources to exports, and from exports to sources, each within the limit."""
    for server in run.of_role("input"):
        os.makedirs(run.source(server), exist_ok=True)
        write(run.source(server, ARRIVING), content(server))
    for server in run.of_role("output"):
        check_copy(run, server, "export to source", run.exported(server, MARKER), run.source(server, MARKER))
    for server in run.of_role("input"):
        check_copy(run, server, "source to export", run.source(server, ARRIVING), run.exported(server, ARRIVING))
    for server in run.servers:
        if server["role"] == "backup":
            states = [show(f"nas_lab-{server['name']}-{action}.timer")["ActiveState"] for action in ("seed", "collect")]
            run.lines.check(states == ["inactive"] * 2, f"{server['name']}: it is copied to at its start only")


def check_copy(run, server, way, source, target):
    """A copy arrives. Both times are of this clock: when the file was written, and when the copy got its name."""
    there = until(functools.partial(os.stat, target))
    if there is None:
        run.lines.check(False, f"{server['name']}: {way}: nothing arrived in {WAIT_SECONDS} s")
        return
    seconds = there.st_ctime - os.stat(source).st_ctime
    whole = read(target) == content(server)
    run.lines.check(
        whole and seconds < run.limit,
        f"{server['name']}: {way} in {seconds:.0f} s (limit {run.limit}){'' if whole else ', another content'}",
    )


def restart(run):
    """Every server comes back as another process, with its files."""
    units = {server["name"]: f"nas_lab-{server['name']}.service" for server in run.servers}
    before = {name: show(unit)["MainPID"] for name, unit in units.items()}
    began = time.monotonic()
    status, said = command("systemctl", "restart", *units.values())
    for server in run.servers:
        now = until(functools.partial(answering, units[server["name"]])) or "none"
        kept = server["access"] == "ro" or read(run.exported(server, MARKER)) == content(server)
        run.lines.check(
            not status and now not in ("none", "0", before[server["name"]]) and kept,
            f"{server['name']}: restarted in {time.monotonic() - began:.0f} s, process {before[server['name']]} "
            f"is now {now}, its files are {'whole' if kept else 'damaged'}{'; ' + said if status else ''}",
        )
    pids = {show(unit)["MainPID"] for unit in units.values()}
    run.lines.check(len(pids) == len(units), f"{len(units)} servers are {len(pids)} processes")


def answering(unit):
    shown = show(unit)
    return shown["MainPID"] if shown["ActiveState"] == "active" else None


def show(unit):
    names = "MainPID,ActiveState,MemoryCurrent,MemoryMax,CPUUsageNSec,Result"
    _status, said = command("systemctl", "show", f"--property={names}", unit)
    return dict(line.partition("=")[::2] for line in said.splitlines())


def footprint(run):
    """Limits are in force, what is used is below them, and no copy failed."""
    first = {server["name"]: show(f"nas_lab-{server['name']}.service") for server in run.servers}
    time.sleep(10)
    total = 0.0
    for server in run.servers:
        shown = show(f"nas_lab-{server['name']}.service")
        used = int(shown["MemoryCurrent"]) / MIB
        busy = (int(shown["CPUUsageNSec"]) - int(first[server["name"]]["CPUUsageNSec"])) / 1e9 / 10
        total += used
        run.lines.check(
            shown["MemoryMax"] == str(server["memory_mib"] * MIB) and used <= server["memory_mib"],
            f"{server['name']}: {used:.0f} of {server['memory_mib']} MiB, {busy * 1000:.0f}m CPU at rest",
        )
        full = used_percent(os.path.dirname(run.exported(server).rstrip("/")))
        run.lines.check(full < FULL, f"{server['name']}: its export of {server['size_mib']} MiB is full to {full} %")
        for action in ("seed", "collect"):
            result = show(f"nas_lab-{server['name']}-{action}.service").get("Result")
            if result != "success":
                run.lines.check(False, f"{server['name']}: its last copy ({action}) ended with {result}")
    run.lines.check(True, f"all servers of this host together: {total:.0f} MiB")


def used_percent(path):
    """How full the file system of a path is, by room or by number of files, whichever is more."""
    status = os.statvfs(path)
    rooms = ((status.f_blocks, status.f_bavail), (status.f_files, status.f_favail))
    return max(100 * (total - free) // total for total, free in rooms if total)


def tidy(run):
    """Remove what was written, by name: first in the sources, then what a copy has brought back since."""
    for server in run.servers:
        remove(run.source(server))
        remove(run.exported(server))


ACTIONS = {
    "open": open_all,
    "arrived": arrived,
    "after": after,
    "close": close,
    "sync": sync,
    "restart": restart,
    "footprint": footprint,
    "tidy": tidy,
}


def main():
    run = Run(json.loads(sys.stdin.read()))
    try:
        ACTIONS[sys.argv[1]](run)
    except (OSError, subprocess.SubprocessError, KeyError, ValueError) as error:
        run.lines.check(False, f"{sys.argv[1]} broke off: {type(error).__name__}: {error}")
    print(json.dumps({"lines": run.lines}))


if __name__ == "__main__":
    main()
