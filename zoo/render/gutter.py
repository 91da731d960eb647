"""The lines of one row of a block's picture as a small SVG: rows of the same height set under one another make one drawing.

Lines that run on start and end at the edges of a row; the mark of a layer stands in the middle. A line that a layer reads from
another lane bends from the top edge to the mark. Colours are those of the lanes: a line keeps its own all the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from zoo.analysis.graph import Node
    from zoo.render.lanes import LaneRow
    from zoo.render.steps import Step

HEIGHT = 24
MIDDLE = HEIGHT // 2
MARGIN = 10
PITCH = 14
CLOSEST = 7
ROOMY = 8
"""So many lanes keep their full distance; more move closer, until they have half of it."""

COLOURS = ("", "b", "c", "d", "e", "f")
"""CSS classes of the lanes, over and over."""

_MERGES = {
    "Add": "M{l} 12h8M{x} 8v8",
    "Subtract": "M{l} 12h8",
    "Multiply": "M{m} 9l6 6M{m} 15l6 -6",
    "Concatenate": "M{k} 8v8M{n} 8v8",
}
"""What stands in the mark of an operation that joins tensors: + − × ‖."""


def gutter(step: Step, lanes: LaneRow, count: int, reads: str = "") -> str:
    """Returns the SVG of one row.

    Args:
        step: The row.
        lanes: Its lines.
        count: Lanes of the whole picture.
        reads: What the layer reads, in words, where it is not simply what the row above makes.
    """
    pitch = max(CLOSEST, min(PITCH, PITCH * ROOMY // count))
    width = 2 * MARGIN + pitch * (count - 1)
    paths: dict[str, list[str]] = {}
    for lane, line in _lines(step, lanes, [MARGIN + pitch * lane for lane in range(count)], width):
        paths.setdefault(COLOURS[lane % len(COLOURS)], []).append(line)
    drawn = "".join(f'<path{_css(css)} d="{"".join(lines)}"/>' for css, lines in paths.items())
    mark = _mark(step.node, MARGIN + pitch * lanes.mark) if step.node else ""
    title = f"<title>{escape(reads)}</title>" if reads else ""
    role = ' role="img"' if reads else ""
    return f'<svg viewBox="0 0 {width} {HEIGHT}"{role}>{title}{drawn}{mark}</svg>'


def _lines(step: Step, lanes: LaneRow, x: list[int], width: int) -> list[tuple[int, str]]:
    """Returns the lines of a row, each with the lane whose colour it has."""
    if step.kind == "enters":
        return [*_verticals(lanes.through, x), *((k, f"M{width} 12H{x[k] + 6}Q{x[k]} 12 {x[k]} 18V24") for k in lanes.starts)]
    if step.kind == "leaves":
        arrow = "l-5 -4m5 4l-5 4"
        out = [(k, f"M{x[k]} 0V6Q{x[k]} 12 {x[k] + 6} 12H{width - 2}{arrow}") for k in lanes.joins]
        return [*_verticals(lanes.through, x), *out]
    mark, found = lanes.mark, _verticals(lanes.through, x)
    straight = mark in lanes.joins and mark not in lanes.through
    goes_on = mark in lanes.starts
    if straight or goes_on:
        found.append((mark, f"M{x[mark]} {0 if straight else MIDDLE}V{HEIGHT if goes_on else MIDDLE}"))
    found += [(k, f"M{x[k]} 0C{x[k]} 8 {x[mark]} 4 {x[mark]} 12") for k in lanes.joins if k != mark]
    found += [(k, f"M{x[mark]} 12C{x[mark]} 20 {x[k]} 16 {x[k]} 24") for k in lanes.starts if k != mark]
    return found


def _verticals(through: tuple[int, ...], x: list[int]) -> list[tuple[int, str]]:
    return [(lane, f"M{x[lane]} 0V{HEIGHT}") for lane in through]


def _mark(node: Node, x: int) -> str:
    """A ring with a sign for what joins tensors, else a dot: full for a layer with weights, a ring for one without."""
    if len(node.inputs) > 1:
        sign = _MERGES.get(node.op.removeprefix("ops."), "")
        path = sign.format(x=x, k=x - 2, l=x - 4, m=x - 3, n=x + 2)
        return f'<circle class="o" cx="{x}" cy="12" r="7"/>' + (f'<path class="s" d="{path}"/>' if path else "")
    return f'<circle{"" if node.weights else _css("o")} cx="{x}" cy="12" r="4"/>'


def _css(name: str) -> str:
    return f' class="{name}"' if name else ""
