"""STU-Net: a residual U-Net for volumes that was made to scale, from 15 million to 1.5 billion weights.

Six levels of `filters` times 1, 2, 4, 8, 16 and 16 channels. Every convolution has a bias; those of the units are followed by
an instance normalisation and a leaky ReLU of slope 0.01. Each level of encoder and decoder is a stage of post-activation
residual units, as many as the variant has. The first unit of a stage has a 1x1 convolution as its shortcut, even where nothing
changes, and in the encoder the stride. Decoder: nearest up-sampling, a 1x1 convolution to the channels of the skip,
concatenation [up, skip], stage. A 1x1 convolution at every level gives the classes.

- `stunet-s` and `stunet-b`: one unit per stage, 16 and 32 filters; one network but for the width.
- `stunet-l`: two units, 64 filters.
- `stunet-h`: three units, 96 filters.

Reference: Z. Huang et al., "STU-Net" (2023), and the `STUNet` of its repository.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import choice, integer
from zoo.entry import Entry, Reference
from zoo.levels import LevelsConfig

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Tensor

UNITS = {"s": 1, "b": 1, "l": 2, "h": 3}
"""Residual units of each stage."""

WIDTHS = (1, 2, 4, 8, 16, 16)
"""Channels of the levels as multiples of `filters`."""


@dataclass(frozen=True, kw_only=True)
class STUNetConfig(LevelsConfig):
    """Config of the STU-Nets.

    Attributes:
        variant: `"s"` and `"b"` have one residual unit per stage, `"l"` two and `"h"` three; in the original, s, b, l and h
            have 16, 32, 64 and 96 filters.
        filters: Channels at full resolution; the five levels below have 2, 4, 8, 16 and 16 times as many.
    """

    family: ClassVar[str] = "stunet"
    ranks: ClassVar[tuple[int, ...]] = (3,)

    input_shape: tuple[int | None, ...] = (None, None, None, 1)
    classes: int = integer(105, low=1, high=65536)
    variant: str = choice("b", tuple(UNITS))
    filters: int = integer(32, low=1, high=4096)

    @property
    def levels(self) -> int:
        """Number of levels of resolution."""
        return len(WIDTHS)

    @property
    def base(self) -> str:
        """The entry name without its sizes, such as `"stunet-b"`."""
        return f"{self.family}-{self.variant}"


_REFERENCE = Reference(
    title="STU-Net: Scalable and Transferable Medical Image Segmentation Models Empowered by Large-Scale Supervised Pre-training",
    authors=(
        "Ziyan Huang",
        "Haoyu Wang",
        "Zhongying Deng",
        "Jin Ye",
        "Yanzhou Su",
        "Hui Sun",
        "Junjun He",
        "Yun Gu",
        "Lixu Gu",
        "Shaoting Zhang",
        "Yu Qiao",
    ),
    year=2023,
    url="https://arxiv.org/abs/2304.06716",
    code_url="https://github.com/uni-medical/STU-Net/tree/0652eaf",
    licence="Apache-2.0",
    result="TotalSegmentator: 90.06 % mean Dice of STU-Net-H.",
    deviations=(
        "The head is a softmax (sigmoid for one class); the original gives logits (head_activation=None) and applies the softmax "
        "in inference only.",
        "The outputs are a dict by name; the original returns a tuple, full resolution first, or one tensor.",
        "deep_supervision=False leaves the heads below full resolution out; the original has them in any case, and the published "
        "counts include them.",
        "`strides` starts with a 1 for full resolution, which the original's `pool_op_kernel_sizes` does not state.",
        "Other sizes than multiples of the product of the strides are refused when the config is made; the original fails in a "
        "concatenation.",
        "Even kernels are refused; the original fails in a sum.",
        "A bottleneck of one position is allowed, though its normalisations give only their shift then; PyTorch's refuse it.",
        "The published weights, trained on TotalSegmentator, are not offered.",
        "Kernels start from Keras' Glorot-uniform distribution, the original's from He's normal one.",
    ),
)

ENTRIES = tuple(
    Entry(
        config=STUNetConfig(variant=variant, filters=filters),
        summary=f"Residual U-Net for volumes with {UNITS[variant]} {'unit' if UNITS[variant] == 1 else 'units'} per stage and "
        f"{filters} channels at full resolution, made for the 104 structures of TotalSegmentator.",
        analysis_shape=(128, 128, 128, 1),
        tags=("residual", "post-activation", "instance-norm", "deep-supervision", "medical"),
        reference=_REFERENCE,
    )
    for variant, filters in (("b", 32), ("s", 16), ("l", 64), ("h", 96))
)


def build(config: STUNetConfig) -> keras.Model:
    """Builds the network: `(N, D, H, W, C) -> {"segmentation": (N, D, H, W, classes), "segmentation_1": (N, D/2, ...), ...}`.

    Without deep supervision there is one output, not a dict.
    """
    from zoo import blocks, sampling, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, norm="instance", activation="leaky_relu", bias=True, shortcut=blocks.Shortcut())
    widths = tuple(config.filters * multiple for multiple in WIDTHS)
    count = UNITS[config.variant]
    inputs = blocks.image(config)
    *skips, x = stages.levels_encoder(inputs, widths, (count,) * len(widths), style, config)
    decoded: list[Tensor] = []
    for level, skip in reversed(list(enumerate(skips))):
        x = sampling.upsample(x, "nearest", factor=config.level_strides[level + 1], name=f"dec{level}_up")
        x = blocks.conv(x, widths[level], kernel=1, name=f"dec{level}_upconv")
        x = blocks.concat(x, skip, name=f"dec{level}_cat")
        kernel = config.level_kernels[level]
        x = stages.residual_stage(x, widths[level], style, name=f"dec{level}", count=count, kernel=kernel)
        decoded.insert(0, x)
    return stages.supervised(inputs, decoded, config, deep=config.deep_supervision)
