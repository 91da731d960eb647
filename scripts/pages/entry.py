"""The page of an entry: picture, blocks with their layers, numbers, config, reference, from one template.

All that a script changes is in the page already; without scripts the controls stay hidden and everything else reads.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from html import escape
from typing import TYPE_CHECKING, Any

from pages.as_is import as_is
from pages.source import builder_link
from pages.template import NOTE
from pages.weights import weights_section
from zoo.render.diagram import METRICS, draw
from zoo.render.layer_view import block_view, legend
from zoo.render.svg import to_svg
from zoo.render.tables import markdown_table, totals_rows
from zoo.render.units import shape_text

if TYPE_CHECKING:
    from zoo.analysis import Report
    from zoo.config import ModelConfig
    from zoo.entry import Entry, Reference
    from zoo.render.diagram import Metric

METRIC: Metric = "macs"
AXES = {2: ("height", "width"), 3: ("depth", "height", "width")}


def entry_page(entry: Entry, report: Report) -> str:
    """Returns the Markdown page of an entry."""
    parts = [
        f"---\ntitle: {entry.name}\ndescription: {json.dumps(entry.summary)}\nhide: [navigation, toc]\n"
        f"search: {{boost: 2}}\n---\n{NOTE}",
        f"# {entry.name}",
        f"{entry.summary} {_by(entry.reference)}",
        f'```python\nimport zoo\n\nmodel = zoo.get("{entry.name}")\n```',
        as_is(_figure(entry, report)),
        _picture_note(entry, report),
        "## Blocks",
        f"Open a block to see its layers. {_code(entry)}Numbers at {shape_text(entry.analysis_shape)}, batch 1; a size set "
        "above changes those of the blocks, not of their layers.",
        as_is(_blocks(report)),
        "## Numbers",
        "Batch 1. [What the numbers mean](../guide/numbers.md).",
        as_is(totals_html(report)),
        *weights_section(entry.name),
        "## Config",
        config_table(entry.config),
        "## Reference",
        reference_text(entry.reference),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _by(reference: Reference) -> str:
    """Names the source in one clause, by which the search finds the entry too."""
    first, *others = reference.authors
    return f"After *{reference.title}* ({first}{' et al.' if others else ''}, {reference.year})."


def _code(entry: Entry) -> str:
    address = builder_link(entry)
    return f'The marks {{}} in the picture lead to <a href="{address}">the code that builds it</a>. ' if address else ""


def _figure(entry: Entry, report: Report) -> str:
    """The picture with its controls, which a script shows, and the scripts."""
    svg = to_svg(draw(report, METRIC), link="#{name}", source=builder_link(entry))
    return "\n".join(
        [
            f'<div class="zoo-tools" data-entry="{entry.name}" hidden>',
            _metric_switch(),
            _size_control(entry),
            '<div class="zoo-zoom" role="group" aria-label="Zoom of the picture"><button type="button" data-zoom="in" '
            'aria-label="Zoom in">+</button><button type="button" data-zoom="out" aria-label="Zoom out">−</button>'
            '<button type="button" data-zoom="reset">whole</button></div>',
            '<p class="zoo-said" role="status"></p>',
            "</div>",
            f'<div class="zoo-figure" tabindex="0" role="region" aria-label="Picture of {entry.name}">\n{svg}</div>',
            '<script src="../assets/data.js"></script>',
            f'<script src="data/{entry.name}.js"></script>',
            '<script src="../assets/vendor/panzoom.min.js" defer></script>',
            '<script src="../assets/entry.js" defer></script>',
        ]
    )


def _metric_switch() -> str:
    choices = "".join(
        f'<label><input type="radio" name="metric" value="{metric}"{" checked" if metric == METRIC else ""}> {text}</label>'
        for metric, text in METRICS.items()
    )
    return f"<fieldset><legend>Colour shows</legend>{choices}</fieldset>"


def _size_control(entry: Entry) -> str:
    """One field per axis; the script turns them into a choice where only some sizes have numbers."""
    fields = "".join(
        f'<label>{axis} <input type="number" name="{axis}" min="{multiple}" step="{multiple}" value="{size}" '
        f'data-stated="{size}"></label>'
        for axis, multiple, size in zip(AXES[entry.ndim], entry.config.size_multiples, entry.analysis_shape, strict=False)
    )
    reset = '<button type="button" data-size="stated">as stated</button>'
    return f'<fieldset class="zoo-size"><legend>Input size</legend>{fields}{reset}</fieldset>'


def _picture_note(entry: Entry, report: Report) -> str:
    has_u = any(block.side for block in report.blocks)
    shape = "" if has_u else "This network has one level of resolution, so its blocks stand in a column instead of a U. "
    name = entry.name
    return (
        f"{shape}How to read it: [Read the diagrams](../guide/diagrams.md). As files: [the U]({name}.svg), "
        f"[every layer as a graph]({name}-graph.svg). [Compare {name} with another network](compare.md?a={name})."
    )


def _blocks(report: Report) -> str:
    return "\n".join(
        ["<div data-search-exclude>", *(block_view(report, block.name) for block in report.blocks), legend(), "</div>"]
    )


def totals_html(report: Report) -> str:
    """Returns the totals as an HTML table whose rows carry the names of their fields."""
    rows = "".join(
        f'<tr data-number="{field}"><th scope="row">{name}</th><td>{escape(value)}</td><td>{escape(short)}</td></tr>'
        for field, name, value, short in totals_rows(report)
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("number", "exact", "short"))
    return f'<table class="zoo-totals"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


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
