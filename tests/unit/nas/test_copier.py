# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copies of a server as its units make them, by the real rsync."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._common import nas
from ansible_collections.azlin.storage.plugins.module_utils._nas import copier, layout

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
        here = {"/usr/bin/python3": sys.executable, layout.data(SERVER): str(target)}
        words = [here.get(word, word) for word in words]
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


def seen(folder):
    """Path -> digest and times of everything below; the change time tells of a file that was put there anew."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.stat().st_ctime_ns,
        )
        for path in paths
    }


def test_five_cycles_change_nothing_but_what_was_changed(copy):
    source, target, run = copy
    chance = random.Random(9)
    for number in range(200):
        path = source / f"d{number % 7}" / f"f{number}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(chance.randbytes(chance.randrange(20_000)))
    write(target / "of-a-tester", "precious")
    assert run().returncode == 0
    copied = seen(target)
    assert {path: found[:2] for path, found in copied.items() if path != "of-a-tester"} == {
        path: found[:2] for path, found in seen(source).items()
    }
    for cycle in range(5):
        write(source / "d0/f0", f"cycle {cycle}")
        originals = seen(source)
        assert run().returncode == 0
        again = seen(target)
        assert {path for path in again if again[path] != copied.get(path)} == {"d0/f0"}
        assert again["d0/f0"][:2] == originals["d0/f0"][:2] and seen(source) == originals
        copied = again


@pytest.mark.parametrize(
    ("blocks", "inodes", "warning"), [(89, 1, ""), (93, 1, "full to 93 %"), (1, 97, "full to 97 %")]
)
def test_an_export_that_is_nearly_full_is_a_warning_in_the_log(tmp_path, monkeypatch, capsys, blocks, inodes, warning):
    status = SimpleNamespace(f_blocks=100, f_bavail=100 - blocks, f_files=100, f_favail=100 - inodes)
    monkeypatch.setattr(copier.os, "statvfs", lambda _path: status)
    assert copier.main([str(tmp_path), "/bin/true", f"{tmp_path}/", f"{tmp_path}/"]) == 0
    said = capsys.readouterr().err
    assert warning in said and said.startswith("<4>") is bool(warning)


def test_a_failure_of_rsync_is_one_of_the_unit(copy):
    source, _target, run = copy
    source.rmdir()
    assert run().returncode == 23
