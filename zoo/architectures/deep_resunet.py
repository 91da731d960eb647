"""Deep ResUNet: pre-activation residual units, strided convolutions instead of pooling, and two well-known variants.

Level k has `filters * 2**k` channels. Every unit of the encoder but the first, and the bottleneck, halve the sizes with
their first convolution. Decoder: up-sampling, concatenation [up, skip], residual unit.

- `deep-resunet`: the paper's network; what it leaves open (shortcuts, up-sampling) are fields.
- `deep-resunet-bilinear`: bilinear up-sampling to the size of the skip, so any input size works, and a linear 3x3 head.
- `deep-resunet-plainbridge`: a bridge of two convolutions without a shortcut, and a decoder twice as wide.

Reference: Z. Zhang, Q. Liu, Y. Wang, "Road Extraction by Deep Residual U-Net" (2018), table I and figure 2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import HEAD_ACTIVATIONS, ModelConfig, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class _SharedConfig(ModelConfig):
    """What the configs of the three networks have in common."""

    family: ClassVar[str] = "deep-resunet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(4, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)


@dataclass(frozen=True, kw_only=True)
class DeepResUNetConfig(_SharedConfig):
    """Config of Deep ResUNet.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level.
        shortcut: `"conv-bn"` is a 1x1 convolution with batch normalisation, `"conv"` one without, `"none"` has no weights:
            missing channels are zero, surplus ones are dropped.
        upsample: `"nearest"`, or `"transposed"`: a 2x2 transposed convolution that halves the channels.
    """

    shortcut: str = choice("conv-bn", ("conv-bn", "conv", "none"))
    upsample: str = choice("nearest", ("nearest", "transposed"))


@dataclass(frozen=True, kw_only=True)
class BilinearConfig(_SharedConfig):
    """Config of the variant with bilinear up-sampling, whose head is linear with two classes unless told otherwise.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times, odd sizes are rounded up.
        filters: Channels at full resolution, doubled at each level.
    """

    classes: int = integer(2, low=1, high=65536)
    head_activation: str | None = choice(None, HEAD_ACTIVATIONS)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """Any size works, as up-sampling goes to the size of the skip."""
        return (1,) * self.ndim

    @property
    def base(self) -> str:
        """The entry name without its sizes."""
        return f"{self.family}-bilinear"


@dataclass(frozen=True, kw_only=True)
class PlainBridgeConfig(_SharedConfig):
    """Config of the variant with a plain bridge.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution in the encoder, doubled at each level; the decoder has twice as many.
    """

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(16, low=1, high=4096)

    @property
    def base(self) -> str:
        """The entry name without its sizes."""
        return f"{self.family}-plainbridge"


_PAPER = Reference(
    title="Road Extraction by Deep Residual U-Net",
    authors=("Zhengxin Zhang", "Qingjie Liu", "Yunhong Wang"),
    year=2018,
    venue="IEEE Geoscience and Remote Sensing Letters 15(5), pp. 749-753",
    url="https://doi.org/10.1109/LGRS.2018.2802944",
    code_url="https://github.com/DuFanXin/deep_residual_unet/tree/2b90426",
    licence="none given",
    deviations=(
        "The paper names no code and calls its shortcuts identities, though every unit changes the number of channels; the "
        "default is a 1x1 convolution with batch normalisation in every unit, as in the code linked here, not by the authors.",
        "shortcut='none' has the paper's 7.8 million parameters, but how it drops the decoder's surplus channels is our reading.",
        "The paper draws no shortcut around the bridge; here it has the same one as every unit.",
        "The paper does not say how it up-samples or in which order it concatenates: nearest and [up, skip], as in that code.",
        "Three input channels by default, the paper's; the linked code has one.",
        "Weights start from Keras' Glorot-uniform distribution; the paper names none.",
    ),
)

_DEEP = Entry(
    config=DeepResUNetConfig(),
    summary="Residual U-Net of seven pre-activation units, with projections in all shortcuts.",
    tags=("residual", "pre-activation"),
    reference=_PAPER,
)

_BILINEAR = Entry(
    config=BilinearConfig(),
    summary="Deep ResUNet that takes any input size, with two-class logits from a 3x3 head.",
    analysis_shape=(500, 500, 3),
    tags=(*_DEEP.tags, "any-size", "seed-reference"),
    reference=replace(
        _PAPER,
        code_url="https://github.com/dmolony3/ResUNet/tree/b391116",
        deviations=(
            "From the paper: bilinear up-sampling to the size of the skip and a linear 3x3 head with two classes, as in the code "
            "linked here, which is not the authors'.",
            "The linked code needs a fixed input size; here the size of the skip is taken when the network runs.",
        ),
    ),
)

_PLAIN_BRIDGE = Entry(
    config=PlainBridgeConfig(),
    summary="Five-level Deep ResUNet with a plain bridge and a wide decoder, the network that ResUNet v2 descends from.",
    tags=_DEEP.tags,
    reference=replace(
        _PAPER,
        code_url="https://github.com/nikhilroxtomar/Deep-Residual-Unet/tree/e250c2f",
        deviations=(
            "From the paper: five levels from 16 channels on, a bridge of two convolutions without a shortcut, decoder units "
            "twice as wide as the encoder's, and projections with batch normalisation, as in the code linked here, which is not "
            "the authors'.",
            "The linked code prints 4,720,685 parameters, which is an older version of it; what it builds has 4,723,057.",
        ),
    ),
)

ENTRIES = (_DEEP, _DEEP.resized(filters=32), _BILINEAR, _PLAIN_BRIDGE)


def build(config: DeepResUNetConfig | BilinearConfig | PlainBridgeConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, stages  # import Keras

    kind = config.shortcut if isinstance(config, DeepResUNetConfig) else "conv-bn"
    shortcut = blocks.Shortcut(kind="none") if kind == "none" else blocks.Shortcut(kernel=1, norm=kind == "conv-bn")
    style = blocks.Style(order="pre", shortcut=shortcut)
    widths = stages.doubled(config.filters, config.depth)
    inputs = blocks.image(config)
    if isinstance(config, PlainBridgeConfig):
        x = stages.plain_bridge_unet(inputs, widths, style, first=shortcut)
        return blocks.network(x, inputs, config)
    skips = stages.strided_encoder(inputs, widths[:-1], style, first=shortcut)
    x = blocks.residual(skips[-1], widths[-1], style, name=f"mid{len(skips)}", stride=2)
    if isinstance(config, BilinearConfig):
        x = stages.residual_decoder(x, skips, widths[:-1], style, mode="bilinear")
        return blocks.network(x, inputs, config, kernel=3)
    x = stages.residual_decoder(x, skips, widths[:-1], style, mode=config.upsample)
    return blocks.network(x, inputs, config)
