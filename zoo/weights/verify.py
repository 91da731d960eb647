"""Size and SHA-256 of files, read through one descriptor that never follows a link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.weights.remote import RemoteFile

# O_NONBLOCK: opening a pipe that somebody put there would wait for ever.
OPEN_READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def open_file(path: Path, *, follow: bool = False) -> int:
    """Opens a regular file for reading and returns the descriptor.

    Args:
        path: The file.
        follow: Whether a symbolic link will do: for people's own files, not for the cache.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read, or it is a link, a folder or a device.
    """
    import errno
    import stat

    try:
        fd = os.open(path, OPEN_READ & ~getattr(os, "O_NOFOLLOW", 0) if follow else OPEN_READ)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK) and not follow:
            raise OSError(error.errno, "it is a symbolic link, and links are not followed there") from None
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return fd


def digest_of(fd: int) -> str:
    """Returns the SHA-256 of the whole file behind a descriptor."""
    import hashlib

    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb", buffering=0, closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def difference(fd: int, file: RemoteFile) -> str:
    """Returns what is wrong with the file behind a descriptor, empty where size and SHA-256 are right."""
    size = os.fstat(fd).st_size
    if size != file.bytes:
        return f"it has {size:,} bytes, not {file.bytes:,}"
    digest = digest_of(fd)
    return "" if digest == file.sha256 else f"its SHA-256 is {digest}, not {file.sha256}"


def is_same_file(one: os.stat_result, other: os.stat_result) -> bool:
    """Tells whether two results of `stat` are of one file."""
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def why(error: BaseException) -> str:
    """Returns the system's words about an error, without the path, which the message has."""
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
