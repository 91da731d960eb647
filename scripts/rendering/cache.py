"""What is remembered between runs: from which key each job's files were made, and what they held then."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rendering.files import Mark, has_mark, read, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Job:
    """Files that are made together.

    Attributes:
        name: What it is called in messages and in the cache.
        names: Its files, relative to the folder of all files.
        make: Returns the content of exactly these files; can be sent to another process.
        key: Checksum of all that the files depend on; None where that is not known, so that they are made every time.
        cost: What is costly is begun first, so that no process is left alone with it at the end.
    """

    name: str
    names: tuple[str, ...]
    make: Callable[[], Mapping[str, bytes]]
    key: str | None
    cost: int = 0


class Cache:
    """The memory of earlier runs, a JSON file; where it is missing, broken or foreign, nothing is remembered."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = _read_records(path)

    def is_fresh(self, job: Job, folder: Path) -> bool:
        """Tells whether the job's files were made from its key and are still as they were made."""
        record = self.records.get(job.name)
        if job.key is None or record is None or record["key"] != job.key or set(record["files"]) != set(job.names):
            return False
        return all(has_mark(folder / name, Mark(*mark)) for name, mark in record["files"].items())

    def remember(self, job: Job, marks: Mapping[str, Mark]) -> None:
        """Stores what a job made, at once: an interrupted run keeps what it finished."""
        self.records[job.name] = {"key": job.key or "", "files": dict(marks)}
        self._save()

    def forget_others(self, jobs: Iterable[Job]) -> None:
        """Drops what is remembered of jobs that are no more."""
        names = {job.name for job in jobs}
        if not self.records.keys() <= names:
            self.records = {name: record for name, record in self.records.items() if name in names}
            self._save()

    def _save(self) -> None:
        write(self.path, json.dumps({"format": FORMAT, "jobs": self.records}, indent=0, sort_keys=True).encode())


def _read_records(path: Path) -> dict[str, dict[str, Any]]:
    content = read(path)
    try:
        stored = json.loads(content) if content else {}
        if stored["format"] != FORMAT:
            return {}
        return {name: record for name, record in stored["jobs"].items() if _is_record(record)}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _is_record(record: Any) -> bool:
    return (
        isinstance(record, dict)
        and isinstance(record.get("key"), str)
        and isinstance(record.get("files"), dict)
        and all(
            isinstance(mark, list) and len(mark) == 2 and isinstance(mark[0], int) and isinstance(mark[1], str)
            for mark in record["files"].values()
        )
    )
