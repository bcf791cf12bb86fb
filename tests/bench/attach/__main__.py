# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long attaching takes and what a host is asked for, beside a playbook of the usual kind: ``make bench-attach``.

Both work on the same guests of one lab, from the same snapshot, with shares of their own, in turns. Each case is the
median of several rounds: the first host of a share, which fills it; another host, which adopts it; a run that
finds nothing to do.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.packages import CACHE, have_collection
from tests.bench.report import OURS, Report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
ACCOUNT = "benchattach01"
TOOLS = {"ours": OURS, "usual": "usual playbook"}
CASES = {"fill an empty share": "worker-1", "adopt a filled share": "worker-2", "nothing to do": "worker-2"}
STORAGE = {
    "azlin_storage_name": ACCOUNT,
    "azlin_resource_group": "azlin-lab",
    "azlin_network": {"mode": "private_endpoint", "virtual_network": "lab-vnet", "subnet": "endpoints"},
}


class Bench:
    """The lab, and Ansible pointed at it."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.log = CACHE / "attach.log"
        self.environment = {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": f"{REPOSITORY / '.cache/collections'}:{CACHE / 'collections'}",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *argv: object) -> str:
        done = subprocess.run(
            [str(part) for part in argv],
            cwd=REPOSITORY,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n{done.stdout}\n")
        if done.returncode:
            sys.exit(f"{' '.join(map(str, argv[:6]))} failed; see {self.log}\n{done.stdout[-2000:]}")
        return done.stdout

    def lab(self, *arguments: str) -> str:
        return self.run(sys.executable, "-m", "lab", "--state-dir", self.state_dir, *arguments)

    def play(self, playbook: str, variables: dict, *options: str) -> str:
        ansible = Path(sys.executable).parent / "ansible-playbook"
        inventory = self.state_dir / "inventory.yml"
        return self.run(ansible, "-i", inventory, *options, "-e", json.dumps(variables), playbook)

    def up(self) -> None:
        self.lab("up", "--hosts", "2")
        self.environment.update(json.loads((self.state_dir / "env.json").read_text(encoding="utf-8")))

    def share(self, name: str) -> str:
        """Make a share and return its source."""
        self.play("azlin.storage.create", {**STORAGE, "azlin_share": name, "azlin_size": "100GiB"})
        return f"{ACCOUNT}.file.core.lab.test:/{ACCOUNT}/{name}"

    def attach(self, tool: str, host: str, source: str) -> dict:
        """One attachment: its wall time, the modules that ran on the host and the operations over SSH."""
        variables = {"host": host, "source": source}
        began = time.monotonic()
        shown = self.play(str(HERE / f"{tool}.yml"), variables, "-vvv")
        return {
            "seconds": time.monotonic() - began,
            "module_executions": len(re.findall(r"^Using module file ", shown, re.MULTILINE)),
            "ssh_operations": len(re.findall(r"^<[^>]+> SSH: EXEC ", shown, re.MULTILINE)),
        }


def measure(bench: Bench, rounds: int) -> dict:
    """The samples of every case and tool."""
    samples: dict = {(case, tool): [] for case in CASES for tool in TOOLS}
    for number in range(rounds):
        # Whoever begins meets a machine that is less warmed up.
        for tool in TOOLS if number % 2 == 0 else reversed(TOOLS):
            bench.lab("host", "reset", "worker-1", "worker-2")
            source = bench.share(f"{tool}{number}")
            for case, host in CASES.items():
                samples[case, tool].append(bench.attach(tool, host, source))
                print(f"{case}: {TOOLS[tool]}: {samples[case, tool][-1]['seconds']:.1f} s", flush=True)
    return samples


def tell(samples: dict) -> None:
    """Make the table and the file of the medians."""
    report = Report("attach")
    for (case, tool), measured in samples.items():
        report.add(case, TOOLS[tool], **{key: statistics.median(one[key] for one in measured) for key in measured[0]})
    report.print_table(("Medians, per host. Module executions are those of Ansible's and of collections' modules.",))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.attach", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=CACHE / "lab", help="folder of a lab with two hosts")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    have_collection("ansible.posix", CACHE)
    bench = Bench(arguments.state_dir.resolve())
    bench.log.unlink(missing_ok=True)
    try:
        bench.up()
        samples = measure(bench, arguments.rounds)
    finally:
        if not arguments.keep:
            bench.lab("down")
    tell(samples)
    return 0


if __name__ == "__main__":
    sys.exit(main())
