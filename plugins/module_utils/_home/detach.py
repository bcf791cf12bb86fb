# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing a home back to the local disk.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    busy,
    copier,
    exchange,
    fstab,
    guard,
    holders,
    keys,
    local_paths,
    memory,
    mounter,
    mountinfo,
    preflight,
    records,
    rescue,
    seed,
    sidecar,
    squash,
    trees,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import beside, next_backup
from ansible_collections.azlin.storage.plugins.module_utils._home.operation import Operation
from ansible_collections.azlin.storage.plugins.module_utils._home.transaction import Step


class Detach(Operation):
    """With a copy of what is on the share (``copy_back: full``)."""

    action = "detach"
    goal = "detached"

    def __init__(self, host, request, journal, identifier, interrupts=None):
        super().__init__(host, request, journal, identifier, interrupts)
        self.files = 0
        self.bytes = 0
        # What the share cannot hold, as the host that filled it has put it on record.
        self._record = None
        self._silent = False

    @property
    def replacement(self):
        """Where the directory lies that takes the home's place; after the exchange, the old mount point."""
        return beside(self.home, "local")

    @property
    def places(self):
        """As in Operation; it is the mount point."""
        return [self.home, self.replacement]

    @property
    def excluded(self):
        """What is not copied: the share's own names, and what is local already."""
        return (*seed.OURS, *self.request.local_paths)

    @property
    def steps(self):
        """The window in which the home is not usable is release to verify."""
        return [
            Step("guard", self.start_guard, self.stop_guard),
            Step("stage", self.stage_home, self.unstage),
            Step("prepare", self.prepare, self.remove_copy),
            Step("copy", self.copy),
            Step("unrecord", self.unrecord),
            Step("unpersist", self.unpersist, self.persist_again),
            Step("quiesce", self.quiesce),
            Step("release", self.release, self.mount_again),
            Step("final", self.final),
            Step("local", self.return_local, self.take_local),
            Step("exchange", self.exchange, self.unexchange),
            Step("verify", self.verify),
            Step("unstage", self.unstage),
        ]

    def facts(self):
        """The inodes tell which directory is which when a run dies."""
        mounted = self._mount() is not None
        return dict(
            super().facts(),
            mounted=mounted,
            replacement=None,
            began_ns=time.time_ns(),
            exchanged_ns=None,
            ahead_ns=0,
            owner=None,
            worked_in=None,
            backup=None,
            keys="",
            keys_before=None,
            record=None,
        )

    def stage_home(self):
        """Reach the share in private: what is mounted on the home, or else by a mount of its own."""
        self.make_stage()
        mount = self._mount()
        if mount is None:
            self.host.mounter.mount(self.request.source, self.stage)
        else:
            self.host.mounter.bind(self.home, self.stage)
        self.host.mounter.make_private(self.stage)
        self.ids = squash.for_reading(self.stage, self.request.user)

    def prepare(self):
        """Check the space and make the directory to copy to."""
        with self.ids():
            survey = trees.survey(
                self.stage, exclude=self.excluded, workers=copier.WORKERS, cancelled=self.threads_interrupted
            )
        preflight.check_space(os.path.dirname(self.home), survey.size, survey.names, f"The local copy of {self.home}")
        self.skipped = survey.skipped
        saved = (self.journal.attachment or {}).get("saved")
        with self.ids():
            self._record = sidecar.load(self.stage, seed.DIRECTORY, self.request.user.name, saved)
        # Left by a run whose journal is gone; it may be the only copy of something.
        rescue.retire(self.replacement, self.home)
        os.mkdir(self.replacement, 0o700)
        self.journal.note(replacement=os.lstat(self.replacement).st_ino)
        self.begin_copy(survey)

    def remove_copy(self):
        """Remove the copy; one that was the home for a while, and was or is worked in, is kept as a backup."""
        if not self._is_replacement(self.replacement):
            self._remove_unnoted()
            return
        self._judge()
        if self.journal.facts["worked_in"]:
            self._open_up()
            exchange.move(self.replacement, next_backup(self.home))
        else:
            trees.remove(self.replacement)

    def _judge(self):
        """Find out, once, whether somebody worked in the copy; where nobody did, nobody can from then on.

        Half of it would look like work if removing it is cut short, so what was found is noted.
        """
        if self.journal.facts["worked_in"] is None:
            self.journal.note(worked_in=self._worked_in())

    def _worked_in(self):
        facts = self.journal.facts
        if facts["exchanged_ns"] is None or not self._is_replacement(self.replacement):
            return False
        self._close_off()
        self.alive_at = time.monotonic()
        # In this order: who is not in it by now cannot come in any more. Not to know counts as somebody.
        if holders.of_directory(self.replacement) != []:
            return True
        # Set back, the clock gives work times of the copy. A later boot does not look like that.
        if memory.ahead() < facts.get("ahead_ns", 0) - memory.CLOCK_TOLERANCE:
            return True
        excluded = (*seed.OURS, *self.request.local_paths)
        return trees.changed_since(self.replacement, facts["exchanged_ns"], excluded, facts.get("began_ns", 0))

    def _close_off(self):
        """Let nobody but root into the copy, who has its path."""
        status = os.lstat(self.replacement)
        if self.journal.facts.get("owner") is None:
            self.journal.note(owner=[status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)])
        self._own(0, 0, 0o700)

    def _open_up(self):
        owner = self.journal.facts.get("owner")
        if owner is not None:
            self._own(*owner)

    def _own(self, uid, gid, mode):
        root = trees.open_directory(self.replacement)
        try:
            os.fchown(root, uid, gid)
            os.fchmod(root, mode)
            os.fsync(root)
        finally:
            os.close(root)

    def _remove_unnoted(self):
        """A run that was killed right after making the directory had not noted which it is, and it is empty."""
        if self.journal.facts["replacement"] is None:
            with suppress(OSError):
                os.rmdir(self.replacement)

    def copy(self):
        """Copy while the user goes on working."""
        with self.ids():
            report = copier.Copier(self.stage, self.replacement, **self._copy_options()).run()
        self.files, self.bytes = report.files, report.bytes
        # Most of it now, not in the window.
        self.relabel(self.replacement)

    def _copy_options(self):
        user = self.request.user
        return {
            "exclude": self.excluded,
            "cancelled": self.threads_interrupted,
            "checksum": self.request.checksum,
            "progress": self.progress,
            # A share is mounted nosuid: root of any host that mounts it may have put a program there.
            "rights": (user.uid, os.getgrouplist(user.name, user.gid)),
        }

    def unrecord(self):
        """Take this host's record from the share; a server that is gone keeps it, which is told."""
        where = self._within_reach()
        record = records.own_as(self.request.user, where) if where else None
        if record is not None:
            self.journal.note(record=record)
        gone = where is not None and records.forget(where, self.request.user)
        self.host_record = "removed" if gone else "left"

    def _within_reach(self):
        if self._silent:
            return None
        paths = (path for path in (self.stage, self.home) if self._share_at(path) is not None)
        return next(paths, None)

    def undone(self):
        """The home is on the share as before, so the record is there again."""
        record = self.journal.facts.get("record")
        if record is not None and self._mount() is not None:
            records.put_back(self.home, self.request.user, record)

    def quiesce(self):
        """Have nobody use the home while it is switched; without an answer (a dead server) nobody is known to."""
        self.settle_holders(self._find_holders, dead_server=lambda: mounter.is_silent(self.home))

    def _find_holders(self):
        mount = self._mount()
        found = self.users_of(mount) if mount is not None else []
        local = local_paths.find_holders(self.home, self.request.local_paths, holders.ancestry())
        if local is None:
            busy.check_known(self.home, self.request.busy)
            return None
        return local or found if found is None else found + local

    def unpersist(self):
        """Have nothing mount the share any more: systemd does what fstab says for every login whose home it is.

        Before the window, since systemd may take long over its units when another mount point does not answer.
        """
        self.change_fstab(self._without_entries)

    def persist_again(self):
        """Undo: a boot in between found no line to mount the share by."""
        self.mount_again()
        self.restore_fstab()

    def release(self):
        """Unmount the home. What started this run may sit in it (a shell of the user): that does not count."""
        self.hide_local()
        while self._mount() is not None:
            if not self.host.mounter.unmount(self.home) and not self.host.mounter.unmount(self.home, lazy=True):
                raise AzlinError("mount_failed", f"{self.home} could not be unmounted.")

    def mount_again(self):
        """Undo: the share is on the home, by the stage if that is there."""
        if not self.journal.facts["mounted"]:
            return
        try:
            if self._mount() is not None:
                self.show_local()
                return
            if mountinfo.at(mountinfo.read(), self.stage) is not None:
                self.host.mounter.bind(self.stage, self.home)
            else:
                self.host.mounter.mount(self.request.source, self.home)
            self.show_local()
        except AzlinError:
            # After a crash the server may be gone for good, and the way to the backup must stay open: the home is
            # then what it is after a boot without the server, and is mounted when the server is back.
            if self.journal.attachment is None or not self.recovering():
                raise

    def final(self):
        """Copy what changed since; nobody gets at the share through the home any more."""
        # What was open when the home was unmounted lazily can still be written to.
        self.drain_holders(
            lambda: self.users_of(mountinfo.at(mountinfo.read(), self.stage)),
            dead_server=lambda: mounter.is_silent(self.stage),
        )
        with self.ids():
            report = copier.copy_until_same(self.stage, self.replacement, **self._copy_options())
        self.unsupported = [f"{path}: set-id bits for somebody else's rights" for path in report.tamed]
        if self._record is not None:
            self.unsupported += sidecar.restore(self.replacement, *self._record, self.request.user.uid)
        if not keys.read(self.request.user, self.replacement):
            keys.ensure(self.replacement, keys.read(self.request.user, self.home), self.request.user)
        self.relabel(self.replacement)

    def return_local(self):
        """What stayed local is already where it belongs but for its name."""
        paths = self.request.local_paths
        local_paths.give_back(self.home, self.replacement, paths, self.request.user)

    def take_local(self):
        """Undo that; whether somebody worked here is found out first, since this changes it too."""
        if self.request.local_paths:
            self._judge()
        local_paths.take_again(self.home, self.replacement, self.request.local_paths)

    def exchange(self):
        """Put the local directory in the place of the mount point."""
        self._refuse_mounted()
        self.journal.note(exchanged_ns=time.time_ns(), ahead_ns=memory.ahead())
        exchange.exchange(self.replacement, self.home)
        self._label()

    def _label(self):
        """The policy may have something of its own for this name."""
        self.relabel(self.home)

    def unexchange(self):
        """Put the mount point back, if the local directory is in its place."""
        if not os.path.lexists(self.replacement) or self._is_replacement(self.replacement):
            return
        # Somebody mounted the share over the local directory.
        self.unmount_home()
        if self._is_replacement(self.home):
            exchange.exchange(self.replacement, self.home)

    def _is_replacement(self, path):
        return os.path.lexists(path) and os.lstat(path).st_ino == self.journal.facts["replacement"]

    def verify(self):
        """The user can work in the local home."""
        self.verify_as_user()
        self._refuse_mounted()
        self.end_window()

    def _refuse_mounted(self):
        """A share that somebody mounts at the home would pass for the local one."""
        mount = self._mount()
        if mount is not None:
            raise AzlinError(
                "verify_failed",
                f"{mount.source} was mounted at {self.home} again while that was detached.",
                causes=[("an automounter or another program mounts the share", "stop it for a while")],
            )

    def _without_entries(self, text):
        points = [local_paths.mount_point(self.home, path) for path in self.request.local_paths]
        for path in [self.home, *points]:
            text = fstab.without_entry(text, path)
        return text

    def commit(self):
        """From here on the home is local."""
        self.journal.attachment = None

    def finish(self):
        """Take the old mount point away; anything a user left in it is kept."""
        rescue.retire(self.replacement, self.home)
        if self.request.local_paths:
            local_paths.discard_store(self.home)
        guard.retire(self.host, self.request.user.name)

    def _mount(self):
        return self._share_at(self.home)

    def _share_at(self, path):
        mount = mountinfo.at(mountinfo.read(), path)
        return mount if self.host.mounter.is_share(mount) else None


