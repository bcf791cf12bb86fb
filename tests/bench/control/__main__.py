# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Azure and the controller are asked for, beside azure.azcollection: ``make bench-control``.

One task of this collection and the same result built task by task with the modules of azure.azcollection, in turns
against one local Resource Manager with the latencies of Azure, scaled; then a listing of many storages.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.arm.client import LabClient
from lab.arm.profiles import PROFILES, Profile
from lab.arm.seed import GROUP, LOCATION, seed
from tests.bench.control.peer import have_peer
from tests.bench.packages import CACHE
from tests.bench.report import OURS, Report

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[2]
PEER = "azure.azcollection"
CASES = {
    "create": {"state": "present", "size": "100"},
    "nothing to do": {"state": "present", "size": "100"},
    "grow the share": {"state": "present", "size": "200"},
    "delete": {"state": "absent", "size": "100"},
}
STORAGE_API = "2025-06-01"
# Times of what a new storage behind a private endpoint needs from Azure, each after the ones that it depends on.
DEPENDS = {
    "zone": (),
    "link": ("zone",),
    "account": (),
    "endpoint": ("account",),
    "zone_group": ("endpoint", "link"),
}


def critical_path(profile: Profile) -> float:
    """Seconds that a creation takes when nothing but the service takes time: a write and an operation each."""
    ends: dict[str, float] = {}
    for kind, needs in DEPENDS.items():
        ends[kind] = max((ends[need] for need in needs), default=0.0) + profile.write + profile.duration(kind)
    return max(ends.values())


@contextlib.contextmanager
def resource_manager():
    """A Resource Manager in a process of its own."""
    # In memory where that is possible: the disk of a busy machine is no part of what is measured.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        argv = [sys.executable, "-m", "lab.arm", "--state-dir", folder]
        server = subprocess.Popen(argv, cwd=REPOSITORY)
        try:
            while not (Path(folder) / "arm.json").exists():
                if server.poll() is not None:
                    sys.exit("the Resource Manager did not start")
                time.sleep(0.05)
            yield LabClient.from_state_dir(folder)
        finally:
            server.terminate()
            server.wait(30)


def environment_of(server: LabClient, *collections: Path) -> dict[str, str]:
    """What Ansible needs to work with collections against a Resource Manager."""
    environment = {
        **os.environ,
        **server.env(),
        "AZURE_DISABLE_INSTANCE_DISCOVERY": "true",
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(map(str, collections)),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }
    environment.pop("PYTHONPATH", None)
    return environment


