"""ResEnc U-Net: nnU-Net's U-Net with a residual encoder, in 2D and 3D; presets M, L and XL are sizes of this one network.

Level k has `filters * 2**k` channels, at most 512 in images and 320 in volumes. Every convolution has a bias and is followed
by an instance normalisation and a leaky ReLU of slope 0.01. A 3x3 stem, then stages of 1, 3, 4, 6, 6, 6, ... post-activation
residual units; the first convolution of a stage has its stride. Shortcuts are those of ResNet-D: average pooling where there
is a stride, then a 1x1 convolution without bias and a normalisation where the channels change. Decoder: transposed convolution
whose kernel is its stride, concatenation [up, skip], one convolution. A 1x1 convolution at every level gives the classes.

Strides and kernels may differ from axis to axis. For patches of 20x256x256 voxels of 5x0.7x0.7 mm, nnU-Net plans `depth=7`,
`strides=(1, (1, 2, 2), (1, 2, 2), 2, 2, (1, 2, 2), (1, 2, 2))` and `kernel_sizes=((1, 3, 3), (1, 3, 3), 3, 3, 3, 3, 3)`.

Reference: F. Isensee et al., "nnU-Net Revisited" (2024); the network is `ResidualEncoderUNet` of
dynamic-network-architectures, and with `decoder="residual"` its `ResidualUNet`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import choice, integer, optional_integer, per_level, shown
from zoo.entry import Entry, Reference
from zoo.errors import ConfigError
from zoo.levels import LevelsConfig

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

MOST_FILTERS = {2: 512, 3: 320}
"""Channels at which nnU-Net stops doubling, by number of spatial axes."""


@dataclass(frozen=True, kw_only=True)
class ResEncUNetConfig(LevelsConfig):
    """Config of the ResEnc U-Nets.

    Attributes:
        depth: Levels of resolution; nnU-Net plans as many as leave sides of 4 to 7 pixels in the bottleneck.
        filters: Channels at full resolution, doubled at each level.
        max_filters: Largest number of channels of a level; None is 512 for images and 320 for volumes.
        units: Residual units of each level of the encoder, a number per level; None is 1, 3, 4, then 6 for all others.
        decoder: `"plain"` has one convolution per level, `"residual"` one residual unit.

    Raises:
        ConfigError: `units` is no number for each level, or `max_filters` is less than `filters`.
    """

    family: ClassVar[str] = "resenc-unet"

    input_shape: tuple[int | None, ...] = (None, None, 1)
    classes: int = integer(2, low=1, high=65536)
    depth: int = integer(7, low=2, high=10)
    filters: int = integer(32, low=1, high=4096)
    max_filters: int | None = optional_integer(low=1, high=65536)
    units: tuple[int, ...] | None = per_level(low=1, high=64, axes=False)
    decoder: str = choice("plain", ("plain", "residual"))

    def __post_init__(self) -> None:
        super().__post_init__()
        units = self.units
        if units is not None and len(units) != self.depth:
            message = (
                f"`units` is one whole number for each of the {self.depth} levels of resolution, such as "
                f"{_usual_units(self.depth)}. Received: units={shown(units)}"
            )
            raise ConfigError(message)
        if self.most_filters < self.filters:
            message = (
                f"`max_filters` is at least `filters`, the channels at full resolution; use max_filters={self.filters} or more. "
                f"Received: max_filters={self.max_filters}, which is {self.most_filters} in {self.ndim}D, filters={self.filters}"
            )
            raise ConfigError(message)

    @property
    def most_filters(self) -> int:
        """Largest number of channels of a level."""
        return MOST_FILTERS[self.ndim] if self.max_filters is None else self.max_filters

    @property
    def unit_counts(self) -> tuple[int, ...]:
        """Residual units of each level of the encoder."""
        return _usual_units(self.depth) if self.units is None else self.units


def _usual_units(depth: int) -> tuple[int, ...]:
    return (1, 3, 4, *[6] * 7)[:depth]


_DEVIATIONS = (
    "The head is sigmoid for one class and softmax for more; the original gives logits (head_activation=None), to which nnU-Net "
    "applies a softmax, or a sigmoid where labels overlap (head_activation='sigmoid').",
    "The outputs are a dict by name; the original returns a list, full resolution first, or one tensor.",
    "deep_supervision=False leaves the heads below full resolution out; the original has them in any case, for the sake of its "
    "checkpoints: 2,954 weights more in 2D and 1,544 in 3D at the default sizes.",
    "Sizes that are no multiples of the product of the strides are refused when the config is made; the original fails when it "
    "runs.",
    "Even kernels and a stride at full resolution are refused; with the one the original fails, with the other its output is "
    "smaller than its input.",
    "A bottleneck of one position is allowed, though its normalisations give nothing but their shift then; PyTorch's refuse it.",
    "The original's options that nnU-Net's plans do not use are left out: dropout, stochastic depth, squeeze-and-excitation, "
    "bottleneck units, another width of the stem, several convolutions per level of the decoder.",
    "Kernels start from Keras' Glorot-uniform distribution, the original's from He's normal one; as there, biases start from 0 "
    "and so does the scale of the last normalisation of each residual unit.",
)

_REFERENCE = Reference(
    title="nnU-Net Revisited: A Call for Rigorous Validation in 3D Medical Image Segmentation",
    authors=(
        "Fabian Isensee",
        "Tassilo Wald",
        "Constantin Ulrich",
        "Michael Baumgartner",
        "Saikat Roy",
        "Klaus Maier-Hein",
        "Paul F. Jaeger",
    ),
    year=2024,
    venue="MICCAI 2024",
    url="https://arxiv.org/abs/2404.09556",
    code_url="https://github.com/MIC-DKFZ/dynamic-network-architectures/tree/d35f85c",
    licence="Apache-2.0",
    result="Preset L, Dice in 5-fold cross-validation: BTCV 83.35, ACDC 91.69, LiTS 81.60, BraTS 91.13, KiTS 88.17, AMOS 89.41.",
    deviations=_DEVIATIONS,
)


def _entry(ndim: int, depth: int) -> Entry:
    """An entry at the smallest patch for which nnU-Net plans so many levels: a side of 4 in the bottleneck."""
    return Entry(
        config=ResEncUNetConfig(input_shape=(*[None] * ndim, 1), depth=depth),
        summary=f"nnU-Net's ResEnc U-Net for {'images' if ndim == 2 else 'volumes'} with {depth} levels, for patches "
        f"from a side of {2 ** (depth + 1)} on.",
        analysis_shape=(*[2 ** (depth + 1)] * ndim, 1),
        tags=("residual", "post-activation", "instance-norm", "deep-supervision", "medical", "nnu-net"),
        reference=_REFERENCE,
    )


ENTRIES = (*(_entry(2, depth) for depth in (7, 6, 8, 9)), *(_entry(3, depth) for depth in (6, 5, 7)))


def build(config: ResEncUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> {"segmentation": (N, H, W, classes), "segmentation_1": (N, H/2, W/2, classes), ...}`.

    Volumes alike; without deep supervision there is one output, not a dict.
    """
    from zoo import blocks, sampling, stages  # import Keras

    shortcut = blocks.Shortcut(kind="identity", bias=False, norm=True, pool=True)
    style = replace(blocks.TORCH_STYLE, norm="instance", activation="leaky_relu", bias=True, zero_last=True, shortcut=shortcut)
    widths = tuple(min(width, config.most_filters) for width in stages.doubled(config.filters, config.depth))
    inputs = blocks.image(config)
    x = blocks.conv_norm_act(inputs, widths[0], style, name="stem0", kernel=config.level_kernels[0])
    *skips, x = stages.levels_encoder(x, widths, config.unit_counts, style, config)
    decoded: list[Tensor] = []
    for level in reversed(range(len(skips))):
        factor = config.level_strides[level + 1]
        x = sampling.upsample(x, "transposed", factor=factor, filters=widths[level], name=f"dec{level}_up")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = _merged(x, widths[level], style, level, config)
        decoded.insert(0, x)
    return stages.supervised(inputs, decoded, config, deep=config.deep_supervision)


def _merged(x: Tensor, width: int, style: Style, level: int, config: ResEncUNetConfig) -> Tensor:
    """What the decoder does after a concatenation: `(N, H, W, 2 F) -> (N, H, W, F)`."""
    from zoo import blocks

    merge = blocks.residual if config.decoder == "residual" else blocks.conv_norm_act
    return merge(x, width, style, name=f"dec{level}", kernel=config.level_kernels[level])
