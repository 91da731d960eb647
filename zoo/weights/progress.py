"""The bar that shows a download at a terminal; in a pipe or a log there is none."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.weights.hooks import Progress


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


def _silent(done_bytes: int, total_bytes: int) -> None:
    """Shows nothing."""


@contextlib.contextmanager
def _bar(name: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(name), total=None)

        def tell(done_bytes: int, total_bytes: int) -> None:
            bars.update(task, completed=done_bytes, total=total_bytes)

        yield tell
