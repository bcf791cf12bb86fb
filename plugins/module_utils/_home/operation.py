# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What attaching and detaching have in common.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    busy,
    child,
    fstab,
    guard,
    holders,
    keys,
    local_paths,
    mounter,
    mountinfo,
    seed,
    selinux,
    squash,
    users,
    watchdog,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.atomic import write_all
from ansible_collections.azlin.storage.plugins.module_utils._home.journal import exclusive_fstab
from ansible_collections.azlin.storage.plugins.module_utils._home.progress import Progress, path_of

_VERIFY_TIMEOUT = 60
_DRAIN_SECONDS = 10
# What a run says of a step that may last.
_PHASES = {
    "stage": "mounting the share",
    "seed": "waiting for other hosts that fill the share",
    "quiesce": "waiting for busy processes",
    "final": "final pass",
    "verify": "checking the home",
}


class Operation:
    """A transaction on one home; see transaction.run for what it offers."""

    action = ""

    def __init__(self, host, request, journal, identifier, interrupts=None):
        self.host = host
        self.request = request
        self.journal = journal
        self.identifier = identifier
        self.home = request.home
        self.stage = os.path.join(host.run_dir, f"stage.{identifier}")
        # How to act on the share; found out once it is staged.
        self.ids = squash.Ids(request.user, squashed=False)
        # written, removed or left; None when nothing was done about this host's record on the share.
        self.host_record = None
        self.skipped = []
        self.holders = []
        # Sentences on what the share cannot hold and was left behind, or could not be put back.
        self.unsupported = []
        # Seconds from the end of quiesce to the verified home, in which the home is not usable.
        self.window_seconds = None
        self._window_began = None
        self._watchdog = None
        self._interrupts = interrupts
        # For the watchdog: a run that no longer comes by here hangs.
        self.alive_at = time.monotonic()
        self.progress = Progress(path_of(request.user.name, host.run_dir))

    @property
    def in_window(self):
        """Whether the home is not usable at this moment."""
        return self._window_began is not None and self.window_seconds is None

    @property
    def confirm_seconds(self):
        """How long to wait for a new login; 0 when the transaction counts without one."""
        return self.request.confirm_timeout

    @property
    def steps(self):
        """The steps, in order."""
        raise NotImplementedError

    def facts(self):
        """What undoing needs to know from the start."""
        return {
            "home": self.home,
            "source": self.request.source,
            "mount_options": list(self.request.extra_options),
            "client": self.request.client,
            "local_paths": list(self.request.local_paths),
            "local_moved": [],
            "local_times": {},
            "fstab_before": None,
            "fstab_after": None,
            "home_inode": inode_of(self.home),
        }

    @property
    def places(self):
        """Where the directory lies that was the home at the beginning, whatever was done since."""
        return [self.home]

    def require_home(self):
        """Fail where that directory is nowhere: an undo would find nothing to do, and the disk may come late."""
        wanted = self.journal.facts.get("home_inode")
        if wanted is not None and wanted not in map(inode_of, self.places):
            raise AzlinError(
                "rollback_failed",
                f"The directory that was {self.home} is neither there nor beside it, so nothing was put back yet.",
                causes=[("the disk of the homes is not mounted", "mount it, then run again with state: rolled_back")],
            )

    def begin_step(self, name):
        """A step begins."""
        self.alive_at = time.monotonic()
        if name in _PHASES:
            self.progress.phase(_PHASES[name])

    def begin_copy(self, survey):
        """What was looked at is about to be copied."""
        self.progress.phase("copying", files=survey.files, bytes=survey.size)

    def commit(self):
        """Change the journal's attachment; the transaction saves it."""

    def finish(self):
        """What is left to do once it counts."""

    def undone(self):
        """What to remember of a transaction that was undone."""

    def interrupted(self):
        """Whether to stop soon; asked often by whatever takes long."""
        self.alive_at = time.monotonic()
        return self._interrupts is not None and self._interrupts.pending()

    def threads_interrupted(self):
        """As :meth:`interrupted`, for threads that share work: the main one waits for them, however long they hang."""
        if threading.current_thread() is not threading.main_thread():
            return self.interrupted()
        return self._interrupts is not None and self._interrupts.pending()

    def recovering(self):
        """Whether this is what an earlier run left."""
        return self._interrupts is None

    # The guard and the window.

    def start_guard(self):
        """From here on somebody else brings the home back when this process dies, or nobody confirms."""
        python = guard.install(self.host, self.home)
        if python is None:
            return
        try:
            guard.start(self.host, python, self.request.user.name, self.identifier)
        except AzlinError:
            # Who waits for no login goes without it too, such as where a container has only the folders of systemd.
            if self.confirm_seconds:
                raise
            return
        self._watchdog = watchdog.Watchdog(self)

    def hangs(self, seconds):
        """Note why this process is about to end."""
        step = self.journal.transaction["begun"][-1]
        self.journal.note(hung=f"Nothing moved for {seconds} s in the step {step}: the NFS server does not answer.")

    def ended(self):
        """The transaction is over, or waits to be confirmed."""
        self.progress.close()
        if self._watchdog is not None:
            self._watchdog.close()

    def stop_guard(self):
        """Undo: nothing is left that needs it."""
        guard.retire(self.host, self.request.user.name)

    def settle_holders(self, find, dead_server=lambda: False):
        """Apply the policy for programs that use the home; from the end of this the home is not usable."""
        policy, seconds = self.request.busy, self.request.busy_timeout
        self.holders = busy.settle(
            find, self.home, policy, seconds, cancelled=self.interrupted, dead_server=dead_server
        )
        self._window_began = time.monotonic()

    def drain_holders(self, find, dead_server=lambda: False):
        """Wait for programs that opened something in the last instant: nobody can open the old home any more."""

        def look():
            self.alive_at = time.monotonic()
            return find()

        if self.request.busy != "ignore":
            busy.settle(look, self.home, "wait", _DRAIN_SECONDS, cancelled=self.interrupted, dead_server=dead_server)

    def end_window(self):
        """The home is usable again."""
        if self._window_began is not None:
            self.window_seconds = round(time.monotonic() - self._window_began, 3)

    def relabel(self, path):
        """Give what was made beside the home the labels of a home, which it is about to become."""
        selinux.relabel(self.host.selinux, path, cancelled=self.interrupted)

    # Staging: the share where only root gets at it.

    def stage_share(self):
        """Mount the share in private."""
        self.make_stage()
        self.host.mounter.mount(self.request.source, self.stage)
        self.host.mounter.make_private(self.stage)

    def make_stage(self):
        """Make the private directory to mount on."""
        os.makedirs(self.host.run_dir, mode=0o700, exist_ok=True)
        os.chmod(self.host.run_dir, 0o700)
        os.mkdir(self.stage, 0o700)

    def unstage(self):
        """Unmount the stage and remove its directory."""
        while mountinfo.at(mountinfo.read(), self.stage) is not None:
            if not self.host.mounter.unmount(self.stage) and not self.host.mounter.unmount(self.stage, lazy=True):
                raise AzlinError("mount_failed", f"{self.stage} could not be unmounted.")
        if os.path.isdir(self.stage):
            os.rmdir(self.stage)

    # The mount on the home.

    def unmount_home(self):
        """Take our share off the home as an undo; lazily if somebody is in it already: its data is on the server."""
        self.hide_local()
        while self.host.mounter.ours(mountinfo.at(mountinfo.read(), self.home), self.request.source):
            if not self.host.mounter.unmount(self.home) and not self.host.mounter.unmount(self.home, lazy=True):
                raise AzlinError("mount_failed", f"{self.home} could not be unmounted.")

    def show_local(self):
        """Show the local parts of the home in the mounted one."""
        local_paths.show(self.host.mounter, self.home, self.request.local_paths, self.request.user)

    def hide_local(self):
        """Take them off. Where the share is out of reach, so are they for umount(2): they go with the home, lazily."""
        if self.request.local_paths and mounter.trouble(self.home) is None:
            local_paths.hide(self.host.mounter, self.home, self.request.local_paths)
        self.alive_at = time.monotonic()

    def users_of(self, mount):
        """Return the processes that use the mounted home, without what started this run; None when unknown."""
        return holders.find(mount.device_number, exempt=holders.ancestry())

    # fstab.

    def change_fstab(self, edit):
        """Give fstab the text that ``edit`` makes of the present one, noting both first."""
        with exclusive_fstab(self.host.state_dir):
            before = fstab.read(self.host.fstab)
            after = edit(before)
            if before == after:
                return
            self.journal.note(fstab_before=before, fstab_after=after)
            fstab.write(self.host.fstab, after)
        self.host.reload_units()

    def restore_fstab(self):
        """Put the old text back, or only our entry when somebody else has edited fstab since."""
        before, after = self.journal.facts["fstab_before"], self.journal.facts["fstab_after"]
        with exclusive_fstab(self.host.state_dir):
            fstab.tidy(self.host.fstab)
            present = fstab.read(self.host.fstab)
            if before is None or present == before:
                return
            fstab.write(self.host.fstab, before if present == after else self._old_entries(present, before))
        self.host.reload_units()

    def _old_entries(self, present, before):
        old = {}
        for line in before.split("\n"):
            entry = fstab.parse_line(line)
            if entry is not None:
                old.setdefault(entry.path, line)
        points = [local_paths.mount_point(self.home, path) for path in self.request.local_paths]
        for path in [self.home, *points]:
            known = path in old
            present = fstab.with_entry(present, path, old[path]) if known else fstab.without_entry(present, path)
        return present

    # Verification.

    def verify_as_user(self):
        """The user can read the keys and write to the home; times of the home stay what they were."""
        try:
            users.call_as(self.request.user, lambda: _use_home(self.home), _VERIFY_TIMEOUT)
        except (child.ChildFailed, child.ChildTimeout) as error:
            raise AzlinError(
                "verify_failed",
                f"{self.request.user.name} cannot work in {self.home} afterwards: {error or 'no answer in time'}.",
                causes=[
                    ("the files on the share belong to another uid", "give the user the same uid on all hosts"),
                    ("the share is full or read-only", "look at the storage with the status playbook"),
                ],
            ) from error


def inode_of(path):
    """The inode number of a directory, of what is below when something is mounted on it; None if there is none."""
    parent, name = os.path.split(path)
    try:
        with os.scandir(parent) as entries:
            return next((entry.inode() for entry in entries if entry.name == name), None)
    except FileNotFoundError:
        return None


def _remove_probe():
    # One name for all: what a run that was killed has left goes with the next; that of another host goes at once.
    with suppress(FileNotFoundError):
        os.unlink(seed.PROBE)


def _use_home(home):
    os.chdir(home)
    status = os.stat(".")
    try:
        with open(os.path.join(keys.DIRECTORY, keys.FILE), "rb") as stream:
            stream.read()
    except FileNotFoundError:
        pass
    _remove_probe()
    handle = os.open(seed.PROBE, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        write_all(handle, b"probe\n")
        os.fsync(handle)
    finally:
        os.close(handle)
        _remove_probe()
    os.utime(".", ns=(status.st_atime_ns, status.st_mtime_ns))
    return True