class DetachToBackup(Detach):
    """With the home as it was before it was attached (``copy_back: none``); what is on the share stays there."""

    action = "detach_to_backup"

    @property
    def steps(self):
        """No copy, so no stage: this works without a server, too."""
        return [
            Step("guard", self.start_guard, self.stop_guard),
            Step("keys", self.add_keys, self.take_keys),
            Step("prepare", self.prepare, self.put_backup_back),
            Step("unrecord", self.unrecord),
            Step("unpersist", self.unpersist, self.persist_again),
            Step("quiesce", self.quiesce),
            Step("release", self.release, self.mount_again),
            Step("local", self.return_local, self.take_local),
            Step("exchange", self.exchange, self.unexchange),
            Step("verify", self.verify),
        ]

    def prepare(self):
        """Take the backup by its working name."""
        exchange.move(self.journal.facts["backup"], self.replacement)

    def _judge(self):
        """The backup stays, whatever was done in it."""

    def _label(self):
        """The backup has kept its labels."""

    def put_backup_back(self):
        """Give the backup its name back."""
        backup = self.journal.facts["backup"]
        if backup is not None and os.path.lexists(self.replacement) and not os.path.lexists(backup):
            exchange.move(self.replacement, backup)

    def add_keys(self):
        """Keys that were added on the share open the old home too, before anybody has to come in by them."""
        backup, user = self.journal.attachment["backup"], self.request.user
        wanted = self._keys_of_share()
        self.journal.note(backup=backup, replacement=os.lstat(backup).st_ino, keys=wanted)
        # Links, through which nothing is written, open the door as well.
        if not wanted or not keys.missing(_bytes(wanted), keys.read(user, backup)):
            return
        before = keys.own(backup, user)
        self.journal.note(keys_before=before.decode("utf-8", "surrogateescape"))
        if keys.ensure(backup, _bytes(wanted), user):
            self.relabel(os.path.join(backup, keys.DIRECTORY))

    def take_keys(self):
        """Undo that."""
        backup, before = self.journal.facts["backup"], self.journal.facts.get("keys_before")
        if before is not None and self._is_replacement(backup):
            keys.take_away(backup, _bytes(self.journal.facts["keys"]), _bytes(before), self.request.user)

    def _keys_of_share(self):
        try:
            return keys.read(self.request.user, self.home).decode("utf-8", "surrogateescape")
        except AzlinError:
            # The server or the share is gone, which is no reason not to go back to a local home.
            self._silent = True
            return ""


def _bytes(noted):
    return noted.encode("utf-8", "surrogateescape")
