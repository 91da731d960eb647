"""The U as geometry: from a report to boxes, arrows and texts with whole-number coordinates; pure, and blind to Keras.

Rows are levels of resolution, the encoder stands left, the bottleneck in the middle below, the decoder right; inputs and
heads stand outside, and what works on a skip, such as an attention gate, stands in its way. Whoever draws a diagram, as SVG
or otherwise, only has to put every part where it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.render.arrows import arrows_of
from zoo.render.layout import BOX_WIDTH, lay_out, text_width
from zoo.render.links import links_of
from zoo.render.units import exact, field_text, percent, shape_text, short_bytes, short_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.analysis import BlockNumbers, Report
    from zoo.render.arrows import Arrow
    from zoo.render.layout import Layout, Place
    from zoo.render.links import LinkKind

MARGIN = 10
LINE = 17

Metric = Literal["params", "macs", "output_bytes"]
METRICS: dict[Metric, str] = {"params": "parameters", "macs": "MACs", "output_bytes": "activation memory"}

Role = Literal["input", "encoder", "bottleneck", "decoder", "skip", "head", "block"]
_ROLES: dict[str, Role] = {"": "block", "encoder": "encoder", "bottleneck": "bottleneck", "decoder": "decoder", "skip": "skip"}

Style = Literal["title", "name", "muted", "plain"]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text: where it starts, ends or has its middle, by `anchor`, on its base line.

    Attributes:
        value: What it tells, such as `"params"` or `"shape"`, where that changes with the size of the input; else empty.
    """

    text: str
    x: int
    y: int
    style: Style = "plain"
    anchor: Anchor = "start"
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Box:
    """One block: its rectangle, its texts, and its share of the metric from 0 to 1."""

    name: str
    role: Role
    x: int
    y: int
    width: int
    height: int
    texts: tuple[Label, ...]
    share: float


