"""`monai.networks.nets.SegResNet` against `segresnet` and `segresnet-3d`."""

from __future__ import annotations

from functools import partial
from typing import Any

from parity.case import Case
from parity.rows import table_of
from zoo.weights.convert.tables import segresnet

THEIR_MODES = {"bilinear": "nontrainable", "transposed": "deconv"}
FILTERS = 8


def original(options: dict[str, Any]):
    """The original with random weights."""
    from monai.networks.nets import SegResNet

    from parity.frameworks import TorchNetwork

    return TorchNetwork(SegResNet(**options))


def case(
    name: str,
    sizes: tuple[tuple[int, ...], ...],
    channels: int,
    classes: int,
    upsample: str,
    blocks_down: tuple[int, ...] = (1, 2, 2, 4),
    blocks_up: tuple[int, ...] = (1, 1, 1),
) -> Case:  # fmt: skip
    """The original with some options."""
    ndim, blocks = len(sizes[0]), {"blocks_down": blocks_down, "blocks_up": blocks_up}
    options = {"spatial_dims": ndim, "init_filters": FILTERS, "in_channels": channels, "out_channels": classes}
    options |= {**blocks, "upsample_mode": THEIR_MODES[upsample]}
    entry = f"segresnet{'-3d' if ndim == 3 else ''}-f{FILTERS}"
    overrides = {"input_shape": (*[None] * ndim, channels), "classes": classes, "upsample": upsample, **blocks}
    return Case(
        name=name,
        entry=entry,
        overrides=overrides,
        sizes=sizes,
        channels=channels,
        original=partial(original, options),
        table=table_of(segresnet.rows, entry, overrides),
        source=f"monai.networks.nets.SegResNet(**{options})",
        needs=("torch", "monai"),
        mutations=("same_padding", "epsilon", "activation_across_add"),
    )


CASES = [
    case("segresnet", ((16, 16), (24, 40)), 1, 2, "bilinear"),
    case("segresnet-transposed", ((8, 8), (12, 20)), 3, 1, "transposed", (2, 1, 3), (2, 1)),
    case("segresnet-3d", ((16, 16, 16), (8, 24, 16)), 4, 3, "bilinear"),
    case("segresnet-3d-transposed", ((8, 8, 8), (4, 12, 8)), 1, 2, "transposed", (1, 2, 1), (1, 3)),
]
