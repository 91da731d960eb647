"""A diagram as SVG text: byte for byte the same on every machine, readable in light and dark, with selectable text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from zoo.render.arrows import Arrow
    from zoo.render.diagram import Box, Diagram, Label

_LIGHT = "--zp:#fff;--zi:#1f2933;--zm:#52606d;--zl:#d3dae1;--ze:#1f6feb;--zb:#8250df;--zd:#1a7f37;--zh:#f59e0b"
_DARK = "--zp:#1b212c;--zi:#e6edf3;--zm:#a9b4c0;--zl:#3a4453;--ze:#6cb0ff;--zb:#c297ff;--zd:#56d364;--zh:#d97706"

_STYLE = (
    f".zoo-u{{{_LIGHT};font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;background:var(--zp)}}"
    f"@media (prefers-color-scheme:dark){{.zoo-u{{{_DARK}}}}}"
    f"[data-md-color-scheme=default] .zoo-u{{{_LIGHT}}}[data-md-color-scheme=slate] .zoo-u{{{_DARK}}}"
    ".zoo-u text{fill:var(--zi)}.zoo-u .m{fill:var(--zm)}.zoo-u .t{font-size:20px;font-weight:700}.zoo-u .n{font-weight:700}"
    ".zoo-u .g{stroke:var(--zl);stroke-dasharray:2 6}.zoo-u .p{fill:var(--zp)}.zoo-u .h{fill:var(--zh)}"
    ".zoo-u .o{fill:var(--zh);stroke:var(--zm);stroke-width:1.5}.zoo-u .encoder .o{stroke:var(--ze)}"
    ".zoo-u .bottleneck .o{stroke:var(--zb)}.zoo-u .decoder .o,.zoo-u .head .o{stroke:var(--zd)}"
    ".zoo-u .a{fill:none;stroke:var(--zm);stroke-width:1.5}.zoo-u .concat .a,.zoo-u .skip .a{stroke:var(--ze);stroke-width:2}"
    ".zoo-u .add .a{stroke:var(--ze);stroke-width:2;stroke-dasharray:7 4}.zoo-u .w{fill:var(--zm)}"
    ".zoo-u .concat .w,.zoo-u .add .w,.zoo-u .skip .w{fill:var(--ze)}"
    ".zoo-u .c{text-anchor:middle}.zoo-u .e{text-anchor:end}.zoo-u a:focus .o,.zoo-u a:hover .o{stroke-width:3}"
)


def to_svg(diagram: Diagram, link: str = "") -> str:
    """Writes a diagram as one SVG element with `role="img"`, a title and a description.

    Args:
        diagram: What to draw.
        link: Address that each box links to, with `{name}` for the block: `"#{name}"` leads to a table on the same page.
    """
    d = diagram
    slug = "".join(c if c.isalnum() else "-" for c in d.title)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="zoo-u" viewBox="0 0 {d.width} {d.height}" width="{d.width}" '
        f'height="{d.height}" role="img" aria-labelledby="{slug}-title {slug}-desc">',
        f'<title id="{slug}-title">{escape(d.title)}: architecture diagram</title>',
        f'<desc id="{slug}-desc">{escape(d.summary)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="p" width="{d.width}" height="{d.height}"/>',
        f'<text class="t" x="{d.header[0].x}" y="36">{escape(d.title)}</text>',
        *(_label(label) for label in d.header),
        *(_label(label, "m") for label in d.rows),
        *(_arrow(arrow) for arrow in d.arrows),
        *(_box(box, link) for box in d.boxes),
        *_legend(d),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _label(label: Label, kind: str = "") -> str:
    css = f' class="{kind}"' if kind else ""
    return f'<text{css} x="{label.x}" y="{label.y}">{escape(label.text)}</text>'


def _box(box: Box, link: str) -> str:
    x, y, right = box.x + 10, box.y, box.x + box.width - 10
    rect = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"'
    parts = [
        f'<g class="{box.role}" id="u-{box.name}">',
        f'<rect class="p" {rect}/>',
        f'<rect class="o" {rect} fill-opacity="{_opacity(box.share)}"/>',
        f'<text class="n" x="{x}" y="{y + 20}">{escape(box.title)}</text>',
        *([f'<text class="e" x="{right}" y="{y + 20}">{escape(box.shape)}</text>'] if box.shape else []),
        *(f'<text x="{x}" y="{y + 38 + 17 * k}">{escape(line)}</text>' for k, line in enumerate(box.lines)),
        "</g>",
    ]
    text = "".join(parts)
    return f'<a href="{escape(link.format(name=box.name))}">{text}</a>' if link else text


def _opacity(share: float) -> str:
    """The heat of a box in steps of a hundredth; 0.5 at most, so that text stays readable."""
    return f"{round(share * 50) / 100:.2f}"


def _arrow(arrow: Arrow) -> str:
    path = "M" + "L".join(f"{x} {y}" for x, y in arrow.points)
    (x1, y1), (x2, y2) = arrow.points[-2:]
    dx, dy = _sign(x2 - x1), _sign(y2 - y1)
    head = f"M{x2} {y2}l{-8 * dx - 4 * dy} {-8 * dy - 4 * dx}l{8 * dy} {8 * dx}z"
    text = ""
    if arrow.label:
        css = "m c" if arrow.kind in ("concat", "add", "skip", "flow") else "m"
        text = f'<text class="{css}" x="{arrow.label_at[0]}" y="{arrow.label_at[1]}">{escape(arrow.label)}</text>'
    return f'<g class="{arrow.kind}"><path class="a" d="{path}"/><path class="w" d="{head}"/>{text}</g>'


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _legend(diagram: Diagram) -> list[str]:
    y = diagram.height - 18
    kinds = {arrow.kind for arrow in diagram.arrows}
    parts = [f'<text class="m" x="92" y="{y}">{escape(diagram.metric)}: none</text>']
    x = 92 + 8 * (len(diagram.metric) + 8)
    for step in range(6):
        rect = f'<rect class="h" x="{x + 24 * step}" y="{y - 11}" width="24" height="14" fill-opacity="{step / 10:.2f}"/>'
        parts.append(rect)
    parts.append(f'<text class="m" x="{x + 152}" y="{y}">most</text>')
    x += 240
    for kind, text in (("concat", "skip, concatenated"), ("add", "skip, added"), ("skip", "skip, other")):
        if kind in kinds:
            parts.append(f'<g class="{kind}"><path class="a" d="M{x} {y - 4}L{x + 40} {y - 4}"/></g>')
            parts.append(f'<text class="m" x="{x + 48}" y="{y}">{text}</text>')
            x += 48 + 8 * len(text) + 24
    return parts
