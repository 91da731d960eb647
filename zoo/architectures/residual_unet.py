"""Residual U-Net of pytorch-3dunet: group-normalised residual units, transposed convolutions, skips that are added.

Level k has `filters * 2**k` channels. A unit is a 1x1 convolution to its width, where the channels change; then twice group
normalisation and a 3x3 convolution, with ReLU between them; the sum with what the 1x1 gave; ReLU. Encoder: unit, 2x2 max
pooling. Decoder: a transposed 3x3 convolution with stride 2, which makes n pixels 2n - 1; nearest resize to the size of the
skip, so any input size works; the sum with the skip; unit. Convolutions after a normalisation, and transposed ones, have no
bias.

- `residual-unet`, `residual-unet-3d`: `ResidualUNet2D` and `ResidualUNet3D` of the original.
- `residual-unet-3d-se`: `ResidualUNetSE3D`, with concurrent spatial and channel squeeze and excitation after every unit: the
  larger one of the unit's output scaled by a gate per channel and of the same scaled by a gate per position.

Reference: A. Wolny et al., "Accurate and versatile 3D segmentation of plant tissues at cellular resolution" (2020), code of
the repository pytorch-3dunet; units after K. Lee et al. (2017), gates after A. G. Roy et al. (2018, arXiv 1803.02579).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import AXES, ModelConfig, integer
from zoo.entry import Entry, Reference
from zoo.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Tensor

GROUPS = 8
"""Groups of every normalisation; fewer channels than that are one group."""


@dataclass(frozen=True, kw_only=True)
class _SharedConfig(ModelConfig):
    """What the configs of the plain and the gated network have in common."""

    family: ClassVar[str] = "residual-unet"

    depth: int = integer(5, low=2, high=7)
    filters: int = integer(64, low=1, high=4096)

    def __post_init__(self) -> None:
        super().__post_init__()
        widths = tuple(self.filters * 2**level for level in range(self.depth))
        if any(width > GROUPS and width % GROUPS for width in widths):
            message = (
                f"`filters` must give widths that split into {GROUPS} groups of channels, or that are less than {GROUPS}: use 1, "
                f"2, 4 or a multiple of {GROUPS}. Received: filters={self.filters} and depth={self.depth}, of widths {widths}"
            )
            raise ConfigError(message)
        small = [
            f"{axis} {size}"
            for axis, size in zip(AXES[self.ndim], self.input_shape, strict=False)
            if size is not None and size < self.stride
        ]
        if small:
            message = (
                f"{' and '.join(small)} cannot be halved {self.depth - 1} times; use {self.stride} or more, or fewer levels. "
                f"Received: input_shape={self.input_shape}, depth={self.depth}"
            )
            raise ConfigError(message)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """Any size from the stride on works, as up-sampling goes to the size of the skip."""
        return (1,) * self.ndim


@dataclass(frozen=True, kw_only=True)
class ResidualUNetConfig(_SharedConfig):
    """Config of the residual U-Net.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times, odd sizes are rounded down.
        filters: Channels at full resolution, doubled at each level: 1, 2, 4 or a multiple of 8.
    """

    input_shape: tuple[int | None, ...] = (None, None, 1)


@dataclass(frozen=True, kw_only=True)
class SqueezeExciteConfig(_SharedConfig):
    """Config of the residual U-Net with squeeze and excitation, which is there for volumes only.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times, odd sizes are rounded down.
        filters: Channels at full resolution, doubled at each level: 1, 2, 4 or a multiple of 8.
    """

    ranks: ClassVar[tuple[int, ...]] = (3,)

    input_shape: tuple[int | None, ...] = (None, None, None, 1)

    @property
    def base(self) -> str:
        """The entry name without its sizes."""
        return f"{self.family}-3d-se"


_DEVIATIONS = (
    "The article is the one that the repository asks to cite; the network is the one that its code builds by default.",
    "The head is sigmoid for one class and softmax for more; in the original a switch says which, and gives logits on demand.",
    "Of the original's options only the defaults are here: group normalisation before each convolution, ReLU, transposed "
    "convolutions, sums; batch normalisation, ELU, leaky ReLU, dropout, interpolation and concatenation are left out.",
    "Sizes that cannot be halved often enough, and widths that do not split into eight groups, are refused when the config is "
    "made; the original fails in a pooling, or in an assertion.",
    "Two to seven levels; the original takes more.",
    "Weights start from Keras' Glorot-uniform distribution and biases from zero; the original's from PyTorch's defaults.",
)

_2D = Entry(
    config=ResidualUNetConfig(),
    summary="Residual U-Net with group normalisation, transposed convolutions and added skips, for any input size.",
    tags=("residual", "group-norm", "any-size"),
    reference=Reference(
        title="Accurate and versatile 3D segmentation of plant tissues at cellular resolution",
        authors=(
            "Adrian Wolny", "Lorenzo Cerrone", "Athul Vijayan", "Rachele Tofanelli", "Amaya Vilches Barro", "Marion Louveaux",
            "Christian Wenzl", "Sören Strauss", "David Wilson-Sánchez", "Rena Lymbouridou", "Susanne S Steigleder",
            "Constantin Pape", "Alberto Bailoni", "Salva Duran-Nebreda", "George W Bassel", "Jan U Lohmann", "Miltos Tsiantis",
            "Fred A Hamprecht", "Kay Schneitz", "Alexis Maizel", "Anna Kreshuk",
        ),
        year=2020,
        venue="eLife 9, e57613",
        url="https://doi.org/10.7554/eLife.57613",
        code_url="https://github.com/wolny/pytorch-3dunet/tree/a33e2c7",
        licence="MIT",
        deviations=_DEVIATIONS,
    ),
)  # fmt: skip

_3D = replace(
    _2D,
    config=ResidualUNetConfig(input_shape=(None, None, None, 1)),
    name="",
    summary="The same network on volumes: 3x3x3 convolutions, 2x2x2 pooling.",
    analysis_shape=(),
)

_SE = replace(
    _3D,
    config=SqueezeExciteConfig(),
    name="",
    summary="The same network on volumes, with spatial and channel squeeze and excitation after every unit.",
    tags=(*_2D.tags, "attention"),
    analysis_shape=(),
)

ENTRIES = (_2D, _3D, _3D.resized(filters=32), _SE)


def build(config: ResidualUNetConfig | SqueezeExciteConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes."""
    from zoo import blocks, sampling, stages  # import Keras

    unit = _gated_unit if isinstance(config, SqueezeExciteConfig) else _unit
    *widths, widest = stages.doubled(config.filters, config.depth)
    inputs = x = blocks.image(config)
    skips = []
    for level, width in enumerate(widths):
        x = unit(x, width, name=f"enc{level}")
        skips.append(x)
        x = sampling.max_pool(x, padding="valid", name=f"enc{level + 1}_pool")
    x = unit(x, widest, name=f"mid{len(skips)}")
    for level, width in reversed(list(enumerate(widths))):
        x = sampling.conv_transposed(x, width, bias=False, name=f"dec{level}_up")
        x = sampling.upsample(x, "nearest", like=skips[level], name=f"dec{level}_resize")
        x = blocks.add(skips[level], x, name=f"dec{level}_join")
        x = unit(x, width, name=f"dec{level}")
    return blocks.network(x, inputs, config)


