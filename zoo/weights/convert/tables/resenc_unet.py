"""`ResidualEncoderUNet` and `ResidualUNet` of dynamic-network-architectures, as nnU-Net makes them: `resenc-unet*`.

Their state dicts have most tensors two or four times: a convolution is also the first of its `all_modules`, and the decoder
refers to the whole encoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from zoo.weights.convert.rows import Row, conv, conv_norm

if TYPE_CHECKING:
    from zoo.architectures.resenc_unet import ResEncUNetConfig
    from zoo.weights.convert.sources import Shapes

_MODULES = {".all_modules.0.": ".conv.", ".all_modules.1.": ".norm."}
_STEM = "encoder.stem.convs.0"


def own_name(name: str) -> str:
    """Returns the one name of a tensor that has several."""
    name = name.removeprefix("decoder.") if name.startswith("decoder.encoder.") else name
    return re.sub(r"\.all_modules\.[01]\.", lambda found: _MODULES[found[0]], name)


def rows(config: ResEncUNetConfig) -> Iterator[Row]:
    """Yields which tensor is which weight."""
    widths = _widths(config)
    yield from conv_norm(f"{_STEM}.conv", f"{_STEM}.norm", "stem0_conv1", "stem0_norm1", batch=False)
    for level, count in enumerate(config.unit_counts):
        ours = f"mid{level}" if level == config.depth - 1 else f"enc{level}"
        changes = level > 0 and widths[level] != widths[level - 1]
        for block in range(count):
            theirs = f"encoder.stages.{level}.blocks.{block}"
            yield from _unit(theirs, f"{ours}_block{block + 1}", _place(config, level) if changes and block == 0 else None)
    for place in range(config.depth - 1):
        level = config.depth - 2 - place
        yield from conv(f"decoder.transpconvs.{place}", f"dec{level}_up")
        if config.decoder == "residual":
            yield from _unit(f"decoder.stages.{place}.blocks.0", f"dec{level}", 0)
        else:
            stage = f"decoder.stages.{place}.convs.0"
            yield from conv_norm(f"{stage}.conv", f"{stage}.norm", f"dec{level}_conv1", f"dec{level}_norm1", batch=False)
        if level == 0 or config.deep_supervision:
            yield from conv(f"decoder.seg_layers.{place}", f"head{level}_conv")


def unused(config: ResEncUNetConfig) -> tuple[str, ...]:
    """Returns the heads below full resolution where the network has none; the original has them in any case."""
    places = () if config.deep_supervision else range(config.depth - 2)
    return tuple(f"decoder.seg_layers.{place}.{kind}" for place in places for kind in ("weight", "bias"))


def _widths(config: ResEncUNetConfig) -> tuple[int, ...]:
    return tuple(min(config.filters * 2**level, config.most_filters) for level in range(config.depth))


def _place(config: ResEncUNetConfig, level: int) -> int:
    """Returns the place of the convolution in the shortcut of a stage's first unit: an average pooling may come first."""
    return 1 if max(config.level_strides[level]) > 1 else 0


def _unit(theirs: str, ours: str, place: int | None) -> Iterator[Row]:
    """Rows of a residual unit; `place` is that of the convolution in its shortcut, if it has one."""
    for k in (1, 2):
        part = f"{theirs}.conv{k}"
        yield from conv_norm(f"{part}.conv", f"{part}.norm", f"{ours}_conv{k}", f"{ours}_norm{k}", batch=False)
    if place is not None:
        skip = f"{theirs}.skip.{place}"
        yield from conv_norm(f"{skip}.conv", f"{skip}.norm", f"{ours}_proj", f"{ours}_projnorm", bias=False, batch=False)


def facts(shapes: Shapes, config: ResEncUNetConfig) -> dict[str, Any]:
    """Returns what the file tells about the network, which is all but whether its lower heads are wanted."""
    stem = shapes.get(f"{_STEM}.conv.weight", ())
    units: list[int] = []
    while f"encoder.stages.{len(units)}.blocks.0.conv1.conv.weight" in shapes:
        units.append(_blocks(shapes, f"encoder.stages.{len(units)}.blocks."))
    depth = len(units)
    firsts = [shapes[f"encoder.stages.{level}.blocks.0.conv1.conv.weight"] for level in range(depth)]
    ups = [shapes.get(f"decoder.transpconvs.{place}.weight", ()) for place in reversed(range(depth - 1))]
    if any(len(shape) < 3 for shape in (stem, *firsts, *ups)):
        return {}
    ndim, width = len(stem) - 2, max(shape[0] for shape in firsts)
    found = {
        "ndim": ndim,
        "channels": stem[1],
        "filters": stem[0],
        "depth": depth,
        "units": tuple(units),
        "strides": ((1,) * ndim, *(tuple(up[2:]) for up in ups)),
        "kernel_sizes": tuple(tuple(shape[2:]) for shape in firsts),
        "decoder": "residual" if "decoder.stages.0.blocks.0.conv1.conv.weight" in shapes else "plain",
    }
    if stem[0] <= width != min(stem[0] * 2 ** (depth - 1), config.most_filters):
        found["max_filters"] = width
    head = shapes.get(f"decoder.seg_layers.{depth - 2}.weight", ())
    return found | ({"classes": head[0]} if head else {})


def _blocks(shapes: Shapes, stage: str) -> int:
    return len({name[len(stage) :].partition(".")[0] for name in shapes if name.startswith(stage)})
