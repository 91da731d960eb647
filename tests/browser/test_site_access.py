"""No page has what axe-core calls a serious or critical barrier, in light and in dark."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.browser

PAGES = (
    "index.html",
    "models/index.html",
    "models/resunet-v1-d5-f64.html",
    "models/compare.html",
    "models/weights.html",
    "models/residual.html",
)


def barriers(page) -> dict[str, list[str]]:
    """Returns what axe-core finds of serious or critical impact: by rule, where and why."""
    from axe_playwright_python.sync_playwright import Axe

    found = {}
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in ("serious", "critical"):
            found[violation["id"]] = [f"{node['target'][-1]}: {node['failureSummary']}" for node in violation["nodes"]]
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_have_no_barrier(visit, path, dark):
    page = visit(path, dark=dark)
    assert page.locator("body").get_attribute("data-md-color-scheme") == ("slate" if dark else "default")
    page.evaluate("() => document.querySelectorAll('article details').forEach((part) => { part.open = true; })")
    assert barriers(page) == {}


@pytest.mark.parametrize("path", [*PAGES, "guide/numbers.html", "reference/python.html"])
def test_pages_have_no_barrier_on_a_phone_either(visit, path):
    """What scrolls there, such as wide tables, is within reach of the keyboard."""
    page = visit(path, width=390, height=844)
    page.locator(".md-typeset__scrollwrap, .zoo-figure, table").first.wait_for(state="attached")
    assert barriers(page) == {}


def test_pages_fit_a_phone(visit):
    page = visit(PAGES[0], width=390, height=844)
    for path in PAGES:
        page.goto(page.url.partition("/path/")[0] + f"/path/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == 390, path


def test_a_barrier_is_seen(visit):
    page = visit("index.html")
    page.evaluate("""() => document.querySelector("article").insertAdjacentHTML("beforeend", `
        <p style="color: #999; background: #fff">Too faint to be read</p><img src="assets/images/favicon.png">`)""")
    assert {"color-contrast", "image-alt"} <= set(barriers(page))
