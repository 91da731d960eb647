"""What the analysis knows about each kind of Keras layer: its op name, windows, contracted sizes, and a short detail.

This is the reading half of `trace`; what an op costs is in `cost.py`, `memory.py` and `receptive_field.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from zoo.errors import AnalysisError

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.analysis.graph import Shape, Window

Reader = "Callable[[Any, tuple[Shape, ...], tuple[Shape, ...]], dict[str, Any]]"


def describe(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    """Returns the fields `op`, `windows`, `dims` and `detail` of a node.

    Args:
        op: The Keras layer or operation.
        inputs: Shapes that it reads, without the batch.
        outputs: Shapes that it makes.

    Raises:
        AnalysisError: The layer has its channels first.
    """
    if getattr(op, "data_format", None) == "channels_first":
        message = f"Layer {op.name!r} has data_format='channels_first'; the analysis reads channels-last models only."
        raise AnalysisError(message)
    name = op_name(op)
    reader = _READERS.get(re.sub(r"[123]D", "", name))
    return {"op": name, **(reader(op, inputs, outputs) if reader else {})}


def op_name(op: Any) -> str:
    """Returns the class name of a Keras or zoo layer, with `ops.` for operations, and the full path of anything foreign."""
    kind = type(op)
    if kind.__module__.startswith("keras.src.ops"):
        return f"ops.{kind.__name__}"
    if kind.__module__.startswith("keras.src.layers") or kind.__module__ == "zoo.layers":
        return kind.__name__
    return f"{kind.__module__}.{kind.__qualname__}"


def _window(**fields: Any) -> Window:
    from zoo.analysis.graph import Window

    return Window(**fields)


def _times(sizes: Any) -> str:
    return "x".join(str(size) for size in sizes)


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> int:
    """Returns Keras' padding at the near side: half of what `ceil(size / stride)` outputs need, rounded down."""
    reach = (kernel - 1) * dilation + 1
    needed = (-(-size // stride) - 1) * stride + reach - size
    return max(needed, 0) // 2


def _sliding(op: Any, kernel: tuple[int, ...], source: Shape, padding: str) -> tuple[Window, ...]:
    axes = len(kernel)
    strides = _per_axis(op.strides, axes)
    dilations = _per_axis(getattr(op, "dilation_rate", 1), axes)
    windows = []
    for size, k, stride, dilation in zip(source, kernel, strides, dilations, strict=False):
        before = {"valid": 0, "causal": (k - 1) * dilation}.get(padding)
        if before is None:
            before = _same_padding(size, k, stride, dilation)
        windows.append(_window(kind="slide", size=k, stride=stride, dilation=dilation, before=before))
    return tuple(windows)


def _detail(kernel: tuple[int, ...], op: Any) -> str:
    text = _times(kernel)
    strides = _per_axis(op.strides, len(kernel))
    dilations = _per_axis(getattr(op, "dilation_rate", 1), len(kernel))
    text += f" stride {_times(strides)}" if max(strides) > 1 else ""
    text += f" dilation {_times(dilations)}" if max(dilations) > 1 else ""
    groups = getattr(op, "groups", 1)
    return text + (f" groups {groups}" if groups > 1 else "")


def _convolution(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    kernel = tuple(op.kernel_size)
    return {"windows": _sliding(op, kernel, inputs[0], op.padding), "detail": _detail(kernel, op)}


def _transposed(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    kernel = tuple(op.kernel_size)
    axes = len(kernel)
    strides, dilations = _per_axis(op.strides, axes), _per_axis(op.dilation_rate, axes)
    windows = []
    for k, stride, dilation in zip(kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        before = max(reach - stride, 0) // 2 if op.padding == "same" else 0
        windows.append(_window(kind="spread", size=k, stride=stride, dilation=dilation, before=before))
    return {"windows": tuple(windows), "detail": _detail(kernel, op)}


def _pooling(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    kernel = _per_axis(op.pool_size, len(inputs[0]) - 1)
    return {"windows": _sliding(op, kernel, inputs[0], op.padding), "detail": _detail(kernel, op)}


def _up_sampling(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    factors = _per_axis(op.size, len(inputs[0]) - 1)
    mode = getattr(op, "interpolation", "nearest")
    detail = f"{_times(factors)} {mode}"
    if mode == "nearest":
        return {"windows": tuple(_window(kind="repeat", stride=factor) for factor in factors), "detail": detail}
    return {"windows": _resized(mode, inputs[0], outputs[0]), "detail": detail}


def _resized(mode: str, source: Shape, target: Shape) -> tuple[Window, ...]:
    taps = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}[mode]
    pairs = zip(source[:-1], target[:-1], strict=True)
    return tuple(_window(kind="resize", size=taps, source=n, target=m) for n, m in pairs)


def _resizing(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    mode = getattr(op, "interpolation", "bilinear")
    return {"windows": _resized(mode, inputs[0], outputs[0]), "detail": f"to {_times(outputs[0][:-1])} {mode}"}


def _padding(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    pairs = (op.padding,) if isinstance(op.padding[0], int) else op.padding
    windows = tuple(_window(kind="shift", before=before) for before, _ in pairs)
    return {"windows": windows, "detail": " ".join(f"{before}+{after}" for before, after in pairs)}


def _cropping(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    pairs = (op.cropping,) if isinstance(op.cropping[0], int) else op.cropping
    windows = tuple(_window(kind="shift", before=-before) for before, _ in pairs)
    return {"windows": windows, "detail": " ".join(f"{before}+{after}" for before, after in pairs)}


def _global(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    return {"windows": (_window(kind="whole"),) * (len(inputs[0]) - 1)}


def _activation(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    return {"detail": getattr(op.activation, "__name__", str(op.activation))}


def _einsum_dense(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    """The size of every axis of the equation; their product counts the multiply-accumulates."""
    left, right = op.equation.replace(" ", "").split("->")[0].split(",")
    rest = left.replace("...", "")
    sizes = dict(zip(reversed(right), reversed(op.kernel.shape), strict=True))
    sizes |= dict(zip(reversed(rest), reversed(inputs[0]), strict=False))
    broadcast = inputs[0][: len(inputs[0]) - len(rest)] if "..." in left else ()
    return {"dims": (*broadcast, *sizes.values()), "detail": op.equation}


def _einsum(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    terms = op.subscripts.replace(" ", "").split("->")[0].split(",")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms, inputs, strict=True):
        sizes |= dict(zip(reversed(term), reversed(shape), strict=False))
    return {"dims": tuple(sizes.values()), "detail": op.subscripts}


def _dot(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    axis = op.axes if isinstance(op.axes, int) else op.axes[0]
    return {"dims": (inputs[0][axis - 1 if axis > 0 else axis],)}


def _heads(op: Any, inputs: tuple[Shape, ...], outputs: tuple[Shape, ...]) -> dict[str, Any]:
    heads = getattr(op, "num_heads", None) or op.num_query_heads
    key = getattr(op, "key_dim", None) or op.head_dim
    value = getattr(op, "value_dim", None) or key
    return {"dims": (heads, key, value), "detail": f"{heads} heads of {key}", **_global(op, inputs, outputs)}


_READERS: dict[str, Any] = {
    "Conv": _convolution,
    "DepthwiseConv": _convolution,
    "SeparableConv": _convolution,
    "ConvTranspose": _transposed,
    "MaxPooling": _pooling,
    "AveragePooling": _pooling,
    "UpSampling": _up_sampling,
    "Resizing": _resizing,
    "ResizeLike": _resizing,
    "ops.Resize": _resizing,
    "ZeroPadding": _padding,
    "Cropping": _cropping,
    "GlobalAveragePooling": _global,
    "GlobalMaxPooling": _global,
    "Activation": _activation,
    "EinsumDense": _einsum_dense,
    "ops.Einsum": _einsum,
    "Dot": _dot,
    "MultiHeadAttention": _heads,
    "GroupedQueryAttention": _heads,
    "Attention": _global,
    "AdditiveAttention": _global,
}