def _unit(x: Tensor, filters: int, *, name: str) -> Tensor:
    """Residual unit around what the 1x1 convolution gives, if there is one: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    groups = GROUPS if filters >= GROUPS else 1
    style = replace(blocks.TORCH_STYLE, norm="group", groups=groups, shortcut=blocks.Shortcut(kind="identity"))
    x = y = blocks.shortcut(x, filters, style, name=name)
    for index in (1, 2):
        y = blocks.norm(y, style, name=f"{name}_norm{index}")
        y = blocks.conv(y, filters, style, name=f"{name}_conv{index}")
        if index == 1:
            y = blocks.act(y, style, name=f"{name}_act1")
    x = blocks.add(x, y, name=f"{name}_add")
    return blocks.act(x, style, name=f"{name}_act2")


def _gated_unit(x: Tensor, filters: int, *, name: str) -> Tensor:
    """Residual unit and both gates, none of which narrows the channels: `(N, D, H, W, C) -> (N, D, H, W, F)`."""
    import keras

    from zoo import blocks

    x = _unit(x, filters, name=name)
    by_channel = blocks.squeeze_excite(x, filters, bias=True, name=f"{name}_cse")
    gate = blocks.conv(x, 1, kernel=1, name=f"{name}_sse_conv")
    gate = blocks.act(gate, "sigmoid", name=f"{name}_sse_act")
    by_position = blocks.multiply(x, gate, name=f"{name}_sse_scale")
    return keras.layers.Maximum(name=f"{name}_max")([by_channel, by_position])
