"""The few layers that Keras lacks: serialisable, without weights, the same on every backend."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class MatchChannels(keras.layers.Layer):
    """Makes the number of channels `filters` without weights: `(N, ..., C) -> (N, ..., F)`.

    Missing channels are zeros after the given ones; surplus channels at the end are dropped.
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def call(self, inputs: Any) -> Any:
        """Pads or cuts the last axis."""
        channels = inputs.shape[-1]
        if channels >= self.filters:
            return inputs[..., : self.filters]
        return ops.pad(inputs, [(0, 0)] * (len(inputs.shape) - 1) + [(0, self.filters - channels)])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("zoo")
class ResizeLike(keras.layers.Layer):
    """Resizes images bilinearly to the size of others: `(N, h, w, C), (N, H, W, K) -> (N, H, W, C)`.

    Pixel centres are aligned (`align_corners=False`), without antialiasing.
    """

    def call(self, inputs: Any) -> Any:
        """Resizes the first tensor to the spatial size of the second."""
        image, reference = inputs
        size = ops.shape(reference)[1:-1]
        if all(isinstance(side, int) for side in size):
            return ops.image.resize(image, size, interpolation="bilinear")
        import tensorflow as tf  # it alone traces open sizes, as tensors; Keras' own function cannot compare these with 0

        return tf.cast(tf.image.resize(image, size), image.dtype)

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the second shape with the channels of the first."""
        image, reference = input_shape
        return (*reference[:-1], image[-1])
