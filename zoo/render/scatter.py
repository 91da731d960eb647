"""Where the points of a chart on two logarithmic axes lie: exact whole pixels, pure.

The position of a value n at s pixels per decade is the whole part of s * log10(n), found as the number of digits of n**s. So no
floating-point logarithm is asked, and the bytes are the same on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import RenderError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCALE = (150, 100)
"""Pixels per decade of the horizontal and the vertical axis."""

SHAPES = ("round", "diamond", "square")
"""Shapes of the points, by group in the order in which the groups come."""

LEFT, TOP, RIGHT, BOTTOM = 64, 48, 20, 56
"""Pixels around the frame, for the texts of the axes."""

PAD = 24
"""Pixels between the frame and the outermost points."""

RADIUS = 5
"""Pixels from the centre of a point to its edge."""

RING = 3
"""Pixels by which a point is larger for each other one that hides it, so that it shows as a ring around them."""

NEAR = 5
"""Pixels within which two points hide each other."""

GAP = 8
"""Pixels between a point and its label."""

CHARACTER = 8
"""Pixels to reserve for a character: more than any of the fonts takes at 12 px."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One point of a chart.

    Attributes:
        name: What the point stands for; unique in the chart.
        x: Value on the horizontal axis, 1 or more.
        y: Value on the vertical axis, 1 or more.
        group: Text of the legend; points of one group have one colour and one shape.
        href: Where the point leads.
        label: Lines to show beside the point while it is pointed at, the name first.
        spoken: The same in one sentence, for screen readers and the tooltip.
    """

    name: str
    x: int
    y: int
    group: str
    href: str
    label: tuple[str, ...]
    spoken: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: from `low` to `high` in pixels from the value 1 on, at `scale` pixels per decade."""

    title: str
    low: int
    high: int
    scale: int

    @property
    def length(self) -> int:
        """Pixels from end to end."""
        return self.high - self.low

    def at(self, value: int) -> int:
        """Returns the pixels from the low end to a value."""
        return log_position(value, self.scale) - self.low

    @property
    def decades(self) -> range:
        """The powers of ten that lie on the axis, from 1 on."""
        return range(max(-(-self.low // self.scale), 0), self.high // self.scale + 1)


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart with its geometry, ready to be written.

    Attributes:
        points: In the order in which they are drawn: those that others lie on first.
        places: Centre of each point in pixels.
        radii: Half the size of each point; larger for one that later points would hide.
    """

    title: str
    summary: str
    points: tuple[Point, ...]
    x: Axis
    y: Axis
    places: tuple[tuple[int, int], ...]
    radii: tuple[int, ...]

    @property
    def width(self) -> int:
        """Pixels of the whole picture."""
        return LEFT + self.x.length + RIGHT

    @property
    def height(self) -> int:
        """Pixels of the whole picture."""
        return TOP + self.y.length + BOTTOM

    @property
    def groups(self) -> dict[str, str]:
        """The shape of each group."""
        return dict(zip(dict.fromkeys(point.group for point in self.points), SHAPES, strict=False))


def log_position(value: int, scale: int) -> int:
    """Returns the whole part of `scale * log10(value)`, exactly: `log_position(1000, 50) -> 150`."""
    return len(str(value**scale)) - 1


def lay_out(points: Sequence[Point], *, title: str, summary: str, x_title: str, y_title: str) -> Chart:
    """Places points on logarithmic axes that reach a little beyond the outermost ones.

    Raises:
        RenderError: There is no point, a value is not a whole number from 1 on, a name comes twice, or there are more groups
            than shapes.
    """
    _check(points)
    at = [(log_position(point.x, SCALE[0]), -log_position(point.y, SCALE[1])) for point in points]
    radii = [RADIUS + RING * _hiding(at[k], at[k + 1 :]) for k in range(len(points))]
    order = sorted(range(len(points)), key=lambda k: -radii[k])  # rings lie under everything else
    widest = max(_label_width(point) for point in points)
    x = _axis([x for x, _ in at], x_title, SCALE[0], least=2 * (widest + max(radii) + GAP))  # room on one side of any point
    y = _axis([-y for _, y in at], y_title, SCALE[1], least=SCALE[1])
    return Chart(
        title=title,
        summary=summary,
        points=tuple(points[k] for k in order),
        x=x,
        y=y,
        places=tuple((LEFT - x.low + at[k][0], TOP + y.high + at[k][1]) for k in order),
        radii=tuple(radii[k] for k in order),
    )


def _hiding(place: tuple[int, int], later: Sequence[tuple[int, int]]) -> int:
    """Returns how many of the later points hide one at `place`."""
    return sum(abs(place[0] - x) < NEAR and abs(place[1] - y) < NEAR for x, y in later)


def _check(points: Sequence[Point]) -> None:
    if not points:
        message = "A chart needs one point or more. Received: none."
        raise RenderError(message)
    names = [point.name for point in points]
    for point in points:
        if not all(isinstance(value, int) and value >= 1 for value in (point.x, point.y)):
            message = f"A logarithmic axis takes whole numbers from 1 on. Received: {point.name} at x={point.x!r}, y={point.y!r}"
            raise RenderError(message)
        if names.count(point.name) > 1:
            message = f"Each point of a chart has a name of its own. Received twice: {point.name!r}"
            raise RenderError(message)
    groups = list(dict.fromkeys(point.group for point in points))
    if len(groups) > len(SHAPES):
        message = f"A chart has shapes for {len(SHAPES)} groups. Received {len(groups)}: {', '.join(groups)}"
        raise RenderError(message)


def _axis(positions: Sequence[int], title: str, scale: int, least: int) -> Axis:
    low, high = min(positions) - PAD, max(positions) + PAD
    if high - low < scale:  # so that there is at least one decade to read
        low, high = low // scale * scale, -(-high // scale) * scale
    return Axis(title=title, low=low, high=max(high, low + least), scale=scale)


def between_decades(axis: Axis) -> list[int]:
    """Returns the pixels from the low end to 2, 3, ... 9 times each power of ten."""
    values = (digit * 10**power for power in range(max(axis.low // axis.scale, 0), axis.decades.stop) for digit in range(2, 10))
    return [axis.at(value) for value in values if 0 < axis.at(value) < axis.length]


def decade_text(power: int) -> str:
    """Returns a power of ten with its unit: `decade_text(7) -> "10 M"`."""
    unit = ("", "k", "M", "G", "T", "P")[power // 3] if power < 18 else f"e{power - power % 3}"
    return f"{10 ** (power % 3)} {unit}".strip()


def _label_width(point: Point) -> int:
    return CHARACTER * max(map(len, point.label)) + 16


def label_box(chart: Chart, k: int) -> tuple[int, int, int, int]:
    """Returns x, y, width and height of a point's label: beside the point, wholly inside the picture."""
    (x, y), far, point = chart.places[k], chart.radii[k] + GAP, chart.points[k]
    width, height = _label_width(point), 17 * len(point.label) + 11
    left = x + far if x + far + width <= chart.width else x - far - width
    return left, min(max(y - height // 2, 0), chart.height - height), width, height
