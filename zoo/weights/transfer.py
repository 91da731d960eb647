"""All attempts at one source of a file: fetch, write, verify, publish, and after a fault whatever `next_step` says."""

from __future__ import annotations

import errno
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError, MissingExtraError, ZooError
from zoo.weights import cache, places
from zoo.weights.attempts import FetchFault, Kind, Limits, Step, is_fruitful, next_step, wait_seconds
from zoo.weights.fetchers import FetchRequest, Partial, fetcher_for
from zoo.weights.hooks import DownloadEvent, HookError, tell_after
from zoo.weights.redact import redact, scrub
from zoo.weights.verify import why

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.weights.hooks import Progress
    from zoo.weights.parts import Part
    from zoo.weights.remote import RemoteFile

LOG = logging.getLogger("zoo.weights")
FULL = (errno.ENOSPC, errno.EDQUOT)
STOPPING = (HookError, places.FolderError, ConfigError)
"""Errors that no other source can mend."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a call fetches and how.

    Attributes:
        file: What is wanted.
        folder: The cache folder, which exists.
        limits: How long and how often to try.
        tell: The progress function.
    """

    file: RemoteFile
    folder: Path
    limits: Limits
    tell: Progress


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a source did not give the file.

    Attributes:
        url: Of the source, secrets included.
        reason: For people.
        kind: For `next_step`.
        error: The error of ours that is behind it, None where there is none.
    """

    url: str
    reason: str
    kind: Kind
    error: ZooError | None = None


class Transfer:
    """The attempts at one source, all of which write into one temporary file."""

    def __init__(self, job: Job, part: Part, url: str) -> None:
        self._job = job
        self._part = part
        self._url = url
        self._etag = ""
        self._is_resumed = False
        self._received = 0

    def run(self) -> Failure | None:
        """Tries until the file has its final name, which returns None, or the source is given up, which returns why.

        Raises:
            HookError: A hook raised.
            FolderError: The cache folder cannot take the file.
            ConfigError: A variable of the environment has a value that it cannot have.
        """
        began = time.monotonic()
        failure = self._try()
        event = DownloadEvent(
            name=self._job.file.name,
            url=redact(self._url),
            bytes=self._received,
            seconds=time.monotonic() - began,
            ok=failure is None,
            reason=failure.reason if failure else "",
        )
        tell_after(event)
        if failure and failure.kind is Kind.FATAL and failure.error is not None:
            raise failure.error
        return failure

    def _try(self) -> Failure | None:
        limits = self._job.limits
        fruitless, restarted, in_parts = 0, False, True
        furthest = self._part.size
        while True:
            failure, retry_after = self._failure_of_attempt()
            if failure is None:
                return None
            fruitless = 0 if is_fruitful(self._part.size - furthest, self._job.file.bytes) else fruitless + 1
            furthest = max(furthest, self._part.size)
            step = next_step(failure.kind, fruitless=fruitless, resumed=self._is_resumed, restarted=restarted, limits=limits)
            restarted = restarted or step is Step.RESTART
            in_parts = in_parts and failure.kind is not Kind.RANGE
            if step is Step.RESTART or failure.kind is Kind.WRONG or not in_parts:
                self._clear()
            if step in (Step.NEXT, Step.STOP):
                return failure
            wait = wait_seconds(fruitless, retry_after, limits) if step is Step.RETRY else 0.0
            LOG.info("%s from %s: %s; again in %.1f s", self._job.file.name, redact(self._url), failure.reason, wait)
            time.sleep(wait)

    def _failure_of_attempt(self) -> tuple[Failure | None, float | None]:
        """Makes one attempt; returns why it failed, None where it did not, and the seconds that the server asks to wait."""
        try:
            self._attempt()
        except FetchFault as fault:
            return Failure(url=self._url, reason=fault.reason, kind=fault.kind), fault.retry_after
        except STOPPING as error:
            return Failure(url=self._url, reason=str(error), kind=Kind.FATAL, error=error), None
        except Exception as error:  # noqa: BLE001  fetchers are foreign code, and another source may do
            return self._judged(error), None
        return None, None

    def _attempt(self) -> None:
        part, size = self._part, self._job.file.bytes
        self._is_resumed = part.size > 0
        note = ""
        if part.size < size:
            answer = self._answer()
            try:
                self._is_resumed = answer.start > 0
                if not self._is_resumed:
                    self._clear()
                self._etag, note = answer.etag, answer.note
                self._write(answer)
            finally:
                close = getattr(answer.chunks, "close", None)
                if close is not None:
                    close()
        self._check(note)
        self._publish()

    def _answer(self) -> Partial:
        """Asks the fetcher of the source for what is missing."""
        request = FetchRequest(
            name=self._job.file.name,
            url=self._url,
            size=self._job.file.bytes,
            start=self._part.size,
            etag=self._etag,
            limits=self._job.limits,
            folder=self._job.folder,
            final=self._job.file.file_name,
        )
        answer = fetcher_for(self._url)(request)
        if not isinstance(answer, Partial):
            answer = Partial(start=0, chunks=answer)
        if answer.start not in (0, request.start):
            reason = f"its fetcher began at byte {answer.start!r}, not at {request.start} or 0"
            raise FetchFault(reason, Kind.REFUSED)
        return answer

    def _write(self, answer: Partial) -> None:
        """Writes what comes, and not a byte more than belongs."""
        part, size = self._part, self._job.file.bytes
        self._job.tell(part.size, size)
        for chunk in answer.chunks:
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                reason = f"its fetcher gave {type(chunk).__name__}, not bytes"
                raise FetchFault(reason, Kind.REFUSED)
            data = memoryview(chunk).cast("B")
            if part.size + data.nbytes > size:
                raise FetchFault(_noted(f"more than {size:,} bytes came", answer.note), Kind.WRONG)
            try:
                part.write(data)
            except OSError as error:
                raise places.unusable(self._job.folder, size - part.size, why(error)) from None
            self._received += data.nbytes
            self._job.tell(part.size, size)

    def _check(self, note: str) -> None:
        """Raises unless the temporary file, read back as a whole, is what was registered."""
        file, part = self._job.file, self._part
        if part.size < file.bytes:
            reason = _noted(f"it ended after {part.size:,} of {file.bytes:,} bytes", note)
            raise FetchFault(reason, Kind.WRONG if note else Kind.BROKEN)
        try:
            digest = part.digest()
        except OSError as error:
            raise places.unusable(self._job.folder, file.bytes, why(error)) from None
        if digest != file.sha256:
            reason = _noted(f"its SHA-256 is {digest}, not {file.sha256}", note)
            raise FetchFault(reason, Kind.WRONG)

    def _publish(self) -> None:
        file, folder = self._job.file, self._job.folder
        try:
            self._part.publish(folder / file.file_name)
        except FileNotFoundError:
            if cache.look_up(file, folder) is None:
                reason = "another program removed the temporary file"
                raise places.unusable(folder, file.bytes, reason) from None
        except OSError as error:
            raise places.unusable(folder, file.bytes, why(error)) from None

    def _clear(self) -> None:
        try:
            self._part.clear()
        except OSError as error:
            raise places.unusable(self._job.folder, self._job.file.bytes, why(error)) from None
        self._etag = ""

    def _judged(self, error: Exception) -> Failure:
        """Returns what an error of a fetcher means: connections are worth another attempt, a full disk ends everything."""
        if isinstance(error, OSError) and error.errno in FULL:
            full = places.unusable(self._job.folder, self._job.file.bytes, why(error))
            return Failure(url=self._url, reason=str(full), kind=Kind.FATAL, error=full)
        words = scrub(str(error), self._url)
        if isinstance(error, ZooError):
            kept = error if isinstance(error, MissingExtraError) else None
            return Failure(url=self._url, reason=words, kind=Kind.REFUSED, error=kept)
        kind = Kind.BROKEN if isinstance(error, (ConnectionError, TimeoutError)) else Kind.REFUSED
        return Failure(url=self._url, reason=f"{type(error).__name__}: {words}".rstrip(": "), kind=kind)


def _noted(reason: str, note: str) -> str:
    return f"{reason}: {note}" if note else reason
