#!/usr/bin/env python
"""Runs the tests in stages and closes with one line: ``N passed, N failed, N skipped``.

Usage: tests/run.py [STAGE ...]      stages in their order: lint build sanity unit integration matrix faults
                             molecule; without names all of them, and the stage "long" by its name only

Run it with the Python of .cache/venv (``make test`` does). Everything a stage prints is streamed and kept in
tests/output/<stage>.log. A stage that cannot run counts as one failure and says why.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
OUTPUT = ROOT / "tests" / "output"
LAB = ROOT / ".lab"
BIN = Path(sys.executable).parent
COLLECTION = Path("ansible_collections", "azlin", "storage")
# What Ansible guarantees to a collection: everything else may be gone.
PRODUCT = ("meta", "plugins", "roles", "playbooks")
STAGE_SECONDS = {"molecule": 50 * 60, "long": 90 * 60}
LONG_SCENARIOS = {"aznfs", "busy", "fleet", "hybrid", "nas_lab", "outage", "provision", "selinux", "squash"}
DEFAULT_STAGE_SECONDS = 20 * 60
ROOT_HOME = "user=root state=attached source=nobody.example:/nobody/home"
# Where packages come from is nobody's business in a log that is passed on.
INDEX = re.compile(r"(?:https?|file)://\S*/simple\S*")


class CannotRun(Exception):
    """A stage lacks something that it needs; the message is the reason."""


@dataclass
class Tally:
    """What one stage counted."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def check(self, name: str, ok: bool) -> bool:
        if ok:
            self.passed += 1
        else:
            self.fail(name)
        return ok

    def fail(self, name: str) -> None:
        self.failed += 1
        self.problems.append(name)


