"""How an image is cut: the whole of it where that fits into a bound of memory, else the largest tiles that do.

The bound is about what prediction takes beside the program itself (Python with TensorFlow is about 0.6 GB) and beside an image
and a result that are arrays in memory. Counted are: the tensors of the network by liveness, times `OVERHEAD` for the workspaces
of convolutions; the prepared tiles; a band of rows of the image; and that band of the result.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError
from zoo.prediction.tiles import Axis, rounded_up, tiled_axis, whole_axis
from zoo.render.units import shape_text, short_bytes

if TYPE_CHECKING:
    from zoo.prediction.network import Network

MEMORY = 2 * 10**9
"""Bytes that prediction takes unless asked for another bound."""

OVERHEAD = 2.0
"""Measured on CPUs a network takes 1.3 to 1.9 times what liveness says: see `zoo.analysis.memory`."""

SIDE = {2: 1024, 3: 128}
"""Largest side of a tile that is chosen: beyond it tiles only take more memory."""

SMALLEST = {2: 64, 3: 32}
"""Least side of a tile that is chosen."""

POSITIONS = {2: 512 * 512, 3: 64**3}
"""Positions of all tiles that run at once, unless asked for another batch."""

_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one image is predicted.

    Attributes:
        axes: Tiles along each spatial axis.
        batch: Tiles that run at once.
        exact: Whether the result is that of the whole image but for rounding.
        bytes: What it is to take, as counted here.
    """

    axes: tuple[Axis, ...]
    batch: int
    exact: bool
    bytes: int

    @property
    def tile(self) -> tuple[int, ...]:
        """Spatial sizes of a tile."""
        return tuple(axis.tile for axis in self.axes)

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return math.prod(len(axis.starts) for axis in self.axes)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked for; None leaves it to the plan.

    Attributes:
        tile: Side of a tile.
        overlap: Positions that neighbouring tiles share.
        memory: Bound in bytes.
        batch: Tiles that run at once.
        flips: Whether mirror images are averaged.

    Raises:
        ConfigError: A value is not allowed.
    """

    tile: int | None = None
    overlap: int | None = None
    memory: int | None = None
    batch: int | None = None
    flips: bool = False

    def __post_init__(self) -> None:
        for name, least in (("tile", 1), ("overlap", 0), ("memory", 1), ("batch", 1)):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and value >= least):
                message = f"`{name}` is a whole number from {least} on. Received: {name}={value!r}"
                raise ConfigError(message)


def as_bytes(memory: int | str | None) -> int | None:
    """Reads a bound of memory: a number of bytes, or `"2GB"`, `"500 MB"`.

    Raises:
        ConfigError: It is neither.
    """
    if not isinstance(memory, str):
        return memory
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([bkmgt]?)b?", memory.strip().lower().replace("ib", "b"))
    if match is None:
        message = f"`memory` is a number of bytes, or a text such as '2GB' or '500MB'. Received: memory={memory!r}"
        raise ConfigError(message)
    return int(float(match[1]) * _UNITS[match[2]])


def make_plan(network: Network, sizes: tuple[int, ...], pixel_bytes: int, wish: Wish) -> Plan:
    """Returns how an image is cut.

    Args:
        network: That predicts it.
        sizes: Spatial sizes of the image.
        pixel_bytes: Of one pixel of the image as it is stored, all channels.
        wish: What is asked for.

    Raises:
        ConfigError: No tile is small enough for the memory, or what is asked for is not allowed.
    """
    bound = MEMORY if wish.memory is None else wish.memory
    whole = _whole(network, sizes, pixel_bytes)
    if wish.tile is not None:
        return _batched(network, _tiled(network, sizes, _asked_tile(network, wish.tile), wish), pixel_bytes, wish, bound)
    if whole is not None and whole.bytes <= bound:
        return whole
    if None not in network.sizes:
        return _batched(network, _tiled(network, sizes, network.sizes, wish), pixel_bytes, wish, bound)  # type: ignore[arg-type]
    for tile in _candidates(network, sizes):
        found = _batched(network, _tiled(network, sizes, tile, wish), pixel_bytes, wish, bound)
        if found.bytes <= bound:
            return found
    message = (
        f"No tile of {network.name} for an image of {shape_text(sizes)} fits into memory={short_bytes(bound)}. Tiles of "
        f"{shape_text(found.tile)} take about {short_bytes(found.bytes)}. Allow more, or use a smaller network."
    )
    raise ConfigError(message)


def _whole(network: Network, sizes: tuple[int, ...], pixel_bytes: int) -> Plan | None:
    """Returns the plan of one tile; None where the network's own sizes are too small for the image."""
    wanted = zip(sizes, network.multiples, network.sizes, strict=True)
    axes = tuple(whole_axis(size, multiple if own is None else own) for size, multiple, own in wanted)
    if any(own is not None and axis.tile != own for axis, own in zip(axes, network.sizes, strict=True)):
        return None
    return Plan(axes=axes, batch=1, exact=True, bytes=_bytes(network, axes, pixel_bytes, 1))


