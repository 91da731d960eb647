"""Every layer of a block is in its picture once, and the lines lead from where a tensor is made to all that read it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from xml.etree import ElementTree

import keras
import pytest
from layer_rows import Row, names_in, rows_of
from reports import report_of

import zoo
from zoo.errors import RenderError
from zoo.render.layer_view import COLUMNS, block_view, legend
from zoo.render.units import exact, percent, shape_text, short_bytes

NAMES = zoo.list_models()
Views = dict[str, str]


@pytest.fixture(scope="module", params=NAMES)
def viewed(request: pytest.FixtureRequest) -> tuple[zoo.Report, Views, dict[str, list[Row]]]:
    report = report_of(request.param)
    views = {block.name: block_view(report, block.name) for block in report.blocks}
    return report, views, {name: rows_of(view) for name, view in views.items()}


def test_every_layer_of_every_block_once(viewed) -> None:
    report, _, rows = viewed
    for block in report.blocks:
        expected = [layer.name for layer in report.per_layer if layer.block == block.name]
        assert Counter(name for row in rows[block.name] for name in row.names) == Counter(expected)
        assert [row.names[0] for row in rows[block.name] if row.names] == [
            name for name in expected if name in {row.names[0] for row in rows[block.name] if row.names}
        ]


def test_every_tensor_is_a_line_from_its_maker_to_its_readers(viewed) -> None:
    report, _, rows = viewed
    for block in report.blocks:
        own = rows[block.name]
        row_of = {name: row for row in own for name in row.names}
        unit_of = {name: unit for row in own for unit, name in enumerate(row.names)}
        for node in (node for node in report.graph.nodes if node.block == block.name):
            row, unit = row_of[node.name], unit_of[node.name]
            tensors = dict.fromkeys(node.inputs)
            assert row.sources.total() == len(tensors)
            for tensor in tensors:
                maker = report.graph.producer[tensor]
                if maker.block != block.name:
                    assert row.sources[f"from {maker.block}: {tensor}"] == 1
                elif unit == 0 or unit_of[maker.name] == unit:
                    assert row.sources[row_of[maker.name].label] == 1, (node.name, tensor)
                    assert unit_of[maker.name] in (unit, len(row_of[maker.name].names) - 1)
                else:  # a later unit reads the one before it as the first reads what stands above
                    assert unit_of[maker.name] == unit - 1
                    assert own.index(row_of[maker.name]) >= own.index(row)


def test_what_enters_and_leaves_is_labelled_with_the_other_block(viewed) -> None:
    report, _, rows = viewed
    graph = report.graph
    for block in report.blocks:
        nodes = [node for node in graph.nodes if node.block == block.name]
        read = {tensor for node in nodes for tensor in node.inputs if graph.producer[tensor].block != block.name}
        entering = [row for row in rows[block.name] if row.kind == "from"]
        assert sorted(row.cells[0] for row in entering) == sorted(f"from {graph.producer[t].block}: {t}" for t in read)
        assert all(row.links == [f"#{row.cells[0].split()[1].rstrip(':')}"] for row in entering)
        expected = {}
        for node in nodes:
            readers = [reader.block for tensor in node.outputs for reader in graph.consumers[tensor]]
            readers += ["output"] * len(set(node.outputs) & set(graph.outputs))
            if set(readers) - {block.name}:
                expected[node.name] = set(readers) - {block.name}
        labels = {name: row.label for row in rows[block.name] for name in row.names}
        leaving = [row for row in rows[block.name] if row.kind == "to"]
        found = [(row.sources, set(row.cells[0].removeprefix("to ").split(", "))) for row in leaving]
        for name, blocks in expected.items():
            assert (Counter([labels[name]]), blocks) in found
        assert len(found) == len(expected)
        assert all(
            row.links == [f"#{name}" for name in row.cells[0].removeprefix("to ").split(", ") if name != "output"]
            for row in leaving
        )


def test_numbers_are_those_of_the_layers_and_add_up(viewed) -> None:
    report, views, rows = viewed
    layers = {layer.name: layer for layer in report.per_layer}
    for block in report.blocks:
        own = [row for row in rows[block.name] if row.kind == "layer"]
        for row in own:
            for layer in map(layers.get, row.names):
                shown = (layer.op, layer.detail, shape_text(layer.shape))
                assert tuple(row.cells[1:4]) == shown
                assert _number(row.cells[4]) == layer.params
                assert row.cells[5:] == [exact(layer.macs), short_bytes(layer.output_bytes)]
        assert sum(_number(row.cells[4]) * len(row.names) for row in own) == block.params
        assert sum(_number(row.cells[5]) * len(row.names) for row in own) == block.macs
        details = ElementTree.fromstring(views[block.name])
        foot = ["".join(cell.itertext()) for cell in details.find(".//tfoot/tr")]
        assert foot[2:] == [exact(block.params), exact(block.macs), short_bytes(block.output_bytes)]
        for body in details.iter("tbody"):
            if body.get("class"):
                unit = [layers[names_in(tr.findtext("th"))[0]] for tr in body[1:]]
                heads = [int(cell.text.split(" × ")[1].replace(",", "")) for cell in body[0][2:4]]
                assert heads == [sum(layer.params for layer in unit), sum(layer.macs for layer in unit)]
                assert {cell.text.split(" × ")[0] for cell in body[0][2:]} == {str(len(names_in(body[1].findtext("th"))))}


def _number(text: str) -> int:
    return 0 if text == "shared" else int(text.replace(",", ""))


def test_a_closed_block_has_its_numbers_in_the_summary(viewed) -> None:
    report, views, _ = viewed
    for block in report.blocks:
        details = ElementTree.fromstring(views[block.name])
        assert (details.tag, details.get("class"), details.get("id"), details.get("open")) == (
            "details", "zoo-block", block.name, None,
        )  # fmt: skip
        assert [child.tag for child in details] == ["summary", "div"]
        summary = "".join(details[0].itertext())
        macs = f"{exact(block.macs)} MACs {percent(block.macs, report.macs)} of MACs"
        expected = f"{block.name} {shape_text(block.shape)} {block.layers} layer{'s' * (block.layers != 1)} "
        assert summary == f"{expected}{exact(block.params)} params {macs} {short_bytes(block.output_bytes)}"


def test_the_frame_can_be_scrolled_by_keyboard_and_the_table_has_heads(viewed) -> None:
    _, views, _ = viewed
    for name, view in views.items():
        frame = ElementTree.fromstring(view)[1]
        assert (frame.get("role"), frame.get("tabindex")) == ("region", "0")
        assert frame.get("aria-label").startswith(f"Layers of {name} at ")
        assert [(th.get("scope"), th.text) for th in frame.findall(".//thead/tr/th")] == [("col", text) for text in COLUMNS]
        for tr in frame.iter("tr"):
            assert sum(int(cell.get("colspan", "1")) for cell in tr) == len(COLUMNS)


def test_a_layer_that_does_not_read_the_row_above_says_what_it_reads(viewed) -> None:
    report, _, rows = viewed
    for own in rows.values():
        above = ""
        for row in own:
            if row.kind == "layer" and row.sources and set(row.sources) != {above}:
                assert row.title == "reads " + ", ".join(report.graph.producer[row.names[0]].inputs)
            above = row.label if row.kind in ("layer", "from") else above


def test_markdown_leaves_it_alone(viewed) -> None:
    markdown = pytest.importorskip("markdown")
    _, views, _ = viewed
    text = "\n\n".join(views.values())
    page = markdown.markdown(f"# Title\n\n{text}\n\nEnd.", extensions=["md_in_html", "attr_list", "tables", "toc"])
    assert all(view in page and "\n\n" not in view for view in views.values())


def test_what_is_not_understood_is_unknown_and_names_are_escaped() -> None:
    class Mystery(keras.layers.Layer):
        def call(self, inputs: object) -> object:
            return inputs

    inputs = keras.Input((8, 8, 1))
    report = zoo.analyze(keras.Model(inputs, Mystery(name='<a & "b">')(inputs), name="odd"))
    view = block_view(report, report.blocks[-1].name)
    row = next(row for row in rows_of(view) if '<a & "b">' in row.names)
    assert row.cells[5] == "unknown"
    assert "at least 0 MACs" in "".join(ElementTree.fromstring(view)[0].itertext())


def test_layers_with_several_outputs_and_many_branches() -> None:
    """Lines of all outputs leave the mark; 30 lanes take twice the width of 8, not four times."""
    inputs = keras.Input((8, 8, 30), name="in")
    parts = keras.ops.split(inputs, 30, axis=-1)
    branches = [keras.layers.Conv2D(1, 3, padding="same", name=f"conv{k}")(part) for k, part in enumerate(parts)]
    report = zoo.analyze(keras.Model(inputs, keras.layers.Concatenate(name="cat")([*branches, branches[0]]), name="wide"))
    view = block_view(report, "all0")
    rows = {row.label: row for row in rows_of(view)}
    split = next(row for row in rows.values() if "plit" in row.cells[1])
    assert all(rows[f"layer conv{k}"].sources == Counter([split.label]) for k in range(30))
    assert rows["layer cat"].sources == Counter(f"layer conv{k}" for k in range(30))
    width = int(ElementTree.fromstring(view).find(".//svg").get("viewBox").split()[2])
    assert width == 2 * 10 + 29 * 7


def test_an_unknown_block_is_an_error_that_names_the_blocks() -> None:
    report = zoo.analyze("resunet-v1-d3-f8")
    with pytest.raises(RenderError, match=r"has the blocks input0, enc0, .*did you mean 'dec0'.* Received: block='dec00'"):
        block_view(report, "dec00")


def test_byte_identical_in_another_process() -> None:
    code = (
        "import sys, zoo; from zoo.render.layer_view import block_view; r = zoo.analyze('resunet-a-d6-f8');"
        "sys.stdout.buffer.write(''.join(block_view(r, b.name) for b in r.blocks).encode())"
    )
    outputs = {subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout for _ in range(2)}
    report = zoo.analyze("resunet-a-d6-f8")
    assert outputs == {"".join(block_view(report, block.name) for block in report.blocks).encode()}


def test_legend_is_one_paragraph() -> None:
    assert ElementTree.fromstring(legend()).tag == "p"
