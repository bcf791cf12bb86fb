# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Ansible puts what root runs: in a directory below /tmp anybody could be first, and exchange it there."""

from __future__ import annotations

import re

import pytest

from tests.unit.repo import facts

# Ansible's own directory has a new name each time, so right in a sticky directory it is safe.
FOREIGN = re.compile(
    r"^.*ansible_(?:remote_tmp|async_dir)\b[\"']?\s*[:=]\s*[\"']?(?:/var)?/tmp/+[^\s\"'].*$", re.MULTILINE | re.I
)


@pytest.mark.parametrize("path", facts.files("*.yml", "*.yaml", "*.md", "*.cfg", "*.ini"), ids=str)
def test_nothing_that_root_runs_lies_where_anybody_could_have_made_the_directory(path):
    assert FOREIGN.findall(facts.read(path)) == []


def test_a_directory_that_anybody_could_have_made_is_found():
    assert FOREIGN.findall("  ansible_remote_tmp: /var/tmp/.mine-${USER}")
    assert FOREIGN.findall('ANSIBLE_ASYNC_DIR="/tmp/jobs"')
    assert FOREIGN.findall("ansible_remote_tmp: /var/tmp\nansible_async_dir: /run/azlin/jobs") == []
