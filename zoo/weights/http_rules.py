"""What is right about a redirect and an answer over HTTP: pure functions of statuses, headers and URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.weights.attempts import FetchFault, Kind, read_retry_after
from zoo.weights.redact import printable, redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.weights.fetchers import FetchRequest

REDIRECTS = (301, 302, 303, 307, 308)
BUSY = (408, 425, 429, 500, 502, 503, 504)
PORTS = {"http": 80, "https": 443}
CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
HTML = "an HTML page was sent instead of the file"
DIGITS = 18
"""Of the largest length that is read; no file is larger, and long numbers are a way to waste time."""

Origin = tuple[str, str, int]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer whose body is worth reading.

    Attributes:
        start: Where its body begins in the file.
        etag: The version of the file: an ETag or a date; empty where there is no reliable one.
        note: What is odd about it.
    """

    start: int
    etag: str
    note: str


def origin_of(url: str) -> Origin:
    """Returns `(scheme, host, port)` of a URL.

    Raises:
        FetchFault: It is not an address that can be asked.
    """
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        host = port = None
    if not host or parts.scheme not in PORTS or not url.isprintable():
        reason = f"{redact(url)} is not a URL of http: or https:"
        raise FetchFault(reason, Kind.REFUSED)
    return parts.scheme, host, port or PORTS[parts.scheme]


def without_user(url: str) -> tuple[str, str | None]:
    """Splits a URL into the one to ask and the `Authorization` header that its user and password make, None without any."""
    import base64
    from urllib.parse import unquote_to_bytes, urlsplit, urlunsplit

    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    bare = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
    if not at:
        return bare, None
    name, _, password = user.partition(":")
    pair = unquote_to_bytes(name) + b":" + unquote_to_bytes(password)
    return bare, "Basic " + base64.b64encode(pair).decode()


def check_scheme(url: str, *, came_from: str | None, http_allowed: bool) -> Origin:
    """Returns the origin of a URL that may be asked.

    Args:
        url: The URL.
        came_from: The URL that redirects to it, None where it is the first one.
        http_allowed: Whether the user takes connections that can be changed on the way.

    Raises:
        FetchFault: It may not: nothing but https:, http: only if allowed, and never after https:.
    """
    origin = origin_of(url)
    reason = ""
    if origin[0] == "http" and came_from is not None and origin_of(came_from)[0] == "https":
        reason = f"it redirects from https: to {redact(url)}, where anybody on the way could change the file"
    elif origin[0] == "http" and not http_allowed:
        reason = f"{redact(url)} is not https:; set ZOO_ALLOW_HTTP=1 to take it (the SHA-256 is checked in any case)"
    if reason:
        raise FetchFault(reason, Kind.REFUSED)
    return origin


def redirect_target(location: str | None, visited: tuple[str, ...], most: int) -> str:
    """Returns where an answer redirects to, without user and password, which a server has no business to choose.

    Args:
        location: The header of that name.
        visited: The URLs asked so far, the last one redirects.
        most: Redirects that are followed.

    Raises:
        FetchFault: It leads nowhere, in a circle, or on and on.
    """
    from urllib.parse import urljoin

    if not location:
        reason = f"{redact(visited[-1])} redirects without saying where to"
        raise FetchFault(reason, Kind.REFUSED)
    try:
        target, _ = without_user(urljoin(visited[-1], location))
    except ValueError:
        target = ""
    way = " -> ".join(redact(url) for url in (*visited, target))
    if not target:
        reason = f"{redact(visited[-1])} redirects to something that is not a URL"
    elif target in visited:
        reason = f"it redirects in a circle: {way}"
    elif len(visited) > most:
        reason = f"it redirects more than {most} times: {way}"
    else:
        return target
    raise FetchFault(reason, Kind.REFUSED)


def judge(status: int, headers: Mapping[str, str], request: FetchRequest) -> Answer:
    """Decides from status and headers whether a body is worth reading.

    Args:
        status: The status that is not a redirect.
        headers: The headers, whose names are found in any case.
        request: What was asked for.

    Raises:
        FetchFault: It is not.
    """
    note = HTML if headers.get("Content-Type", "").lower().startswith(("text/html", "application/xhtml")) else ""
    if status in BUSY:
        reason = f"the server answers {_named(status)}"
        raise FetchFault(reason, Kind.BUSY, read_retry_after(headers.get("Retry-After")))
    if status == 416 and request.start:
        reason = "the server does not give the rest of the file"
        raise FetchFault(reason, Kind.RANGE)
    if status not in (200, 206):
        reason = f"the server answers {_named(status)}"
        raise FetchFault(reason, Kind.REFUSED)
    encoding = headers.get("Content-Encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        reason = f"the server sends it compressed ({printable(encoding)}), though it was asked not to"
        raise FetchFault(reason, Kind.REFUSED)
    start = _check_range(headers, request) if status == 206 else 0
    if request.size is not None:
        _check_length(headers, request.size - start, note)
    return Answer(start=start, etag=_version(headers), note=note)


def _check_range(headers: Mapping[str, str], request: FetchRequest) -> int:
    """Returns where a part begins, if it is the part that was asked for, of the version that was asked for."""
    received = headers.get("Content-Range", "")
    match = CONTENT_RANGE.fullmatch(received.strip().lower())
    reason = ""
    if not request.start or request.size is None:
        reason = "the server sends a part of the file, though the whole was asked for"
        raise FetchFault(reason, Kind.REFUSED)
    wanted = (request.start, request.size - 1)
    if match is None or (int(match[1]), int(match[2])) != wanted or match[3] not in ("*", str(request.size)):
        reason = f"the server sends another part ({printable(received) or 'unnamed'}) than bytes {wanted[0]}-{wanted[1]}"
    elif request.etag and _version(headers) not in ("", request.etag):
        reason = "the file on the server changed while it was downloaded"
    if reason:
        raise FetchFault(reason, Kind.RANGE)
    return request.start


def _check_length(headers: Mapping[str, str], expected: int, note: str) -> None:
    length = headers.get("Content-Length", "").strip()
    if not length or "chunked" in headers.get("Transfer-Encoding", "").lower():
        return
    if not (length.isdecimal() and len(length) <= DIGITS and int(length) == expected):
        reason = f"the server announces {printable(length)[:40]} bytes where {expected} belong"
        raise FetchFault(f"{reason}: {note}" if note else reason, Kind.WRONG)


def _version(headers: Mapping[str, str]) -> str:
    """Returns what identifies the version byte for byte: a strong ETag, else the date of the last change."""
    etag = headers.get("ETag", "").strip()
    if etag.startswith('"') and etag.isascii() and etag.isprintable():
        return etag
    date = headers.get("Last-Modified", "").strip()
    return date if not etag and date.isascii() and date.isprintable() else ""


def _named(status: int) -> str:
    from http import HTTPStatus

    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
