# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a home onto a share, and putting back a mount that is missing.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    copier,
    exchange,
    holders,
    keys,
    mountinfo,
    preflight,
    rescue,
    seed,
    sidecar,
    trees,
)
from ansible_collections.azlin.storage.plugins.module_utils._home.host import beside, next_backup
from ansible_collections.azlin.storage.plugins.module_utils._home.operation import Operation
from ansible_collections.azlin.storage.plugins.module_utils._home.transaction import Step


class Mount(Operation):
    """Mounting the share on a home that is recorded as attached, or repairing its line in fstab."""

    action = "mount"
    goal = "attached"

    def __init__(self, host, request, journal, identifier, interrupts=None):
        super().__init__(host, request, journal, identifier, interrupts)
        self.seeded = False
        self.files = 0
        self.bytes = 0
        self.keys_added = 0

    @property
    def steps(self):
        """Stage, check and bind; then fstab."""
        return [
            Step("guard", self.start_guard, self.stop_guard),
            Step("stage", self.stage_share, self.unstage),
            Step("mount", self.mount, self.unmount_home),
            Step("verify", self.verify_share),
            Step("unstage", self.unstage),
            Step("persist", self.persist, self.restore_fstab),
        ]

    def mount(self):
        """Show the staged share at the home: takes an instant, and the mount flags are the stage's."""
        self.host.mounter.bind(self.stage, self.home)

    def persist(self):
        """Let the share be mounted at boot."""
        self.change_fstab(lambda text: preflight.wanted_fstab(text, self.request))

    def verify_share(self):
        """The right share is mounted, and the user can work in it."""
        mount = mountinfo.at(mountinfo.read(), self.home)
        if not self.host.mounter.ours(mount, self.request.source):
            raise AzlinError("verify_failed", f"{self.home} is not a mount of {self.request.source} afterwards.")
        self.verify_as_user()
        self.end_window()

    def commit(self):
        """From here on the home is attached."""
        backup = (self.journal.attachment or {}).get("backup")
        self.journal.attachment = self.attachment(backup)

    def attachment(self, backup):
        """What the journal keeps of an attached home: all that mounting and undoing need."""
        return {
            "source": self.request.source,
            "home": self.home,
            "backup": backup,
            "mount_options": list(self.request.extra_options),
        }


class Persist(Mount):
    """Only the line in fstab was missing."""

    action = "persist"

    @property
    def confirm_seconds(self):
        """The home itself does not change, so nobody can be locked out."""
        return 0

    @property
    def steps(self):
        """The one step."""
        return [Step("persist", self.persist, self.restore_fstab)]