class Bench:
    """Ansible of both tools pointed at one Resource Manager."""

    def __init__(self, server: LabClient) -> None:
        self.server = server
        self.log = CACHE / "control.log"
        self.log.unlink(missing_ok=True)
        peer = CACHE / "azcollection"
        self.tools = {
            OURS: ("ours.yml", Path(sys.executable).parent, REPOSITORY / ".cache/collections"),
            PEER: ("peer.yml", peer / "venv/bin", peer / "collections"),
        }

    def play(self, tool: str, variables: dict, playbook: str = "") -> dict:
        """Run a playbook; return its wall time and what it asked for."""
        own, binaries, collections = self.tools[tool]
        environment = environment_of(self.server, collections)
        variables = {"group": GROUP, "subscription": self.server.subscription_id, **variables}
        argv = [
            binaries / "ansible-playbook",
            "-i",
            "localhost,",
            "-e",
            json.dumps(variables),
            HERE / (playbook or own),
        ]
        self.server.clear_requests()
        began = time.monotonic()
        done = subprocess.run(
            [str(part) for part in argv],
            cwd=CACHE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{tool}: {variables}\n{done.stdout}\n")
        if done.returncode:
            sys.exit(f"{tool} failed; see {self.log}\n{done.stdout[-3000:]}")
        return {"seconds": seconds, **self.counted()}

    def counted(self) -> dict:
        """Requests to the Resource Manager since the log was cleared, and the time that they took together."""
        log = [entry for entry in self.server.requests() if entry["path"].startswith("/subscriptions/")]
        spans = [(datetime.datetime.fromisoformat(entry["time"][:26]).timestamp(), entry["duration"]) for entry in log]
        polls = [entry for entry in log if "operation" in entry["path"].lower()]
        return {
            "azure_seconds": round(max(map(sum, spans)) - min(spans)[0], 2),
            "requests": len(log),
            "writes": sum(entry["method"] not in ("GET", "HEAD") for entry in log),
            "polls": len(polls),
        }


def storages(bench: Bench, tools: list[str], scale: float, rounds: int) -> dict:
    """The samples of creating, doing nothing, changing and deleting."""
    samples: dict = {(case, tool): [] for case in CASES for tool in tools}
    for number in range(rounds):
        # Whoever begins meets a machine that is less warmed up.
        for tool in tools if number % 2 == 0 else reversed(tools):
            bench.server.reset()
            bench.server.profile("fast")
            seed(bench.server, [])
            bench.server.profile("azure", scale=scale)
            for case, variables in CASES.items():
                account = f"bench{'ours' if tool == OURS else 'peer'}{number:03}"
                samples[case, tool].append(bench.play(tool, {"account": account, **variables}))
                print(f"{case}: {tool}: {samples[case, tool][-1]['seconds']:.1f} s", flush=True)
    return samples


def make_storages(server: LabClient, number: int) -> None:
    """Accounts with a share each, and machines with homes on a fifth of them."""
    server.reset()
    server.profile("fast")
    machines = number // 5
    seed(server, [(f"worker-{index}", f"10.30.1.{index % 200 + 10}") for index in range(machines)])
    group = f"/subscriptions/{server.subscription_id}/resourceGroups/{GROUP}/providers"

    def make(index: int) -> None:
        account = f"{group}/Microsoft.Storage/storageAccounts/bench{index:05}"
        body = {"location": LOCATION, "kind": "FileStorage", "sku": {"name": "Premium_LRS"}, "properties": {}}
        server.request("PUT", account, {**body, "tags": {"managed-by": "azlin"}}, STORAGE_API)
        share = {"properties": {"enabledProtocols": "NFS", "shareQuota": 100}}
        server.request("PUT", f"{account}/fileServices/default/shares/home", share, STORAGE_API)
        if index < machines:
            scope = (
                f"{group}/Microsoft.Compute/virtualMachines/worker-{index}/providers/Microsoft.Resources/tags/default"
            )
            tags = {"azlin-home-azureuser": f"bench{index:05}/home:/home/azureuser"}
            server.request("PATCH", scope, {"operation": "Merge", "properties": {"tags": tags}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(number)))


def listings(bench: Bench, number: int, rounds: int) -> dict:
    """The samples of listing many storages at the full latency of a read."""
    make_storages(bench.server, number)
    bench.server.profile("azure")
    cases = {f"list {number}: one request each": False, f"list {number}: with lists of shares": True}
    samples: dict = {(case, OURS): [] for case in cases}
    for _round in range(rounds):
        for case, all_shares in cases.items():
            samples[case, OURS].append(bench.play(OURS, {"all_shares": all_shares, "expected": number}, "list.yml"))
            print(f"{case}: {samples[case, OURS][-1]['seconds']:.1f} s", flush=True)
    return samples


def import_seconds() -> str:
    """Processor time of importing our modules, and of the SDK's packages that each run needs."""
    code = (
        "import importlib, sys, time, ansible.module_utils.basic\n"
        "began = time.process_time()\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(time.process_time() - began)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / ".cache/collections")}

    def measure(*names: str) -> float:
        argv = [sys.executable, "-c", code, *names]
        done = [subprocess.run(argv, env=environment, capture_output=True, check=True) for _try in range(3)]
        return min(float(one.stdout) for one in done)

    modules = "ansible_collections.azlin.storage.plugins.modules"
    shown = [
        f"{name} {measure(f'{modules}.{name}'):.2f} s"
        for name in ("azlin_nfs_storage", "azlin_storage_info", "azlin_attachment")
    ]
    sdk = ("azure.identity", "azure.mgmt.storage", "azure.mgmt.network", "azure.mgmt.privatedns")
    sdk_seconds = measure(*sdk, "azure.mgmt.resource.resources")
    return f"Processor time of an import: {', '.join(shown)}; the SDK, once it is used: {sdk_seconds:.2f} s."


def tell(samples: dict, scale: float) -> None:
    """Make the table and the file of the medians."""
    report = Report("control")
    for (case, tool), measured in samples.items():
        report.add(case, tool, **{key: statistics.median(one[key] for one in measured) for key in measured[0]})
    shortest = critical_path(PROFILES["azure"].scaled(scale))
    notes = [
        f"Medians. Wall time of ansible-playbook, at {scale:g} of the times of Azure; listings at full latency.",
        "Azure seconds: from the first request to the Resource Manager to its last answer. Requests include polls.",
        "azure.azcollection leaves the file service as it is, having no module for it.",
        import_seconds(),
    ]
    if ("create", OURS) in samples:
        took = report.figures["create", OURS]["azure_seconds"]
        notes.append(
            f"The critical path of a creation is {shortest:.1f} s of Azure's own times; "
            f"from our first request to the last answer it took {took / shortest:.2f} times that."
        )
    report.print_table(tuple(notes))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.control", description=__doc__)
    parser.add_argument("--scale", type=float, default=0.1, help="factor for the times of Azure (default: 0.1)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accounts", type=int, default=250, help="storages to list, 0 for no listing")
    parser.add_argument("--only-ours", action="store_true", help="without azure.azcollection, which takes 2 GB")
    arguments = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    tools = [OURS]
    if not arguments.only_ours:
        have_peer(CACHE / "azcollection")
        tools.append(PEER)
    with resource_manager() as server:
        bench = Bench(server)
        samples = storages(bench, tools, arguments.scale, arguments.rounds)
        if arguments.accounts:
            samples.update(listings(bench, arguments.accounts, arguments.rounds))
    tell(samples, arguments.scale)
    return 0


if __name__ == "__main__":
    sys.exit(main())
