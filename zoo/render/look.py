"""How the parts of a diagram look, for whoever draws one without CSS: the light palette, borders, lines, arrow heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.render.diagram import Role
    from zoo.render.links import LinkKind

PALETTE = {
    "paper": "#ffffff",
    "ink": "#1f2933",
    "muted": "#52606d",
    "encoder": "#1f6feb",
    "bottleneck": "#8250df",
    "decoder": "#1a7f37",
    "heat": "#f59e0b",
}
"""The light palette; the SVG's variables are named by the first letters."""

BORDERS: dict[Role, str] = {
    "input": "muted",
    "encoder": "encoder",
    "bottleneck": "bottleneck",
    "decoder": "decoder",
    "skip": "bottleneck",
    "head": "decoder",
    "block": "muted",
}
"""Colour of the border of a box."""

BORDER = 1.5
"""Width of the border of a box."""

CORNER = 6
"""Radius of the corners of a box."""


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """Colour, width and dashes of a line; no dashes where it is drawn through."""

    colour: str
    width: float = 1.5
    dashes: tuple[int, int] | None = None


STROKES: dict[LinkKind, Stroke] = {
    "flow": Stroke(colour="muted"),
    "down": Stroke(colour="muted"),
    "up": Stroke(colour="muted"),
    "feed": Stroke(colour="encoder"),
    "concat": Stroke(colour="encoder", width=2),
    "add": Stroke(colour="encoder", width=2, dashes=(7, 4)),
    "skip": Stroke(colour="encoder"),
    "signal": Stroke(colour="bottleneck", dashes=(2, 3)),
    "loop": Stroke(colour="bottleneck"),
}
"""The line of an arrow."""


def heat(share: float) -> str:
    """Returns the colour of a box by its share of the metric: 0.4 of the full colour at most, so that text stays readable."""
    opacity = round(share * 40) / 100
    hot, cold = ([int(PALETTE[name][k : k + 2], 16) for k in (1, 3, 5)] for name in ("heat", "paper"))
    mixed = (round(opacity * h + (1 - opacity) * c) for h, c in zip(hot, cold, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def head(points: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Returns the corners of the head of an arrow whose last line is upright or level."""
    (x1, y1), (x2, y2) = points[-2:]
    dx, dy = _sign(x2 - x1), _sign(y2 - y1)
    x, y = x2 - 8 * dx - 4 * dy, y2 - 8 * dy - 4 * dx
    return (x2, y2), (x, y), (x + 8 * dy, y + 8 * dx)


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
