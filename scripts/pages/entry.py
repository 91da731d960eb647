"""The page of an entry: picture, numbers, levels, layers, config, reference, from one template."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from typing import TYPE_CHECKING, Any

from pages.template import NOTE
from zoo.render.diagram import draw
from zoo.render.svg import to_svg
from zoo.render.tables import block_table, layer_table, markdown_table, totals_table
from zoo.render.units import shape_text

if TYPE_CHECKING:
    from zoo.analysis import Report
    from zoo.config import ModelConfig
    from zoo.entry import Entry, Reference


def entry_page(entry: Entry, report: Report) -> str:
    """Returns the Markdown page of an entry: picture, numbers, levels, layers, config, reference, deviations."""
    anchored = re.sub(r"^\| `(\w+)`", r'| <span id="\1"></span>`\1`', block_table(report), flags=re.MULTILINE)
    parts = [
        f"---\ntitle: {entry.name}\ndescription: {json.dumps(entry.summary)}\nhide: [navigation]\n---\n{NOTE}",
        f"# {entry.name}",
        entry.summary,
        f'```python\nimport zoo\n\nmodel = zoo.get("{entry.name}")\n```',
        f'<div class="zoo-figure">\n{to_svg(draw(report), link="#{name}")}</div>',
        _picture_note(entry, report),
        "## Numbers",
        f"At {shape_text(entry.analysis_shape)}, batch 1. [What the numbers mean](../guide/numbers.md).",
        totals_table(report),
        "## Levels",
        anchored,
        f'??? note "All {len(report.per_layer)} layers"\n\n' + _indented(layer_table(report)),
        "## Config",
        config_table(entry.config),
        "## Reference",
        reference_text(entry.reference),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _picture_note(entry: Entry, report: Report) -> str:
    has_u = any(block.side for block in report.blocks)
    shape = "" if has_u else "This network has one level of resolution, so its blocks stand in a column instead of a U. "
    return f"{shape}Every layer as a graph: [{entry.name}-graph.svg]({entry.name}-graph.svg)."


def config_table(config: ModelConfig) -> str:
    """Returns one row per field: its value here, what is allowed, and what it means."""
    meanings = field_meanings(type(config))
    rows = []
    for declared in dataclasses.fields(config):
        rule = declared.metadata.get("rule")
        allowed = rule.describe() if rule else "see the meaning"
        value = f"`{getattr(config, declared.name)!r}`"
        rows.append((f"`{declared.name}`", value, allowed, meanings.get(declared.name, "")))
    return markdown_table(("field", "value", "allowed", "meaning"), rows)


def field_meanings(kind: type[Any]) -> dict[str, str]:
    """Returns what the docstrings of a config class and its bases say about each field, from their `Attributes`."""
    meanings: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        section = (inspect.getdoc(base) or "").partition("Attributes:")[2].partition("\n\n")[0]
        for name, text in re.findall(r"^ {4}(\w+): (.+(?:\n {8}.+)*)", section, flags=re.MULTILINE):
            meanings[name] = " ".join(text.split())
    return meanings


def reference_text(reference: Reference) -> str:
    """Returns the source of an architecture and how the entry differs from it."""
    venue = f", {reference.venue}" if reference.venue else ""
    lines = [f"{', '.join(reference.authors)}: [{reference.title}]({reference.url}){venue}, {reference.year}."]
    if reference.code_url:
        lines.append(f"Original code: <{reference.code_url}> (licence: {reference.licence or 'not stated'}).")
    if reference.result:
        lines.append(f"Result as published: {reference.result}")
    deviations = "\n".join(f"- {text}" for text in reference.deviations) or "- None."
    return "\n\n".join(lines) + "\n\n### Deviations from the original\n\n" + deviations


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in text.split("\n"))
