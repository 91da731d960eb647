"""The picture shows every block and every skip of the graph exactly once, nothing overlaps, all text fits its box."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import keras
import pytest

import zoo
from zoo.render.diagram import Box, Diagram, draw
from zoo.render.svg import to_svg

GOLDEN = Path(__file__).parent.parent / "golden"
NAMES = zoo.list_models()
CHARACTER = 7.3  # pixels of one character at 12 px in a fixed-width font, a little more than any of the fonts needs


@pytest.fixture(scope="module", params=NAMES)
def drawn(request: pytest.FixtureRequest) -> tuple[zoo.Report, Diagram]:
    report = zoo.analyze(request.param)
    return report, draw(report)


def test_every_block_once(drawn: tuple[zoo.Report, Diagram]) -> None:
    report, diagram = drawn
    assert sorted(box.name for box in diagram.boxes) == sorted({row.block for row in report.per_layer})


def test_every_skip_once(drawn: tuple[zoo.Report, Diagram]) -> None:
    """A skip is a tensor of an encoder block that a decoder block reads; found here from the rows alone."""
    report, diagram = drawn
    block = {row.name: row for row in report.per_layer}
    expected = {
        (block[tensor].block, node.block)
        for node in report.graph.nodes
        for tensor in node.inputs
        if block[tensor].side == "encoder" and node.side == "decoder" and not block[tensor].block.startswith("input")
    }
    across = [(a.source, a.target) for a in diagram.arrows if a.kind in ("concat", "add", "skip")]
    assert len(across) == len(set(across))
    assert set(across) == expected


def test_nothing_overlaps_and_all_is_inside(drawn: tuple[zoo.Report, Diagram]) -> None:
    _, diagram = drawn
    for a, b in itertools.combinations(diagram.boxes, 2):
        apart = a.x + a.width <= b.x or b.x + b.width <= a.x or a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart, (a, b)
    for box in diagram.boxes:
        assert box.x >= 0
        assert box.x + box.width <= diagram.width
        assert box.y + box.height <= diagram.height


def test_text_fits(drawn: tuple[zoo.Report, Diagram]) -> None:
    _, diagram = drawn
    for box in diagram.boxes:
        for line in (box.title + " " + box.shape, *box.lines):
            assert len(line) * CHARACTER <= box.width - 16, (box.name, line)
    for label in (*diagram.header, *diagram.rows):
        assert label.x + len(label.text) * CHARACTER <= diagram.width
    first = min(box.x for box in diagram.boxes)
    assert all(label.x + len(label.text) * CHARACTER <= first for label in diagram.rows)


def test_skip_labels_fit_between_their_boxes(drawn: tuple[zoo.Report, Diagram]) -> None:
    _, diagram = drawn
    for arrow in diagram.arrows:
        if arrow.kind in ("concat", "add", "skip") and arrow.points[0][1] == arrow.points[-1][1]:
            assert len(arrow.label) * CHARACTER <= abs(arrow.points[-1][0] - arrow.points[0][0]), arrow


def test_rows_are_levels(drawn: tuple[zoo.Report, Diagram]) -> None:
    report, diagram = drawn
    level = {block.name: block.level for block in report.blocks}
    for a, b in itertools.combinations(diagram.boxes, 2):
        assert (a.y < b.y) == (level[a.name] < level[b.name])


def test_svg_is_small_well_formed_and_described(drawn: tuple[zoo.Report, Diagram]) -> None:
    report, diagram = drawn
    text = to_svg(diagram)
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert len(text.encode()) < 20_000
    assert root.get("role") == "img"
    assert [root.find(f"{space}title").get("id"), root.find(f"{space}desc").get("id")] == root.get("aria-labelledby").split()
    assert f"{report.params:,} params" in root.find(f"{space}desc").text
    assert not re.search(r"0x[0-9a-f]{6,}|\d\.\d{3,}", text), "addresses or float noise"


def test_sides_and_levels_of_v1() -> None:
    diagram = draw(zoo.analyze("resunet-v1"))
    boxes = {box.name: box for box in diagram.boxes}
    assert list(boxes) == ["input0", "enc0", "enc1", "enc2", "enc3", "mid4", "dec3", "dec2", "dec1", "dec0", "head0"]
    assert boxes["enc0"].x < boxes["mid4"].x < boxes["dec0"].x
    skips = [(a.source, a.target, a.kind, a.label) for a in diagram.arrows if a.kind == "concat"]
    assert ("enc0", "dec0", "concat", "concat 512×512×64 · 64.0 MiB") in skips
    assert len(skips) == 4


def test_names_do_not_matter() -> None:
    """Levels and sides come from the graph: the same network with layers named in reverse gives the same picture."""

    def net(tag: str) -> keras.Model:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((32, 32, 3), name="a")
        x = keras.layers.Conv2D(4, 3, padding="same", name=f"dec0{tag}")(inputs)
        y = keras.layers.Conv2D(8, 3, strides=2, padding="same", name=f"head{tag}")(x)
        y = keras.layers.UpSampling2D(name=f"enc{tag}")(y)
        y = keras.layers.Add(name=f"x{tag}")([keras.layers.Conv2D(4, 1, name=f"mid9{tag}")(y), x])
        return keras.Model(inputs, keras.layers.Conv2D(1, 1, name=f"stem{tag}")(y), name="net")

    diagram = draw(zoo.analyze(net("")))
    assert to_svg(diagram) == to_svg(draw(zoo.analyze(net("_b")))).replace("_b", "")
    assert [box.name for box in diagram.boxes] == ["input0", "enc0", "mid1", "dec0", "head0"]
    assert [a.kind for a in diagram.arrows if a.source == "enc0" and a.target == "dec0"] == ["add"]


def test_a_network_without_a_u_is_a_column() -> None:
    inputs = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(inputs)
    diagram = draw(zoo.analyze(keras.Model(inputs, keras.layers.Conv2D(1, 1)(x), name="flat")))
    roles = {box.role for box in diagram.boxes}
    assert "block" in roles
    assert not roles & {"encoder", "decoder", "bottleneck"}


@pytest.mark.parametrize("metric", ["params", "macs", "output_bytes"])
def test_heat_is_the_share_of_the_largest_block(metric: str) -> None:
    report = zoo.analyze("resunet-v1-d3-f8")
    shares = {box.name: box.share for box in draw(report, metric).boxes}
    values = {block.name: getattr(block, metric) for block in report.blocks}
    assert max(shares.values()) == 1
    assert max(shares, key=shares.get) == max(values, key=values.get)


def test_partial_reports_say_at_least() -> None:
    class Mystery(keras.layers.Layer):
        def call(self, inputs: object) -> object:
            return inputs

    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, Mystery(name="mystery")(inputs), name="odd")
    assert "at least 0 MACs" in draw(zoo.analyze(model)).summary


@pytest.mark.parametrize(
    "name", ["resunet-v1-d5-f64", "resunet-v2-d5-f64", "resunet-v1-3d-d4-f16", "resnet34-unet", "deep-resunet-bilinear-d4-f64"]
)
def test_golden_pictures(name: str, update_golden: bool) -> None:
    text = to_svg(draw(zoo.analyze(name)))
    path = GOLDEN / f"{name}.svg"
    if update_golden:
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text, "look at the picture, then accept with `pytest --update-golden`"


def test_byte_identical_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys, zoo; zoo.plot('resunet-v1-d3-f8', sys.argv[1] + '/u.svg');"
        "zoo.plot('resunet-v1-d3-f8', sys.argv[1] + '/g.svg', kind='graph')"
    )
    contents = []
    for run in ("a", "b"):
        folder = tmp_path / run
        folder.mkdir()
        subprocess.run([sys.executable, "-c", code, str(folder)], check=True, capture_output=True)
        contents.append([(folder / name).read_bytes() for name in ("u.svg", "g.svg")])
    assert contents[0] == contents[1]


def test_box_is_a_value() -> None:
    """Geometry is data: equal input gives equal diagrams."""
    report = zoo.analyze("resunet-v1-d3-f8")
    assert draw(report) == draw(report)
    assert all(isinstance(box, Box) and isinstance(box.x, int) and isinstance(box.y, int) for box in draw(report).boxes)


def test_several_tensors_on_one_way_are_one_arrow_that_says_how_many_more():
    """The first convolution and the first unit of ResUNet-a both reach the decoder at full resolution."""
    across = [arrow for arrow in draw(zoo.analyze("resunet-a-d6-f8")).arrows if (arrow.source, arrow.target) == ("enc0", "dec0")]
    assert [arrow.label.endswith("+ 1 more") for arrow in across] == [True]


def test_far_skips_have_no_label_that_would_lie_on_others():
    diagram = draw(zoo.analyze("unet3plus-d4-f8"))
    rows = {box.name: box.y for box in diagram.boxes}
    labelled = [arrow for arrow in diagram.arrows if arrow.kind == "skip" and arrow.label]
    assert labelled
    assert all(rows[arrow.source] == rows[arrow.target] for arrow in labelled)


def test_an_encoder_that_starts_with_slices_says_so():
    labels = {arrow.label for arrow in draw(zoo.analyze("cspdarknets-unet")).arrows if arrow.source == "input0"}
    assert labels == {"slice stride 2×2"}


def test_a_step_is_the_one_on_its_own_way_and_not_another_into_the_same_block():
    """Each level of UNet 3+'s decoder is reached from all coarser ones, by other factors."""
    arrows = draw(zoo.analyze("unet3plus-d4-f8")).arrows
    labels = {(arrow.source, arrow.target): arrow.label for arrow in arrows if arrow.kind == "up" and arrow.label}
    assert labels == dict.fromkeys([("mid3", "dec2"), ("dec2", "dec1"), ("dec1", "dec0")], "upsample 2×2 bilinear")
