"""MONAI's U-Net of residual units: every unit halves or doubles the sizes itself, already at the first level.

Level k, for k from 1 on, has `filters * 2**(k - 1)` channels; full resolution has the image and the classes only.
Encoder: one residual unit per level, whose first convolution has stride 2; a unit is `residual_units` times convolution,
normalisation, activation, and nothing follows its sum. The shortcut is a convolution of the same kernel where the unit
halves the sizes, a 1x1 convolution where only the channels change. Bottleneck: a unit of twice the channels at the size of
the last level. Decoder: concatenation [skip, up], transposed convolution with stride 2, normalisation, activation, and a
unit of one convolution; at full resolution that convolution stands alone, so the network ends in a sum. With
`residual_units=0` there are single convolutions instead of units, and none behind the transposed ones.

Reference: E. Kerfoot et al., "Left-Ventricle Quantification Using Residual U-Net" (2019); the network is that of MONAI.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from zoo.config import ACTIVATIONS, boolean, choice, integer, shown
from zoo.entry import Entry, Reference
from zoo.errors import ConfigError
from zoo.levels import StridesConfig

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor
    from zoo.sampling import Size


NORMS: dict[str | None, dict[str, Any]] = {
    "instance": {"norm": "instance", "affine": False},
    "instance-affine": {"norm": "instance"},
    "batch": {"norm": "batch"},
    None: {"norm": None},
}
"""Fields of `zoo.blocks.Style` for each normalisation."""


@dataclass(frozen=True, kw_only=True)
class MonaiUNetConfig(StridesConfig):
    """Config of MONAI's U-Net.

    Attributes:
        depth: Levels of resolution, full resolution included; the input is halved `depth - 1` times.
        filters: Channels of the first unit, at half resolution, doubled with each unit.
        residual_units: Convolutions per unit of the encoder and the bottleneck; 0 for a plain U-Net.
        norm: `"instance"` has nothing to learn, `"instance-affine"` a scale and a shift, as `"batch"` has; None for none.
        activation: After each normalisation; `"prelu"` is ReLU with one slope for all negative values, learnt from 0.25 on.
        kernel: Side of the convolutions' kernels.
        up_kernel: Side of the transposed convolutions' kernels.
        bias: Whether convolutions have a bias.
    """

    family: ClassVar[str] = "monai-unet"

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(16, low=1, high=4096)
    residual_units: int = integer(2, low=0, high=16)
    norm: str | None = choice("instance", tuple(NORMS))
    activation: str = choice("prelu", ("prelu", *ACTIVATIONS))
    kernel: int = choice(3, (1, 3, 5, 7))
    up_kernel: int = choice(3, (3, 5, 7))
    bias: bool = boolean(True)

    def __post_init__(self) -> None:
        super().__post_init__()
        needed = 2 * max(max(stride) for stride in self.level_strides) - 1
        if self.up_kernel < needed:
            hint = "use smaller strides" if needed > 7 else f"use {needed} or smaller strides"
            message = (
                f"`up_kernel` must be at least 2 * stride - 1, or its last outputs see no input; {hint}. "
                f"Received: up_kernel={self.up_kernel}, strides={shown(self.strides)}"
            )
            raise ConfigError(message)


_DEVIATIONS = (
    "The network is the one that MONAI's code builds and names the article for; the article's own may differ in its sizes.",
    "The head is sigmoid for one class and softmax for more; the original gives logits (head_activation=None).",
    "Sizes must be a multiple of the product of all strides; the original fails later, in a concatenation.",
    "Dropout is left out, as in the original unless it is asked for.",
    "`strides` starts with a 1 for full resolution, which the original leaves out.",
    "Channels double with each unit and kernels have one size for all axes; the original takes any.",
    "Strides above 2 need larger kernels in the decoder; in the original, outputs that see no input are the bias alone.",
    "Where one position is left at the bottom, instance normalisation gives zeros there; the original refuses such sizes.",
    "Weights start from Keras' Glorot-uniform distribution and biases from 0; the original leaves both to PyTorch.",
    "In training with norm='batch', the moving variance is updated with the biased variance of the batch, as Keras does; "
    "PyTorch takes the unbiased one. The momentum of 0.9 is PyTorch's 0.1.",
)

_REFERENCE = Reference(
    title="Left-Ventricle Quantification Using Residual U-Net",
    authors=("Eric Kerfoot", "James Clough", "Ilkay Oksuz", "Jack Lee", "Andrew P. King", "Julia A. Schnabel"),
    year=2019,
    venue="Statistical Atlases and Computational Models of the Heart (STACOM 2018), LNCS 11395",
    url="https://doi.org/10.1007/978-3-030-12029-0_40",
    code_url="https://github.com/Project-MONAI/MONAI/tree/7af49217",
    licence="Apache-2.0",
    deviations=_DEVIATIONS,
)

_UNET = Entry(
    config=MonaiUNetConfig(input_shape=(None, None, 1)),
    summary="MONAI's U-Net of strided residual units with PReLU and instance normalisation.",
    tags=("residual", "post-activation", "medical"),
    reference=_REFERENCE,
)

_UNET_3D = Entry(
    config=MonaiUNetConfig(input_shape=(None, None, None, 1), classes=2, norm="batch"),
    summary="The same network on volumes, with batch normalisation, as MONAI's spleen segmentation has it.",
    tags=_UNET.tags,
    reference=replace(
        _REFERENCE,
        result="Mean Dice 0.96 for the spleen in CT (Medical Segmentation Decathlon, task 9, MONAI's own validation split), says "
        "the model card of spleen_ct_segmentation in MONAI's model zoo.",
    ),
)

_OTHER_3D = replace(_UNET_3D, summary="The same network on volumes, with batch normalisation.", reference=_REFERENCE)

ENTRIES = (
    _UNET,
    _UNET.resized(filters=32),
    _UNET_3D,
    *(_OTHER_3D.resized(depth=depth, filters=filters) for depth, filters in ((5, 32), (4, 8))),
)


def build(config: MonaiUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes."""
    from zoo import blocks, stages  # import Keras

    style = replace(
        blocks.TORCH_STYLE,
        activation=config.activation,
        bias=config.bias,
        **NORMS[config.norm],
    )
    widths = stages.doubled(config.filters, config.depth)
    bottom = config.depth - 1
    inputs = x = blocks.image(config)
    skips = []
    for level in range(1, config.depth):
        x = _down(x, widths[level - 1], config, style, name=f"enc{level}", stride=config.level_strides[level])
        skips.append(x)
    x = _down(x, widths[bottom], config, style, name=f"mid{bottom}")
    for level in reversed(range(bottom)):
        side = "mid" if level + 1 == bottom else "dec"
        x = blocks.concat(skips[level], x, name=f"{side}{level + 1}_cat")
        x = _up(x, widths[level - 1] if level else config.classes, config, style, level=level)
    return blocks.model(inputs, blocks.act(x, config.output_activation, name="head0_act"), config)


