# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves the controller and what does not."""

from __future__ import annotations

import gzip
import os
import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.azlin.storage.plugins.action import azlin_home_files
from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.plugin_utils._sync import listing, places, secrets
from tests.unit.repo import facts

from . import corpus


def write(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(corpus.as_bytes(content))


def collected(folder, **policy):
    found = listing.collect(str(folder), listing.Policy(**policy))
    return found, {path.decode() for path in found.paths}, {one["path"]: one["reason"] for one in found.blocked}


@pytest.mark.parametrize("name", corpus.LEAKS)
def test_a_secret_is_found_in_any_file(name):
    assert secrets.find(corpus.as_bytes(corpus.LEAKS[name]))


def test_every_kind_of_secret_is_found_by_its_own_rule(monkeypatch):
    """Each rule finds something that no other one does."""
    rules, idle = secrets._RULES, []
    for rule in rules:
        monkeypatch.setattr(secrets, "_RULES", tuple(other for other in rules if other is not rule))
        if all(secrets.find(corpus.as_bytes(leak)) for leak in corpus.LEAKS.values()):
            idle.append((rule.reason, rule.needles))
    assert idle == []


@pytest.mark.parametrize("path", corpus.HARMLESS)
def test_what_only_looks_like_a_secret_is_none(path):
    assert places.harmful_place(path) is None
    assert places.secret_place(path) is None
    assert secrets.find(corpus.as_bytes(corpus.HARMLESS[path])) is None


@pytest.mark.parametrize("path", corpus.SECRET_PATHS)
def test_a_secret_is_known_by_its_path(path):
    assert places.secret_place(path)


def test_every_place_of_secrets_is_tried():
    names = [path.rpartition("/")[2] for path in corpus.SECRET_PATHS]
    untried = [
        glob
        for table, paths in ((places._NAMES, names), (places._PATHS, corpus.SECRET_PATHS))
        for globs in table.values()
        for glob in globs
        if not any(re.fullmatch(f"(?:.*/)?{places._regex(glob)}", path, re.IGNORECASE) for path in paths)
    ]
    assert untried == []


def test_the_files_of_this_repository_hold_no_secret():
    assert [str(path) for path in facts.files() if secrets.find((facts.ROOT / path).read_bytes())] == []


def test_what_is_blocked_is_not_in_the_list(tmp_path):
    leaks = {f"notes/{number}.txt": content for number, content in enumerate(corpus.LEAKS.values())}
    named = dict.fromkeys((*corpus.SECRET_PATHS, *corpus.HARMFUL_PATHS), "nothing\n")
    write(tmp_path, {**leaks, **named, **corpus.HARMLESS})
    found, sent, blocked = collected(tmp_path)
    assert set(blocked) == set(leaks) | set(named)
    assert sent & set(blocked) == set()
    files = {path for path in sent if (tmp_path / path).is_file()}
    assert files == set(corpus.HARMLESS)
    assert found.files == len(files)
    assert found.size == sum((tmp_path / path).stat().st_size for path in files)
    # Not even the names of folders that hold nothing but secrets.
    assert not {".gnupg", ".gnupg/private-keys-v1.d", ".kube", ".azlin", ".mozilla"} & sent


def test_allowing_lifts_what_is_guessed_and_no_more(tmp_path):
    token = ".azure/msal_token_cache.json"
    write(tmp_path, {token: "{}", "notes": corpus.LEAKS["RSA key"], ".ssh/authorized_keys": "x"})
    found, sent, blocked = collected(tmp_path, allow=places.pattern([token, "notes", ".ssh/*"], "allow"))
    assert {token, "notes"} <= sent and set(blocked) == {".ssh/authorized_keys"}
    assert [one["path"] for one in found.allowed] == [token, "notes"]


def test_denying_counts_more_than_allowing(tmp_path):
    write(tmp_path, {"a/big.iso": "x", "node_modules/a/b": "x", "kept": "x"})
    pattern = places.pattern(["*.iso", "node_modules"], "deny")
    _found, sent, blocked = collected(tmp_path, deny=pattern, allow=pattern)
    assert sent == {"kept"}
    assert set(blocked) == {"a/big.iso", "node_modules/"}


def test_a_pattern_that_denied_nothing_is_named(tmp_path):
    write(tmp_path, {"a/big.iso": "x", "private/b": "x", "kept": "x"})
    globs = ["*.iso", "Private", "private/**", "/home/me/private"]
    found, sent, _blocked = collected(tmp_path, deny=places.pattern(globs, "deny"))
    assert sent == {"kept"}
    assert found.idle(globs) == ["Private", "/home/me/private"]


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("*.iso", ["x.iso", "a/b/x.iso", "x.iso/inside"], ["x.isolated", "iso"]),
        ("cache", ["cache", "a/cache", "a/cache/b"], ["cached", "a/mycache"]),
        ("a/*.txt", ["a/b.txt"], ["a/b/c.txt", "x/a/b.txt"]),
        ("a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["b/z", "az"]),
        ("Downloads/", ["Downloads", "Downloads/x"], ["x/Down"]),
        ("/cache", ["cache", "cache/b"], ["a/cache"]),
        ("~$*", ["~$a.docx", "b/~$a.docx"], ["a"]),
        ("id_[!x]", ["id_[!x]"], ["id_a"]),
    ],
)
def test_patterns_mean_what_is_documented(glob, matching, other):
    pattern = places.pattern([glob], "deny")
    assert all(pattern.fullmatch(path) for path in matching)
    assert not any(pattern.fullmatch(path) for path in other)


