"""The frozen config that describes one network.

A family derives from `ModelConfig` and declares its own fields with `integer`, `boolean`, `choice` or `per_level` of
`zoo.rules`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from zoo.errors import ConfigError, close_matches
from zoo.names import SIZES, format_name
from zoo.rules import as_integer, boolean, choice, integer, optional_integer, per_level, shown

if TYPE_CHECKING:
    from zoo.rules import Rule

__all__ = [
    "ACTIVATIONS", "HEAD_ACTIVATIONS", "ModelConfig",
    "as_integer", "boolean", "choice", "integer", "optional_integer", "per_level", "shown",
]  # fmt: skip

ACTIVATIONS = (
    "relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "swish", "mish",
    "softplus", "softsign", "hard_sigmoid", "hard_swish", "sigmoid", "tanh", "linear",
)  # fmt: skip
"""Keras activations that have no weights, by name."""

HEAD_ACTIVATIONS = ("auto", None, "sigmoid", "softmax", "tanh", "relu")
"""`"auto"` is sigmoid for one class and softmax for more; None gives logits."""

LARGEST = 2**31 - 1
"""Largest size along an axis."""

AXES = {2: ("height", "width"), 3: ("depth axis", "height", "width")}
"""What the spatial axes of an input shape are called in messages."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """What every network of the zoo is described by; families add their own fields.

    Attributes:
        input_shape: `(H, W, C)` or `(D, H, W, C)` without the batch, channels last; None leaves a spatial size open.
        classes: Channels of the output.
        head_activation: Activation of the output: `"auto"` is sigmoid for one class and softmax for more, None gives logits.

    Raises:
        ConfigError: A value is not allowed; the message names the field, the value and what is allowed.
    """

    family: ClassVar[str] = ""
    """Name of the family, which is the name of its file with hyphens."""

    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    """Numbers of spatial axes that the family can be built for."""

    input_shape: tuple[int | None, ...] = (None, None, 3)
    classes: int = integer(1, low=1, high=65536)
    head_activation: str | None = choice("auto", HEAD_ACTIVATIONS)

    def __post_init__(self) -> None:
        for declared in dataclasses.fields(self):
            rule: Rule | None = declared.metadata.get("rule")
            if rule is not None:
                checked = rule.check(declared.name, getattr(self, declared.name))
                object.__setattr__(self, declared.name, checked)
        object.__setattr__(self, "input_shape", _checked_shape(self.input_shape))
        self._check_rank()
        self._check_sizes()
        self._check_head()

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        return len(self.input_shape) - 1

    @property
    def stride(self) -> int:
        """Total down-sampling from the input to the bottleneck: one halving between neighbouring levels, if it has a depth."""
        return 2 ** (self.sizes.get("depth", 1) - 1)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """Number that the size along each spatial axis must be a multiple of; the stride unless a family says otherwise."""
        return (self.stride,) * self.ndim

    @property
    def takes_open_sizes(self) -> bool:
        """Whether spatial sizes may be None when the network is built."""
        return True

    @property
    def weightless(self) -> Self:
        """The same network without what only matters to the values of its weights, such as pretrained ones."""
        return self

    @property
    def base(self) -> str:
        """The entry name without its sizes, such as `"resunet-v1-3d"`."""
        return self.family + ("-3d" if self.ndim == 3 and 2 in self.ranks else "")

    @property
    def name(self) -> str:
        """The full entry name that this config describes, such as `"resunet-v1-d5-f64"`."""
        return format_name(self.base, self.sizes)

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes that a name can state and that this family has: `{"depth": 5, "filters": 64}`."""
        return {size: getattr(self, size) for size in SIZES if hasattr(self, size)}

    @property
    def output_activation(self) -> str | None:
        """The activation of the head with `"auto"` decided; None for logits."""
        if self.head_activation == "auto":
            return "sigmoid" if self.classes == 1 else "softmax"
        return self.head_activation

    def replace(self, **overrides: Any) -> Self:
        """Returns a copy with other values for some fields.

        Raises:
            ConfigError: A field does not exist, or a value is not allowed.
        """
        known = [declared.name for declared in dataclasses.fields(self)]
        for name in overrides:
            if name not in known:
                owner = self.family or type(self).__name__
                near = close_matches(name, known) or "."
                received = f"Received: {name}={shown(overrides[name])}"
                message = f"`{name}` is not a field of {owner}{near} {received}; fields: {', '.join(known)}"
                raise ConfigError(message)
        return dataclasses.replace(self, **overrides)

    def _check_rank(self) -> None:
        if self.ndim not in self.ranks:
            only = " and ".join(f"{rank}D" for rank in self.ranks)
            message = (
                f"{self.family or type(self).__name__} is {only} only. Received: input_shape={self.input_shape}, "
                f"which is {self.ndim}D; give {' or '.join(_SHAPE_FORMS[rank] for rank in self.ranks)}."
            )
            raise ConfigError(message)

    def _check_sizes(self) -> None:
        faults = []
        if None in self.input_shape and not self.takes_open_sizes:
            example = (*(size or 256 for size in self.input_shape[:-1]), self.input_shape[-1])
            message = (
                f"{self.base} needs sizes that are known when it is built, such as input_shape={example}. "
                f"Received: input_shape={self.input_shape}"
            )
            raise ConfigError(message)
        for axis, size, multiple in zip(AXES[self.ndim], self.input_shape, self.size_multiples, strict=False):
            if size is not None and size % multiple:
                below = size // multiple * multiple
                nearest = f"use {below} or {below + multiple}" if below else f"use {multiple} or more"
                faults.append(f"{axis} {size} is not a multiple of {multiple}; {nearest}")
        if faults:
            message = f"{'; '.join(faults)}. Received: input_shape={self.input_shape}{_channels_last_hint(self.input_shape)}"
            raise ConfigError(message)

    def _check_head(self) -> None:
        if self.head_activation == "softmax" and self.classes == 1:
            message = (
                "`head_activation` 'softmax' over one class is the constant 1 and learns nothing; use 'sigmoid' or 'auto', "
                "or classes=2. Received: head_activation='softmax', classes=1"
            )
            raise ConfigError(message)


