"""The main job of the collection, run for real on the lab: what ``make demo`` does.

Builds the collection, installs it into an empty folder, brings three hosts up and lets the product's own playbooks
work on them. Stops with exit status 1 at the first step whose outcome is not as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
HOSTS = ("worker-1", "worker-2", "worker-3")
STORAGE = ("-e", "azlin_storage_name=teamhomes01", "-e", "azlin_resource_group=azlin-lab")
NETWORK = {
    "azlin_network": {
        "mode": "private_endpoint",
        "virtual_network": "lab-vnet",
        "subnet": "endpoints",
    }
}
HOME = "/home/azureuser"
NOTE = f"{HOME}/shared-test.txt"


class Unexpected(Exception):
    """A step ended otherwise than it should."""


def expect(condition, message, output=""):
    if not condition:
        raise Unexpected(f"{message}\n{output}".rstrip())


class Demo:
    def __init__(self, state_dir, work_dir):
        self.state_dir = state_dir
        self.work_dir = work_dir
        self.collections = work_dir / "collections"
        self.environment = dict(os.environ)
        self.number = 0

    @contextlib.contextmanager
    def step(self, title):
        self.number += 1
        print(f"{self.number:2}. {title} ... ", end="", flush=True)
        started = time.monotonic()
        yield
        print(f"{time.monotonic() - started:.1f} s", flush=True)

    def run(self, *argv, check=True):
        """Run a command, keep its output in the log and return (exit status, output)."""
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
        with (self.work_dir / "demo.log").open("a") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n{done.stdout}\n")
        if check:
            expect(done.returncode == 0, f"exit status {done.returncode} of: {' '.join(map(str, argv))}", done.stdout)
        return done.returncode, done.stdout

    def lab(self, *arguments, check=True):
        return self.run(sys.executable, "-m", "lab", "--state-dir", self.state_dir, *arguments, check=check)

    def play(self, name, *arguments, check=True):
        return self.run(
            BIN / "ansible-playbook",
            "-i",
            self.state_dir / "inventory.yml",
            f"azlin.storage.{name}",
            *arguments,
            check=check,
        )

    def on(self, host, command):
        """The output of a command that the user runs on a host."""
        return self.lab("ssh", host, "--", command)[1].strip()

    def install(self):
        shutil.rmtree(self.collections, ignore_errors=True)
        artifact = self.work_dir / "artifact"
        shutil.rmtree(artifact, ignore_errors=True)
        self.run(BIN / "ansible-galaxy", "collection", "build", "--output-path", artifact)
        (built,) = artifact.glob("azlin-storage-*.tar.gz")
        self.run(
            BIN / "ansible-galaxy", "collection", "install", built, "-p", self.collections, "--offline", "--no-deps"
        )
        self.environment["ANSIBLE_COLLECTIONS_PATH"] = str(self.collections)

    def use_lab_credentials(self):
        self.environment.update(json.loads((self.state_dir / "env.json").read_text()))

    def home_source(self, host):
        return self.on(host, f"findmnt --noheadings --output SOURCE,FSTYPE,OPTIONS --target {HOME}")

    def expect_nothing_changed(self, output):
        changed = re.findall(r"changed=([0-9]+)", output)
        expect(changed and set(changed) == {"0"}, "a second run changed something", output)


def dotfiles(work_dir):
    """A directory with what a user wants in a home, and with what has no business there."""
    source = work_dir / "dotfiles"
    shutil.rmtree(source, ignore_errors=True)
    (source / ".aws").mkdir(parents=True)
    (source / ".demorc").write_text("alias ll='ls -l'\n")
    (source / ".aws/credentials").write_text("not real\n")
    return source


def main_job(demo):
    with demo.step("build the collection and install it into an empty folder"):
        demo.install()
    with demo.step("lab up: Resource Manager, NFS server, three hosts"):
        demo.lab("up", "--hosts", str(len(HOSTS)))
        demo.use_lab_credentials()
    # The storage of an earlier demo in the same lab may be among the deleted ones.
    create = (*STORAGE, "-e", "azlin_size=500GiB", "-e", json.dumps({**NETWORK, "azlin_restore": False}))
    with demo.step("create the storage, 500 GiB, reachable by a private endpoint only"):
        demo.play("create", *create)
    with demo.step("attach worker-1, worker-2 and worker-3"):
        files = {host: demo.on(host, f"find {HOME} | wc -l") for host in HOSTS}
        demo.play("attach", *STORAGE)
        for host in HOSTS:
            mounted = demo.home_source(host)
            expect("nfs4" in mounted and "vers=4.1" in mounted and "/teamhomes01/home" in mounted, host, mounted)
    with demo.step("write on worker-1, read on worker-2, append on worker-3, read on worker-1"):
        demo.on("worker-1", f"echo 'Hello from worker-1' > {NOTE}")
        expect(demo.on("worker-2", f"cat {NOTE}") == "Hello from worker-1", "worker-2 does not see the file")
        demo.on("worker-3", f"echo 'Hello from worker-3' >> {NOTE}")
        lines = demo.on("worker-1", f"cat {NOTE}").splitlines()
        expect(lines == ["Hello from worker-1", "Hello from worker-3"], "worker-1 does not see both lines", str(lines))
    with demo.step("status"):
        _status, shown = demo.play("status", *STORAGE)
        for text in ("3 VMs", "500 GiB", "USD a month", "teamhomes01.file.", ":/teamhomes01/home", *HOSTS):
            expect(text in shown, f"status does not show {text!r}", shown)
    print("\n".join(re.findall(r'^\s+"((?:Name|Endpoint|Size|Used|Cost|Attached| {2}worker).*)",?$', shown, re.M)))
    with demo.step("list, with what the virtual machines cost"):
        _status, shown = demo.play("list", "-e", "azlin_resource_group=azlin-lab", "-e", "azlin_vm_costs=true")
        expect("3 virtual machines with homes on them" in shown, "the virtual machines have no cost", shown)
    with demo.step("sync a dotfile, once for the home that all share; what looks like a secret stays"):
        _status, shown = demo.play("sync", "-e", f"azlin_sync_source={dotfiles(demo.work_dir)}")
        expect(".aws/credentials" in shown, "nothing is said of what was left out", shown)
        expect(demo.on("worker-3", f"cat {HOME}/.demorc") == "alias ll='ls -l'", "worker-3 lacks the dotfile")
        expect(demo.on("worker-3", f"ls -A {HOME} | grep -c aws || true") == "0", "the secret was copied")
    page = demo.work_dir / "report.html"
    with demo.step(f"report: a page to look at, {page.relative_to(REPOSITORY)}"):
        page.unlink(missing_ok=True)
        demo.play("report", "-e", f"azlin_report_path={page}")
        expect("teamhomes01" in page.read_text() and "<svg" in page.read_text(), "the report shows nothing")
    with demo.step("create and attach again: nothing changes"):
        demo.expect_nothing_changed(demo.play("create", *create)[1])
        demo.expect_nothing_changed(demo.play("attach", *STORAGE)[1])
    with demo.step("reboot worker-2: its home is still the share"):
        demo.lab("host", "reboot", "worker-2")
        expect("nfs4" in demo.home_source("worker-2"), "worker-2 lost its home", demo.home_source("worker-2"))
        expect("Hello from worker-1" in demo.on("worker-2", f"cat {NOTE}"), "worker-2 does not see the file")
    confirmed = (*STORAGE, "-e", "azlin_confirm=teamhomes01")
    with demo.step("delete is refused while virtual machines are attached"):
        status, refusal = demo.play("delete", *confirmed, check=False)
        expect(status != 0 and "in_use" in refusal and "worker-2" in refusal, "delete was not refused", refusal)
    with demo.step("detach all: every home is local again, with all files"):
        demo.play("detach")
        for host in HOSTS:
            mounted = demo.home_source(host)
            expect("nfs" not in mounted, f"the home of {host} is still the share", mounted)
            expect("Hello from worker-3" in demo.on(host, f"cat {NOTE}"), f"{host} lacks the shared file")
            count = int(demo.on(host, f"find {HOME} | wc -l"))
            expect(count == int(files[host]) + 2, f"{host} has {count} files, had {files[host]} and two new")
    with demo.step("delete, confirmed by name"):
        demo.play("delete", *confirmed)
        _status, shown = demo.play("list", "-e", "azlin_resource_group=azlin-lab")
        expect("teamhomes01" not in shown, "the storage is still listed", shown)


def main():
    parser = argparse.ArgumentParser(prog="python -m lab.demo", description=__doc__)
    parser.add_argument("--state-dir", type=Path, default=REPOSITORY / ".lab", help="folder of the lab (default .lab)")
    parser.add_argument("--keep", action="store_true", help="leave the lab up at the end")
    arguments = parser.parse_args()
    work_dir = REPOSITORY / ".cache" / "demo"
    work_dir.mkdir(parents=True, exist_ok=True)
    (work_dir / "demo.log").unlink(missing_ok=True)
    demo = Demo(arguments.state_dir.resolve(), work_dir)
    started = time.monotonic()
    try:
        main_job(demo)
    except Unexpected as failure:
        print(f"FAILED\n{failure}\nThe whole output: {work_dir / 'demo.log'}")
        return 1
    finally:
        if not arguments.keep:
            with demo.step("lab down"):
                demo.lab("down")
    print(f"Everything as it should be, in {time.monotonic() - started:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
