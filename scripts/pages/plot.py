"""What the small charts of the site share: axes with round numbers, a frame, and the head of an SVG element.

Colours and fonts are in `docs/assets/weights.css`, which knows the light and the dark palette.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STEPS = [float(f"{digit}e{power}") for power in range(-5, 9) for digit in (1, 2, 5)]
"""Distances between the numbers of an axis."""

MOST = 5
"""Distances of an axis at most."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """An axis from one round number to another.

    Attributes:
        ticks: Numbers that stand at it, from its low end to its high one.
        digits: Decimals that these need.
        start: Pixel of the low end.
        stop: Pixel of the high end.
    """

    ticks: tuple[float, ...]
    digits: int
    start: int
    stop: int

    def at(self, value: float) -> int:
        """Returns the pixel of a value."""
        share = (value - self.ticks[0]) / (self.ticks[-1] - self.ticks[0])
        return round(self.start + share * (self.stop - self.start))

    def text(self, tick: float) -> str:
        """Returns a number of the axis as it is written."""
        return f"{tick:,.{self.digits}f}"


def axis(values: Iterable[float], start: int, stop: int) -> Axis:
    """Returns the axis for some values, which reaches from the round number below them to the one above."""
    values = tuple(values)
    low, high = min(values), max(values)
    step = next((step for step in STEPS if step * MOST >= high - low), STEPS[-1])
    digits = max(0, -int(Decimal(f"{step:g}").as_tuple().exponent))
    first = int(low // step)
    last = max(-int(-high // step), first + 1)
    ticks = tuple(round(place * step, 6) for place in range(first, last + 1))
    return Axis(ticks=ticks, digits=digits, start=start, stop=stop)


def svg(width: int, height: int, label: str, parts: Iterable[str]) -> str:
    """Returns a picture that is one thing to a screen reader, described by its label."""
    head = f'<svg class="zoo-plot" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
    return "\n".join([f'{head}aria-label="{escape(label)}">', *parts, "</svg>"])


def frame(x: Axis, y: Axis) -> str:
    """Returns the rectangle in which the values lie; pixels of `y` go up."""
    return f'<rect class="p" x="{x.start}" y="{y.stop}" width="{x.stop - x.start}" height="{y.start - y.stop}"/>'


def columns(x: Axis, bottom: int, top: int) -> list[str]:
    """Returns an upright line at each number of the axis, and the number below it."""
    lines = "".join(f"M{x.at(tick)} {top}V{bottom}" for tick in x.ticks)
    texts = [f'<text class="c" x="{x.at(tick)}" y="{bottom + 18}">{x.text(tick)}</text>' for tick in x.ticks]
    return [f'<path class="g" d="{lines}"/>', *texts]


def rows(y: Axis, left: int, right: int) -> list[str]:
    """Returns a level line at each number of the axis, and the number to the left of it."""
    lines = "".join(f"M{left} {y.at(tick)}H{right}" for tick in y.ticks)
    texts = [f'<text class="e" x="{left - 6}" y="{y.at(tick) + 4}">{y.text(tick)}</text>' for tick in y.ticks]
    return [f'<path class="g" d="{lines}"/>', *texts]


def line(points: Sequence[tuple[int, int]], css: str) -> str:
    """Returns a line through points."""
    return f'<polyline class="{css}" points="{" ".join(f"{x},{y}" for x, y in points)}"/>'


def dot(place: tuple[int, int], css: str, title: str, radius: int = 3) -> str:
    """Returns a point that says what it is where the pointer rests on it."""
    x, y = place
    return f'<circle class="{css}" cx="{x}" cy="{y}" r="{radius}"><title>{escape(title)}</title></circle>'
