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
from reports import report_of

import zoo
from zoo.render import svg
from zoo.render.diagram import Box, Diagram, Label, draw
from zoo.render.svg import to_svg

GOLDEN = Path(__file__).parent.parent / "golden"
CHARACTER = 7.3  # pixels of one character at 12 px in a fixed-width font, a little more than any of the fonts needs
UNLISTED = (  # other depths, strides and heads than the listed entries have
    "resunet-v1-d9-f2", "resunet-v1-3d-d2-f4", "unet3plus-d3-f4", "unet3plus-d7-f4", "attention-resunet-d3-f4",
    "attention-resunet-d7-f4", "r2unet-attention-d3-f4", "resunet-plus-plus-d6-f8", "multiresunet-d6-f8", "unet-d8-f4",
)  # fmt: skip
NAMES = (*zoo.list_models(), *UNLISTED)
SKIPS = ("feed", "concat", "add", "skip")


@pytest.fixture(scope="module", params=NAMES)
def drawn(request: pytest.FixtureRequest) -> tuple[zoo.Report, Diagram]:
    report = report_of(request.param)
    return report, draw(report)


def width(text: str) -> float:
    return len(text) * CHARACTER


def rectangle(label: Label) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text."""
    long = width(label.text) * (20 / 12 if label.style == "title" else 1)
    left = label.x - {"start": 0, "middle": long / 2, "end": long}[label.anchor]
    return left, label.y - 9, left + long, label.y + 2


def arrow_labels(diagram: Diagram) -> list[Label]:
    return [
        Label(text=a.label, x=a.label_at[0], y=a.label_at[1], anchor="middle" if a.centred else "start")
        for a in diagram.arrows
        if a.label
    ]


def overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def around(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.width, box.y + box.height


def test_every_block_once(drawn: tuple[zoo.Report, Diagram]) -> None:
    report, diagram = drawn
    assert sorted(box.name for box in diagram.boxes) == sorted({row.block for row in report.per_layer})


def test_every_link_once(drawn: tuple[zoo.Report, Diagram]) -> None:
    """An arrow for each pair of blocks of which one reads the other; found here from the rows alone."""
    report, diagram = drawn
    block = {row.name: row.block for row in report.per_layer}
    tensors = [(block[tensor.partition(":")[0]], node.block) for node in report.graph.nodes for tensor in node.inputs]
    arrows = [(a.source, a.target) for a in diagram.arrows if a.kind != "loop"]
    assert len(arrows) == len(set(arrows))
    assert set(arrows) == {(source, target) for source, target in tensors if source != target}


def test_every_skip_is_drawn_as_one(drawn: tuple[zoo.Report, Diagram]) -> None:
    """A skip leaves the encoder, or comes from what works on it, for the decoder."""
    report, diagram = drawn
    side = {row.name: row for row in report.per_layer}
    expected = set()
    for node in report.graph.nodes:
        for source in (side[tensor.partition(":")[0]] for tensor in node.inputs):
            from_left = source.side in ("encoder", "skip") and not source.block.startswith("input")
            if from_left and node.side in ("decoder", "skip") and source.block != node.block:
                expected.add((source.block, node.block))
    assert {(a.source, a.target) for a in diagram.arrows if a.kind in SKIPS} == expected


def test_nothing_overlaps_and_all_is_inside(drawn: tuple[zoo.Report, Diagram]) -> None:
    _, diagram = drawn
    texts = [*diagram.labels, *arrow_labels(diagram)]
    for a, b in itertools.combinations(diagram.boxes, 2):
        assert not overlap(around(a), around(b)), (a.name, b.name)
    for text, box in itertools.product(texts, diagram.boxes):
        assert not overlap(rectangle(text), around(box)), (text, box.name)
    for one, other in itertools.combinations(texts, 2):
        assert not overlap(rectangle(one), rectangle(other)), (one, other)
    everything = [*map(around, diagram.boxes), *map(rectangle, texts)]
    everything += [(x, y, x, y) for arrow in diagram.arrows for x, y in arrow.points]
    for left, top, right, bottom in everything:
        assert left >= 0
        assert top >= 0
        assert right <= diagram.width
        assert bottom <= diagram.height


def test_text_fits_its_box(drawn: tuple[zoo.Report, Diagram]) -> None:
    _, diagram = drawn
    page = ElementTree.fromstring(to_svg(diagram, link="#{name}", source="code.html"))
    space = "{http://www.w3.org/2000/svg}"
    marks = [link.find(f"{space}text") for link in page.iter(f"{space}a") if link.get("class") == "src"]
    for box, mark in zip(diagram.boxes, marks, strict=True):
        left, top, right, bottom = around(box)
        placed = [rectangle(text) for text in box.texts]
        for text, (x1, y1, x2, y2) in zip(box.texts, placed, strict=True):
            assert left + 6 <= x1, (box.name, text)
            assert x2 <= right - 6, (box.name, text)
            assert top < y1, (box.name, text)
            assert y2 < bottom, (box.name, text)
        assert not any(overlap(one, other) for one, other in itertools.combinations(placed, 2)), box.name
        code = rectangle(Label(text=mark.text, x=int(mark.get("x")), y=int(mark.get("y")), anchor="end"))
        assert top < code[1] < code[3] < bottom, box.name
        assert not any(overlap(code, one) for one in placed), box.name


def test_lines_run_beside_the_boxes(drawn: tuple[zoo.Report, Diagram]) -> None:
    """An arrow touches the borders of its two boxes and runs through none."""
    _, diagram = drawn
    boxes = {box.name: around(box) for box in diagram.boxes}
    for arrow in diagram.arrows:
        for (x1, y1), (x2, y2) in itertools.pairwise(arrow.points):
            line = (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
            for name, (left, top, right, bottom) in boxes.items():
                assert not (line[0] < right and left < line[2] and line[1] < bottom and top < line[3]), (arrow, name)
                inside = left < line[0] == line[2] < right and line[1] < bottom and top < line[3]
                inside |= top < line[1] == line[3] < bottom and line[0] < right and left < line[2]
                assert not inside, (arrow, name)
        for name, (x, y) in ((arrow.source, arrow.points[0]), (arrow.target, arrow.points[-1])):
            left, top, right, bottom = boxes[name]
            on_side = x in (left, right) and top < y < bottom
            assert on_side or (y in (top, bottom) and left < x < right), (arrow, name)


def test_different_tensors_never_share_a_line(drawn: tuple[zoo.Report, Diagram]) -> None:
    """Lines may cross, and those of one source may begin together; two arrow heads never meet."""
    _, diagram = drawn
    ends = [arrow.points[-1] for arrow in diagram.arrows]
    assert len(ends) == len(set(ends))
    pieces = [(a.source, *sorted(piece)) for a in diagram.arrows for piece in itertools.pairwise(a.points)]
    for (one, a, b), (other, c, d) in itertools.combinations(pieces, 2):
        if one == other:
            continue
        for along, across in ((0, 1), (1, 0)):
            on_one_line = a[across] == b[across] == c[across] == d[across]
            assert not (on_one_line and a[along] < d[along] and c[along] < b[along]), (one, other, a, b, c, d)


def test_rows_are_levels(drawn: tuple[zoo.Report, Diagram]) -> None:
    """All of a level stands above all of the next one."""
    report, diagram = drawn
    level = {block.name: block.level for block in report.blocks}
    for a, b in itertools.permutations(diagram.boxes, 2):
        assert level[a.name] >= level[b.name] or a.y + a.height < b.y


def test_svg_is_small_well_formed_and_described(drawn: tuple[zoo.Report, Diagram]) -> None:
    report, diagram = drawn
    text, linked = to_svg(diagram), to_svg(diagram, link="#{name}", source="source/resunet_plus_plus.html#line-100")
    root, page = ElementTree.fromstring(text), ElementTree.fromstring(linked)
    space = "{http://www.w3.org/2000/svg}"
    listed = report.name in zoo.list_models()
    assert len(text.encode()) < 20_000 or not listed
    assert len(linked.encode()) < 24_000 or not listed, "with two links per box"
    assert root.get("role") == "img"
    assert page.get("role") == "graphics-document img", "what can be focused must not be inside an image alone"
    links = [link.get("href") for link in page.iter(f"{space}a")]
    assert sorted(set(links)) == sorted(
        {f"#{block.name}" for block in report.blocks} | {"source/resunet_plus_plus.html#line-100"}
    )
    assert len(links) == 2 * len(report.blocks)
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
    "name",
    [
        "resunet-v1-d5-f64", "resunet-v2-d5-f64", "resunet-v1-3d-d4-f16", "resnet34-unet", "deep-resunet-bilinear-d4-f64",
        "resunet-plus-plus-d4-f16", "resunet-a-d6-f32", "unet3plus-d5-f64", "attention-resunet-d5-f64", "r2unet-attention-d5-f64",
        "multiresunet-d5-f32", "resenc-unet-3d-d7-f32", "rsunet-d5", "segresnet-3d-f8", "mitb0-unet", "mednext-s-f32",
    ],
)  # fmt: skip
def test_golden_pictures(name: str, update_golden: bool) -> None:
    text = to_svg(draw(report_of(name)))
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


def test_several_tensors_on_one_way_are_one_arrow_that_says_how_many():
    """The first convolution and the first unit of ResUNet-a both reach the decoder at full resolution."""
    across = [arrow for arrow in draw(zoo.analyze("resunet-a-d6-f8")).arrows if (arrow.source, arrow.target) == ("enc0", "dec0")]
    assert [arrow.label for arrow in across] == ["concat 2 × 256×256×8 · 4.00 MiB"]


def test_full_scale_skips_say_how_they_come_down():
    """UNet 3+ pools each finer level of the encoder down to each level of the decoder (Huang et al. 2020, section 2.1)."""
    feeds = [arrow for arrow in draw(zoo.analyze("unet3plus-d4-f8")).arrows if arrow.kind == "feed"]
    labels = {(arrow.source, arrow.target): arrow.label for arrow in feeds}
    assert labels == {
        ("enc0", "skip0"): "256×256×8", ("enc1", "skip1"): "128×128×16", ("enc2", "skip2"): "64×64×32",
        ("enc0", "skip1"): "max pool 2×2", ("enc1", "skip2"): "max pool 2×2", ("enc0", "skip2"): "max pool 4×4",
    }  # fmt: skip


def test_attention_gates_stand_between_the_skip_and_the_decoder():
    report = zoo.analyze("attention-resunet-d3-f8")
    arrows = {(a.source, a.target): a.kind for a in draw(report).arrows if "gate" in a.source + a.target}
    assert arrows == {
        ("enc0", "gate0"): "feed", ("dec1", "gate0"): "signal", ("gate0", "dec0"): "concat",
        ("enc1", "gate1"): "feed", ("mid2", "gate1"): "signal", ("gate1", "dec1"): "concat",
    }  # fmt: skip


def test_tasks_have_heads_of_their_own_that_say_their_name():
    """ResUNet-a's boundary head reads the distance, its segmentation head both (Diakogiannis et al. 2020, section 3.1)."""
    diagram = draw(zoo.analyze("resunet-a-d6-f8"))
    titles = {box.name: box.texts[0].text for box in diagram.boxes if box.role == "head"}
    assert sorted(titles.values()) == ["boundary", "color", "distance", "segmentation"]
    between = {(titles[a.source], titles[a.target]) for a in diagram.arrows if a.source in titles and a.target in titles}
    assert between == {("distance", "boundary"), ("distance", "segmentation"), ("boundary", "segmentation")}


