"""From weights for k channels and m classes to a network with others: which tensors change, and how.

What depends on the channels or classes is found by building the network with one more of them and comparing shapes, so that
it holds for every family, with several heads or shortcuts from the image, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, WeightsError, close_matches

if TYPE_CHECKING:
    import numpy as np

    from zoo.config import ModelConfig

Shapes = Mapping[str, tuple[int, ...]]
Change = Callable[["np.ndarray", "np.ndarray"], "np.ndarray"]
"""From a tensor of the file and the current value of the variable to its new value."""

CHANNELS = ("mean", "repeat", "zero")
SHORT = ("fresh", "encoder")


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """What may be changed to make weights fit another network; nothing is changed that is not asked for.

    Attributes:
        channels: How the first layers get another number of channels. `"mean"` gives every channel the mean of all; `"repeat"`
            takes the old ones in turn; `"zero"` keeps those that both have, others start at zero; a tuple has for each new
            channel the old one that it continues, or None for zero: `(0, 1, 2, None)`. Where an old channel is spread over
            several, its weights are divided by their number: an image whose channels are all alike gives what it gave before.
            None refuses another number.
        classes: `"fresh"` leaves the last layers as they are initialised; a tuple has for each new class the name of the old
            one whose rows it takes, or None for a fresh one: `("nucleus", None)`. None refuses other classes.
        scope: `"all"`, or `"encoder"` for the encoder and the bottleneck alone; the rest keeps the values that it has.

    Raises:
        ConfigError: A value is not allowed.
    """

    channels: str | tuple[int | None, ...] | None = None
    classes: str | tuple[str | None, ...] | None = None
    scope: str = "all"

    def __post_init__(self) -> None:
        if isinstance(self.channels, str) and self.channels not in CHANNELS:
            _refuse(
                "channels", self.channels, f"one of {', '.join(map(repr, CHANNELS))}, a tuple such as (0, 1, 2, None), or None"
            )
        if isinstance(self.classes, str) and self.classes != "fresh":
            _refuse("classes", self.classes, "'fresh', a tuple such as ('nucleus', None), or None")
        if self.scope not in ("all", "encoder"):
            _refuse("scope", self.scope, "'all' or 'encoder'")
        for field in ("channels", "classes"):
            value = getattr(self, field)
            if isinstance(value, list):
                object.__setattr__(self, field, tuple(value))
            elif not isinstance(value, (str, tuple, type(None))):
                _refuse(field, value, "a word, a tuple, or None")


def as_adapt(value: Any) -> Adapt:
    """Reads the short forms: `"mean"`, `"repeat"` and `"zero"` also give other classes fresh rows; `"fresh"`, `"encoder"`."""
    if value is None:
        return Adapt()
    if isinstance(value, Adapt):
        return value
    if value in CHANNELS:
        return Adapt(channels=value, classes="fresh")
    if value == "fresh":
        return Adapt(classes="fresh")
    if value == "encoder":
        return Adapt(scope="encoder")
    near = close_matches(str(value), [*CHANNELS, *SHORT]) or "."
    allowed = ", ".join(map(repr, (*CHANNELS, *SHORT)))
    message = f"`adapt` is one of {allowed}, or a zoo.Adapt(channels=, classes=, scope=){near} Received: adapt={value!r}"
    raise ConfigError(message)


def shapes_of(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the variables of a config's network by path."""
    from zoo.registry import build_weightless

    return {weight.path: tuple(weight.shape) for weight in build_weightless(config).weights}


def with_channels(config: ModelConfig, channels: int) -> ModelConfig:
    """Returns the config for images of another number of channels."""
    return config.replace(input_shape=(*config.input_shape[:-1], channels))


def channel_changes(config: ModelConfig, channels: int, how: str | tuple[int | None, ...]) -> dict[str, Change]:
    """Returns what to do with each tensor that depends on the channels of the image.

    Raises:
        ConfigError: A map names a channel that is not there, or not as many as the network has.
        WeightsError: A tensor depends on the channels in a way that has no adaptation.
    """
    old = config.input_shape[-1] or 0
    sources = _sources(how, old, channels)
    found: dict[str, Change] = {}
    for name, axis, rank in _dependent(config, with_channels(config, old + 1), old):
        if rank == 1:
            found[name] = _taking(0, sources)
        elif axis == rank - 2:
            found[name] = _mean(axis, channels) if sources is None else _spread(axis, sources)
        else:
            message = f"{config.name} has no adaptation to other channels: {name} depends on them along axis {axis} of {rank}."
            raise WeightsError(message)
    return found


