"""`monai.networks.nets.SegResNet`: `segresnet` and `segresnet-3d`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.convert.rows import Row, conv, norm

if TYPE_CHECKING:
    from zoo.architectures.segresnet import SegResNetConfig
    from zoo.weights.convert.sources import Shapes


def rows(config: SegResNetConfig) -> Iterator[Row]:
    """Yields which tensor is which weight."""
    bottom = len(config.encoder_blocks) - 1
    yield from conv("convInit.conv", "stem0_conv1", bias=False)
    for level, count in enumerate(config.encoder_blocks):
        ours = f"{'mid' if level == bottom else 'enc'}{level}"
        if level > 0:
            yield from conv(f"down_layers.{level}.0.conv", f"{ours}_down", bias=False)
        yield from _blocks(f"down_layers.{level}", 1, ours, count)
    for step, count in enumerate(config.decoder_blocks):
        ours = f"dec{bottom - 1 - step}"
        yield from conv(f"up_samples.{step}.0.conv", f"{ours}_reduce", bias=False)
        if config.upsample == "transposed":
            yield from conv(f"up_samples.{step}.1.deconv", f"{ours}_up")
        yield from _blocks(f"up_layers.{step}", 0, ours, count)
    yield from norm("conv_final.0", "head0_norm", batch=False)
    yield from conv("conv_final.2.conv", "head0_conv")


def _blocks(theirs: str, first: int, ours: str, count: int) -> Iterator[Row]:
    """Rows of the blocks of one level; `first` is the number of the first one in the original."""
    for place in range(count):
        for k in (1, 2):
            block = f"{ours}_block{place + 1}"
            yield from norm(f"{theirs}.{first + place}.norm{k}", f"{block}_norm{k}", batch=False)
            yield from conv(f"{theirs}.{first + place}.conv{k}.conv", f"{block}_conv{k}", bias=False)


def facts(shapes: Shapes, config: SegResNetConfig) -> dict[str, Any]:
    """Returns what the file tells about the network, which is all of it."""
    stem = shapes.get("convInit.conv.weight", ())
    if len(stem) < 3:
        return {}
    head = shapes.get("conv_final.2.conv.weight", ())
    found = {
        "ndim": len(stem) - 2,
        "channels": stem[1],
        "filters": stem[0],
        "upsample": "transposed" if "up_samples.0.1.deconv.weight" in shapes else "bilinear",
        "blocks_down": _counts(shapes, "down_layers"),
        "blocks_up": _counts(shapes, "up_layers"),
    }
    return found | ({"classes": head[0]} if head else {})


def _counts(shapes: Shapes, part: str) -> tuple[int, ...]:
    """Returns how many blocks each level has, from the first level without gaps."""
    blocks: dict[str, int] = {}
    for name in shapes:
        if name.startswith(f"{part}.") and name.endswith(".norm1.weight"):
            level = name.split(".")[1]
            blocks[level] = blocks.get(level, 0) + 1
    counts: list[int] = []
    while str(len(counts)) in blocks:
        counts.append(blocks[str(len(counts))])
    return tuple(counts)