def test_recurrence_is_a_loop_and_is_counted():
    diagram = draw(zoo.analyze("r2unet-d3-f8"))
    loops = [arrow.source for arrow in diagram.arrows if arrow.kind == "loop"]
    assert loops == [box.name for box in diagram.boxes if box.role not in ("input", "head")]
    texts = {box.name: [text.text for text in box.texts] for box in diagram.boxes}
    assert all("recurrent ×3" in texts[name] for name in loops)


@pytest.mark.parametrize("palette", [svg._LIGHT, svg._DARK])
def test_text_stands_out_from_the_warmest_box(palette: str) -> None:
    """Contrast by WCAG 2.1 of texts on the page, and on a box at the full heat, two fifths of the colour."""
    colours = {
        name: int(value.lstrip("#") * (2 if len(value) == 4 else 1), 16) for name, value in re.findall(r"--z(\w):(#\w+)", palette)
    }

    def channels(number: int) -> list[float]:
        return [(number >> shift & 255) / 255 for shift in (16, 8, 0)]

    def luminance(rgb: list[float]) -> float:
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    page = channels(colours["p"])
    hot = [0.6 * a + 0.4 * b for a, b in zip(page, channels(colours["h"]), strict=True)]
    for ink, ground in ((i, g) for i in "im" for g in (page, hot)):
        one, other = sorted((luminance(channels(colours[ink])), luminance(ground)))
        assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, ground)


