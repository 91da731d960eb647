"""The curve of a training as two small charts side by side: the loss on crops, and the watched score on val."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from pages.plot import axis, columns, dot, frame, line, rows, svg
from pages.text import SCORES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.weights.entry import Recipe

WIDTH, HEIGHT = 360, 220
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 34, 44

Point = tuple[float, float]


def curve_html(recipe: Recipe, what: str) -> str:
    """Returns both charts, or nothing where the curve was not recorded.

    Args:
        recipe: With a row per round: step, loss, score.
        what: Whose training it is, for screen readers.
    """
    if not recipe.curve:
        return ""
    losses = [(row[0], row[1]) for row in recipe.curve]
    scores = [(row[0], row[2]) for row in recipe.curve]
    best = max(range(len(scores)), key=lambda place: scores[place][1])
    step, value = scores[best]
    watched = SCORES.get(recipe.monitor, recipe.monitor or "score")
    charts = (
        _chart(losses, "loss on crops of train", "a", what),
        _chart(scores, f"{watched} on val", "b", what, best),
    )
    caption = f"One point per round. The weights are those of step {step:,.0f}, with the best {watched} on val: {value:.4f}."
    lines = ['<figure class="zoo-curve">', "<div>", *charts, "</div>", f"<figcaption>{escape(caption)}</figcaption>", "</figure>"]
    return "\n".join(lines)


def _chart(points: Sequence[Point], title: str, css: str, what: str, best: int | None = None) -> str:
    """Returns one chart; the best point is larger and has its value beside it."""
    x = axis([0, *(step for step, _ in points)], LEFT, WIDTH - RIGHT)
    y = axis([value for _, value in points], HEIGHT - BOTTOM, TOP)
    places = [(x.at(step), y.at(value)) for step, value in points]
    marks = [
        dot(place, f"k {css}", f"step {step:,.0f}: {value:.4f}", 5 if index == best else 3)
        for index, (place, (step, value)) in enumerate(zip(places, points, strict=True))
    ]
    parts = [frame(x, y), *columns(x, y.start, y.stop), *rows(y, x.start, x.stop)]
    parts += [f'<text class="t" x="{LEFT}" y="18">{escape(title)}</text>', line(places, css), *marks]
    parts.append(f'<text class="c" x="{(x.start + x.stop) // 2}" y="{HEIGHT - 8}">step</text>')
    return svg(WIDTH, HEIGHT, _spoken(points, f"{title}, training of {what}", best), parts)


def _spoken(points: Sequence[Point], title: str, best: int | None) -> str:
    (first, begin), (last, end) = points[0], points[-1]
    top = f", best {points[best][1]:.4f} at step {points[best][0]:,.0f}" if best is not None else ""
    return f"{title}: {begin:.4f} at step {first:,.0f}, {end:.4f} at step {last:,.0f}{top}"
