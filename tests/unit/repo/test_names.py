# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that mean two things in one function."""

from __future__ import annotations

import ast

import pytest

from tests.unit.repo import facts

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def names_in(tree, context):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)]


def names_of_module(tree):
    imported = (node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    return {
        *(node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))),
        *((alias.asname or alias.name).partition(".")[0] for node in imported for alias in node.names),
    }


def reused(tree):
    """(line, name) of names of a module that a function reads and that one of its comprehensions runs over."""
    known = names_of_module(tree)
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        inner = [node for node in ast.walk(function) if isinstance(node, COMPREHENSIONS)]
        for name in known:
            own = [one for one in inner if name in {found.id for found in names_in(one, ast.Store)}]
            meant = {id(found) for one in own for found in names_in(one, ast.Load)}
            if own and any(one.id == name and id(one) not in meant for one in names_in(function, ast.Load)):
                yield function.lineno, name


@pytest.mark.parametrize("path", facts.files("plugins/**.py"), ids=str)
def test_a_comprehension_does_not_hide_a_function_that_is_called_beside_it(path):
    """Python 3.12.1 then takes the function for a variable that has no value."""
    assert list(reused(facts.tree_of(path))) == []


def test_such_a_name_is_found():
    text = "def one(): pass\ndef two(): return [one for one in ()], one()\ndef three(): return [one for one in ()]"
    assert list(reused(ast.parse(text))) == [(2, "one")]
