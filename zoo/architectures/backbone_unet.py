"""U-Nets with an encoder of KerasCV and a decoder of residual units.

The encoder halves the sizes five times; its last tensor at each resolution is a skip, its output is the bottleneck. Decoder:
nearest up-sampling, concatenation [up, skip], one post-activation residual unit of two 3x3 convolutions with batch
normalisation, whose shortcut is a 1x1 convolution with batch normalisation; 256, 128, 64, 32 and 16 channels. Full
resolution has no skip; nor has half resolution with MiT, which starts at a quarter. A 3x3 convolution gives the classes.

The networks are pure Keras when they are built; keras-cv is needed for building alone: `pip install 'resunet-zoo[backbones]'`.

Reference: keras-cv 0.9.0 for the encoders; the decoder is the zoo's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from zoo.backbones import BACKBONES
from zoo.config import ModelConfig, choice
from zoo.entry import Entry, Reference
from zoo.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Tensor

DECODER_WIDTHS = (16, 32, 64, 128, 256)
"""Channels of the decoder's levels, full resolution first."""


@dataclass(frozen=True, kw_only=True)
class BackboneUNetConfig(ModelConfig):
    """Config of the U-Nets with an encoder of KerasCV.

    Attributes:
        encoder: Which encoder.
        encoder_weights: `"imagenet"` loads the encoder's preset of KerasCV, which may download it; images are then RGB from 0
            to 1. None starts from random weights.
    """

    family: ClassVar[str] = "backbone-unet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    encoder: str = choice("resnet50v2", tuple(BACKBONES))
    encoder_weights: str | None = choice(None, (None, "imagenet"))

    def __post_init__(self) -> None:
        super().__post_init__()
        height, width, _ = self.input_shape
        if not self.takes_open_sizes and height != width:
            message = (
                f"{self.base} takes square images only, as KerasCV's attention does; "
                f"use ({height}, {height}) or ({width}, {width}). Received: input_shape={self.input_shape}"
            )
            raise ConfigError(message)
        if self.encoder_weights is None:
            return
        if not BACKBONES[self.encoder].preset:
            having = ", ".join(name for name, backbone in BACKBONES.items() if backbone.preset)
            message = (
                f"KerasCV has no ImageNet weights for {self.encoder!r}; it has them for {having}. Use encoder_weights=None. "
                f"Received: encoder_weights={self.encoder_weights!r}"
            )
            raise ConfigError(message)
        if self.input_shape[-1] != 3:
            message = (
                "ImageNet weights are for 3 channels; use encoder_weights=None for others. Received: "
                f"input_shape={self.input_shape}, encoder_weights={self.encoder_weights!r}"
            )
            raise ConfigError(message)

    @property
    def stride(self) -> int:
        """Total down-sampling: five halvings."""
        return 32

    @property
    def takes_open_sizes(self) -> bool:
        """Whether spatial sizes may be None; not with MiT, whose attention is made for one size."""
        return BACKBONES[self.encoder].open_sizes

    @property
    def weightless(self) -> Self:
        """The same network without pretrained weights."""
        return self.replace(encoder_weights=None)

    @property
    def base(self) -> str:
        """The entry name, such as `"efficientnetv2b0-unet"`."""
        return f"{self.encoder}-unet"


_DEVIATIONS = (
    "There is no published network of this shape: the encoder is that of KerasCV, the decoder is the zoo's own.",
    "The encoder's rescaling of images by 1/255 is left out: images come in as they are scaled by the user.",
    "The layers inside KerasCV's own blocks stand in the network themselves; what they compute is the same.",
)

