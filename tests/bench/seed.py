# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to copy a home to a share and back, beside the tools that people use: ``make bench-seed``.

On a guest of a lab of its own, over real NFS 4.1 with latency added on the guest's side (netem delays what it sends,
so a round trip takes that much longer). Each copy starts with empty caches on both sides and ends when everything is
on the server (or on the disk, on the way back).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tarfile

from lab.arm.client import LabClient
from lab.nfs import volumes
from lab.paths import REPOSITORY, LabPaths
from tests.bench.report import OURS, Report

ACCOUNT, SHARE = "benchseed01", "home"
SOURCE = f"{ACCOUNT}.file.core.lab.test:/{ACCOUNT}/{SHARE}"
HOST = "worker-1"
CODE = "/opt/azlin-bench"
MOUNT = "/mnt/bench"
BACK = "/home/back"
JOBS = 16
TOOLS = {
    "ours": OURS,
    "rsync": "rsync -aHS --numeric-ids",
    "cp": "cp -a",
    "rsyncs": f"{JOBS} rsyncs by directory",
    "fpsync": f"fpsync -n {JOBS}",
}
# For one file they are one rsync.
NOT_FOR_ONE_FILE = ("rsyncs", "fpsync")


class Bench:
    """One lab with one guest and one share."""

    def __init__(self, state_dir: pathlib.Path, report: Report, patience: float) -> None:
        self.paths = LabPaths.of(state_dir)
        self.report = report
        self.patience = patience
        self.number = 0

    def lab(self, *arguments: str) -> None:
        argv = [sys.executable, "-m", "lab", "--state-dir", str(self.paths.state), *arguments]
        subprocess.run(argv, cwd=REPOSITORY, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def on(self, *command: str, data: bytes | None = None) -> str:
        """The output of a command as root on the guest."""
        argv = [sys.executable, "-m", "lab", "--state-dir", str(self.paths.state), "ssh", HOST, "--", "sudo", *command]
        done = subprocess.run(argv, cwd=REPOSITORY, input=data or b"", stdout=subprocess.PIPE, check=False)
        if done.returncode:
            raise SystemExit(f"exit status {done.returncode} of: {' '.join(command)}")
        return done.stdout.decode()

    def start(self) -> None:
        """Bring the guest up with a share to mount and the product's code."""
        self.lab("up", "--hosts", "1")
        azure = LabClient.from_state_dir(self.paths.state)
        group = f"/subscriptions/{azure.subscription_id}/resourceGroups/azlin-lab/providers"
        subnet = f"{group}/Microsoft.Network/virtualNetworks/lab-vnet/subnets/hosts"
        account = f"{group}/Microsoft.Storage/storageAccounts/{ACCOUNT}"
        endpoint = {"addressPrefix": "10.30.1.0/24", "serviceEndpoints": [{"service": "Microsoft.Storage"}]}
        azure.request("PUT", subnet, {"properties": endpoint}, "2024-05-01")
        rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"id": subnet}]}
        properties = {"supportsHttpsTrafficOnly": False, "networkAcls": rules}
        sku = {"location": "westus2", "kind": "FileStorage", "sku": {"name": "Premium_LRS"}}
        azure.request("PUT", account, {**sku, "properties": properties}, "2025-06-01")
        share = {"shareQuota": 100, "enabledProtocols": "NFS", "rootSquash": "NoRootSquash"}
        azure.request("PUT", f"{account}/fileServices/default/shares/{SHARE}", {"properties": share}, "2025-06-01")
        self.on("mkdir", "-p", CODE, MOUNT)
        self.on("tar", "x", "-C", CODE, data=product())

    def install_fpsync(self) -> bool:
        """Put Debian's fpart on the guest, which cannot reach a mirror; False where this machine cannot either."""
        cache = REPOSITORY / ".cache" / "bench"
        cache.mkdir(parents=True, exist_ok=True)
        if not list(cache.glob("fpart_*.deb")):
            subprocess.run(["apt-get", "download", "fpart"], cwd=cache, check=False, capture_output=True)
        packages = list(cache.glob("fpart_*.deb"))
        if packages:
            self.on("dd", "of=/tmp/fpart.deb", "status=none", data=packages[0].read_bytes())
            # What it depends on is a mailer, for a report that nobody asks for; dpkg warns of that at length.
            self.on("sh", "-c", "dpkg --install --force-depends /tmp/fpart.deb 2>&1")
        return bool(packages)

    def latency(self, milliseconds: int) -> None:
        """Delay what the guest sends."""
        self.on("modprobe", "sch_netem")
        delay = ("netem", "delay", f"{milliseconds}ms", "limit", "100000")
        self.on("tc", "qdisc", "replace", "dev", "eth0", "root", *delay)

    def script(self, *arguments: str) -> str:
        return self.on("env", f"PYTHONPATH={CODE}", "python3", f"{CODE}/guest_seed.py", *arguments)

    def measure(self, case: str, tool: str, source: str, target: str) -> dict:
        """Time one copy with everything freshly mounted, and note it."""
        limit = self.patience * self.report.seconds.get((case, OURS), 0)
        self.on("umount", "--quiet", "--all-targets", "--recursive", MOUNT) if self.number else None
        self.number += 1
        self.on("mount", "-t", "nfs", "-o", "vers=4,minorversion=1,sec=sys,nconnect=4,noresvport", SOURCE, MOUNT)
        answer = self.script("measure", tool, source, target, str(JOBS), str(limit))
        done = json.loads(answer.splitlines()[-1])
        if not done["ended"]:
            self.expect_same(source, target, tool)
        self.report.add(case, TOOLS[tool], done["seconds"], ended=done["ended"])
        return done

    def on_server(self, path: str) -> pathlib.Path:
        """Where the server keeps what the guest sees on the share."""
        return volumes.mount_of(self.paths, ACCOUNT, SHARE) / pathlib.PurePath(path).relative_to(MOUNT)

    def seed(self, case: str, tool: str, home: str) -> tuple[str, dict]:
        """One copy to the share: its name there, which no other copy had, and what was measured."""
        # The server keeps for a while what was behind a name that is removed here behind its back.
        target = f"{MOUNT}/{tool}-{self.number}"
        return target, self.measure(case, tool, home, target)

    def back(self, case: str, tool: str, copy: str) -> None:
        """One copy of what ``seed`` left on the share, to the disk."""
        self.measure(case, tool, copy, BACK)
        self.on("rm", "-rf", BACK)

    def remove(self, path: str) -> None:
        """Remove what is on the share, where that is fast."""
        subprocess.run(["rm", "-rf", str(self.on_server(path))], check=True)

    def names(self, path: str) -> int:
        """How many names there are below a directory of the guest; those of the share are counted on the server."""
        if path.startswith(MOUNT):
            return sum(1 for _path in self.on_server(path).rglob("*"))
        return self.on("find", path, "-mindepth", "1", "-printf", "x").count("x")

    def expect_same(self, source: str, target: str, tool: str) -> None:
        """A copy that is not whole is no measurement."""
        wanted, found = self.names(source), self.names(target)
        if wanted != found:
            raise SystemExit(f"{tool} copied {found} of {wanted} names")


