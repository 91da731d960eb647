"""Entries that other installed packages add, through the entry point group `zoo.architectures`.

An entry point names a module with `ENTRIES` and `build`, made like a file of `zoo.architectures` (or the entries in it):

    [project.entry-points."zoo.architectures"]
    my-nets = "my_package.nets"
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from zoo.entry import Entry

GROUP = "zoo.architectures"

_loaded: dict[str, tuple[Entry, ...]] = {}
_broken: dict[str, str] = {}
_mentioned: dict[tuple[str, ...], bool] = {}  # by group and search path


def plugin_entries() -> dict[str, tuple[Entry, ...]]:
    """Returns the entries of every plug-in that loads, by `"name (package)"`, in the order of the names."""
    points = entry_points(GROUP)
    for point in points:
        label = label_of(point)
        if label not in _loaded and label not in _broken:
            try:
                _loaded[label] = _entries_of(point)
            except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a foreign package does must not break the rest
                _broken[label] = f"{type(error).__name__}: {error}"
    present = {label_of(point) for point in points}
    return {label: entries for label, entries in _loaded.items() if label in present}


def broken_plugins() -> dict[str, str]:
    """Returns why each plug-in that does not load fails, by `"name (package)"`."""
    plugin_entries()
    return dict(_broken)


def forget_plugins() -> None:
    """Makes the next look-up read and load the plug-ins again."""
    _mentioned.clear()
    _loaded.clear()
    _broken.clear()


def _entries_of(point: EntryPoint) -> tuple[Entry, ...]:
    from zoo.entry import Entry

    named = point.load()
    entries = getattr(named, "ENTRIES", named)
    if isinstance(entries, Entry):
        return (entries,)
    if not isinstance(entries, (tuple, list)) or not all(isinstance(entry, Entry) for entry in entries):
        message = f"{point.value} must be a module with ENTRIES, a tuple of zoo.Entry, or such a tuple; received {entries!r}"
        raise TypeError(message)
    return tuple(entries)


def label_of(point: EntryPoint) -> str:
    """Returns what a plug-in is called in messages: `"name (package: module)"`."""
    return f"{point.name} ({point.dist.name if point.dist else 'unknown package'}: {point.value})"


def entry_points(group: str) -> list[EntryPoint]:
    """Returns the entry points of a group, sorted by name.

    `importlib.metadata` costs more time than everything else that listing does, so it is imported only where some
    installed package mentions the group at all.
    """
    if "importlib.metadata" not in sys.modules:
        key = (group, *sys.path)
        if key not in _mentioned:
            _mentioned[key] = _group_is_mentioned(group)
        if not _mentioned[key]:
            return []
    from importlib import metadata

    return sorted(metadata.entry_points(group=group), key=lambda point: (point.name, point.value))


def _group_is_mentioned(group: str) -> bool:
    """Looks into the installed packages on the search path."""
    wanted = f"[{group}]".encode()
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:  # zip files and folders that do not exist
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(folder, name, "entry_points.txt"), "rb") as file:
                        if wanted in file.read():
                            return True
                except OSError:
                    continue
    return False
