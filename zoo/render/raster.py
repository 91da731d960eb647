"""A diagram as PNG or PDF, drawn by matplotlib with the font that it carries: the same on every machine, light on white.

No pyplot and no backend of the user's is used, and their settings neither change the picture nor are changed.
"""

from __future__ import annotations

from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from zoo.errors import RenderError
from zoo.render.look import BORDER, BORDERS, CORNER, PALETTE, STROKES, head, heat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from zoo.render.arrows import Arrow
    from zoo.render.diagram import Anchor, Box, Diagram, Key, Label, Style
    from zoo.render.links import LinkKind

FORMATS = ("png", "pdf")
UNITS_PER_INCH = 96
"""Units of the diagram, which are the pixels of CSS: text of 12 is 9 points high in a PDF."""

PNG_SCALE = 2
"""Pixels of a PNG per unit of the diagram."""

_ANCHORS: dict[Anchor, Literal["left", "center", "right"]] = {"start": "left", "middle": "center", "end": "right"}
_SIZES: dict[Style, int] = {"title": 20, "name": 12, "muted": 12, "plain": 12}


def to_image(diagram: Diagram, file_format: str) -> bytes:
    """Draws a diagram as PNG at twice its size, or as a PDF of one page with selectable text; the same bytes every time.

    Raises:
        RenderError: The format is another one, or matplotlib does not load.
    """
    if file_format not in FORMATS:
        message = f"A U is drawn as {' or '.join(FORMATS)}. Received: format {file_format!r}"
        raise RenderError(message)
    with _own_settings(file_format):
        page = _Page(diagram.width, diagram.height)
        for label in diagram.labels:
            _draw_label(page, label)
        for arrow in diagram.arrows:
            _draw_arrow(page, arrow)
        for box in diagram.boxes:
            _draw_box(page, box)
        for key in diagram.keys:
            _draw_key(page, key)
        return page.saved(file_format, _metadata(diagram, file_format))


def _metadata(diagram: Diagram, file_format: str) -> dict[str, str | None]:
    """Returns what the file says about itself: no date, which would differ every time."""
    title = f"{diagram.title}: architecture diagram"
    if file_format == "png":
        return {"Title": title, "Description": diagram.summary, "Software": None}
    return {"Title": title, "Subject": diagram.summary, "CreationDate": None}


@contextmanager
def _own_settings(file_format: str) -> Iterator[None]:
    """Draws with matplotlib's own defaults, whatever the user has set; theirs are back afterwards."""
    try:
        import matplotlib
    except ImportError as error:
        message = f"A U is drawn as .{file_format} by matplotlib: run `pip install matplotlib`, or write .svg. ({error})"
        raise RenderError(message) from error
    settings = {key: value for key, value in matplotlib.rcParamsDefault.items() if "backend" not in key}
    # Letters as wide as in the PDF and the SVG, not fitted to pixels; fonts as they are, so that text can be selected.
    with matplotlib.rc_context({**settings, "text.hinting": "no_hinting", "pdf.fonttype": 42}):
        yield


class _Page:
    """A figure on which the diagram's units are drawn, y downwards."""

    def __init__(self, width: int, height: int) -> None:
        import matplotlib
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties

        self.figure = Figure(figsize=(width / UNITS_PER_INCH, height / UNITS_PER_INCH), facecolor=PALETTE["paper"])
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()
        fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
        self.font = FontProperties(fname=str(fonts / "DejaVuSansMono.ttf"))
        self.bold = FontProperties(fname=str(fonts / "DejaVuSansMono-Bold.ttf"))

    def text(self, at: tuple[int, int], text: str, style: Style = "plain", anchor: Anchor = "start") -> None:
        """Writes a line on its base; a name with `$` in it is no formula."""
        self.axes.text(
            *at,
            text,
            fontproperties=self.bold if style in ("title", "name") else self.font,
            fontsize=_points(_SIZES[style]),
            color=PALETTE["muted" if style == "muted" else "ink"],
            horizontalalignment=_ANCHORS[anchor],
            verticalalignment="baseline",
            parse_math=False,
        )

    def rectangle(self, at: tuple[int, int], size: tuple[int, int], fill: str, border: str = "") -> None:
        """Fills a rectangle; one with a border has round corners."""
        from matplotlib.patches import FancyBboxPatch

        self.axes.add_patch(
            FancyBboxPatch(
                at,
                *size,
                boxstyle=f"round,pad=0,rounding_size={CORNER}" if border else "square,pad=0",
                facecolor=fill,
                edgecolor=border or "none",
                linewidth=_points(BORDER) if border else 0,
            )
        )

    def line(self, points: Sequence[tuple[int, int]], kind: LinkKind) -> None:
        """Draws the line of an arrow."""
        from matplotlib.lines import Line2D

        stroke = STROKES[kind]
        self.axes.add_line(
            Line2D(
                *zip(*points, strict=True),
                color=PALETTE[stroke.colour],
                linewidth=_points(stroke.width),
                # matplotlib counts dashes in widths of the line
                linestyle=(0, tuple(dash / stroke.width for dash in stroke.dashes)) if stroke.dashes else "solid",
                solid_capstyle="butt",
                solid_joinstyle="miter",
                dash_capstyle="butt",
                dash_joinstyle="miter",
            )
        )

    def polygon(self, points: Sequence[tuple[int, int]], fill: str) -> None:
        """Fills an area without a border."""
        from matplotlib.patches import Polygon

        self.axes.add_patch(Polygon(points, facecolor=fill, edgecolor="none", linewidth=0))

    def saved(self, file_format: str, metadata: dict[str, str | None]) -> bytes:
        """Returns the page as PNG or PDF."""
        out = BytesIO()
        self.figure.savefig(
            out,
            format=file_format,
            backend={"png": "agg", "pdf": "pdf"}[file_format],  # matplotlib's own, whichever the user prefers for PDF
            dpi=PNG_SCALE * UNITS_PER_INCH,
            metadata=metadata,
        )
        return out.getvalue()


def _points(units: float) -> float:
    """Returns a length in the points in which matplotlib counts fonts and lines."""
    return units * 72 / UNITS_PER_INCH


def _draw_label(page: _Page, label: Label) -> None:
    page.text((label.x, label.y), label.text, label.style, label.anchor)


def _draw_box(page: _Page, box: Box) -> None:
    page.rectangle((box.x, box.y), (box.width, box.height), heat(box.share), PALETTE[BORDERS[box.role]])
    for label in box.texts:
        _draw_label(page, label)


def _draw_arrow(page: _Page, arrow: Arrow) -> None:
    page.line(arrow.points, arrow.kind)
    page.polygon(head(arrow.points), PALETTE[STROKES[arrow.kind].colour])
    if arrow.label:
        page.text(arrow.label_at, arrow.label, "muted", "middle" if arrow.centred else "start")


def _draw_key(page: _Page, key: Key) -> None:
    if key.kind is None:
        page.rectangle((key.x, key.y), (key.width, 14), heat(key.share))
    else:
        page.line(((key.x, key.y), (key.x + key.width, key.y)), key.kind)
