"""Every page loads without an error and asks for nothing that is missing or elsewhere, served and from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from watching import Watch

import zoo

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def defects(browser: Browser, base: str, site: Path, pages: Iterable[Path]) -> dict[str, list[str]]:
    """Returns what went wrong in each of the pages in which something did."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watch = Watch(context, base)
    page = context.new_page()
    wrong = {}
    for address in (path.relative_to(site).as_posix() for path in pages):
        page.goto(base + address)
        page.evaluate("new Promise(requestAnimationFrame)")  # scripts that start when the page is drawn have started
        if found := watch.take():
            wrong[address] = found
    context.close()
    return wrong


def test_every_page_loads_served_from_a_sub_path(browser, served_site, site, pages):
    assert defects(browser, served_site, site, pages) == {}


def test_pages_load_from_disk(browser, site, light_site, pages):
    """One entry of each family stands for all of them: pages of a family differ in numbers only."""
    entries = {name: zoo.info(name).family for name in zoo.list_models()}
    first = {family: name for name, family in reversed(entries.items())}
    chosen = [page for page in pages if page.parent.name != "models" or first.get(entries.get(page.stem)) in (page.stem, None)]
    assert defects(browser, light_site.as_uri() + "/", site, chosen) == {}


def test_a_defect_of_each_kind_is_seen(browser, served_site):
    context = browser.new_context()
    watch = Watch(context, served_site)
    page = context.new_page()
    page.goto(served_site + "index.html")
    assert watch.take() == []
    page.evaluate("""async () => {
        console.error("wrong");
        setTimeout(() => { throw new Error("broken"); });
        for (const src of ["gone.png", "https://example.org/far.png"])
            await new Promise((done) => Object.assign(new Image(), { src, onerror: done }));
    }""")
    found = watch.take()
    context.close()
    assert {"console: wrong", "404: gone.png", "asks for https://example.org/far.png, outside the site"} <= set(found)
    assert any("broken" in text for text in found)
