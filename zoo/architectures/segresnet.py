"""SegResNet: a wide encoder of pre-activation residual blocks, a light decoder, and skips that are added.

Level k has `filters * 2**k` channels. A 3x3 convolution starts at full resolution. Encoder: a 3x3 convolution with stride 2
from level to level, then `blocks_down[k]` blocks of twice group normalisation, ReLU and 3x3 convolution around an identity.
Decoder: a 1x1 convolution that halves the channels, up-sampling by 2, the sum with the skip, blocks. Group normalisation,
ReLU and a 1x1 convolution give the classes; it and transposed convolutions alone have a bias.

Reference: A. Myronenko, "3D MRI brain tumor segmentation using autoencoder regularization" (2018); the network is that of
MONAI, which leaves the branch for the regularisation to another class.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, choice, integer, per_level, shown
from zoo.entry import Entry, Reference
from zoo.errors import ConfigError

if TYPE_CHECKING:
    import keras

    from zoo.blocks import Style, Tensor

GROUPS = 8
"""Groups of channels of each normalisation, so also what `filters` must be a multiple of."""

MOST_LEVELS = 10


@dataclass(frozen=True, kw_only=True)
class SegResNetConfig(ModelConfig):
    """Config of SegResNet.

    Attributes:
        filters: Channels at full resolution, doubled at each level; a multiple of 8.
        upsample: `"bilinear"`, which is trilinear in volumes, or `"transposed"`: a 2x2 transposed convolution with bias.
        blocks_down: Blocks per level of the encoder, full resolution first, the bottleneck last; as many as there are levels.
            None is (1, 2, 2, 4).
        blocks_up: Blocks per level of the decoder in the order in which they run, so full resolution last, as in the
            original; one number less than `blocks_down`. None is 1 everywhere.
    """

    family: ClassVar[str] = "segresnet"

    filters: int = integer(8, low=GROUPS, high=4096)
    upsample: str = choice("bilinear", ("bilinear", "transposed"))
    blocks_down: tuple[int, ...] | None = per_level(low=1, high=64, axes=False)
    blocks_up: tuple[int, ...] | None = per_level(low=1, high=64, axes=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.filters % GROUPS:
            nearest = (self.filters + GROUPS // 2) // GROUPS * GROUPS
            message = (
                f"`filters` must be a multiple of {GROUPS}, the groups of the normalisation; the nearest is {nearest}. "
                f"Received: filters={self.filters}"
            )
            raise ConfigError(message)
        self._check_blocks()

    @property
    def encoder_blocks(self) -> tuple[int, ...]:
        """Blocks per level of the encoder, full resolution first."""
        return (1, 2, 2, 4) if self.blocks_down is None else self.blocks_down

    @property
    def decoder_blocks(self) -> tuple[int, ...]:
        """Blocks per level of the decoder, full resolution last."""
        return (1,) * (len(self.encoder_blocks) - 1) if self.blocks_up is None else self.blocks_up

    @property
    def stride(self) -> int:
        """Total down-sampling: one halving between neighbouring levels."""
        return int(2 ** (min(len(self.encoder_blocks), MOST_LEVELS) - 1))

    def _check_blocks(self) -> None:
        """Raises `ConfigError` where blocks are not as many as there are levels."""
        down, up = self.encoder_blocks, self.decoder_blocks
        received = f"Received: blocks_down={shown(self.blocks_down)}, blocks_up={shown(self.blocks_up)}"
        if not 2 <= len(down) <= MOST_LEVELS:
            message = f"`blocks_down` must have from 2 to {MOST_LEVELS} levels, not {len(down)}. {received}"
            raise ConfigError(message)
        if len(up) != len(down) - 1:
            message = (
                f"`blocks_up` has one number less than `blocks_down`: {len(down) - 1}, not {len(up)}; give as many, or None. "
                f"{received}"
            )
            raise ConfigError(message)


_DEVIATIONS = (
    "The activation of the head is part of the network; the original gives logits (head_activation=None).",
    "Sizes must be multiples of 2**(levels - 1); the original fails later, in a sum.",
    "The linked code is MONAI's, not the paper's.",
    "Dropout after the first convolution is left out, as in the original unless it is asked for; MONAI's models for BraTS and "
    "for the kidney have 20 %.",
    "The variational auto-encoder, which regularises training in the paper, is left out; in the original it is another class.",
    "The original's other activations, normalisations and its pixel shuffle are left out.",
    "Weights start from Keras' Glorot-uniform distribution; the original leaves them to PyTorch.",
)

_REFERENCE = Reference(
    title="3D MRI brain tumor segmentation using autoencoder regularization",
    authors=("Andriy Myronenko",),
    year=2018,
    venue="arXiv:1810.11654",
    url="https://arxiv.org/abs/1810.11654",
    code_url="https://github.com/Project-MONAI/MONAI/tree/7af49217",
    licence="Apache-2.0",
    result='The paper\'s network "won 1st place in the BraTS 2018 challenge" (abstract).',
    deviations=_DEVIATIONS,
)

_BRATS = SegResNetConfig(input_shape=(None, None, None, 4), classes=3, head_activation="sigmoid", filters=16)
_NESTED = "The three classes are nested regions of a tumour, so the head is sigmoid."

_IMAGES = Entry(
    config=SegResNetConfig(input_shape=(None, None, 1), classes=2),
    summary="Wide pre-activation encoder, light decoder, added skips and group normalisation.",
    tags=("residual", "pre-activation", "medical"),
    reference=_REFERENCE,
)

_VOLUMES = Entry(
    config=SegResNetConfig(input_shape=(None, None, None, 1), classes=2),
    summary="The same network on volumes, at the width that is MONAI's default.",
    tags=_IMAGES.tags,
    reference=_REFERENCE,
)

_VOLUMES_16 = Entry(
    config=_BRATS,
    summary="SegResNet for four MR sequences and three nested tumour regions, as MONAI's model zoo has it for BraTS 2018.",
    tags=_IMAGES.tags,
    reference=replace(
        _REFERENCE,
        result="Dice 0.8559 for the tumour core, 0.9026 for the whole tumour, 0.7905 for the enhancing tumour (BraTS 2018, "
        "MONAI's own validation split), says the model card of brats_mri_segmentation in MONAI's model zoo.",
        deviations=(*_DEVIATIONS, _NESTED),
    ),
)

_VOLUMES_32 = Entry(
    config=_BRATS.replace(filters=32),
    summary="The same for four MR sequences and three nested tumour regions, four times as wide as MONAI's default.",
    tags=_IMAGES.tags,
    reference=replace(_REFERENCE, deviations=(*_DEVIATIONS, _NESTED)),
)

ENTRIES = (
    _IMAGES,
    *(_IMAGES.resized(filters=filters) for filters in (16, 32)),
    _VOLUMES,
    _VOLUMES_16,
    _VOLUMES_32,
)


def build(config: SegResNetConfig) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`, or the same with D for volumes."""
    from zoo import blocks, sampling, stages  # import Keras

    style = replace(blocks.TORCH_STYLE, order="pre", norm="group", groups=GROUPS, shortcut=blocks.Shortcut(kind="identity"))
    bottom = len(config.encoder_blocks) - 1
    widths = stages.doubled(config.filters, bottom + 1)
    inputs = blocks.image(config)
    x = blocks.conv(inputs, config.filters, style, name="stem0_conv1")
    skips = []
    for level, count in enumerate(config.encoder_blocks):
        name = f"mid{level}" if level == bottom else f"enc{level}"
        if level > 0:
            x = blocks.conv(x, widths[level], style, stride=2, name=f"{name}_down")
        x = _blocks(x, count, style, name=name)
        skips.append(x)
    for level, count in zip(reversed(range(bottom)), config.decoder_blocks, strict=True):
        x = blocks.conv(x, widths[level], style, kernel=1, name=f"dec{level}_reduce")
        x = sampling.upsample(x, config.upsample, name=f"dec{level}_up")
        x = blocks.add(x, skips[level], name=f"dec{level}_add")
        x = _blocks(x, count, style, name=f"dec{level}")
    x = blocks.norm(x, style, name="head0_norm")
    x = blocks.act(x, style, name="head0_normact")
    return blocks.network(x, inputs, config)


def _blocks(x: Tensor, count: int, style: Style, *, name: str) -> Tensor:
    """Residual blocks that keep size and channels: `(N, H, W, C) -> (N, H, W, C)`."""
    from zoo import blocks

    for block in range(1, count + 1):
        x = blocks.residual(x, x.shape[-1], style, name=f"{name}_block{block}")
    return x
