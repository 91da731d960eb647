"""Fetching a file of registered size and SHA-256, so that the right file comes, or an error that says why not.

A file that is not verified never has a final name: bytes go into a private temporary file in the cache folder, are capped
at the registered size and counted, the whole is read back and hashed, and then it is renamed at one stroke.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DownloadError, IntegrityError, MissingExtraError
from zoo.progress import shown
from zoo.weights import cache, locks, parts, places
from zoo.weights.attempts import FetchFault, Kind, Limits
from zoo.weights.fetchers import LOCAL
from zoo.weights.hooks import with_hooks
from zoo.weights.local import package_resource
from zoo.weights.redact import redact
from zoo.weights.remote import scheme_of
from zoo.weights.text import fetch_text as fetch_text
from zoo.weights.transfer import Failure, Job, Transfer
from zoo.weights.verify import difference, open_file, why

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.errors import ZooError
    from zoo.weights.hooks import Progress
    from zoo.weights.remote import RemoteFile


def fetch(file: RemoteFile, *, progress: Progress | None = None, limits: Limits | None = None) -> Path:
    """Returns the path of a file whose size and SHA-256 are right; it is downloaded where it is not there yet.

    Files of packages are used in place; all others are kept in the cache folder (`ZOO_HOME`). A call that is interrupted
    leaves what it has, and the next one goes on from there.

    Args:
        file: What is wanted, and where it can be had.
        progress: Is called with `(done_bytes, total_bytes)`; None shows a bar where standard error is a terminal.
        limits: How long and how often to try; None for the usual ones.

    Raises:
        DownloadError: No source gave it, the cache folder cannot take it, a hook raised, or `ZOO_OFFLINE` forbids to look.
        IntegrityError: Every source gave something else, or a damaged file in the cache cannot be removed.
        MissingExtraError: Its only sources need a package that is not installed.
        ConfigError: A variable of the environment has a value that it cannot have.
    """
    found, failures = _in_packages(file)
    if found is not None:
        return found
    folder = places.cache_folder()
    found = cache.look_up(file, folder)
    if found is not None:
        return found
    sources = _sources_to_try(file, failures)
    if not sources:
        raise _error(file, folder, failures)
    try:
        places.make_folder(folder)
    except OSError as error:
        raise places.unusable(folder, file.bytes, why(error)) from None
    with shown(file.name, progress, "bytes") as show:
        job = Job(file=file, folder=folder, limits=limits or Limits(), tell=with_hooks(file.name, show))
        return _fetch_into(job, sources, failures)


def _in_packages(file: RemoteFile) -> tuple[Path | None, tuple[Failure, ...]]:
    """Returns the file inside an installed package, if it is there and right, and what is wrong with the others."""
    failures = []
    for url in file.sources:
        if scheme_of(url) != "package":
            continue
        try:
            resource = package_resource(url)
        except FetchFault as fault:
            failures.append(Failure(url=url, reason=fault.reason, kind=fault.kind))
            continue
        if not isinstance(resource, Path):  # inside a zip file: it is read from there into the cache
            continue
        wrong = _difference(resource, file)
        if not wrong:
            return resource, ()
        reason = f"{resource} is damaged: {wrong}; install the package again"
        failures.append(Failure(url=url, reason=reason, kind=Kind.WRONG))
    return None, tuple(failures)


def _difference(path: Path, file: RemoteFile) -> str:
    try:
        fd = open_file(path, follow=True)  # some installers link the files of packages
    except OSError as error:
        return f"it cannot be read: {why(error)}"
    try:
        return difference(fd, file)
    finally:
        os.close(fd)


def _sources_to_try(file: RemoteFile, failures: tuple[Failure, ...]) -> tuple[str, ...]:
    """Returns the sources that have not failed and that the user lets us ask."""
    failed = [failure.url for failure in failures]
    sources = tuple(url for url in file.sources if url not in failed)
    if places.is_offline():
        sources = tuple(url for url in sources if scheme_of(url) in LOCAL)
    return sources


def _fetch_into(job: Job, sources: tuple[str, ...], failures: tuple[Failure, ...]) -> Path:
    """Fetches a file that is not in the cache from the first source that has it."""
    final = job.folder / job.file.file_name
    with locks.download_lock(final, job.limits) as is_locked:
        found = cache.look_up(job.file, job.folder)  # another process may have fetched it meanwhile
        if found is not None:
            return found
        with _temporary(job) as part:
            if is_locked:
                parts.adopt(part, job.folder, final.name, job.file.bytes)
            _check_room(job, part.size)
            for url in sources:
                failure = Transfer(job, part, url).run()
                if failure is None:
                    return final
                failures = (*failures, failure)
    raise _error(job.file, job.folder, failures)


@contextlib.contextmanager
def _temporary(job: Job) -> Iterator[parts.Part]:
    """Yields a temporary file that is gone in the end, but for an interrupted call, whose part the next one can use."""
    try:
        part = parts.Part(job.folder, job.file.file_name)
    except OSError as error:
        raise places.unusable(job.folder, job.file.bytes, why(error)) from None
    try:
        yield part
    except Exception:
        part.discard()
        raise
    except BaseException:
        part.leave()
        raise
    part.discard()


def _check_room(job: Job, there: int) -> None:
    """Raises before anything is asked for where the disk has no room for it."""
    free = places.free_bytes(job.folder)
    needed = job.file.bytes - there
    if free is not None and free < needed:
        raise places.unusable(job.folder, needed, "the disk has no room for it")


def _error(file: RemoteFile, folder: Path, failures: tuple[Failure, ...]) -> ZooError:
    """Returns the error that says what was tried, and how the file can be brought by hand."""
    missing = [failure.error for failure in failures if isinstance(failure.error, MissingExtraError)]
    if missing and len(missing) == len(failures):
        return missing[0]
    lines = [f"\n  {redact(failure.url)}: {failure.reason}" for failure in failures]
    tried = "".join(lines) if lines else " none"
    known = f"{file.bytes:,} bytes with the SHA-256 {file.sha256}"
    by_hand = f"run `zoo weights import FILE`, or put it at {folder / file.file_name}"
    if places.is_offline():
        urls = ", ".join(redact(url) for url in file.sources)
        message = (
            f"{file.name} is not in the cache, and ZOO_OFFLINE forbids to fetch it. Get {known} from {urls} on another machine; "
            f"then {by_hand}. Sources tried:{tried}"
        )
        return DownloadError(message)
    if failures and all(failure.kind is Kind.WRONG for failure in failures):
        message = f"No source of {file.name} has {known}. What they gave was thrown away:{tried}"
        return IntegrityError(message)
    message = f"{file.name} could not be fetched. Sources tried:{tried}\nIf you have {known} from elsewhere, {by_hand}."
    return DownloadError(message)
