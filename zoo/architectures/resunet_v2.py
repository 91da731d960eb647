"""ResUNet v2: pre-activation residual units with strided convolutions, a plain bridge, and a decoder twice as wide.

Level k has `filters * 2**k` channels in the encoder, whose units halve the sizes with their first convolution. The bridge
is two convolutions without a shortcut. Decoder: nearest up-sampling, concatenation [up, skip], a unit of
`filters * 2**(k + 1)` channels. Every shortcut is a convolution, 3x3 but for the first, *and an activation*; nothing is
normalised unless the config says so.

Reference: code 2 of the document that this project starts from, a descendant of Zhang et al. (2018) by way of
the notebook of nikhilroxtomar/Deep-Residual-Unet (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from zoo.config import ModelConfig, boolean, integer
from zoo.entry import Entry, Reference

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, kw_only=True)
class ResUNetV2Config(ModelConfig):
    """Config of ResUNet v2.

    Attributes:
        depth: Levels of resolution; the input is halved `depth - 1` times.
        filters: Channels at full resolution in the encoder, doubled at each level.
        batch_norm: Whether batch normalisation comes before every activation; True is what the names with `-bn` mean.
    """

    family: ClassVar[str] = "resunet-v2"
    ranks: ClassVar[tuple[int, ...]] = (2,)

    depth: int = integer(5, low=2, high=10)
    filters: int = integer(64, low=1, high=4096)
    batch_norm: bool = boolean(False)

    @property
    def base(self) -> str:
        """The entry name without its sizes: `"resunet-v2"`, or `"resunet-v2-bn"`."""
        return self.family + ("-bn" if self.batch_norm else "")


_DEVIATIONS = (
    "From the paper: the shortcuts are followed by ReLU, so they are non-negative and no identity paths; the paper's are "
    "identities.",
    "From the paper: the shortcuts are 3x3 convolutions, the first one 1x1; the paper states no projection.",
    "From the paper: five levels instead of four, a bridge of two convolutions without a shortcut, and decoder units twice as "
    "wide as the encoder's; all three come from the notebook.",
    "From the paper and the notebook: nothing is normalised, as in the document's code, whose switch for it is never turned on; "
    "the entries with -bn turn it on.",
    "From the document: `classes`, the input channels and the depth can be chosen; sizes that are not a multiple of "
    "2**(depth-1) are refused when the config is made, not in a concatenation.",
)

_SEED = Entry(
    config=ResUNetV2Config(),
    summary="Pre-activation residual U-Net with 3x3 shortcuts, a plain bridge and no normalisation, as first written.",
    analysis_shape=(512, 512, 3),
    tags=("residual", "pre-activation", "seed"),
    reference=Reference(
        title="Road Extraction by Deep Residual U-Net",
        authors=("Zhengxin Zhang", "Qingjie Liu", "Yunhong Wang"),
        year=2018,
        venue="IEEE Geoscience and Remote Sensing Letters 15(5), pp. 749-753",
        url="https://doi.org/10.1109/LGRS.2018.2802944",
        code_url="https://github.com/nikhilroxtomar/Deep-Residual-Unet/tree/e250c2f",
        licence="none given",
        deviations=_DEVIATIONS,
    ),
)

_SEED_BN = Entry(
    config=ResUNetV2Config(batch_norm=True),
    summary="ResUNet v2 with the batch normalisation that its own switch was meant to turn on.",
    analysis_shape=_SEED.analysis_shape,
    tags=_SEED.tags,
    reference=_SEED.reference,
)

ENTRIES = tuple(
    entry for default in (_SEED, _SEED_BN) for entry in (default, *(default.resized(filters=filters) for filters in (32, 16, 8)))
)


def build(config: ResUNetV2Config) -> keras.Model:
    """Builds the network: `(N, H, W, C) -> (N, H, W, classes)`."""
    from zoo import blocks, stages  # import Keras

    style = blocks.Style(
        order="pre",
        norm="batch" if config.batch_norm else None,
        shortcut=blocks.Shortcut(kernel=3, norm=True, activation=True),
    )
    first = blocks.Shortcut(kernel=1, norm=True, activation=True)
    inputs = blocks.image(config)
    x = stages.plain_bridge_unet(inputs, stages.doubled(config.filters, config.depth), style, first=first)
    return blocks.network(x, inputs, config)
