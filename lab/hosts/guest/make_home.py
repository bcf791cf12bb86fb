# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside the image while it is built: fills the home of azureuser with everything a home can hold."""

from __future__ import annotations

import os
import pathlib
import sys

OWNER = 1000
LONG_AGO = 1_420_070_400  # 2015-01-01, so that a lost time stamp shows
SMALL_FILES = 300


def put(path: pathlib.Path, text: str, mode: int = 0o644) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def dotfiles(home: pathlib.Path) -> None:
    put(home / ".profile", '[ -n "$BASH_VERSION" ] && [ -f "$HOME/.bashrc" ] && . "$HOME/.bashrc"\n')
    put(home / ".bashrc", "export EDITOR=vi\nalias ll='ls -l'\n")
    put(home / ".bash_logout", "")
    put(home / ".bash_history", "ls\nmake\n", 0o600)
    put(home / ".gitconfig", "[user]\n\tname = Azure User\n\temail = azureuser@example.com\n")
    put(home / ".config/app/settings.json", '{"theme": "dark"}\n', 0o600)
    put(home / ".cache/app/blob", "cached\n" * 100)


def secure_shell(home: pathlib.Path) -> None:
    folder = home / ".ssh"
    folder.mkdir(mode=0o700)
    put(folder / "config", "Host *\n  ServerAliveInterval 60\n", 0o600)
    put(folder / "known_hosts", "", 0o600)
    put(folder / "authorized_keys", "", 0o600)


def links(home: pathlib.Path) -> None:
    original = put(home / "links/original", "one file, three names\n")
    os.link(original, home / "links/second name")
    put(home / "projects/app/README", "readme\n")
    os.link(original, home / "projects/app/third-name")
    (home / "links/relative").symlink_to("original")
    (home / "links/absolute").symlink_to("/etc/hostname")
    (home / "links/absolute-into-home").symlink_to(home / "links/original")
    (home / "links/dangling").symlink_to("no/such/target")
    (home / "links/folder").symlink_to("../projects")


def odd_names(home: pathlib.Path) -> None:
    folder = home / "odd names"
    for name in (
        "two  spaces",
        "new\nline",
        "grüße-日本語",
        "-leading-dash",
        "quote'\"quote",
        "back\\slash",
        "star*?",
        "tab\there",
        " leading and trailing ",
        "x" * 255,
    ):
        put(folder / name, f"{len(name)}\n")
    with open(os.fsencode(folder) + b"/not-utf8-\xff\xfe", "wb") as stream:
        stream.write(b"bytes\n")


def sparse(home: pathlib.Path) -> None:
    with (home / "sparse.img").open("wb") as stream:
        stream.write(b"start")
        stream.seek(8 << 20)
        stream.write(b"middle")
        stream.truncate(64 << 20)
    put(home / "empty", "")


def modes(home: pathlib.Path) -> None:
    put(home / "bin/tool", "#!/bin/sh\necho tool\n", 0o755)
    put(home / "private/secret", "secret\n", 0o400).parent.chmod(0o700)
    put(home / "group/shared", "shared\n", 0o664).parent.chmod(0o2775)
    put(home / "drop/note", "note\n", 0o666).parent.chmod(0o1777)
    (home / "empty folder").mkdir(mode=0o750)


def many(home: pathlib.Path) -> None:
    for number in range(SMALL_FILES):
        put(home / f"data/{number % 10:02}/file-{number:04}.txt", f"line of file {number}\n" * (number % 50 + 1))


def settle(home: pathlib.Path) -> None:
    """Owner and old times for everything, contents first, folders last."""
    for root, folders, files in os.walk(home, topdown=False):
        for name in (*files, *folders):
            path = os.path.join(root, name)
            os.chown(path, OWNER, OWNER, follow_symlinks=False)
            stamp = LONG_AGO + len(name) * 86_400
            os.utime(path, (stamp, stamp), follow_symlinks=False)
    os.chown(home, OWNER, OWNER)
    home.chmod(0o750)
    os.utime(home, (LONG_AGO, LONG_AGO))


def main() -> None:
    os.umask(0o022)
    home = pathlib.Path(sys.argv[1])
    home.mkdir()
    for part in (dotfiles, secure_shell, links, odd_names, sparse, modes, many, settle):
        part(home)


if __name__ == "__main__":
    main()
