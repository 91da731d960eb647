"""The search works in a page that is opened from disk, where a browser starts no workers and reads no data."""

from __future__ import annotations

import pytest
from watching import Watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    ("start", "words", "word"),
    [
        ("index.html", "receptive field", "receptive"),
        ("models/source/resunet_v1.html", "receptive field", "receptive"),
        ("index.html", "ResUNet++: An Advanced Architecture", "resunet++"),  # the colon names no field
    ],
)
def test_the_search_works_from_disk(browser, site, start, words, word):
    base = site.as_uri() + "/"
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watch = Watch(context, base)
    page = context.new_page()
    page.goto(base + start)
    page.locator("body").press("f")  # the theme's key for the search
    page.keyboard.type(words)
    link = page.locator(".md-search-result__link").first
    link.click()
    page.wait_for_url(base + "**/*.html**")
    assert page.url.partition("?")[0].partition("#")[0] != base + start
    assert word in page.locator("article").inner_text().lower()
    found = watch.take()
    context.close()
    assert found == []


def test_the_frame_of_the_search_stays_out_of_pages_from_a_server(browser, served_site):
    context = browser.new_context()
    page = context.new_page()
    page.goto(served_site + "index.html")
    assert page.evaluate("'IFrameWorker' in window") is False
    context.close()
