"""The bar that shows long work at a terminal; in a pipe or a log there is none."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Progress = Callable[[int, int], None]
    """Is called with what is done and the total."""


@contextlib.contextmanager
def shown(name: str, given: Progress | None, unit: str) -> Iterator[Progress]:
    """Yields the progress function to call: the given one, a bar where standard error is a terminal, or one that is silent.

    Args:
        name: What stands before the bar.
        given: The user's own function.
        unit: What is counted: `"bytes"`, whose speed is shown, or a word such as `"tiles"`.
    """
    if given is not None:
        yield given
    elif sys.stderr is not None and sys.stderr.isatty():
        with _bar(name, unit) as tell:
            yield tell
    else:
        yield _silent


def _silent(done: int, total: int) -> None:
    """Shows nothing."""


@contextlib.contextmanager
def _bar(name: str, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(*_columns(unit), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(name), total=None)

        def tell(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total)

        yield tell


def _columns(unit: str) -> list[Any]:
    from rich import progress

    counted: list[Any] = [progress.MofNCompleteColumn(), progress.TextColumn(unit), progress.TimeElapsedColumn()]
    if unit == "bytes":
        counted = [progress.DownloadColumn(), progress.TransferSpeedColumn()]
    return [progress.TextColumn("{task.description}"), progress.BarColumn(), *counted, progress.TimeRemainingColumn()]
