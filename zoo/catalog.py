"""The list of all entries, answered from one JSON file so that listing imports neither a backend nor a family.

`catalog.json` is written by `scripts/update_catalog.py` from the families themselves. It remembers a checksum of each
family's file: a family that is new or was edited since is read from its module instead, so the list never lies.
"""

from __future__ import annotations

import json
import os
import zlib

from zoo.errors import ConfigError, RegistryError
from zoo.plugins import plugin_entries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from zoo.entry import Entry, Numbers

FOLDER = os.path.dirname(__file__)
CATALOG_FILE = os.path.join(FOLDER, "catalog.json")
FAMILIES_FOLDER = os.path.join(FOLDER, "architectures")

registered: dict[str, Entry] = {}
"""Entries that `zoo.register` added in this process."""

_file: dict[str, Any] | None = None


def list_models(
    pattern: str = "*",
    *,
    family: str | None = None,
    ndim: int | None = None,
    max_params: float | None = None,
    max_macs: float | None = None,
    has_weights: bool | None = None,
) -> list[str]:
    """Lists the names of the catalog's entries that pass every filter, without loading a backend.

    Args:
        pattern: Shell wildcard over full names; a bare base name such as `"resunet-v2"` finds its default entry.
        family: Only this family.
        ndim: 2 for images, 3 for volumes.
        max_params: At most this many weights.
        max_macs: At most this many multiply-accumulates at the entry's `analysis_shape`.
        has_weights: True for entries with published weights, False for entries without.

    Returns:
        Full names, families in alphabetical order, within a family as the family lists them.

    Raises:
        ConfigError: A filter has a value that it cannot take.
        RegistryError: Two plug-ins, or a plug-in and the zoo, define the same name.
    """
    _check_filters(pattern, ndim, max_params, max_macs)
    rows = dict(catalog_rows())
    names = _matching(pattern, rows)
    if family is not None:
        names = [name for name in names if rows[name]["family"] == family]
    if ndim is not None:
        names = [name for name in names if rows[name]["ndim"] == ndim]
    if has_weights is not None:
        names = [name for name in names if bool(rows[name]["weights"]) == has_weights]
    if max_params is not None:
        names = [name for name in names if _number(rows[name], "params") <= max_params]
    if max_macs is not None:
        names = [name for name in names if _number(rows[name], "macs") <= max_macs]
    return names


def catalog_rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields `(name, row)` of every entry: built in, of plug-ins, and registered.

    A row has `family`, `ndim`, `summary`, `weights`, and `numbers` where they are stored; live entries carry `entry`.

    Raises:
        RegistryError: A name is defined twice.
    """
    from zoo.weights.library import tags_of_entries

    tags = tags_of_entries()
    owners: dict[str, str] = {}
    for owner, name, row in _all_rows():
        if name in owners:
            message = f"The model name {name!r} is defined twice: by {owners[name]} and by {owner}. Remove or rename one of them."
            raise RegistryError(message)
        owners[name] = owner
        yield name, {**row, "weights": tags.get(name, [])}


def base_of(name: str) -> str:
    """Returns the name without its sizes; for names of the catalog, which are known to be well-formed."""
    parts = name.split("-")
    while len(parts) > 1 and parts[-1][0] in "df" and parts[-1][1:].isdigit():
        parts.pop()
    return "-".join(parts)


def family_modules() -> list[str]:
    """Returns the module names of all families, sorted; a file in `zoo/architectures` is a family."""
    names = os.listdir(FAMILIES_FOLDER)
    return sorted(name[:-3] for name in names if name.endswith(".py") and not name.startswith("_"))


def module_checksum(module: str) -> int:
    """Returns the CRC-32 of a family's source file."""
    with open(os.path.join(FAMILIES_FOLDER, module + ".py"), "rb") as file:
        return zlib.crc32(file.read())


def stored_rows(module: str) -> dict[str, dict[str, Any]] | None:
    """Returns the stored rows of a family by entry name, or None where its file was edited since they were written."""
    stored = _catalog_file()["families"].get(module)
    if stored is None or stored["checksum"] != module_checksum(module):
        return None
    return stored["entries"]


def stored_numbers(entry: Entry) -> Numbers | None:
    """Returns the stored numbers of exactly this entry, or None where there are none."""
    row = (stored_rows(entry.family.replace("-", "_")) or {}).get(entry.name)
    if row is None or row["config"] != config_fields(entry) or tuple(row["numbers"]["input_shape"]) != entry.analysis_shape:
        return None
    from zoo.entry import Numbers

    fields = dict(row["numbers"])
    field_of_view = tuple(None if extent is None else tuple(extent) for extent in fields["receptive_field"])
    return Numbers(**{**fields, "input_shape": tuple(fields["input_shape"]), "receptive_field": field_of_view})


def config_fields(entry: Entry) -> dict[str, Any]:
    """Returns the config's fields as JSON has them: lists for tuples."""
    import dataclasses

    fields = dataclasses.asdict(entry.config)
    return {name: _as_lists(value) for name, value in fields.items()}


def _as_lists(value: Any) -> Any:
    return [_as_lists(item) for item in value] if isinstance(value, tuple) else value


def live_row(entry: Entry) -> dict[str, Any]:
    """Returns the row of an entry whose numbers are not stored."""
    return {"family": entry.family, "ndim": entry.ndim, "summary": entry.summary, "entry": entry}


def _all_rows() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for module in family_modules():
        rows = stored_rows(module)
        if rows is None:
            from zoo.registry import family_entries

            rows = {entry.name: live_row(entry) for entry in family_entries(module)}
        for name, row in rows.items():
            yield "the zoo", name, row
    for plugin, entries in plugin_entries().items():
        for entry in entries:
            yield f"plug-in {plugin}", entry.name, live_row(entry)
    for name, entry in registered.items():
        yield "zoo.register", name, live_row(entry)


def _matching(pattern: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    import fnmatch

    defaults: dict[str, str] = {}
    for name in rows:
        defaults.setdefault(base_of(name), name)
    found = set(fnmatch.filter(rows, pattern)) | {defaults[base] for base in fnmatch.filter(defaults, pattern)}
    return [name for name in rows if name in found]


def _number(row: dict[str, Any], name: str) -> int:
    stored = row.get("numbers")
    return stored[name] if stored else getattr(row["entry"].numbers, name)


def _check_filters(pattern: Any, ndim: Any, max_params: Any, max_macs: Any) -> None:
    if not isinstance(pattern, str):
        message = f"`pattern` is a wildcard such as 'resunet-*'. Received: pattern={pattern!r}"
        raise ConfigError(message)
    if ndim not in (None, 2, 3):
        message = f"`ndim` is 2 (images) or 3 (volumes). Received: ndim={ndim!r}"
        raise ConfigError(message)
    for name, value in (("max_params", max_params), ("max_macs", max_macs)):
        if not (value is None or (isinstance(value, (int, float)) and value >= 0)):
            message = f"`{name}` is a number from 0 on, such as 5_000_000 or 5e6. Received: {name}={value!r}"
            raise ConfigError(message)


def _catalog_file() -> dict[str, Any]:
    global _file  # noqa: PLW0603  read once, on first use
    if _file is None:
        try:
            with open(CATALOG_FILE, encoding="utf-8") as file:
                _file = json.load(file)
        except FileNotFoundError:  # a checkout in which the numbers were never written
            _file = {"families": {}}
    return _file
