# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies of a server as its units make them, by the real rsync."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._nas import layout

SERVER = nas.servers([], "production7", ["10.30.1.0/24"], [("here", "10.30.1.11")])[0]
ODD = ("plain", "with space", "new\nline", "*", "a[b", "back\\slash", "both\\*", "#x", "- y", "deep/er/x", "byte\udcff")


@pytest.fixture
def copy(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()

    def run():
        unit = layout.copy(SERVER, "seed", str(source), str(target), f"--temp-dir={tmp_path}")
        words = next(line for line in unit.splitlines() if line.startswith("ExecStart=")).partition("=")[2].split()
        for path, text in layout.files(SERVER).items():
            if path in words:
                script = tmp_path / "script"
                script.write_text(text)
                words[words.index(path)] = str(script)
        words = [sys.executable if word == "/usr/bin/python3" else word for word in words]
        return subprocess.run(words, capture_output=True, text=True, errors="backslashreplace", check=False)

    return source, target, run


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_file_of_a_tester_never_makes_way(copy):
    source, target, run = copy
    for name in ODD:
        write(source / name / "below", "new")
        write(target / name, "precious")
    write(source / "file", "new")
    (target / "file").symlink_to("plain")
    (source / "link").symlink_to("plain")
    write(target / "link", "precious")
    write(source / "full", "new")
    write(target / "full/x", "precious")
    write(source / "folder/inner/x", "new")
    (target / "folder").symlink_to("nowhere")
    done = run()
    assert done.returncode == 0, done.stderr
    assert {name: (target / name).read_text() for name in (*ODD, "link", "full/x")} == dict.fromkeys(
        (*ODD, "link", "full/x"), "precious"
    )
    assert os.readlink(target / "file") == "plain" and os.readlink(target / "folder") == "nowhere"
    lines = done.stderr.splitlines()
    assert len([line for line in lines if line.startswith("<4>")]) == len(ODD) + 4
    assert any("link" in line and str(target) in line for line in lines)


def test_the_rest_is_copied_and_renewed(copy):
    source, target, run = copy
    write(source / "other/file", "new")
    write(source / "conflict/file", "new")
    write(target / "conflict", "precious")
    write(target / "newer", "of the target")
    write(source / "newer", "old")
    os.utime(source / "newer", (1e9, 1e9))
    (source / "a*").mkdir()
    write(source / "ab", "new")
    write(target / "a*", "precious")
    # One is left out, and what its pattern would fit is not. at a time: a pattern for one must not fit the other.
    assert run().returncode == 0
    assert (target / "other/file").read_text() == "new" and (target / "ab").read_text() == "new"
    assert (target / "conflict").read_text() == "precious" == (target / "a*").read_text()
    assert (target / "newer").read_text() == "of the target"
    write(source / "other/file", "newest of all")
    assert run().returncode == 0
    assert (target / "other/file").read_text() == "newest of all"


def test_a_failure_of_rsync_is_one_of_the_unit(copy):
    source, _target, run = copy
    source.rmdir()
    assert run().returncode == 23
