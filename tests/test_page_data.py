"""The data files of the pages: their formulas and tables give what the analysis gives, in Python and in the browser's script."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.analysis.kinds import LayerKind, kinds_of
from zoo.analysis.scaling import Sized, scaling
from zoo.render import units

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from pages.data import data_file, entry_data

ROOT = Path(__file__).parent.parent
NAMES = zoo.list_models()
WITHOUT_FORMULAS = ("cspdarknets-unet", "mitb0-unet")  # slices of positions; attention
LARGEST = 10_000  # bytes of a data file
SAFE = 2**53 - 1  # largest whole number that JavaScript counts exactly

# The script in a page that has no more than it needs: documents are text, and a file is "loaded" by running its text.
PAGE = """
const { runInContext, createContext } = require("vm");
const { readFileSync } = require("fs");
const { files, program, input } = JSON.parse(readFileSync(0, "utf8"));
const head = { append: (script) => queueMicrotask(() => {
  if (!(script.src in files)) return script.heard.error();
  runInContext(files[script.src], page);
  script.heard.load();
}) };
const createElement = () => ({ heard: {}, remove() {}, addEventListener(kind, run) { this.heard[kind] = run; } });
const document = { head, createElement, currentScript: { src: "file:///a/site/assets/data.js" } };
const page = createContext({ URL, document, input });
page.window = page;
runInContext(readFileSync("docs/assets/data.js", "utf8"), page);
runInContext(`(async () => { ${program} })()`, page).then((value) => console.log(JSON.stringify(value)));
"""


def in_page(program: str, value: object = None, files: dict[str, str] | None = None) -> object:
    """Runs a program after docs/assets/data.js; returns what it returns."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the script of the pages is not run")
    given = json.dumps({"files": files or {}, "program": program, "input": value})
    done = subprocess.run([node, "-e", PAGE], cwd=ROOT, input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@functools.lru_cache(maxsize=8)
def parts(name: str) -> tuple[zoo.Entry, zoo.analysis.Report, str]:
    """The entry, its report and its data file."""
    entry = zoo.info(name)
    report = zoo.analyze(name)
    return entry, report, data_file(entry, report)


def held(text: str) -> dict[str, object]:
    """What a data file holds."""
    return json.loads(text.partition(",")[2].removesuffix(");\n"))


def shapes_of(data: dict[str, object]) -> list[list[int]]:
    """Inputs to try: the stated one, a cube of odd multiples, and one with a different side along each axis, once the least."""
    if data["fixed"]:
        return [table["input"] for table in data["tables"]]
    counted = [[n * step for n, step in zip(counts, data["multiples"], strict=False)] for counts in ((3, 3, 3), (1, 2, 3))]
    return [data["input"], *([*sizes, data["channels"]] for sizes in counted)]


def numbers(report: zoo.analysis.Report) -> dict[str, object]:
    """What `zooData.at` is to return."""
    return {
        "input": list(report.input_shape),
        "macs": report.macs,
        "activations": report.activation_bytes,
        "training": report.training_activation_bytes,
        "peak": {"bytes": report.peak_bytes, "layer": report.peak_layer},
        "blocks": [
            {"name": block.name, "shape": list(block.shape), "macs": block.macs, "bytes": block.output_bytes}
            for block in report.blocks
        ],
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_entry(name):
    entry, report, text = parts(name)
    data = held(text)
    check_texts(entry, report, text, data)
    assert data["fixed"] == (name in WITHOUT_FORMULAS)
    others = [shape for shape in shapes_of(data) if shape != list(report.input_shape)]
    reports = [report, *(zoo.analyze(entry.config, shape) for shape in others)]
    for found in reports:
        assert found.macs == sum(block.macs for block in found.blocks)
        assert found.activation_bytes == sum(block.output_bytes for block in found.blocks)
    if not data["fixed"]:
        formulas = scaling(reports[1].graph, entry.config.size_multiples)
        assert [formulas.at(found.input_shape) for found in reports[1:]] == list(map(Sized.of, reports[1:]))
    program = "const data = await zooData.load(input.name); return input.shapes.map((shape) => zooData.at(data, shape))"
    given = {"name": name, "shapes": [found.input_shape for found in reports]}
    assert in_page(program, given, {f"file:///a/site/models/data/{name}.js": text}) == list(map(numbers, reports))


def check_texts(entry, report, text, data):
    """The file is one line, small, and says of the entry, its blocks and their layers what the entry and its report say."""
    name = entry.name
    assert text.startswith(f'zooData("{name}",{{')
    assert text.endswith("});\n")
    assert text.isascii()
    assert text.count("\n") == 1
    assert "</" not in text
    assert len(text) < LARGEST
    assert (data["name"], data["summary"], tuple(data["authors"])) == (name, entry.summary, entry.reference.authors)
    assert (data["params"], data["trainable"], data["layers"]) == (report.params, report.trainable_params, report.layers)
    assert data["params"] == sum(block["params"] for block in data["blocks"])
    assert data["cell"] == math.prod(data["multiples"])
    kinds = [LayerKind(op=op, detail=detail, channels=channels, params=params) for op, detail, channels, params in data["kinds"]]
    for block, (place, counts) in zip(data["blocks"], kinds_of(report).items(), strict=True):
        pairs = zip(block["kinds"][::2], block["kinds"][1::2], strict=True)
        assert (block["name"], {kinds[k]: count for k, count in pairs}) == (place, dict(counts))
    assert sum(count for block in data["blocks"] for count in block["kinds"][1::2]) == report.layers


def test_what_one_entry_says_of_itself():
    entry, report, _ = parts("resunet-v1-d5-f64")
    data = entry_data(entry, report)
    assert (data["multiples"], data["cell"], data["fixed"], data["terms"]) == ((16, 16), 256, False, [(0, 0), (1, 1)])
    assert data["macs"] == [0, 229_227_102_208 // 1024]  # at 512 x 512, which is 32 x 32 cells
    assert data["peak"] == [[0, 2**28 // 1024, report.peak_layer]]
    assert data["tables"] == []
    middle = next(block for block in data["blocks"] if block["name"] == "mid4")
    assert middle["shape"] == [[0, 1], [0, 1], 1024]


def test_a_stated_input_between_the_multiples_has_a_table_beside_the_formulas():
    data = held(parts("deep-resunet-bilinear-d4-f64")[2])
    assert (data["multiples"], data["fixed"]) == ([8, 8], False)
    assert [table["input"] for table in data["tables"]] == [data["input"]] == [[500, 500, 3]]


def test_a_network_for_one_size_has_that_one():
    data = held(parts("mitb0-unet")[2])
    assert data["fixed"]
    assert "terms" not in data
    assert [table["input"] for table in data["tables"]] == [data["input"]]


def test_a_file_may_stand_in_a_page():
    entry, report, _ = parts("resunet-v1-d3-f8")
    text = data_file(dataclasses.replace(entry, summary="A </script> \u2028 é ü."), report)
    assert "</" not in text
    assert text.isascii()
    assert held(text)["summary"] == "A </script> \u2028 é ü."


def test_formulas_that_do_not_give_the_entrys_numbers_are_refused():
    entry, report, _ = parts("resunet-v1-d3-f8")
    with pytest.raises(zoo.ZooError, match="formulas of resunet-v1-d3-f8 do not give its own numbers"):
        entry_data(entry, dataclasses.replace(report, peak_bytes=report.peak_bytes + 1))


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("resunet-v1-d3-f8", [6, 8, 3], "height 6 is not a multiple of 4: use 4 or 8. Received: 6 x 8 x 3"),
        ("resunet-v1-d3-f8", [8, 3, 3], "width 3 is not a multiple of 4: use 4 or more. Received: 8 x 3 x 3"),
        ("resunet-v1-d3-f8", [8, 8, 1], "height (a multiple of 4), width (a multiple of 4) and 3 channels. Received: 8 x 8 x 1"),
        ("resunet-v1-d3-f8", [8, 8], "and 3 channels. Received: 8 x 8"),
        ("resunet-v1-d3-f8", [0, 8, 3], "and 3 channels. Received: 0 x 8 x 3"),
        ("resunet-v1-d3-f8", [8.5, 8, 3], "and 3 channels. Received: 8.5 x 8 x 3"),
        ("resunet-v1-d3-f8", None, "and 3 channels. Received: null"),
        ("resunet-v1-3d-d3-f8", [5, 6, 8, 1], "depth axis 5 is not a multiple of 4: use 4 or 8; height 6 is not a multiple of 4"),
        ("deep-resunet-bilinear-d4-f64", [501, 504, 3], "use 496 or 504. Also allowed: 500 x 500 x 3. Received: 501 x 504 x 3"),
        ("mitb0-unet", [128, 128, 3], "mitb0-unet has numbers for inputs of 256 x 256 x 3 only. Received: 128 x 128 x 3"),
        ("resunet-v1-d3-f8", [4_000_000, 4_000_000, 3], "too large: its numbers have more digits than can be shown exactly"),
    ],
)  # fmt: skip
def test_the_script_says_what_is_wrong_with_an_input(name, shape, message):
    program = "try { return zooData.at(input.data, input.shape) } catch (error) { return [error.name, error.message] }"
    kind, text = in_page(program, {"data": held(parts(name)[2]), "shape": shape})
    assert kind == "RangeError"
    assert message in text


def test_the_script_adds_margins_and_names_the_first_of_equal_peaks():
    data = held(parts("resunet-v1-d3-f8")[2])
    data["peak"] = [[0, 3, "small"], [2, 8, "first"], [10, 0, "second"], [0, 10, "third"]]
    data["blocks"][0]["shape"] = [[3, 2], [-1, 4], 7]
    program = """
        const found = input.shapes.map((shape) => zooData.at(input.data, shape));
        return found.map(({ peak, blocks }) => [peak.bytes, peak.layer, blocks[0].shape]);
    """
    found = in_page(program, {"data": data, "shapes": [[4, 4, 3], [4, 8, 3]]})
    assert found == [[10, "first", [5, 3, 7]], [20, "third", [5, 7, 7]]]


def test_the_script_loads_each_file_once_and_says_what_is_missing():
    url = "file:///a/site/models/data/{}.js".format
    program = """
        const reason = (promise) => promise.then(() => "", (error) => error.message);
        const [a, b] = await Promise.all([zooData.load("one"), zooData.load("one")]);
        const missing = [];
        for (const name of ["gone", "gone", "a/b"]) missing.push(await reason(zooData.load(name)));
        return [a === b, a, await zooData.load("one"), window.count, missing, await reason(zooData.load("other"))];
    """
    files = {url("one"): 'window.count = (window.count || 0) + 1; zooData("one", {"params": 7});', url("other"): ""}
    same, first, again, count, missing, wrong = in_page(program, None, files)
    assert (same, first, again, count) == (True, {"params": 7}, {"params": 7}, 1)
    assert missing == [f'There are no numbers of "{name}": {url(path)} could not be loaded.' for name, path in
                       (("gone", "gone"), ("gone", "gone"), ("a/b", "a%2Fb"))]  # fmt: skip
    assert wrong == f'{url("other")} does not hold the numbers of "other".'


def whole_numbers() -> list[int]:
    """Numbers of all lengths, and those next to where texts change: units, digits, and ties of rounding."""
    chosen = random.Random(3)
    found = {0, SAFE, *range(2_100), *(chosen.randrange(2**bits) for bits in range(1, 54) for _ in range(60))}
    for unit in (1000, 1024):
        for power in (1, 2, 3, 4, 5):
            for tenths in (995, 999.5, 9_995, 99_950, 102_500, 250, 1_125, 12_250, 12_750, 3_375, 101_500, 999_500, 1_023_500):
                near = int(tenths * unit**power // 1000)
                found |= {near + k for k in (-1, 0, 1)}
    return sorted(number for number in found if 0 <= number <= SAFE)


def test_the_script_writes_numbers_as_the_zoo_does():
    numbers = whole_numbers()
    chosen = random.Random(5)
    largest = SAFE // 100  # beyond, 100 times a part is no longer exact in JavaScript
    pairs = [(0, 0), (5, 0), (1, 1000), (1, 8), (1, 16), (3, 2000), (largest, largest), (123, 800), (1, 80)]
    pairs += [
        tuple(sorted((chosen.randrange(2**bits), chosen.randrange(1, 2**bits)))) for bits in range(1, 46) for _ in range(60)
    ]
    shapes = [[], [1], [512, 512, 3], [None, None, 64], [16, 16, 16, 1]]
    program = """
        const { shortCount, shortBytes, exact, percent, shapeText } = zooData.format;
        const each = (write, values) => values.map((value) => write(value));
        return [each(shortCount, input.numbers), each(shortBytes, input.numbers), each(exact, input.numbers),
                input.pairs.map(([part, all]) => percent(part, all)), each(shapeText, input.shapes)];
    """
    counts, sizes, digits, shares, texts = in_page(program, {"numbers": numbers, "pairs": pairs, "shapes": shapes})
    assert len(numbers) > 4_000
    assert dict(zip(numbers, counts, strict=True)) == {number: units.short_count(number) for number in numbers}
    assert dict(zip(numbers, sizes, strict=True)) == {number: units.short_bytes(number) for number in numbers}
    assert dict(zip(numbers, digits, strict=True)) == {number: units.exact(number) for number in numbers}
    assert dict(zip(pairs, shares, strict=True)) == {pair: units.percent(*pair) for pair in pairs}
    assert texts == [units.shape_text(shape) for shape in shapes]
