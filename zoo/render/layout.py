"""Where the boxes of the U stand: columns wide enough for what runs between them, rows high enough for what stands in them.

From left to right: inputs, encoder, work on the skips with the bottleneck at its foot, decoder, heads. The encoder leans to
the right and the decoder to the left, so that the whole reads as a U. All coordinates are whole numbers; a character is
counted as wide as in the widest of the fonts, so that nothing depends on a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.render.links import SKIPS
from zoo.render.units import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from zoo.analysis import BlockNumbers
    from zoo.render.links import Link

TOP = 112
GAP = 44
"""Between two rows."""
PORT = 20
"""Between two lines that reach the same side of a box."""
LANE = 12
"""Between two upright lines."""
ABOVE = 40
"""How far the boxes in the middle stand below a skip that passes over them."""
BOX_WIDTH, SIDE_WIDTH = 208, 132
NARROWEST = 330
"""Between encoder and decoder at full resolution."""

Column = Literal["input", "encoder", "middle", "decoder", "head"]
_COLUMNS: dict[str, Column] = {"encoder": "encoder", "decoder": "decoder", "bottleneck": "middle", "skip": "middle", "": "middle"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """The rectangle of a block, and the column and row in which it stands.

    Attributes:
        half: Half of the height that its texts need; lines along lanes arrive below that.
    """

    column: Column
    level: int
    x: int
    y: int
    width: int
    height: int
    half: int

    @property
    def right(self) -> int:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The lower edge."""
        return self.y + self.height

    @property
    def middle(self) -> tuple[int, int]:
        """The centre."""
        return self.x + self.width // 2, self.y + self.height // 2


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The places of all blocks, the upright lanes beside the columns, and the size of the whole.

    Attributes:
        lanes: x of the upright line of each source whose tensors go further than to the next row, by source.
    """

    places: dict[str, Place]
    lanes: dict[str, int]
    width: int
    height: int


def text_width(text: str) -> int:
    """Returns the width of a text at 12 px in the widest of the fonts."""
    return -(-len(text) * 73 // 10)


def column_of(block: BlockNumbers) -> Column:
    """Returns the column of a block."""
    if block.name.startswith("input"):
        return "input"
    return "head" if block.name.startswith("head") else _COLUMNS[block.side]


def is_far(link: Link, columns: dict[str, Column], levels: dict[str, int]) -> bool:
    """Whether a link runs along an upright lane: within or between the columns of the U, past a row or to another column."""
    source, target = columns[link.source], columns[link.target]
    rows = levels[link.target] - levels[link.source]
    if link.kind in ("loop", "signal") or rows == 0 or source == "input":
        return False
    if source == target:
        return abs(rows) > 1
    turns_into_the_foot = source == "encoder" and target == "middle" and link.kind == "down"
    turns_out_of_the_foot = source == "middle" and target == "decoder" and rows == -1
    return not (turns_into_the_foot or turns_out_of_the_foot)


def lay_out(blocks: Sequence[BlockNumbers], links: Sequence[Link], heights: dict[str, int]) -> Layout:
    """Places the blocks.

    Args:
        blocks: In the order in which they run.
        links: What runs between them.
        heights: Of the boxes, by block.
    """
    columns = {block.name: column_of(block) for block in blocks}
    levels = {block.name: block.level for block in blocks}
    far = [link for link in links if is_far(link, columns, levels)]
    halves = {name: height // 2 for name, height in heights.items()}
    heights = _with_ports(heights, far)
    at = _columns(blocks, links, far)
    lean = {"encoder": at.lean, "decoder": -at.lean}
    tops = _tops(blocks, columns, links, heights)
    places = {
        block.name: Place(
            column=columns[block.name],
            level=block.level,
            x=at.x[columns[block.name]] + lean.get(columns[block.name], 0) * block.level,
            y=tops[block.name],
            width=_width(columns[block.name]),
            height=heights[block.name],
            half=halves[block.name],
        )
        for block in blocks
    }
    bottom = max(place.bottom for place in places.values())
    return Layout(places=places, lanes=at.lanes, width=at.width, height=bottom + GAP)


def _width(column: Column) -> int:
    return SIDE_WIDTH if column in ("input", "head") else BOX_WIDTH


def _with_ports(heights: dict[str, int], far: Iterable[Link]) -> dict[str, int]:
    """Makes boxes higher where many lines arrive at one side."""
    arrivals: dict[str, int] = {}
    for link in far:
        arrivals[link.target] = arrivals.get(link.target, 0) + 1
    return {name: max(height, height // 2 + PORT * (arrivals.get(name, 0) + 1)) for name, height in heights.items()}


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """The left edges of the columns at full resolution, of the lanes by source, how far the U leans in, and its width."""

    x: dict[Column, int]
    lanes: dict[str, int]
    lean: int
    width: int


def _columns(blocks: Sequence[BlockNumbers], links: Sequence[Link], far: Sequence[Link]) -> _Columns:
    """Returns where the columns stand, from left to right, each as far from the last as what runs between them needs."""
    deepest = max(block.level for block in blocks)
    centre = any(column_of(block) == "middle" and block.level < deepest for block in blocks)
    lean = min(10 if centre else 26, 104 // max(deepest - 1, 1))
    leaning = lean * max(deepest - 1, 0)
    inward, upward = _lanes(blocks, far)
    room = _label_room(blocks, links)
    x: dict[Column, int] = {"input": max(92, 20 + max(text_width(shape_text(block.shape[:-1])) for block in blocks))}
    x["encoder"] = x["input"] + SIDE_WIDTH + 40
    inner = x["encoder"] + BOX_WIDTH + leaning
    beside = LANE * len(inward) + max(_widest(inward) + 36, room["left"]) if inward else 0
    if centre:
        x["middle"] = inner + max(beside, room["left"])
        x["decoder"] = x["middle"] + BOX_WIDTH + room["right"] + leaning
    else:
        x["decoder"] = inner + leaning + max(NARROWEST - 2 * leaning, room["whole"], beside + BOX_WIDTH + 48 - 2 * leaning)
        x["middle"] = (x["encoder"] + x["decoder"]) // 2
    outer = x["decoder"] + BOX_WIDTH
    outside = _widest(upward) + 16 if upward else 0
    stacked = _stacked_heads(blocks)
    x["head"] = outer + outside + LANE * len(upward) + (90 if stacked else 30)
    lanes = {source: inner + 16 + LANE * k for k, source in enumerate(inward)}
    lanes |= {source: outer + outside + LANE * k for k, source in enumerate(upward)}
    return _Columns(x=x, lanes=lanes, lean=lean, width=x["head"] + SIDE_WIDTH + (24 if stacked else 6))


def _lanes(blocks: Sequence[BlockNumbers], far: Sequence[Link]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the sources that need a lane inside the U, and one right of the decoder, each with its longest label."""
    columns = {block.name: column_of(block) for block in blocks}
    inward: dict[str, str] = {}
    upward: dict[str, str] = {}
    for link in far:
        outside = columns[link.target] == "decoder" and columns[link.source] in ("middle", "decoder")
        lanes = upward if outside else inward
        lanes[link.source] = max(lanes.get(link.source, ""), link.label, key=len)
    return inward, upward