def _tiled(network: Network, sizes: tuple[int, ...], tile: tuple[int, ...], wish: Wish) -> tuple[Axis, ...]:
    asked = zip(sizes, network.steps, tile, network.reach, network.sizes, strict=True)
    axes = []
    for size, step, side, reach, own in asked:
        side = side if own is not None else min(side, rounded_up(size, step))
        seen = (max(reach), max(reach)) if reach and wish.flips else reach  # a mirror image looks the other way
        axes.append(tiled_axis(size, step, side, _overlap(side, step, seen, wish), seen))
    return tuple(axes)


def _overlap(tile: int, step: int, reach: tuple[int, int] | None, wish: Wish) -> int:
    """Returns what neighbours share: what is asked for, what makes tiles exact, or a quarter; at most half, so they advance."""
    most = tile // 2 // step * step
    if wish.overlap is not None:
        return min(rounded_up(wish.overlap, step), most)
    exact = None if reach is None else rounded_up(sum(reach), step)
    return exact if exact is not None and exact <= most else min(rounded_up(tile // 4, step), most)


def _asked_tile(network: Network, side: int) -> tuple[int, ...]:
    for own, step in zip(network.sizes, network.steps, strict=True):
        if own is None and side % step:
            below = side // step * step
            nearest = f"{below} or {below + step}" if below else str(step)
            message = f"`tile` is a multiple of {step} for {network.name}. Received: tile={side}; use {nearest}."
            raise ConfigError(message)
        if own is not None and side != own:
            message = f"{network.name} reads {shape_text(network.sizes)} and nothing else. Received: tile={side}"
            raise ConfigError(message)
    return (side,) * network.ndim


def _candidates(network: Network, sizes: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Returns tiles from the largest to the smallest, each about four fifths of the one before it along each axis."""
    side, found = SIDE[network.ndim], []
    while side >= SMALLEST[network.ndim]:
        given = zip(network.sizes, network.steps, strict=True)
        found.append(tuple(own or max(side // step, 1) * step for own, step in given))
        side = side * 4 // 5
    return list(dict.fromkeys(found))


def _batched(network: Network, axes: tuple[Axis, ...], pixel_bytes: int, wish: Wish, bound: int) -> Plan:
    """Returns the plan with as many tiles at once as pay and fit."""
    across = math.prod(len(axis.starts) for axis in axes[1:])
    tile = math.prod(axis.tile for axis in axes)
    most = wish.batch or max(POSITIONS[network.ndim] // tile, 1)
    batch = min(most, across)
    while wish.batch is None and batch > 1 and _bytes(network, axes, pixel_bytes, batch) > bound:
        batch -= 1
    batch = math.ceil(across / math.ceil(across / batch))  # as few as give the same number of runs
    return Plan(axes=axes, batch=batch, exact=_is_exact(network, axes, wish), bytes=_bytes(network, axes, pixel_bytes, batch))


def _is_exact(network: Network, axes: tuple[Axis, ...], wish: Wish) -> bool:
    def along(axis: Axis, reach: tuple[int, int] | None) -> bool:
        if len(axis.starts) == 1:
            return True
        needed = None if reach is None else (max(reach),) * 2 if wish.flips else reach
        return needed is not None and axis.trims == needed

    cut = any(len(axis.starts) > 1 for axis in axes)
    everywhere = not cut or None not in network.reach  # what looks at everything along one axis looks at the cut one, too
    return everywhere and all(along(axis, reach) for axis, reach in zip(axes, network.reach, strict=True))


def _bytes(network: Network, axes: tuple[Axis, ...], pixel_bytes: int, batch: int) -> int:
    """Returns what a plan takes: the network, its tiles going in and out, the band of the image and of the result."""
    tile = tuple(axis.tile for axis in axes)
    positions = math.prod(tile)
    running = OVERHEAD * network.peak_bytes(tile) * batch
    tiles = 4 * positions * (2 * network.channels + 2 * network.classes) * batch
    cut = any(len(axis.starts) > 1 for axis in axes)
    band = axes[0].tile * math.prod(axis.padded for axis in axes[1:])
    return math.ceil(running + tiles + (band * (pixel_bytes + 4 * network.classes * 2) if cut else 0))
