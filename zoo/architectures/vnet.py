"""V-Net: 5x5x5 convolutions in residual stages of one to three, strided convolutions down and transposed ones up.

Level k has `filters * 2**k` channels, and there are five levels. Every level but the first begins with a 2x2x2 convolution
with stride 2. A stage adds its input to the output of its convolutions: at full resolution the input is the image, its
channels repeated until there are enough, in the decoder the concatenated tensor. Decoder: 2x2x2 transposed convolution with
stride 2 to the width of the skip, concatenation [up, skip], a stage twice as wide as the skip. Head: a 5x5x5 convolution to
the classes and a 1x1x1 convolution. Every convolution but the last is followed by an activation.

- `vnet`, `vnet-2d`: MONAI's network for volumes and images: batch normalisation after every convolution but the last, an
  activation before each sum and one behind it, 1, 1, 2, 3 and 2 convolutions down, 2, 2, 1 and 1 up.
- `vnet-caffe`: the authors' network: nothing is normalised, a PReLU for each channel, only behind the sum where there is one,
  1, 1, 2, 3 and 3 convolutions down, 3, 2, 1 and 1 up.

Reference: F. Milletari, N. Navab, S.-A. Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image
Segmentation" (2016).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ACTIVATIONS, ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor


@dataclass(frozen=True, kw_only=True)
class _SharedConfig(ModelConfig):
    """What the configs of both networks have in common.

    Attributes:
        down: 5x5x5 convolutions of each level of the encoder, full resolution first, and of the bottleneck.
        up: 5x5x5 convolutions of each level of the decoder, full resolution first.
    """

    family: ClassVar[str] = "vnet"
    down: ClassVar[tuple[int, ...]]
    up: ClassVar[tuple[int, ...]]

    input_shape: tuple[int | None, ...] = (None, None, None, 1)
    filters: int = integer(16, low=1, high=4096)

    @property
    def stride(self) -> int:
        """Total down-sampling: four halvings."""
        return 16


@dataclass(frozen=True, kw_only=True)
class VNetConfig(_SharedConfig):
    """Config of MONAI's V-Net.

    Attributes:
        filters: Channels at full resolution, doubled at each level.
        activation: Activation of all layers; `"prelu"` has a slope for each channel, learnt from 0.25 on.
        bias: Whether the convolutions of the encoder, of the bottleneck and the 5x5x5 one of the head have a bias; those of
            the decoder never have one, the transposed ones and the last one always do.
    """

    down: ClassVar[tuple[int, ...]] = (1, 1, 2, 3, 2)
    up: ClassVar[tuple[int, ...]] = (1, 1, 2, 2)

    activation: str = choice("elu", ("prelu", *ACTIVATIONS))
    bias: bool = boolean(False)

    @property
    def base(self) -> str:
        """The entry name without its sizes: `"vnet"`, or `"vnet-2d"`."""
        return self.family + ("-2d" if self.ndim == 2 else "")


@dataclass(frozen=True, kw_only=True)
class CaffeConfig(_SharedConfig):
    """Config of the authors' V-Net, which has two classes unless told otherwise.

    Attributes:
        filters: Channels at full resolution, doubled at each level.
    """

    ranks: ClassVar[tuple[int, ...]] = (3,)
    down: ClassVar[tuple[int, ...]] = (1, 1, 2, 3, 3)
    up: ClassVar[tuple[int, ...]] = (1, 1, 2, 3)

    classes: int = integer(2, low=1, high=65536)

    @property
    def base(self) -> str:
        """The entry name without its sizes."""
        return f"{self.family}-caffe"


_ANY_SIZE = (
    "`filters` and the classes can be chosen, and any number of channels is taken: where they do not divide `filters`, the last "
    "repetition of the image is cut short, and of more channels than `filters` the surplus has no way around the first stage.",
    "Sizes that are not a multiple of 16 are refused when the config is made; the original fails later, in a concatenation.",
)

_MONAI = Entry(
    config=VNetConfig(),
    summary="V-Net as MONAI has it: 5x5x5 convolutions with batch normalisation and ELU in residual stages.",
    tags=("residual", "post-activation", "volumes"),
    reference=Reference(
        title="V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
        authors=("Fausto Milletari", "Nassir Navab", "Seyed-Ahmad Ahmadi"),
        year=2016,
        url="https://arxiv.org/abs/1606.04797",
        code_url="https://github.com/Project-MONAI/MONAI/tree/7af49217",
        licence="Apache-2.0",
        deviations=(
            "The linked code is not by the authors, whose network is the entry `vnet-caffe`: MONAI's is normalised, has ELU for "
            "PReLU, also before each sum, no bias, one convolution less at the bottleneck and at the level above it in the "
            "decoder, and one class by default.",
            "MONAI's dropout of half of the channels, on all skips and on the inputs of the coarser stages, is left out.",
            "The head is sigmoid for one class and softmax for more; the original gives logits (head_activation=None).",
            *_ANY_SIZE,
            "MONAI refuses channels that do not divide 16.",
            "`activation` offers Keras' activations by name; 'leaky_relu' has PyTorch's slope of 0.01.",
            "Weights start from Keras' Glorot-uniform distribution and biases from 0; PyTorch draws both from a uniform "
            "distribution.",
            "In training, the moving variance is updated with the biased variance of the batch, as Keras does; PyTorch takes "
            "the unbiased one. The momentum of 0.9 is PyTorch's 0.1.",
        ),
    ),
)

_IMAGES = Entry(
    config=VNetConfig(input_shape=(None, None, 1)),
    summary="The same network on images: 5x5 and 2x2 convolutions.",
    tags=_MONAI.tags[:-1],
    reference=_MONAI.reference,
)

_CAFFE = Entry(
    config=CaffeConfig(),
    summary="V-Net as its authors wrote it: nothing normalised, a PReLU for each channel, two classes.",
    analysis_shape=(128, 128, 64, 1),
    tags=_MONAI.tags,
    reference=replace(
        _MONAI.reference,
        code_url="https://github.com/faustomilletari/VNet/tree/584c150",
        licence="GPL-3.0",
        deviations=(
            "Open sizes; the original's files fix the volume at 128 x 128 x 64.",
            "Softmax is taken over the classes of each voxel of the volume, which the original flattens for it.",
            *_ANY_SIZE,
            "Weights start from Keras' Glorot-uniform distribution; the original's training file names He's normal one, its "
            "variance over the mean of both fans. Biases start from 0 and slopes from 0.25 in both.",
        ),
    ),
)

ENTRIES = (_MONAI, _IMAGES, _CAFFE)


def build(config: VNetConfig | CaffeConfig) -> keras.Model:
    """Builds the network: `(N, D, H, W, C) -> (N, D, H, W, classes)`, or the same without D for images."""
    from zoo import blocks, sampling, stages  # import Keras

    encoder, decoder, head = _styles(config)
    widths = stages.doubled(config.filters, len(config.down))
    inputs = blocks.image(config)
    skips = [_first_stage(inputs, config.filters, encoder)]
    for level, (width, convs) in enumerate(zip(widths[1:], config.down[1:], strict=True), start=1):
        name = f"enc{level}" if level < len(config.up) else f"mid{level}"
        x = blocks.conv(skips[-1], width, encoder, kernel=2, stride=2, name=f"{name}_down")
        x = blocks.norm(x, encoder, name=f"{name}_downnorm")
        x = blocks.act(x, encoder, name=f"{name}_downact")
        skips.append(_stage(x, convs, encoder, name=name))
    x = skips.pop()
    for level in reversed(range(len(skips))):
        x = sampling.upsample(x, "transposed", filters=widths[level], name=f"dec{level}_up")
        x = blocks.norm(x, decoder, name=f"dec{level}_upnorm")
        x = blocks.act(x, decoder, name=f"dec{level}_upact")
        x = blocks.concat(x, skips[level], name=f"dec{level}_cat")
        x = _stage(x, config.up[level], decoder, name=f"dec{level}")
    x = blocks.conv_norm_act(x, config.classes, head, kernel=5, name="head0")
    return blocks.network(x, inputs, config)


def _styles(config: VNetConfig | CaffeConfig) -> tuple[Style, Style, Style]:
    """Returns the styles of encoder, decoder and head, which differ in their biases; those of strides need no padding."""
    from zoo import blocks

    style = replace(blocks.TORCH_STYLE, padding="same", activation="prelu_channels")
    if isinstance(config, CaffeConfig):
        return (replace(style, norm=None, bias=True),) * 3
    if config.activation != "prelu":
        style = replace(style, activation=config.activation)
    return replace(style, bias=config.bias), style, replace(style, bias=config.bias)


def _first_stage(x: Tensor, filters: int, style: Style) -> Tensor:
    """One convolution and the image again, without an activation before their sum: `(N, D, H, W, C) -> (N, D, H, W, F)`."""
    from zoo import blocks
    from zoo.layers import RepeatChannels

    y = blocks.conv(x, filters, style, kernel=5, name="enc0_conv1")
    y = blocks.norm(y, style, name="enc0_norm1")
    x = RepeatChannels(filters, name="enc0_repeat")(x)
    return blocks.act(blocks.add(y, x, name="enc0_add"), style, name="enc0_outact")


def _stage(x: Tensor, convs: int, style: Style, *, name: str) -> Tensor:
    """Convolutions and their input again: `(N, D, H, W, C) -> (N, D, H, W, C)`; without a norm the sum comes first."""
    from zoo import blocks

    y = x
    for index in range(1, convs + 1):
        y = blocks.conv(y, x.shape[-1], style, kernel=5, name=f"{name}_conv{index}")
        y = blocks.norm(y, style, name=f"{name}_norm{index}")
        if style.norm or index < convs:
            y = blocks.act(y, style, name=f"{name}_act{index}")
    y = blocks.add(y, x, name=f"{name}_add")
    return blocks.act(y, style, name=f"{name}_outact")
