"""The config of networks whose levels may differ in stride and kernel, also from axis to axis, as nnU-Net plans them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.config import ModelConfig, boolean, per_level, shown
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.rules import PerLevel

Sizes = tuple[tuple[int, ...], ...]
"""One number for each spatial axis of each level, full resolution first."""


@dataclass(frozen=True, kw_only=True)
class StridesConfig(ModelConfig):
    """Config of a network with a stride for each level.

    Attributes:
        strides: How many times smaller each level is than the one before, the first level being 1; a number for all axes or
            one per axis, such as `(1, (1, 2, 2), 2)` for thick slices. None halves at every level but the first.

    Raises:
        ConfigError: The list has another length than there are levels, an entry has another length than there are axes, or
            the first level has a stride.
    """

    strides: tuple[int | tuple[int, ...], ...] | None = per_level(low=1, high=8)

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.level_strides[0]) > 1:
            message = (
                "`strides` starts with 1, as the output has the resolution of the first level and of the input. "
                f"Received: strides={shown(self.strides)}; the first is {self.strides and self.strides[0]}"
            )
            raise ConfigError(message)

    @property
    def levels(self) -> int:
        """Number of levels of resolution."""
        return self.sizes["depth"]

    @property
    def level_strides(self) -> Sizes:
        """The strides with defaults filled in: `((1, 1), (2, 2), (2, 2))`."""
        return self._filled("strides", (1, *[2] * (self.levels - 1)))

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """Number that the size along each spatial axis must be a multiple of: the product of its strides."""
        return tuple(math.prod(strides) for strides in zip(*self.level_strides, strict=True))

    @property
    def stride(self) -> int:
        """Total down-sampling from the input to the bottleneck, along the axis that is reduced most."""
        return max(self.size_multiples)

    def _filled(self, name: str, usual: PerLevel) -> Sizes:
        given: PerLevel | None = getattr(self, name)
        levels = usual if given is None else given
        received = f"Received: {name}={shown(given)}"
        if len(levels) != self.levels:
            message = (
                f"`{name}` needs one entry for each of the {self.levels} levels of resolution, full resolution first. "
                f"{received}, which has {len(levels)}"
            )
            raise ConfigError(message)
        for level in levels:
            if not isinstance(level, int) and len(level) != self.ndim:
                message = (
                    f"Each entry of `{name}` is one number, or {self.ndim} of them, one per spatial axis of "
                    f"input_shape={self.input_shape}. {received}, where {level} has {len(level)}"
                )
                raise ConfigError(message)
        return tuple((level,) * self.ndim if isinstance(level, int) else level for level in levels)


@dataclass(frozen=True, kw_only=True)
class LevelsConfig(StridesConfig):
    """Config of a network with a stride and a kernel for each level.

    Attributes:
        kernel_sizes: Side of the convolutions of each level, odd; a number for all axes or one per axis. None is 3 everywhere.
        deep_supervision: Whether every level of the decoder has a head: the network then returns a dict of `"segmentation"`
            at full resolution, `"segmentation_1"` at that of level 1 and so on. False leaves these heads out.

    Raises:
        ConfigError: A list has another length than there are levels, an entry has another length than there are axes, the
            first level has a stride, or a kernel is even.
    """

    kernel_sizes: tuple[int | tuple[int, ...], ...] | None = per_level(low=1, high=15)
    deep_supervision: bool = boolean(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        even = [size for sizes in self.level_kernels for size in sizes if size % 2 == 0]
        if even:
            message = (
                f"`kernel_sizes` are odd, as other kernels have no middle; use {even[0] - 1} or {even[0] + 1} for {even[0]}. "
                f"Received: kernel_sizes={shown(self.kernel_sizes)}"
            )
            raise ConfigError(message)

    @property
    def level_kernels(self) -> Sizes:
        """The kernel sizes with defaults filled in: `((3, 3), (3, 3), (3, 3))`."""
        return self._filled("kernel_sizes", (3,) * self.levels)
