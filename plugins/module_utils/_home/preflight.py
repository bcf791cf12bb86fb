# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is checked before anything is touched; also the whole of check mode.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any

from ansible_collections.azlin.storage.plugins.module_utils._common.endpoints import parse_endpoint
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.mounts import (
    LOOPBACK,
    fstab_line,
    mounted_source,
)
from ansible_collections.azlin.storage.plugins.module_utils._home import (
    busy,
    encryption,
    fstab,
    holders,
    keys,
    local_paths,
    mounter,
    mountinfo,
    obstacles,
    rescue,
    seed,
    selinux,
    trees,
)

_MARGIN_BYTES = 64 << 20


@dataclass(frozen=True)
class Situation:
    """A home as found: the mount on it (or None), fstab's text and entries, and the journal's attachment.

    ``below`` are mounts in the home that are not its own local parts.
    """

    mounts: tuple
    mount: Any
    below: tuple
    fstab_text: str
    entries: tuple
    attachment: Any

    @property
    def source(self):
        """The share that the home is on: mounted, or recorded as attached; None for a local home."""
        recorded = self.attachment["source"] if self.attachment else None
        if self.mount is None:
            return recorded
        # A tunnel shows 127.0.0.1; where it leads is known from what was written down.
        known = [recorded, *(entry.source for entry in self.entries)]
        return next(
            (one for one in known if one and mounted_source(one, "aznfs") == self.mount.source), self.mount.source
        )

    def client(self, recorded):
        """The client of a mounted or recorded share; ``recorded`` is the attachment, or what stands for it."""
        if "client" in recorded:
            return recorded["client"]
        return "aznfs" if self.mount is not None and self.mount.source.startswith(f"{LOOPBACK}:") else "nfs"

    def hidden(self, request):
        """The wanted local parts that the mounted home does not show."""
        return local_paths.missing(self.mounts, request.home, request.local_paths)


def real_home(path):
    """A home's path as the mount table knows it: links above it resolved, the home itself not looked at."""
    directory, name = os.path.split(path.rstrip("/"))
    return os.path.join(os.path.realpath(directory), name)


def look(host, journal, home):
    """Return the :class:`Situation` of a home."""
    if journal.attachment is not None and journal.attachment["home"] != home:
        raise AzlinError(
            "journal_conflict",
            f"The home that is attached on this host is {journal.attachment['home']}, not {home}.",
            causes=[("home was given another value than at the attach", "use the same value, or detach that first")],
        )
    mounts = mountinfo.read()
    text = fstab.read(host.fstab)
    local = (journal.attachment or {}).get("local_paths", ())
    below = mountinfo.below(mounts, home)
    return Situation(
        mounts=tuple(mounts),
        mount=mountinfo.at(mounts, home),
        below=tuple(mount for mount in below if not local_paths.is_ours(mount, home, local)),
        fstab_text=text,
        entries=tuple(fstab.entries_for(text, home)),
        attachment=journal.attachment,
    )


def wanted_fstab(text, request):
    """What the text of fstab has to become for an attached home."""
    line = fstab_line(request.source, request.home, request.client, request.extra_options)
    text = fstab.with_entry(text, request.home, line)
    for point, bind in local_paths.fstab_lines(request.home, request.local_paths).items():
        text = fstab.with_entry(text, point, bind)
    return text


def check_attach(host, situation, request):
    """Fail unless the home can be attached to the source, or is already."""
    obstacles.refuse_automount(situation.mounts, request.home)
    _no_mounts_below(situation, request.home)
    _attached_alike(situation, request)
    if situation.mount is not None and not host.mounter.is_share(situation.mount):
        raise AzlinError(
            "in_use",
            f"{request.home} is a mount of {situation.mount.source} ({situation.mount.fstype}).",
            causes=[("something else mounts there", "unmount it and remove its line from fstab")],
        )
    ours = host.mounter.ours(situation.mount, request.source)
    if situation.source not in (None, request.source) and not ours:
        raise AzlinError(
            "in_use",
            f"{request.home} is on {situation.source} already, not on {request.source}.",
            causes=[("the home was attached to another share, or mounted by other means", "detach it first")],
            try_="ansible-playbook azlin.storage.detach",
        )
    if situation.mount is not None:
        if not ours:
            raise AzlinError(
                "in_use",
                f"{request.home} is mounted, but not with client {request.client}, or only a part of the share is.",
                causes=[("it was mounted by other means", "unmount it and remove its line from fstab")],
            )
        return
    check_switch(host, request)
    keys.require_file(request.user)
    if not request.manage_selinux:
        selinux.require(host.selinux, request.home)
    _plain_home(request, situation.attachment)
    _not_brought_back(host, situation, request)
    if situation.attachment is None:
        obstacles.refuse_kernel_users(situation.mounts, request.home, local=True)
        local_paths.check(request.home, request.local_paths)
        check_idle(request, lambda: holders.of_directory(request.home, exempt=holders.ancestry()))
    _no_foreign_entry(host, situation, request)
    _one_way_to_the_server(host, situation, request)
    host.mounter.probe(parse_endpoint(request.source).host)


