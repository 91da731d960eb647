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
    """Resizes linearly to the size of another tensor: `(N, h, w, C), (N, H, W, K) -> (N, H, W, C)`, volumes alike.

    Pixel centres are aligned (`align_corners=False`), without antialiasing. `keras.ops.image.resize` does the same for two
    axes and sizes that are known when the network is built; here they may be open.
    """

    def call(self, inputs: Any) -> Any:
        """Resizes the first tensor to the spatial size of the second, one axis after the other."""
        image, reference = inputs
        for axis, size in enumerate(ops.shape(reference)[1:-1], start=1):
            image = _resized_along(image, size, axis)
        return image

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the second shape with the channels of the first."""
        image, reference = input_shape
        return (*reference[:-1], image[-1])


def _resized_along(x: Any, size: Any, axis: int) -> Any:
    """Interpolates between the two nearest positions along one axis; `size` may be a number or a scalar tensor."""
    source = ops.shape(x)[axis]
    scale = ops.cast(source, "float32") / ops.cast(size, "float32")
    centre = (ops.cast(ops.arange(size), "float32") + 0.5) * scale - 0.5
    centre = ops.clip(centre, 0.0, ops.cast(source - 1, "float32"))
    low = ops.cast(ops.floor(centre), "int32")
    share = ops.reshape(centre - ops.cast(low, "float32"), [-1 if k == axis else 1 for k in range(len(x.shape))])
    share = ops.cast(share, x.dtype)
    return ops.take(x, low, axis) * (1 - share) + ops.take(x, ops.minimum(low + 1, source - 1), axis) * share
