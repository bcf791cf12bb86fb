# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This collection's code for hosts as text, read from its files, for a host that no module reaches yet.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import ast
import io
import tokenize
from pathlib import Path

UTILS = "ansible_collections.azlin.storage.plugins.module_utils"
_FOLDER = Path(__file__).resolve().parent.parent / "module_utils"


def sources(module):
    """Return {name in an archive: text} of a module such as ``_home.first_boot`` and all it imports from here.

    Comments and documentation are left out: room is scarce where this goes.
    """
    texts, todo = {}, [module]
    while todo:
        name = todo.pop()
        if name not in texts:
            text = (_FOLDER / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")
            texts[name] = bare(text)
            todo += _imports(text)
    files = {f"{UTILS}.{name}".replace(".", "/") + ".py": text for name, text in texts.items()}
    for path in list(files):
        for parent in list(Path(path).parents)[:-1]:
            files[f"{parent}/__init__.py"] = ""
    return files


def bare(text):
    """Return Python source without comments, documentation strings, blank lines, line breaks in brackets and blanks
    beside operators."""
    lines = text.splitlines()
    inside, wrapped, depth = set(), set(), 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        row, column = token.start
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip()
        elif token.type == tokenize.OP:
            depth += (token.string in "([{") - (token.string in ")]}")
        elif token.type == tokenize.NL and depth:
            wrapped.add(row)
        elif row != token.end[0]:
            # A blank line here may belong to a string.
            inside.update(range(row, token.end[0] + 1))
    for first, last in _documentation(ast.parse(text)):
        lines[first - 1 : last] = [""] * (last - first + 1)
        inside.difference_update(range(first, last + 1))
    kept, goes_on = [], False
    for number, line in enumerate(lines, start=1):
        if line or number in inside:
            if goes_on:
                kept[-1] += f" {line.lstrip()}"
            else:
                kept.append(line)
            goes_on = number in wrapped
    return _tight("".join(f"{line}\n" for line in kept))


def _tight(text):
    """Return Python source without blanks beside operators. Since Python 3.12 these are seen in f-strings, too, which
    stay as they are: every controller makes the same of it."""
    lines = text.split("\n")
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    depth = 0
    for token, after in reversed(list(zip(tokens, tokens[1:]))):
        name = tokenize.tok_name[after.type]
        depth += (name == "FSTRING_END") - (name == "FSTRING_START")
        row, end = token.end
        if not depth and tokenize.OP in (token.type, after.type) and after.start[0] == row:
            line = lines[row - 1]
            if line[end : after.start[1]].isspace():
                lines[row - 1] = line[:end] + line[after.start[1] :]
    return "\n".join(lines)


def _documentation(tree):
    """Yield the first and last line of the documentation strings that something else follows."""
    for node in ast.walk(tree):
        documented = isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        if documented and len(node.body) > 1 and ast.get_docstring(node, clean=False) is not None:
            yield node.body[0].lineno, node.body[0].end_lineno


def _imports(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{UTILS}."):
            package = node.module[len(UTILS) + 1 :]
            for alias in node.names:
                inner = f"{package}.{alias.name}"
                yield inner if (_FOLDER / f"{inner.replace('.', '/')}.py").is_file() else package
