"""The search box finds an entry by its name, by the title of its paper and by an author."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

import zoo

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.browser

ANSWERS = """([wanted, first]) => [...document.querySelectorAll(".md-search-result__item > a")].slice(0, first)
    .some((link) => RegExp(`/models/(${wanted})[.]html`).test(link.href))"""


@pytest.fixture
def searching(visit, searched_site):
    """A page with an open search that answers."""
    page = visit("index.html", base=searched_site)
    page.locator("body").press("f")  # the theme's key for the search
    ask(page, "network")
    page.locator(".md-search-result__link").first.wait_for()
    return page


def ask(page, words: str) -> None:
    """Puts words into the search box, in which nothing that is there can be an answer to the words before."""
    box = page.get_by_role("textbox", name="Search")
    for text in ("qqqq", words):
        box.fill(text)
        box.press("End")
        if text == "qqqq":
            page.wait_for_function("() => !document.querySelector('.md-search-result__link')")


def finds(page, words: str, names: Iterable[str], first: int) -> bool:
    """Tells whether one of some entries is among the first results for words, within 3 s."""
    from playwright.sync_api import TimeoutError as Timeout

    ask(page, words)
    try:
        page.wait_for_function(ANSWERS, arg=["|".join(map(re.escape, names)), first], timeout=3_000)
    except Timeout:
        return False
    return True


def test_an_entry_is_found_by_its_name(searching):
    names = ("resunet-v1-d5-f64", "resnet34-unet", "monai-unet-3d-d5-f16")
    assert [name for name in names if not finds(searching, name, [name], 3)] == []
    searching.locator(".md-search-result__link").first.click()
    searching.wait_for_url("**/models/monai-unet-3d*")


def test_an_entry_is_found_by_an_author(searching):
    for name in ("resunet-v1", "resunet-a", "unet3plus"):
        entry = zoo.info(name)
        same = zoo.list_models(family=entry.family)
        assert finds(searching, entry.reference.authors[0], same, 10), entry.reference.authors[0]


def test_an_entry_is_found_by_the_title_of_its_paper(searching):
    """Entries of one paper share its title, so any of them will do."""
    titles: dict[str, list[str]] = {}
    for name in zoo.list_models():
        titles.setdefault(zoo.info(name).reference.title, []).append(name)
    assert [title for title, names in titles.items() if not finds(searching, title, names, 10)] == []
