"""A diagram as SVG text: byte for byte the same on every machine, readable in light and dark, with selectable text."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape as _escaped

if TYPE_CHECKING:
    from zoo.render.arrows import Arrow
    from zoo.render.diagram import Box, Diagram, Key, Label

_LIGHT = "--zp:#fff;--zi:#1f2933;--zm:#52606d;--zl:#d3dae1;--ze:#1f6feb;--zb:#8250df;--zd:#1a7f37;--zh:#f59e0b"
_DARK = "--zp:#1b212c;--zi:#e6edf3;--zm:#bcc6d0;--zl:#3a4453;--ze:#6cb0ff;--zb:#c297ff;--zd:#56d364;--zh:#d97706"

_STYLE = (
    f".zoo-u{{{_LIGHT};font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;background:var(--zp)}}"
    ".zoo-u text{fill:var(--zi)}.zoo-u .m{fill:var(--zm)}.zoo-u .t{font-size:20px;font-weight:700}.zoo-u .n{font-weight:700}"
    ".zoo-u .p{fill:var(--zp)}.zoo-u .h{fill:var(--zh)}.zoo-u .o{fill:var(--zh);stroke:var(--zm);stroke-width:1.5}"
    ".zoo-u .encoder .o{stroke:var(--ze)}.zoo-u .bottleneck .o,.zoo-u .skip .o{stroke:var(--zb)}"
    ".zoo-u .decoder .o,.zoo-u .head .o{stroke:var(--zd)}.zoo-u .c{text-anchor:middle}.zoo-u .e{text-anchor:end}"
    ".zoo-u .a{--zc:var(--zm)}.zoo-u .a path{fill:none;stroke:var(--zc);stroke-width:1.5}.zoo-u .a .w{fill:var(--zc);stroke:none}"
    ".zoo-u .concat,.zoo-u .add,.zoo-u .feed,.zoo-u .a.skip{--zc:var(--ze)}.zoo-u .concat path,.zoo-u .add path{stroke-width:2}"
    ".zoo-u .add path{stroke-dasharray:7 4}.zoo-u .signal,.zoo-u .loop{--zc:var(--zb)}.zoo-u .signal path{stroke-dasharray:2 3}"
)
_SITE = f"[data-md-color-scheme=slate] .zoo-u{{{_DARK}}}.zoo-u a:focus .o,.zoo-u a:hover .o{{stroke-width:3}}"
_ELSEWHERE = (  # sites, notebooks, and an address with #zoo-dark, by which a page tells an image the palette
    f"@media (prefers-color-scheme:dark){{.zoo-u{{{_DARK}}}}}"
    "[data-md-color-scheme=default] .zoo-u,[data-jp-theme-light=true] .zoo-u,.vscode-light .zoo-u,"
    ".vscode-high-contrast-light .zoo-u,.zoo-u:has(#zoo-light:target)"
    f"{{{_LIGHT}}}"
    "[data-md-color-scheme=slate] .zoo-u,[data-jp-theme-light=false] .zoo-u,.vscode-dark .zoo-u,.vscode-high-contrast .zoo-u,"
    ".zoo-u:has(#zoo-dark:target)"
    f"{{{_DARK}}}"
)
_PALETTES = '<g id="zoo-light"/><g id="zoo-dark"/>'
_CLASSES = {"title": "t", "name": "n", "muted": "m", "plain": "", "middle": "c", "end": "e", "start": ""}


def to_svg(diagram: Diagram, link: str = "", source: str = "") -> str:
    """Writes a diagram as one SVG element with a title and a description.

    A picture by itself has `role="img"`. With links it is a `graphics-document`, as nobody could reach what is in an image;
    its parts carry what a script needs: `data-block` at boxes, `data-from` and `data-to` at arrows, `data-bytes` at what names
    a tensor, and classes `v-…` at texts that change with the size of the input.

    Args:
        diagram: What to draw.
        link: Address that each box links to, with `{name}` for the block: `"#{name}"` leads to a table on the same page.
        source: Address of the code that builds the network, to which each box has a second link.
    """
    d = diagram
    slug = "".join(c if c.isalnum() else "-" for c in d.title)
    role = "graphics-document img" if link else "img"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="zoo-u" viewBox="0 0 {d.width} {d.height}" width="{d.width}" '
        f'height="{d.height}" role="{role}" aria-labelledby="{slug}-title {slug}-desc">',
        f'<title id="{slug}-title">{escape(d.title)}: architecture diagram</title>',
        f'<desc id="{slug}-desc">{escape(d.summary)}</desc>',
        f"<style>{_STYLE}{_SITE}</style>" if link else f"<style>{_STYLE}{_ELSEWHERE}</style>{_PALETTES}",
        f'<rect class="p" width="{d.width}" height="{d.height}"/>',
        *(_text(label, bool(link)) for label in d.labels),
        *(_arrow(arrow, bool(link)) for arrow in d.arrows),
        *(_linked_box(box, link, source) if link else _box(box) for box in d.boxes),
        *(_key(key) for key in d.keys),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def escape(text: str) -> str:
    """Escapes a text for XML, which has no place for control characters: they become a replacement sign."""
    return _escaped("".join(c if c.isprintable() or c == " " else "\ufffd" for c in text))


def _text(label: Label, live: bool = False) -> str:
    value = f"v-{label.value}" if live and label.value else ""
    css = " ".join(filter(None, (_CLASSES[label.style], _CLASSES[label.anchor], value)))
    named = f' class="{css}"' if css else ""
    return f'<text{named} x="{label.x}" y="{label.y}">{escape(label.text)}</text>'


def _box(box: Box) -> str:
    return f'<g class="{box.role}">{_content(box, live=False)}</g>'


def _linked_box(box: Box, link: str, source: str) -> str:
    href = escape(link.format(name=box.name))
    parts = [f'<a href="{href}" class="box {box.role}" data-block="{box.name}">{_content(box, live=True)}</a>']
    if source:
        x = box.x + box.width - 10
        y = next((text.y for text in box.texts if text.value == "params"), box.texts[-1].y + 17)  # where nothing else ends
        start = f'<a href="{escape(source)}" class="src" aria-label="code of {box.name}">'
        parts.append(f'{start}<text class="e" x="{x}" y="{y}">{{}}</text></a>')
    return "".join(parts)


def _content(box: Box, *, live: bool) -> str:
    rect = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="6"'
    heat = f'<rect class="o" {rect} fill-opacity="{_opacity(box.share)}"/>'  # lines run beside boxes: nothing is to be hidden
    return heat + "".join(_text(label, live) for label in box.texts)


def _opacity(share: float) -> str:
    """The heat of a box in steps of a hundredth; 0.4 at most, so that text stays readable."""
    return f"{round(share * 40) / 100:.2f}"


def _arrow(arrow: Arrow, live: bool) -> str:
    path = "M" + "L".join(f"{x} {y}" for x, y in arrow.points)
    (x1, y1), (x2, y2) = arrow.points[-2:]
    dx, dy = _sign(x2 - x1), _sign(y2 - y1)
    head = f"M{x2} {y2}l{-8 * dx - 4 * dy} {-8 * dy - 4 * dx}{f'v{8 * dx}' if dx else f'h{8 * dy}'}z"
    data = f' data-from="{arrow.source}" data-to="{arrow.target}"' if live else ""
    text = ""
    if arrow.label:
        css = "m c" if arrow.centred else "m"
        size = f' data-bytes="{arrow.bytes}"' if live and arrow.bytes else ""
        text = f'<text class="{css}" x="{arrow.label_at[0]}" y="{arrow.label_at[1]}"{size}>{escape(arrow.label)}</text>'
    return f'<g class="a {arrow.kind}"{data}><path d="{path}"/><path class="w" d="{head}"/>{text}</g>'


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _key(key: Key) -> str:
    if key.kind is None:
        return f'<rect class="h" x="{key.x}" y="{key.y}" width="{key.width}" height="14" fill-opacity="{_opacity(key.share)}"/>'
    return f'<g class="a {key.kind}"><path d="M{key.x} {key.y}L{key.x + key.width} {key.y}"/></g>'