def survey_home(request):
    """Return the Survey of a home that is to fill a share; fails for what may not be left behind."""
    survey = trees.survey(request.home, exclude=request.local_paths)
    # A probe can be left by a detach that was killed.
    names = [name for name in seed.OURS if name != seed.PROBE]
    taken = [name for name in names if os.path.lexists(os.path.join(request.home, name))]
    if taken:
        raise AzlinError(
            "unsupported",
            f"{request.home} holds names that a share uses itself: {', '.join(taken)}.",
            causes=[
                ("the home was a share, or the root of a file system", "remove them, or move them out of the home")
            ],
        )
    if survey.refusals and request.unsupported == "fail":
        raise AzlinError(
            "unsupported",
            f"{request.home} holds {survey.refusals} things that NFS 4.1 on Azure cannot keep:"
            f" {'; '.join(survey.refused[:10])}.",
            causes=[
                ("they would be lost on the share", "remove them, or move them out of the home"),
                ("they are of use on the local disk only", "set unsupported to save, or to skip to lose them"),
            ],
        )
    return survey


def check_detach(host, situation, request):
    """Fail unless the home can be detached."""
    obstacles.refuse_automount(situation.mounts, request.home)
    _no_mounts_below(situation, request.home)
    obstacles.refuse_kernel_users(situation.mounts, request.home, local=False)
    if request.source is not None and request.source != situation.source:
        raise AzlinError(
            "in_use",
            f"{request.home} is on {situation.source}, not on {request.source}.",
            causes=[("the home was attached to another share", "leave source out, or give the right one")],
        )
    if situation.mount is not None and not host.mounter.is_share(situation.mount):
        raise AzlinError(
            "in_use",
            f"{request.home} is a mount of {situation.mount.source} ({situation.mount.fstype}), not an NFS share.",
            causes=[("something else mounts there", "unmount it by its own means")],
        )
    check_switch(host, request)
    _not_brought_back(host, situation, request)
    if situation.mount is not None:
        device = situation.mount.device_number
        check_idle(
            request,
            lambda: holders.find(device, exempt=holders.ancestry()),
            dead_server=lambda: mounter.is_silent(request.home),
        )
    if request.copy_back == "full":
        host.mounter.probe(parse_endpoint(situation.source).host)
        return
    backup = (situation.attachment or {}).get("backup")
    if not backup or not os.path.isdir(backup):
        raise AzlinError(
            "not_found",
            f"There is no local copy of {request.home} from before it was attached ({backup or 'none recorded'}).",
            causes=[("the copy was removed, or the home was created on the share", "detach with copy_back: full")],
        )


def refuse_orphaned(home):
    """Fail for a local directory that only stands in for a share, of which nothing here is known any more."""
    if rescue.is_rescue(home):
        raise AzlinError(
            "journal_conflict",
            f"{home} is the stand-in of a share that is not mounted, but the journal that says which is missing.",
            causes=[("/var/lib/azlin was removed", "restore it, or mount the share by hand and copy the home off it")],
        )


def check_switch(host, request):
    """Fail when what a switch of the home needs of the host is missing."""
    if request.confirm_timeout and not host.has_systemd:
        raise AzlinError(
            "unsupported",
            f"confirm_timeout is {request.confirm_timeout} s, and this host does not run systemd, which would put the"
            " home back.",
            causes=[("another init system runs the host", "set confirm_timeout to 0 to go without")],
        )
    selinux.require_labelling(host.selinux)


def check_idle(request, find, dead_server=lambda: False):
    """Fail early, also in check mode, when the policy for programs that use the home is to fail."""
    if request.busy == "fail":
        busy.settle(find, request.home, "fail", 0, dead_server=dead_server)


