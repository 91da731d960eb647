"""A built site, a server for it, and a browser that reports whatever goes wrong in a page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parents[2] / "scripts"))
from building import built_site, without_search
from chromium import find_chromium, launch, served
from watching import Watch

from zoo.errors import ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the built site."""
    return built_site()


@pytest.fixture(scope="session")
def pages(site: Path) -> list[Path]:
    """Every page but the one for missing pages, whose links are those of the root of a host."""
    found = [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]
    assert found
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; tests that need it are skipped where it is missing."""
    try:
        find_chromium()
    except ZooError as error:
        pytest.skip(str(error))
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def light_site(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with one text in the index of its search, which every page loads and which takes longer than the page."""
    return without_search(site, tmp_path_factory.mktemp("light") / "site")


@pytest.fixture(scope="session")
def served_site(light_site: Path) -> Iterator[str]:
    """The address of the site with a small index, served under a sub-path; ends in "/"."""
    with served(light_site) as address:
        yield address


@pytest.fixture(scope="session")
def searched_site(site: Path) -> Iterator[str]:
    """The address of the site with the whole index."""
    with served(site) as address:
        yield address


@pytest.fixture
def visit(browser: Browser, served_site: str) -> Iterator[Callable[..., Page]]:
    """`visit("models/index.html", dark=True, width=390, …)` opens a page; what went wrong in it fails the test at its end."""
    opened: list[Watch] = []

    def visit(
        path: str, *, base: str = served_site, dark: bool = False, width: int = 1280, height: int = 900, scripts: bool = True
    ) -> Page:
        context = browser.new_context(
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": height},
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        context.set_default_timeout(20_000)
        opened.append(Watch(context, base))
        page = context.new_page()
        page.goto(base + path)
        return page

    yield visit
    defects = [defect for watch in opened for defect in watch.defects]
    for watch in opened:
        watch.context.close()
    assert defects == []
