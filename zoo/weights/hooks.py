"""Hooks: headers for an origin before it is asked, news of the progress, and a record of each download after it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from zoo.errors import DownloadError
from zoo.weights.redact import scrub

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Result = TypeVar("Result")

LOG = logging.getLogger("zoo.weights")

OURS = ("accept-encoding", "connection", "content-length", "host", "if-range", "range", "transfer-encoding")
"""Headers that a hook cannot set: what is checked about the answer depends on them."""


class HookError(DownloadError):
    """A hook raised, or gave something that cannot be used; the download stops."""


class Progress(Protocol):
    """Is told how far a download is; both numbers are bytes."""

    def __call__(self, done_bytes: int, total_bytes: int, /) -> None:
        """Takes the news."""


@dataclass(frozen=True, kw_only=True)
class HookRequest:
    """A request that is about to be made.

    Attributes:
        name: Of the file.
        url: To be asked, without user and password.
        origin: `(scheme, host, port)`, to which the returned headers go, and to no other.
    """

    name: str
    url: str
    origin: tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class DownloadEvent:
    """What became of one source.

    Attributes:
        name: Of the file.
        url: Of the source, redacted.
        bytes: That came from it.
        seconds: That it took.
        ok: Whether the file came and is right.
        reason: Why not; empty where it is right.
    """

    name: str
    url: str
    bytes: int
    seconds: float
    ok: bool
    reason: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hook:
    before: Callable[[HookRequest], Mapping[str, str] | None] | None
    after: Callable[[DownloadEvent], object] | None
    progress: Progress | None


_hooks: tuple[_Hook, ...] = ()


def add_hook(
    *,
    before: Callable[[HookRequest], Mapping[str, str] | None] | None = None,
    after: Callable[[DownloadEvent], object] | None = None,
    progress: Progress | None = None,
) -> Callable[[], None]:
    """Adds functions that are called around every download; one that raises stops the download.

    Args:
        before: Is called once per origin that is asked, anew for each one that a redirect leads to. It may return headers,
            such as `{"Authorization": "Bearer …"}`, which go to this origin alone.
        after: Is called with what became of each source.
        progress: Is called with `(done_bytes, total_bytes)`.

    Returns:
        A function that removes them.
    """
    global _hooks  # noqa: PLW0603  a tuple that is replaced whole can be read from any thread
    hook = _Hook(before=before, after=after, progress=progress)
    _hooks = (*_hooks, hook)

    def remove() -> None:
        global _hooks  # noqa: PLW0603
        _hooks = tuple(other for other in _hooks if other is not hook)

    return remove


def headers_for(request: HookRequest) -> dict[str, str]:
    """Returns the headers that all hooks give for one origin.

    Raises:
        HookError: A hook raised, or gave something that is not headers, or a header that is ours to set.
    """
    headers: dict[str, str] = {}
    for hook in _hooks:
        if hook.before is not None:
            given = _called("before", request.name, partial(hook.before, request)) or {}
            headers.update(_checked(given, request.name))
    return headers


def tell_after(event: DownloadEvent) -> None:
    """Tells all hooks what became of a source.

    Raises:
        HookError: A hook raised.
    """
    outcome = "fetched" if event.ok else event.reason
    LOG.info("%s from %s: %s (%d bytes in %.1f s)", event.name, event.url, outcome, event.bytes, event.seconds)
    for hook in _hooks:
        if hook.after is not None:
            _called("after", event.name, partial(hook.after, event))


def with_hooks(name: str, progress: Progress) -> Progress:
    """Returns a progress function that tells `progress` and all hooks; where one of them raises, a `HookError` says so."""
    listeners = (progress, *(hook.progress for hook in _hooks if hook.progress is not None))

    def tell(done_bytes: int, total_bytes: int) -> None:
        for listener in listeners:
            _called("progress", name, partial(listener, done_bytes, total_bytes))

    return tell


def _called(role: str, name: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except Exception as error:  # noqa: BLE001  whatever people's code raises stops the download by one kind of error
        reason = f"{type(error).__name__}: {scrub(str(error), '')}"
    message = f"The download of {name} was stopped: a `{role}` hook raised {reason}. Mend the hook, or remove it."
    raise HookError(message)


def _checked(headers: object, name: str) -> dict[str, str]:
    """Returns headers if that is what they are; their values, which are secrets, are in no message."""
    if not hasattr(headers, "items"):
        message = f"{name} was not fetched: a `before` hook returns a mapping of headers or None, not {type(headers).__name__}."
        raise HookError(message)
    checked = dict(headers.items())
    for header, value in checked.items():
        if not (isinstance(header, str) and isinstance(value, str) and f"{header}{value}".isprintable()):
            message = f"{name} was not fetched: a `before` hook gave the header {header!r}, which is not printable text."
            raise HookError(message)
        if header.lower() in OURS:
            message = f"{name} was not fetched: a `before` hook set the header {header!r}, which the download sets itself."
            raise HookError(message)
    return checked
