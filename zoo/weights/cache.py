"""The cache: one folder of verified files, each named by its hash; looking things up, importing, listing and pruning."""

from __future__ import annotations

import logging
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import DownloadError, IntegrityError, close_matches
from zoo.weights import locks, parts, places
from zoo.weights.verify import difference, digest_of, is_same_file, open_file, why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.weights.remote import RemoteFile

LOG = logging.getLogger("zoo.weights")
FINAL = re.compile(r"[0-9a-f]{16}-[a-z0-9._-]+")
SHOWN = 5
"""Files that a message lists."""


@dataclass(frozen=True, kw_only=True)
class CachedFile:
    """Something in the cache folder that the zoo put there.

    Attributes:
        name: Of the weights where they are known, else of the file.
        path: Where it is.
        bytes: Its size.
        age: Seconds since it was last written.
        kind: `"weights"`, `"partial"` (a download that is under way or broke off) or `"lock"`.
        known: Whether it belongs to one of the given files.
    """

    name: str
    path: Path
    bytes: int
    age: float
    kind: str
    known: bool

    @property
    def partial(self) -> bool:
        """Whether it is a download that is under way or broke off."""
        return self.kind == "partial"


def look_up(file: RemoteFile, folder: Path) -> Path | None:
    """Returns the path of a cached file whose size and hash are right; a wrong one is removed. Writes nothing else.

    Raises:
        DownloadError: What has its name cannot be read, or is a link or a folder.
        IntegrityError: It is wrong and cannot be removed.
    """
    path = folder / file.file_name
    try:
        fd = open_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = why(error)
        message = f"{path}, where {file.name} belongs, cannot be used: {reason}. Remove it, or set ZOO_HOME to another folder."
    else:
        try:
            wrong = difference(fd, file)
            status = os.fstat(fd)
        finally:
            os.close(fd)
        if wrong:
            _remove_wrong(path, status, wrong)
            return None
        return path
    raise DownloadError(message)


def import_file(path: str | os.PathLike[str], candidates: Iterable[RemoteFile]) -> tuple[RemoteFile, Path]:
    """Takes a file that was brought here by hand into the cache; its hash says which one it is, not its name.

    Args:
        path: The file, under any name.
        candidates: The files that it can be.

    Returns:
        Which one it is, and its path in the cache.

    Raises:
        DownloadError: It cannot be read, or the cache folder cannot take it.
        IntegrityError: It is none of the candidates.
    """
    source = Path(path)
    try:
        fd = open_file(source, follow=True)
    except OSError as error:
        message = f"{source} cannot be imported: {why(error)}."
        raise DownloadError(message) from None
    try:
        file = _recognised(source, fd, tuple(candidates))
        folder = places.cache_folder()
        return file, look_up(file, folder) or _copied(fd, file, folder)
    finally:
        os.close(fd)


def cached_files(known: Iterable[RemoteFile] = ()) -> tuple[CachedFile, ...]:
    """Lists the weights and partial downloads in the cache folder, by file name; files that are not the zoo's are left out."""
    return tuple(item for item in _contents(known) if item.kind != "lock")


def prune(known: Iterable[RemoteFile], *, everything: bool = False, dry_run: bool = False) -> tuple[CachedFile, ...]:
    """Removes what nobody needs from the cache folder, and never a file that is not the zoo's.

    Args:
        known: Files to keep.
        everything: Whether to remove known files, too. What a running process writes or locks stays in any case.
        dry_run: Whether only to tell.

    Returns:
        What was removed, or would be.

    Raises:
        DownloadError: The folder does not let go of a file.
    """
    removed = []
    for item in _contents(known):
        if _is_unwanted(item, everything=everything) and (dry_run or _remove(item)):
            removed.append(item)
    return tuple(removed)


def _remove_wrong(path: Path, status: os.stat_result, wrong: str) -> None:
    """Removes the very file that was found wrong, not one that another process has put in its place since."""
    LOG.warning("%s is damaged (%s); it is removed", path, wrong)
    try:
        if is_same_file(path.lstat(), status):
            path.unlink()
    except FileNotFoundError:
        return
    except OSError as error:
        message = f"{path} is damaged: {wrong}. It cannot be removed: {why(error)}. Set ZOO_HOME to a folder that can be written."
        raise IntegrityError(message) from None


def _recognised(source: Path, fd: int, candidates: tuple[RemoteFile, ...]) -> RemoteFile:
    size = os.fstat(fd).st_size
    same_size = [file for file in candidates if file.bytes == size]
    digest = digest_of(fd) if same_size else ""
    for file in same_size:
        if file.sha256 == digest:
            return file
    if same_size:
        near = f"It has the size of {', '.join(file.name for file in same_size[:SHOWN])}, but the SHA-256 {digest}: it is damaged"
    else:
        nearest = sorted(candidates, key=lambda file: abs(file.bytes - size))[:SHOWN]
        listed = ", ".join(f"{file.name} ({file.bytes:,} bytes)" for file in nearest) or "none"
        near = f"It has {size:,} bytes; known files of about that size: {listed}"
        near += close_matches(source.stem, [file.name for file in candidates])
    message = f"{source} is none of the {len(candidates)} known files. {near.rstrip('?.')}. Copy or download it again."
    raise IntegrityError(message)


def _copied(fd: int, file: RemoteFile, folder: Path) -> Path:
    """Copies what is behind a descriptor into the cache, and verifies the copy."""
    final = folder / file.file_name
    part = None
    try:
        places.make_folder(folder)
        part = parts.Part(folder, file.file_name)
        os.lseek(fd, 0, os.SEEK_SET)
        while part.size <= file.bytes and (data := os.read(fd, parts.CHUNK)):
            part.write(data)
        intact = part.size == file.bytes and part.digest() == file.sha256
        if intact:
            part.publish(final)
    except OSError as error:
        raise places.unusable(folder, file.bytes, why(error)) from None
    finally:
        if part is not None:
            part.discard()
    if not intact:
        message = f"The file changed while it was imported as {file.name}. Import it again when nothing writes to it."
        raise IntegrityError(message)
    return final


def _contents(known: Iterable[RemoteFile]) -> tuple[CachedFile, ...]:
    folder = places.cache_folder()
    names = {file.file_name: file.name for file in known}
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return ()
    found = (_described(Path(entry.path), names) for entry in entries)
    return tuple(item for item in found if item is not None)


def _described(path: Path, names: dict[str, str]) -> CachedFile | None:
    """Returns what a file in the folder is, None where it is not the zoo's."""
    part = parts.PART.fullmatch(path.name)
    final = part["final"] if part else path.name.removesuffix(locks.SUFFIX)
    if not FINAL.fullmatch(final):
        return None
    kind = "partial" if part else "weights" if final == path.name else "lock"
    try:
        status = path.lstat()
    except OSError:  # removed meanwhile
        return None
    return CachedFile(
        name=names.get(final, final),
        path=path,
        bytes=status.st_size,
        age=max(0.0, time.time() - status.st_mtime),
        kind=kind,
        known=final in names,
    )


def _is_unwanted(item: CachedFile, *, everything: bool) -> bool:
    if item.kind == "weights":
        return everything or not item.known
    return parts.is_abandoned(item.path) if item.partial else locks.is_free(item.path)


def _remove(item: CachedFile) -> bool:
    import shutil

    if item.kind == "lock":
        return locks.remove_free_lock(item.path)
    try:
        if item.path.is_dir() and not item.path.is_symlink():  # where a package had to download into a folder
            shutil.rmtree(item.path)
        else:
            item.path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        message = f"{item.path} cannot be removed: {why(error)}."
        raise DownloadError(message) from None
    return True
