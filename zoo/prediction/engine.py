"""Runs a plan: band by band, tile by tile, and gives finished rows of the result in order.

A band is one row of tiles. Only the rows that a band covers are in memory, of the image and of the result: what a band
finishes is given away, what it shares with the next one is kept.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from zoo.prediction.network import Network
    from zoo.prediction.plan import Plan
    from zoo.prediction.sources import Source
    from zoo.prediction.tiles import Axis
    from zoo.weights.preprocessing import Preprocessing, Statistics

    Progress = Callable[[int, int], None]

STATISTICS_BYTES = 2**25
"""How much of an image is read at once to find its statistics."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image, and all that its prediction depends on.

    Attributes:
        network: That predicts.
        source: The image.
        plan: How it is cut.
        prepare: How it is prepared.
        kind: `"probabilities"` or `"logits"`.
        mirrors: Spatial axes along which mirror images are averaged.
    """

    network: Network
    source: Source
    plan: Plan
    prepare: Preprocessing
    kind: str
    mirrors: tuple[int, ...] = ()


def rows(job: Job, progress: Progress) -> Iterator[np.ndarray]:
    """Yields finished rows of the result from the first to the last, `(rows, W, classes)` or `(planes, H, W, classes)`.

    Args:
        job: What to do.
        progress: Is called with `(done, total)` tiles.
    """
    import numpy as np

    first, *others = job.plan.axes
    statistics = job.prepare.statistics(whole_rows(job.source), job.network.ndim)
    down, across = first.weights(), [axis.weights() for axis in others]
    shape = (first.tile, *(axis.padded for axis in others), job.network.classes)
    kept = tuple(slice(axis.size) for axis in others)
    done, band = 0, np.zeros(shape, "float32")
    for place, start in enumerate(first.starts):
        image = _band(job, start)
        for batch in _batches(others, job.plan.batch):
            found = _run(job, image, batch, statistics)
            for values, tile in zip(found, batch, strict=False):
                _add(band, values, job, tile, [down[place], *(side[at] for side, at in zip(across, tile, strict=True))])
            done += len(batch)
            progress(done, job.plan.tiles)
        finished = first.starts[place + 1] - start if place + 1 < len(first.starts) else first.tile
        yield band[(slice(max(min(finished, first.size - start), 0)), *kept)].copy()
        rest = first.tile - finished
        band[:rest] = band[finished:].copy()
        band[rest:] = 0


def whole_rows(source: Source) -> Iterator[np.ndarray]:
    """Yields an image in parts of some rows, each of all its columns."""
    height, *others = source.sizes
    row = source.pixel_bytes
    for size in others:
        row *= size
    step = max(STATISTICS_BYTES // row, 1)
    return (source.read(start, min(start + step, height)) for start in range(0, height, step))


def _batches(axes: list[Axis], most: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Yields the tiles of a band, some at once, each as its place along every axis but the first."""
    tiles = itertools.product(*(range(len(axis.starts)) for axis in axes))
    while batch := tuple(itertools.islice(tiles, most)):
        yield batch


def _band(job: Job, start: int) -> np.ndarray:
    """Reads the rows that a band covers, mirrored where they lie behind the end."""
    first = job.plan.axes[0]
    wanted = first.sources(start, start + first.tile)
    low, high = int(wanted.min()), int(wanted.max()) + 1
    image = job.source.read(low, high)
    return image if len(wanted) == high - low else image[wanted - low]


def _run(job: Job, image: np.ndarray, batch: tuple[tuple[int, ...], ...], statistics: Statistics) -> np.ndarray:
    """Predicts some tiles of a band; a batch that is not full is filled up, so that no other shape is compiled."""
    import numpy as np

    tiles = [job.prepare.apply(_cut(job, image, tile), statistics, job.network.ndim) for tile in batch]
    tiles += [tiles[-1]] * (job.plan.batch - len(tiles))
    return job.network.run(np.stack(tiles), job.kind, job.mirrors)


def _cut(job: Job, image: np.ndarray, tile: tuple[int, ...]) -> np.ndarray:
    """Returns one tile of a band."""
    for number, (axis, at) in enumerate(zip(job.plan.axes[1:], tile, strict=True), 1):
        start = axis.starts[at]
        if start + axis.tile <= axis.size:
            image = image[(slice(None),) * number + (slice(start, start + axis.tile),)]
        else:
            image = image.take(axis.sources(start, start + axis.tile), axis=number)
    return image


def _add(band: np.ndarray, values: np.ndarray, job: Job, tile: tuple[int, ...], weights: list[np.ndarray]) -> None:
    """Adds one tile to the band, weighted along each axis."""
    for number, weight in enumerate(weights):
        values = values * weight.reshape((-1,) + (1,) * (values.ndim - 1 - number))
    places = zip(job.plan.axes[1:], tile, strict=True)
    band[(slice(None), *(slice(axis.starts[at], axis.starts[at] + axis.tile) for axis, at in places))] += values