def class_changes(
    config: ModelConfig, classes: int, how: str | tuple[str | None, ...], names: tuple[str, ...]
) -> dict[str, Change | None]:
    """Returns what to do with each tensor that depends on the classes; None where it stays fresh.

    Raises:
        ConfigError: A name is not one of the classes that the weights have, or there are not as many as the network has.
        WeightsError: A tensor depends on the classes in a way in which no rows can be chosen.
    """
    dependent = _dependent(config, config.replace(classes=config.classes + 1), config.classes, strict=how != "fresh")
    if isinstance(how, str):
        return dict.fromkeys((name for name, _, _ in dependent), None)
    if len(how) != classes:
        message = f"`classes` of the adaptation has one name or None per class of the network, {classes}. Received: {how}"
        raise ConfigError(message)
    for name in how:
        if name is not None and name not in names:
            near = close_matches(str(name), names) or "."
            message = f"The weights have no class {name!r}{near} They have: {', '.join(map(repr, names)) or 'no names'}"
            raise ConfigError(message)
    rows = tuple(None if name is None else names.index(name) for name in how)
    return {name: _taking(axis, rows) for name, axis, _ in dependent}


def _sources(how: str | tuple[int | None, ...], old: int, new: int) -> tuple[int | None, ...] | None:
    """Returns the old channel of each new one; None for the mean of all."""
    if how == "mean":
        return None
    if how == "repeat":
        return tuple(place % old for place in range(new))
    if how == "zero":
        return tuple(place if place < old else None for place in range(new))
    if len(how) != new or any(not (place is None or (isinstance(place, int) and 0 <= place < old)) for place in how):
        message = (
            f"`channels` of the adaptation has one old channel from 0 to {old - 1}, or None, for each of the {new} channels of "
            f"the network. Received: {how}"
        )
        raise ConfigError(message)
    return how  # type: ignore[return-value]


def _dependent(config: ModelConfig, more: ModelConfig, count: int, *, strict: bool = True) -> list[tuple[str, int, int]]:
    """Returns `(name, axis, rank)` of the tensors with another shape in a network that has one more."""
    before, after = shapes_of(config), shapes_of(more)
    found = []
    for name, shape in before.items():
        other = after.get(name, ())
        if shape == other:
            continue
        axes = [axis for axis, (a, b) in enumerate(zip(shape, other, strict=False)) if a != b]
        plain = len(shape) == len(other) and len(axes) == 1 and (shape[axes[0]], other[axes[0]]) == (count, count + 1)
        if strict and not plain:
            message = f"{config.name} has no such adaptation: {name} is {shape}, and {other} with one more."
            raise WeightsError(message)
        found.append((name, axes[0] if axes else 0, len(shape)))
    return found


def _mean(axis: int, new: int) -> Change:
    def change(values: np.ndarray, current: np.ndarray) -> np.ndarray:
        import numpy as np

        total = values.astype("float32").sum(axis=axis, keepdims=True)
        return np.repeat(total / new, new, axis=axis)

    return change


def _spread(axis: int, sources: tuple[int | None, ...]) -> Change:
    """Takes old channels, each divided by the number of new ones that continue it; None gives zeros."""

    def change(values: np.ndarray, current: np.ndarray) -> np.ndarray:
        import numpy as np

        slices = []
        for source in sources:
            part = np.take(values.astype("float32"), [0 if source is None else source], axis=axis)
            slices.append(part * 0 if source is None else part / sources.count(source))
        return np.concatenate(slices, axis=axis)

    return change


def _taking(axis: int, sources: tuple[int | None, ...] | None) -> Change:
    """Takes old positions as they are; None keeps the current value; no sources at all give the mean to each."""

    def change(values: np.ndarray, current: np.ndarray) -> np.ndarray:
        import numpy as np

        made = np.array(current, dtype="float32")
        places = range(made.shape[axis])
        for place, source in zip(places, sources or (0,) * len(places), strict=True):
            if sources is None:
                part = values.astype("float32").mean(axis=axis)
            elif source is None:
                continue
            else:
                part = np.take(values, source, axis=axis)
            made[(slice(None),) * axis + (place,)] = part
        return made

    return change


def _refuse(field: str, value: object, allowed: str) -> None:
    message = f"`{field}` of an adaptation is {allowed}. Received: {field}={value!r}"
    raise ConfigError(message)
