"""What the command line reads and writes: numbers and shapes as arguments, tables and labelled values on standard output.

At a terminal there is colour; in a pipe the text is plain and aligned, and `rich` is not loaded.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NARROW = 100
"""Columns of a terminal below which the last column of a wide table is left out rather than broken over many lines."""


class Column(NamedTuple):
    """Head of a column, and whether its cells are numbers, aligned at the right."""

    title: str
    right: bool = False


def show_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    """Prints rows under their heads."""
    if sys.stdout.isatty():
        _show_rich_table(columns, rows)
        return
    cells = [[column.title for column in columns], *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        padded = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(row, widths, columns, strict=True)
        )
        sys.stdout.write("  ".join(padded).rstrip() + "\n")
    sys.stdout.flush()  # so that a closed pipe is noticed here and not at exit


def show_fields(title: str, sections: Mapping[str, Mapping[str, str]]) -> None:
    """Prints a title and sections of labelled values; empty values and sections are left out."""
    filled = {head: {label: text for label, text in lines.items() if text} for head, lines in sections.items()}
    filled = {head: lines for head, lines in filled.items() if lines}
    if sys.stdout.isatty():
        _show_rich_fields(title, filled)
        return
    width = max(len(label) for lines in filled.values() for label in lines)
    parts = [title]
    for head, lines in filled.items():
        parts += ["", head, *(f"  {label.ljust(width)}  {text}" for label, text in lines.items())]
    sys.stdout.write("\n".join(parts) + "\n")
    sys.stdout.flush()


def read_number(option: str, text: str | None) -> float | None:
    """Reads `5e6`, `5M`, `2.5B`, `5_000_000` or `5,000,000`; K, M, B or G, and T are powers of a thousand."""
    if text is None:
        return None
    match = re.fullmatch(r"([0-9][0-9_,]*(?:\.[0-9]+)?(?:e\+?[0-9]{1,2})?)([kmbgt]?)", text.strip().lower())
    if match is None:
        message = f"`{option}` is a number from 0 on, such as 5e6, 5M or 2.5B. Received: {text!r}"
        raise ConfigError(message)
    number = float(match[1].replace(",", "").replace("_", "")) * {"": 1, "k": 1e3, "m": 1e6, "t": 1e12}.get(match[2], 1e9)
    return int(number) if number.is_integer() else number


def read_shape(option: str, text: str | None) -> tuple[int, ...] | None:
    """Reads `256,256,3` or `256x256x3`."""
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}(\s*[,x]\s*[0-9]{1,9})*", text.strip("() ")):
        message = f"`{option}` is whole numbers without the batch, channels last, such as 256,256,3. Received: {text!r}"
        raise ConfigError(message)
    return tuple(int(size) for size in re.findall(r"\d+", text))


def read_setting(option: str, text: str) -> tuple[str, Any]:
    """Reads `strides=[2,2,1]`, `classes=3`, `activation=elu` or `norm=null`; lists become tuples."""
    import json

    name, sign, value = text.partition("=")
    if not (sign and name.isidentifier() and value):
        message = f"`{option}` is a field and its value, such as classes=3 or strides=[2,2,1]. Received: {text!r}"
        raise ConfigError(message)
    try:
        return name, _as_tuples(json.loads(value))
    except ValueError:
        return name, value


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value


def say(message: str) -> None:
    """Writes one line to standard error."""
    sys.stderr.write(" ".join(message.splitlines()) + "\n")
    sys.stderr.flush()


def print_json(value: Any) -> None:
    """Prints what a program reads."""
    import json

    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def load_keras() -> None:
    """Imports Keras without the greetings that TensorFlow 2.21 writes to standard error even at log level 3."""
    if "keras" in sys.modules or os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":
        return
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)
        import keras  # noqa: F401
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def _show_rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    kept = columns[:-1] if console.width < NARROW and not columns[-1].right else columns
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for index, column in enumerate(kept):
        style = "cyan" if index == 0 else None
        table.add_column(column.title, justify="right" if column.right else "left", style=style, overflow="fold")
    for row in rows:
        table.add_row(*(_literal(cell) for cell in row[: len(kept)]))
    console.print(table)


def _show_rich_fields(title: str, sections: Mapping[str, Mapping[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(_literal(title), style="bold cyan")
    for head, lines in sections.items():
        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for label, text in lines.items():
            grid.add_row(f"  {label}", _literal(text))
        console.print()
        console.print(_literal(head), style="bold")
        console.print(grid)


def _literal(text: str) -> Any:
    """Returns text in which brackets are not markup."""
    from rich.text import Text

    return Text(text)
