"""The catalog page: every listed entry in one table that sorts and filters, and as a point of a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from pages.as_is import as_is
from pages.template import NOTE
from pages.weights import short_scores, weights_of
from zoo.render.scatter import Point, lay_out
from zoo.render.scatter_svg import to_svg
from zoo.render.units import exact, field_text, shape_text, short_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.entry import Entry
    from zoo.weights.entry import WeightsEntry

UNIT = {2: "pixel", 3: "voxel"}
"""What a position of an input is called, by number of spatial axes."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of the table.

    Attributes:
        key: What its column is called in addresses and in the script.
        text: What is shown, as text or as HTML that is safe already.
        value: What the column sorts and filters by; empty where it is not known.
    """

    key: str
    text: str
    value: str


HEADS = {
    "name": "entry",
    "family": "family",
    "ndim": "axes",
    "params": "parameters",
    "macs": "GMACs",
    "density": "kMACs per px",
    "peak": "peak MiB",
    "input": "at input",
    "field": "receptive field",
    "year": "year",
    "weights": "weights",
    "paper": "paper",
}
"""Heads of the columns by their keys."""

SCRIPT = '<script src="../assets/catalog.js" defer></script>'

COUNTS = ("params", "macs", "density", "peak")
"""Columns that are aligned right."""


def catalog_page(entries: Iterable[Entry]) -> str:
    """Returns the page with the chart and the table of all entries."""
    entries = tuple(entries)
    weights = {entry.name: weights_of(entry.name) for entry in entries}
    head = f"---\ntitle: Catalog\nhide: [navigation, toc]\n---\n{NOTE}\n\n# Catalog"
    intro = (
        f"{len(entries)} entries, drawn and counted one by one; any other valid size can be named too (see "
        "[names](../guide/names.md)). GMACs and the inference peak are at each entry's own input, so compare them only between "
        "entries of one input size. MACs per pixel or voxel can be compared between all entries with the same axes. "
        "[What the numbers mean](../guide/numbers.md), [how to choose](../guide/choose.md)."
    )
    chart = (
        '<div class="zoo-chart" data-search-exclude>\n<a class="zoo-skip" href="#entries">Skip the chart</a>\n'
        '<div class="zoo-scroll" tabindex="0" role="region" aria-label="Chart of the entries">\n'
        f"{chart_svg(entries)}</div>\n</div>"
    )
    table = table_html([cells_of(entry, weights[entry.name]) for entry in entries], [search_words(entry) for entry in entries])
    count = f'<p class="zoo-count" id="entries" role="status" tabindex="-1">{len(entries)} entries</p>'
    top = f'<div class="zoo-top">\n{form_html(entries)}\n{chart}\n</div>'
    return "\n\n".join((head, intro, as_is(f"{top}\n{count}\n{table}\n{SCRIPT}"))) + "\n"


def positions(entry: Entry) -> int:
    """Returns the number of pixels or voxels at which the entry's numbers are stated."""
    return math.prod(entry.analysis_shape[:-1])


def density(entry: Entry) -> int:
    """Returns the MACs per pixel or voxel at the entry's stated input, rounded half up."""
    return (2 * entry.numbers.macs + positions(entry)) // (2 * positions(entry))


def cells_of(entry: Entry, weights: Sequence[WeightsEntry]) -> list[Cell]:
    """Returns the cells of one entry's row, in the order of `HEADS`."""
    n = entry.numbers
    at_least = "" if n.status == "complete" else "≥ "
    link = f'<a href="{entry.name}.html">{entry.name}</a><small>{escape(entry.summary)}</small>'
    return [
        Cell(key="name", text=link, value=entry.name),
        Cell(key="family", text=entry.family, value=entry.family),
        Cell(key="ndim", text=f"{entry.ndim}D", value=str(entry.ndim)),
        Cell(key="params", text=exact(n.params), value=str(n.params)),
        Cell(key="macs", text=f"{at_least}{n.macs / 1e9:,.2f}", value=str(n.macs)),
        Cell(key="density", text=f"{at_least}{density(entry) / 1e3:,.1f}", value=str(density(entry))),
        Cell(key="peak", text=f"{n.peak_bytes / 2**20:,.1f}", value=str(n.peak_bytes)),
        Cell(key="input", text=shape_text(entry.analysis_shape), value=str(positions(entry))),
        Cell(key="field", text=field_text(n.receptive_field), value=_field_value(n.receptive_field)),
        Cell(key="year", text=str(entry.reference.year), value=str(entry.reference.year)),
        Cell(key="weights", text=escape(weights_text(weights)), value=str(len(weights))),
        Cell(key="paper", text=escape(short_paper(entry)), value=short_paper(entry)),
    ]


def _field_value(field: tuple[tuple[int, int] | None, ...]) -> str:
    """Returns the largest extent along any axis; the whole input is larger than every number, an unknown field is empty."""
    if not field:
        return ""
    return "Infinity" if None in field else str(max(extent[1] for extent in field if extent))


