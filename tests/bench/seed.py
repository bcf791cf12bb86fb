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

    def __init__(self, state_dir: pathlib.Path) -> None:
        self.paths = LabPaths.of(state_dir)
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
            # What it depends on is a mailer, for a report that nobody asks for.
            self.on("dpkg", "--install", "--force-depends", "/tmp/fpart.deb")
        return bool(packages)

    def latency(self, milliseconds: int) -> None:
        """Delay what the guest sends."""
        self.on("modprobe", "sch_netem")
        delay = ("netem", "delay", f"{milliseconds}ms", "limit", "100000")
        self.on("tc", "qdisc", "replace", "dev", "eth0", "root", *delay)

    def script(self, *arguments: str) -> str:
        return self.on("env", f"PYTHONPATH={CODE}", "python3", f"{CODE}/guest_seed.py", *arguments)

    def measure(self, tool: str, source: str, target: str) -> dict:
        """Time one copy with everything freshly mounted."""
        self.on("umount", "--quiet", "--all-targets", "--recursive", MOUNT) if self.number else None
        self.number += 1
        self.on("mount", "-t", "nfs", "-o", "vers=4,minorversion=1,sec=sys,nconnect=4,noresvport", SOURCE, MOUNT)
        return json.loads(self.script("measure", tool, source, target, str(JOBS)).splitlines()[-1])

    def on_server(self, name: str) -> pathlib.Path:
        """Where the server keeps a directory of the share."""
        return volumes.mount_of(self.paths, ACCOUNT, SHARE) / name

    def seed(self, report: Report, case: str, tool: str, home: str, keep: bool = False) -> dict:
        """One copy to the share."""
        target = f"{tool}-{self.number}"
        done = self.measure(tool, home, f"{MOUNT}/{target}")
        self.expect_same(home, names_below(self.on_server(target)), tool)
        report.add(case, TOOLS[tool], done["seconds"])
        if keep:
            self.on_server(target).rename(self.on_server("kept"))
        else:
            subprocess.run(["rm", "-rf", str(self.on_server(target))], check=True)
        return done

    def back(self, report: Report, case: str, tool: str, home: str) -> None:
        """One copy of what ``seed(..., keep=True)`` left, to the disk."""
        done = self.measure(tool, f"{MOUNT}/kept", "/home/back")
        self.expect_same(home, int(self.on("find", "/home/back", "-printf", "x").count("x")) - 1, tool)
        report.add(case, TOOLS[tool], done["seconds"])
        self.on("rm", "-rf", "/home/back")

    def expect_same(self, home: str, found: int, tool: str) -> None:
        """A copy that is not whole is no measurement."""
        names = self.on("find", home, "-printf", "x").count("x") - 1
        if names != found:
            raise SystemExit(f"{tool} copied {found} of {names} names")


def names_below(path: pathlib.Path) -> int:
    """How many names there are below a directory."""
    return sum(1 for _path in path.rglob("*"))


def product() -> bytes:
    """What the guest needs, as an archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for part in ("_common", "_home"):
            folder = f"plugins/module_utils/{part}"
            archive.add(REPOSITORY / folder, f"ansible_collections/azlin/storage/{folder}")
        archive.add(pathlib.Path(__file__).with_name("guest_seed.py"), "guest_seed.py")
    return buffer.getvalue()


def small_files(bench: Bench, report: Report, options: argparse.Namespace, tools: list[str]) -> None:
    """All tools with as many files as the slowest of them can copy in reasonable time, there and back."""
    home = "/home/small"
    bench.script("home", home, str(options.files))
    for milliseconds in options.latency:
        bench.latency(milliseconds)
        for tool in tools:
            bench.seed(report, f"{options.files} files to the share, {milliseconds} ms", tool, home, tool == tools[0])
        for tool in tools:
            bench.back(report, f"{options.files} files from the share, {milliseconds} ms", tool, home)
        subprocess.run(["rm", "-rf", str(bench.on_server("kept"))], check=True)
    bench.on("rm", "-rf", home)


def large_file(bench: Bench, report: Report, options: argparse.Namespace, tools: list[str]) -> None:
    """One large file, there and back."""
    home = "/home/large"
    bench.script("large", home, str(options.large))
    for milliseconds in options.latency:
        bench.latency(milliseconds)
        chosen = [tool for tool in tools if tool not in NOT_FOR_ONE_FILE]
        for tool in chosen:
            bench.seed(report, f"{options.large} MiB to the share, {milliseconds} ms", tool, home, tool == chosen[0])
        for tool in chosen:
            bench.back(report, f"{options.large} MiB from the share, {milliseconds} ms", tool, home)
        subprocess.run(["rm", "-rf", str(bench.on_server("kept"))], check=True)
    bench.on("rm", "-rf", home)


def whole_home(bench: Bench, report: Report, options: argparse.Namespace) -> str:
    """Ours with a whole home and the largest latency; returns what there is to say about it."""
    home = "/home/whole"
    milliseconds = max(options.latency)
    bench.script("home", home, str(options.whole))
    bench.latency(milliseconds)
    done = bench.seed(report, f"{options.whole} files to the share, {milliseconds} ms", "ours", home)
    bench.on("rm", "-rf", home)
    return (
        f"{options.whole} files, {milliseconds} ms: {done['files'] / done['seconds']:.0f} files/s,"
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
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    options = parser.parse_args()
    report, bench = Report("seed"), Bench(options.state_dir)
    notes = []
    with contextlib.ExitStack() as stack:
        if not options.keep:
            stack.callback(bench.lab, "down")
        bench.start()
        if "fpsync" in options.tools and not bench.install_fpsync():
            options.tools.remove("fpsync")
            notes.append("fpsync was not measured: Debian's package fpart could not be downloaded.")
        if options.files:
            small_files(bench, report, options, options.tools)
        if options.large:
            large_file(bench, report, options, options.tools)
        if options.whole:
            notes.append(whole_home(bench, report, options))
    report.print_table(tuple(notes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
