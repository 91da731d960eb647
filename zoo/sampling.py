"""Changes of resolution: pooling, subsampling, up-sampling and transposed convolution, for images and volumes.

Axes as in `zoo.blocks`. A size is one number for all axes or one per axis: `(1, 2, 2)` leaves the depth axis of a volume.
"""

from __future__ import annotations

from typing import Any, Literal

import keras

from zoo.depthwise import DepthwiseConvTranspose
from zoo.layers import ResizeLike, UpSampleLinear

Tensor = Any
"""A symbolic `keras.KerasTensor`; Keras itself declares no type for it that a checker could use."""

Size = int | tuple[int, ...]
"""One number for all spatial axes, or one per axis."""


def rank(x: Tensor) -> int:
    """Returns the number of spatial axes: 2 for images, 3 for volumes."""
    return len(x.shape) - 2


def per_axis(size: Size, x: Tensor) -> tuple[int, ...]:
    """Returns a size as one number per spatial axis of `x`: `2 -> (2, 2)`."""
    return (size,) * rank(x) if isinstance(size, int) else tuple(size)


def layer_of(kind: str, x: Tensor, suffix: str = "") -> Any:
    """Returns the 2D or 3D class of a kind of layer: `("Conv", x) -> keras.layers.Conv2D`."""
    return getattr(keras.layers, f"{kind}{rank(x)}D{suffix}")


def subsample(x: Tensor, stride: Size, *, name: str) -> Tensor:
    """Keeps every `stride`-th pixel: `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), C)`."""
    return x if max(per_axis(stride, x)) == 1 else layer_of("AveragePooling", x)(1, strides=stride, name=name)(x)


def average_pool(x: Tensor, size: Size, *, name: str) -> Tensor:
    """Mean of windows that do not overlap: `(N, H, W, C) -> (N, H / size, W / size, C)`; the tensor itself for size 1."""
    return x if max(per_axis(size, x)) == 1 else layer_of("AveragePooling", x)(size, name=name)(x)


def max_pool(
    x: Tensor, *, name: str, size: Size = 2, stride: Size | None = None, padding: Literal["same", "torch", "valid"] = "same"
) -> Tensor:
    """Max pooling: `(N, H, W, C) -> (N, ceil(H / stride), ceil(W / stride), C)`, with the stride of the size by default.

    With `padding="torch"` an odd `size` is centred on every `stride`-th pixel and sees minus infinity beyond both borders.
    Keras centres so with stride 1 only: hence pooling without stride, of which every `stride`-th pixel is kept. With
    `padding="valid"` the last pixels are dropped where they fill no window: `floor(H / stride)`, as PyTorch does by default.
    """
    pool, stride = layer_of("MaxPooling", x), size if stride is None else stride
    if padding in ("same", "valid"):
        return pool(size, strides=stride, padding=padding, name=name)(x)
    return subsample(pool(size, strides=1, padding="same", name=name)(x), stride, name=f"{name}_subsample")


def upsample(x: Tensor, mode: str, *, name: str, factor: Size = 2, filters: int | None = None, like: Tensor = None) -> Tensor:
    """Enlarges the spatial sizes by whole factors: `(N, H, W, C) -> (N, factor * H, factor * W, C)`.

    Args:
        x: Coarse tensor.
        mode: `"nearest"` repeats pixels; `"bilinear"` interpolates with aligned pixel centres (`align_corners=False`), along
            three axes in volumes; `"transposed"` is a transposed convolution whose kernel is its stride, with bias.
        name: Name of the one layer.
        factor: How much larger.
        filters: Channels of the transposed convolution; by default those of `x`.
        like: Tensor `(N, H', W', K)` whose spatial size is taken instead of a factor, for all modes but `"transposed"`.
    """
    if mode == "transposed":
        width = filters if filters is not None else x.shape[-1]
        return layer_of("Conv", x, "Transpose")(width, factor, strides=factor, padding="same", name=name)(x)
    if like is not None:
        return ResizeLike(mode, name=name)([x, like])
    if mode == "nearest":
        return layer_of("UpSampling", x)(factor, name=name)(x)
    return UpSampleLinear(per_axis(factor, x), name=name)(x)


def conv_transposed(
    x: Tensor, filters: int, *, name: str, kernel: Size = 3, stride: Size = 2, output_padding: Size = 0, bias: bool = True
) -> Tensor:
    """Transposed convolution aligned as PyTorch's with `padding=(kernel - 1) // 2`.

    `(N, H, W, C) -> (N, (H - 1) * stride + kernel - 2 * padding + output_padding, ..., F)`: twice the size for kernel 3 and
    stride 2 with `output_padding=1`, one less without it. Keras' "same" cuts at the far side first, PyTorch at both sides
    alike: hence no padding at all, then a crop. A kernel that is shorter than the stride gets from Keras positions that no
    input reaches beyond the last one: they are cut, too.
    """
    kernels, strides, extras = per_axis(kernel, x), per_axis(stride, x), per_axis(output_padding, x)
    x = layer_of("Conv", x, "Transpose")(filters, kernel, strides=stride, padding="valid", use_bias=bias, name=name)(x)
    beyond = (max(s - k, 0) - extra for k, s, extra in zip(kernels, strides, extras, strict=True))
    margins = tuple(((k - 1) // 2, (k - 1) // 2 + far) for k, far in zip(kernels, beyond, strict=True))
    return x if max(max(margins)) == 0 else layer_of("Cropping", x)(margins, name=f"{name}_crop")(x)


def depthwise_conv_transposed(x: Tensor, *, name: str, kernel: int = 3, stride: int = 2) -> Tensor:
    """Transposed convolution of each channel with a kernel of its own and a bias, aligned as `conv_transposed`.

    `(N, H, W, C) -> (N, (H - 1) * stride + 1, ..., C)` for odd kernels.
    """
    return DepthwiseConvTranspose((kernel,) * rank(x), stride, name=name)(x)