def weights_text(weights: Sequence[WeightsEntry]) -> str:
    """Returns what is published for an entry: tags, each with its scores as they are stated; a dash where there is nothing."""
    texts = []
    for published in weights:
        scores = ", ".join(f"{name} {score}" for name, score in short_scores(published).items())
        texts.append(f"{published.tag}: {scores}" if scores else published.tag)
    return "; ".join(texts) or "–"


def short_paper(entry: Entry) -> str:
    """Returns the title up to its first colon, with the first author's last name."""
    authors = entry.reference.authors
    last = authors[0].split()[-1] + (" et al." if len(authors) > 1 else "")
    return f"{entry.reference.title.partition(':')[0].strip()} ({last})"


def search_words(entry: Entry) -> str:
    """Returns what the free text is looked for in, beyond what the row's head shows."""
    return " ".join((entry.reference.title, *entry.reference.authors, *entry.tags))


def table_html(rows: Sequence[Sequence[Cell]], words: Sequence[str]) -> str:
    """Returns the table; complete, and in the catalog's order, without any script."""
    heads = "".join(f'<th scope="col" data-key="{key}"{_class(key)}>{text}</th>' for key, text in HEADS.items())
    lines = [
        '<div class="zoo-scroll zoo-list" data-search-exclude tabindex="0" role="region" aria-label="Table of the entries">',
        f'<table class="zoo-entries">\n<thead><tr>{heads}</tr></thead>\n<tbody>',
    ]
    for cells, hidden in zip(rows, words, strict=True):
        first, *others = cells
        texts = "".join(f'<td{_class(cell.key)} data-value="{escape(cell.value)}">{cell.text}</td>' for cell in others)
        row_head = f'<th scope="row" data-value="{escape(first.value)}">{first.text}</th>'
        lines.append(f'<tr data-words="{escape(hidden)}">{row_head}{texts}</tr>')
    return "\n".join([*lines, "</tbody>\n</table>\n</div>"])


def _class(key: str) -> str:
    return f' class="{"n" if key in COUNTS else key}"'


def form_html(entries: Sequence[Entry]) -> str:
    """Returns the form of the filters, hidden until the script shows it."""
    families = [(name, name) for name in sorted({entry.family for entry in entries})]
    years = {entry.reference.year for entry in entries}
    span = f' min="{min(years)}" max="{max(years)}" step="1"'
    parts = [
        '<form class="zoo-filter" hidden data-search-exclude aria-label="Filter the entries">',
        '<label class="wide">Words in name, summary, paper, authors<input name="q" type="search" autocomplete="off"></label>',
        _select("family", "Family", (("", "all"), *families)),
        _select("ndim", "Axes", (("", "2D and 3D"), ("2", "2D"), ("3", "3D"))),
        _number("params", "At most M parameters", ' min="0" step="any"'),
        _number("gmacs", "At most GMACs", ' min="0" step="any"'),
        _number("kmacs", "At most kMACs per px", ' min="0" step="any"'),
        _number("peak", "At most MiB at the peak", ' min="0" step="any"'),
        _number("from", "From year", span),
        _number("to", "To year", span),
        _select("weights", "Published weights", (("", "with or without"), ("yes", "with"), ("no", "without"))),
        '<button type="reset">Reset</button>',
        "</form>",
    ]
    return "\n".join(parts)


def _select(name: str, label: str, options: Iterable[tuple[str, str]]) -> str:
    items = "".join(f'<option value="{value}">{text}</option>' for value, text in options)
    return f'<label>{label}<select name="{name}" autocomplete="off">{items}</select></label>'


def _number(name: str, label: str, limits: str) -> str:
    return f'<label>{label}<input name="{name}" type="number" inputmode="decimal" autocomplete="off"{limits}></label>'


def chart_svg(entries: Sequence[Entry]) -> str:
    """Returns parameters against MACs per pixel or voxel, one point per entry."""
    chart = lay_out(
        [_point(entry) for entry in entries],
        title="Parameters against MACs per pixel or voxel",
        summary=f"Both axes are logarithmic. {len(entries)} points, each of which leads to its entry; a ring around a point is "
        "one more entry there. The table below has the same numbers.",
        x_title="parameters",
        y_title="MACs per pixel (2D) or voxel (3D)",
    )
    return to_svg(chart)


def _point(entry: Entry) -> Point:
    n, unit = entry.numbers, UNIT[entry.ndim]
    params, macs, each = (short_count(number).rstrip() for number in (n.params, n.macs, density(entry)))
    at = shape_text(entry.analysis_shape)
    return Point(
        name=entry.name,
        x=n.params,
        y=density(entry),
        group=f"{entry.ndim}D",
        href=f"{entry.name}.html",
        label=(entry.name, f"{params} params", f"{macs} MACs at {at}", f"{each} MACs per {unit}"),
        spoken=f"{entry.name}: {params} params, {macs} MACs at {at}, {each} MACs per {unit}",
    )