def _down(x: Tensor, filters: int, config: MonaiUNetConfig, style: Style, *, name: str, stride: Size = 1) -> Tensor:
    """Unit of the encoder: `(N, H, W, C) -> (N, H / stride, W / stride, F)`; one convolution without residual units."""
    from zoo import blocks, sampling

    side, strided = x, max(sampling.per_axis(stride, x)) > 1
    for index in range(1, max(1, config.residual_units) + 1):
        options = {"kernel": config.kernel, "stride": stride if index == 1 else 1}
        x = blocks.conv_norm_act(x, filters, style, name=name, index=index, **options)
    if config.residual_units == 0:
        return x
    form = blocks.Shortcut(kind="identity", kernel=config.kernel if strided else 1, bias=config.bias)
    side = blocks.shortcut(side, filters, replace(style, shortcut=form), name=name, stride=stride)
    return blocks.add(x, side, name=f"{name}_add")


def _up(x: Tensor, filters: int, config: MonaiUNetConfig, style: Style, *, level: int) -> Tensor:
    """Transposed convolution and unit of the decoder: `(N, h, w, C) -> (N, stride * h, stride * w, F)`."""
    from zoo import blocks, sampling

    name, stride, top = f"dec{level}", config.level_strides[level + 1], level == 0
    extra = tuple(step - 1 for step in stride)
    x = sampling.conv_transposed(
        x, filters, kernel=config.up_kernel, stride=stride, output_padding=extra, bias=config.bias, name=f"{name}_up"
    )
    if not (top and config.residual_units == 0):
        x = blocks.norm(x, style, name=f"{name}_upnorm")
        x = blocks.act(x, style, name=f"{name}_upact")
    if config.residual_units == 0:
        return x
    if top:
        y = blocks.conv(x, filters, style, kernel=config.kernel, name=f"{name}_conv1")
    else:
        y = blocks.conv_norm_act(x, filters, style, kernel=config.kernel, name=name)
    return blocks.add(y, x, name=f"{name}_add")
