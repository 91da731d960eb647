"""The cache folder, and what the environment says about downloads."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.errors import ConfigError, DownloadError

YES = ("1", "true", "yes", "on")
NO = ("", "0", "false", "no", "off")

FOLDER_MODE = 0o755
"""Of new folders, less what the umask takes away: nobody else may write."""


class FolderError(DownloadError):
    """The cache folder cannot take a file, whatever the source is."""


def cache_folder() -> Path:
    """Returns the folder of fetched weights, which need not exist.

    `$ZOO_HOME/weights`, else `$XDG_CACHE_HOME/resunet-zoo/weights`, else the folder that the platform has for caches.
    """
    home = os.environ.get("ZOO_HOME", "")
    if home:
        return Path(home).expanduser().absolute() / "weights"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if xdg and Path(xdg).is_absolute():  # the specification ignores relative ones
        return Path(xdg) / "resunet-zoo" / "weights"
    import platformdirs

    return platformdirs.user_cache_path("resunet-zoo", appauthor=False) / "weights"


def is_offline() -> bool:
    """Tells whether `ZOO_OFFLINE` forbids the network."""
    return _flag("ZOO_OFFLINE")


def is_http_allowed() -> bool:
    """Tells whether `ZOO_ALLOW_HTTP` allows connections that anybody on the way can change."""
    return _flag("ZOO_ALLOW_HTTP")


def make_folder(folder: Path) -> None:
    """Makes a folder and its parents; others cannot write into what is made.

    Raises:
        OSError: It cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(FOLDER_MODE)
        except FileExistsError:  # made by another process meanwhile, or a file, which the next step finds out
            continue
    if not folder.is_dir():
        raise NotADirectoryError(None, "a file is in the place of the folder")


def unusable(folder: Path, needed: int, reason: str) -> FolderError:
    """Returns the error about a folder that cannot take a file.

    Args:
        folder: The cache folder.
        needed: Bytes that it must take.
        reason: What went wrong.
    """
    free = free_bytes(folder)
    room = "unknown" if free is None else f"{free:,} bytes"
    message = (
        f"The file cannot be put into the cache folder {folder}: {reason}. Needed: {needed:,} bytes; free there: {room}. "
        "Make room or the folder writable, or set ZOO_HOME to another folder."
    )
    return FolderError(message)


def free_bytes(folder: Path) -> int | None:
    """Returns the free bytes of the disk on which a folder is or would be, None where the system does not tell."""
    import shutil

    for path in (folder, *folder.parents):
        try:
            usage = shutil.disk_usage(path)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return usage.free if usage.total else None  # some network file systems say 0 of 0
    return None


def _flag(name: str) -> bool:
    value = os.environ.get(name, "").strip().lower()
    if value not in YES + NO:
        message = f"{name} is 1, true, yes or on, or else 0, false, no or off. Received: {name}={os.environ[name]!r}"
        raise ConfigError(message)
    return value in YES
