# Copyright (c) azlin.storage project
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as people meet it: in a browser, in light and dark, wide and narrow, with a keyboard or a screen reader."""

from __future__ import annotations

import contextlib
import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from ansible_collections.azlin.storage.plugins.plugin_utils._report import page
from tests.unit.report import fleet

WIDE, NARROW = 1400, 390
# Milliseconds; a busy machine is no defect.
PATIENCE = 300_000


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        # That of the distribution, else the one that playwright has installed.
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    several = [fleet.storage(f"homes{number}", used=10 * number) for number in range(1, 9)]
    for name, (storages, hosts) in {"three": fleet.three(), "several": (several, None)}.items():
        text, _shown = page.render(storages, hosts, "Shared homes", fleet.NOW)
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def visit(browser, pages):
    """Open a page; at the end it must have said, asked and loaded nothing."""
    with contextlib.ExitStack() as stack:
        noticed = []

        def visit(name, width=WIDE, scheme="light"):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
            stack.callback(context.close)
            tab = context.new_page()
            tab.set_default_timeout(PATIENCE)
            address = (pages / f"{name}.html").as_uri()
            tab.on("console", lambda message: noticed.append(message.text))
            tab.on("pageerror", lambda error: noticed.append(str(error)))
            tab.on("dialog", lambda dialog: (noticed.append(dialog.message), dialog.dismiss()))
            tab.on("request", lambda request: noticed.append(request.url) if request.url != address else None)
            tab.goto(address)
            return tab

        yield visit
        assert noticed == []


def rows(tab):
    """The visible rows of the overview, each as the texts of its cells."""
    cells = "rows => rows.filter(row => !row.hidden).map(row => [...row.cells].map(cell => cell.innerText))"
    return [[" ".join(text.split()) for text in row] for row in tab.locator("#storages tbody tr").evaluate_all(cells)]


def test_values_on_the_page_are_those_of_the_fixtures(visit):
    tab = visit("three")
    assert rows(tab) == [
        [
            "critical",
            "fullhomes/home team, westus2",
            "92.0 % 460.0 GiB of 500 GiB",
            "+6.0 GiB a day",
            "6 days",
            # The mean of the 28 known days.
            "21,950",
            "87.30 USD",
            "135.30 USD",
            "3",
            "1 problem 1 unknown 1 healthy",
        ],
        [
            "unknown",
            "newhomes/home other, westus2",
            "unknown of 500 GiB",
            "unknown",
            "unknown",
            "unknown",
            "87.30 USD",
            "unknown",
            "unknown",
            "unknown",
        ],
        [
            "fine",
            "calmhomes/home team, westus2",
            "20.0 % 100.0 GiB of 500 GiB",
            "0.0 GiB a day",
            "not growing",
            "0",
            "87.30 USD",
            "87.30 USD",
            "1",
            "1 healthy",
        ],
    ]
    days = tab.locator("#storage-1 .days tbody tr").evaluate_all("rows => rows.map(row => row.textContent)")
    assert len(days) == fleet.DAYS
    assert days[9] == "2026-11-05335.0 GiB21,400" and days[10] == "2026-11-06unknownunknown"
    assert days[-1] == "2026-11-25455.0 GiB20,700"
    # A point for each known day, and gaps where nothing is known.
    assert tab.locator("#storage-1 figure:nth-of-type(1) circle").count() == fleet.DAYS - 2
    assert tab.locator("#storage-2 figure").all_inner_texts() == ["Use\nunknown", "Transactions a day\nunknown"]
    assert tab.get_by_text(fleet.HOSTILE).count() == 1


@pytest.mark.parametrize(("scheme", "width"), [("light", WIDE), ("dark", WIDE), ("dark", NARROW)])
def test_everybody_can_read_it(visit, scheme, width):
    tab = visit("three", width, scheme)
    tab.get_by_role("button", name="Open all").click()
    assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    found = Axe().run(tab)
    assert found.violations_count == 0, found.generate_report()


def test_find_sort_and_open_with_the_keyboard(visit):
    tab = visit("several")
    assert tab.locator("details.storage[open]").count() == 5
    tab.keyboard.press("Tab")
    tab.keyboard.type("HOMES7")
    assert [row[1].split("/")[0] for row in rows(tab)] == ["homes7"]
    assert tab.locator("#shown").inner_text() == "1 of 8 shown"
    tab.keyboard.press("Control+A")
    tab.keyboard.press("Delete")
    heading = tab.get_by_role("button", name="Used")
    heading.focus()
    for first, order in (("homes1", "ascending"), ("homes8", "descending")):
        tab.keyboard.press("Enter")
        assert rows(tab)[0][1].startswith(first)
        assert tab.get_by_role("columnheader", name="Used").get_attribute("aria-sort") == order
    # The last of them is closed.
    link = tab.get_by_role("link", name="homes1/home")
    link.focus()
    tab.keyboard.press("Enter")
    tab.locator("details.storage[open]", has=tab.get_by_role("heading", name="homes1/home")).wait_for()
