"""ResUNet-a: residual units of parallel atrous branches, pyramid pooling, and four tasks that are conditioned on each other.

Level k has `filters * 2**k` channels, at `depth` levels of resolution. A 1x1 convolution with batch normalisation and ReLU
brings the image to `filters` channels. A residual unit adds to its input a few branches side by side: norm-act-conv twice,
3x3, all with the same number of channels, and each branch with a dilation of its own (`ENCODER`, `DECODERS`).

- Encoder: a unit per level; a 3x3 convolution with stride 2 and nothing else leads to the next one.
- Bottleneck: a unit, then pyramid pooling of 4 scales (depth 6) or 3 (depth 7): scale s gives each position the maximum of
  its cell in a grid of 2**s by 2**s, and a 1x1 convolution with normalisation reduces it to `1 / scales` of the channels;
  input and scales are concatenated, and reduced by a 1x1 convolution with normalisation and ReLU.
- Decoder: nearest up-sampling, a 1x1 convolution to half of the level's channels with normalisation and ReLU,
  concatenation [up, skip], a 1x1 convolution with normalisation, a unit.
- Features: concatenation [first convolution, decoder]; pooled features: pyramid pooling of 4 scales with ReLU behind.
- Heads: 3x3 convolutions with normalisation and ReLU (two, two, one and none), then a 1x1 convolution. The distance is found
  in the features, the boundary in the pooled features and the distance, the segmentation in the pooled features, the
  boundary and the distance, the colour (hue, saturation and value of the image) in the features.

The outputs are named in the original's order: `segmentation`, `boundary`, `distance`, `color`. Boundaries overlap, so they
have a sigmoid per class; the colour has one, too; the distance has softmax, or sigmoid for one class. `head_activation` is
that of the segmentation; None gives the logits of all four, but the later tasks still read the activated ones.

A batch to train with has three images or more: the global maxima are one number per image and channel, and the normalisation
of their 1x1 convolution makes 0 of one number, and 1 and -1 of two, whatever they are.

Reference: F. I. Diakogiannis, F. Waldner, P. Caccetta, C. Wu, "ResUNet-a: a deep learning framework for semantic segmentation
of remotely sensed data" (2020), and its authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

ENCODER = ((1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15), (1, 3, 5), (1,), (1,), (1,))
"""Dilations of the branches at each level of the encoder, full resolution first; the last level is the bottleneck."""

DECODERS = {
    6: ((1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15), (1, 3, 5)),
    7: ((1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15, 31), (1, 3, 15), (1,)),
}
"""Dilations of the branches at each level of the decoder, full resolution first, by depth."""

SCALES = {6: 4, 7: 3}
"""Scales of the pyramid pooling in the bottleneck, by depth."""

FEATURE_SCALES = 4
"""Scales of the pyramid pooling before the heads."""

COLORS = 3
"""Channels of the colour: hue, saturation, value."""


@dataclass(frozen=True, kw_only=True)
class ResUNetAConfig(ModelConfig):
    """Config of ResUNet-a.

    Attributes:
        depth: Levels of resolution, 6 or 7: the original's two networks, which differ in their dilations and pooling, too.
        filters: Channels at full resolution, doubled at each level; at least one for each scale of the pyramid pooling.
    """

    family: ClassVar[str] = "resunet-a"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    classes: int = integer(6, low=1, high=65536)
    depth: int = integer(6, low=6, high=7)
    filters: int = integer(32, low=4, high=4096)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """The stride times the cells per axis of the finest pooling in the bottleneck: 256 at either depth."""
        return (self.stride * 2 ** (SCALES[self.depth] - 1),) * self.ndim

    @property
    def channel_activation(self) -> str:
        """Activation of the distance: softmax over classes that exclude each other, sigmoid for one class."""
        return "sigmoid" if self.classes == 1 else "softmax"


_DEVIATIONS = (
    "The paper's abstract lets boundary, distance, segmentation and colour follow one another; here, as in the original code, "
    "the distance comes first and the colour depends on nothing but the features.",
    "The original code has networks of four conditioned tasks alone, and so has the zoo: none that segments and does no more.",
    "The original can replace batch by instance normalisation in a part of its layers; here all have batch normalisation.",
    "head_activation=None gives the logits of all four outputs, which the original never returns; what is fed to the next "
    "task is activated then, too. Another head activation changes the segmentation alone.",
    "Sizes that are not a multiple of 256 are refused when the config is made; the original fails later, in a split.",
    "The number of channels is part of the config; the original learns it from the first image.",
    "Weights start from Keras' Glorot-uniform distribution; the original's default in MXNet is uniform from -0.07 to 0.07.",
)

_D6 = Entry(
    config=ResUNetAConfig(),
    summary="Atrous residual U-Net with pyramid pooling and four conditioned tasks: segmentation, boundary, distance, colour.",
    tags=("residual", "pre-activation", "atrous", "pyramid-pooling", "multi-task"),
    reference=Reference(
        title="ResUNet-a: a deep learning framework for semantic segmentation of remotely sensed data",
        authors=("Foivos I. Diakogiannis", "François Waldner", "Peter Caccetta", "Chen Wu"),
        year=2020,
        venue="ISPRS Journal of Photogrammetry and Remote Sensing 162, pp. 94-114",
        url="https://doi.org/10.1016/j.isprsjprs.2020.01.013",
        code_url="https://github.com/feevos/resuneta/tree/49d2656",
        licence="CSIRO Open Source Software Licence (a variation of the BSD and MIT licences)",
        result="average F1 score of 92.9% over all classes on ISPRS 2D Potsdam, for the paper's best model",
        deviations=_DEVIATIONS,
    ),
)

_D7 = replace(
    _D6,
    name="",
    analysis_shape=(),
    config=ResUNetAConfig(input_shape=(None, None, 5), depth=7),
    summary="ResUNet-a with one level more, by default for images of five channels.",
)

ENTRIES = (_D6, _D7)


def build(config: ResUNetAConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> {"segmentation": (N, H, W, classes), ..., "color": (N, H, W, 3)}`."""
    from zoo import blocks, sampling, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, order="pre")  # MXNet's constants are PyTorch's
    *widths, deepest = stages.doubled(config.filters, config.depth)
    bottom = len(widths)
    inputs = blocks.image(config)
    first = x = blocks.conv_norm_act(inputs, config.filters, style, kernel=1, name="stem0")
    skips = []
    for level, width in enumerate(widths):
        x = _unit(x, ENCODER[level], style, name=f"enc{level}")
        skips.append(x)
        lower = f"mid{bottom}" if level + 1 == bottom else f"enc{level + 1}"
        x = blocks.conv(x, 2 * width, style, stride=2, name=f"{lower}_down")
    x = _unit(x, ENCODER[bottom], style, name=f"mid{bottom}")
    x = _pyramid_pooling(x, deepest, SCALES[config.depth], style, name=f"mid{bottom}_psp")
    for level in reversed(range(bottom)):
        name = f"dec{level}"
        x = sampling.upsample(x, "nearest", name=f"{name}_up")
        x = blocks.conv_norm_act(x, widths[level] // 2, style, kernel=1, name=f"{name}_up")
        x = blocks.concat(x, skips[level], name=f"{name}_cat")
        x = _conv_norm(x, widths[level], style, name=f"{name}_merge")
        x = _unit(x, DECODERS[config.depth][level], style, name=name)
    features = blocks.concat(first, x, name="dec0_features")
    pooled = _pyramid_pooling(features, config.filters, FEATURE_SCALES, style, name="dec0_psp")
    return blocks.model(inputs, _heads(features, pooled, config, style), config)


def _unit(x: Tensor, dilations: tuple[int, ...], style: Style, *, name: str) -> Tensor:
    """Adds to a tensor one branch of two convolutions for each dilation: `(N, H, W, C) -> (N, H, W, C)`.

    Only the second convolution of a branch has a bias, as a normalisation follows the first.
    """
    from zoo import blocks

    terms, width = [x], x.shape[-1]
    for index, dilation in enumerate(dilations, start=1):
        branch = f"{name}_block{index}"
        y = blocks.norm_act_conv(x, width, style, name=branch, index=1, dilation=dilation)
        terms.append(blocks.norm_act_conv(y, width, replace(style, bias=True), name=branch, index=2, dilation=dilation))
    return blocks.add(*terms, name=f"{name}_add")


def _pyramid_pooling(x: Tensor, filters: int, scales: int, style: Style, *, name: str) -> Tensor:
    """Joins a tensor with its maxima over ever smaller cells: `(N, H, W, C) -> (N, H, W, F)`, with ReLU."""
    from zoo import blocks
    from zoo.layers import CellMax

    parts = [x]
    for scale in range(scales):
        y = CellMax(2**scale, name=f"{name}{scale}_max")(x)
        parts.append(_conv_norm(y, filters // scales, style, name=f"{name}{scale}"))
    x = blocks.concat(*parts, name=f"{name}_cat")
    return blocks.conv_norm_act(x, filters, style, kernel=1, name=name)


def _conv_norm(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """1x1 convolution and normalisation without an activation: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    return blocks.norm(blocks.conv(x, filters, style, kernel=1, name=f"{name}_conv1"), style, name=f"{name}_norm1")


def _heads(features: Tensor, pooled: Tensor, config: ResUNetAConfig, style: Style) -> dict[str, Tensor]:
    """The four tasks, each but the colour reading those before it: two tensors `(N, H, W, C)` -> four of H by W."""
    from zoo import blocks

    def hidden(x: Tensor, count: int, name: str) -> Tensor:
        for index in range(1, count + 1):
            x = blocks.conv_norm_act(x, config.filters, style, name=name, index=index)
        return x

    def task(x: Tensor, channels: int, activation: str, name: str) -> tuple[Tensor, Tensor]:
        logits = blocks.conv(x, channels, kernel=1, name=f"{name}_conv")
        return logits, blocks.act(logits, activation, name=f"{name}_act")

    name = "head0_distance"
    distance = task(hidden(features, 2, name), config.classes, config.channel_activation, name)
    x = blocks.concat(pooled, distance[1], name="head0_boundary_cat")
    boundary = task(hidden(x, 1, "head0_boundary"), config.classes, "sigmoid", "head0_boundary")
    color = task(features, COLORS, "sigmoid", "head0_color")
    x = blocks.concat(pooled, boundary[1], distance[1], name="head0_segmentation_cat")
    segmentation = blocks.head(hidden(x, 2, "head0_segmentation"), config, name="head0_segmentation")
    place = 0 if config.head_activation is None else 1
    return {"segmentation": segmentation, "boundary": boundary[place], "distance": distance[place], "color": color[place]}
