# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of a test bed run as root in directories that every tester may write to."""

from __future__ import annotations

import importlib.util
import io
import os
import stat
from contextlib import suppress

import pytest

from tests.unit.repo import facts

DIRECTORY = "nas-check-20260101000000"


@pytest.fixture
def check():
    spec = importlib.util.spec_from_file_location("nas_check", facts.ROOT / "playbooks/files/nas_check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bed(check, tmp_path, monkeypatch):
    """An input whose source is world-writable, and what a tester would like to be written to."""
    source, mounts, victim = tmp_path / "source", tmp_path / "mounts", tmp_path / "victim"
    for place in (source, mounts / "in"):
        place.mkdir(parents=True)
        place.chmod(0o777)
    victim.write_text("precious")
    victim.chmod(0o600)
    monkeypatch.setattr(check, "MOUNTS", str(mounts))
    monkeypatch.setattr(check, "WAIT_SECONDS", 1)
    server = {"name": "in", "role": "input", "access": "rw", "source": str(source), "size_mib": 1, "squash": "x"}
    settings = {"servers": [server], "options": {"in": []}, "directory": DIRECTORY, "limit": 60, "fill": True}
    return check.Run(settings), source / DIRECTORY, mounts / "in" / DIRECTORY, victim


def main(check, monkeypatch, capsys, run, action):
    monkeypatch.setattr(check, "Run", lambda _settings: run)
    monkeypatch.setattr("sys.argv", ["nas_check.py", action])
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    check.main()
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("action", "names"), [("sync", ["arriving.new"]), ("after", ["second", "filling"])], ids=["sync", "after"]
)
def test_nothing_is_written_through_a_link_that_a_tester_has_laid(check, bed, monkeypatch, capsys, action, names):
    run, source, mounted, victim = bed
    folder = source if action == "sync" else mounted
    folder.mkdir()
    for name in names:
        (folder / name).symlink_to(victim)
    if action == "after":
        (folder / "marker").write_text(check.content(run.servers[0]))
    out = main(check, monkeypatch, capsys, run, action)
    assert victim.read_text() == "precious"
    assert "FAIL" in out


def test_the_directory_of_a_run_that_a_tester_exchanges_opens_no_other(check, bed, tmp_path, monkeypatch):
    run, _source, _mounted, _victim = bed
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    real = os.mkdir

    def exchange_then(path, *arguments, **options):
        real(path, *arguments, **options)
        if path.rstrip("/").endswith(DIRECTORY):
            os.rename(path, f"{path.rstrip('/')}.aside")
            os.symlink(private, path.rstrip("/"))

    monkeypatch.setattr(check, "open_one", lambda *_arguments: True)
    for name in ("check_file_systems", "check_directories", "check_users"):
        monkeypatch.setattr(check, name, lambda *_arguments: None)
    monkeypatch.setattr(os, "mkdir", exchange_then)
    with suppress(OSError):
        check.open_all(run)
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
