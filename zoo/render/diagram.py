"""The U as geometry: from a report to boxes and arrows with whole-number coordinates; pure, and blind to Keras.

Rows are levels of resolution, the encoder stands left, the bottleneck in the middle below, the decoder right; inputs and
heads stand outside. Skips run straight across. Texts are measured in characters of a fixed-width font, so no font of any
machine can move anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from zoo.render.units import exact, field_text, percent, shape_text, short_bytes, short_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.analysis import BlockNumbers, Report
    from zoo.analysis.graph import Node

WIDTH = 1240
HEADER = 112
FOOTER = 44
ROW = 124
BOX = (204, 84)
SIDE_BOX = (132, 84)
INPUT_X = 92
ENCODER_X = 240
DECODER_X = 868
HEAD_X = 1102
INDENT = 26
NARROWEST_GAP = 190

Metric = Literal["params", "macs", "output_bytes"]
METRICS: dict[Metric, str] = {"params": "parameters", "macs": "MACs", "output_bytes": "activation memory"}


Role = Literal["input", "encoder", "bottleneck", "decoder", "head", "block"]
_ROLES: dict[str, Role] = {"encoder": "encoder", "bottleneck": "bottleneck", "decoder": "decoder", "": "block"}

ArrowKind = Literal["flow", "down", "up", "concat", "add", "skip"]


@dataclass(frozen=True, kw_only=True)
class Box:
    """One block: place, texts, and its share of the metric from 0 to 1."""

    name: str
    role: Role
    x: int
    y: int
    width: int
    height: int
    title: str
    shape: str
    lines: tuple[str, ...]
    share: float


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """A tensor from block to block: the corners of its line, and a label with the place of its middle."""

    kind: ArrowKind
    source: str
    target: str
    points: tuple[tuple[int, int], ...]
    label: str
    label_at: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text with the place of its start."""

    text: str
    x: int
    y: int


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Everything that a picture of a network shows.

    Attributes:
        title: Name of the network.
        summary: The totals in one sentence, for the description that screen readers read.
        header: Lines under the title.
        rows: Resolution of each level, at the left edge.
        metric: What the colour of the boxes shows, in words.
    """

    title: str
    summary: str
    header: tuple[Label, ...]
    rows: tuple[Label, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    metric: str
    width: int
    height: int


def draw(report: Report, metric: Metric = "macs") -> Diagram:
    """Lays out a network as a U, or as a column of blocks where it has none.

    Args:
        report: What `zoo.analyze` gives.
        metric: What the colour of a box shows: `"params"`, `"macs"` or `"output_bytes"`.
    """
    boxes = tuple(_box(report, block, metric) for block in report.blocks)
    arrows = _arrows(report, {box.name: box for box in boxes})
    bottom = max(box.y + box.height for box in boxes)
    return Diagram(
        title=report.name,
        summary=_summary(report),
        header=tuple(Label(text=text, x=INPUT_X, y=62 + 20 * k) for k, text in enumerate(_totals(report))),
        rows=_rows(report),
        boxes=boxes,
        arrows=arrows,
        metric=METRICS[metric],
        width=WIDTH,
        height=bottom + FOOTER,
    )


def _totals(report: Report) -> tuple[str, str]:
    partial = "" if report.status == "complete" else "at least "
    return (
        f"input {shape_text(report.input_shape)} · {exact(report.params)} params · {partial}{exact(report.macs)} MACs "
        f"({short_count(report.flops)} FLOPs)",
        f"inference peak {short_bytes(report.peak_bytes)} at {report.peak_layer} · training keeps "
        f"{short_bytes(report.training_activation_bytes)} per image · receptive field {field_text(report.receptive_field)}",
    )


def _summary(report: Report) -> str:
    levels = len({block.level for block in report.blocks})
    return f"{report.name}: {levels} levels of resolution, {len(report.blocks)} blocks; " + "; ".join(_totals(report)) + "."


def _box(report: Report, block: BlockNumbers, metric: Metric) -> Box:
    role = _role(block)
    width, height = SIDE_BOX if role in ("input", "head") else BOX
    largest = max(getattr(other, metric) for other in report.blocks) or 1
    macs = f"{short_count(block.macs)} MACs"
    lines = [f"{short_count(block.params)} params", macs, f"{short_bytes(block.output_bytes)} activations"]
    if role in ("input", "head"):
        lines = [shape_text(block.shape), *([] if role == "input" else [lines[0], macs])]
    else:
        lines[1] += f" · {percent(block.macs, report.macs)}"
    return Box(
        name=block.name,
        role=role,
        x=_column(report, block, role),
        y=HEADER + ROW * block.level,
        width=width,
        height=height,
        title=role if role in ("input", "head") and block.level == 0 else block.name,
        shape="" if role in ("input", "head") else shape_text(block.shape),
        lines=tuple(lines),
        share=getattr(block, metric) / largest,
    )


def _role(block: BlockNumbers) -> Role:
    if block.name.startswith("input"):
        return "input"
    return "head" if block.name.startswith("head") else _ROLES[block.side]


def _column(report: Report, block: BlockNumbers, role: str) -> int:
    deepest = max(other.level for other in report.blocks)
    room = (DECODER_X - ENCODER_X - BOX[0] - NARROWEST_GAP) // 2
    indent = min(INDENT, room // max(deepest - 1, 1)) * block.level
    middle = (ENCODER_X + DECODER_X) // 2
    return {
        "input": INPUT_X,
        "head": HEAD_X,
        "encoder": ENCODER_X + indent,
        "decoder": DECODER_X - indent,
        "bottleneck": middle,
        "block": middle,
    }[role]


def _rows(report: Report) -> tuple[Label, ...]:
    shapes: dict[int, str] = {}
    for block in report.blocks:
        shapes.setdefault(block.level, shape_text(block.shape[:-1]))
    return tuple(Label(text=text, x=8, y=HEADER + ROW * level + BOX[1] // 2 + 4) for level, text in shapes.items())


def _arrows(report: Report, boxes: dict[str, Box]) -> tuple[Arrow, ...]:
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
                else (_skip_label(report, tensor, kind) if across else _step_label(report, target, kind))
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


def _step_label(report: Report, target: Box, kind: str) -> str:
    """Names the operation that changes the resolution on the way into a block."""
    if kind == "flow":
        return ""
    for node in report.graph.nodes:
        if node.block == target.name and any(w.stride > 1 or w.kind in ("resize", "pick") for w in node.windows):
            return _step_text(node, report.graph.ndim)
    return ""


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
