"""Encoders and decoders that several families share, made of `zoo.blocks`; import it inside `build`, as it loads Keras.

`widths` are channels per level, full resolution first; so are lists of skips.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo import blocks, sampling

if TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from zoo.blocks import Shortcut, Style, Tensor
    from zoo.config import ModelConfig
    from zoo.levels import LevelsConfig
    from zoo.sampling import Size


def doubled(filters: int, depth: int) -> tuple[int, ...]:
    """Returns channels that double at each of `depth` levels: `(64, 4) -> (64, 128, 256, 512)`."""
    return tuple(filters * 2**level for level in range(depth))


def strided_encoder(x: Tensor, widths: tuple[int, ...], style: Style, *, first: Shortcut) -> list[Tensor]:
    """One residual unit per level, each but the first halving the sizes.

    `(N, H, W, C) -> [(N, H, W, F0), (N, H/2, W/2, F1), ...]`, the output of every level.

    Args:
        x: The image.
        widths: Channels of the levels.
        style: Of all units.
        first: Shortcut of the first unit, which also has no leading norm-act.
    """
    outputs = [blocks.residual(x, widths[0], replace(style, shortcut=first), name="enc0", lead=False)]
    for level, width in enumerate(widths[1:], start=1):
        outputs.append(blocks.residual(outputs[-1], width, style, name=f"enc{level}", stride=2))
    return outputs


def residual_decoder(x: Tensor, skips: list[Tensor], widths: tuple[int, ...], style: Style, *, mode: str) -> Tensor:
    """Up-sampling, concatenation [up, skip] and a residual unit per level: `(N, h, w, C) -> (N, H, W, F0)`.

    Args:
        x: Output of the bottleneck.
        skips: Outputs of the encoder above it.
        widths: Channels of the units, one for each skip.
        style: Of all units.
        mode: See `zoo.sampling.upsample`; a transposed convolution makes `widths` channels.
    """
    for level in reversed(range(len(skips))):
        like = skips[level] if mode == "bilinear" else None
        x = sampling.upsample(x, mode, filters=widths[level], like=like, name=f"dec{level}_up")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = blocks.residual(x, widths[level], style, name=f"dec{level}")
    return x


def plain_bridge_unet(x: Tensor, widths: tuple[int, ...], style: Style, *, first: Shortcut) -> Tensor:
    """Pre-activation U-Net whose bottleneck is two plain convolutions: `(N, H, W, C) -> (N, H, W, F1)`.

    The decoder is one level wider than the encoder at the same resolution: its units have `widths[1:]` channels.
    """
    *skips, x = strided_encoder(x, widths, style, first=first)
    for index in (1, 2):
        x = blocks.norm_act_conv(x, widths[-1], style, name=f"mid{len(skips)}", index=index)
    return residual_decoder(x, skips, widths[1:], style, mode="nearest")


def residual_stage(x: Tensor, filters: int, style: Style, *, name: str, count: int, kernel: Size = 3, stride: Size = 1) -> Tensor:
    """`count` residual units in a row: `(N, H, W, C) -> (N, H / stride, W / stride, F)`.

    The first has the stride and the shortcut of the style; the others, which change nothing, have identities.
    """
    x = blocks.residual(x, filters, style, name=f"{name}_block1", kernel=kernel, stride=stride)
    same = replace(style, shortcut=blocks.Shortcut(kind="identity"))
    for block in range(2, count + 1):
        x = blocks.residual(x, filters, same, name=f"{name}_block{block}", kernel=kernel)
    return x


def levels_encoder(
    x: Tensor, widths: tuple[int, ...], counts: tuple[int, ...], style: Style, config: LevelsConfig
) -> list[Tensor]:
    """A stage of `counts` residual units per level, with the config's strides and kernels; the last is the bottleneck.

    `(N, H, W, C) -> [(N, H, W, F0), (N, H / s1, W / s1, F1), ...]`, the output of every level.
    """
    outputs = []
    for level, (width, count) in enumerate(zip(widths, counts, strict=True)):
        name = f"{'enc' if level < len(widths) - 1 else 'mid'}{level}"
        kernel, stride = config.level_kernels[level], config.level_strides[level]
        x = residual_stage(x, width, style, name=name, count=count, kernel=kernel, stride=stride)
        outputs.append(x)
    return outputs


def supervised(inputs: Tensor, decoded: list[Tensor], config: ModelConfig, *, deep: bool) -> keras.Model:
    """Ends a network with a head for each level of the decoder, or with one alone.

    Args:
        inputs: The image, `(N, H, W, C)`.
        decoded: What the levels of the decoder give, full resolution first: `[(N, H, W, F0), (N, H / s1, W / s1, F1), ...]`.
        config: Of the network.
        deep: Whether there is deep supervision.

    Returns:
        A model with the outputs `{"segmentation": (N, H, W, classes), "segmentation_1": (N, H / s1, W / s1, classes), ...}`;
        without deep supervision a model with the first one as its only output.
    """
    if not deep:
        return blocks.network(decoded[0], inputs, config)
    heads = [blocks.head(x, config, name=f"head{level}") for level, x in enumerate(decoded)]
    names = ["segmentation", *(f"segmentation_{level}" for level in range(1, len(heads)))]
    return blocks.model(inputs, dict(zip(names, heads, strict=True)), config)


def pyramid_decoder(x: Tensor, skips: dict[int, Tensor], widths: tuple[int, ...], unit: Callable[..., Tensor]) -> Tensor:
    """Nearest up-sampling, concatenation [up, skip] where a level has a skip, and a unit per level, for given encoders.

    `(N, h, w, C) -> (N, H, W, F0)`.

    Args:
        x: The encoder's deepest output.
        skips: Tensors of the encoder by level, 0 = full resolution.
        widths: Channels of the units, full resolution first.
        unit: Called as `unit(x, filters, name="dec2")`.
    """
    for level in reversed(range(len(widths))):
        x = sampling.upsample(x, "nearest", name=f"dec{level}_up")
        if level in skips:
            x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = unit(x, widths[level], name=f"dec{level}")
    return x
