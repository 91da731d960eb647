"""A comparison of two networks as tables: aligned text, and HTML for notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from zoo.render.units import exact, field_text, shape_text, short_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.render.diff_types import BlockDiff, Change, Diff, LayerCount, Network, SkipDiff

_TOTALS = {
    "params": ("parameters", exact),
    "trainable_params": ("trainable parameters", exact),
    "macs": ("MACs", exact),
    "flops": ("FLOPs (2 × MACs)", exact),
    "weight_bytes": ("weights", short_bytes),
    "peak_bytes": ("inference peak", short_bytes),
    "training_activation_bytes": ("kept for training", short_bytes),
    "activation_bytes": ("all activations", short_bytes),
    "layers": ("layers", exact),
}
"""Label of each total, and how its numbers are written."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under their heads; the columns in `right` are numbers, aligned at the right."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


def tables_of(diff: Diff) -> tuple[Table, ...]:
    """Returns the totals and the blocks, and where there are some the skips and the layers that differ."""
    tables = [
        Table(
            title=headline(diff),
            heads=("number", diff.a.name, diff.b.name, "difference", "ratio"),
            rows=_totals(diff),
            right=(1, 2, 3, 4),
        ),
        Table(
            title="Blocks, and by how much they differ",
            heads=("block", "", "layers", "parameters", "MACs", "activations"),
            rows=tuple(map(_block_row, diff.blocks)),
            right=(2, 3, 4, 5),
        ),
    ]
    skips = tuple(_skip_row(skip) for skip in diff.skips if skip.status != "same")
    if skips:
        heads = ("from", "to", "kind", "")
        tables.append(Table(title="Skips that differ", heads=heads, rows=skips, right=(3,)))  # a narrow terminal keeps it so
    layers = tuple(row for block in diff.blocks for row in layer_rows(block))
    if layers:
        columns = ("block", "", "layer", "channels", "parameters each")
        tables.append(Table(title="Layers that differ, in any order", heads=columns, rows=layers, right=(3, 4)))
    return tuple(tables)


def headline(diff: Diff) -> str:
    """Says what is compared with what, and at which input."""
    a, b = diff.a, diff.b
    if a.input_shape == b.input_shape:
        where = f"both at {shape_text(a.input_shape)}"
    elif diff.same_input:
        channels = f"{a.input_shape[-1]} and {b.input_shape[-1]} channels"
        where = f"both at {shape_text(a.input_shape[:-1])}, with {channels}"
    else:
        each = f"at {shape_text(a.input_shape)} and at {shape_text(b.input_shape)}"
        where = f"{each}: MACs, activations and memory are of different images"
    return f"{a.name} → {b.name}, {where}; batch 1"


def notes(diff: Diff) -> tuple[str, ...]:
    """Says what was not understood, and that nothing differs where that is so."""
    found = [
        f"{network.name}: not understood, so its numbers are not whole: {', '.join(network.unsupported)}"
        for network in (diff.a, diff.b)
        if network.unsupported
    ]
    return (*found, "All blocks, layers and skips are the same.") if diff.same else tuple(found)


def diff_text(diff: Diff) -> str:
    """Returns all tables as aligned text."""
    parts = ["\n".join((table.title, *_aligned(table))) for table in tables_of(diff)]
    return "\n\n".join((*parts, *notes(diff)))


def diff_html(diff: Diff) -> str:
    """Returns all tables as HTML without styles of its own, skips and layers folded."""
    totals, blocks, *others = tables_of(diff)
    open_tables = [f"<p><strong>{escape(table.title)}</strong></p>{_html_table(table)}" for table in (totals, blocks)]
    folded = [f"<details><summary>{escape(table.title)}</summary>{_html_table(table)}</details>" for table in others]
    return "".join((*open_tables, *folded, *(f"<p>{escape(note)}</p>" for note in notes(diff))))


def layer_rows(block: BlockDiff) -> list[tuple[str, ...]]:
    """Returns one row per kind of layer that only one of two blocks has, or has more often."""
    both = [("−", layer) for layer in block.removed_layers] + [("+", layer) for layer in block.added_layers]
    return [(block_name(block), *_layer_cells(sign, layer)) for sign, layer in both]


def block_name(block: BlockDiff) -> str:
    """Returns the name of a block, both where they differ: `"mid4 → mid3"`."""
    return " → ".join(dict.fromkeys(filter(None, (block.a, block.b))))


def signed(number: int | None, write: Callable[[int], str] = exact) -> str:
    """Writes a difference with its sign: `1500 -> "+1,500"`; nothing where there is none to state."""
    if number is None:
        return ""
    return f"{'+' if number > 0 else '−' if number else ''}{write(abs(number))}"


def ratio_text(ratio: float | None) -> str:
    """Writes a ratio with three digits: `0.0123 -> "×0.0123"`, `15.04 -> "×15.0"`."""
    if ratio is None:
        return ""
    digits = 0 if ratio >= 100 else 1 if ratio >= 10 else 2 if ratio >= 1 else 3 if ratio >= 0.1 or not ratio else 4
    return f"×{ratio:,.{digits}f}"


def _totals(diff: Diff) -> tuple[tuple[str, ...], ...]:
    rows = []
    for name, (label, write) in _TOTALS.items():
        change: Change = getattr(diff.totals, name)
        a, b = (write(number) if number is not None else "" for number in (change.a, change.b))
        rows.append((label, a, b, signed(change.delta, write), ratio_text(change.ratio)))
    field = diff.totals.receptive_field
    a, b = field_text(diff.a.receptive_field), field_text(diff.b.receptive_field)
    delta = "" if field.delta is None else f"{signed(field.delta)} px"
    return (*rows, ("receptive field", a, b, delta, ratio_text(field.ratio)), _input_row(diff.a, diff.b))


def _input_row(a: Network, b: Network) -> tuple[str, ...]:
    return ("input", shape_text(a.input_shape), shape_text(b.input_shape), "", "")


def _block_row(block: BlockDiff) -> tuple[str, ...]:
    counts = (signed(change.delta) for change in (block.layers, block.params, block.macs))
    return (block_name(block), block.status, *counts, signed(block.output_bytes.delta, short_bytes))


def _skip_row(skip: SkipDiff) -> tuple[str, ...]:
    return (skip.source, skip.target, skip.kind, skip.status)


def _layer_cells(sign: str, layer: LayerCount) -> tuple[str, ...]:
    kind = layer.kind
    channels = str(kind.channels) if kind.channels else ""
    return (f"{sign} {layer.count}", f"{kind.op} {kind.detail}".strip(), channels, exact(kind.params))


def _aligned(table: Table) -> list[str]:
    cells = (table.heads, *table.rows)
    widths = [max(len(row[column]) for row in cells) for column in range(len(table.heads))]
    return [
        "  ".join(
            cell.rjust(width) if column in table.right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def _html_table(table: Table) -> str:
    heads = "".join(f"<th>{escape(head)}</th>" for head in table.heads)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
