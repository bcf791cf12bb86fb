# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment of its own for azure.azcollection: the collection and the versions of libraries that it pins."""

from __future__ import annotations

import venv
from pathlib import Path

from tests.bench.packages import ANSIBLE_CORE, have_collection, run

# The releases of azure-cli-core that the collection pins have lost the function by which it reads the endpoints of any
# cloud that Microsoft does not run. This is that function, by means of the library's own reader of such a document.
MISSING = """

def get_cloud_from_metadata_endpoint(url):
    import requests
    answer = requests.get(f"{url.rstrip('/')}/metadata/endpoints?api-version=2019-05-01", timeout=60)
    answer.raise_for_status()
    return next(iter(_convert_arm_to_cli(answer.json()).values()))
"""


def have_peer(folder: Path) -> None:
    """Make the environment on first use, which takes minutes and 2 GB."""
    ready = folder / "ready"
    if ready.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    print(f"installing azure.azcollection with its libraries into {folder}", flush=True)
    collection = have_collection("azure.azcollection", folder)
    python = folder / "venv/bin/python"
    if not python.exists():
        venv.create(folder / "venv", with_pip=True)
    requirements = collection / "requirements.txt"
    run(python, "-m", "pip", "install", "--quiet", f"ansible-core=={ANSIBLE_CORE}", "-r", requirements)
    cloud = Path(run(python, "-c", "import azure.cli.core.cloud as c; print(c.__file__)").strip())
    text = cloud.read_text(encoding="utf-8")
    if "def get_cloud_from_metadata_endpoint" not in text:
        cloud.write_text(text + MISSING, encoding="utf-8")
    ready.touch()
