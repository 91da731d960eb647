"""RSUNet, the residual symmetric U-Net for serial sections: 3x3x3 convolutions, but only height and width are halved.

The levels have 24, 32, 48, 72, 104 and, with a sixth one, 144 channels. A 1x5x5 convolution with ELU and without
normalisation comes first and another one last, before the 1x1x1 head. A unit is three 3x3x3 convolutions: conv-norm-ELU,
conv-norm-ELU, conv; the sum with the output of the first ELU; norm-ELU. Encoder: unit, 1x2x2 max pooling. Decoder: linear
up-sampling by 1x2x2 and a 1x1x1 convolution, the sum with the skip, norm-ELU, unit.

Reference: K. Lee, J. Zung, P. Li, V. Jain, H. S. Seung, "Superhuman Accuracy on the SNEMI3D Connectomics Challenge" (2017),
in the form of the first author's code of 2018.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import HEAD_ACTIVATIONS, ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

WIDTHS = (24, 32, 48, 72, 104, 144)
"""Channels of the levels, full resolution first."""

IN_PLANE = (1, 2, 2)
"""What a level halves, along the depth axis, the height and the width."""


@dataclass(frozen=True, kw_only=True)
class RSUNetConfig(ModelConfig):
    """Config of RSUNet, whose outputs are affinities: several may be 1 at once, so the head is sigmoid for any number.

    Attributes:
        depth: Levels of resolution; height and width are halved `depth - 1` times, the depth axis never. The original counts
            the halvings: its depth of 4 is 5 levels.
        upsample: `"bilinear"` and `"nearest"` enlarge height and width, then a 1x1x1 convolution follows; `"transposed"` is a
            1x2x2 transposed convolution instead of both.
        batch_norm: Whether there is batch normalisation; the 3x3x3 convolutions have a bias where there is none.
    """

    family: ClassVar[str] = "rsunet"
    ranks: ClassVar[tuple[int, ...]] = (3,)

    input_shape: tuple[int | None, ...] = (None, None, None, 1)
    classes: int = integer(3, low=1, high=65536)
    head_activation: str | None = choice("sigmoid", HEAD_ACTIVATIONS)
    depth: int = integer(5, low=2, high=len(WIDTHS))
    upsample: str = choice("bilinear", ("bilinear", "nearest", "transposed"))
    batch_norm: bool = boolean(True)

    @property
    def size_multiples(self) -> tuple[int, ...]:
        """Number that the size along each spatial axis must be a multiple of; any depth axis will do."""
        return (1, self.stride, self.stride)


_DEVIATIONS = (
    "The network is that of the authors' code; the paper was not compared with it.",
    "Levels are counted, where the original counts halvings: its default depth of 4 is depth=5 here.",
    "The head is sigmoid; the original gives logits to its loss, and applies the sigmoid when it predicts.",
    "One head; the original can have several, of different names.",
    "Linear up-sampling aligns the pixels' centres, as today's PyTorch does with this code; that of its time aligned the outer "
    "pixels.",
    "Heights and widths that are not a multiple of 2**(depth-1) are refused when the config is made; the original fails later, "
    "in a sum.",
    "The option to leave out the shortcuts is not here.",
    "Weights start from Keras' Glorot-uniform distribution; the original's from He's normal one.",
    "In training, the moving variance is updated with the biased variance of the batch, as Keras does; PyTorch takes the "
    "unbiased one. The momentum of 0.9 is PyTorch's 0.1, which the original trains with.",
)

ENTRIES = (
    Entry(
        config=RSUNetConfig(),
        summary="Residual U-Net for anisotropic volumes, which never pools across sections; gives affinities.",
        analysis_shape=(32, 160, 160, 1),
        tags=("residual", "anisotropic", "affinities"),
        reference=Reference(
            title="Superhuman Accuracy on the SNEMI3D Connectomics Challenge",
            authors=("Kisuk Lee", "Jonathan Zung", "Peter Li", "Viren Jain", "H. Sebastian Seung"),
            year=2017,
            venue="arXiv 1706.00120",
            url="https://arxiv.org/abs/1706.00120",
            code_url="https://github.com/torms3/Superhuman/tree/6e15bb0",
            licence="none given",
            result="First submission to surpass the estimate of human accuracy provided by the SNEMI3D leaderboard.",
            deviations=_DEVIATIONS,
        ),
    ),
)


def build(config: RSUNetConfig) -> keras.Model:
    """Builds the network: `(N, D, H, W, C) -> (N, D, H, W, classes)`."""
    from zoo import blocks, sampling  # import Keras

    style = replace(
        blocks.TORCH_STYLE,
        norm="batch" if config.batch_norm else None,
        activation="elu",
        bias=not config.batch_norm,
    )
    bottom = config.depth - 1
    inputs = blocks.image(config)
    x = blocks.conv(inputs, WIDTHS[0], kernel=(1, 5, 5), name="stem0_conv")
    x = blocks.act(x, style, name="stem0_act")
    skips = []
    for level in range(bottom):
        x = _unit(x, WIDTHS[level], style, name=f"enc{level}")
        skips.append(x)
        x = sampling.max_pool(x, size=IN_PLANE, name=f"enc{level + 1}_pool")
    x = _unit(x, WIDTHS[bottom], style, name=f"mid{bottom}")
    for level in reversed(range(bottom)):
        x = _joined(x, skips[level], style, config.upsample, name=f"dec{level}")
        x = _unit(x, WIDTHS[level], style, name=f"dec{level}")
    x = blocks.conv(x, WIDTHS[0], kernel=(1, 5, 5), name="head0_embed")
    x = blocks.act(x, style, name="head0_embedact")
    return blocks.network(x, inputs, config)


def _unit(x: Tensor, filters: int, style: Style, *, name: str) -> Tensor:
    """Three convolutions; the shortcut starts behind the first: `(N, D, H, W, C) -> (N, D, H, W, F)`."""
    from zoo import blocks

    x = side = blocks.conv_norm_act(x, filters, style, name=name, index=1)
    x = blocks.conv_norm_act(x, filters, style, name=name, index=2)
    x = blocks.conv(x, filters, style, name=f"{name}_conv3")
    x = blocks.add(side, x, name=f"{name}_add")
    x = blocks.norm(x, style, name=f"{name}_norm3")
    return blocks.act(x, style, name=f"{name}_act3")


def _joined(x: Tensor, skip: Tensor, style: Style, mode: str, *, name: str) -> Tensor:
    """Up-sampling, sum with the skip, norm, act: `(N, D, H/2, W/2, C), (N, D, H, W, F) -> (N, D, H, W, F)`."""
    from zoo import blocks, sampling

    x = sampling.upsample(x, mode, factor=IN_PLANE, filters=skip.shape[-1], name=f"{name}_up")
    if mode != "transposed":
        x = blocks.conv(x, skip.shape[-1], kernel=1, name=f"{name}_upconv")
    x = blocks.add(x, skip, name=f"{name}_join")
    x = blocks.norm(x, style, name=f"{name}_joinnorm")
    return blocks.act(x, style, name=f"{name}_joinact")
