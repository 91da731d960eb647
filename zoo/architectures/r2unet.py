"""R2U-Net: a U-Net whose convolutions are recurrent, each applied several times with its input added again.

Level k has `filters * 2**k` channels. Unit: a 1x1 convolution to the width of the level, then two recurrent convolutions
one after the other, and the output of the 1x1 is added to theirs, without an activation behind the sum. A recurrent
convolution is one 3x3 convolution with batch normalisation and ReLU, f, whose weights are used `recurrence` + 1 times:
y = f(x), then y = f(x + y) `recurrence` times. Encoder: unit, 2x2 max pooling. Decoder: nearest up-sampling, a 3x3
convolution with batch normalisation and ReLU, concatenation [skip, up], unit. All convolutions have a bias.

The calls of one convolution share its layers: `enc0_conv1`, `enc0_norm1` and `enc0_act1` are called `recurrence` + 1 times,
and in training each call updates the moving statistics, as in the original.

- `r2unet`: that network.
- `r2unet-attention`: every skip is multiplied with an attention gate that sees the skip and the up-sampled tensor.

Reference: M. Z. Alom et al., "Recurrent Residual Convolutional Neural Network based on U-Net (R2U-Net) for Medical Image
Segmentation" (2018); the gates follow O. Oktay et al., "Attention U-Net: Learning Where to Look for the Pancreas" (2018).
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
class R2UNetConfig(ModelConfig):
    """Config of R2U-Net.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution, doubled at each level.
        recurrence: How often the input is added again: each recurrent convolution is applied once more than that.
        attention: Whether gates weigh the skips; True is what the names with `-attention` mean.
    """

    family: ClassVar[str] = "r2unet"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    recurrence: int = integer(2, low=1, high=16)
    attention: bool = boolean(False)

    @property
    def base(self) -> str:
        """The entry name without its sizes: `"r2unet"`, or `"r2unet-attention"`."""
        return self.family + ("-attention" if self.attention else "")


_DEVIATIONS = (
    "What the paper leaves open is taken from the code linked here, which is not its authors'.",
    "The head is sigmoid for one class and softmax for more; the linked code gives logits (head_activation=None).",
    "`depth` and `filters` can be chosen; the linked code always has five levels from 64 channels on.",
    "The linked code's own command line sets the recurrence to 3; the default here is 2, that of its networks.",
    "Input sizes that are not a multiple of 2**(depth-1) are refused when the config is made; the linked code fails later, in a "
    "concatenation.",
    "Weights start from Keras' Glorot-uniform distribution and biases from 0; the linked code leaves them to PyTorch, which "
    "draws both from a uniform distribution.",
    "In training, the moving variance is updated with the biased variance of the batch, as Keras does; PyTorch takes the "
    "unbiased one. The momentum of 0.9 is PyTorch's 0.1, and the update happens in every call of a shared layer in both.",
)

_R2UNET = Entry(
    config=R2UNetConfig(),
    summary="U-Net of recurrent residual units: each 3x3 convolution is applied three times with the same weights.",
    tags=("residual", "recurrent", "shared-weights"),
    reference=Reference(
        title="Recurrent Residual Convolutional Neural Network based on U-Net (R2U-Net) for Medical Image Segmentation",
        authors=("Md Zahangir Alom", "Mahmudul Hasan", "Chris Yakopcic", "Tarek M. Taha", "Vijayan K. Asari"),
        year=2018,
        url="https://arxiv.org/abs/1802.06955",
        code_url="https://github.com/LeeJunHyun/Image_Segmentation/tree/5e9da93",
        licence="none given",
        result="F1 0.679 and Jaccard 0.581 on ISIC 2018, measured by the linked code, not by the paper; its U-Net: 0.647, 0.549.",
        deviations=_DEVIATIONS,
    ),
)

_ATTENTION = Entry(
    config=R2UNetConfig(attention=True),
    summary="R2U-Net whose skips are weighted by attention gates.",
    tags=(*_R2UNET.tags, "attention"),
    reference=replace(
        _R2UNET.reference,
        title="Pytorch implementation of U-Net, R2U-Net, Attention U-Net, Attention R2U-Net",
        authors=("LeeJunHyun",),
        url="https://github.com/LeeJunHyun/Image_Segmentation",
        result="F1 0.691 and Jaccard 0.592 on ISIC 2018, as the linked code's page says; its U-Net: 0.647, 0.549.",
        deviations=(
            "No paper describes this network: the linked code joins R2U-Net (arXiv 1802.06955) and Attention U-Net (arXiv "
            "1804.03999).",
            "A gate is half as wide as its skip, rounded down, but never narrower than one channel; the linked code states "
            "the widths.",
            *_DEVIATIONS[1:],
        ),
    ),
)

ENTRIES = (_R2UNET, _ATTENTION)


def build(config: R2UNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, sampling, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, bias=True)
    *widths, widest = stages.doubled(config.filters, config.depth)
    inputs = x = blocks.image(config)
    skips = []
    for level, width in enumerate(widths):
        skips.append(_unit(x, width, style, config.recurrence, name=f"enc{level}"))
        x = sampling.max_pool(skips[-1], name=f"enc{level + 1}_pool")
    x = _unit(x, widest, style, config.recurrence, name=f"mid{len(skips)}")
    for level in reversed(range(len(skips))):
        x = sampling.upsample(x, "nearest", name=f"dec{level}_up")
        x = blocks.conv(x, widths[level], style, name=f"dec{level}_upconv")
        x = blocks.norm(x, style, name=f"dec{level}_upnorm")
        x = blocks.act(x, style, name=f"dec{level}_upact")
        skip = _gated(skips[level], x, style, name=f"dec{level}_gate") if config.attention else skips[level]
        x = blocks.concat(skip, x, name=f"dec{level}_cat")
        x = _unit(x, widths[level], style, config.recurrence, name=f"dec{level}")
    return blocks.network(x, inputs, config)


def _unit(x: Tensor, filters: int, style: Style, recurrence: int, *, name: str) -> Tensor:
    """A 1x1 convolution, and around two recurrent ones its output again: `(N, H, W, C) -> (N, H, W, F)`."""
    from zoo import blocks

    x = blocks.conv(x, filters, style, kernel=1, name=f"{name}_proj")
    y = x
    for index in (1, 2):
        y = _recurrent(y, style, recurrence, name=name, index=index)
    return blocks.add(x, y, name=f"{name}_add")


def _recurrent(x: Tensor, style: Style, recurrence: int, *, name: str, index: int) -> Tensor:
    """One 3x3 convolution, normalisation and activation, called `recurrence` + 1 times: `(N, H, W, C) -> (N, H, W, C)`."""
    import keras

    from zoo import blocks

    conv = keras.layers.Conv2D(x.shape[-1], 3, padding="same", name=f"{name}_conv{index}")
    norm = keras.layers.BatchNormalization(epsilon=style.epsilon, momentum=style.momentum, name=f"{name}_norm{index}")
    act = keras.layers.Activation(style.activation, name=f"{name}_act{index}")
    y = act(norm(conv(x)))
    for call in range(1, recurrence + 1):
        y = act(norm(conv(blocks.add(x, y, name=f"{name}_conv{index}_add{call}"))))
    return y


def _gated(skip: Tensor, x: Tensor, style: Style, *, name: str) -> Tensor:
    """The skip times a number from 0 to 1 at each position: `(N, H, W, F), (N, H, W, F) -> (N, H, W, F)`."""
    from zoo import blocks

    width = max(skip.shape[-1] // 2, 1)
    sides = []
    for tensor, side in ((x, "up"), (skip, "skip")):
        y = blocks.conv(tensor, width, style, kernel=1, name=f"{name}_{side}")
        sides.append(blocks.norm(y, style, name=f"{name}_{side}norm"))
    y = blocks.act(blocks.add(*sides, name=f"{name}_add"), style, name=f"{name}_act")
    y = blocks.norm(blocks.conv(y, 1, style, kernel=1, name=f"{name}_psi"), style, name=f"{name}_psinorm")
    return blocks.multiply(skip, blocks.act(y, "sigmoid", name=f"{name}_sigmoid"), name=f"{name}_scale")
