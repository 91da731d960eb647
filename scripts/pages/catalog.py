"""The catalog page: every listed entry in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pages.template import NOTE
from zoo.render.tables import markdown_table
from zoo.render.units import exact, field_text, shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.entry import Entry


def catalog_page(entries: Iterable[Entry]) -> str:
    """Returns the page with the table of all entries."""
    rows = [
        (
            f"[{entry.name}]({entry.name}.md)",
            f"{entry.ndim}D",
            exact(entry.numbers.params),
            f"{entry.numbers.macs / 1e9:,.3f}",
            f"{entry.numbers.peak_bytes / 2**20:,.1f}",
            shape_text(entry.analysis_shape),
            field_text(entry.numbers.receptive_field),
            str(entry.reference.year),
            entry.summary,
        )
        for entry in entries
    ]
    header = ("entry", "axes", "parameters", "GMACs", "peak MiB", "at input", "receptive field", "year", "summary")
    table = markdown_table(header, rows, right=(2, 3, 4))
    intro = (
        f"{len(rows)} listed entries; any other valid size can be named too (see [names](../guide/names.md)). "
        "Click a column's head to sort."
    )
    head = f"---\ntitle: Catalog\nhide: [navigation, toc]\n---\n{NOTE}\n\n# Catalog"
    return f'{head}\n\n{intro}\n\n<div class="zoo-catalog" markdown>\n\n{table}\n</div>\n'
