"""The layers of a block as HTML: its numbers in one line, and inside a table whose first column draws how tensors run.

One row is one layer, in the order in which they run; what enters from other blocks, leaves to them, or repeats has rows of its
own. It is raw HTML for a Markdown page, so it has no blank lines; it is well-formed XML too. Styles: docs/assets/layers.css.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from zoo.render.gutter import gutter
from zoo.render.lanes import assign_lanes
from zoo.render.steps import OUTPUT, block_steps
from zoo.render.units import exact, percent, shape_text, short_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from zoo.analysis import BlockNumbers, LayerNumbers, Report
    from zoo.analysis.graph import Node
    from zoo.render.folds import Fold
    from zoo.render.steps import Step

COLUMNS = ("flow", "layer", "operation", "detail", "output", "params", "MACs", "memory")
_HEAD = "<thead><tr>" + "".join(f'<th scope="col">{name}</th>' for name in COLUMNS) + "</tr></thead>"


def block_view(report: Report, block: str) -> str:
    """Returns one block of a network as a closed `<details class="zoo-block" id="BLOCK">`.

    The summary has the block's name, output shape, layers, parameters, MACs, share of the network's MACs and memory of all
    layer outputs; inside are its layers.

    Raises:
        RenderError: The network has no such block.
    """
    steps = block_steps(report, block)
    numbers = next(one for one in report.blocks if one.name == block)
    layers = [row for row in report.per_layer if row.block == block]
    label = f"Layers of {block} at {shape_text(report.input_shape)}"
    return "\n".join(
        [
            f'<details class="zoo-block" id={quoteattr(block)}>{_summary(report, numbers, layers)}',
            f'<div class="zoo-layers" role="region" tabindex="0" aria-label={quoteattr(label)}><table class="zoo-rows">{_HEAD}',
            *_bodies(report, steps),
            f"{_foot(layers)}</table></div></details>",
        ]
    )


def legend() -> str:
    """Returns a paragraph that says what the marks of the pictures mean; once per page is enough."""
    return (
        '<p class="zoo-legend">One row is one layer, in the order in which they run; one line is one tensor, from the layer that '
        "makes it to those that read it. Full dot: a layer with weights. Ring: one without. Larger rings join tensors: + "
        "adds, × multiplies, ‖ concatenates. <i>from</i> and <i>to</i>: tensors of other blocks. <i>shared</i>: the weights are "
        "counted at the layer's first call. Memory is that of what the layer makes, for one image.</p>"
    )


def _summary(report: Report, block: BlockNumbers, layers: Sequence[LayerNumbers]) -> str:
    cells = (
        ("v-shape", shape_text(block.shape)),
        ("v-layers", f"{exact(block.layers)} {'layer' if block.layers == 1 else 'layers'}"),
        ("v-params", f"{exact(block.params)} params"),
        ("v-macs", f"{_at_least(layers)}{exact(block.macs)} MACs"),
        ("v-share", f"{percent(block.macs, report.macs)} of MACs"),
        ("v-bytes", short_bytes(block.output_bytes)),
    )
    texts = " ".join(f'<span class="{css}">{escape(text)}</span>' for css, text in cells)
    return f"<summary><b>{escape(block.name)}</b> {texts}</summary>"


def _at_least(layers: Iterable[LayerNumbers]) -> str:
    return "at least " if any(row.macs is None for row in layers) else ""


def _bodies(report: Report, steps: Sequence[Step]) -> Iterator[str]:
    """Yields the rows; equal units are a `tbody` of their own."""
    lanes = assign_lanes([step.wires for step in steps])
    count = max(row.width for row in lanes)
    above: tuple[str, ...] = ()  # what the last layer or entering tensor made
    rows = []
    for step, row in zip(steps, lanes, strict=True):
        reads = "" if step.node is None or step.wires.reads == above[:1] else _reads(step.node)
        rows.append((step, f"<td>{gutter(step, row, count, reads)}</td>{_cells(report, step)}"))
        above = step.wires.makes or above
    for fold, members in groupby(rows, key=lambda item: item[0].fold):
        yield '<tbody class="zoo-units">' if fold else "<tbody>"
        yield from (f"<tr{_ROW_CLASS.get(step.kind, '')}>{cells}</tr>" for step, cells in members)
        yield "</tbody>"


def _reads(node: Node) -> str:
    return "reads " + ", ".join(node.inputs) if node.inputs else ""


_ROW_CLASS = {"enters": ' class="x"', "leaves": ' class="x"', "units": ' class="u"'}


def _cells(report: Report, step: Step) -> str:
    if step.kind == "units" and step.fold:
        return _units(step.fold, step.layers)
    if step.kind == "layer" and step.node:
        return _layer(step.name, step.layers[0], step.node)
    shape = f'<td>{shape_text(report.graph.shape_of[step.tensor])}</td><td colspan="3"></td>'
    if step.kind == "enters":
        return f'<td colspan="3">from {_link(step.blocks[0])}: {escape(step.tensor)}</td>{shape}'
    return f'<td colspan="3">to {", ".join(_link(block) for block in step.blocks)}</td>{shape}'


def _link(block: str) -> str:
    return block if block == OUTPUT else f"<a href={quoteattr(f'#{block}')}>{escape(block)}</a>"


def _layer(name: str, row: LayerNumbers, node: Node) -> str:
    shared = node.weights and not any(weight.counted for weight in node.weights)
    texts = (
        row.op,
        row.detail,
        ", ".join(shape_text(shape) for shape in node.shapes),
        "shared" if shared else exact(row.params),
        "unknown" if row.macs is None else exact(row.macs),
        short_bytes(row.output_bytes),
    )
    return f'<th scope="row">{escape(name)}</th>' + "".join(f"<td>{escape(text)}</td>" for text in texts)


def _units(fold: Fold, unit: Sequence[LayerNumbers]) -> str:
    """The head of equal units: how many, and what one of them costs."""
    head = f'<th scope="rowgroup" colspan="4">{fold.count} equal units of {len(unit)} layers, one is shown</th>'
    return head + "".join(f"<td>{fold.count} × {text}</td>" for text in _sums(unit))


def _foot(layers: Sequence[LayerNumbers]) -> str:
    name = "1 layer" if len(layers) == 1 else f"{exact(len(layers))} layers"
    sums = "".join(f"<td>{text}</td>" for text in _sums(layers))
    return f'<tfoot><tr><td></td><th scope="row" colspan="4">{name}</th>{sums}</tr></tfoot>'


def _sums(layers: Sequence[LayerNumbers]) -> tuple[str, str, str]:
    return (
        exact(sum(row.params for row in layers)),
        _at_least(layers) + exact(sum(row.macs or 0 for row in layers)),
        short_bytes(sum(row.output_bytes for row in layers)),
    )
