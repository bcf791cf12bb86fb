# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests of the Azure side with every supported generation of Ansible, Python and the Azure SDK.

Usage: python -m tests.matrix [--allow-missing] [CELL ...]      without names all cells

A cell is a virtual environment in .cache/matrix/, kept for the next run. A Python that this machine lacks is named
and fails the matrix, unless --allow-missing says that such a gap is known.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.run import CACHE, OUTPUT, ROOT, Shell, Tally, count_junit, environment, junit_folder, report

TESTS = ("tests/unit/azure", "tests/unit/common", "tests/integration")
# Of the tools for the tests only those that the tests import: the others have wishes of their own about ansible-core.
TOOLS = ("pytest", "httpx", "hypothesis", "kubernetes-validate", "pygal")
SECONDS = 30 * 60


@dataclasses.dataclass(frozen=True)
class Cell:
    """A Python, and the versions of packages that make this cell; everything else is the newest that fits."""

    python: str
    packages: tuple[str, ...]


# The lower bounds of meta/requirements.txt.
OLDEST = (
    "azure-identity==1.16.*",
    "azure-mgmt-network==25.1.*",
    "azure-mgmt-privatedns==1.1.*",
    "azure-mgmt-resource==23.0.*",
    "azure-mgmt-storage==23.1.*",
)
CELLS = {
    # The one that every machine can have; the stage "matrix" of tests/run.py runs a part of its tests.
    "here": Cell(f"{sys.version_info.major}.{sys.version_info.minor}", ("ansible-core", *OLDEST)),
    "oldest": Cell("3.10", ("ansible-core==2.17.*", *OLDEST)),
    "storage-23.1": Cell("3.11", ("ansible-core==2.19.*", "azure-mgmt-storage==23.1.*")),
    "storage-24": Cell("3.11", ("ansible-core==2.19.*", "azure-mgmt-storage==24.*")),
    "core-2.17": Cell("3.10", ("ansible-core==2.17.*", "azure-mgmt-storage==25.*")),
    "core-2.19": Cell("3.11", ("ansible-core==2.19.*", "azure-mgmt-storage==25.*")),
    "core-2.20": Cell("3.12", ("ansible-core==2.20.*", "azure-mgmt-storage==25.*")),
    "core-2.21": Cell("3.13", ("ansible-core==2.21.*", "azure-mgmt-storage==25.*")),
}


class MissingPython(Exception):
    """This machine has no such Python."""


def python_of(version: str) -> str:
    """A Python of that version, in the path or among pyenv's, which answers only for those that are switched on."""
    installed = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{version}.*/bin/python"), reverse=True)
    for candidate in (f"python{version}", *installed):
        program = shutil.which(candidate)
        test = f"import sys, ensurepip, venv; sys.exit('%d.%d' % sys.version_info[:2] != {version!r})"
        if program and subprocess.run([program, "-c", test], capture_output=True, check=False).returncode == 0:
            return program
    raise MissingPython(f"no Python {version} that can make virtual environments")


def requirements(cell: Cell) -> list[str]:
    """What pip installs into a cell."""
    tools = (ROOT / "tests/requirements.txt").read_text(encoding="utf-8").splitlines()
    listed = [line for line in tools if re.split(r"[~<>= ]", line)[0] in TOOLS]
    return [*cell.packages, *listed, "-r", "meta/requirements.txt", "-r", "lab/requirements.txt"]


def prepare(shell: Shell, name: str) -> Path | None:
    """The Python of a cell's environment; a second run with unchanged wishes does nothing. None if pip failed."""
    cell = CELLS[name]
    folder = CACHE / "matrix" / name
    program, stamp = folder / "bin" / "python", folder / "installed"
    wishes = requirements(cell)
    files = [(ROOT / entry).read_text(encoding="utf-8") for entry in wishes if entry.endswith(".txt")]
    wanted = "\n".join([cell.python, *wishes, *files])
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return program
    shutil.rmtree(folder, ignore_errors=True)
    status, _output = shell.run(python_of(cell.python), "-m", "venv", folder)
    install = [program, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *wishes]
    if status or shell.run(*install)[0]:
        return None
    stamp.write_text(wanted, encoding="utf-8")
    return program


def run_cell(name: str, tests: list[str]) -> Tally:
    """Test in one cell."""
    tally, shell = Tally(), Shell(f"matrix-{name}", SECONDS)
    shell.say(f"\n=== {name}: Python {CELLS[name].python}, {', '.join(CELLS[name].packages)}")
    program = prepare(shell, name)
    if program is None:
        tally.fail("the packages could not be installed")
        return tally
    results = junit_folder() / f"matrix-{name}.xml"
    results.unlink(missing_ok=True)
    path = f"{program.parent}{os.pathsep}{environment()['PATH']}"
    argv = [program, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={results}", *tests]
    status, _output = shell.run(*argv, PATH=path)
    if results.exists():
        count_junit(results, tally)
    if status and not tally.failed:
        tally.fail(f"pytest ended with status {status}")
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description="Test the Azure side with every supported generation of libraries.")
    parser.add_argument("cells", nargs="*", metavar="CELL", help=" ".join(CELLS))
    parser.add_argument("--allow-missing", action="store_true", help="a Python that is not there is no failure")
    parser.add_argument("--tests", nargs="+", default=list(TESTS), help="other tests than those of the Azure side")
    given = parser.parse_args()
    unknown = sorted(set(given.cells) - set(CELLS))
    if unknown:
        parser.error(f"no such cell: {', '.join(unknown)}; there are: {' '.join(CELLS)}")
    OUTPUT.mkdir(parents=True, exist_ok=True)
    tallies: dict[str, Tally] = {}
    for name in given.cells or CELLS:
        began = time.monotonic()
        try:
            tallies[name] = run_cell(name, given.tests)
        except MissingPython as gap:
            tallies[name] = Tally(skipped=1) if given.allow_missing else Tally(failed=1, problems=[str(gap)])
            print(f"GAP {name}: {gap}", flush=True)
        tallies[name].seconds = time.monotonic() - began
    print(report(tallies), flush=True)
    return 1 if any(tally.failed for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
