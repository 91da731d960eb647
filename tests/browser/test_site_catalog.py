"""The catalog page: its table sorts and filters by mouse and keys, its state is in the address, its chart names its points."""

from __future__ import annotations

import math
from urllib.parse import parse_qs, urlsplit

import pytest

import zoo

pytestmark = pytest.mark.browser

PAGE = "models/index.html"
ROWS = ".zoo-entries tbody tr"


def shown(page) -> list[str]:
    """Returns the names of the entries that the table shows, from top to bottom."""
    return page.locator(f"{ROWS}:not([hidden]) th a").all_inner_texts()


def state(page) -> dict[str, str]:
    """Returns what the address says."""
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).query).items()}


def ranked(key, descending=False) -> list[str]:
    """Returns all entries in the order that a column is to give; those that tie stay in the catalog's order."""
    return sorted(zoo.list_models(), key=lambda name: key(zoo.info(name)), reverse=descending)


def density(entry) -> int:
    """MACs per pixel or voxel, rounded half up."""
    return math.floor(entry.numbers.macs / math.prod(entry.analysis_shape[:-1]) + 0.5)


def test_columns_sort_by_mouse_and_by_keys(visit):
    page = visit(PAGE)
    listed = shown(page)
    assert listed == zoo.list_models()
    head = page.locator("th", has=page.get_by_role("button", name="parameters"))
    button = head.get_by_role("button")
    button.click()
    assert shown(page) == ranked(lambda entry: entry.numbers.params)
    assert (head.get_attribute("aria-sort"), state(page)) == ("ascending", {"sort": "params"})
    button.press("Enter")
    assert shown(page) == ranked(lambda entry: entry.numbers.params, descending=True)
    assert (head.get_attribute("aria-sort"), state(page)) == ("descending", {"sort": "-params"})
    button.press("Space")
    assert shown(page) == listed
    assert (head.get_attribute("aria-sort"), state(page)) == (None, {})
    page.get_by_role("button", name="kMACs per px").click()
    page.get_by_role("button", name="year").press("Enter")
    assert page.locator("[aria-sort]").all_inner_texts() == ["year"]
    assert shown(page) == ranked(lambda entry: entry.reference.year)


def test_filters_keep_what_passes_and_the_address_keeps_them(visit):
    page = visit(PAGE)
    entries = [zoo.info(name) for name in zoo.list_models()]
    small = [entry.name for entry in entries if entry.numbers.params <= 5_000_000]
    small_2d = [entry.name for entry in entries if entry.name in small and entry.ndim == 2]
    assert 0 < len(small_2d) < len(small) < len(entries)
    page.get_by_label("At most M parameters").fill("5")
    assert shown(page) == small
    page.get_by_label("Axes").select_option("2D")
    assert shown(page) == small_2d
    assert page.get_by_role("status").inner_text() == f"{len(small_2d)} of {len(entries)} entries"
    assert sorted(page.locator(".zoo-scatter a:not(.off)").evaluate_all("links => links.map((a) => a.dataset.name)")) == sorted(
        small_2d
    )
    page.get_by_role("button", name="parameters").click()
    by_size = [name for name in ranked(lambda entry: entry.numbers.params) if name in small_2d]
    assert state(page) == {"params": "5", "ndim": "2", "sort": "params"}
    page.reload()
    assert shown(page) == by_size
    page.get_by_label("Words in").fill("no such words anywhere")
    assert shown(page) == []
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("() => !location.search")
    assert shown(page) == zoo.list_models()


VIEWS = {
    "q=zhang+road": lambda entry: "Road Extraction" in entry.reference.title,
    "family=mednext&kmacs=300": lambda entry: entry.family == "mednext" and density(entry) <= 300_000,
    "from=2021&ndim=3": lambda entry: entry.reference.year >= 2021 and entry.ndim == 3,
    "gmacs=10&peak=40": lambda entry: entry.numbers.macs <= 10e9 and entry.numbers.peak_bytes <= 40 * 2**20,
}


def test_an_address_gives_its_view(visit):
    page = visit(PAGE)
    for query, passes in VIEWS.items():
        expected = [name for name in zoo.list_models() if passes(zoo.info(name))]
        assert 0 < len(expected) < len(zoo.list_models())
        page.goto(page.url.partition("?")[0] + f"?{query}")
        assert shown(page) == expected, query


# Where on the screen each point can be hit, or null: by the entry's name.
SPOTS = """() => {
    const spot = (link) => {
        const { left, top, width, height } = link.getBoundingClientRect();
        for (let k = 0; k < 81; k++) {
            const [x, y] = [left + (width * ((k % 9) + 0.5)) / 9, top + (height * (Math.floor(k / 9) + 0.5)) / 9];
            if (document.elementFromPoint(x, y)?.closest("a") === link) return [x, y];
        }
        return null;
    };
    const links = [...document.querySelectorAll(".zoo-points a")];
    links[0].ownerSVGElement.scrollIntoView({ block: "center" });
    return Object.fromEntries(links.map((link) => [link.dataset.name, spot(link)]));
}"""


def test_a_point_of_the_chart_names_itself_and_leads_to_its_entry(visit):
    page = visit(PAGE, width=1600, height=1200)
    spots = page.evaluate(SPOTS)
    assert sorted(spots) == sorted(zoo.list_models())
    assert [name for name, spot in spots.items() if spot is None] == []  # no point hides another
    labels = page.locator(".zoo-points .l .b").filter(visible=True)
    assert labels.count() == 0
    page.locator('.zoo-points a[data-name="resunet-v1-3d-d4-f16"]').focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")  # what the keyboard brings into focus shows it, what a script does may not
    assert labels.all_text_contents() == ["resunet-v1-3d-d4-f16"]
    page.evaluate("document.activeElement.blur()")
    spots = page.evaluate(SPOTS)
    for name in ("resunet-v2-d5-f64", "resunet-v2-bn-d5-f64"):  # at nearly the same place
        page.mouse.move(*spots[name])
        assert labels.all_text_contents() == [name]
    page.mouse.click(*spots["resunet-v2-d5-f64"])
    page.wait_for_url("**/models/resunet-v2-d5-f64.html")


def test_the_catalog_reads_without_scripts(visit):
    page = visit(PAGE, scripts=False)
    assert shown(page) == zoo.list_models()
    assert not page.locator(".zoo-filter").is_visible()
    assert page.locator(".zoo-points a").count() == len(zoo.list_models())
