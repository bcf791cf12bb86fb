# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving a home onto a share, and putting back a mount that is missing.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    agreement,
    child,
    copier,
    exchange,
    holders,
    instance,
    keys,
    local_paths,
    merge,
    mountinfo,
    pool,
    preflight,
    records,
    rescue,
    seed,
    selinux,
    sidecar,
    squash,
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

    def start_guard(self):
        """Let sshd read keys on a share, which stays so: other homes may need it by the time of an undo."""
        if self.request.manage_selinux:
            selinux.let_in(self.host.selinux, self.home)
        super().start_guard()

    def mount(self):
        """Show the staged share at the home: takes an instant, and the mount flags are the stage's."""
        self.host.mounter.bind(self.stage, self.home)
        self.show_local()

    def persist(self):
        """Let the share be mounted at boot."""
        self.change_fstab(lambda text: preflight.wanted_fstab(text, self.request))

    def verify_share(self):
        """The right share is mounted, and the user can work in it."""
        mount = mountinfo.at(mountinfo.read(), self.home)
        if not self.host.mounter.ours(mount, self.request.source):
            raise AzlinError("verify_failed", f"{self.home} is not a mount of {self.request.source} afterwards.")
        # One that was made anew; that a server is silent shows next.
        with suppress(child.ChildFailed, child.ChildTimeout):
            squash.check_mounted(self.home, self.request.user, records.TIMEOUT)
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
            "client": self.request.client,
            "local_paths": list(self.request.local_paths),
            # By this a detach knows the record of what the share cannot hold.
            "saved": self.journal.facts.get("saved") or (self.journal.attachment or {}).get("saved"),
        }


class Persist(Mount):
    """Only lines in fstab were missing, or local parts of the home not shown."""

    action = "persist"

    @property
    def confirm_seconds(self):
        """The home itself does not change, so nobody can be locked out."""
        return 0

    @property
    def steps(self):
        """What is shown already stays in an undo."""
        return [Step("local", self.show_local), Step("persist", self.persist, self.restore_fstab)]


