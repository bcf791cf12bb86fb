# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Image folders in the cache, named after what they are made from."""

from __future__ import annotations

import collections.abc
import contextlib
import fcntl
import hashlib
import json
import pathlib
import shutil

from lab.paths import CACHE_DIR


def digest(*parts: object) -> str:
    """Twelve hexadecimal digits that change when any part does; a path stands for the content of its files."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, pathlib.Path):
            files = sorted(path for path in part.rglob("*") if path.is_file() and path.suffix != ".pyc")
            for file in files if part.is_dir() else [part]:
                total.update(file.name.encode() + b"\0" + file.read_bytes())
        else:
            total.update(json.dumps(part).encode())
    return total.hexdigest()[:12]


@contextlib.contextmanager
def exclusive(name: str) -> collections.abc.Iterator[None]:
    """Let one lab at a time build into the cache."""
    CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with (CACHE_DIR / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cached(kind: str, key: str, build: collections.abc.Callable[[pathlib.Path], None]) -> pathlib.Path:
    """The folder ``<kind>-<key>`` of the cache, built first if it is not complete.

    It is built under another name and renamed at the end, so a crash never leaves half an image behind.
    """
    folder = CACHE_DIR / f"{kind}-{key}"
    with exclusive(kind):
        if not folder.exists():
            unfinished = CACHE_DIR / f"{kind}.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir()
            build(unfinished)
            unfinished.rename(folder)
    return folder
