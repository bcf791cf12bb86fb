# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter that renders user-data, and the code in it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import zipfile

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.azlin.storage.plugins.filter.home_user_data import home_user_data
from ansible_collections.azlin.storage.plugins.module_utils._common import mounts
from ansible_collections.azlin.storage.plugins.module_utils._common.cloud_init import MOST_BYTES
from ansible_collections.azlin.storage.plugins.plugin_utils import _host_code
from tests.unit.repo import facts

SOURCE = "teamhomes01.file.core.windows.net:/teamhomes01/home"
FIRST_BOOT = f"{_host_code.UTILS}._home.first_boot"


def cloud_config(**options):
    text = home_user_data(SOURCE, **options)
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


def test_it_is_cloud_config_that_azure_takes_with_long_lists_too():
    paths = [f".local/share/some-application-{number}" for number in range(20)]
    rendered = cloud_config(local_paths=paths, mount_options=["actimeo=30"], user="dev")
    assert json.loads(rendered["runcmd"][0][3])["local_paths"] == sorted(paths)
    assert len(home_user_data(SOURCE, local_paths=paths).encode()) < MOST_BYTES


def test_there_is_room_for_what_users_add():
    """docs/provision.md tells this number. Code that makes it more is shortened elsewhere, or packed better."""
    assert len(home_user_data(SOURCE).encode()) < 64_500


def test_the_role_installs_the_same_packages():
    text = facts.read("roles/nfs_home/tasks/packages.yml")
    assert [f"'{family}': '{package}'" in text for family, package in mounts._PACKAGES.items()] == [True] * 3


def test_the_same_input_gives_the_same_text():
    assert home_user_data(SOURCE) == home_user_data(SOURCE)


def test_lists_given_as_text_are_split_as_ansible_does():
    rendered = cloud_config(local_paths=".cache,tmp", mount_options="actimeo=30")
    wanted = json.loads(rendered["runcmd"][0][3])
    assert (wanted["local_paths"], wanted["mount_options"]) == ([".cache", "tmp"], ["actimeo=30"])
    with pytest.raises(AnsibleFilterError, match="local_paths: .* is not a list"):
        home_user_data(SOURCE, local_paths={".cache": True})


def test_bad_input_names_the_value():
    with pytest.raises(AnsibleFilterError, match="mount_options: 'soft'"):
        home_user_data(SOURCE, mount_options=["soft"])


def test_the_program_unpacks_itself_and_reaches_the_transaction_with_nothing_but_python(tmp_path):
    """Started as cloud-init does, in a /run of its own; the user does not exist, so it goes no further."""
    (file,) = cloud_config()["write_files"]
    program = tmp_path / "first_boot.py"
    program.write_text(file["content"].replace("/run/azlin", str(tmp_path / "run")), encoding="utf-8")
    wanted = {"user": "nosuchuser", "source": SOURCE, "mount_timeout": 1, "busy_timeout": 1}
    done = subprocess.run(
        [sys.executable, "-I", program, json.dumps(wanted)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    told = json.loads(done.stdout.removeprefix("azlin.storage: "))
    assert told["failed"] and "nosuchuser" in told["msg"]
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    with zipfile.ZipFile(tmp_path / "run/first_boot.zip") as archive:
        assert f"{FIRST_BOOT.replace('.', '/')}.py" in archive.namelist()


def test_the_code_of_the_host_is_complete_and_does_what_its_source_does():
    """The guard of a transaction is made of it, so what runs at later boots has to be in it too."""
    files = _host_code.sources("_home.first_boot")
    assert {f"{_host_code.UTILS}._home.{name}".replace(".", "/") + ".py" for name in ("recover", "guard")} <= set(files)
    for name, text in files.items():
        relative = name.removeprefix(f"{_host_code.UTILS.replace('.', '/')}/")
        original = _host_code._FOLDER / relative
        if text:
            assert ast.dump(_plain(text)) == ast.dump(_plain(original.read_text(encoding="utf-8"))), name


def _plain(text):
    """The tree of a source without documentation."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] if len(node.body) > 1 else node.body
    return tree


def test_a_text_keeps_its_own_hashes_and_blank_lines():
    text = '"""Documentation."""\n\nTEXT = """# no comment\n\nend"""  # a comment\nONE = "#"\n'
    assert _host_code.bare(text) == 'TEXT="""# no comment\n\nend"""\nONE="#"\n'


def test_a_line_that_goes_on_is_one_line_but_for_a_text_in_it():
    text = 'CALL = f(\n    # why\n    {"a": [1,\n           2]},\n\n    """x\n    (\n  y""",\n)\nONE = 1\n'
    assert _host_code.bare(text) == 'CALL=f({"a":[1,2]},"""x\n    (\n  y""",)\nONE=1\n'


def test_only_blanks_that_mean_something_stay():
    text = 'def f(a, *b) -> int:\n    return -1 if a in (1, 2) else f"{a + 1} = {{ + {b!r}" + "a + b"\n'
    wanted = 'def f(a,*b)->int:\n    return-1 if a in(1,2)else f"{a + 1} = {{ + {b!r}"+"a + b"\n'
    assert _host_code.bare(text) == wanted
