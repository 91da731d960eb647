"""Processes that make files: each imports Keras once, and none outlives the run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo.errors import RenderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rendering.cache import Job

MOST = 8
"""Processes at most, however many cores there are: each loads Keras, which takes seconds and half a gigabyte."""

PARTS = 10
"""Lines that tell how far a run is, where there is no terminal."""


def cores() -> int:
    """Returns how many processes are of use here."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, MOST)


def made(jobs: Sequence[Job], processes: int, log: Path) -> Iterator[tuple[Job, Mapping[str, bytes]]]:
    """Yields each job with the files that it made, in the order in which they are done; one process is this one.

    Raises:
        RenderError: A process died; what it wrote is in `log`.
    """
    jobs = sorted(jobs, key=lambda job: (-job.cost, job.name))
    processes = min(processes, len(jobs))
    with _progress(len(jobs), processes) as advance:
        for job, files in _in_turn(jobs) if processes <= 1 else _in_parallel(jobs, processes, log):
            yield job, files
            advance(job.name)


def _in_turn(jobs: Iterable[Job]) -> Iterator[tuple[Job, Mapping[str, bytes]]]:
    for job in jobs:
        with _named(job):
            files = job.make()
        yield job, files


def _in_parallel(jobs: Iterable[Job], processes: int, log: Path) -> Iterator[tuple[Job, Mapping[str, bytes]]]:
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    context = multiprocessing.get_context("spawn")  # a fork of a process with threads, as Keras starts them, may hang
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_start, initargs=(str(log),))
    try:
        futures = {pool.submit(job.make): job for job in jobs}
        for future in as_completed(futures):
            with _named(futures[future]):
                files = future.result()
            yield futures[future], files
    except BrokenProcessPool:
        message = f"A process that rendered died; {log} has its last words. `--jobs 1` renders without further processes."
        raise RenderError(message) from None
    except BaseException:  # interrupted, or an error: what runs would only be thrown away
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown()


@contextmanager
def _named(job: Job) -> Iterator[None]:
    """Adds the job to whatever goes wrong in it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"while rendering {job.name}")
        raise


def _start(log: str) -> None:
    """Prepares a process: Ctrl-C is its parent's to handle, its parent's end is its own, and what C code says goes to a file."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a parent that was killed cannot ask for it


@contextmanager
def _progress(total: int, processes: int) -> Iterator[Callable[[str], None]]:
    """Shows how far the run is: a bar at a terminal, else a few lines."""
    if not total:
        yield lambda name: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("", total=total)
            yield lambda name: progress.update(task, advance=1, description=name)
    else:
        print(f"rendering: {total} to do, {processes} process{'es' if processes > 1 else ''}", file=sys.stderr, flush=True)
        yield _Lines(total)


class _Lines:
    """Prints a line after each tenth of the jobs."""

    def __init__(self, total: int) -> None:
        self.done, self.total = 0, total

    def __call__(self, name: str) -> None:
        self.done += 1
        if self.done * PARTS // self.total > (self.done - 1) * PARTS // self.total:
            print(f"  {self.done} of {self.total}", file=sys.stderr, flush=True)
