"""The generated pages: what stands at their head is what the catalog says."""

from __future__ import annotations

import sys
from pathlib import Path

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
    assert yaml.safe_load(head) == {"title": entry.name, "description": entry.summary, "hide": ["navigation"]}
    assert f"\n# {entry.name}\n\n{entry.summary}\n" in body


def test_a_published_result_stands_on_the_page_and_nothing_where_there_is_none():
    assert "Result as published: average F1 score of 92.9%" in pages.reference_text(zoo.info("resunet-a").reference)
    assert "Result as published" not in pages.reference_text(zoo.info("unet").reference)
