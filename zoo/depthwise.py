"""Depthwise convolutions for images and volumes, and transposed ones: serialisable layers, the same on every backend.

Keras has depthwise convolutions of images only, grouped ones of volumes that CPUs train slowly, and no transposed ones.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class _Depthwise(keras.layers.Layer):
    """What both depthwise layers share: weights as a grouped convolution has them, `(*kernel_size, 1, C)` and `(C,)`."""

    activation = None

    def __init__(self, kernel_size: tuple[int, ...], strides: int = 1, use_bias: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = tuple(kernel_size)
        self.strides = strides
        self.use_bias = use_bias

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights."""
        self.kernel = self.add_weight(shape=(*self.kernel_size, 1, input_shape[-1]), name="kernel")
        self.bias = self.add_weight(shape=input_shape[-1:], initializer="zeros", name="bias") if self.use_bias else None

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        own = {"kernel_size": self.kernel_size, "strides": self.strides, "use_bias": self.use_bias}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("zoo")
class DepthwiseConv(_Depthwise):
    """Convolves each channel with a kernel of its own: `(N, H, W, C) -> (N, H', W', C)`, volumes alike.

    The same as Keras' `Conv2D(C, groups=C)` or `Conv3D(C, groups=C)`, weights included, but fit for training on CPUs.

    Args:
        kernel_size: Of each spatial axis.
        strides: Of all axes.
        padding: `"valid"`, or `"same"` for stride 1.
        use_bias: Whether every channel has a bias.
    """

    def __init__(self, kernel_size: tuple[int, ...], strides: int = 1, *, padding: str = "valid", **kwargs: Any) -> None:
        super().__init__(kernel_size, strides, **kwargs)
        if padding not in ("valid", "same") or (padding == "same" and strides > 1):
            message = f"`padding` is 'valid', or 'same' for stride 1. Received: padding={padding!r}, strides={strides}"
            raise ValueError(message)
        self.padding = padding

    def call(self, inputs: Any) -> Any:
        """Pads where asked to, and convolves."""
        if self.padding == "same":
            inputs = ops.pad(inputs, [(0, 0), *(((size - 1) // 2, size // 2) for size in self.kernel_size), (0, 0)])
        outputs = _depthwise(inputs, self.kernel, self.strides)
        return ops.add(outputs, self.bias) if self.use_bias else outputs

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the input shape, smaller where nothing is padded."""
        if self.padding == "same":
            return tuple(input_shape)
        sizes = zip(input_shape[1:-1], self.kernel_size, strict=True)
        shape = (None if size is None else (size - kernel) // self.strides + 1 for size, kernel in sizes)
        return (input_shape[0], *shape, input_shape[-1])

    def get_config(self) -> dict[str, Any]:
        """Returns what rebuilds the layer."""
        return {**super().get_config(), "padding": self.padding}


@keras.saving.register_keras_serializable("zoo")
class DepthwiseConvTranspose(_Depthwise):
    """Transposed depthwise convolution, `(N, H, W, C) -> (N, (H - 1) * stride + kernel - 2 * padding, ..., C)`, volumes alike.

    `padding` is `(kernel - 1) // 2`, which cuts both sides alike, as PyTorch's `ConvTranspose2d(groups=C)` does: output
    `p` is the sum over all inputs `i` of `x[i] * kernel[p + padding - i * stride]`. Keras has no groups here.

    Args:
        kernel_size: Of each spatial axis; not shorter than the stride.
        strides: Of all axes.
        use_bias: Whether every channel has a bias.
    """

    def __init__(self, kernel_size: tuple[int, ...], strides: int = 2, **kwargs: Any) -> None:
        super().__init__(kernel_size, strides, **kwargs)
        if min(self.kernel_size) < strides:
            message = f"`kernel_size` is at least the stride. Received: kernel_size={self.kernel_size}, strides={strides}"
            raise ValueError(message)

    def call(self, inputs: Any) -> Any:
        """Convolves, and cuts both sides alike."""
        shape = self.compute_output_shape(ops.shape(inputs))
        outputs = _depthwise_transposed(inputs, self.kernel, self.strides, axis=1)
        cuts = ((size - 1) // 2 for size in self.kernel_size)
        outputs = outputs[(slice(None), *(slice(cut, cut + size) for cut, size in zip(cuts, shape[1:-1], strict=True)))]
        return ops.add(outputs, self.bias) if self.use_bias else outputs

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Returns the input shape with larger spatial sizes."""
        sizes = zip(input_shape[1:-1], self.kernel_size, strict=True)
        added = (None if size is None else (size - 1) * self.strides + 2 - kernel % 2 for size, kernel in sizes)
        return (input_shape[0], *added, input_shape[-1])


def _depthwise(x: Any, kernel: Any, stride: int) -> Any:
    """Convolves each channel with its own kernel, `(*size, 1, C)`, without padding.

    A volume is folded into images, one convolution for each plane of the kernel. A grouped convolution of volumes is what
    Keras offers instead; on CPUs XLA runs it in plain loops. Measured for a 3x3x3 kernel on (1, 32, 32, 32, 32), both
    gradients included, on two cores: 620 ms grouped, 29 ms so in a TensorFlow graph, 177 ms so if XLA compiles it.
    """
    if len(x.shape) < 5:
        return ops.depthwise_conv(x, ops.swapaxes(kernel, -1, -2), strides=stride)
    images, depth, *sizes = ops.shape(x)
    length = (depth - kernel.shape[0]) // stride + 1
    total = 0
    for plane in range(kernel.shape[0]):
        part = x[:, plane : plane + (length - 1) * stride + 1 : stride]
        total = total + _depthwise(ops.reshape(part, (-1, *sizes)), kernel[plane], stride)
    return ops.reshape(total, (images, length, *ops.shape(total)[1:]))


def _depthwise_transposed(x: Any, kernel: Any, stride: int, axis: int) -> Any:
    """Transposes a depthwise convolution along the axes from `axis` on, without cutting anything.

    Outputs `stride` apart meet the same taps of the kernel: each such phase is a small convolution of the inputs, without
    the zeros between them that the textbook inserts, and then all phases are interleaved.
    """
    axes = len(x.shape) - 2
    if axis > axes:
        return _depthwise(x, ops.flip(kernel, axis=tuple(range(axes))), 1)
    longest = -(-kernel.shape[axis - 1] // stride)
    phases = []
    for phase in range(stride):
        taps = kernel[(slice(None),) * (axis - 1) + (slice(phase, None, stride),)]
        margins = [(0, 0)] * len(x.shape)
        margins[axis] = (taps.shape[axis - 1] - 1, longest - 1)
        phases.append(_depthwise_transposed(ops.pad(x, margins), taps, stride, axis + 1))
    stacked = ops.stack(phases, axis + 1)
    shape = ops.shape(stacked)
    return ops.reshape(stacked, (*shape[:axis], shape[axis] * stride, *shape[axis + 2 :]))
