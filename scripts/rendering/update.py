"""Makes what is not fresh, and writes it or says what would change."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rendering.cache import Cache, Job
from rendering.files import files_under, locked, mark_of, read, write
from rendering.workers import made
from zoo.errors import RenderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be fresh.

    Attributes:
        jobs: All that make files here, or only some of them.
        folder: Where their files are.
        cache: The file that remembers earlier runs.
        processes: How many make files at once; 1 makes them in this process.
        full: Whether nothing is taken from the cache.
        whole: Whether files that none of the jobs makes are left over.
        sources_hold: Tells whether the sources are still those that the jobs' keys were made from.
    """

    jobs: tuple[Job, ...]
    folder: Path
    cache: Path
    processes: int = 1
    full: bool = False
    whole: bool = True
    sources_hold: Callable[[], bool] = lambda: True

    def __post_init__(self) -> None:
        makers: dict[str, str] = {}
        for job in self.jobs:
            for name in job.names:
                if makers.setdefault(name, job.name) != job.name:
                    message = f"{makers[name]} and {job.name} both make {self.folder / name}. Rename one of them."
                    raise RenderError(message)

    def left_over(self) -> tuple[str, ...]:
        """Returns the files that no job makes."""
        names = {name for job in self.jobs for name in job.names}
        return tuple(name for name in files_under(self.folder) if name not in names) if self.whole else ()


@dataclass(frozen=True, kw_only=True)
class Result:
    """What was found: names of files that are not as they should be, or were not until they were written.

    Attributes:
        made: Jobs that had to be done to know.
    """

    made: int
    missing: tuple[str, ...]
    stale: tuple[str, ...]
    left_over: tuple[str, ...]

    @property
    def is_fresh(self) -> bool:
        """Whether every file was as it should be."""
        return not (self.missing or self.stale or self.left_over)


def check(plan: Plan) -> Result:
    """Compares what is there with what should be, byte by byte where the cache does not vouch for it; writes nothing there."""
    missing: list[str] = []
    stale: list[str] = []
    todo = _todo(plan, Cache(plan.cache))
    for _, files in made(todo, plan.processes, plan.cache.with_suffix(".log")):
        for name, content in files.items():
            there = read(plan.folder / name)
            if there != content:
                (missing if there is None else stale).append(name)
    return _result(len(todo), missing, stale, plan.left_over())


def update(plan: Plan) -> Result:
    """Makes and writes what is not fresh, each job's files as soon as they are made, and removes what is left over."""
    missing: list[str] = []
    stale: list[str] = []
    with locked(plan.cache.with_suffix(".lock")):
        cache = Cache(plan.cache)
        todo = _todo(plan, cache)
        for job, files in made(todo, plan.processes, plan.cache.with_suffix(".log")):
            for name, content in files.items():
                there = read(plan.folder / name)
                if there != content:
                    write(plan.folder / name, content)
                    (missing if there is None else stale).append(name)
            marks = {name: mark_of(content) for name, content in files.items()}
            cache.remember(job if plan.sources_hold() else replace(job, key=None), marks)
        left = plan.left_over()
        for name in left:
            (plan.folder / name).unlink()
        if plan.whole:
            cache.forget_others(plan.jobs)
            _remove_empty(plan.folder)
    return _result(len(todo), missing, stale, left)


def _todo(plan: Plan, cache: Cache) -> list[Job]:
    return [job for job in plan.jobs if plan.full or not cache.is_fresh(job, plan.folder)]


def _result(made: int, missing: list[str], stale: list[str], left: tuple[str, ...]) -> Result:
    return Result(made=made, missing=tuple(sorted(missing)), stale=tuple(sorted(stale)), left_over=left)


def _remove_empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with suppress(OSError):
                path.rmdir()
