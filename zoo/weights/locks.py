"""The lock that keeps processes from fetching one file at once. It saves bandwidth; nothing depends on it to be right."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from typing import TYPE_CHECKING

from zoo.weights.parts import FILE_MODE, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from filelock import BaseFileLock

    from zoo.weights.attempts import Limits

LOG = logging.getLogger("zoo.weights")
SUFFIX = ".lock"


@contextlib.contextmanager
def download_lock(final: Path, limits: Limits) -> Iterator[bool]:
    """Holds the lock of a final name; yields False where that did not work, and the download goes on all the same.

    Args:
        final: The path that the file will have.
        limits: How long to wait for a process that holds it and makes no progress.
    """
    lock = _acquired(final, limits)
    try:
        yield lock is not None
    finally:
        if lock is not None:
            with contextlib.suppress(OSError, NotImplementedError, RuntimeError):
                lock.release()


def is_free(path: Path) -> bool:
    """Tells whether nobody holds a lock file."""
    with _held_at_once(path) as held:
        return held


def remove_free_lock(path: Path) -> bool:
    """Removes a lock file that nobody holds; returns whether it did."""
    with _held_at_once(path) as held:
        if not held:
            return False
        try:
            path.unlink(missing_ok=True)  # while it is held: who waits for it notices and makes a new one
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _held_at_once(path: Path) -> Iterator[bool]:
    """Holds a lock if that is possible without waiting; yields whether it is."""
    import filelock

    lock = filelock.FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except (OSError, NotImplementedError, RuntimeError):  # held, or no locks here: it may be in use
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(OSError, NotImplementedError, RuntimeError):
            lock.release()


def _acquired(final: Path, limits: Limits) -> BaseFileLock | None:
    import filelock

    path = final.with_name(final.name + SUFFIX)
    seen, since = _traces(final), time.monotonic()
    try:
        _make(path)
        lock = filelock.FileLock(str(path))
        while True:
            try:
                lock.acquire(timeout=limits.lock_poll)
                return lock
            except filelock.Timeout:
                traces, now = _traces(final), time.monotonic()
                if traces != seen:
                    seen, since = traces, now
                elif now - since >= limits.lock_wait:
                    LOG.info("%s: another process holds the lock and makes no progress; going on without it", path)
                    return None
    except (OSError, NotImplementedError, RuntimeError) as error:
        LOG.info("%s: no lock here (%s); going on without it", path, type(error).__name__)
        return None


def _make(path: Path) -> None:
    """Makes the lock file, so that its mode is ours: the library's own files can be written by a group."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    os.close(os.open(path, flags, FILE_MODE))


def _traces(final: Path) -> tuple[tuple[str, int], ...]:
    """Returns the names and sizes of the temporary files of a final name: they change while somebody downloads it."""
    found = []
    for path in parts_of(final.parent, final.name):
        with contextlib.suppress(OSError):
            found.append((path.name, path.lstat().st_size))
    return tuple(found)