_SHAPE_FORMS = {2: "(H, W, C)", 3: "(D, H, W, C)"}


def _checked_shape(shape: Any) -> tuple[int | None, ...]:
    """Returns the shape as a tuple of ints and Nones with a known number of channels."""
    allowed = "input_shape is (H, W, C) or (D, H, W, C) without the batch, channels last, None for an open spatial size"
    if not isinstance(shape, (tuple, list)):
        message = f"{allowed}; for example (None, None, 3). Received: input_shape={shown(shape)}"
        raise ConfigError(message)
    if len(shape) not in (3, 4):
        what = {0: "no axes", 1: "no spatial axis", 2: "one spatial axis (1D)"}.get(len(shape), f"{len(shape) - 1} spatial axes")
        message = f"The zoo has 2D and 3D networks: {allowed}. Received: input_shape={shown(tuple(shape))}, which has {what}"
        raise ConfigError(message)
    sizes = tuple(None if size is None else as_integer(size) for size in shape)
    wrong = [given for given, size in zip(shape, sizes, strict=True) if given is not None and not (size and 1 <= size <= LARGEST)]
    if wrong:
        received = f"Received: input_shape={shown(tuple(shape))}, where {shown(wrong[0])} is not one"
        message = f"Sizes are whole numbers from 1 to {LARGEST}: {allowed}. {received}"
        raise ConfigError(message)
    if sizes[-1] is None:
        example = (*sizes[:-1], 3 if len(sizes) == 3 else 1)
        message = f"The channels are missing: the last size must be known, for example {example}. Received: input_shape={sizes}"
        raise ConfigError(message)
    return sizes


def _channels_last_hint(shape: tuple[int | None, ...]) -> str:
    """Suggests the channels-last order where a shape looks like channels first."""
    first, last = shape[0], shape[-1]
    if first is not None and last is not None and first <= 4 < 16 < last:
        return f"; channels come last: did you mean {(*shape[1:], first)}?"
    return ""
