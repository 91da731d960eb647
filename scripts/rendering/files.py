"""Files that are whole or not there at all: checksums, writing in one step, and a lock between processes."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

try:
    import fcntl
except ImportError:  # Windows: two runs at once are then not kept apart
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PART = ".part"
"""Ending of a file that is being written; its name starts with a dot, so mkdocs does not see it."""


class Mark(NamedTuple):
    """What tells one content from another: bytes and SHA-256."""

    size: int
    sha256: str


def mark_of(content: bytes) -> Mark:
    """Returns the mark of a content."""
    return Mark(len(content), hashlib.sha256(content).hexdigest())


def read(path: Path) -> bytes | None:
    """Returns what a file holds, or None where there is no such file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def has_mark(path: Path, mark: Mark) -> bool:
    """Tells whether a file is there with exactly this content; its time is not trusted."""
    try:
        if path.stat().st_size != mark.size:
            return False
    except OSError:
        return False
    content = read(path)
    return content is not None and mark_of(content) == mark


def write(path: Path, content: bytes) -> None:
    """Writes a file next to its place and moves it there, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    try:
        part.write_bytes(content)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def files_under(folder: Path) -> list[str]:
    """Returns the names of all files in a folder and its folders, relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())


def digest(paths: Iterable[Path], root: Path) -> str:
    """Returns one checksum over the names, relative to `root`, and contents of files."""
    total = hashlib.sha256()
    for path in sorted(paths):
        content = read(path)
        total.update(f"{os.path.relpath(path, root)}\0{mark_of(content).sha256 if content is not None else '-'}\n".encode())
    return total.hexdigest()


def stamps(paths: Iterable[Path]) -> dict[Path, tuple[int, int, int]]:
    """Returns what changes whenever a file is touched, be it that its content is put back: time, size, number."""
    found = {}
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            continue
        found[path] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keeps other processes out that lock the same file; says so where it has to wait for one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another run is at work here; waiting for it to end.", file=sys.stderr)
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
