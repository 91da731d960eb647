"""The arrows of the U: where the line of each link runs, and where its label stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.render.layout import ABOVE, LANE, PORT, is_far, text_width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.render.layout import Layout, Place
    from zoo.render.links import Link, LinkKind

    Points = tuple[tuple[int, int], ...]


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """One link as a line with corners, and a label with the place of its start or middle.

    Attributes:
        bytes: Size of the tensors that the label names; 0 where it names an operation.
    """

    kind: LinkKind
    source: str
    target: str
    points: tuple[tuple[int, int], ...]
    label: str
    label_at: tuple[int, int]
    centred: bool
    bytes: int


def arrows_of(links: Sequence[Link], layout: Layout) -> tuple[Arrow, ...]:
    """Draws one arrow per link; those of one lane that reach the same box come in at heights of their own."""
    arrivals: dict[tuple[str, bool], int] = {}
    columns = {name: place.column for name, place in layout.places.items()}
    levels = {name: place.level for name, place in layout.places.items()}
    arrows = []
    for link in links:
        source, target = layout.places[link.source], layout.places[link.target]
        if is_far(link, columns, levels):
            lane = layout.lanes[link.source]
            key = (link.target, lane > target.x)
            arrivals[key] = arrivals.get(key, 0) + 1
            points = _along_a_lane(source, target, lane, arrivals[key])
        else:
            points = _near(link, source, target, layout)
        crossed = [x for x in layout.lanes.values() if points[0][0] < x < points[-1][0]] if link.kind == "feed" else []
        arrows.append(_labelled(link, points, target, max(crossed, default=points[0][0])))
    return tuple(arrows)


def _labelled(link: Link, points: Points, target: Place, start: int) -> Arrow:
    """Makes the arrow; a label in the middle of a straight line begins behind the lanes that cross it, at `start`."""
    (x1, y1), (x2, y2) = points[:2]
    centred = False
    if len(points) == 4 and y2 == y1:  # along a lane: beside its end
        x, y = points[-1]
        at = (x + 12, y - 4) if points[-2][0] > x else (x - 12 - text_width(link.label), y - 4)
    elif link.kind == "down":
        at = ((x1 + x2) // 2 + 8, y1 + 24)
    elif link.kind == "up":
        at = ((points[-1][0] + points[-2][0]) // 2 + 8, target.bottom + 24)
    else:
        at, centred = ((start + x2) // 2, (y1 + y2) // 2 - 8), True
    return Arrow(
        kind=link.kind, source=link.source, target=link.target, points=points, label=link.label, label_at=at, centred=centred,
        bytes=link.bytes,
    )  # fmt: skip


def _near(link: Link, source: Place, target: Place, layout: Layout) -> Points:
    """Returns the corners of a line that needs no lane."""
    if link.kind == "loop":  # over the upper right corner
        x, y = source.right - 20, source.y
        return (x, y), (x, y - 14), (x - 24, y - 14), (x - 24, y)
    if source.column == target.column and source.level == target.level:
        return _within_a_cell(source, target)
    if source.level == target.level:
        return _across(source, target, layout)
    if link.kind == "signal":
        return _to_a_gate(source, target)
    return _step(source, target)


def _within_a_cell(source: Place, target: Place) -> Points:
    """Straight to the next box below or above, else round at the right."""
    x = source.x + source.width // 2
    upper, lower = (source, target) if source.y < target.y else (target, source)
    if lower.y - upper.bottom < 2 * PORT + LANE:
        ends = ((x, upper.bottom), (x, lower.y))
        return ends if upper is source else ends[::-1]
    out = source.right + LANE
    return (source.right, source.middle[1]), (out, source.middle[1]), (out, target.middle[1]), (target.right, target.middle[1])


def _across(source: Place, target: Place, layout: Layout) -> Points:
    """Runs straight within a row, above a box that stands in between; to heads below each other along an upright line."""
    forward = source.x < target.x
    left, right = (source, target) if forward else (target, source)
    between = [p for p in layout.places.values() if p.level == left.level and left.right < p.x and p.right < right.x]
    y = max(left.y, right.y) + min(left.height, right.height) // 2
    if between:
        y = left.y + ABOVE // 2 + 4
    elif not forward:
        y = left.bottom - PORT
    if target.column == "head" and len([p for p in layout.places.values() if p.column == "head" and p.level == target.level]) > 1:
        x, y = target.x - 24, source.middle[1]
        return (source.right, y), (x, y), (x, target.middle[1]), (target.x, target.middle[1])
    ends = ((left.right, y), (right.x, y))
    return ends if forward else ends[::-1]


def _to_a_gate(source: Place, target: Place) -> Points:
    """From the bottleneck straight up; from a decoder box out of its upper edge, then along the gap between the rows."""
    if source.x < target.right and target.x < source.right:
        x = (max(source.x, target.x) + min(source.right, target.right)) // 2
        return (x, source.y), (x, target.bottom)
    x, y, end = source.x + 24, source.y - PORT, target.middle[0]
    return (x, source.y), (x, y), (end, y), (end, target.bottom)


def _step(source: Place, target: Place) -> Points:
    """Straight down or up where the boxes overlap, else with one corner."""
    low, high = max(source.x, target.x), min(source.right, target.right)
    down = target.y > source.y
    start, end = (source.bottom, target.y) if down else (source.y, target.bottom)
    if high - low > 20:
        return ((low + high) // 2, start), ((low + high) // 2, end)
    if down:
        x, y = source.middle[0], target.middle[1]
        return (x, start), (x, y), (target.x if x < target.x else target.right, y)
    x, y = target.middle[0], source.middle[1]
    return (source.right if x > source.x else source.x, y), (x, y), (x, end)


def _along_a_lane(source: Place, target: Place, lane: int, arrival: int) -> Points:
    """Out at the lower part of the source, along the lane, and in at a height of its own."""
    y1 = source.bottom - PORT // 2 - 2
    y2 = target.y + target.half + PORT * arrival
    leave = source.right if lane > source.x else source.x
    enter = target.right if lane > target.x else target.x
    return (leave, y1), (lane, y1), (lane, y2), (enter, y2)