def product() -> bytes:
    """What the guest needs, as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for part in ("_common", "_home"):
            folder = f"plugins/module_utils/{part}"
            archive.add(REPOSITORY / folder, f"ansible_collections/azlin/storage/{folder}")
        archive.add(pathlib.Path(__file__).with_name("guest_seed.py"), "guest_seed.py")
    return buffer.getvalue()


def there_and_back(bench: Bench, what: str, home: str, latencies: list[int], tools: list[str]) -> None:
    """A home with all tools, to the share and from it."""
    for milliseconds in latencies:
        bench.latency(milliseconds)
        copies = [bench.seed(f"{what} to the share, {milliseconds} ms", tool, home)[0] for tool in tools]
        for tool in tools:
            bench.back(f"{what} from the share, {milliseconds} ms", tool, copies[0])
        for copy in copies:
            bench.remove(copy)
    bench.on("rm", "-rf", home)


def whole_home(bench: Bench, files: int, milliseconds: int) -> str:
    """Ours alone with a whole home; returns what there is to say about it."""
    home = "/home/whole"
    bench.script("home", home, str(files))
    bench.latency(milliseconds)
    _copy, done = bench.seed(f"{files} files to the share, {milliseconds} ms, alone", "ours", home)
    bench.on("rm", "-rf", home)
    return (
        f"{files} files, {milliseconds} ms: {done['files'] / done['seconds']:.0f} files/s,"
        f" memory at most {done['peak_mib']:.0f} MiB; a second pass with nothing changed takes {done['again']:.1f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.seed", description=__doc__)
    parser.add_argument("--state-dir", type=pathlib.Path, default=REPOSITORY / ".cache" / "bench" / "lab")
    parser.add_argument("--files", type=int, default=2000, help="files that every tool copies, 0 for none")
    parser.add_argument(
        "--whole", type=int, default=50_000, help="files that only ours copies, with the largest latency; 0 for none"
    )
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large file, 0 for none")
    parser.add_argument("--latency", type=int, nargs="+", default=[1, 5], help="milliseconds")
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS))
    parser.add_argument(
        "--patience",
        type=float,
        default=12,
        help="end a tool that takes so many times as long as ours, when ours comes first; 0 lets all finish",
    )
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    options = parser.parse_args()
    report = Report("seed")
    bench = Bench(options.state_dir, report, options.patience)
    tools, notes = options.tools, []
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(bench.lab, "down")
        bench.start()
        if "fpsync" in tools and not bench.install_fpsync():
            tools.remove("fpsync")
            notes.append("fpsync was not measured: Debian's package fpart could not be downloaded.")
        if options.files:
            bench.script("home", "/home/small", str(options.files))
            there_and_back(bench, f"{options.files} files", "/home/small", options.latency, tools)
        if options.large:
            bench.script("large", "/home/large", str(options.large))
            for_one = [tool for tool in tools if tool not in NOT_FOR_ONE_FILE]
            there_and_back(bench, f"{options.large} MiB", "/home/large", options.latency, for_one)
        if options.whole:
            notes.append(whole_home(bench, options.whole, max(options.latency)))
    report.print_table(tuple(notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
