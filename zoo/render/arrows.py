"""The arrows of the U: which tensors go from block to block, what they are called, and where their lines run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from zoo.render.units import shape_text, short_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.analysis import Report
    from zoo.analysis.graph import Graph, Node
    from zoo.render.diagram import Box

ROW = 124
"""Distance of two levels."""

ArrowKind = Literal["flow", "down", "up", "concat", "add", "skip"]


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A tensor from block to block: the corners of its line, and a label with the place of its middle."""

    kind: ArrowKind
    source: str
    target: str
    points: tuple[tuple[int, int], ...]
    label: str
    label_at: tuple[int, int]


def arrows_of(report: Report, boxes: dict[str, Box]) -> tuple[Arrow, ...]:
    """One arrow per tensor across the U, and one per pair of blocks for everything else."""
    graph = report.graph
    found: dict[tuple[str, str, str], Arrow] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            source, target = boxes[graph.producer[tensor].block], boxes[node.block]
            if source.name == target.name:
                continue
            kind = _kind(source, target, node)
            across = kind in ("concat", "add", "skip")
            key = (source.name, target.name, tensor if across else "")
            if key in found and found[key].kind != "skip":
                continue
            near = abs(source.y - target.y) <= ROW  # further ones, as of full-scale skips, would write over each other
            text = (
                ""
                if not near or (across and source.y != target.y)
                else (_skip_label(report, tensor, kind) if across else _step_label(report, source, target, kind))
            )
            found[key] = _arrow(source, target, kind, text)
    return _bundled(found.values())


def _bundled(arrows: Iterable[Arrow]) -> tuple[Arrow, ...]:
    """Draws several tensors on the same way as one arrow that says how many more there are."""
    ways: dict[tuple[str, str], list[Arrow]] = {}
    for arrow in arrows:
        ways.setdefault((arrow.source, arrow.target), []).append(arrow)
    return tuple(
        replace(first, label=f"{first.label} + {len(others)} more") if others and first.label else first
        for first, *others in ways.values()
    )


def _kind(source: Box, target: Box, reader: Node) -> ArrowKind:
    if source.role == "encoder" and target.role == "decoder":
        merge = reader.op.removeprefix("ops.")
        return "concat" if merge == "Concatenate" else "add" if merge == "Add" else "skip"
    if source.y == target.y:
        return "flow"
    return "down" if target.y > source.y else "up"


def _skip_label(report: Report, tensor: str, kind: str) -> str:
    node = report.graph.producer[tensor]
    return f"{kind} {shape_text(report.graph.shape_of[tensor])} · {short_bytes(node.output_bytes)}"


_STEP_WORDS = {
    "MaxPooling": "max pool",
    "AveragePooling": "average pool",
    "Conv": "conv",
    "ConvTranspose": "transposed conv",
    "DepthwiseConv": "depthwise conv",
    "DepthwiseConvTranspose": "transposed conv",
    "UpSampling": "upsample",
    "UpSampleLinear": "upsample",
    "ops.GetItem": "slice",
    "ResizeLike": "resize to the skip",
    "Resizing": "resize",
}


def _step_label(report: Report, source: Box, target: Box, kind: str) -> str:
    """Names the operation that changes the resolution on the way from one block into another."""
    if kind == "flow":
        return ""
    graph = report.graph
    steps = [
        node
        for node in graph.nodes
        if node.block == target.name and any(w.stride > 1 or w.kind in ("resize", "pick") for w in node.windows)
    ]
    own = [node for node in steps if source.name in _origins(graph, node)]
    return _step_text((own or steps)[0], graph.ndim) if steps else ""


def _origins(graph: Graph, node: Node) -> set[str]:
    """Returns the other blocks that a node reads from, itself or through nodes of its own block."""
    found, waiting, seen = set(), [node], {node.name}
    while waiting:
        for tensor in waiting.pop().inputs:
            producer = graph.producer[tensor]
            if producer.block != node.block:
                found.add(producer.block)
            elif producer.name not in seen:
                seen.add(producer.name)
                waiting.append(producer)
    return found


def _step_text(node: Node, ndim: int) -> str:
    kind = node.op.replace(f"{ndim}D", "")
    word, detail = _STEP_WORDS.get(kind, node.op), node.detail.replace("x", "×")
    size, _, stride = detail.partition(" stride ")
    if kind in ("ResizeLike", "Resizing"):
        return word
    if "Pooling" in kind:
        return f"subsample {stride}" if all(window.size == 1 for window in node.windows) else f"{word} {size}"
    return f"{word} {detail}"


def _arrow(source: Box, target: Box, kind: ArrowKind, label: str) -> Arrow:
    points = _points(source, target)
    (x1, y1), (x2, y2) = points[-2:] if len(points) == 2 else points[:2]
    if kind == "down":
        at = ((x1 + x2) // 2 + 8, source.y + source.height + 24)
    elif kind == "up":
        at = ((points[-1][0] + points[-2][0]) // 2 + 8, target.y + target.height + 24)
    else:
        at = ((x1 + x2) // 2, (y1 + y2) // 2 - 8)
    return Arrow(kind=kind, source=source.name, target=target.name, points=points, label=label, label_at=at)


def _points(source: Box, target: Box) -> tuple[tuple[int, int], ...]:
    """Straight across within a row; straight down or up where the boxes overlap; else with one corner."""
    left, right = (source, target) if source.x < target.x else (target, source)
    if source.y == target.y:
        y = source.y + source.height // 2
        ends = ((left.x + left.width, y), (right.x, y))
        return ends if left is source else ends[::-1]
    low = max(source.x, target.x)
    high = min(source.x + source.width, target.x + target.width)
    down = target.y > source.y
    start, end = (source.y + source.height, target.y) if down else (source.y, target.y + target.height)
    if high - low > 20:
        return ((low + high) // 2, start), ((low + high) // 2, end)
    if down:
        x = source.x + source.width // 2
        y = target.y + target.height // 2
        return (x, start), (x, y), (target.x if x < target.x else target.x + target.width, y)
    x = target.x + target.width // 2
    y = source.y + source.height // 2
    return (source.x + source.width if x > source.x else source.x, y), (x, y), (x, end)