@dataclass(frozen=True, kw_only=True)
class Key:
    """An entry of the legend: a piece of arrow of a kind, or a patch of a share of the metric, at a place."""

    x: int
    y: int
    width: int
    kind: LinkKind | None = None
    share: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Everything that a picture of a network shows.

    Attributes:
        title: Name of the network.
        summary: The totals in one sentence, for the description that screen readers read.
        labels: Texts outside boxes and arrows: title, totals, the resolution of each row, the legend.
        keys: Signs of the legend.
        metric: What the colour of the boxes shows, in words.
    """

    title: str
    summary: str
    labels: tuple[Label, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    keys: tuple[Key, ...]
    metric: str
    width: int
    height: int


def draw(report: Report, metric: Metric = "macs") -> Diagram:
    """Lays out a network as a U, or as a column of blocks where it has none.

    Args:
        report: What `zoo.analyze` gives.
        metric: What the colour of a box shows: `"params"`, `"macs"` or `"output_bytes"`.
    """
    links = links_of(report)
    lines = {block.name: _lines(report, block) for block in report.blocks}
    heights = _heights(report, lines)
    layout = lay_out(report.blocks, links, heights)
    arrows = arrows_of(links, layout)
    left = layout.places[report.blocks[0].name].x
    key_labels, keys = _legend(METRICS[metric], arrows, left, layout.height - 18)
    header = [Label(text=report.name, x=left, y=36, style="title"), *_header(report, left)]
    return Diagram(
        title=report.name,
        summary=_summary(report),
        labels=(*header, *_rows(report, layout), *key_labels),
        boxes=tuple(_box(report, block, layout.places[block.name], lines[block.name], metric) for block in report.blocks),
        arrows=arrows,
        keys=keys,
        metric=METRICS[metric],
        width=max(layout.width, *(label.x + text_width(label.text) + MARGIN for label in header[1:])),
        height=layout.height,
    )


def _totals(report: Report) -> tuple[str, str]:
    partial = "" if all(cause.endswith("receptive field") for cause in report.unsupported) else "at least "
    return (
        f"input {shape_text(report.input_shape)} · {exact(report.params)} params · {partial}{exact(report.macs)} MACs "
        f"({short_count(report.flops)} FLOPs)",
        f"inference peak {short_bytes(report.peak_bytes)} at {report.peak_layer} · training keeps "
        f"{short_bytes(report.training_activation_bytes)} per image · receptive field {field_text(report.receptive_field)}",
    )


def _header(report: Report, x: int) -> tuple[Label, Label]:
    work, memory = _totals(report)
    return Label(text=work, x=x, y=62, value="totals"), Label(text=memory, x=x, y=82, value="memory")


def _summary(report: Report) -> str:
    levels = len({block.level for block in report.blocks})
    return f"{report.name}: {levels} levels of resolution, {len(report.blocks)} blocks; " + "; ".join(_totals(report)) + "."


def _role(block: BlockNumbers) -> Role:
    if block.name.startswith("input"):
        return "input"
    return "head" if block.name.startswith("head") else _ROLES[block.side]


def _lines(report: Report, block: BlockNumbers) -> tuple[tuple[str, str], ...]:
    """Returns the lines of a box under its first one: what each tells, and its text."""
    params, macs = f"{short_count(block.params)} params", f"{short_count(block.macs)} MACs"
    role = _role(block)
    if role == "input":
        return (("shape", shape_text(block.shape)),)
    if role == "head":
        return ("shape", shape_text(block.shape)), ("params", params), ("macs", macs)
    costs = (
        ("params", params),
        ("macs", f"{macs} · {percent(block.macs, report.macs)}"),
        ("bytes", f"{short_bytes(block.output_bytes)} activations"),
    )
    return (*costs, *(("", text) for text in _wrapped(block.traits)))


def _wrapped(traits: Sequence[str]) -> list[str]:
    """Puts as many traits on a line as fit into a box."""
    lines: list[str] = []
    for trait in traits:
        together = f"{lines[-1]} · {trait}" if lines else trait
        if lines and text_width(together) <= BOX_WIDTH - 2 * MARGIN:
            lines[-1] = together
        else:
            lines.append(trait)
    return lines


def _heights(report: Report, lines: dict[str, tuple[tuple[str, str], ...]]) -> dict[str, int]:
    """Boxes of the U are all as high as the fullest of them; several heads at one level only as high as their own texts."""
    roles = {block.name: _role(block) for block in report.blocks}
    fullest = max(len(lines[name]) for name in lines)
    at_level: dict[tuple[str, int], int] = {}
    for block in report.blocks:
        key = (roles[block.name], block.level)
        at_level[key] = at_level.get(key, 0) + 1
    return {
        block.name: 33 + LINE * (len(lines[block.name]) if at_level[roles[block.name], block.level] > 1 else max(fullest, 3))
        for block in report.blocks
    }


def _box(report: Report, block: BlockNumbers, place: Place, lines: tuple[tuple[str, str], ...], metric: Metric) -> Box:
    role = _role(block)
    largest = max(getattr(other, metric) for other in report.blocks) or 1
    title = " ".join(block.outputs) or (role if role in ("input", "head") and block.level == 0 else block.name)
    x, y = place.x + MARGIN, place.y + 20
    texts = [Label(text=title, x=x, y=y, style="name")]
    if role not in ("input", "head"):
        shape = shape_text(block.shape)
        texts.append(Label(text=shape, x=place.right - MARGIN, y=y, anchor="end", value="shape"))
    for k, (value, text) in enumerate(lines):
        texts.append(Label(text=text, x=x, y=y + 18 + LINE * k, style="plain" if value else "muted", value=value))
    return Box(
        name=block.name,
        role=role,
        x=place.x,
        y=place.y,
        width=place.width,
        height=place.height,
        texts=tuple(texts),
        share=getattr(block, metric) / largest,
    )


def _rows(report: Report, layout: Layout) -> list[Label]:
    """Returns the resolution of each row, at the left edge."""
    shapes: dict[int, str] = {}
    tops: dict[int, Place] = {}
    for block in sorted(report.blocks, key=lambda block: block.side == "skip"):
        shapes.setdefault(block.level, shape_text(block.shape[:-1]))
        tops.setdefault(block.level, layout.places[block.name])
    return [
        Label(text=text, x=8, y=tops[level].middle[1] + 4, style="muted", value=f"row{level}") for level, text in shapes.items()
    ]


_KEYS: dict[LinkKind, str] = {
    "concat": "skip, concatenated",
    "add": "skip, added",
    "skip": "skip, other",
    "signal": "signal to a gate",
    "loop": "recurrence",
}


def _legend(metric: str, arrows: Sequence[Arrow], left: int, y: int) -> tuple[tuple[Label, ...], tuple[Key, ...]]:
    x = left + text_width("none") + 8
    labels = [Label(text="none", x=left, y=y, style="muted")]
    keys = [Key(x=x + 24 * step, y=y - 11, width=24, share=step / 5) for step in range(6)]
    labels.append(Label(text=f"most {metric}", x=x + 152, y=y, style="muted", value="metric"))
    x += 152 + max(text_width(f"most {name}") for name in METRICS.values()) + 20  # so that another metric fits
    drawn = {arrow.kind for arrow in arrows}
    for kind, text in _KEYS.items():
        if kind in drawn:
            keys.append(Key(x=x, y=y - 4, width=36, kind=kind))
            labels.append(Label(text=text, x=x + 44, y=y, style="muted"))
            x += 44 + text_width(text) + 20
    return tuple(labels), tuple(keys)
