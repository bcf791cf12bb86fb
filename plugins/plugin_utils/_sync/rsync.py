# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How rsync is called, what it says, and what its failures mean.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.plugin_utils._sync.places import PARTIAL

# How many of rsync's last lines an error shows.
_LAST_LINES = 20
# %i is what happens, %l the size, %n the name.
_FORMAT = "%i %l %n"
_KINDS = {"f": "file", "d": "directory", "L": "link"}
_LINE = re.compile(r"([<>ch.])([fdL])(\S{7,}) +(\d+) (.*)")
# How rsync shows a control character in a name, and a backslash that would look like one.
_ESCAPED = re.compile(r"\\#([0-7]{3})")
_FULL = "cannot delete non-empty directory: "
# Some names could not be handled, or were gone: the others were.
INCOMPLETE = (0, 23, 24)
_STATS = {
    "files_sent": "Number of regular files transferred",
    "bytes_sent": "Total transferred file size",
    "bytes_on_the_wire": "Total bytes sent",
}


@dataclass(frozen=True)
class Target:
    """Where rsync copies to.

    :param shell: words of the ssh command, without the host; none for this machine.
    :param as_user: the user who receives, where that is not who logs in.
    """

    home: str
    host: str = ""
    shell: tuple = ()
    as_user: str = ""


def command(executable, source, list_file, target, *, dry_run=False, existing=False, keep_newer=False, timeout=0):
    """Return the words of the command.

    :param existing: leave alone what the home does not have; what :meth:`Report.conflicts` needs.

    The list says all: nothing is excluded, deleted or looked for on the way, and no rule goes to the host. What is
    being received lies in a folder of its own and is renamed at the end, so that nobody reads a half of a file, and a
    run that was killed goes on with it. Owners are not sent: the host's user receives and owns.
    """
    words = [
        executable,
        *("--links", "--perms", "--times", "--omit-dir-times"),
        *(f"--files-from={list_file}", "--from0", "--no-implied-dirs"),
        # A link of the host that leads to a folder stays; one that leads out of the source is not sent.
        *("--keep-dirlinks", "--safe-links"),
        *(f"--partial-dir={PARTIAL}", "--delay-updates"),
        *("--stats", "--no-human-readable", "--8-bit-output", f"--out-format={_FORMAT}", f"--timeout={timeout}"),
    ]
    if dry_run:
        words.append("--dry-run")
    if existing:
        words.append("--existing")
    if keep_newer:
        words.append("--update")
    if target.as_user:
        words.append(f"--rsync-path=sudo -n -u {target.as_user} rsync")
    if not target.shell:
        return [*words, "--", f"{source}/", f"{target.home}/"]
    host = f"[{target.host}]" if ":" in target.host else target.host
    return [*words, f"--rsh={remote_shell(target.shell)}", "--", f"{source}/", f"{host}:{target.home}/"]


def remote_shell(words):
    """Join words the way rsync takes them apart, which is not a shell's: a doubled quote stands for itself."""
    return " ".join(
        "'{}'".format(word.replace("'", "''")) if re.search(r"[\s'\"]", word) or not word else word for word in words
    )


def ssh(option, control_path=None):
    """Return the words of an ssh that goes the way of Ansible's own.

    :param option: a function that returns the value of an option of Ansible's ssh connection.
    :param control_path: the socket of the connection that Ansible has open, to go through that one while it lasts.

    Nothing is ever asked, and whether the key of a host is known is what ssh itself and the user's own arguments say.
    """
    words = [option("ssh_executable") or "ssh", "-o", "BatchMode=yes"]
    # The first value counts: a master that rsync starts would keep rsync's output open when rsync is done.
    words += ["-o", "ControlMaster=no"]
    if control_path:
        words += ["-o", f'ControlPath="{control_path}"']
    words += shlex.split(option("ssh_args") or "")
    if option("port") is not None:
        words += ["-o", f"Port={option('port')}"]
    if option("private_key_file"):
        words += ["-o", f'IdentityFile="{option("private_key_file")}"']
    if option("remote_user"):
        words += ["-o", f'User="{option("remote_user")}"']
    if option("timeout"):
        words += ["-o", f"ConnectTimeout={option('timeout')}"]
    return (*words, *shlex.split(option("ssh_common_args") or ""), *shlex.split(option("ssh_extra_args") or ""))


