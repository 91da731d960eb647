"""Private temporary files: what is downloaded goes into one, and only a file that was verified leaves it, at one stroke."""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.weights.verify import OPEN_READ, digest_of, is_same_file

if TYPE_CHECKING:
    from collections.abc import Iterator

PART = re.compile(r"(?P<final>[0-9a-f]{16}-[a-z0-9._-]+)\.(?P<host>[0-9a-f]{8})-(?P<pid>[0-9]+)-[0-9a-f]{8}\.part")

FILE_MODE = 0o644
"""Of new files, less what the umask takes away: nobody else may write."""

FORGOTTEN = 24 * 3600.0
"""Seconds after which a temporary file that nobody wrote to is taken for abandoned, whoever's it is."""

CHUNK = 2**20

_in_use: set[str] = set()
"""Names of this process' temporary files that a call is writing now."""


class Part:
    """A temporary file of this call alone, with the descriptor that it is written and read through.

    Attributes:
        path: Where it is; the name says on which host and by which process it was made.
        size: Bytes written.
    """

    def __init__(self, folder: Path, final: str) -> None:
        self.path = folder / part_name(final)
        self.size = 0
        _in_use.add(self.path.name)
        # O_EXCL and O_NOFOLLOW: never a file or a link that somebody put there.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(self.path, flags, FILE_MODE)
        except OSError:
            _in_use.discard(self.path.name)
            raise

    def write(self, data: bytes | memoryview) -> None:
        """Appends data."""
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self.size += written
            view = view[written:]

    def clear(self) -> None:
        """Forgets what was written."""
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)
        self.size = 0

    def digest(self) -> str:
        """Returns the SHA-256 of the whole file, read back from it."""
        return digest_of(self._fd)

    def publish(self, final: Path) -> None:
        """Gives the file its final name, safe against a power cut; the descriptor is closed then."""
        os.fsync(self._fd)
        named = os.stat(self.path, follow_symlinks=False)  # noqa: PTH116  Path.stat takes no such word on a link in 3.11
        if not is_same_file(named, os.fstat(self._fd)):
            raise FileNotFoundError(None, "another program replaced the temporary file")
        self._close()
        os.replace(self.path, final)  # noqa: PTH105  named so everywhere
        _in_use.discard(self.path.name)
        _sync_folder(final.parent)

    def discard(self) -> None:
        """Removes the file if it still has its temporary name."""
        self._close()
        with contextlib.suppress(OSError):  # a folder that turned read-only keeps it; there is a better error to report
            self.path.unlink(missing_ok=True)
        _in_use.discard(self.path.name)

    def leave(self) -> None:
        """Leaves what is there for the next call, which continues from it; an empty file is removed."""
        if self.size == 0:
            self.discard()
        self._close()
        _in_use.discard(self.path.name)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def part_name(final: str) -> str:
    """Returns a fresh name for a temporary file on its way to `final`."""
    import secrets

    return f"{final}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.part"


@contextlib.contextmanager
def scratch_folder(folder: Path, final: str) -> Iterator[Path]:
    """Makes a temporary folder on the way to `final`, for packages that download into one; it is removed in the end."""
    import shutil

    path = folder / part_name(final)
    _in_use.add(path.name)
    try:
        path.mkdir(0o700)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _in_use.discard(path.name)


def parts_of(folder: Path, final: str | None = None) -> Iterator[Path]:
    """Yields the temporary files in a folder, of one final name or of all."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208  names are what is matched
    except OSError:
        return
    for name in names:
        match = PART.fullmatch(name)
        if match and final in (None, match["final"]):
            yield folder / name


def is_abandoned(path: Path) -> bool:
    """Tells whether nobody writes a temporary file any more: its process is gone, or it is a day old.

    A process of another host, container or boot cannot be seen from here; its files become old.
    """
    match = PART.fullmatch(path.name)
    if match is None or path.name in _in_use:
        return False
    if match["host"] == _host():
        return int(match["pid"]) == os.getpid() or not _is_alive(int(match["pid"]))
    try:
        return time.time() - path.lstat().st_mtime > FORGOTTEN
    except OSError:
        return False


def adopt(part: Part, folder: Path, final: str, size: int) -> None:
    """Copies the largest abandoned temporary file of `final` into `part`, and removes all abandoned ones.

    A copy, as nobody can be sure that a process is gone; and a start only, as the hash of the whole decides in the end.

    Args:
        part: The call's own temporary file, empty.
        folder: The cache folder.
        final: The final name.
        size: Bytes of the whole file; larger ones are of no use.
    """
    abandoned = [path for path in parts_of(folder, final) if is_abandoned(path)]
    for path in sorted(abandoned, key=_size, reverse=True):
        if part.size == 0 and 0 < _size(path) <= size:
            try:
                _copy(path, part, size)
            except OSError:  # a disk that is full or a file that cannot be read: begin from zero
                part.clear()
        try:
            path.unlink()
        except OSError:
            continue


def _copy(path: Path, part: Part, size: int) -> None:
    fd = os.open(path, OPEN_READ)
    try:
        while part.size <= size and (data := os.read(fd, CHUNK)):
            part.write(data)
    finally:
        os.close(fd)
    if part.size > size:
        part.clear()


def _size(path: Path) -> int:
    """Returns the bytes of a regular file, -1 of anything else."""
    import stat

    try:
        status = path.lstat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there, os.kill ends the process
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it lives and is somebody else's
        return True
    return True


def _host() -> str:
    """Returns eight digits for this host, boot and space of process numbers, within which a number means one process."""
    import hashlib
    import platform

    found = [platform.node(), "", ""]
    with contextlib.suppress(OSError):  # not on Linux
        found[1] = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        found[2] = os.readlink("/proc/self/ns/pid")  # noqa: PTH115  not a path
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:8]


def _sync_folder(folder: Path) -> None:
    """Makes the new name last through a power cut, where the system can."""
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows
        return
    try:
        os.fsync(fd)
    except OSError:  # some network file systems; the name is there, only later on the disk
        return
    finally:
        os.close(fd)
