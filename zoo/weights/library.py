"""Which weights there are: those of the package, of plug-ins, of `ZOO_MANIFESTS`, and those that were added in this process.

A plug-in is an entry point of the group `zoo.weights` that names a `WeightsEntry`, a tuple of them, or the path of a manifest:

    [project.entry-points."zoo.weights"]
    my-weights = "my_package.weights:ENTRIES"
"""

from __future__ import annotations

import os

from zoo.errors import RegistryError, UnknownModelError, UnknownWeightsError, ZooError, close_matches
from zoo.names import split_tag
from zoo.plugins import entry_points, label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from zoo.weights.entry import WeightsEntry

GROUP = "zoo.weights"
VARIABLE = "ZOO_MANIFESTS"
MANIFEST = os.path.join(os.path.dirname(__file__), "manifest.json")

added: dict[str, WeightsEntry] = {}
"""What `add_weights` added in this process."""

_read: dict[tuple[str, Any], tuple[WeightsEntry, ...]] = {}
_broken: dict[str, str] = {}


def list_weights(
    pattern: str = "*", *, task: str | None = None, licence: str | None = None, data_licence: str | None = None
) -> list[str]:
    """Lists the names of published weights that pass every filter, without loading a backend or opening a socket.

    Args:
        pattern: Shell wildcard over full names, `"resunet-*"`, `"*.nuclei-v1"`; the name of an entry finds all of its weights.
        task: Wildcard over what they do, such as `"nuclei"`.
        licence: Wildcard over the licence of the weights, such as `"CC0*"`.
        data_licence: Wildcard over the licence of the data that they were trained on.

    Returns:
        Names `"<entry>.<tag>"`, sorted.

    Raises:
        RegistryError: A manifest is ill-formed, or two of them define the same name.
    """
    import fnmatch

    def fits(name: str, entry: WeightsEntry) -> bool:
        filters = ((task, entry.task), (licence, entry.licence), (data_licence, entry.data_licence))
        named = fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(entry.entry, pattern)
        return named and all(wanted is None or fnmatch.fnmatchcase(has.lower(), wanted.lower()) for wanted, has in filters)

    return sorted(name for name, entry in all_weights().items() if fits(name, entry))


def weights_info(name: str) -> WeightsEntry:
    """Returns all that is known about weights.

    Args:
        name: `"<entry>.<tag>"`; `"<entry>.default"` are the entry's default weights.

    Raises:
        UnknownWeightsError: There are none of this name; the message has close matches.
    """
    if not isinstance(name, str):
        message = f"The name of weights is a string such as 'resunet-v1-d3-f8.nuclei-v1'. Received: {name!r}"
        raise UnknownWeightsError(message)
    entry_name, tag = split_tag(name)
    known = all_weights()
    full = f"{_full_name(entry_name)}.{tag}"
    if full in known:
        return known[full]
    own = [entry for entry in known.values() if entry.entry == full.partition(".")[0]]
    if tag == "default":
        chosen = [entry for entry in own if entry.default] or own[:1]
        if chosen:
            return chosen[0]
    raise UnknownWeightsError(_no_such_weights(entry_name, tag, own, known))


def add_weights(*sources: WeightsEntry | str | os.PathLike[str]) -> list[str]:
    """Adds weights of your own to this process.

    Args:
        *sources: Records, or manifests: a file's path, or a URL (`https:`, or whatever has a fetcher).

    Returns:
        The names that were added.

    Raises:
        RegistryError: A manifest is ill-formed, or a name is taken; nothing is added then.
        DownloadError: A URL cannot be fetched.
    """
    from zoo.weights.entry import WeightsEntry

    new: list[WeightsEntry] = []
    for source in sources:
        new += [source] if isinstance(source, WeightsEntry) else _manifest(os.fspath(source))
    taken = set(all_weights())
    for entry in new:
        if entry.name in taken:
            message = f"The weights {entry.name!r} exist already. A published name has one file; choose another tag."
            raise RegistryError(message)
        taken.add(entry.name)
    added.update({entry.name: entry for entry in new})
    return [entry.name for entry in new]


def all_weights() -> dict[str, WeightsEntry]:
    """Returns all known weights by name.

    Raises:
        RegistryError: A manifest of the package or of `ZOO_MANIFESTS` is ill-formed, or a name is defined twice.
    """
    found: dict[str, WeightsEntry] = {}
    owners: dict[str, str] = {}
    for owner, entries in _origins():
        for entry in entries:
            if entry.name in owners:
                message = (
                    f"The weights {entry.name!r} are defined twice: by {owners[entry.name]} and by {owner}. Remove one of them."
                )
                raise RegistryError(message)
            owners[entry.name] = owner
            found[entry.name] = entry
    return found