class Shell:
    """Runs the commands of one stage: output goes to the terminal and to the stage's log, time is bounded."""

    def __init__(self, stage: str, seconds: float | None = None) -> None:
        self.log = (OUTPUT / f"{stage}.log").open("w", encoding="utf-8")
        self.deadline = time.monotonic() + (seconds or STAGE_SECONDS.get(stage, DEFAULT_STAGE_SECONDS))

    def say(self, line: str) -> None:
        line = INDEX.sub("<index>", line)
        print(line, flush=True)
        print(line, file=self.log, flush=True)

    def run(self, *argv: str | Path, cwd: Path = ROOT, quiet: bool = False, **env: str) -> tuple[int, str]:
        """Return exit status and output; the status is 124 when the stage's time is up."""
        words = [str(word) for word in argv]
        shown = " ".join([Path(words[0]).name, *words[1:]])
        self.say("$ " + (shown if len(shown) < 200 else shown[:200] + " ..."))
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env={**environment(), **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        lines: list[str] = []

        def read() -> None:
            for line in process.stdout or ():
                lines.append(line)
                if not quiet:
                    self.say(line.rstrip("\n"))

        # Read in a thread: what a command leaves running may hold the pipe open after the command has ended.
        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            status = process.wait(timeout=max(1.0, self.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            end_group(process)
            self.say("the time of this stage is up")
            status = 124
        except BaseException:
            end_group(process)
            raise
        reader.join(timeout=10)
        if quiet and status:
            for line in lines:
                self.say(line.rstrip("\n"))
        return status, "".join(lines)


def end_group(process: subprocess.Popen[str]) -> None:
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
            process.wait(timeout=30)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def environment() -> dict[str, str]:
    """The caller's environment without what would point Ansible elsewhere, and with the tools of the environment."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "AZURE_", "MOLECULE_"))}
    kept.update(
        PATH=f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        # ansible-test keeps downloads and environments under HOME: those of the tests stay in the repository.
        HOME=str(home()),
        LC_ALL="C.UTF-8",
        NO_COLOR="1",
        PYTHONDONTWRITEBYTECODE="1",
        ANSIBLE_COLLECTIONS_PATH=str(CACHE / "collections"),
        ANSIBLE_NOCOLOR="1",
    )
    return kept


def home() -> Path:
    """A home directory of the tests' own, with the user's settings for pip; ansible-test hands on no variable."""
    path = CACHE / "home"
    settings = path / ".config/pip/pip.conf"
    if not settings.exists():
        settings.parent.mkdir(parents=True, exist_ok=True)
        pip = configparser.RawConfigParser()
        pip.read([Path.home() / ".pip/pip.conf", Path.home() / ".config/pip/pip.conf"])
        if not pip.has_section("global"):
            pip.add_section("global")
        pip.set("global", "quiet", "2")
        with settings.open("w", encoding="utf-8") as file:
            pip.write(file)
    return path


def git_files(*patterns: str) -> list[str]:
    """Files of the work tree that git tracks or would track."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def stems(folder: str, suffix: str) -> list[str]:
    return sorted(path.stem for path in (ROOT / folder).glob(f"*{suffix}") if not path.name.startswith("_"))


def lint(shell: Shell, tally: Tally) -> None:
    checks = {
        "ansible-lint": ["ansible-lint", "--profile", "production", "--offline"],
        "yamllint": ["yamllint", "--strict", "--", *git_files("*.yml", "*.yaml", ".yamllint", ".ansible-lint")],
        "ruff check": ["ruff", "check", "--no-cache"],
        "ruff format": ["ruff", "format", "--no-cache", "--check"],
        # Hosts may have a Python this machine has not: look for what came later than 3.9.
        "vermin": ["vermin", "--quiet", "--violations", "--target=3.9-", "plugins", "playbooks", "roles"],
    }
    for name, argv in checks.items():
        status, _output = shell.run(*argv)
        tally.check(name, status == 0)


def build(shell: Shell, tally: Tally) -> None:
    """The artifact works when nothing but the folders that Ansible guarantees is left of it."""
    artifacts, installed = CACHE / "build", CACHE / "installed"
    for folder in (artifacts, installed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    status, _output = shell.run("ansible-galaxy", "collection", "build", "--output-path", artifacts)
    built = sorted(artifacts.glob("*.tar.gz"))
    if not tally.check("collection build", status == 0 and len(built) == 1):
        return
    elsewhere = {"cwd": installed, "ANSIBLE_COLLECTIONS_PATH": str(installed)}
    install = ["ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", installed, built[0]]
    if not tally.check("collection install", shell.run(*install, **elsewhere)[0] == 0):
        return
    for entry in (installed / COLLECTION).iterdir():
        if entry.name not in PRODUCT and entry.name not in ("MANIFEST.json", "FILES.json"):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    (installed / COLLECTION / "FILES.json").unlink()

    for name in stems("plugins/modules", ".py"):
        status, output = shell.run("ansible-doc", f"azlin.storage.{name}", quiet=True, **elsewhere)
        tally.check(f"ansible-doc {name}", status == 0 and f"> MODULE azlin.storage.{name}" in output)
    for name in stems("plugins/filter", ".py"):
        status, output = shell.run("ansible-doc", "-t", "filter", f"azlin.storage.{name}", quiet=True, **elsewhere)
        tally.check(f"ansible-doc -t filter {name}", status == 0 and f"> FILTER azlin.storage.{name}" in output)
    for role in sorted(path.parent.parent.name for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")):
        status, output = shell.run("ansible-doc", "-t", "role", f"azlin.storage.{role}", quiet=True, **elsewhere)
        tally.check(f"ansible-doc -t role {role}", status == 0 and "ENTRY POINT" in output)
    for name in stems("playbooks", ".yml"):
        argv = ["ansible-playbook", "--syntax-check", "-i", "localhost,", f"azlin.storage.{name}"]
        status, output = shell.run(*argv, **elsewhere)
        tally.check(f"syntax {name}", status == 0 and "[ERROR]" not in output)
    # Refused before anything is looked at or asked for, by code from all of module_utils.
    refused = {
        "azlin_storage_info": ("name=Not_A_Name", "invalid_argument"),
        "azlin_nfs_home": (ROOT_HOME, "unsupported"),
    }
    for name, (arguments, error_code) in refused.items():
        argv = [
            "ansible",
            "localhost",
            "-i",
            "localhost,",
            "-c",
            "local",
            "-m",
            f"azlin.storage.{name}",
            "-a",
            arguments,
        ]
        status, output = shell.run(*argv, "-e", f"ansible_python_interpreter={sys.executable}", **elsewhere)
        tally.check(f"run {name}", status != 0 and f'"error_code": "{error_code}"' in output)


def sanity(shell: Shell, tally: Tally) -> None:
    tree = CACHE / "sanity" / COLLECTION
    shutil.rmtree(tree, ignore_errors=True)
    for name in git_files():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)
    shell.run("git", "init", "--quiet", cwd=tree)
    shell.run("git", "add", "--all", cwd=tree)
    offer_pip(shell)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    status, _output = shell.run("ansible-test", "sanity", "--junit", "--color", "no", "--python", version, cwd=tree)
    reports = sorted((tree / "tests/output/junit").glob("ansible-test-sanity-*.xml"))
    for report in reports:
        shutil.copy2(report, junit_folder())
        count_junit(report, tally)
    if not reports:
        raise CannotRun("ansible-test wrote no report")
    if status and not tally.failed:
        tally.fail("ansible-test sanity")


def offer_pip(shell: Shell) -> None:
    """Let ansible-test start its environments with a pip wheel, instead of a script from a download host of its own."""
    import ansible_test._internal.python_requirements as requirements

    # The version stands in the function that every release of ansible-test installs from.
    version = re.search(r"pip='([0-9.]+)'", Path(requirements.__file__).read_text(encoding="utf-8"))
    if version is None:
        raise CannotRun("this ansible-test does not say which pip it wants")
    cache = home() / ".ansible/test/cache"
    script = cache / f"get_pip_{version[1].replace('.', '_')}.py"
    if script.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", cache, f"pip=={version[1]}"]
    if shell.run(*argv, quiet=True)[0]:
        raise CannotRun(f"pip {version[1]} could not be had for ansible-test")
    script.write_text(GET_PIP.format(wheel=str(next(cache.glob(f"pip-{version[1]}-*.whl")))), encoding="utf-8")


GET_PIP = """\
import sys
sys.path.insert(0, {wheel!r})
from pip._internal.cli.main import main
sys.exit(main(["install", *(word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel"))]))
"""


def junit_folder() -> Path:
    folder = OUTPUT / "junit"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def count_junit(report: Path, tally: Tally) -> None:
    for case in ElementTree.parse(report).iter("testcase"):
        outcomes = {child.tag for child in case}
        name = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        if outcomes & {"failure", "error"}:
            tally.fail(name)
        elif "skipped" in outcomes:
            tally.skipped += 1
        else:
            tally.passed += 1


def pytest(shell: Shell, tally: Tally, name: str, *arguments: str | Path, **env: str) -> None:
    report = junit_folder() / f"{name}.xml"
    report.unlink(missing_ok=True)
    status, _output = shell.run(sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments, **env)
    if not report.exists():
        raise CannotRun("pytest wrote no report")
    count_junit(report, tally)
    if status and not tally.failed:
        tally.fail(f"pytest ended with status {status}")


def unit(shell: Shell, tally: Tally) -> None:
    pytest(shell, tally, "unit", "-n", "2", "tests/unit")


def integration(shell: Shell, tally: Tally) -> None:
    # One server of Azure for a file of tests is enough, and the files do not share it.
    side_by_side = ("-n", "2", "--dist", "loadfile")
    pytest(shell, tally, "integration", *side_by_side, "-m", "not lab", "tests/integration", "tests/lab")


def matrix(shell: Shell, tally: Tally) -> None:
    """The oldest Azure libraries that are admitted, in their own environment; ``make test-matrix`` has the rest."""
    files = ("test_credentials.py", "test_info_and_attachment.py", "test_storage_create.py", "test_storage_delete.py")
    tests = ["tests/unit/azure", *(f"tests/integration/{name}" for name in files)]
    results = junit_folder() / "matrix-here.xml"
    results.unlink(missing_ok=True)
    status, _output = shell.run(sys.executable, "-m", "tests.matrix", "here", "--tests", *tests)
    if not results.exists():
        raise CannotRun("its environment could not be made, or pytest wrote no report")
    count_junit(results, tally)
    if status and not tally.failed:
        tally.fail(f"tests.matrix ended with status {status}")


def faults(shell: Shell, tally: Tally) -> None:
    """Some of what ``make test-faults`` tries, always the same; its power cuts are in the stage "long"."""
    if os.geteuid() != 0:
        raise CannotRun("the fault harness mounts file systems: run as root")
    try_faults(shell, tally, "--kind", "kill", "--kind", "full", "--most", "10")


def try_faults(shell: Shell, tally: Tally, *arguments: str) -> None:
    status, output = shell.run(sys.executable, "-m", "tests.faults", *arguments)
    counted = re.search(r"^faults: (\d+) tried, (\d+) recovered, \d+ lost, \d+ locked out$", output, re.MULTILINE)
    if counted is None:
        raise CannotRun("the fault harness broke off")
    tried, recovered = map(int, counted.groups())
    tally.passed += recovered
    for _point in range(tried - recovered):
        tally.fail(f"a point of tests.faults {' '.join(arguments)}: see its log")
    if status and tried == recovered:
        tally.fail(f"tests.faults ended with status {status}")


def molecule(shell: Shell, tally: Tally) -> None:
    """The scenarios, and the lab's own tests, on one lab; what fails does not keep the rest from running."""
    with lab_up(shell, tally) as scenarios:
        for scenario in sorted(scenarios - LONG_SCENARIOS):
            run_molecule(shell, tally, "test", scenario, "--destroy", "never")
        # What the scenarios stand on, tested where it runs.
        pytest(shell, tally, "lab", "-m", "lab and not long", "tests/lab", AZLIN_LAB_DIR=str(LAB))


def long(shell: Shell, tally: Tally) -> None:
    """What takes so long that it is not part of every run: many hosts, outages, cuts of power."""
    with lab_up(shell, tally) as scenarios:
        for scenario in sorted(scenarios & LONG_SCENARIOS):
            run_molecule(shell, tally, "test", scenario, "--destroy", "never")
        pytest(shell, tally, "long", "-m", "long", "tests/lab", AZLIN_LAB_DIR=str(LAB))
        some = ("--action", "attach", "--action", "detach", "--most", "2")
        try_faults(shell, tally, "--kind", "power", *some, "--lab", str(LAB))


@contextlib.contextmanager
def lab_up(shell: Shell, tally: Tally) -> Iterator[set[str]]:
    if os.geteuid() != 0:
        raise CannotRun("the lab makes network namespaces and runs machines: run as root")
    scenarios = {path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml")}
    if "default" not in scenarios:
        raise CannotRun("there is no scenario molecule/default")
    run_molecule(shell, tally, "create", "default")
    if tally.failed:
        raise CannotRun("the lab did not come up")
    yield scenarios - {"default"}
    run_molecule(shell, tally, "destroy", "default")


def run_molecule(shell: Shell, tally: Tally, command: str, scenario: str, *options: str) -> None:
    # With a folder of its own a scenario is prepared, whatever molecule remembers of another one or of another run.
    memory = CACHE / "molecule" / scenario
    shutil.rmtree(memory, ignore_errors=True)
    argv = ["molecule", "--base-config", "molecule/config.yml", command, "--scenario-name", scenario, *options]
    variables = {"AZLIN_LAB_DIR": str(LAB), "MOLECULE_EPHEMERAL_DIRECTORY": str(memory), **lab_credentials()}
    status, output = shell.run(*argv, **variables)
    count_molecule(tally, command, scenario, status, output)


def count_molecule(tally: Tally, command: str, scenario: str, status: int, output: str) -> None:
    """Count the actions of a scenario by what molecule says of each."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    passed_before, failed_before = tally.passed, tally.failed
    # What molecule says of every action as it ends, for example "[attach > verify] Executed: Successful".
    for name, action, outcome in re.findall(r"\[(\S+) (?:>|➜) (\S+)\] Executed: (\w+)", plain):
        if name != scenario or (scenario == "default" and action != command):
            continue  # Every scenario asks the default one for the lab again, which is counted once.
        if outcome == "Successful":
            tally.passed += 1
        elif outcome not in ("Skipped", "Disabled"):
            tally.fail(f"{name} > {action}: {outcome.lower()}")
    if status and tally.failed == failed_before:
        tally.fail(f"{command} {scenario}: status {status}")
    if (tally.passed, tally.failed) == (passed_before, failed_before):
        tally.fail(f"{command} {scenario}: nothing of it was seen to run")


def lab_credentials() -> dict[str, str]:
    """What points Azure clients at the lab; nothing before the lab is up."""
    known = LAB / "env.json"
    return json.loads(known.read_text(encoding="utf-8")) if known.exists() else {}


STAGES: dict[str, Callable[[Shell, Tally], None]] = {
    "lint": lint,
    "build": build,
    "sanity": sanity,
    "unit": unit,
    "integration": integration,
    "matrix": matrix,
    "faults": faults,
    "molecule": molecule,
    "long": long,
}
# Run by name only.
BY_NAME = {"long"}


def run_stage(name: str) -> Tally:
    tally, shell, began = Tally(), Shell(name), time.monotonic()
    shell.say(f"\n=== {name}")
    try:
        STAGES[name](shell, tally)
        if not tally.passed + tally.failed:
            raise CannotRun("it tested nothing")
    except CannotRun as error:
        shell.say(f"{name} cannot run: {error}")
        tally.fail(f"cannot run: {error}")
    except Exception as error:
        shell.say(traceback.format_exc())
        tally.fail(f"broke off: {error!r}")
    tally.seconds = time.monotonic() - began
    return tally


def lab_down() -> None:
    if LAB.exists():
        subprocess.run([sys.executable, "-m", "lab", "down"], cwd=ROOT, check=False, env=environment())


def report(tallies: dict[str, Tally]) -> str:
    """The table of the stages, what failed, and the closing line."""
    lines = ["", f"{'stage':<12} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for name, tally in tallies.items():
        lines.append(f"{name:<12} {tally.passed:>7} {tally.failed:>7} {tally.skipped:>8} {tally.seconds:>8.0f}")
    for name, tally in tallies.items():
        lines += [f"FAILED {name}: {problem}" for problem in tally.problems]
    passed, failed, skipped = (
        sum(getattr(tally, count) for tally in tallies.values()) for count in ("passed", "failed", "skipped")
    )
    lines += ["", f"{passed} passed, {failed} failed, {skipped} skipped"]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests in stages.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=" ".join(STAGES))
    chosen = parser.parse_args().stages or [name for name in STAGES if name not in BY_NAME]
    unknown = sorted(set(chosen) - set(STAGES))
    if unknown:
        parser.error(f"no such stage: {', '.join(unknown)}; there are: {' '.join(STAGES)}")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    tallies: dict[str, Tally] = {}
    lock = (OUTPUT / "lock").open("w", encoding="utf-8")
    fcntl.flock(lock, fcntl.LOCK_EX)  # Two runs of one work tree would remove each other's build trees.
    try:
        for name in STAGES:
            if name in chosen:
                tallies[name] = run_stage(name)
    finally:
        if {"molecule", "long"} & set(chosen):
            lab_down()
        for name in STAGES:
            if name in chosen and name not in tallies:
                tallies[name] = Tally(failed=1, problems=["it was not finished"])
        text = report(tallies)
        (OUTPUT / "summary.txt").write_text(text + "\n", encoding="utf-8")
        print(text, flush=True)
    return 1 if any(tally.failed for tally in tallies.values()) else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
