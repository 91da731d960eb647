"""The U as geometry: from a report to boxes and arrows with whole-number coordinates; pure, and blind to Keras.

Rows are levels of resolution, the encoder stands left, the bottleneck in the middle below, the decoder right; inputs and
heads stand outside. Skips run straight across. Texts are measured in characters of a fixed-width font, so no font of any
machine can move anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.render.arrows import ROW, arrows_of
from zoo.render.units import exact, field_text, percent, shape_text, short_bytes, short_count

if TYPE_CHECKING:
    from zoo.analysis import BlockNumbers, Report
    from zoo.render.arrows import Arrow

WIDTH = 1240
HEADER = 112
FOOTER = 44
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
    arrows = arrows_of(report, {box.name: box for box in boxes})
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
