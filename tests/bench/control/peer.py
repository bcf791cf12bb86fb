# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment of its own for azure.azcollection: the collection and the versions of libraries that it pins."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

COLLECTION = Path("ansible_collections", "azure", "azcollection")
# The releases of azure-cli-core that the collection pins have lost the function by which it reads the endpoints of any
# cloud that Microsoft does not run. This is that function, by means of the library's own reader of such a document.
MISSING = """

def get_cloud_from_metadata_endpoint(url):
    import requests
    answer = requests.get(f"{url.rstrip('/')}/metadata/endpoints?api-version=2019-05-01", timeout=60)
    answer.raise_for_status()
    return next(iter(_convert_arm_to_cli(answer.json()).values()))
"""


def run(*argv: object) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, argv[:6]))} failed:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return done.stdout


def have_peer(folder: Path) -> None:
    """Make the environment on first use, which takes minutes and 2 GB."""
    ready = folder / "ready"
    if ready.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"installing azure.azcollection with its libraries into {folder}", flush=True)
    have_collection(folder)
    python = folder / "venv/bin/python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
    requirements = folder / "collections" / COLLECTION / "requirements.txt"
    core = run(sys.executable, "-c", "import ansible.release as r; print(r.__version__)").strip()
    run(python, "-m", "pip", "install", "--quiet", f"ansible-core=={core}", "-r", requirements)
    cloud = Path(run(python, "-c", "import azure.cli.core.cloud as c; print(c.__file__)").strip())
    text = cloud.read_text(encoding="utf-8")
    if "def get_cloud_from_metadata_endpoint" not in text:
        cloud.write_text(text + MISSING, encoding="utf-8")
    ready.touch()


def have_collection(folder: Path) -> None:
    """Take the collection out of the package `ansible`, the only one that a package index has it in."""
    if (folder / "collections" / COLLECTION / "MANIFEST.json").exists():
        return
    # The release of the package that goes with each ansible-core is seven ahead of its minor version.
    release = int(run(sys.executable, "-c", "import ansible.release as r; print(r.__version__)").split(".")[1]) - 7
    run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, f"ansible=={release}.*")
    (wheel,) = folder.glob("ansible-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        wanted = [name for name in archive.namelist() if name.startswith(f"{COLLECTION.as_posix()}/")]
        archive.extractall(folder / "collections", wanted)
    wheel.unlink()
