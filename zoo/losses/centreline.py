"""The loss of centrelines, for what is thin and connected: vessels, roads, nerve fibres."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Unpack

import keras
from keras import ops

from zoo.losses import checks
from zoo.losses.base import Options, PixelLoss
from zoo.losses.overlap import fraction
from zoo.losses.pixels import Pixels


@keras.saving.register_keras_serializable("zoo.losses")
class ClDice(PixelLoss):
    """One minus the soft clDice: the harmonic mean of how much of each skeleton lies inside the other's mask.

    Skeletons are soft ones, by repeated erosion and opening, in images and volumes alike. All classes but the
    background are scored, and the loss is their mean. It says little about the width of what it follows, so use it in a `Sum`
    with `Dice`. Ignored pixels are background to it.

    Reference: S. Shit et al., "clDice - a novel topology-preserving loss function for tubular structure segmentation",
    CVPR 2021; per image, where the authors' code sums over the batch.

    Args:
        iterations: Times that masks are eroded: at least half of the largest width, in pixels.
        smooth: Added above and below both fractions.
        **options: See `PixelLoss`.

    Raises:
        ConfigError: A setting is not allowed.
    """

    settings: ClassVar[tuple[str, ...]] = (*PixelLoss.settings, "iterations", "smooth")

    def __init__(self, *, iterations: int = 3, smooth: float = 1.0, **options: Unpack[Options]) -> None:
        super().__init__(**options)
        self.iterations = checks.whole("iterations", iterations, low=1, high=1000)
        self.smooth = checks.number("smooth", smooth)

    def of(self, pixels: Pixels) -> Any:
        """Returns the loss of each image, `(N,)`."""
        first = 0 if pixels.channels == 1 else 1
        truth, output = pixels.truth[..., first:], pixels.probability[..., first:]
        precision = self._inside(soft_skeleton(output, self.iterations), truth, pixels.axes)
        sensitivity = self._inside(soft_skeleton(truth, self.iterations), output, pixels.axes)
        index = ops.divide_no_nan(2 * precision * sensitivity, precision + sensitivity)
        return ops.mean(1 - index, axis=-1)

    def _inside(self, skeleton: Any, mask: Any, axes: tuple[int, ...]) -> Any:
        both, all_of_it = ops.sum(skeleton * mask, axis=axes), ops.sum(skeleton, axis=axes)
        return fraction(both, all_of_it - both, self.smooth)


def soft_skeleton(mask: Any, iterations: int) -> Any:
    """Returns the soft skeleton of a mask between 0 and 1, `(N, *spatial, C)`."""
    skeleton = ops.relu(mask - _opened(mask))
    for _ in range(iterations):
        mask = _eroded(mask)
        more = ops.relu(mask - _opened(mask))
        skeleton = skeleton + ops.relu(more - skeleton * more)
    return skeleton


def _opened(mask: Any) -> Any:
    """Returns the largest of the least values in a square or cube around each pixel."""
    opened = _eroded(mask)
    for axis in range(1, len(mask.shape) - 1):
        opened = _of_three(ops.maximum, opened, axis)
    return opened


def _eroded(mask: Any) -> Any:
    """Returns the least value among the neighbours along each axis: a cross, not a square."""
    lines = [_of_three(ops.minimum, mask, axis) for axis in range(1, len(mask.shape) - 1)]
    return functools.reduce(ops.minimum, lines)


def _of_three(choose: Callable[[Any, Any], Any], mask: Any, axis: int) -> Any:
    """Chooses among each pixel and its two neighbours along an axis; the border has one neighbour.

    Not by pooling: masks have many equal neighbours once they are eroded, and TensorFlow's gradient of a pooling of volumes
    counts each of them on the CPU.
    """
    every = (slice(None),) * axis
    before = ops.concatenate([mask[(*every, slice(0, 1))], mask[(*every, slice(0, -1))]], axis=axis)
    after = ops.concatenate([mask[(*every, slice(1, None))], mask[(*every, slice(-1, None))]], axis=axis)
    return choose(choose(mask, before), after)