def check_space(path, size, names, what):
    """Fail unless a file system has room for ``size`` bytes and ``names`` files."""
    status = os.statvfs(path)
    free = status.f_bavail * status.f_frsize
    needed = size + _MARGIN_BYTES
    # Some servers and file systems do not count inodes and say 0 of 0.
    inodes_short = status.f_files and status.f_favail < names
    if needed > free or inodes_short:
        raise AzlinError(
            "no_space",
            f"{what} needs {needed} bytes and {names} names, and there is room for {free} bytes"
            f" and {status.f_favail} names.",
            causes=[("the file system is too small or too full", "enlarge it, or remove files of the home first")],
        )


def _attached_alike(situation, request):
    """An attached home is changed by detaching it: what is local cannot be told from what is on the share later."""
    if situation.attachment is None:
        return
    wanted = {"client": request.client, "local_paths": sorted(request.local_paths)}
    present = {
        "client": situation.client(situation.attachment),
        "local_paths": sorted(situation.attachment.get("local_paths", ())),
    }
    for option, value in wanted.items():
        if value != present[option]:
            raise AzlinError(
                "in_use",
                f"{request.home} is attached with {option} {_shown(present[option])}, not {_shown(value)}.",
                causes=[(f"{option} was given another value than at the attach", "detach the home, then attach it")],
                try_="ansible-playbook azlin.storage.detach",
            )


def _shown(value):
    return value if isinstance(value, str) else f"[{', '.join(value)}]"


def _one_way_to_the_server(host, situation, request):
    name = parse_endpoint(request.source).host
    uses = encryption.uses(situation.mounts, situation.fstab_text, name.partition(".")[2])
    encryption.refuse_mixing(uses, request.source, request.home, request.client, host.mounter.addresses)


def _no_mounts_below(situation, home):
    if situation.below:
        paths = ", ".join(mount.path for mount in situation.below)
        raise AzlinError(
            "unsupported",
            f"Other file systems are mounted below {home}: {paths}.",
            causes=[("they would be covered or left behind", "unmount them first, and mount them outside the home")],
        )


def _plain_home(request, attachment):
    try:
        status = os.lstat(request.home)
    except FileNotFoundError as error:
        raise AzlinError(
            "not_found",
            f"{request.home}, the home of {request.user.name}, does not exist.",
            causes=[("the user was created without a home", "create it with mkhomedir_helper or at a first login")],
        ) from error
    except OSError as error:
        raise AzlinError(
            "unsupported",
            f"{request.home} cannot be looked at: {error.strerror}.",
            causes=[("links above it lead in a circle, or something above it is a file", "give the real path as home")],
        ) from error
    if not stat.S_ISDIR(status.st_mode):
        raise AzlinError(
            "unsupported",
            f"{request.home} is not a directory of its own.",
            causes=[("it is a symbolic link", "give the real path as home and in the user database")],
        )
    if attachment is None:
        refuse_orphaned(request.home)
    # What a home leaves behind while its share is mounted there belongs to root.
    if attachment is None and status.st_uid != request.user.uid:
        raise AzlinError(
            "uid_mismatch",
            f"{request.home} belongs to uid {status.st_uid}, and {request.user.name} is uid {request.user.uid}.",
            causes=[("the user was created again with another uid", "give the files to the user, or the user its uid")],
        )
    if os.stat(os.path.dirname(request.home)).st_dev != status.st_dev:
        raise AzlinError(
            "unsupported",
            f"{request.home} is on another file system than the directory above it.",
            causes=[("it is a subvolume or a mount", "mount that at the directory above")],
        )


def _not_brought_back(host, situation, request):
    """Fail for a recorded home in whose place lies a local one. With its line in fstab a boot would cover that, too."""
    if situation.mount is not None or situation.attachment is None or situation.entries:
        return
    if rescue.is_rescue(request.home) or not os.path.isdir(request.home) or not os.listdir(request.home):
        return
    raise AzlinError(
        "in_use",
        f"{request.home} is recorded as attached, but holds a local home, which would have to make way.",
        causes=[
            (
                "somebody brought the local copy back by hand",
                f"remove {os.path.join(host.state_dir, request.user.name)}.json, which makes the home a local one",
            )
        ],
    )


def _no_foreign_entry(host, situation, request):
    for entry in situation.entries:
        if entry.source != request.source:
            raise AzlinError(
                "in_use",
                f"{host.fstab} mounts {entry.source} at {request.home} already.",
                causes=[("an older or foreign entry", "remove that line, then run again")],
            )