_PAPERS = {
    "resnet": ("Identity Mappings in Deep Residual Networks", ("Kaiming He", "Xiangyu Zhang", "Shaoqing Ren", "Jian Sun"),
               2016, "https://arxiv.org/abs/1603.05027"),
    "efficientnet": ("EfficientNetV2: Smaller Models and Faster Training", ("Mingxing Tan", "Quoc V. Le"),
                     2021, "https://arxiv.org/abs/2104.00298"),
    "densenet": ("Densely Connected Convolutional Networks",
                 ("Gao Huang", "Zhuang Liu", "Laurens van der Maaten", "Kilian Q. Weinberger"),
                 2017, "https://arxiv.org/abs/1608.06993"),
    "mobilenet": ("Searching for MobileNetV3",
                  ("Andrew Howard", "Mark Sandler", "Grace Chu", "Liang-Chieh Chen", "Bo Chen", "Mingxing Tan", "Weijun Wang",
                   "Yukun Zhu", "Ruoming Pang", "Vijay Vasudevan", "Quoc V. Le", "Hartwig Adam"),
                  2019, "https://arxiv.org/abs/1905.02244"),
    "cspdarknet": ("CSPNet: A New Backbone that can Enhance Learning Capability of CNN",
                   ("Chien-Yao Wang", "Hong-Yuan Mark Liao", "I-Hau Yeh", "Yueh-Hua Wu", "Ping-Yang Chen", "Jun-Wei Hsieh"),
                   2019, "https://arxiv.org/abs/1911.11929"),
    "mit": ("SegFormer: Simple and Efficient Design for Semantic Segmentation with Transformers",
            ("Enze Xie", "Wenhai Wang", "Zhiding Yu", "Anima Anandkumar", "Jose M. Alvarez", "Ping Luo"),
            2021, "https://arxiv.org/abs/2105.15203"),
}  # fmt: skip
"""Titles, authors, years and addresses of the encoders' papers by the beginning of their names."""

_LISTED = {
    "resnet50v2": "a ResNet-50 v2",
    "resnet18v2": "a ResNet-18 v2",
    "resnet34v2": "a ResNet-34 v2",
    "efficientnetv2b0": "an EfficientNetV2-B0",
    "efficientnetv2s": "an EfficientNetV2-S",
    "densenet121": "a DenseNet-121",
    "mobilenetv3large": "a MobileNetV3-Large",
    "mobilenetv3small": "a MobileNetV3-Small",
    "cspdarknets": "a CSPDarkNet-S",
    "mitb0": "a Mix Transformer B0",
}


def _entry(encoder: str, words: str) -> Entry:
    title, authors, year, url = next(paper for start, paper in _PAPERS.items() if encoder.startswith(start))
    shape = (None, None, 3) if BACKBONES[encoder].open_sizes else (256, 256, 3)
    return Entry(
        config=BackboneUNetConfig(encoder=encoder, input_shape=shape),
        summary=f"U-Net with {words} encoder of KerasCV and a residual decoder.",
        tags=("residual", "encoder", "keras-cv"),
        reference=Reference(
            title=title,
            authors=authors,
            year=year,
            url=url,
            code_url="https://github.com/keras-team/keras-cv/tree/v0.9.0",
            licence="Apache-2.0",
            deviations=_DEVIATIONS,
        ),
    )


ENTRIES = tuple(_entry(encoder, words) for encoder, words in _LISTED.items())


def build(config: BackboneUNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`.

    Raises:
        MissingExtraError: keras-cv is not installed.
    """
    from zoo import backbones, blocks, stages  # import Keras

    inputs, tensors = backbones.encoder(config.encoder, config.input_shape, imagenet=config.encoder_weights == "imagenet")
    style = replace(blocks.KERAS_STYLE, bias=False, shortcut=blocks.Shortcut(kind="conv", bias=False, norm=True))

    def unit(x: Tensor, filters: int, *, name: str) -> Tensor:
        return blocks.residual(x, filters, style, name=name)

    x = tensors.pop(5)
    x = stages.pyramid_decoder(x, tensors, DECODER_WIDTHS, unit)
    return blocks.network(x, inputs, config, kernel=3)
