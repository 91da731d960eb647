"""What differs between two networks: nothing from itself, the mirror image from the other side, and rows that add up."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from html.parser import HTMLParser

import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_import import BACKENDS, DRAWING, loaded

import zoo
from zoo.analysis.kinds import LayerKind
from zoo.render.diff import compare
from zoo.render.diff_tables import ratio_text, signed, tables_of
from zoo.render.diff_types import Change

SIZES = ("params", "macs", "output_bytes", "layers")
NAMES = (
    "resunet-v1-d3-f4",
    "resunet-v1-d2-f4",
    "resunet-v2-d3-f4",
    "attention-resunet-d3-f4",
    "unet3plus-d3-f4",
    "segresnet-f8",
    "resenc-unet-d3-f4",
    "resunet-v1-3d-d3-f4",
)
"""Concatenated, added and full-scale skips, gates, several heads, images and volumes."""

_reports: dict[str, zoo.Report] = {}


def report_of(name):
    if name not in _reports:
        _reports[name] = zoo.analyze(name, (16, 16, 16, 1) if "-3d" in name else (32, 32, 3))
    return _reports[name]


def mirror(change):
    return Change(a=change.b, b=change.a)


def mirrored(diff):
    """The same comparison seen from the other side, field by field."""
    status = {"added": "removed", "removed": "added"}
    return replace(
        diff,
        a=diff.b,
        b=diff.a,
        totals=type(diff.totals)(**{name: mirror(getattr(diff.totals, name)) for name in asdict(diff.totals)}),
        blocks=tuple(
            replace(
                block,
                a=block.b,
                b=block.a,
                status=status.get(block.status, block.status),
                shape_a=block.shape_b,
                shape_b=block.shape_a,
                removed_layers=block.added_layers,
                added_layers=block.removed_layers,
                **{name: mirror(getattr(block, name)) for name in SIZES},
            )
            for block in diff.blocks
        ),
        skips=tuple(replace(skip, status=status.get(skip.status, skip.status)) for skip in diff.skips),
    )


pairs = st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES))


@settings(max_examples=40)
@given(pairs)
def test_seen_from_the_other_side_everything_is_reversed(names):
    a, b = map(report_of, names)
    assert compare(b, a) == mirrored(compare(a, b))


@settings(max_examples=40)
@given(pairs)
def test_the_rows_add_up(names):
    a, b = map(report_of, names)
    diff = compare(a, b)
    for name, total in zip(SIZES, ("params", "macs", "activation_bytes", "layers"), strict=True):
        assert sum(getattr(row, name).delta for row in diff.blocks) == getattr(diff.totals, total).delta
    for row in diff.blocks:
        layers = [(1, layer) for layer in row.added_layers] + [(-1, layer) for layer in row.removed_layers]
        assert sum(sign * layer.count * layer.kind.params for sign, layer in layers) == row.params.delta
        assert sum(sign * layer.count for sign, layer in layers) == row.layers.delta
        assert not {layer.kind for layer in row.added_layers} & {layer.kind for layer in row.removed_layers}
    for side, report in (("a", a), ("b", b)):
        assert sorted(filter(None, (getattr(row, side) for row in diff.blocks))) == sorted(block.name for block in report.blocks)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_the_same_as_itself(name):
    diff = compare(report_of(name), report_of(name))
    assert diff.same
    assert diff.same_input
    assert {part.status for part in (*diff.blocks, *diff.skips)} == {"same"}
    assert all(row.a == row.b for row in diff.blocks)
    assert all(change.delta == 0 for change in vars(diff.totals).values() if change.a is not None)
    assert "All blocks, layers and skips are the same." in str(diff)


def test_one_level_less():
    diff = zoo.diff("resunet-v1-d4-f16", "resunet-v1-d3-f16")
    assert [(row.a, row.b, row.status) for row in diff.blocks] == [
        ("input0", "input0", "same"),
        ("enc0", "enc0", "same"),
        ("enc1", "enc1", "same"),
        ("enc2", "", "removed"),
        ("mid3", "mid2", "changed"),
        ("dec2", "", "removed"),
        ("dec1", "dec1", "same"),
        ("dec0", "dec0", "same"),
        ("head0", "head0", "same"),
    ]
    assert [(skip.source, skip.target, skip.kind) for skip in diff.skips if skip.status != "same"] == [("enc2", "dec2", "concat")]
    assert {skip.status for skip in diff.skips} == {"removed", "same"}
    removed = diff.blocks[3]
    assert (removed.shape_a, removed.shape_b, removed.params.b, removed.params.ratio) == ((64, 64, 64), (), 0, 0)
    assert sum(layer.count for layer in removed.removed_layers) == removed.layers.a
    a, b = zoo.info("resunet-v1-d4-f16").numbers, zoo.info("resunet-v1-d3-f16").numbers
    assert diff.totals.macs == Change(a=a.macs, b=b.macs)
    assert diff.totals.flops.delta == 2 * (b.macs - a.macs)
    assert diff.totals.receptive_field == Change(a=108, b=a_field(b))
    assert (diff.a.name, diff.a.input_shape, diff.a.peak_layer) == ("resunet-v1-d4-f16", (256, 256, 3), a.peak_layer)


def a_field(numbers):
    return max(high for _, high in numbers.receptive_field)


def test_the_layers_that_a_field_of_the_config_changes():
    config = zoo.info("resunet-v1-d2-f4").config
    diff = zoo.diff(config, config.replace(activation="gelu"))
    changed = {row.a: row for row in diff.blocks if row.status != "same"}
    assert set(changed) == {"enc0", "mid1", "dec0"}
    for row in changed.values():
        (removed,), (added,) = row.removed_layers, row.added_layers
        assert removed.kind == LayerKind(op="Activation", detail="relu", channels=removed.kind.channels, params=0)
        assert added == replace(removed, kind=replace(removed.kind, detail="gelu"))
        assert {getattr(row, name).delta for name in SIZES} == {0}
    assert not diff.same


def test_gates_are_blocks_of_their_own():
    diff = compare(report_of("resunet-v1-d3-f4"), report_of("attention-resunet-d3-f4"))
    added = {row.b: row for row in diff.blocks if row.status == "added"}
    assert set(added) == {"gate0", "gate1"}
    assert {row.side for row in added.values()} == {"skip"}
    order = [row.b for row in diff.blocks]
    assert order.index("mid2") < order.index("gate1") < order.index("dec1") < order.index("gate0") < order.index("dec0")


def test_skips_that_are_added_instead_of_concatenated():
    diff = compare(report_of("resunet-v1-d3-f4"), report_of("segresnet-f8"))
    kinds = {status: {skip.kind for skip in diff.skips if skip.status == status} for status in ("removed", "added")}
    assert kinds == {"removed": {"concat"}, "added": {"add"}}


def pooled(first):
    """Three levels, the second one pooled by `first`: the third has the same layers whatever it is."""
    inputs = keras.Input((32, 32, 3))
    one = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.MaxPooling2D(first)(inputs))
    two = keras.layers.Conv2D(3, 3, padding="same")(keras.layers.MaxPooling2D(2)(one))
    up = keras.layers.Concatenate()([keras.layers.UpSampling2D(2)(two), one])
    return keras.Model(inputs, keras.layers.Concatenate()([keras.layers.UpSampling2D(first)(up), inputs]))


def test_the_same_layers_at_another_size_are_a_change_unless_the_inputs_differ():
    bottom = {row.a: row for row in zoo.diff(pooled(2), pooled(4)).blocks}["mid2"]
    assert (bottom.status, bottom.removed_layers, bottom.added_layers) == ("changed", (), ())
    assert bottom.macs.ratio == 1 / 4
    one, other = (zoo.analyze("resunet-v1-d3-f4", (side, side, 3)) for side in (16, 32))
    diff = zoo.diff(one, other)
    assert not diff.same_input
    assert diff.same
    assert diff.totals.macs.ratio == 4


def test_the_whole_input_is_no_extent():
    inputs = keras.Input((8, 8, 3))
    whole = keras.layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    change = zoo.diff(keras.Model(inputs, whole), "resunet-v1-d2-f4").totals.receptive_field
    assert (change.a, change.delta, change.ratio) == (None, None, None)


def test_what_is_not_understood_is_said():
    class Strange(keras.layers.Layer):
        def call(self, x):
            return x * x

    inputs = keras.Input((8, 8, 3))
    diff = zoo.diff(keras.Model(inputs, Strange()(inputs), name="odd"), "resunet-v1-d2-f4")
    assert diff.a.unsupported
    assert re.search(r"^odd: not understood, so its numbers are not whole: .*Strange", str(diff), re.MULTILINE)


class TestText:
    def test_columns_are_aligned(self):
        diff = compare(report_of("resunet-v1-d3-f4"), report_of("attention-resunet-d3-f4"))
        for table, text in zip(tables_of(diff), str(diff).split("\n\n"), strict=True):
            title, *lines = text.split("\n")
            assert title == table.title
            assert len(lines) == 1 + len(table.rows)
            ends = [head.end() for head in re.finditer(r"\S+(?: \S+)*", lines[0])]
            if all(table.heads):
                for row, line in zip(table.rows, lines[1:], strict=True):
                    assert all(line[: ends[column]].endswith(row[column]) for column in table.right)
            assert all(line == line.rstrip() for line in lines)

    def test_it_says_at_which_input(self):
        say = {"": str(compare(report_of(NAMES[0]), report_of(NAMES[1]))).split("\n")[0]}
        assert say[""] == "resunet-v1-d3-f4 → resunet-v1-d2-f4, both at 32×32×3; batch 1"
        assert "both at 16×16, with 3 and 1 channels; batch 1" in str(zoo.diff("unet-d2-f2", "vnet-2d-f4", (16, 16, None)))
        text = str(compare(report_of(NAMES[0]), report_of(NAMES[-1])))
        assert "at 32×32×3 and at 16×16×16×1: MACs, activations and memory are of different images" in text

    def test_the_exact_numbers_are_there(self):
        a, b = report_of("resunet-v1-d3-f4"), report_of("attention-resunet-d3-f4")
        text = str(compare(a, b))
        for name in ("params", "trainable_params", "macs", "flops", "layers"):
            assert f"{getattr(a, name):,}" in text
            assert f"{getattr(b, name) - getattr(a, name):+,}" in text

    def test_html_is_whole_and_escaped(self):
        class Balanced(HTMLParser):
            def __init__(self):
                super().__init__()
                self.open_tags = []

            def handle_starttag(self, tag, attrs):
                self.open_tags.append(tag)

            def handle_endtag(self, tag):
                assert self.open_tags.pop() == tag

        diff = compare(report_of("resunet-v1-d3-f4"), report_of("attention-resunet-d3-f4"))
        html = replace(diff, a=replace(diff.a, name="<b>"))._repr_html_()
        parser = Balanced()
        parser.feed(html)
        assert parser.open_tags == []
        assert html.count("<table>") == len(tables_of(diff)) == html.count("<details>") + 2
        assert "&lt;b&gt;" in html
        assert "<b>" not in html

    @pytest.mark.parametrize(
        ("ratio", "text"),
        [
            (None, ""),
            (0.0, "×0.000"),
            (0.01234, "×0.0123"),
            (0.1234, "×0.123"),
            (1.0, "×1.00"),
            (15.04, "×15.0"),
            (1452.4, "×1,452"),
        ],
    )
    def test_ratios_have_three_digits(self, ratio, text):
        assert ratio_text(ratio) == text

    def test_differences_have_a_sign(self):
        assert [signed(number) for number in (1500, 0, -7, None)] == ["+1,500", "0", "−7", ""]


def test_a_change_without_one_side_has_no_difference():
    assert (Change(a=None, b=3).delta, Change(a=3, b=None).ratio) == (None, None)
    assert (Change(a=0, b=3).delta, Change(a=0, b=3).ratio) == (3, None)


def test_all_of_it_can_be_written_as_json():
    diff = compare(report_of("resunet-v1-d3-f4"), report_of("resenc-unet-d3-f4"))
    value = json.loads(json.dumps(asdict(diff)))
    assert set(value) == {"a", "b", "same_input", "totals", "blocks", "skips"}
    assert value["totals"]["params"] == vars(diff.totals.params)


def test_no_backend_is_loaded_until_something_is_compared():
    assert loaded("import zoo; zoo.diff, zoo.Diff", (*BACKENDS, *DRAWING)) == set()
