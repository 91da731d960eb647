"""Manifests: JSON files that list weights, `{"format": 1, "weights": [...]}` with the fields of `WeightsEntry`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from zoo.errors import RegistryError, close_matches

if TYPE_CHECKING:
    from zoo.weights.entry import WeightsEntry

Record = TypeVar("Record")

FORMAT = 1
LARGEST = 4 * 2**20
"""Bytes of the largest manifest that is read."""


def parse_manifest(data: bytes, origin: str) -> tuple[WeightsEntry, ...]:
    """Reads a manifest.

    Args:
        data: UTF-8 JSON.
        origin: Where it is from, for messages.

    Raises:
        RegistryError: It is not JSON, has another format, or a field is unknown, missing or of the wrong type.
    """
    from zoo.weights.entry import WeightsEntry

    content = _decoded(data, dict[str, Any], origin)
    if content.get("format") != FORMAT:
        message = f"{origin} is not a manifest of format {FORMAT}. Received: format={content.get('format')!r}"
        raise RegistryError(message)
    rows = content.get("weights")
    if not isinstance(rows, list) or set(content) != {"format", "weights"}:
        message = f"{origin} must have exactly 'format' and 'weights', a list. Received: {', '.join(map(repr, content))}"
        raise RegistryError(message)
    entries = tuple(record_from(row, WeightsEntry, f"{origin}, weights[{place}]") for place, row in enumerate(rows))
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"{origin} lists {twice[0]!r} twice. A published name has one file; give the other one a new version."
        raise RegistryError(message)
    return entries


def manifest_bytes(entries: tuple[WeightsEntry, ...]) -> bytes:
    """Returns a manifest as it is stored: indented, fields in their order, defaults left out."""
    import msgspec

    rows = [to_fields(entry) for entry in entries]
    return msgspec.json.format(msgspec.json.encode({"format": FORMAT, "weights": rows}), indent=2) + b"\n"


def to_fields(record: Any) -> dict[str, Any]:
    """Returns the fields of a record that differ from their defaults, as JSON has them."""
    import dataclasses

    import msgspec

    changed = {
        field.name: getattr(record, field.name)
        for field in dataclasses.fields(record)
        if field.default is dataclasses.MISSING or getattr(record, field.name) != field.default
    }
    return msgspec.to_builtins({name: _short(value) for name, value in changed.items()})


def record_from(row: Any, kind: type[Record], origin: str) -> Record:
    """Makes a record from what JSON has, strictly: unknown fields and wrong types are errors that name the field."""
    import msgspec

    _refuse_unknown(row, kind, origin)
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        message = f"{origin}: {error}"
        raise RegistryError(message) from None


def _short(value: Any) -> Any:
    """Leaves out defaults of nested records, too."""
    import dataclasses

    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_fields(value)
    return tuple(_short(item) for item in value) if isinstance(value, tuple) else value


def _refuse_unknown(row: Any, kind: Any, origin: str) -> None:
    """Raises on a field that no attribute has, at any depth."""
    import dataclasses
    import typing

    if not isinstance(row, dict):
        return
    hints = typing.get_type_hints(kind)
    fields = [field.name for field in dataclasses.fields(kind)]
    for name, value in row.items():
        if name not in fields:
            near = close_matches(str(name), fields) or "."
            message = f"{origin}: unknown field {name!r}{near} Fields: {', '.join(fields)}"
            raise RegistryError(message)
        inner = [part for part in _parts(hints[name]) if dataclasses.is_dataclass(part)]
        for part in inner:
            for item in value if isinstance(value, list) else [value]:
                _refuse_unknown(item, part, f"{origin}, {name}")


def _parts(hint: Any) -> list[Any]:
    import typing

    inner = typing.get_args(hint)
    return [hint] if not inner else [part for argument in inner for part in _parts(argument)]


def _decoded(data: bytes, kind: Any, origin: str) -> Any:
    import msgspec

    if len(data) > LARGEST:
        message = f"{origin} has {len(data):,} bytes; a manifest has {LARGEST:,} at most."
        raise RegistryError(message)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        message = f"{origin} is not a manifest: {error}"
        raise RegistryError(message) from None