def _widest(lanes: dict[str, str]) -> int:
    return max((text_width(label) for label in lanes.values()), default=0)


def _label_room(blocks: Sequence[BlockNumbers], links: Sequence[Link]) -> dict[str, int]:
    """Returns the room that the labels of skips need: left and right of the middle column, and where none stands in between."""
    columns = {block.name: column_of(block) for block in blocks}
    levels = {block.name: block.level for block in blocks}
    room = {"left": 24, "right": 24, "whole": 24}
    for link in links:
        if link.kind in SKIPS and levels[link.source] == levels[link.target]:
            ends = (columns[link.source], columns[link.target])
            span = {("encoder", "middle"): "left", ("middle", "decoder"): "right"}.get(ends, "whole")
            room[span] = max(room[span], text_width(link.label) + 24)
    return room


def _stacked_heads(blocks: Sequence[BlockNumbers]) -> bool:
    """Whether heads stand below each other at one level."""
    levels = [block.level for block in blocks if column_of(block) == "head"]
    return len(set(levels)) < len(levels)


def _tops(
    blocks: Sequence[BlockNumbers], columns: dict[str, Column], links: Sequence[Link], heights: dict[str, int]
) -> dict[str, int]:
    """Returns the upper edge of each box; boxes of one column and row stand below each other."""
    passed = _passed_over(blocks, columns, links)
    tops: dict[str, int] = {}
    y = TOP
    for level in sorted({block.level for block in blocks}):
        foot: dict[Column, int] = {}
        for block in (block for block in blocks if block.level == level):
            column = columns[block.name]
            start = ABOVE if column == "middle" and level in passed else 0
            tops[block.name] = foot.get(column, y + start)
            foot[column] = tops[block.name] + heights[block.name] + GAP // 2
        y = max(foot.values()) - GAP // 2 + GAP
    return tops


def _passed_over(blocks: Sequence[BlockNumbers], columns: dict[str, Column], links: Sequence[Link]) -> set[int]:
    """Returns the levels at which a line runs from the encoder to the decoder past a box between them."""
    level = {block.name: block.level for block in blocks}
    between = {level[name] for name, column in columns.items() if column == "middle"}
    across = [link for link in links if (columns[link.source], columns[link.target]) == ("encoder", "decoder")]
    return between & {level[link.target] for link in across}
