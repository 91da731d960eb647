"""What a file of weights says about itself: the network, its config, and the card."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import IntegrityError, ZooError
from zoo.weights.entry import Card, Probe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.config import ModelConfig

FORMAT = "resunet-zoo-1"


@dataclass(frozen=True, kw_only=True)
class Description:
    """The metadata of a file.

    Attributes:
        entry: Name of the network.
        config: Exactly which network.
        scope: `"all"`, or `"encoder"` where the file has nothing else.
        fingerprint: See `zoo.weights.signature`.
        card: What people should know.
        probe: What the network computes.
    """

    entry: str
    config: ModelConfig
    scope: str = "all"
    fingerprint: str = ""
    card: Card = field(default_factory=Card)
    probe: Probe | None = None


def to_metadata(description: Description) -> dict[str, str]:
    """Returns the texts that go into the file."""
    import dataclasses

    from zoo.weights.manifest import to_fields

    fields = {field.name: getattr(description.config, field.name) for field in dataclasses.fields(description.config)}
    texts = {
        "format": FORMAT,
        "entry": description.entry,
        "config": json.dumps(fields),
        "scope": description.scope,
        "fingerprint": description.fingerprint,
        "card": json.dumps(to_fields(description.card)),
    }
    return texts if description.probe is None else {**texts, "probe": json.dumps(to_fields(description.probe))}


def from_metadata(metadata: Mapping[str, str], what: str) -> Description:
    """Reads the texts of a file, which are not to be trusted.

    Raises:
        IntegrityError: The file is not of the zoo, of another format, or describes a network that there is not.
    """
    from zoo.weights.manifest import record_from

    stored = metadata.get("format")
    if stored != FORMAT:
        message = (
            f"{what} was not written by the zoo (format {stored!r}, not {FORMAT!r}), so it does not say which network it is for. "
            "`zoo convert FILE --to ENTRY` takes files of other projects."
        )
        raise IntegrityError(message)
    try:
        config = _config(metadata["entry"], json.loads(metadata["config"]))
        card = record_from(json.loads(metadata.get("card", "{}")), Card, f"the card of {what}")
        probe = record_from(json.loads(metadata["probe"]), Probe, f"the probe of {what}") if "probe" in metadata else None
    except (ZooError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        message = f"{what} describes itself in a way that cannot be read: {type(error).__name__}: {error}"
        raise IntegrityError(message) from None
    scope = metadata.get("scope", "all")
    if scope not in ("all", "encoder"):
        message = f"{what} has the scope {scope!r}; known are 'all' and 'encoder'."
        raise IntegrityError(message)
    fingerprint = metadata.get("fingerprint", "")
    return Description(entry=metadata["entry"], config=config, scope=scope, fingerprint=fingerprint, card=card, probe=probe)


def _config(entry: str, fields: Mapping[str, Any]) -> ModelConfig:
    from zoo.registry import info

    return info(entry).config.replace(**{name: _as_tuples(value) for name, value in fields.items()})


def _as_tuples(value: Any) -> Any:
    return tuple(_as_tuples(item) for item in value) if isinstance(value, list) else value
