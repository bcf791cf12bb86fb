# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The identity of one lab: tenant, subscription, service principal, control key. Random, kept in a private file."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import secrets
import uuid


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who the cloud is and who may use it."""

    tenant: str
    subscription_id: str
    client_id: str
    secret: str
    lab_key: str
    token_key: str


def create() -> Identity:
    """A new random identity."""
    return Identity(
        tenant=str(uuid.uuid4()),
        subscription_id=str(uuid.uuid4()),
        client_id=str(uuid.uuid4()),
        secret=secrets.token_urlsafe(30),
        lab_key=secrets.token_urlsafe(30),
        token_key=secrets.token_urlsafe(30),
    )


def load_or_create(path: pathlib.Path) -> Identity:
    """The identity in a file, made at the first call."""
    if path.exists():
        return Identity(**json.loads(path.read_text(encoding="utf-8")))
    identity = create()
    write_private(path, json.dumps(dataclasses.asdict(identity)))
    return identity


def write_private(path: pathlib.Path, text: str) -> None:
    """Write a file that only its owner can read."""
    temporary = path.with_name(path.name + ".tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)
