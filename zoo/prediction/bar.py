"""The bar that shows how many tiles are done, at a terminal; in a pipe or a log there is none."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.prediction.engine import Progress


@contextlib.contextmanager
def shown(name: str, given: Progress | None) -> Iterator[Progress]:
    """Yields the progress function to call: the given one, a bar where standard error is a terminal, or one that is silent."""
    if given is not None:
        yield given
    elif sys.stderr is not None and sys.stderr.isatty():
        with _bar(name) as tell:
            yield tell
    else:
        yield _silent


def _silent(done: int, total: int) -> None:
    """Shows nothing."""


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("tiles"), TimeElapsedColumn(),
        TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(name), total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield tell
