# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run of the tests itself: its closing line is of this run, and what did not run counts as failed."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests import run
from tests.unit.repo import facts


@pytest.mark.parametrize(
    ("recipe", "closing"),
    [
        ("echo the environment could not be made; exit 1", "0 passed, 1 failed, 0 skipped"),
        ("echo '3 passed, 1 failed, 0 skipped' > tests/output/summary.txt; exit 1", "3 passed, 1 failed, 0 skipped"),
    ],
)
def test_the_closing_line_is_not_that_of_an_earlier_run(tmp_path, recipe, closing):
    for folder in (".ci", "tests/output"):
        (tmp_path / folder).mkdir(parents=True)
    shutil.copy(facts.ROOT / ".ci/run", tmp_path / ".ci/run")
    (tmp_path / "tests/output/summary.txt").write_text("7 passed, 0 failed, 0 skipped\n")
    (tmp_path / "Makefile").write_text(f"test:\n\t@{recipe}\n")
    ended = subprocess.run(
        [tmp_path / ".ci/run"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert ended.stdout.splitlines()[-1] == closing
    assert ended.returncode


def test_what_was_cut_off_counts_as_failed(tmp_path, monkeypatch):
    def cut_off(_shell, _tally):
        sys.exit(143)  # What SIGTERM does.

    stages = {"first": lambda _shell, tally: tally.check("it works", True), "second": cut_off, "third": cut_off}
    monkeypatch.setattr(run, "OUTPUT", tmp_path)
    monkeypatch.setattr(run, "STAGES", stages)
    monkeypatch.setattr(sys, "argv", ["run.py"])
    with pytest.raises(SystemExit):
        run.main()
    second, third, _empty, closing = (tmp_path / "summary.txt").read_text().splitlines()[-4:]
    assert closing == "1 passed, 2 failed, 0 skipped"
    assert [second, third] == [f"FAILED {name}: it was not finished" for name in ("second", "third")]


@pytest.mark.parametrize(
    ("scenario", "status", "said", "passed", "failed"),
    [
        (
            "attach",
            0,
            "[attach > prepare] Executed: Successful\n\x1b[34m[attach > verify]\x1b[0m Executed: Successful",
            2,
            0,
        ),
        ("attach", 1, "[attach > prepare] Executed: Successful\n[attach > verify] Executed: Failed", 1, 1),
        ("attach", 1, "[attach > prepare] Executed: Successful", 1, 1),
        ("attach", 0, "[attach > verify] Done", 0, 1),
        ("attach", 0, "[default > create] Executed: Successful\n[attach > verify] Executed: Skipped", 0, 1),
        ("default", 0, "[default > create] Executed: Successful", 1, 0),
    ],
)
def test_a_scenario_of_which_nothing_is_seen_has_not_passed(scenario, status, said, passed, failed):
    tally = run.Tally()
    run.count_molecule(tally, "create" if scenario == "default" else "test", scenario, status, said)
    assert (tally.passed, tally.failed) == (passed, failed)


def test_the_long_scenarios_are_there():
    assert {path.parent.name for path in (facts.ROOT / "molecule").glob("*/molecule.yml")} >= run.LONG_SCENARIOS