@dataclass
class Report:
    """What rsync says while it works."""

    changes: list = field(default_factory=list)
    full_folders: list = field(default_factory=list)
    stats: dict = field(default_factory=lambda: dict.fromkeys(_STATS))

    def read(self, line):
        """Take in one line of its output."""
        found = _LINE.fullmatch(line)
        if found:
            way, kind, marks, size, path = found.groups()
            change = "create" if marks.startswith("+") else "attributes" if way == "." else "update"
            self.changes.append(
                {
                    "path": path.rstrip("/"),
                    "kind": _KINDS[kind],
                    "change": change,
                    "bytes": int(size) if kind == "f" and way != "." else 0,
                }
            )
            return
        if line.startswith(_FULL):
            self.full_folders.append(line[len(_FULL) :])
            return
        for name, words in _STATS.items():
            number = re.match(rf"{words}: (\d+)", line)
            if number:
                self.stats[name] = int(number[1])

    def conflicts(self):
        """The names that are of another kind in the home, after a dry run with ``existing``.

        rsync removes those, a folder with content excepted, to make room. What it would create although it creates
        nothing is just them, and what lies below them.
        """
        names = [*(one["path"] for one in self.changes if one["change"] == "create"), *self.full_folders]
        return sorted({_ESCAPED.sub(lambda found: chr(int(found[1], 8)), name) for name in names})

    def diff(self):
        """The changes as Ansible's diff mode shows them."""
        lines = [f"{one['change']} {one['kind']} {one['path']}\n" for one in self.changes]
        return {"before": "", "after": "".join(lines), "before_header": "", "after_header": "home"}


def is_supported(version_text):
    """Whether ``rsync --version`` is of the rsync from 3.1 on that has all of the options, not of a namesake."""
    found = re.match(r"rsync\s+version\s+v?(\d+)\.(\d+)", version_text)
    return bool(found) and (int(found[1]), int(found[2])) >= (3, 1)


def failure(host, status, lines):
    """Return the error for an rsync that ended with ``status`` and wrote these last lines."""
    last = [line.rstrip() for line in lines if line.strip()][-_LAST_LINES:]
    said = "\n".join(last)
    code, causes = _explain(status, said)
    error = AzlinError(
        code,
        f"rsync to {host} ended with status {status}: {said or 'it said nothing'}",
        causes=[*causes, ("something is in its way for now", "run again: what has arrived is not sent again")],
    )
    error.details = {"rsync_status": status, "rsync_lines": last}
    return error


def _explain(status, said):
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return "no_space", [("the home is full", "free space, or enlarge the share with a bigger azlin_size")]
    if "Host key verification failed" in said:
        return "sync_failed", [
            ("the key of the host is not known", "add it to known_hosts of the user who runs Ansible")
        ]
    if "Permission denied (" in said:
        return "sync_failed", [
            ("ssh was let in by nothing but a password or the passphrase of a key", "use a key, or an ssh-agent"),
        ]
    if status == 127 or "rsync: command not found" in said or "rsync: not found" in said:
        return "sync_failed", [("rsync is not installed on the host", "set azlin_manage_packages, or install it")]
    if "sudo:" in said:
        return "sync_failed", [
            ("the login may not become the user without a password", "log in as the user whose home it is"),
        ]
    if status in (30, 35):
        return "sync_failed", [("the host or its share does not answer", "set a longer azlin_sync_timeout")]
    if status in (23, 24):
        return "sync_failed", [
            ("the user may not write there", "see rsync's lines"),
            ("files changed on the controller meanwhile", "run again"),
        ]
    if status == 255:
        return "sync_failed", [("ssh does not reach the host", "try ansible -m ping with the same inventory")]
    return "sync_failed", [("see rsync's own lines", "rsync's manual page lists what its status means")]
