# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long copying files of the controller to a home takes, beside plain rsync and synchronize: ``make bench-sync``.

All go to one sshd of this machine, in turns, each time to an empty home and then once more with nothing to do.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import sshd
from tests.bench.packages import CACHE, have_collection
from tests.bench.report import OURS, Report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
PLAIN, POSIX = "rsync -a", "ansible.posix.synchronize"
SIZES = {"692 files, 37.6 MB": (692, 37_600_000), "50000 files, 30 MB": (50_000, 30_000_000)}


def fill(source: Path, number: int, size: int) -> None:
    """Files in folders of fifty, half of each text and half of it chance."""
    chance = random.Random(number)
    half = size // number // 2
    for index in range(number):
        folder = source / f"folder{index // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        text = (b"the quick brown fox jumps over the lazy dog\n" * (half // 44 + 1))[:half]
        (folder / f"file{index}").write_bytes(text + chance.randbytes(half))


class Bench:
    """An sshd, and the three ways to its home."""

    def __init__(self, box: sshd.Box) -> None:
        self.box = box
        self.log = CACHE / "sync.log"
        self.log.unlink(missing_ok=True)
        self.inventory = box.folder / "inventory.json"
        self.inventory.write_text(json.dumps({"all": {"hosts": {"box": box.inventory()}}}))

    def copy(self, tool: str, source: Path) -> float:
        """Seconds that a tool takes, its own start included."""
        if tool == PLAIN:
            variables = self.box.inventory()
            # rsync takes quotes away by itself, whatever a shell would do.
            key, arguments = variables["ansible_ssh_private_key_file"], variables["ansible_ssh_common_args"]
            shell = f"ssh -p {self.box.port} -i '{key}' {arguments}"
            target = f"{sshd.USER}@127.0.0.1:{self.box.home}/"
            argv = ["rsync", "-a", f"--rsh={shell}", f"{source}/", target]
        else:
            playbook, given = self.play(tool, source)
            ansible = str(Path(sys.executable).parent / "ansible-playbook")
            argv = [ansible, "-i", str(self.inventory), "-e", json.dumps(given), playbook]
        environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": f"{REPOSITORY / '.cache/collections'}:{CACHE / 'collections'}",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.box.folder / "cp"),
            "ANSIBLE_NOCOLOR": "1",
            # As README.md advises; this sshd has no sftp besides.
            "ANSIBLE_PIPELINING": "1",
            "LC_ALL": "C.UTF-8",
        }
        began = time.monotonic()
        done = subprocess.run(
            argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{tool}: {source.name}\n{done.stdout}{done.stderr}\n")
        if done.returncode:
            sys.exit(f"{tool} failed; see {self.log}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        return seconds

    def play(self, tool: str, source: Path) -> tuple[str, dict]:
        """The playbook of a tool and its variables; ours is the one that users start, with all that it looks at."""
        home = str(self.box.home)
        if tool == OURS:
            # Root of this sshd has a sudo that leads to the user; the user has none that leads to root.
            variables = {"ansible_user": "root", "azlin_hosts": "all", "azlin_user": sshd.USER, "azlin_home": home}
            return "azlin.storage.sync", {**variables, "azlin_sync_source": str(source)}
        return str(HERE / "posix.yml"), {"source": str(source), "home": home}

    def empty(self) -> None:
        subprocess.run(["find", str(self.box.home), "-mindepth", "1", "-delete"], check=True)

    def arrived(self) -> int:
        return sum(1 for path in self.box.home.rglob("file*") if path.is_file())


def measure(bench: Bench, sizes: dict, folder: Path, rounds: int) -> dict:
    """The samples of every case and tool."""
    samples: dict = {}
    for name, (number, size) in sizes.items():
        source = folder / name.replace(" ", "-")
        fill(source, number, size)
        for turn in range(rounds):
            tools = [OURS, PLAIN, POSIX]
            # Whoever begins meets a machine that is less warmed up.
            for tool in tools if turn % 2 == 0 else reversed(tools):
                bench.empty()
                for case in (name, f"{name}: nothing to do"):
                    seconds = bench.copy(tool, source)
                    if bench.arrived() != number:
                        sys.exit(f"{tool} copied {bench.arrived()} of {number} files")
                    samples.setdefault((case, tool), []).append(seconds)
                    print(f"{case}: {tool}: {seconds:.1f} s", flush=True)
    return samples


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sync", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, help="only one size, so many files of 600 bytes")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    have_collection("ansible.posix", CACHE)
    files = arguments.files
    sizes = {f"{files} files": (files, files * 600)} if files else SIZES
    with sshd.running() as box, tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        samples = measure(Bench(box), sizes, Path(folder), arguments.rounds)
    report = Report("sync")
    for (case, tool), seconds in samples.items():
        report.add(case, tool, statistics.median(seconds))
    report.print_table(
        (
            "Medians of wall time, the start of ansible-playbook included; plain rsync has none.",
            "Only ours searches the files for secrets, and shows none before all have arrived.",
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
