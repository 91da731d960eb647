"""The page that compares two entries: its scripts find exactly what zoo.diff finds, and without them it still reads."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import asdict
from functools import cache
from html import unescape
from pathlib import Path

import pytest

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from pages import compare as page
from pages.data import data_file

from zoo.analysis.pair import _candidates, _Network

ASSETS = Path(__file__).parent.parent / "docs" / "assets"
NODE = shutil.which("node")
ENTRIES = [zoo.info(name) for name in zoo.list_models()]
NAMES = [{"name": entry.name, "family": entry.family} for entry in ENTRIES]

needs_node = pytest.mark.skipif(NODE is None, reason="needs node to run the page's script")

PAGE = f"""
const fs = require("fs");
global.window = {{}};
global.document = {{ currentScript: {{ src: "file:///site/assets/data.js" }} }};
require("vm").runInThisContext(fs.readFileSync({json.dumps(str(ASSETS / "data.js"))}, "utf8"));
const zooData = window.zooData;
const zooDiff = require({json.dumps(str(ASSETS / "diff.js"))});
const given = JSON.parse(fs.readFileSync(0, "utf8"));
"""
"""What a browser has when the page's own script starts, and what the test gives."""


def run(program: str, given: object) -> object:
    """Runs JavaScript that ends with an expression; returns its value."""
    done = subprocess.run(
        [NODE, "-e", f"{PAGE}console.log(JSON.stringify(({program}) ?? null))"],
        input=json.dumps(given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def files(name: str) -> str:
    """The data files of an entry, as the site has them."""
    entry = zoo.info(name)
    report = zoo.analyze(name)
    return data_file(entry, report) + page.layers_file(entry, report)


COMPARED = """(() => {
  eval(given.files);
  const [a, b] = given.names.map((name) => zooData.entries[name]);
  const sizes = given.sizes ?? zooDiff.common(a, b);
  const part = (data) => ({
    data,
    layers: zooData.entries[`${data.name}.layers`],
    numbers: zooData.at(data, sizes ? [...sizes, data.channels] : data.input),
  });
  return zooDiff.compare(part(a), part(b));
})()"""


def compared(a: str, b: str, sizes: tuple[int, ...] | None = None) -> object:
    """What the page finds."""
    names = [zoo.info(name).name for name in (a, b)]
    return run(COMPARED, {"files": "".join(map(files, names)), "names": names, "sizes": sizes})


@needs_node
@pytest.mark.parametrize(
    ("a", "b", "sizes"),
    [
        ("resunet-v1-d3-f4", "resunet-v1-d3-f4", None),
        ("resunet-v1-d4-f4", "resunet-v1-d2-f4", None),  # levels
        ("resunet-v1-d5-f64", "deep-resunet-d4-f64", None),  # 512 and 256
        ("resunet-v1-d3-f4", "attention-resunet-d3-f4", (64, 32)),  # gates
        ("multiresunet-d3-f4", "unet3plus-d3-f4", (48, 64)),  # what works on skips
        ("segresnet-f8", "resenc-unet-d4-f4", (64, 64)),  # added skips, several heads
        ("deep-resunet-bilinear-d4-f4", "resunet-v1-d5-f16", (512, 256)),  # sizes that are no multiples
        ("deep-resunet-bilinear-d4-f4", "deep-resunet-bilinear-d4-f4", None),
        ("resunet-v1-3d-d3-f4", "vnet-f4", (32, 16, 48)),
        ("resunet-v1-d3-f4", "resunet-v1-3d-d3-f4", None),  # no common size
        ("r2unet-d3-f4", "resunet-plus-plus-d4-f8", None),
    ],
)
def test_the_page_finds_what_zoo_diff_finds(a, b, sizes):
    expected = asdict(zoo.diff(a, b, sizes and (*sizes, None)))
    assert compared(a, b, sizes) == json.loads(json.dumps(expected))


@needs_node
def test_the_page_chooses_the_input_that_zoo_diff_chooses():
    """For all pairs; data files that are cheap to make stand for the others: what matters is the input and the multiples."""
    data = {
        entry.name: {
            "input": entry.analysis_shape,
            "ndim": entry.ndim,
            "channels": entry.analysis_shape[-1],
            "multiples": entry.config.size_multiples,
            "fixed": not entry.config.takes_open_sizes,
            "tables": [],
        }
        for entry in ENTRIES
    }
    program = """Object.entries(given).flatMap(([name, a]) =>
      Object.entries(given).map(([other, b]) => [name, other, zooDiff.common(a, b)]))"""
    networks = {name: _Network.of(name) for name in data}
    for a, b, found in run(program, data):
        first, second = networks[a], networks[b]
        expected = next((s for s in _candidates(first, second) if first.takes(s) and second.takes(s)), None)
        assert found == (expected and list(expected)), (a, b)


@needs_node
def test_there_is_no_ratio_to_nothing():
    program = "given.map(([a, b]) => String(zooDiff.change(a, b).ratio))"
    assert run(program, [[0, 3], [0, 0], [None, 3], [3, None], [4, 2]]) == ["null", "null", "null", "null", "0.5"]


@needs_node
def test_sizes_to_choose_from_suit_both():
    def data(input_shape, multiples, **others):
        ndim = len(multiples)
        fields = {"input": input_shape, "ndim": ndim, "channels": 3, "multiples": multiples, "fixed": False, "tables": []}
        return {**fields, **others}

    some, coarse = data([256, 256, 3], [16, 16]), data([512, 256, 3], [64, 128])
    fixed = data([256, 256, 3], [32, 32], fixed=True, tables=[{"input": [128, 128, 3]}, {"input": [256, 256, 3]}])
    found = run("zooDiff.choices(...given)", [some, coarse])
    assert [512, 256] in found
    assert all(height % 64 == 0 and width % 128 == 0 for height, width in found)
    assert found == sorted(found, key=lambda sizes: (sizes[0] * sizes[1], sizes))
    assert run("zooDiff.choices(...given)", [some, fixed]) == [[128, 128], [256, 256]]
    assert run("zooDiff.takes(...given)", [some, [0, 16]]) is False
    assert run("zooDiff.takes(...given)", [some, [16, 16, 16]]) is False


@needs_node
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("resunet-v1-d5-f64", "resunet-v1-d5-f64"),
        (" ResUNet-v1-D5-F64 ", "resunet-v1-d5-f64"),
        *((entry.base, None) for entry in ENTRIES[::9]),
        ("resnet-unet", "resnet34-unet"),  # a family without an entry of its name
        ("resunt-v1", ""),
        ("resunet-v1-d3-f12", ""),
        ("", ""),
        ("toString", ""),
    ],
)
def test_names_bases_and_families_are_understood(text, name):
    expected = zoo.info(text).name if name is None else name or None
    assert run("zooDiff.resolve(...given)", [text, NAMES]) == expected


