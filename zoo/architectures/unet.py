"""U-Net: the plain encoder and decoder that the residual ones are measured against; two convolutions per level.

Level k has `filters * 2**k` channels. Encoder: two 3x3 convolutions, 2x2 max pooling. Decoder: 2x2 transposed convolution
with stride 2, concatenation [up, skip], two 3x3 convolutions. An activation follows each of these.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net" (2015), figure 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ACTIVATIONS, ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor


@dataclass(frozen=True, kw_only=True)
class UNetConfig(ModelConfig):
    """Config of the U-Net.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level.
        batch_norm: Whether batch normalisation follows every 3x3 convolution.
        activation: Activation after every convolution but the head's.
    """

    family: ClassVar[str] = "unet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    batch_norm: bool = boolean(False)
    activation: str = choice("relu", ACTIVATIONS)


_DEVIATIONS = (
    "The convolutions keep the size (zero padding); the original's do not, so it crops its skips and its output is smaller than "
    "its input.",
    "Three input channels and one class with a sigmoid by default; the original has one channel and a softmax over two classes.",
    "The up-convolution is a transposed convolution with an activation, and the concatenation is [up, skip], as ports of the "
    "released network have it; the paper's text states ReLU for the 3x3 convolutions only.",
    "No dropout; ports of the released network have it in the two coarsest levels.",
    "Weights start from Keras' Glorot-uniform distribution; the paper draws from a Gaussian of deviation sqrt(2 / N).",
)

_UNET = Entry(
    config=UNetConfig(),
    summary="The classic U-Net with two convolutions per level; not residual.",
    tags=("baseline",),
    reference=Reference(
        title="U-Net: Convolutional Networks for Biomedical Image Segmentation",
        authors=("Olaf Ronneberger", "Philipp Fischer", "Thomas Brox"),
        year=2015,
        venue="MICCAI 2015, pp. 234-241",
        url="https://doi.org/10.1007/978-3-319-24574-4_28",
        deviations=_DEVIATIONS,
    ),
)

ENTRIES = (_UNET, _UNET.resized(filters=32))


def build(config: UNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, sampling  # import Keras

    style = blocks.Style(norm="batch" if config.batch_norm else None, activation=config.activation)
    inputs = x = blocks.image(config)
    skips = []
    bottom = config.depth - 1
    for level in range(bottom):
        x = _double(x, config.filters * 2**level, style, name=f"enc{level}")
        skips.append(x)
        x = sampling.max_pool(x, name=f"enc{level + 1}_pool")
    x = _double(x, config.filters * 2**bottom, style, name=f"mid{bottom}")
    for level in reversed(range(bottom)):
        width = config.filters * 2**level
        x = sampling.upsample(x, "transposed", filters=width, name=f"dec{level}_up")
        x = blocks.act(x, config.activation, name=f"dec{level}_upact")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = _double(x, width, style, name=f"dec{level}")
    return blocks.network(x, inputs, config)


def _double(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """Two 3x3 convolutions with norm and activation: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    for index in (1, 2):
        x = blocks.conv_norm_act(x, filters, style, name=name, index=index)
    return x
