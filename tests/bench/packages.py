# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks compare with, from package indexes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from ansible.release import __version__ as ANSIBLE_CORE

from lab.paths import REPOSITORY

CACHE = REPOSITORY / ".cache" / "bench"


def run(*argv: object) -> str:
    """The output of a command; what fails ends the benchmark, with its last words."""
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv[:6]))} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def have_collection(name: str, folder: Path) -> Path:
    """Take a collection out of the package `ansible`, the only one that a package index has it in.

    It is put into the tree ``collections`` of the folder, unless it is there. Returned is where it lies.
    """
    place = Path("ansible_collections", *name.split("."))
    if not (folder / "collections" / place / "MANIFEST.json").exists():
        # The release of the package that goes with each ansible-core is seven ahead of its minor version.
        release = int(ANSIBLE_CORE.split(".")[1]) - 7
        run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"ansible=={release}.*")
        (wheel,) = folder.glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.namelist() if member.startswith(f"{place.as_posix()}/")]
            archive.extractall(folder / "collections", members)
        wheel.unlink()
    return folder / "collections" / place
