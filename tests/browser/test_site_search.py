"""The search box finds an entry by its name, by the title of its paper and by an author."""

from __future__ import annotations

import re

import pytest

import zoo

pytestmark = pytest.mark.browser

ENTRY = "resunet-v1-d5-f64"


def test_an_entry_is_found_by_name_title_and_author(visit, searched_site):
    """Entries of a family share their paper, so for its words any of them will do; a name is to be found itself."""
    entry = zoo.info(ENTRY)
    family = zoo.list_models(family=entry.family)
    asked = [(ENTRY, [ENTRY], 3), (entry.reference.title, family, 10), (entry.reference.authors[0], family, 10)]
    page = visit("index.html", base=searched_site)
    page.locator("body").press("f")  # the theme's key for the search
    box = page.get_by_role("textbox", name="Search")
    for words, names, first in asked:
        box.fill("qqqq")  # nothing has this in it, so what is listed afterwards answers the next words
        box.press("End")
        page.wait_for_function("() => !document.querySelector('.md-search-result__link')")
        box.fill(words)
        box.press("End")
        wanted = "|".join(re.escape(name) for name in names)
        page.wait_for_function(
            """([wanted, first]) => [...document.querySelectorAll(".md-search-result__item > a")].slice(0, first)
                .some((link) => RegExp(`/models/(${wanted})[.]html`).test(link.href))""",
            arg=[wanted, first],
        )
    page.locator(".md-search-result__link").first.click()
    page.wait_for_url(re.compile(r"/models/resunet-v1"))
