"""ResNet U-Net: an ImageNet ResNet as encoder, with the layout of torchvision, and a plain decoder of five levels.

Encoder: 7x7 convolution with stride 2 (level 1), 3x3 max pooling, then the four stages of the ResNet (levels 2 to 5), all
convolutions without bias. Decoder: nearest up-sampling, concatenation [up, skip], two 3x3 convolutions; 256, 128, 64, 32
and 16 channels. Levels 4 to 1 have a skip, full resolution has none. A 3x3 convolution gives the classes.

Layers are named so that torchvision's weights can be mapped: `layer{i}.{j}.conv{k}` is `enc{i + 1}_block{j + 1}_conv{k}`, its
`bn{k}` is `..._norm{k}`, `downsample.0` and `.1` are `..._proj` and `..._projnorm`; `conv1` and `bn1` are `stem1_conv1` and
`stem1_norm1`. The decoder's `blocks.{b}.conv{k}` are `dec{4 - b}_conv{k}` and `dec{4 - b}_norm{k}`.

Reference: K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition" (2016), table 1; decoder of
P. Iakubovskii, "Segmentation Models Pytorch" (2019).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, choice
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet34": (3, 4, 6, 3),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
"""Residual units per stage."""

BOTTLENECKS = ("resnet50", "resnet101")
"""Encoders whose units are 1x1, 3x3, 1x1 convolutions, four times as wide."""

DECODER_WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the decoder's levels, full resolution first."""


@dataclass(frozen=True, kw_only=True)
class ResNetUNetConfig(ModelConfig):
    """Config of the ResNet U-Nets.

    Attributes:
        encoder: Which ResNet.
    """

    family: ClassVar[str] = "resnet-unet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    encoder: str = choice("resnet34", tuple(BLOCKS))

    @property
    def stride(self) -> int:
        """Total down-sampling: five halvings."""
        return 32

    @property
    def base(self) -> str:
        """The entry name, such as `"resnet34-unet"`."""
        return f"{self.encoder}-unet"


_DEVIATIONS = (
    "The head is sigmoid for one class and softmax for more; the original gives logits (head_activation=None).",
    "Sizes are multiples of 32; the original takes others by resizing to the skip, which is the same for multiples of 32.",
    "Nothing is pretrained unless weights are asked for, and all weights start from Keras' Glorot-uniform distribution; the "
    "original loads ImageNet weights by default and starts from He's.",
    "In training, the moving variance is updated with the biased variance of the batch, as Keras does; PyTorch takes the "
    "unbiased one. The momentum of 0.9 is PyTorch's 0.1.",
)

_REFERENCE = Reference(
    title="Segmentation Models Pytorch",
    authors=("Pavel Iakubovskii",),
    year=2019,
    url="https://github.com/qubvel/segmentation_models.pytorch",
    venue="version 0.6.0",
    code_url="https://github.com/qubvel/segmentation_models.pytorch/tree/bd7f877f",
    licence="MIT",
    deviations=_DEVIATIONS,
)

ENTRIES = tuple(
    Entry(
        config=ResNetUNetConfig(encoder=encoder),
        summary=f"U-Net with a ResNet-{encoder[6:]} encoder that ImageNet weights of torchvision fit, and a plain decoder.",
        tags=("residual", "post-activation", "encoder"),
        reference=_REFERENCE,
    )
    for encoder in ("resnet34", "resnet18", "resnet50", "resnet101")
)


def build(config: ResNetUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, shortcut=blocks.Shortcut(kind="identity", bias=False, norm=True))
    inputs = blocks.image(config)
    *skips, x = _encoder(inputs, config.encoder, style)

    def unit(x: Tensor, filters: int, *, name: str) -> Tensor:
        for index in (1, 2):
            x = blocks.conv_norm_act(x, filters, style, name=name, index=index)
        return x

    x = stages.pyramid_decoder(x, dict(enumerate(skips, start=1)), DECODER_WIDTHS, unit)
    return blocks.network(x, inputs, config, kernel=3)


def _encoder(x: Tensor, encoder: str, style: Style) -> list[Tensor]:
    """The ResNet without its classifier: `(N, H, W, C) -> [(N, H/2, W/2, 64), ..., (N, H/32, W/32, 512 or 2048)]`."""
    from zoo import blocks, sampling

    x = blocks.conv(x, 64, style, kernel=7, stride=2, name="stem1_conv1")
    x = blocks.norm(x, style, name="stem1_norm1")
    x = blocks.act(x, style.activation, name="stem1_act1")
    outputs = [x]
    x = sampling.max_pool(x, size=3, stride=2, padding=style.padding, name="enc2_pool")
    unit, expansion = (blocks.bottleneck, 4) if encoder in BOTTLENECKS else (blocks.residual, 1)
    for stage, count in enumerate(BLOCKS[encoder]):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            x = unit(x, 64 * 2**stage * expansion, style, name=f"enc{stage + 2}_block{block + 1}", stride=stride)
        outputs.append(x)
    return outputs
