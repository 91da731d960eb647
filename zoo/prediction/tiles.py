"""Where tiles lie and how much each counts: pure geometry along one axis.

An image of `size` positions is mirrored at its end to `padded` positions, which tiles of one size cover. Every tile starts at
a multiple of what the network divides by, so that pooling meets the same positions as in the whole image. Near a cut edge a
tile does not see what it would see in the whole: those positions get weight 0 where the overlap allows it, and between them
the weight passes smoothly from one tile to the next. At each position the weights of all tiles add up to 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


INEXACT_TRIM = 3
"""Eighths of an overlap that do not count at each side where it is less than the network sees: what is nearest to a cut is
wrong most. The two eighths between them are the ramp: on two networks less trimming left larger errors, more was no better for
both."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Tiles along one axis.

    Attributes:
        size: Positions of the image.
        padded: Positions that the tiles cover, at least `size`.
        tile: Positions of a tile.
        starts: Where tiles start, in order; the last one ends at `padded`.
        trims: Positions at the start and at the end of a tile, where it was cut, that do not count.
    """

    size: int
    padded: int
    tile: int
    starts: tuple[int, ...]
    trims: tuple[int, int]

    def sources(self, start: int, stop: int) -> np.ndarray:
        """Returns the positions of the image that stand at `start` to `stop`, which may lie behind its end."""
        return mirrored(start, stop, self.size)

    def weights(self) -> list[np.ndarray]:
        """Returns the weight of each position of each tile, float32."""
        import numpy as np

        raw = [self._raw(place) for place in range(len(self.starts))]
        total = np.zeros(self.padded)
        for start, weight in zip(self.starts, raw, strict=True):
            total[start : start + self.tile] += weight
        pairs = zip(self.starts, raw, strict=True)
        return [(weight / total[start : start + self.tile]).astype("float32") for start, weight in pairs]

    def _raw(self, place: int) -> np.ndarray:
        """Returns a window that rises and falls smoothly over what a tile shares with its neighbours, trims left out."""
        import numpy as np

        weight = np.ones(self.tile)
        before, after = self.trims
        if place > 0:
            shared = self.starts[place - 1] + self.tile - self.starts[place]
            weight[:shared] = _rise(shared, before, after)
        if place < len(self.starts) - 1:
            shared = self.starts[place] + self.tile - self.starts[place + 1]
            weight[self.tile - shared :] *= _rise(shared, after, before)[::-1]
        return weight


def _rise(shared: int, before: int, after: int) -> np.ndarray:
    """Returns 0 for `before` positions, 1 for the last `after`, and half a cosine between them."""
    import numpy as np

    ramp = max(shared - before - after, 0)
    steps = (np.arange(ramp) + 0.5) / max(ramp, 1)
    return np.concatenate([np.zeros(before), (1 - np.cos(np.pi * steps)) / 2, np.ones(shared - before - ramp)])


def mirrored(start: int, stop: int, size: int) -> np.ndarray:
    """Returns the positions `start` to `stop` of an axis that goes on mirrored at both ends, without repeating the edge."""
    import numpy as np

    period = max(2 * (size - 1), 1)
    positions = np.arange(start, stop) % period
    return np.minimum(positions, period - positions) if size > 1 else np.zeros(stop - start, "int64")


def whole_axis(size: int, multiple: int) -> Axis:
    """Returns one tile over all of an axis, mirrored to a multiple."""
    padded = rounded_up(size, multiple)
    return Axis(size=size, padded=padded, tile=padded, starts=(0,), trims=(0, 0))


def tiled_axis(size: int, multiple: int, tile: int, overlap: int, reach: tuple[int, int] | None) -> Axis:
    """Returns overlapping tiles along an axis.

    Args:
        size: Positions of the image.
        multiple: Where tiles may start.
        tile: Positions of a tile, a multiple.
        overlap: Positions that neighbours share, a multiple, at most half a tile.
        reach: How far the network looks before and after a position; None where it looks at everything.
    """
    padded = max(rounded_up(size, multiple), tile)
    step, last = tile - overlap, padded - tile
    starts = (*range(0, last, step), last)
    exact = reach is not None and sum(reach) <= overlap
    trims = reach if exact and reach is not None else (INEXACT_TRIM * overlap // 8,) * 2
    return Axis(size=size, padded=padded, tile=tile, starts=starts, trims=trims)


def rounded_up(size: int, multiple: int) -> int:
    """Returns the smallest multiple that is at least `size`."""
    return -(-size // multiple) * multiple
