# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts as inline SVG that takes its colours from the page, drawn by pygal.

Private to this collection: names and signatures may change in any release.
"""

from __future__ import annotations

import importlib
import re
import sys

from ansible.module_utils.basic import missing_required_lib
from markupsafe import Markup

from ansible_collections.azlin.storage.plugins.module_utils._common.errors import AzlinError
from ansible_collections.azlin.storage.plugins.module_utils._common.sizes import GIB

_WIDE = {"width": 560, "height": 190, "margin": 4, "margin_left": 8, "margin_right": 26}
_SPARK = {"width": 110, "height": 26, "margin": 1, "show_x_labels": False, "show_y_labels": False, "spacing": 0}
_LABELS = 5
_TICKS = (0, 0.5, 1)
# Parts of pygal's drawing that only its own style and script make use of.
_NEEDLESS = {"background", "titles", "text-overlay", "tooltip-overlay"}
_UNUSED = {"reactive", "tooltip-trigger", "nofill", "always_show"}
# A tenth of a pixel is enough, and most of the size of a page would be the rest.
_DIGITS = re.compile(r"(\.\d)\d+")


def load():
    """Import pygal, or raise the usual message about a missing library."""
    try:
        return importlib.import_module("pygal")
    except ImportError as exc:
        raise AzlinError(
            "missing_library",
            missing_required_lib("pygal", reason="to draw the charts of a report"),
            causes=[(f"pygal cannot be imported: {exc}", f"Install it for {sys.executable}, which runs Ansible.")],
            try_="python -m pip install pygal",
        ) from exc


def use(used, size_bytes, forecast, label):
    """The use of each day below the provisioned size, with a dashed forecast.

    :param used: pairs of date and bytes; bytes are None where they are unknown, which leaves a gap.
    :param forecast: the same for days to come, what exceeds the size is left out.
    """
    top = _top(used, size_bytes)
    ahead = [value / GIB for _date, value in forecast if value <= top * GIB]
    dates = [date for date, _value in [*used, *forecast]]
    chart = _chart(dates, top, _WIDE, y_labels=[_tick(top * part, " GiB") for part in _TICKS])
    chart.add("used", _in_gib(used))
    if ahead:
        chart.add("forecast", [*[None] * len(used), *ahead], show_dots=False)
    return _svg(chart, label)


def transactions(counts, label):
    """The transactions of each day, as pairs of date and number; None where it is unknown."""
    most = max([2, *_known(counts)])
    top = most + most % 2
    chart = _chart([date for date, _value in counts], top, _WIDE, y_labels=[_tick(top * part) for part in _TICKS])
    chart.add("transactions", [value for _date, value in counts])
    return _svg(chart, label)


def spark(used, size_bytes):
    """The use as a small line, for people who see; the numbers beside it say the same."""
    chart = _chart([], _top(used, size_bytes), _SPARK, y_labels=[], show_dots=False)
    chart.add("used", _in_gib(used))
    return _svg(chart)


def _chart(dates, top, size, **options):
    return load().Line(
        js=(),
        css=(),
        classes=("chart",),
        show_legend=False,
        allow_interruptions=True,
        dots_size=2,
        range=(0, top),
        x_labels=dates,
        x_labels_major_every=max(1, -(-len(dates) // _LABELS)),
        show_minor_x_labels=False,
        truncate_label=-1,
        **size,
        **options,
    )


def _known(pairs):
    return [value for _date, value in pairs if value is not None]


def _in_gib(used):
    return [None if value is None else value / GIB for _date, value in used]


def _top(used, size_bytes):
    """The upper end of an axis in GiB: the size, unless more is used."""
    return max([*_known(used), size_bytes or 0]) / GIB or 1


def _tick(value, unit=""):
    return {"value": value, "label": f"{value:,.1f}".removesuffix(".0") + unit}


def _svg(chart, label=None):
    """The drawing alone, escaped by its serializer: the page brings style, numbers and words."""
    chart.add_xml_filter(_stripped)
    root = chart.render_tree()
    root.attrib.pop("id", None)
    if label is None:
        root.attrib.update({"aria-hidden": "true"})
    else:
        root.attrib.update({"role": "img", "aria-label": label})
    return Markup(importlib.import_module("pygal.etree").etree.tostring(root).decode("ascii"))


def _stripped(root):
    for parent in list(root.iter()):
        for child in list(parent):
            if _is_needless(child):
                parent.remove(child)
        if parent is not root and "class" in parent.attrib:
            parent.attrib["class"] = " ".join(word for word in parent.attrib["class"].split() if word not in _UNUSED)
        for name in ("d", "x", "y", "cx", "cy"):
            if parent is not root and name in parent.attrib:
                parent.attrib[name] = _DIGITS.sub(r"\1", parent.attrib[name])
    return root


def _is_needless(element):
    if not isinstance(element.tag, str):
        return True
    classes = set(element.attrib.get("class", "").split())
    return element.tag.rpartition("}")[2] in ("defs", "title", "desc") or bool(classes & _NEEDLESS)
