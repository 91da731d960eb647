"""UNet 3+: a U-Net whose decoder sees all levels at each level; not residual.

Encoder level k: two 3x3 convolutions to `filters * 2**k` channels, then 2x2 max pooling; the coarsest level is the bottleneck.
Decoder level k takes one branch from each of the `depth` levels, in their order from full resolution on: finer levels of the
encoder by max pooling in one step, the encoder's own level as it is, coarser levels of the decoder (the bottleneck is the
coarsest) by bilinear up-sampling in one step. In each branch a 3x3 convolution to `filters` channels follows. The
concatenation has `depth * filters` channels, and so has the 3x3 convolution behind it. Batch normalisation and ReLU follow every
convolution, which has a bias, but for the heads: one 3x3 convolution for each output.

Outputs besides the segmentation, as fields: `deep_supervision` adds `"segmentation_1"`, `"segmentation_2"`, ... from each coarser
level, enlarged to full resolution; `cgm`, the classification-guided module, adds `"classification"`, `(N, 2)`: how sure the
bottleneck is that the image shows nothing and that it shows something. The larger one decides: the logits of all segmentations
are multiplied by 0 or by 1.

Reference: H. Huang et al., "UNet 3+" (2020); the authors' code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, boolean, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor


@dataclass(frozen=True, kw_only=True)
class UNet3PlusConfig(ModelConfig):
    """Config of UNet 3+.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level of the encoder, and of each branch of the decoder.
        deep_supervision: Whether each coarser level has an output, too, enlarged to full resolution.
        cgm: Whether the classification-guided module multiplies all logits by 0 where it sees nothing in an image: sigmoid
            gives 0.5 then. Its own output, `"classification"`, is what trains it; it is always sigmoid.
    """

    family: ClassVar[str] = "unet3plus"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    deep_supervision: bool = boolean(False)
    cgm: bool = boolean(False)


_DEVIATIONS = (
    "Three input channels and one class by default, as in the code; depth and width are fields, the code has 5 levels from 64 "
    "channels on.",
    "The heads are sigmoid for one class and softmax for more; the original has sigmoid for any number of classes "
    "(head_activation='sigmoid').",
    "Input sizes that are not a multiple of 2**(depth-1) are refused; the original fails later, in a concatenation.",
    "The code's classification-guided module calls a library that it does not import, and does not return its classification, "
    "so nothing could train it: here it is the output 'classification'.",
    "The classification-guided module has no dropout; the original drops half of the bottleneck's values before its convolution.",
    "The option `is_batchnorm`, which in the original concerns the encoder only, is left out, and so are `is_deconv` and "
    "`feature_scale`, which it ignores.",
    "Weights start from Keras' Glorot-uniform distribution, biases from 0, scales of normalisations from 1; the original draws "
    "He-normal weights (fan-in), PyTorch's uniform biases, and scales around 1 with deviation 0.02.",
    "In training, the moving variance is updated with the biased variance of the batch, as Keras does; PyTorch takes the "
    "unbiased one. The momentum of 0.9 is PyTorch's 0.1.",
)

_UNET3PLUS = Entry(
    config=UNet3PlusConfig(),
    summary="U-Net with full-scale skips: each level of the decoder sees all levels; not residual.",
    tags=("baseline", "full-scale"),
    reference=Reference(
        title="UNet 3+: A Full-Scale Connected UNet for Medical Image Segmentation",
        authors=(
            "Huimin Huang", "Lanfen Lin", "Ruofeng Tong", "Hongjie Hu", "Qiaowei Zhang", "Yutaro Iwamoto", "Xianhua Han",
            "Yen-Wei Chen", "Jian Wu",
        ),
        year=2020,
        venue="ICASSP 2020",
        url="https://arxiv.org/abs/2004.08790",
        code_url="https://github.com/ZJUGiveLab/UNet-Version/tree/8ecd067",
        licence="none given",
        deviations=_DEVIATIONS,
    ),
)  # fmt: skip

ENTRIES = (_UNET3PLUS, _UNET3PLUS.resized(filters=32))


def build(config: UNet3PlusConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or a dictionary of outputs, the segmentation first."""
    from zoo import blocks  # imports Keras

    style = replace(blocks.TORCH_STYLE, bias=True)
    inputs = blocks.image(config)
    encoder = _encoder(inputs, config, style)
    decoder = _decoder(encoder, config, style)
    gate, presence = _classified(encoder[-1], name=f"head{config.depth - 1}_class") if config.cgm else (None, {})
    outputs = {"segmentation": _head(decoder[0], 0, gate, config)}
    for level in range(1, config.depth if config.deep_supervision else 1):
        outputs[f"segmentation_{level}"] = _head(decoder[level], level, gate, config)
    outputs |= presence
    return blocks.model(inputs, outputs if len(outputs) > 1 else outputs["segmentation"], config)