def tags_of_entries() -> dict[str, list[str]]:
    """Returns the tags of each entry that has weights; cheap where only the package has any."""
    found: dict[str, list[str]] = {}
    others = added or os.environ.get(VARIABLE) or entry_points(GROUP)
    for name in all_weights() if others else _names_of_package():
        entry, tag = split_tag(name)
        found.setdefault(entry, []).append(tag or "")
    return found


def broken_manifests() -> dict[str, str]:
    """Returns why each plug-in with weights that does not load fails."""
    all_weights()
    return dict(_broken)


def forget_manifests() -> None:
    """Makes the next look-up read everything again, and removes what was added."""
    added.clear()
    _read.clear()
    _broken.clear()


def _origins() -> Iterator[tuple[str, Iterable[WeightsEntry]]]:
    if os.path.exists(MANIFEST):
        yield "the zoo", _manifest(MANIFEST)
    for point in entry_points(GROUP):
        yield f"plug-in {label_of(point)}", _of_plugin(point)
    for source in filter(None, (part.strip() for part in os.environ.get(VARIABLE, "").split(","))):
        yield source, _manifest(source)
    yield "zoo.add_weights", added.values()


def _manifest(source: str) -> tuple[WeightsEntry, ...]:
    """Reads a manifest once for each state of its file."""
    from zoo.weights.manifest import LARGEST, parse_manifest

    if is_url(source):
        key: tuple[str, Any] = (source, None)
        if key not in _read:
            from zoo.weights.download import fetch_text

            _read[key] = parse_manifest(fetch_text(source, LARGEST), source)
        return _read[key]
    try:
        state = os.stat(source)
        key = (source, (state.st_size, state.st_mtime_ns))
        if key not in _read:
            with open(source, "rb") as file:
                _read[key] = parse_manifest(file.read(LARGEST + 1), source)
    except OSError as error:
        message = f"The manifest {source} cannot be read: {error.strerror or error}."
        raise RegistryError(message) from None
    return _read[key]


def is_url(text: str) -> bool:
    """Whether a text begins with a scheme, as no path does: a single letter is a drive."""
    scheme, colon, _ = text.partition(":")
    return bool(colon) and len(scheme) > 1 and scheme.isascii() and scheme.replace("+", "").replace("-", "").isalnum()


def _of_plugin(point: Any) -> tuple[WeightsEntry, ...]:
    from zoo.weights.entry import WeightsEntry

    label = label_of(point)
    if (label, None) in _read:
        return _read[label, None]
    try:
        named = point.load()
        if isinstance(named, (str, os.PathLike)):
            found = _manifest(os.fspath(named))
        else:
            found = (named,) if isinstance(named, WeightsEntry) else tuple(named)
        wrong = [entry for entry in found if not isinstance(entry, WeightsEntry)]
        if wrong:
            message = (
                f"{point.value} must be a zoo.WeightsEntry, a tuple of them, or the path of a manifest; received {wrong[0]!r}"
            )
            raise TypeError(message)
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a foreign package does must not break the rest
        _broken[label] = f"{type(error).__name__}: {error}"
        found = ()
    _read[label, None] = found
    return found


def _names_of_package() -> list[str]:
    import json

    try:
        with open(MANIFEST, encoding="utf-8") as file:
            return [row["name"] for row in json.load(file)["weights"]]
    except FileNotFoundError:
        return []


def _full_name(entry: str) -> str:
    """Returns the full name of an entry: `"resunet-v1"` is `"resunet-v1-d5-f64"`."""
    from zoo.registry import info

    try:
        return info(entry).name
    except ZooError as error:
        if isinstance(error, UnknownModelError):
            raise
        return entry


def _no_such_weights(entry: str, tag: str | None, own: list[WeightsEntry], known: dict[str, WeightsEntry]) -> str:
    if tag is None:
        example = own[0].name if own else next(iter(known), "resunet-v1-d3-f8.nuclei-v1")
        return f"{entry!r} names a network, not weights: those are called <entry>.<tag>, such as {example!r}."
    if own:
        tags = [entry.tag for entry in own]
        near = close_matches(tag, tags) or "."
        return f"{entry} has no weights {tag!r}{near} It has: {', '.join(map(repr, tags))}."
    same = [name for name in known if split_tag(name)[1] == tag]
    others = f" {tag!r} exists for {', '.join(split_tag(name)[0] for name in same)}." if same else ""
    text = f"{entry} has no weights {tag!r}: none are published for it.{others} Use weights=None for a fresh network"
    for plugin, reason in _broken.items():
        text += f"; the plug-in {plugin} could not be loaded and may define them: {reason}"
    return text + "; zoo.list_weights() and `zoo weights list` show all weights."
