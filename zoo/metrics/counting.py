"""Counts of pixels for the metrics, and totals that stay exact over many batches."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from zoo.losses.pixels import Pixels


def count(pixels: Pixels, labels: tuple[int, ...], threshold: float) -> tuple[Any, Any, Any]:
    """Counts the pixels of each image and label: in truth and prediction both, in the truth, in the prediction.

    They are summed as whole numbers, as float32 cannot tell numbers above 2^24 apart.

    Args:
        pixels: The batch.
        labels: The labels that are counted.
        threshold: What the output of one channel must be above to be label 1.

    Returns:
        Three float32 tensors `(N, len(labels))`.
    """
    if pixels.channels == 1:
        predicted = ops.cast(pixels.output[..., 0] > threshold, "int32")
    else:
        predicted = ops.argmax(pixels.output, axis=-1)
    wanted = ops.array(labels, dtype="int32")
    counts = (pixels.valid > 0)[..., None]
    truth = (ops.cast(pixels.labels, "int32")[..., None] == wanted) & counts
    output = (ops.cast(predicted, "int32")[..., None] == wanted) & counts
    both, in_truth, in_output = (
        ops.cast(ops.sum(ops.cast(mask, "int"), axis=pixels.axes), "float32") for mask in (truth & output, truth, output)
    )
    return both, in_truth, in_output


class ExactTotals(keras.metrics.Metric):
    """Metric whose totals are sums of two float32: what rounding cuts off the first is kept in the second.

    Counts stay exact far beyond 2^24 so, without float64, which JAX does not have by default and some accelerators not at all.

    Reference: D. E. Knuth, The Art of Computer Programming 2, section 4.2.2, theorem B (TwoSum).
    """

    def add_totals(self, shape: tuple[int, ...]) -> None:
        """Makes totals of this shape, all 0."""
        self._high = self.add_variable(shape=shape, initializer="zeros", dtype="float32", name="totals")
        self._low = self.add_variable(shape=shape, initializer="zeros", dtype="float32", name="remainders")

    def add(self, values: Any) -> None:
        """Adds values to the totals."""
        high, low = ops.convert_to_tensor(self._high), ops.convert_to_tensor(self._low)
        total = high + values
        added = total - high
        lost = (high - (total - added)) + (values - added)
        self._high.assign(total)
        self._low.assign(low + lost)

    def totals(self) -> Any:
        """Returns the totals, rounded to float32 once."""
        return self._high + self._low
