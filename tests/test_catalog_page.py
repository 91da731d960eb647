"""The catalog page: what its table sorts and filters by is what the catalog says, and its script does that exactly."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from pages import catalog as page

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "docs" / "assets" / "catalog.js"
NODE = shutil.which("node")
ENTRIES = [zoo.info(name) for name in zoo.list_models()]

needs_node = pytest.mark.skipif(NODE is None, reason="needs node to run the page's script")


class Table(HTMLParser):
    """Reads the rows of the table: a dictionary of the cells' values by column, with the words to search in."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[str] = []
        self.rows: list[dict[str, str]] = []
        self.texts: list[list[str]] = []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "th" and "data-key" in given:
            self.keys.append(given["data-key"])
        elif tag == "tr" and "data-words" in given:
            self.rows.append({"words": given["data-words"]})
            self.texts.append([])
        elif tag in ("td", "th") and "data-value" in given:
            self.rows[-1][self.keys[len(self.texts[-1])]] = given["data-value"]
            self.texts[-1].append("")

    def handle_data(self, data):
        if self.texts and self.texts[-1]:
            self.texts[-1][-1] += data.strip()


@pytest.fixture(scope="module")
def text() -> str:
    return page.catalog_page(ENTRIES)


@pytest.fixture(scope="module")
def table(text: str) -> Table:
    parsed = Table()
    parsed.feed(text)
    for row, texts in zip(parsed.rows, parsed.texts, strict=True):  # as the script does it
        row["words"] = f"{texts[0]} {row['words']}"
    return parsed


