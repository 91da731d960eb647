"""Texts of records in pages: nothing in them is markup, and tables within reach of the keyboard."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WEB = re.compile(r"https?://[^\s\"'<>]+")
SCORES = {"dice": "Dice", "iou": "IoU", "f1": "F1", "miou": "mIoU"}
"""Scores as readers know them, by the short names that recipes have."""

_MARKUP = re.compile(r"[^\w\s,;:/%]|_")


def plain(text: str) -> str:
    """Returns a text on one line for a Markdown page, every character of which is shown as it is."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", " ".join(text.split()))


def link(address: str, text: str) -> str:
    """Returns a link as HTML, or the text alone where the address is not one of the web."""
    return f'<a href="{escape(address)}">{escape(text)}</a>' if WEB.fullmatch(address) else escape(text)


def number_range(interval: Sequence[float], digits: int = 4) -> str:
    """Returns both ends of an interval; nothing for none."""
    return f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}" if len(interval) == 2 else ""


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], label: str, numbers: Sequence[int] = ()) -> str:
    """Returns a table as HTML in a frame that scrolls where it is too wide.

    Args:
        heads: Of the columns, as text.
        rows: Cells as HTML; the first one is the head of its row.
        label: What the table is called, unique on its page.
        numbers: Places of columns that are aligned right.
    """

    def css(place: int) -> str:
        return ' class="n"' if place in numbers else ""

    lines = [f'<div class="zoo-scroll" tabindex="0" role="region" aria-label="{escape(label)}">', '<table class="zoo-facts">']
    head = "".join(f'<th scope="col"{css(place)}>{escape(text)}</th>' for place, text in enumerate(heads))
    lines.append(f"<thead><tr>{head}</tr></thead>\n<tbody>")
    for first, *others in rows:
        cells = "".join(f"<td{css(place)}>{cell}</td>" for place, cell in enumerate(others, 1))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return "\n".join([*lines, "</tbody>\n</table>\n</div>"])


def facts(rows: Iterable[tuple[str, str]], label: str) -> str:
    """Returns a table of two columns without heads, whose rows without a value are left out; values are HTML."""
    lines = [f'<tr><th scope="row">{escape(name)}</th><td>{value}</td></tr>' for name, value in rows if value]
    frame = f'<div class="zoo-scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
    return "\n".join([frame, '<table class="zoo-facts"><tbody>', *lines, "</tbody></table>\n</div>"])
