"""Fetchers that need no network: files inside installed packages, and files on disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.weights.attempts import FetchFault, Kind
from zoo.weights.fetchers import FetchRequest, Partial
from zoo.weights.verify import open_file, why

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

OWN_PACKAGE = "zoo.weights"
OWN_FOLDER = "files"
CHUNK = 2**20


def package_resource(url: str) -> Traversable:
    """Returns the file that `package:NAME` or `package:some.package/path/NAME` means; the former is in `zoo/weights/files`.

    Raises:
        FetchFault: The URL is ill-formed, or there is no such package or file.
    """
    from importlib import resources

    package, parts = _package_and_parts(url)
    try:
        found = resources.files(package).joinpath(*parts)
        if not found.is_file():
            reason = f"the package {package} has no file {'/'.join(parts)}"
            raise FetchFault(reason, Kind.REFUSED)
    except ImportError:
        reason = f"the package {package} is not installed"
    except (OSError, TypeError, ValueError) as error:
        reason = f"the package {package} cannot be read: {why(error)}"
    else:
        return found
    raise FetchFault(reason, Kind.REFUSED)


def fetch_package(request: FetchRequest) -> Iterator[bytes]:
    """Reads a file of a package that is not on disk, as in a zip file; others are used in place."""
    with package_resource(request.url).open("rb") as file:
        while data := file.read(CHUNK):
            yield data


def fetch_file(request: FetchRequest) -> Partial:
    """Reads `file:///absolute/path`, percent-encoded as URLs are."""
    path = path_of(request.url)
    try:
        fd = open_file(path, follow=True)
    except (OSError, ValueError) as error:
        reason = f"{path} cannot be read: {why(error)}"
        raise FetchFault(reason, Kind.REFUSED) from None
    size = os.fstat(fd).st_size
    if request.size is not None and size != request.size:
        os.close(fd)
        reason = f"{path} has {size:,} bytes, not {request.size:,}"
        raise FetchFault(reason, Kind.WRONG)
    os.lseek(fd, request.start, os.SEEK_SET)
    return Partial(start=request.start, chunks=_Reading(fd))


def path_of(url: str) -> Path:
    """Returns the path that a `file:` URL means.

    Raises:
        FetchFault: It is relative, or on another host.
    """
    from urllib.parse import unquote_to_bytes, urlsplit

    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost") or not parts.path.startswith("/") or parts.query or parts.fragment:
        reason = "file: URLs are file:///absolute/path, on this machine, with % for special characters"
        raise FetchFault(reason, Kind.REFUSED)
    if os.name == "nt":
        from urllib.request import url2pathname

        return Path(url2pathname(parts.path))
    return Path(os.fsdecode(unquote_to_bytes(parts.path)))


def _package_and_parts(url: str) -> tuple[str, tuple[str, ...]]:
    rest = url.partition(":")[2]
    package, slash, path = rest.partition("/")
    if not slash:
        package, path = OWN_PACKAGE, f"{OWN_FOLDER}/{rest}"
    parts = tuple(path.split("/"))
    is_inside = all(part not in ("", ".", "..") and not set(part) & set("\\:\0") for part in parts)
    if not is_inside or not all(word.isidentifier() for word in package.split(".")):
        reason = "package: URLs are package:NAME or package:some.package/path/NAME, and stay inside the package"
        raise FetchFault(reason, Kind.REFUSED)
    return package, parts


class _Reading:
    """Reads a descriptor to its end, and closes it."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __iter__(self) -> Iterator[bytes]:
        while data := os.read(self._fd, CHUNK):
            yield data

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._fd)