def test_an_encoder_that_starts_with_slices_says_so():
    labels = {arrow.label for arrow in draw(zoo.analyze("cspdarknets-unet")).arrows if arrow.source == "input0"}
    assert labels == {"slice stride 2×2"}


def test_a_step_is_the_one_on_its_own_way_and_not_another_into_the_same_block():
    """Each level of UNet 3+'s decoder is reached from all coarser ones, by other factors."""
    arrows = draw(zoo.analyze("unet3plus-d4-f8")).arrows
    labels = {(arrow.source, arrow.target): arrow.label for arrow in arrows if arrow.kind == "up"}
    assert labels == {
        ("mid3", "dec2"): "upsample 2×2 bilinear", ("dec2", "dec1"): "upsample 2×2 bilinear",
        ("dec1", "dec0"): "upsample 2×2 bilinear", ("mid3", "dec1"): "upsample 4×4", ("mid3", "dec0"): "upsample 8×8",
        ("dec2", "dec0"): "upsample 4×4",
    }  # fmt: skip


def test_a_shared_model_inside_a_model_is_a_recurrence() -> None:
    inner_in = keras.Input((16, 16, 4))
    inner = keras.Model(inner_in, keras.layers.Conv2D(4, 3, padding="same")(inner_in), name="inner")
    x = inputs = keras.Input((16, 16, 4))
    for _ in range(3):
        x = inner(x)
    (block,) = (block for block in zoo.analyze(keras.Model(inputs, x, name="outer")).blocks if block.name == "all0")
    assert block.traits == ("recurrent ×3",)


def test_any_name_gives_well_formed_svg() -> None:
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1, name="a<b&\x07")(inputs), name='n"<\x00>')
    ElementTree.fromstring(to_svg(draw(zoo.analyze(model))))
    ElementTree.fromstring(to_svg(draw(zoo.analyze(model)), link="#{name}"))
