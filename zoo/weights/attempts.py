"""Limits of a download, the ways in which it fails, and what to do then: pure decisions, no effect."""

from __future__ import annotations

import enum
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a download may take and how often it is tried.

    Attributes:
        connect: Seconds until a connection stands.
        read: Seconds between two packets.
        slowest: Bytes per second below which a connection counts as dead.
        window: Seconds over which that speed is measured; the headers must have come within them, too.
        attempts: Attempts at one source in a row that bring nothing.
        backoff: Seconds before the second attempt; each further wait is twice as long.
        backoff_max: Seconds of the longest such wait.
        jitter: Seconds of a random part, so that many clients do not return at once.
        retry_after_max: Seconds of the longest wait that a server can ask for.
        redirects: Redirects that are followed.
        lock_wait: Seconds to wait for another process that makes no progress, before going on without it.
        lock_poll: Seconds between two looks at it.
    """

    connect: float = 10.0
    read: float = 30.0
    slowest: float = 1000.0
    window: float = 30.0
    attempts: int = 5
    backoff: float = 0.5
    backoff_max: float = 30.0
    jitter: float = 0.5
    retry_after_max: float = 120.0
    redirects: int = 5
    lock_wait: float = 120.0
    lock_poll: float = 1.0


class Kind(enum.Enum):
    """Why an attempt failed, as far as it matters for what comes next."""

    BUSY = "the server asks to come back later"
    BROKEN = "the connection failed, or ended early"
    RANGE = "the rest of the file cannot be had, only the whole"
    WRONG = "what came is not the file"
    REFUSED = "this source does not have it"
    FATAL = "no source can help"


class Step(enum.Enum):
    """What to do after a failed attempt."""

    RETRY = "the same source again, from where it broke"
    RESTART = "the same source again, from zero"
    NEXT = "the next source"
    STOP = "give up"


class FetchFault(Exception):
    """An attempt failed; never seen by users, who get a `DownloadError` or an `IntegrityError`.

    Attributes:
        reason: Why, redacted, for people.
        kind: Why, for `next_step`.
        retry_after: Seconds that the server asks to wait, None where it does not.
    """

    def __init__(self, reason: str, kind: Kind, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.kind = kind
        self.retry_after = retry_after


def next_step(kind: Kind, *, fruitless: int, resumed: bool, restarted: bool, limits: Limits) -> Step:
    """Decides what comes after a failed attempt.

    Args:
        kind: Why it failed.
        fruitless: Attempts at this source in a row that brought nothing, this one included.
        resumed: Whether the file was put together from parts.
        restarted: Whether this source was begun from zero once already because its parts did not fit.
        limits: The limits.
    """
    if kind is Kind.FATAL:
        return Step.STOP
    if kind is Kind.WRONG and resumed and not restarted:
        return Step.RESTART
    if kind is Kind.RANGE and fruitless < limits.attempts:
        return Step.RESTART
    if kind in (Kind.BUSY, Kind.BROKEN) and fruitless < limits.attempts:
        return Step.RETRY
    return Step.NEXT


def is_fruitful(gained: int, size: int) -> bool:
    """Tells whether an attempt came enough further than any before it: a hundredth of the file, at least 64 KiB.

    So a server that breaks off often is asked again as long as that leads anywhere, and at most a hundred times more.
    """
    return gained >= max(64 * 1024, size // 100)


def wait_seconds(fruitless: int, retry_after: float | None, limits: Limits) -> float:
    """Returns how long to wait before the next attempt at a source: exponential, or as long as the server asks, capped."""
    from urllib3.util.retry import RequestHistory, Retry

    failed = RequestHistory(None, None, None, None, None)
    retry = Retry(
        backoff_factor=limits.backoff / 2,  # its first wait, after two failures by its count, is twice the factor
        backoff_max=limits.backoff_max,
        backoff_jitter=limits.jitter,
        history=(failed,) * (max(fruitless, 1) + 1),
    )
    return max(retry.get_backoff_time(), min(retry_after or 0.0, limits.retry_after_max))


def read_retry_after(value: str | None) -> float | None:
    """Returns the seconds that a `Retry-After` header asks for, as a number or a date; None where it cannot be read."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util.retry import Retry

    if value is None:
        return None
    try:
        return Retry().parse_retry_after(value)
    except (InvalidHeader, ValueError, OverflowError):
        return None