class Attach(Mount):
    """The whole move."""

    action = "attach"

    def __init__(self, host, request, journal, identifier, interrupts=None):
        super().__init__(host, request, journal, identifier, interrupts)
        self._lock = None
        self._keys = b""
        # What the last pass of the copy knows of the home.
        self._memory = None
        self._fence = None
        # Whether the share is left empty but for the keys.
        self._fresh = False
        self._merge = None
        self._vm_id = None

    @property
    def excluded(self):
        """What is not copied: the share's own names, and what stays local."""
        return (*seed.OURS, *self.request.local_paths)

    @property
    def spare(self):
        """Beside the home: first the rescue directory, after the exchange the old home."""
        return beside(self.home, "mountpoint")

    @property
    def places(self):
        """As in Operation."""
        return [self.home, self.spare, self.journal.facts["backup"] or self.home]

    @property
    def steps(self):
        """In the order of the design; the window in which the home is not usable is exchange to verify."""
        return [
            Step("guard", self.start_guard, self.stop_guard),
            Step("stage", self.stage_share, self.unstage),
            Step("seed", self.seed, self.abandon),
            Step("keys", self.add_keys),
            Step("prepare", self.prepare, self.unprepare),
            Step("quiesce", self.quiesce),
            Step("exchange", self.exchange, self.unexchange),
            Step("final", self.final),
            Step("local", self.take_local, self.return_local),
            Step("mount", self.mount, self.unmount_home),
            Step("verify", self.verify_share),
            Step("record", self.record, self.unrecord),
            Step("keep", self.keep, self.unkeep),
            Step("unstage", self.unstage),
            Step("persist", self.persist, self.restore_fstab),
        ]

    def facts(self):
        """The inode tells the old home from the rescue directory, whatever they are called when a run dies."""
        return dict(super().facts(), original=os.lstat(self.home).st_ino, backup=None, seeding=False)

    def seed(self):
        """Decide under the share's lock who fills it, and copy while the user goes on working."""
        self._vm_id = (instance.describe(self.host.metadata_url) or {}).get("vm_id")
        try:
            self.ids = squash.for_writing(self.stage, self.request.user)
            self._check_local()
            self._seed()
        except PermissionError as error:
            raise AzlinError(
                "access_denied",
                f"{self.request.source} refused something while it was prepared: {error}.",
                causes=[("the share squashes root, or did so before", "set its root_squash to NoRootSquash")],
            ) from error

    def _check_local(self):
        """At boot root mounts them, which cannot look into a home where it is nobody."""
        if self.request.local_paths and self.ids.squashed:
            raise AzlinError(
                "unsupported",
                f"{self.request.source} squashes root, so root could not mount the local paths in the home at boot.",
                causes=[("local_paths need root_squash: NoRootSquash", "set that, or attach without local_paths")],
            )

    def _seed(self):
        with self.ids():
            self._lock = seed.Lock(self.stage, self.request.user, cancelled=self.interrupted, waiting=self._waiting)
            agreement.check(self.stage, self.request.user)
            decision = seed.decide(self.stage, self.request.seed, self.journal.uncommitted_seeds)
        self.seeded = decision == seed.SEED
        self._fresh = decision == seed.FRESH
        if decision == seed.SEED:
            self._fill()
            return
        if decision == seed.MERGE:
            self._begin_merge()
        if self._fresh:
            # In an undo the keys stay on the share, and must not pass for a home.
            self.journal.note(seeding=True)
        with self.ids():
            if self._fresh:
                seed.mark_seeding(self.stage, self.request.user, self.identifier, fresh=True)
            else:
                seed.mark_adopted(self.stage, self.request.user)
            if os.lstat(self.stage).st_uid == 0:
                self._own_root()

    def _waiting(self, host):
        self.progress.phase(f"waiting for {host or 'another host'}, which has the share")

    def _fill(self):
        survey = self._survey()
        # What an earlier attempt copied already needs no room again.
        with self.ids():
            present = trees.survey(
                self.stage, exclude=seed.OURS, workers=copier.WORKERS, cancelled=self.threads_interrupted
            )
            size, names = max(0, survey.size - present.size), max(0, survey.names - present.names)
            preflight.check_space(self.stage, size, names, f"The copy of {self.home} on the share")
        self.journal.note(seeding=True)
        self._fence = seed.Fence(self.stage, self.identifier)
        with self.ids():
            foreign = seed.is_foreign(self.stage, self.journal.uncommitted_seeds)
            seed.mark_seeding(self.stage, self.request.user, self.identifier)
            if foreign:
                self._clear()
            self.begin_copy(survey)
            report = self._copy().run()
            # What changed during that long pass; so that less is left for the one in which the home is not usable.
            self.progress.phase("copying what has changed meanwhile")
            self._memory = self._copy(since=report.memory).run().memory
        self.files, self.bytes = report.files, report.bytes

    def _clear(self):
        """Remove what another host began to copy: size and time do not tell a file of its home from one of ours."""
        with tempfile.TemporaryDirectory(prefix="empty.", dir=self.host.run_dir) as empty:
            copier.Copier(empty, self.stage, **self._copy_options()).run()

    def _begin_merge(self):
        self._check_mergeable(self._survey())
        placed = merge.Placed(self._placed_path, self.request.source)
        self._merge = merge.Merge(
            self.stage,
            self.request.user,
            self.request.merge_conflicts,
            placed,
            self.request.local_paths,
            cancelled=self.interrupted,
        )
        with self.ids():
            plan = self._merge.plan(self.home)
            self._merge.check(plan)
            preflight.check_space(self.stage, plan.size, plan.names, f"The merge of {self.home} into the share")
            self._merge.run(self.home, plan)

    def _check_mergeable(self, survey):
        if survey.refusals and self.request.unsupported == "save":
            raise AzlinError(
                "unsupported",
                f"{self.home} holds {survey.refusals} things that NFS 4.1 on Azure cannot keep, and what a merge brings"
                f" is not put on record: {'; '.join(survey.refused[:10])}.",
                causes=[("unsupported is save", "set it to skip to lose them, or remove them")],
            )

    @property
    def _placed_path(self):
        return os.path.join(self.host.state_dir, f"{self.request.user.name}.merge")

    @property
    def merged(self):
        """What a merge did, None when there was none."""
        if self._merge is None:
            return None
        report = self._merge.report
        return {"same": report.same, "kept": report.kept, "replaced": report.replaced}

    def _survey(self):
        survey = preflight.survey_home(self.request)
        self.skipped = survey.skipped
        self.unsupported = survey.refused if self.request.unsupported == "skip" else []
        if self.ids.squashed:
            squash.check_home(self.home, self.request.user)
        return survey

    def _may_go_on(self):
        """Whether to stop; raises when another host took the share over."""
        self._fence()
        return self.threads_interrupted()

    def _copy(self, **options):
        return copier.Copier(self.home, self.stage, **self._copy_options(), **options)

    def _copy_options(self):
        return {
            "exclude": self.excluded,
            "cancelled": self._may_go_on,
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
        self._add_keys_of(self.home)

    def _add_keys_of(self, home):
        self._keys = keys.read(self.request.user, home)
        with self.ids():
            self.keys_added += keys.ensure(self.stage, self._keys, self.request.user)

    def prepare(self):
        """Make what the share will be mounted on; it lets in whom the home will let in."""
        rescue.retire(self.spare, self.home)
        wanted = keys.united(self._keys, self._keys_of_share())
        rescue.create(self.spare, self.request.source, self.home, wanted)
        self.relabel(self.spare)

    def _keys_of_share(self):
        # Keys that cannot be added to are not in the way of a home that has none. What was copied counts at the end.
        with suppress(AzlinError), self.ids():
            return b"" if self.seeded else keys.own(self.stage, self.request.user)
        return b""

    def unprepare(self):
        """Remove the rescue directory, which is beside the home again."""
        rescue.retire(self.spare, self.home)

    def quiesce(self):
        """Have nobody use the home while it is switched, and the stand-in have the keys that there are by then."""
        self.settle_holders(lambda: holders.of_directory(self.home, exempt=holders.ancestry()))
        present = keys.read(self.request.user, self.home)
        if present != self._keys:
            self._keys = present
            self.prepare()

    def final(self):
        """Copy what changed since, which no path leads to any more; then other hosts may have the share."""
        self.drain_holders(lambda: holders.of_directory(self.spare, exempt=holders.ancestry()))
        if self.seeded:
            with self.ids():
                copier.copy_until_same(self.spare, self.stage, since=self._memory, **self._copy_options())
            self._save_unsupported()
        elif self._merge is not None:
            with self.ids():
                self._merge.finish(self.spare)
            self.files, self.bytes = self._merge.report.files, self._merge.report.bytes
        # As they are now; what the share itself has stays there.
        self._add_keys_of(self.spare)
        if self.seeded or self._fresh:
            with self.ids():
                # Now, since what is made later counts as work on the share.
                self._make_mount_points()
                seed.mark_complete(self.stage, self.request.user, self.identifier, self._fresh)
        self.release_lock()

    def _save_unsupported(self):
        """Put on record what the share cannot hold, of the home as it is now that nothing changes any more."""
        if self.request.unsupported == "save":
            document = sidecar.collect(self.spare, self.request.local_paths)
            with self.ids():
                digest = sidecar.save(self.stage, seed.DIRECTORY, self.request.user.name, document)
            self.journal.note(saved=digest)

    def record(self):
        """Leave this host's record on the share."""
        with self.ids():
            records.write(self.stage, self.request.user, self.home, self._vm_id)
        self.host_record = "written"

    def unrecord(self):
        """Take the record away, if the share is still within reach: on the home, or where it was staged."""
        for path in (self.home, self.stage):
            if self.host.mounter.ours(mountinfo.at(mountinfo.read(), path), self.request.source):
                records.forget(path, self.request.user)
                return

    def _make_mount_points(self):
        root = trees.open_directory(self.stage)
        try:
            local_paths.make_mount_points(root, self.request.local_paths, self.request.user)
        finally:
            os.close(root)

    def take_local(self):
        """What stays local leaves the old home, which no path leads to any more."""
        if self.request.local_paths:
            local_paths.take(self.home, self.spare, self.request.local_paths, self.journal.note)

    def return_local(self):
        """Bring it back, with what was done there since."""
        if self._is_original(self.spare):
            facts = self.journal.facts
            local_paths.give_back(
                self.home,
                self.spare,
                self.request.local_paths,
                self.request.user,
                moved=facts["local_moved"],
                times=facts["local_times"],
            )
            local_paths.discard_store(self.home)

    def release_lock(self):
        """Let the next host look at the share."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def abandon(self):
        """Undo: what was copied is for the next attempt, unless somebody goes on with it by hand."""
        staged = mountinfo.at(mountinfo.read(), self.stage) is not None
        # What threads still write when the server is back is nobody's work.
        if self.journal.facts["seeding"] and staged and not pool.hang():
            user = self.request.user
            records.bounded(user, lambda: seed.abandon(self.stage, user, self.identifier))
        self.release_lock()

    def exchange(self):
        """Put the rescue directory in the place of the home, which exists throughout."""
        exchange.exchange(self.spare, self.home)
        # The policy may have something of its own for this name.
        self.relabel(self.home)

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
        self.holders = holders.of_directory(backup, exempt=holders.ancestry())

    def unkeep(self):
        """Bring the old home back beside."""
        backup = self.journal.facts["backup"]
        if backup is not None and self._is_original(backup):
            exchange.move(backup, self.spare)

    def _is_original(self, path):
        return os.path.lexists(path) and os.lstat(path).st_ino == self.journal.facts["original"]

    def undone(self):
        """The share was filled from a home that lives on, so another attach has to fill it again."""
        if self._merge is not None:
            self._merge.close()
        if self.journal.facts["seeding"]:
            self.journal.uncommitted_seeds.append(self.identifier)

    def commit(self):
        """From here on the home is attached."""
        self.journal.uncommitted_seeds = []
        self.journal.attachment = self.attachment(self.journal.facts["backup"])

    def finish(self):
        """What a merge put on the share is the share's from now on."""
        super().finish()
        if self._merge is not None:
            self._merge.close()
        merge.forget(self._placed_path)
