"""MedNeXt: a residual U-Net of ConvNeXt blocks, which also change the resolution; in 3D and 2D.

A 1x1 convolution makes `filters` channels; they double at each of five levels. A block is a depthwise convolution, a
normalisation of each channel over its positions, a 1x1 convolution that widens, GELU and a 1x1 convolution back, around
which there is an identity. Down-sampling is a block whose depthwise convolution has stride 2 and whose shortcut is a 1x1
convolution with stride 2. Up-sampling is a block whose depthwise convolution is transposed with stride 2, and so is the 1x1
convolution of its shortcut: 2n - 1 positions, before which one zero goes. The decoder adds the skips. Heads are 1x1
convolutions, one at full resolution, or one at every level.

The variants differ in how many blocks a level has and how much wider they are inside; the original's lists of nine are the
levels 0 to 4 and back. Blocks are named so that the original's weights can be mapped: `enc_block_{k}.{b}` is
`enc{k}_block{b + 1}` and `down_{k}` is `enc{k + 1}_down`, with `bottleneck` as `mid4`; `up_{k}` is `dec{k}_up`; in each block
`conv1`, `norm`, `conv2`, `conv3`, `res_conv` are `_conv1`, `_norm1`, `_conv2`, `_conv3`, `_proj`; `out_{k}` is `head{k}_conv`.

XLA runs depthwise convolutions on CPUs in plain loops: there, TensorFlow trains this network about three times faster with
`compile(..., jit_compile=False)`.

Reference: S. Roy et al., "MedNeXt: Transformer-driven Scaling of ConvNets for Medical Image Segmentation" (2023), figure 1
and table 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, boolean, choice, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

EXPANSIONS = {
    "s": (2, 2, 2, 2, 2),
    "b": (2, 3, 4, 4, 4),
    "m": (2, 3, 4, 4, 4),
    "l": (3, 4, 8, 8, 8),
}
"""How many times wider blocks are inside, per level; blocks that change the resolution take that of the level they lead to."""

BLOCKS = {
    "s": (2, 2, 2, 2, 2),
    "b": (2, 2, 2, 2, 2),
    "m": (3, 4, 4, 4, 4),
    "l": (3, 4, 8, 8, 8),
}
"""Blocks per level, in the encoder and again in the decoder, besides those that change the resolution."""

DEPTH = 5


@dataclass(frozen=True, kw_only=True)
class MedNeXtConfig(ModelConfig):
    """Config of MedNeXt, for volumes unless told otherwise.

    Attributes:
        variant: `"s"`, `"b"`, `"m"` or `"l"`: numbers and widths of blocks.
        kernel: Side of all depthwise kernels; 3 and 5 are the publication's, 7 is the default of the original's class.
        filters: Channels at full resolution, doubled at each level.
        deep_supervision: Whether every level has a head, the bottleneck, too; the outputs are then a dictionary.
    """

    family: ClassVar[str] = "mednext"

    input_shape: tuple[int | None, ...] = (None, None, None, 1)
    classes: int = integer(2, low=1, high=65536)
    variant: str = choice("s", tuple(BLOCKS))
    kernel: int = choice(3, (3, 5, 7))
    filters: int = integer(32, low=1, high=4096)
    deep_supervision: bool = boolean(False)

    @property
    def stride(self) -> int:
        """Total down-sampling: four halvings."""
        return 2 ** (DEPTH - 1)

    @property
    def base(self) -> str:
        """The entry name without its sizes, such as `"mednext-s"` or `"mednext-2d-s"`."""
        return f"{self.family}{'-2d' if self.ndim == 2 else ''}-{self.variant}"


_REFERENCE = Reference(
    title="MedNeXt: Transformer-driven Scaling of ConvNets for Medical Image Segmentation",
    authors=(
        "Saikat Roy",
        "Gregor Koehler",
        "Constantin Ulrich",
        "Michael Baumgartner",
        "Jens Petersen",
        "Fabian Isensee",
        "Paul F. Jaeger",
        "Klaus Maier-Hein",
    ),
    year=2023,
    venue="Medical Image Computing and Computer-Assisted Intervention (MICCAI)",
    url="https://arxiv.org/abs/2303.09975",
    code_url="https://github.com/MIC-DKFZ/MedNeXt/tree/0b78ed8",
    licence="Apache-2.0",
    deviations=(
        "One parameter fewer than the original counts, which has a scalar that no output depends on, for its checkpointing.",
        "The head is sigmoid for one class and softmax for more; the original gives logits (head_activation=None).",
        "deep_supervision is off by default, as in the original's function for these sizes; the publication trained with it.",
        "The original recomputes the blocks of M and L in the backward pass to save memory, which changes no number; here "
        "nothing is recomputed.",
        "Sizes are multiples of 16; the original fails at others in the sum with a skip, and its trainer asks for 32.",
        "The original refuses a single image whose bottleneck has one position; here the normalisation gives its shift then.",
        "Weights start from Keras' Glorot-uniform distribution and biases from 0; the original leaves both to PyTorch.",
        "Widths and numbers of blocks other than the variants', layer normalisation, global response normalisation and the "
        "resampling of small kernels to larger ones are left out.",
    ),
)

_REFERENCE_2D = replace(
    _REFERENCE,
    deviations=(
        "The authors' code builds this network, but they say that they have not tested it in 2D.",
        *_REFERENCE.deviations,
    ),
)

_BLOCK_WORDS = {
    "s": "the small one, whose blocks are twice as wide inside",
    "b": "the base, whose blocks are two to four times as wide inside",
    "m": "the medium one, with three or four blocks a level",
    "l": "the large one, with up to eight blocks a level that are eight times as wide inside",
}

_VOLUMES = tuple(
    Entry(
        config=MedNeXtConfig(variant=variant),
        summary=f"Residual U-Net of ConvNeXt blocks for volumes: {words}.",
        tags=("residual", "convnext", "additive-skips"),
        reference=_REFERENCE,
    )
    for variant, words in _BLOCK_WORDS.items()
)

_IMAGES = tuple(
    Entry(
        config=MedNeXtConfig(variant=variant, input_shape=(None, None, 1)),
        summary=f"MedNeXt on images: {words}.",
        tags=_VOLUMES[0].tags,
        reference=_REFERENCE_2D,
    )
    for variant, words in _BLOCK_WORDS.items()
)

ENTRIES = (*_VOLUMES, *_IMAGES)


def build(config: MedNeXtConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes.

    With deep supervision the outputs are `"segmentation"` and `"segmentation_1"` to `"segmentation_4"`, each half the size of
    the one before it.
    """
    from zoo import blocks, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, bias=True, norm="instance", activation="gelu")
    inputs = blocks.image(config)
    x = blocks.conv(inputs, config.filters, style, kernel=1, name="stem0_conv1")
    levels = [_level(x, 0, config, style, name="enc0")]
    for level in range(1, DEPTH):
        side = f"enc{level}" if level < DEPTH - 1 else f"mid{level}"
        x = _down(levels[-1], level, config, style, name=f"{side}_down")
        levels.append(_level(x, level, config, style, name=side))
    for level in reversed(range(DEPTH - 1)):
        x = _up(levels[level + 1], level, config, style, name=f"dec{level}_up")
        x = blocks.add(levels[level], x, name=f"dec{level}_add")
        levels[level] = _level(x, level, config, style, name=f"dec{level}")
    return stages.supervised(inputs, levels, config, deep=config.deep_supervision)


