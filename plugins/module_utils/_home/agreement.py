# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numeric ids: NFS with sec=sys knows no names, so a user has to be the same numbers on every host of a share.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import grp
import os
from dataclasses import dataclass

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._home import folder, records, seed


@dataclass(frozen=True)
class _Claim:
    """What something on the share says the user's ids are; ``gid`` is None where it says nothing about it."""

    who: str
    uid: int
    gid: int | None
    source: str


def check(share, user):
    """Fail unless the ids of a user agree with all that a share tells: its root, its marker, other hosts' records.

    :raises AzlinError: ``uid_mismatch`` with all numbers and the commands that mend it.
    """
    claims = [claim for claim in _claims(share, user) if claim.uid != user.uid or claim.gid not in (None, user.gid)]
    if not claims:
        return
    said = "; ".join(f"{claim.who} {_ids(claim.uid, claim.gid)}" for claim in claims)
    raise AzlinError(
        "uid_mismatch",
        f"{user.name} is {_ids(user.uid, user.gid)} on this host, and on the share: {said}.",
        causes=[
            (
                "the user was created with other numbers on this host",
                "give it the same while it is not logged in: " + _commands(user, claims[0]),
            ),
            *(
                (f"{claim.who.partition(' has')[0]} is no more", f"remove {claim.source} on the share")
                for claim in claims
                if claim.source
            ),
        ],
    )


def _claims(share, user):
    root = os.lstat(share)
    if root.st_uid != 0:
        yield _Claim("its root belongs to", root.st_uid, None, "")
    marker = seed.read_marker(share)
    if marker is not None and marker["uid"] is not None:
        yield _Claim(f"{marker['host']}, which filled it, has {marker['user']} as", marker["uid"], marker["gid"], "")
    for name, record in records.named(share):
        if record["user"] == user.name and name != records.name_of(user):
            place = f"{folder.DIRECTORY}/{records.DIRECTORY}/{name}"
            yield _Claim(f"{record['host']} has {user.name} as", record["uid"], record["gid"], place)


def _ids(uid, gid):
    return f"uid {uid}" if gid is None else f"uid {uid} and gid {gid}"


def _commands(user, claim):
    wanted = []
    if claim.gid not in (None, user.gid):
        wanted += _group_commands(user, claim.gid)
    if claim.uid != user.uid:
        wanted.append(f"usermod --uid {claim.uid} {user.name}")
    wanted.append(f"chown --recursive --no-dereference {user.name}: {user.home}")
    return "; ".join(wanted)


def _group_commands(user, gid):
    """A group that others are in as well, such as "users", keeps its number."""
    if _group_name(gid) is not None:
        return [f"usermod --gid {gid} {user.name}"]
    if _group_name(user.gid) == user.name:
        return [f"groupmod --gid {gid} {user.name}"]
    return [f"groupadd --gid {gid} {user.name}", f"usermod --gid {gid} {user.name}"]


def _group_name(gid):
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return None
