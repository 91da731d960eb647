"""ResUNet++: a pre-activation residual U-Net with squeeze-and-excitation, dilated pyramids, and attention before up-sampling.

Encoder level k: a residual unit of `filters * 2**k` channels, the first without its leading norm-act, the others halving the
sizes with their first convolution; then squeeze-and-excitation by 8. Every shortcut is a 1x1 convolution with batch
normalisation. The bridge stays at the coarsest level and doubles the channels: a pyramid, which is the sum of four 3x3
convolutions with dilations 6, 12, 18 and 1, each with batch normalisation but without activation, and a 1x1 convolution.

Decoder level k: attention, nearest up-sampling, concatenation [up, skip], a residual unit of `filters * 2**(k + 1)` channels,
squeeze-and-excitation. Attention: norm-act-conv of the skip, then 2x2 max pooling, plus norm-act-conv of the coarser tensor;
norm-act-conv of the sum, multiplied with the coarser tensor as it is, without a sigmoid. A last pyramid of `filters` channels
precedes the head.

Reference: D. Jha et al., "ResUNet++" (2019); the authors' code for TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

RATES = (6, 12, 18, 1)
"""Dilations of a pyramid, in the order in which its branches are summed."""

RATIO = 8
"""How many times fewer channels the squeeze has."""


@dataclass(frozen=True, kw_only=True)
class ResUNetPlusPlusConfig(ModelConfig):
    """Config of ResUNet++.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution in the encoder, doubled at each level; the decoder has twice as many.
    """

    family: ClassVar[str] = "resunet-plus-plus"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(4, low=2, high=10)
    filters: int = integer(16, low=RATIO, high=4096)


_DEVIATIONS = (
    "Depth and width are fields; the original has four levels from 16 channels on, and one class.",
    "The head is sigmoid for one class, as the original's, and softmax for more.",
    "Input sizes that are not a multiple of 2**(depth-1) are refused; the original fails later, in a sum, and wants squares.",
    "Strided convolutions pad at the far side and the normalisations have Keras' constants, as in the code for TensorFlow; the "
    "port to PyTorch in the same repository pads both sides alike and has PyTorch's constants.",
    "The dense layers of squeeze-and-excitation start from Keras' Glorot-uniform distribution, as all weights do; the original "
    "draws theirs He-normally.",
)

_RESUNET_PLUS_PLUS = Entry(
    config=ResUNetPlusPlusConfig(),
    summary="Residual U-Net with squeeze-and-excitation, dilated pyramids, and attention before each up-sampling.",
    tags=("residual", "pre-activation", "attention", "squeeze-excite"),
    reference=Reference(
        title="ResUNet++: An Advanced Architecture for Medical Image Segmentation",
        authors=(
            "Debesh Jha", "Pia H. Smedsrud", "Michael A. Riegler", "Dag Johansen", "Thomas de Lange", "Pål Halvorsen",
            "Håvard D. Johansen",
        ),
        year=2019,
        venue="IEEE International Symposium on Multimedia (ISM) 2019, pp. 225-230",
        url="https://arxiv.org/abs/1911.07067",
        code_url="https://github.com/DebeshJha/ResUNetPlusPlus/tree/f07b906",
        licence="none given",
        result="Kvasir-SEG: Dice coefficient 81.33 %, mIoU 79.27 %; CVC-612: Dice coefficient 79.55 %, mIoU 79.62 %",
        deviations=_DEVIATIONS,
    ),
)  # fmt: skip

ENTRIES = (_RESUNET_PLUS_PLUS,)


def build(config: ResUNetPlusPlusConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, sampling, stages  # import Keras

    style = blocks.Style(order="pre", shortcut=blocks.Shortcut(kernel=1, norm=True))
    widths = stages.doubled(config.filters, config.depth + 1)
    inputs = x = blocks.image(config)
    skips = []
    for level in range(config.depth):
        x = _unit(x, widths[level], style, name=f"enc{level}", lead=level > 0, stride=2 if level > 0 else 1)
        skips.append(x)
    x = _pyramid(x, widths[-1], style, name=f"mid{config.depth - 1}")
    for level in reversed(range(config.depth - 1)):
        x = _attention(skips[level], x, style, name=f"dec{level}")
        x = sampling.upsample(x, "nearest", name=f"dec{level}_up")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = _unit(x, widths[level + 1], style, name=f"dec{level}")
    x = _pyramid(x, config.filters, style, name="dec0_last")
    return blocks.network(x, inputs, config)


def _unit(x: Tensor, filters: int, style: Style, *, name: str, stride: int = 1, lead: bool = True) -> Tensor:
    """Residual unit, then squeeze-and-excitation: `(N, H, W, C) -> (N, H / stride, W / stride, F)`."""
    from zoo import blocks

    x = blocks.residual(x, filters, style, name=name, stride=stride, lead=lead)
    return blocks.squeeze_excite(x, filters // RATIO, name=name)


def _pyramid(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """Sum of dilated convolutions and a 1x1 convolution: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    branches = []
    for rate in RATES:
        y = blocks.conv(x, filters, style, dilation=rate, name=f"{name}_rate{rate}_conv")
        branches.append(blocks.norm(y, style, name=f"{name}_rate{rate}_norm"))
    x = blocks.add(*branches, name=f"{name}_sum")
    return blocks.conv(x, filters, style, kernel=1, name=f"{name}_out")


def _attention(skip: Tensor, x: Tensor, style: Style, *, name: str) -> Tensor:
    """Weighs a tensor by what it and the finer skip see: `(N, H, W, K), (N, H/2, W/2, C) -> (N, H/2, W/2, C)`."""
    from zoo import blocks, sampling

    width = x.shape[-1]
    fine = blocks.norm_act_conv(skip, width, style, name=f"{name}_fine")
    fine = sampling.max_pool(fine, name=f"{name}_fine_pool")
    coarse = blocks.norm_act_conv(x, width, style, name=f"{name}_coarse")
    gate = blocks.add(fine, coarse, name=f"{name}_gate_add")
    gate = blocks.norm_act_conv(gate, width, style, name=f"{name}_gate")
    return blocks.multiply(gate, x, name=f"{name}_attend")
