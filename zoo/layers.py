"""The few layers that Keras lacks: serialisable, the same on every backend."""

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
class RepeatChannels(keras.layers.Layer):
    """Repeats all channels in their order until there are `filters`: `(N, ..., C) -> (N, ..., F)`, without weights.

    Three channels become seven as 0, 1, 2, 0, 1, 2, 0; where there are more than `filters`, the last ones are dropped.
    """

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters

    def call(self, inputs: Any) -> Any:
        """Tiles the last axis and cuts what is too much."""
        times = -(-self.filters // inputs.shape[-1])
        return ops.tile(inputs, [1] * (len(inputs.shape) - 1) + [times])[..., : self.filters]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "filters": self.filters}


@keras.saving.register_keras_serializable("zoo")
class ArgMax(keras.layers.Layer):
    """Index of the largest channel at each position, as a number without gradient: `(N, ..., C) -> (N, ..., 1)`."""

    def call(self, inputs: Any) -> Any:
        """Takes the first of several largest ones."""
        return ops.cast(ops.argmax(inputs, axis=-1, keepdims=True), inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape with one channel."""
        return (*input_shape[:-1], 1)


@keras.saving.register_keras_serializable("zoo")
class ResizeLike(keras.layers.Layer):
    """Resizes to the spatial size of another tensor: `(N, h, w, C), (N, H, W, K) -> (N, H, W, C)`, volumes alike.

    Linear with aligned pixel centres (`align_corners=False`) and without antialiasing, or nearest, which takes position
    `floor(p * h / H)`; both as PyTorch's `interpolate` does. `keras.ops.image.resize` has two axes only, and sizes that are
    known when the network is built; here they may be open.

    Args:
        interpolation: `"bilinear"`, which is trilinear in volumes, or `"nearest"`.
    """

    def __init__(self, interpolation: str = "bilinear", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.interpolation = interpolation

    def call(self, inputs: Any) -> Any:
        """Resizes the first tensor to the spatial size of the second, one axis after the other."""
        image, reference = inputs
        resized = _resized_along if self.interpolation == "bilinear" else _repeated_along
        for axis, size in enumerate(ops.shape(reference)[1:-1], start=1):
            image = resized(image, size, axis)
        return image

    def compute_output_shape(self, input_shape: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
        """Returns the second shape with the channels of the first."""
        image, reference = input_shape
        return (*reference[:-1], image[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "interpolation": self.interpolation}


@keras.saving.register_keras_serializable("zoo")
class UpSampleLinear(keras.layers.Layer):
    """Enlarges by whole factors, linear along each axis: `(N, H, W, C) -> (N, f * H, g * W, C)`, volumes alike.

    Pixel centres are aligned (`align_corners=False`). Keras' own layer interpolates images, but only repeats in volumes.

    Args:
        size: A factor for each spatial axis.
    """

    interpolation = "bilinear"

    def __init__(self, size: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = tuple(size)

    def call(self, inputs: Any) -> Any:
        """Interpolates one axis after the other."""
        shape = ops.shape(inputs)
        for axis, factor in enumerate(self.size, start=1):
            if factor > 1:
                inputs = _resized_along(inputs, shape[axis] * factor, axis)
        return inputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape with larger spatial sizes."""
        sizes = zip(input_shape[1:-1], self.size, strict=True)
        return (input_shape[0], *(None if side is None else side * factor for side, factor in sizes), input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("zoo")
class CellMax(keras.layers.Layer):
    """Gives each position the largest value of its cell, channel by channel: `(N, H, W, C) -> (N, H, W, C)`, volumes alike.

    Args:
        cells: Number of equal cells along each spatial axis, whose size must be a multiple of it; 1 is a global maximum.
    """

    def __init__(self, cells: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cells = cells

    def call(self, inputs: Any) -> Any:
        """Takes the maximum over the positions of each cell, one axis after the other, then repeats it."""
        shape = ops.shape(inputs)
        faults = [size for size in shape[1:-1] if isinstance(size, int) and size % self.cells]
        if faults:
            message = (
                f"layer {self.name!r} has {self.cells} equal cells along each axis, so sizes must be multiples of {self.cells}. "
                f"Received: shape {tuple(inputs.shape)}, where {faults[0]} is none"
            )
            raise ValueError(message)
        x = inputs
        for axis, size in enumerate(shape[1:-1], start=1):
            sizes = ops.shape(x)
            x = ops.max(ops.reshape(x, (*sizes[:axis], self.cells, size // self.cells, *sizes[axis + 1 :])), axis=axis + 1)
        for axis, size in enumerate(shape[1:-1], start=1):
            x = _repeated_along(x, size, axis)
        return x

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape."""
        return tuple(input_shape)

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "cells": self.cells}


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


def _repeated_along(x: Any, size: Any, axis: int) -> Any:
    """Takes the position `floor(p * source / size)` along one axis; `size` may be a number or a scalar tensor."""
    return ops.take(x, ops.arange(size) * ops.shape(x)[axis] // size, axis)
