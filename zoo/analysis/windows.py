"""Reads what each layer does along the spatial axes: strides, padding, resizing, cropping."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo.analysis.graph import Window

if TYPE_CHECKING:
    from zoo.analysis.keras_layers import Call

SAME = Window(kind="shift")
"""A position sees itself."""

WHOLE = Window(kind="whole")
UNKNOWN = Window(kind="unknown")

TAPS = {"nearest": 1, "bilinear": 2, "bicubic": 4, "lanczos3": 6, "lanczos5": 10}
"""Positions that each interpolation reads."""


def times(sizes: Any) -> str:
    """Joins sizes for people: `3x3`."""
    return "x".join(str(size) for size in sizes)


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    return (value,) * axes if isinstance(value, int) else tuple(value)


def _pairs(value: Any) -> tuple[tuple[int, int], ...]:
    return (tuple(value),) if isinstance(value[0], int) else tuple(value)


def _axes(call: Call) -> int:
    return max(len(call.inputs[0]) - 1, 0)


def _same_padding(size: int, kernel: int, stride: int, dilation: int) -> int:
    """Returns Keras' padding at the near side: half of what `ceil(size / stride)` outputs need, rounded down."""
    reach = (kernel - 1) * dilation + 1
    needed = (-(-size // stride) - 1) * stride + reach - size
    return max(needed, 0) // 2


def _sliding(call: Call, kernel: tuple[int, ...]) -> dict[str, Any]:
    op, axes = call.op, len(kernel)
    strides, dilations = _per_axis(op.strides, axes), _per_axis(getattr(op, "dilation_rate", 1), axes)
    windows = []
    for size, k, stride, dilation in zip(call.inputs[0], kernel, strides, dilations, strict=False):
        before = {"valid": 0, "causal": (k - 1) * dilation}.get(op.padding)
        if before is None:
            before = _same_padding(size, k, stride, dilation)
        windows.append(Window(kind="slide", size=k, stride=stride, dilation=dilation, before=before))
    return {"windows": tuple(windows), "detail": _detail(kernel, op)}


def _detail(kernel: tuple[int, ...], op: Any) -> str:
    strides = _per_axis(op.strides, len(kernel))
    dilations = _per_axis(getattr(op, "dilation_rate", 1), len(kernel))
    text = times(kernel)
    text += f" stride {times(strides)}" if max(strides) > 1 else ""
    text += f" dilation {times(dilations)}" if max(dilations) > 1 else ""
    groups = getattr(op, "groups", 1)
    return text + (f" groups {groups}" if groups > 1 else "")


def convolution(call: Call) -> dict[str, Any]:
    """Reads a convolution."""
    return _sliding(call, tuple(call.op.kernel_size))


def pooling(call: Call) -> dict[str, Any]:
    """Reads a pooling layer."""
    return _sliding(call, _per_axis(call.op.pool_size, _axes(call)))


def transposed(call: Call) -> dict[str, Any]:
    """Reads a transposed convolution, which is the gradient of a convolution from its output to its input."""
    op = call.op
    kernel = tuple(op.kernel_size)
    axes = len(kernel)
    strides, dilations = _per_axis(op.strides, axes), _per_axis(op.dilation_rate, axes)
    extra = (None,) * axes if op.output_padding is None else _per_axis(op.output_padding, axes)
    windows = []
    for k, stride, dilation, added in zip(kernel, strides, dilations, extra, strict=True):
        reach = (k - 1) * dilation + 1
        cut = reach - stride if added is None else reach - reach % 2 - added
        before = max(cut, 0) // 2 if op.padding == "same" else 0
        windows.append(Window(kind="spread", size=k, stride=stride, dilation=dilation, before=before))
    return {"windows": tuple(windows), "detail": _detail(kernel, op)}


def depthwise_transposed(call: Call) -> dict[str, Any]:
    """Reads the zoo's transposed depthwise convolution, which cuts both sides alike."""
    op = call.op
    windows = tuple(Window(kind="spread", size=k, stride=op.strides, before=(k - 1) // 2) for k in op.kernel_size)
    return {"windows": windows, "detail": _detail(op.kernel_size, op)}


def whole(call: Call) -> dict[str, Any]:
    """Reads a layer that sees all positions at once."""
    return {"windows": (WHOLE,)}


def adaptive(call: Call) -> dict[str, Any]:
    """Reads a pooling to a fixed size."""
    pairs = list(zip(call.inputs[0][:-1], call.outputs[0][:-1], strict=True))
    windows = tuple(Window(kind="adaptive", source=n, target=m) if m > 1 else WHOLE for n, m in pairs)
    return {"windows": windows, "detail": f"to {times(m for _, m in pairs)}"}


def cells(call: Call) -> dict[str, Any]:
    """Reads a layer whose outputs see the whole of their cell."""
    count, sizes = call.op.cells, call.inputs[0][:-1]
    if any(size % count for size in sizes):
        call.refuse(f"it has {count} equal cells along each axis")
    windows = tuple(Window(kind="cells", size=size // count) if count > 1 else WHOLE for size in sizes)
    return {"windows": windows, "detail": f"{times((count,) * len(sizes))} cells"}


def up_sampling(call: Call) -> dict[str, Any]:
    """Reads an up-sampling by whole factors."""
    factors = _per_axis(call.op.size, _axes(call))
    mode = getattr(call.op, "interpolation", "nearest")
    repeated = tuple(Window(kind="repeat", stride=factor) for factor in factors)
    return {"windows": repeated if mode == "nearest" else _resized(mode, call), "detail": f"{times(factors)} {mode}"}


def resize_like(call: Call) -> dict[str, Any]:
    """Reads a resize to the size of another tensor, whose nearest mode starts at the corner, not at the pixel centre."""
    fields = resizing(call)
    if call.op.interpolation == "nearest":
        fields["windows"] = tuple(replace(window, kind="pick") for window in fields["windows"])
    return fields


def resizing(call: Call) -> dict[str, Any]:
    """Reads a resize to a given size."""
    op = call.op
    mode = getattr(op, "interpolation", "bilinear")
    fitted = getattr(op, "crop_to_aspect_ratio", False) or getattr(op, "pad_to_aspect_ratio", False)
    windows = (UNKNOWN,) if fitted or getattr(op, "antialias", False) else _resized(mode, call)
    return {"windows": windows, "detail": f"to {times(call.outputs[0][:-1])} {mode}"}


def _resized(mode: str, call: Call) -> tuple[Window, ...]:
    pairs = zip(call.inputs[0][:-1], call.outputs[0][:-1], strict=True)
    return tuple(Window(kind="resize", size=TAPS[mode], source=n, target=m) for n, m in pairs)


def _shifted(pairs: tuple[tuple[int, int], ...], sign: int) -> dict[str, Any]:
    windows = tuple(Window(kind="shift", before=sign * before) for before, _ in pairs)
    return {"windows": windows, "detail": " ".join(f"{before}+{after}" for before, after in pairs)}


def padding(call: Call) -> dict[str, Any]:
    """Reads a padding with zeros."""
    return _shifted(_pairs(call.op.padding), 1)


def cropping(call: Call) -> dict[str, Any]:
    """Reads a crop by given margins."""
    return _shifted(_pairs(call.op.cropping), -1)


def center_crop(call: Call) -> dict[str, Any]:
    """Reads a crop to a given size; where the image is smaller the layer resizes."""
    pairs = list(zip(call.inputs[0][:-1], call.outputs[0][:-1], strict=True))
    if any(n < m for n, m in pairs):
        return {"windows": (UNKNOWN,)}
    return _shifted(tuple(((n - m) // 2, n - m - (n - m) // 2) for n, m in pairs), -1)


def pad(call: Call) -> dict[str, Any]:
    """Reads `keras.ops.pad`; reflected or repeated borders lie outside of what a receptive field says."""
    pairs = call.op.pad_width
    rank = len(call.inputs[0]) + 1
    return _shifted((pairs * rank if len(pairs) == 1 else pairs)[1:-1], 1)


def reshape(call: Call) -> dict[str, Any]:
    """Reads a reshape: axes in front that keep their size keep their positions, the rest is not followed."""
    source, target = call.inputs[0], call.outputs[0]
    kept = tuple(SAME if source[: k + 1] == target[: k + 1] else UNKNOWN for k in range(_axes(call)))
    return {"windows": kept or (UNKNOWN,), "detail": f"to {times(target)}"}


def permuted(call: Call) -> dict[str, Any]:
    """Reads a transposition: axes that stay in place keep their positions, the rest is not followed."""
    op, rank = call.op, len(call.inputs[0]) + 1
    order = (0, *op.dims) if hasattr(op, "dims") else tuple(op.axes or reversed(range(rank)))
    return {"windows": tuple(SAME if order[k + 1] % rank == k + 1 else UNKNOWN for k in range(_axes(call))) or (UNKNOWN,)}


def get_item(call: Call) -> dict[str, Any]:
    """Reads indexing: whole axes keep their positions, slices shift and stride them, anything else is not followed."""
    key, axes = call.arguments.get("key"), _axes(call)
    keys = list(key) if isinstance(key, (tuple, list)) else [key]  # a list where the network was loaded from its config
    if not all(k is Ellipsis or isinstance(k, slice) for k in keys[:-1]):
        return {"windows": (UNKNOWN,)}
    if not any(k is Ellipsis for k in keys):
        keys.append(Ellipsis)
    place = next(k for k, item in enumerate(keys) if item is Ellipsis)
    keys[place : place + 1] = [slice(None)] * (axes + 3 - len(keys))
    windows = tuple(map(_sliced, keys[1 : axes + 1]))
    strided = any(window.kind == "slide" for window in windows)
    return {"windows": windows, "detail": f"stride {times(window.stride for window in windows)}" if strided else ""}


def _sliced(key: Any) -> Window:
    start, step = (key.start or 0, key.step or 1) if isinstance(key, slice) else (-1, 1)
    if not (isinstance(start, int) and isinstance(step, int) and start >= 0 and step > 0):
        return UNKNOWN
    return Window(kind="shift", before=-start) if step == 1 else Window(kind="slide", stride=step, before=-start)


def _normal(axes: Any, rank: int) -> set[int]:
    """Returns axes as numbers from 0; all for None."""
    if axes is None:
        return set(range(rank))
    return {axis % rank for axis in (axes if isinstance(axes, (list, tuple)) else (axes,))}


def reduction(call: Call) -> dict[str, Any]:
    """Reads a mean, sum or maximum: the whole of the axes that it reduces."""
    spatial = _axes(call)
    reduced = _normal(call.op.axis, spatial + 2)
    if set(range(1, spatial + 1)) <= reduced:
        return {"windows": (WHOLE,)}
    windows = [WHOLE if axis in reduced else SAME for axis in range(1, spatial + 1)]
    if not call.op.keepdims and WHOLE in windows:  # later axes move forward
        windows[windows.index(WHOLE) :] = [UNKNOWN] * (spatial - windows.index(WHOLE))
    return {"windows": tuple(windows)}


def along_axes(call: Call) -> dict[str, Any]:
    """Reads a softmax: each output sees the whole of its axes."""
    spatial = _axes(call)
    axes = _normal(call.op.axis, spatial + 2)
    return {"windows": tuple(WHOLE if axis in axes else SAME for axis in range(1, spatial + 1))}


def joined(call: Call) -> dict[str, Any]:
    """Reads a concatenation or a split: by channels it moves nothing, along another axis it is not followed.

    Keras' layer checks sizes only when it is built, and these may have been open then.
    """
    spatial = _axes(call)
    axis = call.op.axis % (spatial + 2)
    if len({(*shape[: axis - 1], *shape[axis:]) for shape in call.inputs}) > 1:
        call.refuse("the sizes differ along other axes than the one it joins")
    return {} if axis == spatial + 1 else {"windows": tuple(UNKNOWN if axis == k + 1 else SAME for k in range(spatial))}


def broadcast(call: Call) -> dict[str, Any]:
    """Reads a broadcast, which is followed where the number of axes stays."""
    return {} if len(call.inputs[0]) == len(call.outputs[0]) else {"windows": (UNKNOWN,)}
