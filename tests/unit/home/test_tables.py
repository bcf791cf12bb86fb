# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables that tell what is mounted: the kernel's and fstab."""

from __future__ import annotations

import os

import pytest

from ansible_collections.azlin.storage.plugins.module_utils._home import fstab, mountinfo

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
40 22 0:35 / /home/azure\\040user rw,nosuid,nodev shared:20 master:3 - nfs4 a.file.core.test:/a/home rw,vers=4.1
41 22 0:36 /sub /data rw - tmpfs none rw
42 22 0:37 / /data rw - nfs4 b.file.core.test:/b/home rw
43 42 0:38 / /data/inner\\134x rw - tmpfs - rw
"""
TEXT = (
    "# comment\nh:/a/b /home/u nfs defaults 0 0\n\th:/a/c\t/home/u/ nfs ro 0 0\nh:/a/b /home/u2 nfs ro 0 0\nodd line\n"
)
LINE = "new:/a/b /home/u nfs x 0 0"
# The kernel escapes none of them; Python takes them for ends of lines, or for blanks.
ODD_CHARACTERS = ["\r", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\xa0", "\u2028", "\u2029"]


def test_mountinfo_with_any_number_of_optional_fields_and_escapes():
    mounts = mountinfo.parse(MOUNTINFO)
    home = mountinfo.at(mounts, "/home/azure user")
    assert (home.source, home.fstype, home.root) == ("a.file.core.test:/a/home", "nfs4", "/")
    assert home.options == ("rw", "nosuid", "nodev") and "vers=4.1" in home.super_options
    assert home.device_number == os.makedev(0, 35)


def test_the_mount_on_top_counts():
    mounts = mountinfo.parse(MOUNTINFO)
    assert mountinfo.at(mounts, "/data").source == "b.file.core.test:/b/home"
    assert mountinfo.at(mounts, "/dat") is None


def test_mounts_below_a_path_are_not_those_beside_it():
    mounts = mountinfo.parse(MOUNTINFO)
    assert [mount.path for mount in mountinfo.below(mounts, "/data")] == ["/data/inner\\x"]
    assert mountinfo.below(mounts, "/home/azure") == []


def test_the_table_of_this_process_can_be_read():
    assert mountinfo.at(mountinfo.read(), "/").path == "/"


@pytest.mark.parametrize("odd", ODD_CHARACTERS)
def test_a_line_ends_at_a_newline_and_nowhere_else(odd, tmp_path):
    """Anybody may mount such a thing, by FUSE or in a user namespace of their own."""
    path = tmp_path / "mountinfo"
    path.write_bytes(f"44 22 0:39 / /a{odd}b rw - fuse x{odd}/y rw\n{MOUNTINFO}".encode())
    mounts = mountinfo.read(str(path))
    assert (mounts[0].path, mounts[0].source) == (f"/a{odd}b", f"x{odd}/y")
    assert mounts[1:] == mountinfo.parse(MOUNTINFO)


@pytest.mark.parametrize("odd", ODD_CHARACTERS)
def test_odd_characters_in_fstab_stay_where_they_are(odd):
    text = f"h:/a /home/u{odd}b nfs ro 0 0\n# c{odd}h:/a /home/u nfs ro 0 0\nh:/a{odd}h:/b /home/u nfs ro 0 0\n"
    first, second, _third = text.split("\n")[:3]
    assert [entry.source for entry in fstab.entries_for(text, "/home/u")] == [f"h:/a{odd}h:/b"]
    assert fstab.with_entry(text, "/home/u", LINE) == f"{first}\n{second}\n{LINE}\n"
    assert fstab.without_entry(text, "/home/u") == f"{first}\n{second}\n"


def test_only_entries_of_exactly_the_path_count():
    assert [entry.source for entry in fstab.entries_for(TEXT, "/home/u")] == ["h:/a/b", "h:/a/c"]
    assert [entry.path for entry in fstab.entries_for("/dev/sda1 / ext4 defaults 0 1\n", "/")] == ["/"]


def test_one_entry_replaces_all_of_its_path_and_nothing_else():
    changed = fstab.with_entry(TEXT, "/home/u", LINE)
    assert changed == f"# comment\n{LINE}\nh:/a/b /home/u2 nfs ro 0 0\nodd line\n"
    assert fstab.with_entry(changed, "/home/u", LINE) == changed


def test_an_entry_is_added_after_a_last_line_without_newline():
    assert fstab.with_entry("last", "/home/u", LINE) == f"last\n{LINE}\n"


def test_an_entry_is_removed_with_its_duplicates():
    assert fstab.without_entry(TEXT, "/home/u") == "# comment\nh:/a/b /home/u2 nfs ro 0 0\nodd line\n"


def test_an_entry_without_options_counts():
    """mount(8) and systemd take it."""
    text = "/dev/sda1 / ext4\nother:/a/b /home/u nfs\n/home/u\n"
    assert [entry.source for entry in fstab.entries_for(text, "/home/u")] == ["other:/a/b"]
    assert fstab.without_entry(text, "/home/u") == "/dev/sda1 / ext4\n/home/u\n"


def test_a_commented_entry_is_a_comment():
    assert fstab.entries_for(f"#{LINE}\n", "/home/u") == []


@pytest.mark.parametrize("through_link", [False, True])
def test_a_written_fstab_keeps_bytes_mode_and_owner(tmp_path, through_link):
    path = tmp_path / "fstab"
    path.write_bytes(b"# \xff\r\n")
    path.chmod(0o640)
    os.chown(path, 0, 4)
    named = path
    if through_link:
        named = tmp_path / "link"
        named.symlink_to(path)
    fstab.write(str(named), fstab.with_entry(fstab.read(str(named)), "/home/u", LINE))
    assert path.read_bytes() == b"# \xff\r\n" + LINE.encode() + b"\n"
    assert (path.stat().st_mode & 0o777, path.stat().st_gid) == (0o640, 4)
    assert named.is_symlink() == through_link
    assert sorted(os.listdir(tmp_path)) == sorted({"fstab", named.name})
