"""Attention ResUNet: a residual U-Net whose skips pass attention gates that the level below steers.

Level k has `filters * 2**k` channels. Unit: two 3x3 convolutions with normalisation and ReLU, to which a 1x1 convolution of
the unit's input with normalisation is added; nothing follows the sum. Encoder: unit, 2x2 max pooling. Decoder: nearest
up-sampling, concatenation [up, gated skip], unit. Head: 1x1 convolution and normalisation.

Gate of a skip with F channels, at half the skip's resolution: a 1x1 convolution of the decoder's tensor to F channels with
normalisation and ReLU, a further 1x1 and a 3x3 transposed convolution with stride 1; a 2x2 convolution with stride 2 of the
skip is added; ReLU, a 1x1 convolution to one channel and sigmoid give the weights, which nearest up-sampling enlarges. The
skip times the weights goes through a 1x1 convolution and a normalisation. All convolutions have a bias.

Reference: "Attention_UNet" by MoleImg (2019), community code; the idea of the gates is that of O. Oktay et al., "Attention
U-Net: Learning Where to Look for the Pancreas" (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor


@dataclass(frozen=True, kw_only=True)
class AttentionResUNetConfig(ModelConfig):
    """Config of Attention ResUNet.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level.
        batch_norm: Whether batch normalisation follows the convolutions of the units and the first one of the gates; the ones
            at the end of the gates and of the head are always there.
        activation_order: `"before-add"` activates the second convolution of a unit and nothing after the sum, `"after-add"` the
            sum instead. Both have the same weights.
    """

    family: ClassVar[str] = "attention-resunet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    batch_norm: bool = boolean(True)
    activation_order: str = choice("before-add", ("before-add", "after-add"))


_SEED = Entry(
    config=AttentionResUNetConfig(),
    summary="Residual U-Net whose skips pass attention gates steered by the level below.",
    tags=("residual", "attention", "community"),
    reference=Reference(
        title="Attention_UNet",
        authors=("MoleImg",),
        year=2019,
        venue="GitHub, community code",
        url="https://github.com/MoleImg/Attention_UNet",
        code_url="https://github.com/MoleImg/Attention_UNet/tree/b6f1935",
        licence="none given",
        deviations=(
            "No paper describes this network: it puts gates like those of Attention U-Net (arXiv 1804.03999) into a residual "
            "U-Net.",
            "The head is sigmoid for one class and softmax for more; the original ends in ReLU for any number of classes "
            "(head_activation='relu'), though its comment there says sigmoid.",
            "As in the original, the default has ReLU before the sum of a unit and none after it; a well-known copy, "
            "https://github.com/bnsreenu/python_for_microscopists, has it after the sum (activation_order='after-add') and ends "
            "in sigmoid.",
            "64 channels at full resolution and three input channels by default; the original's settings say 32 and one.",
            "`depth` can be chosen; the original always has five levels.",
            "The original can drop out values behind the second convolution of a unit, by default none; here there is no "
            "dropout.",
            "Sizes are open, multiples of 2**(depth-1); the original takes square images of one size that is set beforehand.",
        ),
    ),
)

ENTRIES = (_SEED, _SEED.resized(filters=32), _SEED.resized(filters=16))


def build(config: AttentionResUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, sampling, stages  # import Keras

    style = blocks.Style(norm="batch" if config.batch_norm else None, shortcut=blocks.Shortcut(norm=True))
    unit = _unit if config.activation_order == "before-add" else blocks.residual
    *widths, bottom = stages.doubled(config.filters, config.depth)
    inputs = x = blocks.image(config)
    skips = []
    for level, width in enumerate(widths):
        x = unit(x, width, style, name=f"enc{level}")
        skips.append(x)
        x = sampling.max_pool(x, name=f"enc{level + 1}_pool")
    x = unit(x, bottom, style, name=f"mid{len(widths)}")
    for level in reversed(range(len(widths))):
        skip = _gated(skips[level], x, style, name=f"dec{level}_gate")
        x = sampling.upsample(x, "nearest", name=f"dec{level}_up")
        x = blocks.concat(x, skip, name=f"dec{level}_cat")
        x = unit(x, widths[level], style, name=f"dec{level}")
    x = blocks.conv(x, config.classes, kernel=1, name="head0_conv")
    x = blocks.norm(x, blocks.KERAS_STYLE, name="head0_norm")
    return blocks.model(inputs, blocks.act(x, config.output_activation, name="head0_act"), config)


def _unit(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """Residual unit without an activation behind its sum: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    side = blocks.shortcut(x, filters, style, name=name)
    for index in (1, 2):
        x = blocks.conv_norm_act(x, filters, style, name=name, index=index)
    return blocks.add(side, x, name=f"{name}_add")


def _gated(skip: Tensor, x: Tensor, style: Style, *, name: str) -> Tensor:
    """The skip, weighted by what the level below sees: `(N, H, W, F), (N, H/2, W/2, C) -> (N, H, W, F)`."""
    from zoo import blocks, sampling

    width = skip.shape[-1]
    phi = blocks.conv_norm_act(x, width, style, kernel=1, name=name)
    phi = blocks.conv(phi, width, kernel=1, name=f"{name}_phi")
    phi = sampling.layer_of("Conv", phi, "Transpose")(width, 3, padding="same", name=f"{name}_phiup")(phi)
    theta = blocks.conv(skip, width, kernel=2, stride=2, name=f"{name}_theta")
    weights = blocks.act(blocks.add(phi, theta, name=f"{name}_add"), "relu", name=f"{name}_addact")
    weights = blocks.conv(weights, 1, kernel=1, name=f"{name}_psi")
    weights = blocks.act(weights, "sigmoid", name=f"{name}_psiact")
    weights = sampling.upsample(weights, "nearest", name=f"{name}_up")
    y = blocks.multiply(weights, skip, name=f"{name}_scale")
    y = blocks.conv(y, width, kernel=1, name=f"{name}_conv2")
    return blocks.norm(y, blocks.KERAS_STYLE, name=f"{name}_norm2")
