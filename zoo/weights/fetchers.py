"""Fetchers: one function per scheme that turns a URL into bytes. Capping, counting, hashing and writing are done elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.errors import MissingExtraError, RegistryError, close_matches
from zoo.weights.attempts import FetchFault, Kind, Limits
from zoo.weights.remote import scheme_of

if TYPE_CHECKING:
    from pathlib import Path

SCHEME = re.compile(r"[a-z][a-z0-9+.-]*")

BUILT_IN = {
    "package": "zoo.weights.local:fetch_package",
    "file": "zoo.weights.local:fetch_file",
    "https": "zoo.weights.http:fetch_http",
    "http": "zoo.weights.http:fetch_http",
    "hf": "zoo.weights.hubs:fetch_hf",
    "kaggle": "zoo.weights.hubs:fetch_kaggle",
}
"""Functions that are imported when their scheme is first used."""

LOCAL = ("package", "file")
"""Schemes that need no network."""


@dataclass(frozen=True, kw_only=True)
class FetchRequest:
    """What a fetcher is asked for.

    Attributes:
        name: Of the file.
        url: Its source, secrets included.
        size: Bytes of the whole file; None for a manifest, whose size nobody knows.
        start: Bytes that are there already: the fetcher may go on after them, by returning a `Partial`, or begin anew.
        etag: What the fetcher said about the version of the earlier part; empty where nothing is known.
        headers: For the origin of `url` alone, as pairs.
        limits: How long to wait.
        folder: The cache folder, for packages that can only download into a folder.
        final: The name of the file in it.
    """

    name: str
    url: str
    size: int | None
    start: int = 0
    etag: str = ""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    limits: Limits = field(default_factory=Limits)
    folder: Path | None = None
    final: str = ""


@dataclass(frozen=True, kw_only=True)
class Partial:
    """An answer that says more than its bytes.

    Attributes:
        start: Where the chunks begin: at `request.start`, or 0 for the whole file.
        chunks: The bytes, in pieces of any size; closed at the end if it has `close`.
        etag: The version of the file, to be handed back when it is resumed.
        note: What is odd about the answer, for the message if it turns out wrong.
    """

    start: int
    chunks: Iterable[bytes]
    etag: str = ""
    note: str = ""


Fetcher = Callable[[FetchRequest], "Iterable[bytes] | Partial"]

_registered: dict[str, Fetcher] = {}


def register_fetcher(scheme: str, fetcher: Fetcher, *, replace: bool = False) -> Callable[[], None]:
    """Makes a function responsible for all URLs of a scheme.

    It gets a `FetchRequest` and returns the bytes in pieces, or a `Partial`. A `ConnectionError` or `TimeoutError` that it
    raises is tried again; any other exception leads on to the next source. It keeps its own time limits.

    Args:
        scheme: Such as `"dvc"`, without the colon.
        fetcher: The function.
        replace: Whether it may take the place of another one.

    Returns:
        A function that undoes it.

    Raises:
        RegistryError: The scheme is ill-formed or taken, or the fetcher is no function.
    """
    if not isinstance(scheme, str) or not SCHEME.fullmatch(scheme) or not callable(fetcher):
        message = (
            "`register_fetcher` takes a scheme in lower case, such as 'dvc', and a function. "
            f"Received: scheme={scheme!r}, fetcher={fetcher!r}"
        )
        raise RegistryError(message)
    if scheme == "package":
        message = "The scheme 'package' cannot be replaced: its files are used in place, without being fetched."
        raise RegistryError(message)
    if not replace and (scheme in _registered or scheme in BUILT_IN):
        message = f"The scheme {scheme!r} has a fetcher already. Use replace=True to put yours in its place."
        raise RegistryError(message)
    before = _registered.get(scheme)
    _registered[scheme] = fetcher

    def undo() -> None:
        if before is None:
            _registered.pop(scheme, None)
        else:
            _registered[scheme] = before

    return undo


def fetcher_for(url: str) -> Fetcher:
    """Returns the function for a URL: registered, built in, or of fsspec.

    Raises:
        FetchFault: There is none.
        MissingExtraError: There is none, and fsspec, which may have one, is not installed.
    """
    from importlib import import_module

    from zoo.weights.hubs import fetch_fsspec, knows_fsspec

    scheme = scheme_of(url)
    if scheme in _registered:
        return _registered[scheme]
    if scheme in BUILT_IN:
        module, _, function = BUILT_IN[scheme].partition(":")
        return getattr(import_module(module), function)
    found = knows_fsspec(scheme)
    if found:
        return fetch_fsspec
    known = sorted({*BUILT_IN, *_registered})
    near = close_matches(scheme, known) or "."
    reason = f"nothing fetches {scheme}: URLs{near} There are {', '.join(known)}, and what `register_fetcher` adds"
    if found is None:
        message = f"{reason}. fsspec, which is not installed, may know it: pip install 'resunet-zoo[fsspec]'"
        raise MissingExtraError(message)
    raise FetchFault(f"{reason} or fsspec knows", Kind.REFUSED)