class Attach(Mount):
    """The whole move."""

    action = "attach"

    def __init__(self, host, request, journal, identifier, interrupts=None):
        super().__init__(host, request, journal, identifier, interrupts)
        self._lock = None
        self._keys = b""
        # What the last pass of the copy knows of the home.
        self._memory = None

    @property
    def spare(self):
        """Beside the home: first the rescue directory, after the exchange the old home."""
        return beside(self.home, "mountpoint")

    @property
    def steps(self):
        """In the order of the design; the window in which the home is not usable is exchange to verify."""
        return [
            Step("guard", self.start_guard, self.stop_guard),
            Step("stage", self.stage_share, self.unstage),
            Step("seed", self.seed, self.release_lock),
            Step("keys", self.add_keys),
            Step("prepare", self.prepare, self.unprepare),
            Step("quiesce", self.quiesce),
            Step("exchange", self.exchange, self.unexchange),
            Step("final", self.final),
            Step("mount", self.mount, self.unmount_home),
            Step("verify", self.verify_share),
            Step("keep", self.keep, self.unkeep),
            Step("unstage", self.unstage),
            Step("persist", self.persist, self.restore_fstab),
        ]

    def facts(self):
        """The inode tells the old home from the rescue directory, whatever they are called when a run dies."""
        return dict(super().facts(), original=os.lstat(self.home).st_ino, backup=None, seeding=False)

    def seed(self):
        """Decide under the share's lock who fills it, and copy while the user goes on working."""
        self._keys = keys.read(self.request.user, self.home)
        try:
            self._seed()
        except PermissionError as error:
            raise AzlinError(
                "access_denied",
                f"root of this host may not write to {self.request.source}.",
                causes=[("the share squashes root", "create it with root_squash: NoRootSquash")],
            ) from error

    def _seed(self):
        self._lock = seed.Lock(self.stage, cancelled=self.interrupted)
        decision = seed.decide(self.stage, self.request.seed, self.journal.uncommitted_seeds)
        self.seeded = decision == seed.SEED
        if decision == seed.SEED:
            self._fill()
            return
        if decision == seed.ADOPT:
            seed.mark_adopted(self.stage)
        if os.lstat(self.stage).st_uid == 0:
            self._own_root()

    def _fill(self):
        survey = self._survey()
        # What an earlier attempt copied already needs no room again.
        present = trees.survey(self.stage, exclude=seed.OURS, workers=copier.WORKERS, cancelled=self.interrupted)
        size, names = max(0, survey.size - present.size), max(0, survey.names - present.names)
        preflight.check_space(self.stage, size, names, f"The copy of {self.home} on the share")
        self.journal.note(seeding=True)
        seed.mark_seeding(self.stage, self.identifier)
        self.begin_copy(survey)
        report = self._copy().run()
        self.files, self.bytes = report.files, report.bytes
        # What changed during that long pass; so that less is left for the one in which the home is not usable.
        self.progress.phase("copying what has changed meanwhile")
        self._memory = self._copy(since=report.memory).run().memory

    def _survey(self):
        survey = preflight.survey_home(self.request)
        self.skipped = survey.skipped
        self.unsupported = survey.refused if self.request.unsupported == "skip" else []
        return survey

    def _copy(self, **options):
        return copier.Copier(self.home, self.stage, **self._copy_options(), **options)

    def _copy_options(self):
        return {
            "exclude": seed.OURS,
            "cancelled": self.interrupted,
            "checksum": self.request.checksum,
            "progress": self.progress,
        }

    def _own_root(self):
        """A new share belongs to root with mode 0777, which sshd refuses for a home."""
        status = os.lstat(self.home)
        root = trees.open_directory(self.stage)
        try:
            os.fchown(root, status.st_uid, status.st_gid)
            os.fchmod(root, stat.S_IMODE(status.st_mode))
        finally:
            os.close(root)

    def add_keys(self):
        """Every key that opens the door now opens it on the share too."""
        self.keys_added = keys.ensure(self.stage, self._keys, self.request.user)

    def prepare(self):
        """Make what the share will be mounted on."""
        rescue.retire(self.spare, self.home)
        inode = rescue.create(self.spare, self.request.source, self.home, self._keys)
        self.journal.note(rescue=inode)

    def unprepare(self):
        """Remove the rescue directory, which is beside the home again."""
        rescue.retire(self.spare, self.home)

    def quiesce(self):
        """Have nobody use the home while it is switched."""
        self.settle_holders(lambda: holders.of_directory(self.home, exempt=holders.ancestry()))

    def final(self):
        """Copy what changed since, which no path leads to any more; then other hosts may have the share."""
        self.drain_holders(lambda: holders.of_directory(self.spare, exempt=holders.ancestry()))
        if self.seeded:
            copier.copy_until_same(self.spare, self.stage, since=self._memory, **self._copy_options())
            self._save_unsupported()
            self.add_keys()
            seed.mark_complete(self.stage, self.identifier)
        self.release_lock()

    def _save_unsupported(self):
        """Put on record what the share cannot hold, of the home as it is now that nothing changes any more."""
        if self.request.unsupported == "save":
            sidecar.save(self.stage, seed.DIRECTORY, self.request.user.name, sidecar.collect(self.spare))

    def release_lock(self):
        """Let the next host look at the share."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def exchange(self):
        """Put the rescue directory in the place of the home, which exists throughout."""
        exchange.exchange(self.spare, self.home)

    def unexchange(self):
        """Put the old home back, if it is beside."""
        if self._is_original(self.spare):
            # A boot in between may have mounted the share, by a line that fstab had before.
            self.unmount_home()
            exchange.exchange(self.spare, self.home)

    def keep(self):
        """The old home becomes the backup, under a name of its own."""
        backup = next_backup(self.home)
        self.journal.note(backup=backup)
        exchange.move(self.spare, backup)
        # What programs write there from now on is not on the share: they are reported.
        self.holders = holders.of_directory(backup, exempt=holders.ancestry()) or []

    def unkeep(self):
        """Bring the old home back beside."""
        backup = self.journal.facts["backup"]
        if backup is not None and self._is_original(backup):
            exchange.move(backup, self.spare)

    def _is_original(self, path):
        return os.path.lexists(path) and os.lstat(path).st_ino == self.journal.facts["original"]

    def undone(self):
        """The share was filled from a home that lives on, so another attach has to fill it again."""
        if self.journal.facts["seeding"]:
            self.journal.uncommitted_seeds.append(self.identifier)

    def commit(self):
        """From here on the home is attached."""
        self.journal.uncommitted_seeds = []
        self.journal.attachment = self.attachment(self.journal.facts["backup"])
