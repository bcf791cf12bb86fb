# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of a report: one file that needs no other, and no network.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import jinja2
from markupsafe import Markup

from ansible_collections.azlin.storage.plugins.plugin_utils._report import view

_HERE = Path(__file__).parent
_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"


def render(storages, told, title, moment):
    """Return the page and what it shows; see :func:`view.page`.

    Everything is escaped but the charts, the style and the script: names, tags and messages come from others. If one of
    them got through all the same, the policy of the page would keep it from running or loading anything.
    """
    shown = view.page(storages, told, title, moment)
    style, script = (_HERE.joinpath(f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("report.html.j2").render(
        **shown,
        policy=f"{_POLICY}; style-src {_hash(style)}; script-src {_hash(script)}",
        style=Markup(style),
        script=Markup(script),
    )
    return page + "\n", shown


def _hash(text):
    """The source of a policy that admits this very text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
