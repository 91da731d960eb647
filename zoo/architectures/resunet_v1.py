"""ResUNet v1: a U-Net with one post-activation residual block of two 3x3 convolutions per level, in 2D and 3D.

Level k has `filters * 2**k` channels. Encoder: residual block, 2x2 max pooling. Decoder: nearest up-sampling, a 2x2
convolution with ReLU, concatenation [up, skip], residual block. Every shortcut is a 1x1 convolution without bias.

Reference: N. Singla, "UNet with ResBlock for Semantic Segmentation" (2019); code 1 of the document that this project
starts from is that article's network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ACTIVATIONS, ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class ResUNetV1Config(ModelConfig):
    """Config of ResUNet v1.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level.
        batch_norm: Whether batch normalisation follows every 3x3 convolution.
        activation: Activation inside the blocks; the up-convolutions always use ReLU, as the original does.
    """

    family: ClassVar[str] = "resunet-v1"

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    batch_norm: bool = boolean(True)
    activation: str = choice("relu", ACTIVATIONS)


_DEVIATIONS = (
    "`classes` is honoured; the original ignores `n_class` and always gives one channel.",
    "The head is sigmoid for one class and softmax for more; the original's default is softmax over its one channel, which is "
    "constantly 1 and has no gradient.",
    "Input sizes that are not a multiple of 2**(depth-1) are refused when the config is made; the original fails later, in a "
    "concatenation, and documents 2**depth.",
    "The original's mixed layer names are replaced; the up-convolution keeps ReLU whatever `activation` is, and has no "
    "normalisation, as in the original.",
)

_SEED = Entry(
    config=ResUNetV1Config(),
    summary="U-Net with one residual block per level and 1x1 shortcuts.",
    analysis_shape=(512, 512, 3),
    tags=("residual", "post-activation", "seed"),
    reference=Reference(
        title="UNet with ResBlock for Semantic Segmentation",
        authors=("Nishank Singla",),
        year=2019,
        venue="Medium",
        url="https://medium.com/@nishanksingla/unet-with-resblock-for-semantic-segmentation-dd1766b4ff66",
        code_url="https://github.com/Nishanksingla/UNet-with-ResBlock/tree/f5ee78c",
        licence="none given",
        deviations=_DEVIATIONS,
    ),
)

_SEED_3D = Entry(
    config=ResUNetV1Config(input_shape=(None, None, None, 1), depth=4, filters=16),
    summary="The same network on volumes: 3x3x3 convolutions, 2x2x2 pooling.",
    tags=_SEED.tags,
    reference=_SEED.reference,
)

ENTRIES = (
    _SEED,
    *(_SEED.resized(depth=depth, filters=filters) for depth, filters in (
        (5, 32), (5, 16), (5, 8), (4, 64), (4, 32), (4, 16), (3, 16), (3, 8),
    )),
    _SEED_3D,
    *(_SEED_3D.resized(depth=depth, filters=filters) for depth, filters in ((5, 64), (5, 32), (3, 8))),
)  # fmt: skip


def build(config: ResUNetV1Config) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes."""
    from zoo import blocks, sampling  # import Keras

    style = blocks.Style(
        norm="batch" if config.batch_norm else None,
        activation=config.activation,
        shortcut=blocks.Shortcut(kernel=1, bias=False),
    )
    inputs = x = blocks.image(config)
    skips = []
    for level in range(config.depth - 1):
        x = blocks.residual(x, config.filters * 2**level, style, name=f"enc{level}")
        skips.append(x)
        x = sampling.max_pool(x, name=f"enc{level + 1}_pool")
    bottom = config.depth - 1
    x = blocks.residual(x, config.filters * 2**bottom, style, name=f"mid{bottom}")
    for level in reversed(range(bottom)):
        width = config.filters * 2**level
        x = sampling.upsample(x, "nearest", name=f"dec{level}_up")
        x = blocks.conv(x, width, kernel=2, name=f"dec{level}_upconv")
        x = blocks.act(x, "relu", name=f"dec{level}_upact")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = blocks.residual(x, width, style, name=f"dec{level}")
    return blocks.network(x, inputs, config)
