"""From a name and a file to the config of the network that the file's tensors belong to.

What the name states and what the caller says stands; a file that tells otherwise is refused, with the name that it has. All
else that the file tells is taken from it: classes, channels, kernels, how many units there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.config import ModelConfig, shown
from zoo.errors import ConfigError, IntegrityError, WeightsError
from zoo.registry import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo.entry import Entry

FILLED = {
    "strides": "level_strides",
    "kernel_sizes": "level_kernels",
    "units": "unit_counts",
    "max_filters": "most_filters",
    "blocks_down": "encoder_blocks",
    "blocks_up": "decoder_blocks",
}
"""Properties with the value that a field has where it is None."""


def fitted(path: str, entry: Entry, overrides: Mapping[str, Any], facts: Mapping[str, Any]) -> ModelConfig:
    """Returns the config of what is in a file.

    Args:
        path: Of the file, for messages.
        entry: What the caller says that it is.
        overrides: Fields of the config that the caller gives.
        facts: What the file tells: fields of the config, besides "ndim" and "channels".

    Raises:
        ConfigError: An override is not a field or has a value that is not allowed.
        IntegrityError: The file tells something that the family does not have.
        WeightsError: The file tells otherwise than the name or the overrides.
    """
    config = resolve(entry, **overrides)
    told = {name: value for name, value in facts.items() if name not in ("ndim", "channels")}
    _check_rank(path, config, facts)
    if "channels" in facts:
        told["input_shape"] = (*config.input_shape[:-1], facts["channels"])
    changes = {name: value for name, value in told.items() if _value(config, name) != value}
    against = {name: value for name, value in changes.items() if name in overrides}
    if against:
        given = {name: overrides[name] for name in against}
        message = f"{path} tells {_words(against)}. Received: {_words(given)}; leave it out, or give what the file tells."
        raise WeightsError(message)
    try:
        found = config.replace(**changes)
    except ConfigError as error:
        message = f"{path} holds no network that {config.family!r} has: it tells {_words(changes)}. {error}"
        raise IntegrityError(message) from error
    if found.name != config.name:
        named = {name: value for name, value in changes.items() if name not in ("input_shape", "classes")}
        message = (
            f"{path} does not hold weights of {config.name!r} but of {found.name!r}: it tells {_words(named)}. "
            f"Convert it to {found.name!r}, or check that it is the right file."
        )
        raise WeightsError(message)
    return found


def _check_rank(path: str, config: ModelConfig, facts: Mapping[str, Any]) -> None:
    ndim = facts.get("ndim", config.ndim)
    if ndim == config.ndim:
        return
    kinds = {2: "images (2D)", 3: "volumes (3D)"}
    shape: tuple[int | None, ...] = (*[None] * ndim, 1)
    hint = f"; try {type(config)(input_shape=shape).base!r}" if ndim in config.ranks else ""
    message = f"{path} is for {kinds.get(ndim, f'{ndim}D')}, and {config.name!r} is for {kinds[config.ndim]}{hint}."
    raise WeightsError(message)


def _value(config: ModelConfig, name: str) -> Any:
    """Returns the value of a field with its default filled in."""
    return getattr(config, FILLED.get(name, name))


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={shown(value)}" for name, value in values.items())
