"""Encoders and decoders that several families share, made of `zoo.blocks`; import it inside `build`, as it loads Keras.

`widths` are channels per level, full resolution first; so are lists of skips.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo import blocks, sampling

if TYPE_CHECKING:
    from zoo.blocks import Shortcut, Style, Tensor


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
