"""MultiResUNet: a U-Net whose blocks see several scales at once and whose skips are chains of residual units, 2D and 3D.

Level k stands for `filters * 2**k` channels of a U-Net. MultiRes block for U channels: with W = 1.67 * U, three 3x3
convolutions one after the other with int(0.167 * W), int(0.333 * W) and int(0.5 * W) channels, each with normalisation and
ReLU; their three outputs are concatenated and normalised, a 1x1 convolution of the block's input is added, then come ReLU and
once more normalisation. Res path of the skip at level k: `depth - 1 - k` units of one 3x3 convolution with normalisation and
ReLU plus a 1x1 convolution of the unit's input, then ReLU and normalisation, all with U channels.

Encoder: block, 2x2 max pooling. Decoder: 2x2 transposed convolution to U channels, concatenation [up, path], block. Head: 1x1
convolution and normalisation. No convolution has a bias but the transposed ones; the normalisation right behind a convolution
has no scale, the others do.

Reference: N. Ibtehaz, M. S. Rahman, "MultiResUNet: Rethinking the U-Net Architecture for Multimodal Biomedical Image
Segmentation" (2020), and the authors' code in Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

ALPHA = 1.67
"""Channels of a block per channel of the U-Net that it stands for, before rounding down."""

SHARES = (0.167, 0.333, 0.5)
"""Shares of the three convolutions in the channels of a block."""


@dataclass(frozen=True, kw_only=True)
class MultiResUNetConfig(ModelConfig):
    """Config of MultiResUNet.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times, and the res path at level k has `depth - 1 - k` units.
        filters: Channels at full resolution of the U-Net that it stands for, doubled at each level; with less than 4 the first
            convolution of a block would have none.
    """

    family: ClassVar[str] = "multiresunet"

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(32, low=4, high=4096)


_SEED = Entry(
    config=MultiResUNetConfig(),
    summary="U-Net with three-scale residual blocks, and with chains of residual units in its skips.",
    tags=("residual", "post-activation", "multi-scale"),
    reference=Reference(
        title="MultiResUNet : Rethinking the U-Net architecture for multimodal biomedical image segmentation",
        authors=("Nabil Ibtehaz", "M. Sohel Rahman"),
        year=2020,
        venue="Neural Networks 121, pp. 74-87",
        url="https://doi.org/10.1016/j.neunet.2019.08.025",
        code_url="https://github.com/nibtehaz/MultiResUNet/tree/5318aaf",
        licence="MIT",
        result="10.15, 5.07, 2.63, 1.41 and 0.62 % better than a U-Net, relative to it, on five data sets of medical images.",
        deviations=(
            "The head is sigmoid for one class and softmax for more; the original always has one class and sigmoid.",
            "`depth` and `filters` can be chosen; the original always has five levels from 32 channels on.",
            "Input sizes that are not a multiple of 2**(depth-1) are refused when the config is made; the original fails later, "
            "in a concatenation.",
            "The original is the authors' code in Keras; their port to PyTorch in the same repository is another network: it "
            "normalises sums before ReLU, uses one normalisation twice in each unit of a res path, and has a bias in all "
            "convolutions.",
        ),
    ),
)

_SEED_3D = Entry(
    config=MultiResUNetConfig(input_shape=(None, None, None, 4)),
    summary="The same network on volumes: 3x3x3 convolutions, 2x2x2 pooling.",
    tags=_SEED.tags,
    reference=_SEED.reference,
)

ENTRIES = (_SEED, _SEED_3D)


def build(config: MultiResUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes."""
    from zoo import blocks, sampling, stages  # import Keras

    style = blocks.Style(bias=False, scale=False, shortcut=blocks.Shortcut(bias=False, norm=True))
    *widths, bottom = stages.doubled(config.filters, config.depth)
    inputs = x = blocks.image(config)
    skips = []
    for level, width in enumerate(widths):
        x = _block(x, width, style, name=f"enc{level}")
        skips.append(_path(x, width, len(widths) - level, style, name=f"enc{level}"))
        x = sampling.max_pool(x, name=f"enc{level + 1}_pool")
    x = _block(x, bottom, style, name=f"mid{len(widths)}")
    for level in reversed(range(len(widths))):
        x = sampling.upsample(x, "transposed", filters=widths[level], name=f"dec{level}_up")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = _block(x, widths[level], style, name=f"dec{level}")
    x = blocks.conv(x, config.classes, style, kernel=1, name="head0_conv")
    x = blocks.norm(x, style, name="head0_norm")
    return blocks.model(inputs, blocks.act(x, config.output_activation, name="head0_act"), config)


def _block(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """MultiRes block in place of `filters` channels of a U-Net: `(N, H, W, C) -> (N, H, W, about 1.67 * F)`."""
    from zoo import blocks

    widths = tuple(int(ALPHA * filters * share) for share in SHARES)
    side = blocks.shortcut(x, sum(widths), style, name=name)
    scales = []
    for index, width in enumerate(widths, start=1):
        x = blocks.conv_norm_act(x, width, style, name=name, index=index)
        scales.append(x)
    y = blocks.concat(*scales, name=f"{name}_cat{len(scales)}")
    y = blocks.norm(y, replace(style, scale=True), name=f"{name}_catnorm")
    return _joined(side, y, style, name=name)


def _path(x: Tensor, filters: int, length: int, style: Style, *, name: str) -> Tensor:
    """Res path, a chain of residual units with one convolution each: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    for index in range(1, length + 1):
        unit = f"{name}_path{index}"
        side = blocks.shortcut(x, filters, style, name=unit)
        y = blocks.conv_norm_act(x, filters, style, name=unit)
        x = _joined(side, y, style, name=unit)
    return x


def _joined(side: Tensor, y: Tensor, style: Style, *, name: str) -> Tensor:
    """The end of blocks and units: sum, ReLU and then normalisation, of both branches `(N, H, W, F)`."""
    from zoo import blocks

    x = blocks.add(side, y, name=f"{name}_add")
    x = blocks.act(x, style, name=f"{name}_addact")
    return blocks.norm(x, replace(style, scale=True), name=f"{name}_addnorm")