def run(function: str, *arguments: object) -> object:
    """Calls a function of the page's script."""
    program = (
        "const [name, given] = JSON.parse(require('fs').readFileSync(0));"
        f"console.log(JSON.stringify(require({json.dumps(str(SCRIPT))})[name](...given) ?? null))"
    )
    done = subprocess.run(
        [NODE, "-e", program], input=json.dumps([function, arguments]), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shown(table: Table, **state: str) -> list[str]:
    """The names that pass a state of the form."""
    program = (
        "const [rows, state] = JSON.parse(require('fs').readFileSync(0));"
        f"const {{ matches }} = require({json.dumps(str(SCRIPT))});"
        "console.log(JSON.stringify(rows.filter((row) => matches(row, state)).map((row) => row.name)))"
    )
    given = json.dumps([table.rows, state])
    return json.loads(subprocess.run([NODE, "-e", program], input=given, capture_output=True, text=True, check=True).stdout)


def test_every_entry_has_a_row_with_its_exact_numbers_in_the_order_of_the_catalog(table):
    assert table.keys == list(page.HEADS)
    assert [row["name"] for row in table.rows] == zoo.list_models()
    for row, entry in zip(table.rows, ENTRIES, strict=True):
        n = entry.numbers
        assert (row["family"], int(row["ndim"]), int(row["year"])) == (entry.family, entry.ndim, entry.reference.year)
        assert (int(row["params"]), int(row["macs"]), int(row["peak"])) == (n.params, n.macs, n.peak_bytes)
        assert int(row["input"]) == math.prod(n.input_shape[:-1])
        assert abs(int(row["density"]) - n.macs / int(row["input"])) <= 0.5
        assert int(row["weights"]) == len(zoo.list_weights(entry.name))


def test_what_is_shown_are_the_same_numbers_and_a_link_to_the_entry(text, table):
    for texts, entry in zip(table.texts, ENTRIES, strict=True):
        n, cells = entry.numbers, dict(zip(table.keys, texts, strict=True))
        assert cells["name"] == entry.name + entry.summary
        assert cells["params"] == f"{n.params:,}"
        assert float(cells["macs"].removeprefix("≥ ").replace(",", "")) == pytest.approx(n.macs / 1e9, abs=0.0051)
        assert float(cells["peak"].replace(",", "")) == pytest.approx(n.peak_bytes / 2**20, abs=0.051)
        assert cells["input"] == "×".join(map(str, entry.analysis_shape))
        tags = [name.partition(".")[2] for name in zoo.list_weights(entry.name)]
        assert [text.partition(":")[0] for text in cells["weights"].split("; ")] == (tags or ["–"])
        assert f'<a href="{entry.name}.html">{entry.name}</a>' in text


def test_a_receptive_field_sorts_by_its_largest_extent_and_an_unknown_one_has_no_value(table):
    fields = {row["name"]: row["field"] for row in table.rows}
    assert fields["resunet-v1-d5-f64"] == "220"
    assert fields["rsunet-d5"] == "334"  # 55 by 334 by 334
    assert fields["efficientnetv2b0-unet"] == "Infinity"  # the whole input
    assert fields["mitb0-unet"] == ""  # not known


def test_every_entry_is_one_point_of_the_chart_that_leads_to_it(text):
    links = re.findall(r'<a href="([^"]+)" data-name="([^"]+)" aria-label="([^"]+)">', text)
    assert sorted(name for _, name, _ in links) == sorted(zoo.list_models())
    for href, name, spoken in links:
        assert href == f"{name}.html"
        assert re.match(
            rf"{name}: [\d.]+ ?[kMG]? params, [\d.]+ [MGT] MACs at [\d×]+, [\d.]+ [kM] MACs per (pixel|voxel)$", spoken
        )
    assert 'aria-label="resunet-v1-d5-f64: 32.4 M params, 229 G MACs at 512×512×3, 874 k MACs per pixel"' in text


def test_rows_and_points_of_the_page_do_not_crowd_out_the_entries_in_the_search(text):
    assert re.search(r"<form [^>]*data-search-exclude", text)
    assert re.search(r'<div class="zoo-chart" data-search-exclude>', text)
    assert re.search(r'<div class="zoo-scroll zoo-list" data-search-exclude ', text)


def test_without_a_script_there_is_no_dead_control(text):
    assert re.search(r'<form class="zoo-filter" hidden', text)
    assert re.findall(r"<button[^>]*>", text.replace(text[text.index("<form") : text.index("</form>")], "")) == []
    assert f"{len(ENTRIES)} entries" in text


def test_weights_are_named_with_their_scores_as_stated():
    assert page.weights_text([]) == "–"
    facts = {"sources": ("package:x",), "bytes": 1, "sha256": "0" * 64, "licence": "MIT", "data_licence": "MIT"}
    dice = zoo.Metric(name="Dice", value=0.9137, data="cells", split="val", protocol="as it is")
    scored = zoo.WeightsEntry(name="unet-d2-f2.cells-v1", metrics=(dice,), **facts)
    other = zoo.WeightsEntry(name="unet-d2-f2.roads-v2", **facts)
    assert page.weights_text([scored, other]) == "cells-v1: Dice 0.914 (val); roads-v2"


def test_a_paper_is_short_and_names_its_first_author():
    assert page.short_paper(zoo.info("mednext-s")) == "MedNeXt (Roy et al.)"
    assert page.short_paper(zoo.info("resunet-v1")) == "UNet with ResBlock for Semantic Segmentation (Singla)"


@needs_node
@pytest.mark.parametrize("key", ["params", "macs", "density", "peak", "input", "field", "year", "ndim"])
@pytest.mark.parametrize("descending", [False, True])
def test_a_column_of_numbers_sorts_by_its_exact_values_with_ties_as_they_are_and_unknown_ones_last(table, key, descending):
    found = run("sorted", table.rows, "-" * descending + key)
    known = [row for row in table.rows if row[key]]
    expected = sorted(known, key=lambda row: -float(row[key]) if descending else float(row[key]))
    assert [row["name"] for row in found] == [row["name"] for row in expected + [row for row in table.rows if not row[key]]]


@needs_node
def test_names_sort_by_the_numbers_in_them_and_an_empty_sort_is_the_order_of_the_catalog(table):
    names = [row["name"] for row in run("sorted", table.rows, "name")]
    assert names.index("resunet-v1-d5-f8") < names.index("resunet-v1-d5-f16") < names.index("resunet-v1-d5-f64")
    assert run("sorted", table.rows, "") == table.rows


@needs_node
def test_the_head_of_a_column_goes_up_down_and_back():
    assert [run("next", sort, "macs") for sort in ("", "macs", "-macs", "params", "-params")] == [
        "macs",
        "-macs",
        "",
        "macs",
        "macs",
    ]


@needs_node
@pytest.mark.parametrize("family", sorted({entry.family for entry in ENTRIES}))
def test_the_filter_of_families_is_that_of_the_catalog(table, text, family):
    assert shown(table, family=family) == zoo.list_models(family=family)
    assert f'<option value="{family}">{family}</option>' in text


@needs_node
@pytest.mark.parametrize(
    ("state", "filters"),
    [
        ({}, {}),
        ({"ndim": "3"}, {"ndim": 3}),
        ({"params": "2.017345"}, {"max_params": 2_017_345}),  # exactly resunet-v1-d4-f32: the bound is included
        ({"params": "5", "ndim": "2"}, {"max_params": 5e6, "ndim": 2}),
        ({"gmacs": "10"}, {"max_macs": 10e9}),
        ({"params": "0"}, {"max_params": 0}),
        ({"weights": "yes"}, {"has_weights": True}),
        ({"weights": "no"}, {"has_weights": False}),
        ({"params": "", "family": "", "from": "", "q": "  "}, {}),
    ],
)
def test_the_form_filters_like_the_catalog(table, state, filters):
    assert shown(table, **state) == zoo.list_models(**filters)


@needs_node
def test_memory_work_per_pixel_and_years_are_bounds_too(table):
    def passing(test) -> list[str]:
        return [entry.name for entry in ENTRIES if test(entry)]

    assert shown(table, peak="64") == passing(lambda entry: entry.numbers.peak_bytes <= 64 * 2**20)
    assert shown(table, kmacs="50") == passing(lambda entry: page.density(entry) <= 50e3)
    assert shown(table, **{"from": "2019", "to": "2021"}) == passing(lambda entry: 2019 <= entry.reference.year <= 2021)
    assert shown(table, **{"from": "2023"}) == passing(lambda entry: entry.reference.year >= 2023)


@needs_node
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("resunet-v1-d4-f16", "resunet-v1-d4-f16"),
        ("attention gates", "attention-resunet-d5-f64"),  # of the summary
        ("recurrent residual convolutional", "r2unet-d5-f64"),  # of the title
        ("RIGOROUS validation", "resenc-unet-d7-f32"),
        ("halvorsen", "resunet-plus-plus-d4-f16"),  # an author who is not shown
        ("francois", "resunet-a-d6-f32"),  # François
        ("anisotropic", "rsunet-d5"),  # a tag
    ],
)
def test_words_are_looked_for_in_name_summary_paper_and_authors(table, words, name):
    found = shown(table, q=words)
    assert name in found
    assert len(found) < len(ENTRIES) / 2


@needs_node
def test_all_words_must_be_there(table):
    assert shown(table, q="mednext small") == ["mednext-s-f32", "mednext-2d-s-f32"]
    assert shown(table, q="mednext nosuchword") == []


@needs_node
def test_a_state_is_an_address_and_back():
    state = {"q": "a b&c", "family": "resunet-v1", "params": "2", "sort": "-macs"}
    address = run("toQuery", state)
    assert address == "?q=a+b%26c&family=resunet-v1&params=2&sort=-macs"
    assert {field: value for field, value in run("fromQuery", address).items() if value} == state
    assert run("toQuery", dict.fromkeys(state, "")) == ""
    assert "other" not in run("fromQuery", "?other=1")


@needs_node
def test_the_count_says_how_many_of_how_many():
    assert [run("summary", *pair) for pair in ((91, 91), (6, 91), (0, 91))] == [
        "91 entries",
        "6 of 91 entries",
        "None of 91 entries passes these filters",
    ]


@needs_node
def test_each_field_of_the_form_is_one_of_the_script(text):
    fields = set(re.findall(r'<(?:input|select) name="(\w+)"', text))
    assert fields | {"sort"} == set(run("fromQuery", ""))
