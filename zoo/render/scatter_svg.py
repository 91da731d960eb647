"""A chart of points as SVG text: a link per point that names itself where it is pointed at, without a script."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from zoo.render.scatter import CHARACTER, LEFT, RADIUS, RIGHT, SHAPES, TOP, between_decades, decade_text, label_box

if TYPE_CHECKING:
    from zoo.render.scatter import Chart

_LIGHT = "--cp:#fff;--ci:#1f2933;--cm:#52606d;--cl:#d3dae1;--c0:#1f6feb;--c1:#bc4c00;--c2:#1a7f37"
_DARK = "--cp:#1b212c;--ci:#e6edf3;--cm:#a9b4c0;--cl:#3a4453;--c0:#6cb0ff;--c1:#ffa657;--c2:#56d364"
_STYLE = (
    f".zoo-scatter{{{_LIGHT};font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}}"
    f"@media (prefers-color-scheme:dark){{.zoo-scatter{{{_DARK}}}}}"
    f"[data-md-color-scheme=default] .zoo-scatter{{{_LIGHT}}}[data-md-color-scheme=slate] .zoo-scatter{{{_DARK}}}"
    ".zoo-scatter text{fill:var(--cm)}.zoo-scatter .l text{fill:var(--ci)}.zoo-scatter .l .b{font-weight:700}"
    ".zoo-scatter .p{fill:var(--cp);stroke:var(--cm)}.zoo-scatter .g{fill:none;stroke:var(--cl)}"
    ".zoo-scatter .t{fill:none;stroke:var(--cm)}.zoo-scatter .c{text-anchor:middle}.zoo-scatter .e{text-anchor:end}"
    ".zoo-scatter .k{stroke:var(--cp)}.zoo-scatter .ring{stroke-width:2}"
    + "".join(
        f".zoo-scatter .{shape}{{fill:var(--c{k})}}.zoo-scatter .{shape}.ring{{fill:var(--cp);stroke:var(--c{k})}}"
        for k, shape in enumerate(SHAPES)
    )
    + ".zoo-scatter a.off{opacity:.15;pointer-events:none}.zoo-scatter a{outline:none}"
    ".zoo-scatter a:is(:hover,:focus-visible) .k{stroke:var(--ci);stroke-width:3}"
    ".zoo-scatter .l{visibility:hidden;pointer-events:none}"
)


def to_svg(chart: Chart) -> str:
    """Writes a chart as one SVG element: a group of links with a title and a description.

    A point shows its label while the pointer or the keyboard's focus is on it, by CSS alone; the labels come after all points,
    so that none lies over them. `class="off"` on a point's link dims it.
    """
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="zoo-scatter" viewBox="0 0 {chart.width} {chart.height}" '
        f'width="{chart.width}" height="{chart.height}" role="group" aria-labelledby="scatter-title" '
        'aria-describedby="scatter-desc">',
        f'<title id="scatter-title">{escape(chart.title)}</title>',
        f'<desc id="scatter-desc">{escape(chart.summary)}</desc>',
        f"<style>{_STYLE}{_label_rule(len(chart.points))}</style>",
        f'<rect class="p" x="{LEFT}" y="{TOP}" width="{chart.x.length}" height="{chart.y.length}"/>',
        *_grid(chart),
        *_legend(chart),
        '<g class="zoo-points">',
        *(_mark(chart, k) for k in range(len(chart.points))),
        *(_label(chart, k) for k in range(len(chart.points))),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _label_rule(count: int) -> str:
    numbers = range(1, count + 1)
    shown = (f".zoo-points a:nth-of-type({k}):is(:hover,:focus-visible)~.l:nth-of-type({k})" for k in numbers)
    return ",".join(shown) + "{visibility:visible}"


def _grid(chart: Chart) -> list[str]:
    x, y, bottom, right = chart.x, chart.y, TOP + chart.y.length, LEFT + chart.x.length
    lines, texts = [], []
    for power in x.decades:
        at = LEFT + power * x.scale - x.low
        lines.append(f"M{at} {TOP}V{bottom}")
        texts.append(f'<text class="c" x="{at}" y="{bottom + 20}">{decade_text(power)}</text>')
    for power in y.decades:
        at = bottom - (power * y.scale - y.low)
        lines.append(f"M{LEFT} {at}H{right}")
        texts.append(f'<text class="e" x="{LEFT - 8}" y="{at + 4}">{decade_text(power)}</text>')
    ticks = [f"M{LEFT + at} {bottom}v-5" for at in between_decades(x)]
    ticks += [f"M{LEFT} {bottom - at}h5" for at in between_decades(y)]
    return [
        f'<path class="g" d="{"".join(lines)}"/>',
        f'<path class="t" d="{"".join(ticks)}"/>',
        *texts,
        f'<text class="c" x="{LEFT + x.length // 2}" y="{bottom + 44}">{escape(x.title)}</text>',
        f'<text x="8" y="{TOP - 20}">{escape(y.title)}</text>',
    ]


def _legend(chart: Chart) -> list[str]:
    parts = []
    x = chart.width - RIGHT - sum(CHARACTER * len(group) + 40 for group in chart.groups) + 24
    for group, shape in chart.groups.items():
        parts.append(_shape(shape, (x, TOP - 24), RADIUS, f"k {shape}"))
        parts.append(f'<text x="{x + 12}" y="{TOP - 20}">{escape(group)}</text>')
        x += CHARACTER * len(group) + 40
    return parts


def _shape(shape: str, place: tuple[int, int], radius: int, css: str) -> str:
    x, y = place
    if shape == "round":
        return f'<circle class="{css}" cx="{x}" cy="{y}" r="{radius}"/>'
    if shape == "diamond":
        far = radius + 1
        return f'<path class="{css}" d="M{x} {y - far}l{far} {far} {-far} {far} {-far} {-far}z"/>'
    return f'<rect class="{css}" x="{x - radius}" y="{y - radius}" width="{2 * radius}" height="{2 * radius}"/>'


def _mark(chart: Chart, k: int) -> str:
    """Returns the link of a point; one that later points lie on is a ring around them."""
    point, shape = chart.points[k], chart.groups[chart.points[k].group]
    css = f"k {shape} ring" if chart.radii[k] > RADIUS else f"k {shape}"
    drawn = _shape(shape, chart.places[k], chart.radii[k], css)
    link = f"<a href={quoteattr(point.href)} data-name={quoteattr(point.name)} aria-label={quoteattr(point.spoken)}>"
    return f"{link}<title>{escape(point.spoken)}</title>{drawn}</a>"


def _label(chart: Chart, k: int) -> str:
    x, y, width, height = label_box(chart, k)
    texts = "".join(
        f'<text class="{"" if row else "b"}" x="{x + 8}" y="{y + 19 + 17 * row}">{escape(line)}</text>'
        for row, line in enumerate(chart.points[k].label)
    )
    frame = f'<rect class="p" x="{x}" y="{y}" width="{width}" height="{height}" rx="4"/>'
    return f'<g class="l" aria-hidden="true">{frame}{texts}</g>'