def _encoder(x: Tensor, config: UNet3PlusConfig, style: Style) -> list[Tensor]:
    """The outputs of all levels: `(N, H, W, C) -> [(N, H, W, F), (N, H/2, W/2, 2F), ...]`."""
    from zoo import blocks, sampling, stages

    outputs = []
    for level, width in enumerate(stages.doubled(config.filters, config.depth)):
        name = f"enc{level}" if level < config.depth - 1 else f"mid{level}"
        if level > 0:
            x = sampling.max_pool(x, name=f"{name}_pool")
        for index in (1, 2):
            x = blocks.conv_norm_act(x, width, style, name=name, index=index)
        outputs.append(x)
    return outputs


def _decoder(encoder: list[Tensor], config: UNet3PlusConfig, style: Style) -> list[Tensor]:
    """The outputs of all levels, of which the coarsest is the encoder's: `[(N, H, W, depth * F), ..., (N, h, w, C)]`."""
    from zoo import blocks

    outputs = list(encoder)
    for level in reversed(range(config.depth - 1)):
        name = f"dec{level}"
        sources = [*encoder[: level + 1], *outputs[level + 1 :]]
        branches = [_branch(x, source - level, config, style, name=f"{name}_from{source}") for source, x in enumerate(sources)]
        x = blocks.concat(*branches, name=f"{name}_cat")
        outputs[level] = blocks.conv_norm_act(x, config.depth * config.filters, style, name=name)
    return outputs


def _branch(x: Tensor, below: int, config: UNet3PlusConfig, style: Style, *, name: str) -> Tensor:
    """Brings a tensor from `below` levels further down (above where negative) to one level, `filters` wide."""
    from zoo import blocks, sampling

    if below < 0:
        x = sampling.max_pool(x, size=2**-below, name=f"{name}_pool")
    elif below > 0:
        x = sampling.upsample(x, "bilinear", factor=2**below, name=f"{name}_up")
    return blocks.conv_norm_act(x, config.filters, style, name=name)


def _classified(x: Tensor, *, name: str) -> tuple[Tensor, dict[str, Tensor]]:
    """Says whether an image shows nothing or something: `(N, h, w, C) -> (N, 1, 1, 1), {"classification": (N, 2)}`."""
    import keras

    from zoo import blocks, layers

    x = blocks.conv(x, 2, kernel=1, name=f"{name}_conv")
    x = keras.layers.GlobalMaxPooling2D(keepdims=True, name=f"{name}_max")(x)
    x = blocks.act(x, "sigmoid", name=f"{name}_act")
    gate = layers.ArgMax(name=f"{name}_argmax")(x)
    return gate, {"classification": keras.layers.Flatten(name=f"{name}_flat")(x)}


def _head(x: Tensor, level: int, gate: Tensor | None, config: UNet3PlusConfig) -> Tensor:
    """Output from one level at full resolution: `(N, h, w, C) -> (N, H, W, classes)`."""
    from zoo import blocks, sampling

    x = blocks.conv(x, config.classes, name=f"head{level}_conv")
    if level > 0:
        x = sampling.upsample(x, "bilinear", factor=2**level, name=f"head{level}_up")
    if gate is not None:
        x = blocks.multiply(x, gate, name=f"head{level}_gate")
    return blocks.act(x, config.output_activation, name=f"head{level}_act")
