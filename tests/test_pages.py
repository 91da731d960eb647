"""The generated pages: what stands at their head is what the catalog says."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import keras
import pytest
import yaml

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from pages import entry as pages


@pytest.mark.parametrize("name", ["resunet-a", "mednext-s", "resunet-v1-d3-f8"])  # two summaries with a colon, one without
def test_the_head_of_a_page_can_be_read(name):
    entry = zoo.info(name)
    small = {"input_shape": (*[max(entry.config.size_multiples)] * entry.ndim, entry.config.input_shape[-1])}
    text = pages.entry_page(entry, zoo.analyze(entry.config.replace(**small)))
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head) == {
        "title": entry.name,
        "description": entry.summary,
        "hide": ["navigation", "toc"],
        "search": {"boost": 2},
    }
    assert f"\n# {entry.name}\n\n{entry.summary} After *{entry.reference.title}* (" in body


def test_a_published_result_stands_on_the_page_and_nothing_where_there_is_none():
    assert "Result as published: average F1 score of 92.9%" in pages.reference_text(zoo.info("resunet-a").reference)
    assert "Result as published" not in pages.reference_text(zoo.info("unet").reference)


def test_everything_that_scripts_change_is_in_the_page_without_them():
    entry = zoo.info("resunet-v1-d3-f8")
    report = zoo.analyze(entry.name)
    text = pages.entry_page(entry, report)
    for block in report.blocks:
        assert f'href="#{block.name}" class="box' in text
        assert f'<details class="zoo-block" id="{block.name}">' in text
    numbers = dict(re.findall(r'data-number="(\w+)"><th scope="row">[^<]*</th><td>([^<]*)</td>', text))
    assert (numbers["params"], numbers["macs"], numbers["flops"]) == (
        f"{report.params:,}", f"{report.macs:,}", f"{report.flops:,}",
    )  # fmt: skip
    assert numbers["peak_layer"] == report.peak_layer
    assert re.search(r'<div class="zoo-tools" [^>]*hidden>', text), "controls that need a script are not shown without"


def test_size_fields_start_at_the_stated_size_and_go_in_allowed_steps():
    entry = zoo.info("resunet-v1-3d-d4-f16")
    fields = re.findall(r'<input type="number" name="(\w+)" min="(\d+)" step="(\d+)" value="(\d+)"', pages._size_control(entry))
    assert fields == [(axis, "8", "8", "64") for axis in ("depth", "height", "width")]


def test_boxes_lead_to_the_line_where_the_network_is_built():
    entry = zoo.info("resunet-v1")
    (address,) = set(re.findall(r'href="(source/[^"]+)" class="src"', pages.entry_page(entry, zoo.analyze(entry.name))))
    page, line = re.fullmatch(r"source/(\w+)\.html#line-(\d+)", address).groups()
    source = (Path(zoo.__file__).parent / "architectures" / f"{page}.py").read_text().splitlines()
    assert source[int(line) - 1].startswith("def build(")


def test_a_network_without_a_u_says_so():
    inputs = keras.Input((16, 16, 3))
    model = keras.Model(inputs, keras.layers.Conv2D(1, 1)(keras.layers.Conv2D(4, 3, padding="same")(inputs)))
    assert "stand in a column instead of a U" in pages._picture_note(zoo.info("unet"), zoo.analyze(model))
    assert "instead of a U" not in pages._picture_note(zoo.info("unet"), zoo.analyze("unet-d2-f4"))


def test_an_entry_with_weights_has_a_card_for_each():
    from pages.weights import weights_section

    assert weights_section("vnet-f16") == []
    text = "\n".join(weights_section("resunet-v1-d3-f8"))
    for name in zoo.list_weights("resunet-v1-d3-f8"):
        record = zoo.weights_info(name)
        for part in (
            f"### {record.tag}",
            name,
            record.sha256,
            record.data_licence,
            f"{record.bytes:,} bytes",
            record.recipe.command,
        ):
            assert part in text
        assert f"{record.metrics[0].value:.4f}" in text