@pytest.mark.parametrize(
    "glob",
    ["", "/", "../x", "a/../b", "./private", "a/./b", "a//b", "//a", "~/private", "~", "~me/x", "/home/x/../y", "a//"],
)
def test_a_pattern_that_means_nothing_is_refused(glob):
    with pytest.raises(AzlinError, match="deny"):
        places.pattern([glob], "deny")


def test_links_go_only_where_rsync_would_take_them(tmp_path):
    write(tmp_path, {"a/file": "x", "file": "x"})
    good = {"a/up": "../file", "here": "file", "down": "a/./file", "dangling": "nowhere"}
    bad = {"out": "../file", "a/out": "../../file", "absolute": "/etc/passwd", "inside": f"{tmp_path}/file"}
    bad["roundabout"] = "a/../file"
    for path, target in {**good, **bad}.items():
        os.symlink(target, tmp_path / path)
    found, sent, blocked = collected(tmp_path)
    assert set(good) <= sent and set(blocked) == set(bad)
    assert found.links == len(good)


def test_a_link_never_takes_the_place_of_the_ssh_folder(tmp_path):
    write(tmp_path, {".dotfiles/ssh/authorized_keys": "x", ".dotfiles/ssh/config": "Host *\n", "backup/x": "x"})
    os.symlink(".dotfiles/ssh", tmp_path / ".ssh")
    os.symlink("../.dotfiles/ssh", tmp_path / "backup/.ssh")
    _found, sent, blocked = collected(tmp_path, allow=places.pattern(["**"], "allow"))
    assert set(blocked) == {".ssh", ".dotfiles/ssh/authorized_keys"}
    assert {".dotfiles/ssh/config", "backup/.ssh"} <= sent


def test_a_link_to_a_folder_is_never_followed(tmp_path):
    write(tmp_path, {"elsewhere/id_rsa": "x", "source/kept": "x"})
    os.symlink("../elsewhere", tmp_path / "source/link")
    _found, sent, blocked = collected(tmp_path / "source")
    assert sent == {"kept"} and set(blocked) == {"link"}


def test_what_is_neither_file_nor_link_is_reported(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        _found, sent, blocked = collected(tmp_path)
    assert sent == set() and set(blocked) == {"pipe", "socket"}


def test_what_was_not_searched_is_reported(tmp_path):
    leak = corpus.as_bytes(corpus.LEAKS["RSA key"])
    write(tmp_path, {"early": leak + bytes(5000), "late": bytes(5000) + leak, "packed.gz": gzip.compress(leak)})
    found, sent, blocked = collected(tmp_path, scan_limit=2000)
    assert set(blocked) == {"early"} and sent == {"late", "packed.gz"}
    assert [one["path"] for one in found.unscanned] == ["late", "packed.gz"]
    found, sent, blocked = collected(tmp_path, scan_limit=2000, send_unscanned=False)
    assert sent == set() and set(blocked) == {"early", "late", "packed.gz"}


def test_the_source_is_not_written_to(tmp_path):
    write(tmp_path, corpus.HARMLESS)
    before = sorted((str(path), path.lstat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*")))
    collected(tmp_path)
    assert sorted((str(path), path.lstat().st_mtime_ns) for path in (tmp_path, *tmp_path.rglob("*"))) == before


def test_empty_folders_go_and_emptied_ones_do_not(tmp_path):
    write(tmp_path, {"only/.env": "x", ".ssh/config": "Host *\n"})
    (tmp_path / "empty/deep").mkdir(parents=True)
    _found, sent, _blocked = collected(tmp_path)
    # sshd accepts a folder .ssh only with certain modes, so that of the host stays.
    assert sent == {"empty", "empty/deep", ".ssh/config"}


def test_a_source_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(AzlinError) as caught:
        collected(tmp_path / "missing")
    assert caught.value.error_code == "not_found"


def test_no_source_is_not_the_current_directory(tmp_path, monkeypatch):
    """A variable that is not set in the shell, or an answer that was cleared."""
    write(tmp_path, {"README.md": "of the project\n"})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(AzlinError, match="source") as caught:
        azlin_home_files._decide({"source": "", "allow": [], "deny": [], "scan_limit": 5 << 20, "unscanned": "send"})
    assert caught.value.error_code == "invalid_argument"


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"\0" not in name and not name.startswith(b"/"))))
def test_a_list_is_read_as_it_was_written(paths):
    assert listing.read_list(listing.Listing(paths=paths).file()) == paths


def test_part_of_a_list():
    assert listing.within([b".cache", b".cache/a", b".cached", b"x"], [".cache"]) == [b".cache", b".cache/a"]


@given(st.binary())
def test_any_content_is_judged(content):
    assert secrets.find(content) is None or isinstance(secrets.find(content), str)
