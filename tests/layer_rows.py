"""Reads the picture of a block back from its HTML: its rows, and its lines as an eye follows them, by coordinates alone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from xml.etree import ElementTree

HEIGHT = 24
_PART = re.compile(r"([MVHCQlm])([^MVHCQlm]*)")


@dataclass
class Row:
    """One row: which layers it stands for, its cells' texts, and its lines as (colour, points)."""

    kind: str
    names: list[str]
    cells: list[str]
    links: list[str]
    lines: list[tuple[str, list[tuple[float, float]]]]
    marks: list[float]
    title: str = ""
    sources: Counter = field(default_factory=Counter)  # labels of the rows whose lines end here

    @property
    def label(self) -> str:
        return f"layer {self.names[0]}" if self.names else self.cells[0]


def rows_of(fragment: str) -> list[Row]:
    """Returns the rows of a block's table, foot left out, with `sources` filled in by following the lines."""
    rows = [_row(tr) for body in ElementTree.fromstring(fragment).iter("tbody") for tr in body]
    follow(rows)
    return rows


def names_in(text: str) -> list[str]:
    """Returns all names that a cell stands for: `"a{2…4}_b"` is three."""
    found = re.fullmatch(r"(.*)\{(?:(\d+),)?(\d+)…(\d+)\}(.*)", text)
    if not found:
        return [text]
    before, first, second, last, after = found.groups()
    step = int(second) - int(first) if first else 1
    return [f"{before}{k}{after}" for k in range(int(first or second), int(last) + 1, step)]


def follow(rows: list[Row]) -> None:
    """Follows every line from row to row and notes where it ends; fails where lines break off, touch or change colour."""
    alive: dict[float, tuple[str, str]] = {}  # x at the top edge of the row -> row that the line comes from, its colour
    for row in rows:
        tops = {points[0][0] for _, points in row.lines if points[0][1] == 0}
        assert tops == set(alive), f"{row.label}: lines at {sorted(tops)}, above at {sorted(alive)}"
        below: dict[float, tuple[str, str]] = {}
        taken: Counter = Counter()  # (x, half of the row) of vertical lines
        read: set[float] = set()
        for colour, points in row.lines:
            (x, y), (end_x, end_y) = points[0], points[-1]
            on_mark = x in row.marks and end_x == x
            upright = end_x == x and row.kind != "to"
            taken.update((x, half) for half in (0, 1) if upright and y <= half * HEIGHT / 2 < end_y)
            if y == 0:
                assert alive[x][1] == colour, f"{row.label}: the line at {x} changes its colour"
                if on_mark or end_y != HEIGHT:
                    read.add(x)
                if not on_mark and end_y == HEIGHT:
                    assert end_x == x
                    _put(below, x, alive[x], row)
            if (y != 0 or on_mark) and end_y == HEIGHT:
                _put(below, end_x, (row.label, colour), row)
            assert y in (0, HEIGHT / 2), f"{row.label}: a line starts in the air"
            assert end_y in (HEIGHT / 2, HEIGHT), f"{row.label}: a line ends in the air"
        assert max(taken.values(), default=1) == 1, f"{row.label}: lines lie on one another"
        row.sources.update(alive[x][0] for x in read)
        alive = below
    assert not alive, f"lines run out of the picture: {alive}"


def _put(below: dict[float, tuple[str, str]], x: float, line: tuple[str, str], row: Row) -> None:
    assert x not in below, f"{row.label}: two lines leave at {x}"
    below[x] = line


def _row(tr: ElementTree.Element) -> Row:
    texts = ["".join(cell.itertext()) for cell in tr][1:]
    svg = tr[0][0]
    title = svg.findtext("title", "")
    kind = {"x": texts[0].split()[0], "u": "units"}.get(tr.get("class", ""), "layer")
    lines = [
        (path.get("class", ""), points)
        for path in svg.iter("path")
        if path.get("class") != "s"
        for points in _points(path.get("d", ""))
    ]
    return Row(
        kind=kind,
        names=names_in(texts[0]) if kind == "layer" else [],
        cells=texts,
        links=[a.get("href", "") for a in tr.iter("a")],
        lines=lines,
        marks=[float(circle.get("cx", "")) for circle in svg.iter("circle")],
        title=title,
    )


def _points(path: str) -> list[list[tuple[float, float]]]:
    """Returns the corners and ends of each line of a path; the head of an arrow, which is relative, is left out."""
    found: list[list[tuple[float, float]]] = []
    for letter, text in _PART.findall(path):
        numbers = [float(number) for number in text.split()]
        if letter in "lm":
            continue
        if letter == "M":
            found.append([(numbers[0], numbers[1])])
            continue
        x, y = found[-1][-1]
        found[-1].append({"V": (x, numbers[-1]), "H": (numbers[-1], y)}.get(letter, tuple(numbers[-2:])))
    return found