def _level(x: Tensor, level: int, config: MedNeXtConfig, style: Style, *, name: str) -> Tensor:
    """The blocks of one side of a level: `(N, H, W, C) -> (N, H, W, C)`."""
    from zoo import blocks

    for block in range(1, BLOCKS[config.variant][level] + 1):
        y = blocks.depthwise_conv(x, style, kernel=config.kernel, name=f"{name}_block{block}_conv1")
        y = _inside(y, x.shape[-1], EXPANSIONS[config.variant][level], style, name=f"{name}_block{block}")
        x = blocks.add(x, y, name=f"{name}_block{block}_add")
    return x


def _down(x: Tensor, level: int, config: MedNeXtConfig, style: Style, *, name: str) -> Tensor:
    """The block that leads down to a level: `(N, H, W, C) -> (N, H/2, W/2, 2C)`."""
    from zoo import blocks

    y = blocks.depthwise_conv(x, style, kernel=config.kernel, stride=2, name=f"{name}_conv1")
    y = _inside(y, 2 * x.shape[-1], EXPANSIONS[config.variant][level], style, name=name)
    side = blocks.conv(x, 2 * x.shape[-1], style, kernel=1, stride=2, name=f"{name}_proj")
    return blocks.add(y, side, name=f"{name}_add")


def _up(x: Tensor, level: int, config: MedNeXtConfig, style: Style, *, name: str) -> Tensor:
    """The block that leads up to a level: `(N, H, W, C) -> (N, 2H, 2W, C/2)`, zero at the first position of each axis."""
    from zoo import blocks, sampling

    y = sampling.depthwise_conv_transposed(x, kernel=config.kernel, name=f"{name}_conv1")
    y = _inside(y, x.shape[-1] // 2, EXPANSIONS[config.variant][level], style, name=name)
    side = sampling.conv_transposed(x, x.shape[-1] // 2, kernel=1, name=f"{name}_proj")
    y = blocks.add(y, side, name=f"{name}_add")
    return sampling.layer_of("ZeroPadding", y)(((1, 0),) * config.ndim, name=f"{name}_pad")(y)


def _inside(x: Tensor, filters: int, expansion: int, style: Style, *, name: str) -> Tensor:
    """What follows a depthwise convolution: `(N, H, W, C) -> (N, H, W, expansion * C) -> (N, H, W, F)`."""
    from zoo import blocks

    hidden = expansion * x.shape[-1]
    x = blocks.norm(x, style, name=f"{name}_norm1")
    x = blocks.conv(x, hidden, style, kernel=1, name=f"{name}_conv2")
    x = blocks.act(x, style, name=f"{name}_act2")
    return blocks.conv(x, filters, style, kernel=1, name=f"{name}_conv3")