@needs_node
@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("resunt-v1", "resunet-v1-d5-f64"),
        ("resunet-v1-d3-f12", "resunet-v1-d5-f64"),
        ("mednext-xl", "mednext-l-f32"),
        ("attention", "attention-resunet-d5-f64"),
        ("UNet-3+", "unet3plus-d5-f64"),
        ("resunt", "resunet-a-d6-f32"),
        ("atention", "attention-resunet-d5-f64"),
    ],
)
def test_a_wrong_name_gets_near_ones(text, first):
    found = run("zooDiff.near(...given)", [text, NAMES])
    assert first in found
    assert len(found) <= 3


@needs_node
@pytest.mark.parametrize("text", ["", "   ", "transformer-xxl-2048"])
def test_what_is_like_no_name_gets_none(text):
    assert run("zooDiff.near(...given)", [text, NAMES]) == []


def test_the_page_offers_every_entry():
    options = re.findall(
        r'<option value="([^"]+)" data-family="([^"]+)">(\dD), ([^<]+) parameters</option>', page.compare_page(ENTRIES)
    )
    assert [(name, family) for name, family, _, _ in options] == [(entry.name, entry.family) for entry in ENTRIES]
    assert ("resunet-v1-d5-f64", "resunet-v1", "2D", "32.4 M") in options


def test_without_scripts_every_family_is_compared_with_the_yardstick():
    text = page.compare_page(ENTRIES)
    rows = [
        [unescape(re.sub(r"<[^>]+>", "", cell)) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row)]
        for row in re.findall(r"<tr>(<th scope=\"row\">.*?)</tr>", text)
    ]
    shown = {row[0].removesuffix(" · compare"): row for row in rows}
    families = {(entry.family, entry.ndim) for entry in ENTRIES}
    assert {(zoo.info(name).family, zoo.info(name).ndim) for name in shown} == families
    assert len(rows) == len(families)
    v1, v2 = (zoo.info(name).numbers for name in ("resunet-v1", "resunet-v2"))
    row = shown["resunet-v2-d5-f64"]
    assert row[1:3] == ["2D", f"{v2.params:,}"]
    assert row[3] == f"×{v2.params / v1.params:.2f}"
    assert row[5] == f"×{v2.macs / v1.macs:.2f}"  # at the same input
    assert shown["resunet-v1-d5-f64"][3] == shown["resunet-v1-3d-d4-f16"][3] == ""
    assert "<noscript>" in text


def test_links_of_the_page_are_pairs_of_entries():
    pairs = re.findall(r'href="\?a=([^&"]+)&amp;b=([^"]+)"', page.compare_page(ENTRIES))
    assert pairs
    assert {name for pair in pairs for name in pair} <= {entry.name for entry in ENTRIES}
    assert all(zoo.info(a).ndim == zoo.info(b).ndim for a, b in pairs)


def test_the_scripts_are_small_and_there():
    names = re.findall(r'<script src="\.\./assets/([\w-]+\.js)"', page.SCRIPTS)
    assert names[0] == "data.js"
    assert sum((ASSETS / name).stat().st_size for name in names) < 50_000


def test_a_data_file_is_one_line_of_ascii_and_the_same_every_time():
    entry = zoo.info("resunet-v1-d2-f4")
    text = page.layers_file(entry, zoo.analyze(entry.name))
    assert text == page.layers_file(entry, zoo.analyze(entry.name))
    assert re.fullmatch(r'zooData\("resunet-v1-d2-f4\.layers",\{[ -~]+\}\);\n', text)
    assert "</" not in text
