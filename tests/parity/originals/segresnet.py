"""`monai.networks.nets.SegResNet` against `segresnet` and `segresnet-3d`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from parity.case import Case, Row
from parity.rows import conv, norm

THEIR_MODES = {"bilinear": "nontrainable", "transposed": "deconv"}
FILTERS = 8


def original(options: dict[str, Any]):
    """The original with random weights."""
    from monai.networks.nets import SegResNet

    from parity.frameworks import TorchNetwork

    return TorchNetwork(SegResNet(**options))


def units(theirs: str, first: int, ours: str, count: int) -> Iterator[Row]:
    """Rows of the blocks of one level; `first` is the number of the first one in the original."""
    for place in range(count):
        for k in (1, 2):
            block = f"{ours}_block{place + 1}"
            yield from norm(f"{theirs}.{first + place}.norm{k}", f"{block}_norm{k}", batch=False)
            yield from conv(f"{theirs}.{first + place}.conv{k}.conv", f"{block}_conv{k}", bias=False)


def table(blocks_down: tuple[int, ...], blocks_up: tuple[int, ...], upsample: str) -> Iterator[Row]:
    """Which tensor is which weight."""
    bottom = len(blocks_down) - 1
    yield from conv("convInit.conv", "stem0_conv1", bias=False)
    for level, count in enumerate(blocks_down):
        ours = f"{'mid' if level == bottom else 'enc'}{level}"
        if level > 0:
            yield from conv(f"down_layers.{level}.0.conv", f"{ours}_down", bias=False)
        yield from units(f"down_layers.{level}", 1, ours, count)
    for step, count in enumerate(blocks_up):
        ours = f"dec{bottom - 1 - step}"
        yield from conv(f"up_samples.{step}.0.conv", f"{ours}_reduce", bias=False)
        if upsample == "transposed":
            yield from conv(f"up_samples.{step}.1.deconv", f"{ours}_up")
        yield from units(f"up_layers.{step}", 0, ours, count)
    yield from norm("conv_final.0", "head0_norm", batch=False)
    yield from conv("conv_final.2.conv", "head0_conv")


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
    return Case(
        name=name,
        entry=f"segresnet{'-3d' if ndim == 3 else ''}-f{FILTERS}",
        overrides={"input_shape": (*[None] * ndim, channels), "classes": classes, "upsample": upsample, **blocks},
        sizes=sizes,
        channels=channels,
        original=partial(original, options),
        table=partial(table, blocks_down, blocks_up, upsample),
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
