"""Reading a small file whose size and hash nobody knows, such as a manifest, by the same fetchers."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from zoo.errors import DownloadError, ZooError
from zoo.weights import places
from zoo.weights.attempts import FetchFault, Kind, Limits, Step, next_step, wait_seconds
from zoo.weights.fetchers import LOCAL, FetchRequest, Partial, fetcher_for
from zoo.weights.redact import redact, scrub
from zoo.weights.remote import scheme_of

if TYPE_CHECKING:
    from collections.abc import Iterable

LOG = logging.getLogger("zoo.weights")


def fetch_text(url: str, most: int, *, limits: Limits | None = None) -> bytes:
    """Returns the bytes behind a URL, which are not kept. Without a hash, they are as trustworthy as the connection.

    Args:
        url: Where they are.
        most: How many are accepted.
        limits: How long and how often to try; None for the usual ones.

    Raises:
        DownloadError: They cannot be had, are more than `most`, or `ZOO_OFFLINE` forbids to look.
    """
    limits = limits or Limits()
    if places.is_offline() and scheme_of(url) not in LOCAL:
        message = f"{redact(url)} cannot be read: ZOO_OFFLINE forbids it. Name a file on disk instead."
        raise DownloadError(message)
    fruitless = 0
    while True:
        fruitless += 1
        try:
            return _read(url, most, limits)
        except FetchFault as fault:
            reason, kind, retry_after = fault.reason, fault.kind, fault.retry_after
        except ZooError:
            raise
        except Exception as error:  # noqa: BLE001  fetchers are foreign code
            kind = Kind.BROKEN if isinstance(error, (ConnectionError, TimeoutError)) else Kind.REFUSED
            reason, retry_after = f"{type(error).__name__}: {scrub(str(error), url)}".rstrip(": "), None
        if next_step(kind, fruitless=fruitless, resumed=False, restarted=False, limits=limits) is not Step.RETRY:
            message = f"{redact(url)} cannot be read: {reason}."
            raise DownloadError(message)
        wait = wait_seconds(fruitless, retry_after, limits)
        LOG.info("%s: %s; again in %.1f s", redact(url), reason, wait)
        time.sleep(wait)


def _read(url: str, most: int, limits: Limits) -> bytes:
    request = FetchRequest(name=redact(url), url=url, size=None, limits=limits)
    answer = fetcher_for(url)(request)
    chunks: Iterable[bytes] = answer.chunks if isinstance(answer, Partial) else answer
    data = bytearray()
    try:
        for chunk in chunks:
            data += chunk
            if len(data) > most:
                reason = f"more than {most:,} bytes came"
                raise FetchFault(reason, Kind.WRONG)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    return bytes(data)
