"""The exact receptive field: which input positions can reach an output position, by interval propagation.

Going backwards from the first output to the first input, each tensor gets the interval of positions that one output position
needs; merges take the hull. Intervals are not cut at the border, so the result is what an output in the middle of a large
image sees. Nearest up-sampling and even kernels make it depend on the output position: hence a smallest and a largest
extent. It is exact for every network whose transposed kernels are at least as long as their strides; shorter ones leave
positions that see nothing, and an interval across them may be too long by less than one stride.

Normalisations that average over the image (group, instance, layer) are left out, as is usual; global pooling, flattening and
attention make it the whole input. Reshapes, transpositions, matrix products and unknown layers are not followed: where the
field depends on one of them, there is no field at all and the layer is named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from zoo.analysis.graph import Graph, Node, Window

    Interval = tuple[np.ndarray, np.ndarray]
    """First and last position for each output position: `(-inf, inf)` the whole axis, `(inf, -inf)` none, NaN unknown."""

Extent = tuple[int, int]


def receptive_field(graph: Graph) -> tuple[tuple[Extent | None, ...], tuple[str, ...]]:
    """Returns the smallest and largest receptive field over the positions of the first output, per spatial axis.

    Returns:
        `((204, 220), (204, 220))` in pixels, None for an axis of which every output sees the whole, and the layers that hide
        it: where there is one, the field is empty.
    """
    import numpy as np

    extents: list[Extent | None] = []
    for axis in range(graph.ndim):
        _, (low, high), hidden_by = _along_axis(graph, axis, graph.outputs[0])
        if hidden_by:
            return (), hidden_by
        lengths = np.maximum(high - low + 1, 0)
        extents.append((int(lengths.min()), int(lengths.max())) if np.isfinite(lengths).all() else None)
    return tuple(extents), ()


def reach(graph: Graph, output: str) -> tuple[Extent | None, ...]:
    """Returns how far before and after its own position an output may look, per spatial axis, at most.

    Args:
        graph: A traced graph with one input, and an output of the same sizes.
        output: Name of that tensor.

    Returns:
        `((22, 25), (22, 25))` in positions, None for an axis of which it sees the whole or that is not understood.
    """
    import numpy as np

    found: list[Extent | None] = []
    for axis in range(graph.ndim):
        positions, (low, high), _ = _along_axis(graph, axis, output)
        before, after = (np.max(side, initial=0) for side in (positions - low, high - positions))
        found.append((int(before), int(after)) if np.isfinite([before, after]).all() else None)
    return tuple(found)


def _along_axis(graph: Graph, axis: int, output: str) -> tuple[np.ndarray, Interval, tuple[str, ...]]:
    """Returns the positions of an output, what each of them sees of the input, and the layers that hide it."""
    import numpy as np

    shape = graph.shape_of[output]
    positions = np.arange(shape[axis] if axis < len(shape) - 1 else 1, dtype=float)
    needed: dict[str, Interval] = {output: (positions, positions)}
    hiding = []
    for node in reversed(graph.nodes):
        interval = _hull([needed[tensor] for tensor in node.outputs if tensor in needed])
        if interval is None:
            continue
        for place, tensor in enumerate(node.inputs):
            seen = _seen(graph, node, place, axis, interval)
            if np.isnan(seen[0]).any() and not np.isnan(interval[0]).any():
                hiding.append(f"{node.name} ({node.op}): receptive field")
            needed[tensor] = _hull([seen, needed[tensor]]) or seen if tensor in needed else seen
    nothing = np.full_like(positions, np.inf)
    low, high = needed.get(graph.inputs[0], (nothing, -nothing))
    hidden_by = tuple(dict.fromkeys(reversed(hiding))) if np.isnan(low).any() else ()
    return positions, (low, high), hidden_by


def _hull(intervals: Sequence[Interval]) -> Interval | None:
    """Returns the smallest interval around all; what sees the whole axis does so whatever the unknown rest is."""
    import numpy as np

    if len(intervals) < 2:
        return intervals[0] if intervals else None
    lows, highs = (np.stack(ends) for ends in zip(*intervals, strict=True))
    whole = (np.isneginf(lows) & np.isposinf(highs)).any(axis=0)
    return np.where(whole, -np.inf, lows.min(axis=0)), np.where(whole, np.inf, highs.max(axis=0))


def _seen(graph: Graph, node: Node, place: int, axis: int, interval: Interval) -> Interval:
    """Returns what a node needs of its input number `place` for an interval of its output."""
    import numpy as np

    low, high = interval
    none = low > high
    window = _window(node, axis)
    if window is not None:
        if window.kind in ("resize", "pick") and place:  # only the size of the other tensor is read
            return np.full_like(low, np.inf), np.full_like(low, -np.inf)
        if window.kind == "attend" and not place:
            return interval
        first, last = _ends(window, low)[0], _ends(window, high)[1]
        missed = none | (first > last)
        return np.where(missed, np.inf, first), np.where(missed, -np.inf, last)
    source, target = graph.shape_of[node.inputs[place]], node.shape
    if len(source) != len(target):
        return np.where(none, low, np.nan), np.where(none, high, np.nan)
    if axis < len(source) - 1 and source[axis] == 1 < target[axis]:  # one value for all positions
        return np.where(none, low, 0.0), np.where(none, high, 0.0)
    return interval


def _window(node: Node, axis: int) -> Window | None:
    if len(node.windows) == 1 and node.windows[0].kind in ("whole", "attend", "unknown"):
        return node.windows[0]
    return node.windows[axis] if axis < len(node.windows) else None


def _ends(window: Window, p: np.ndarray) -> Interval:
    """Returns the first and the last input position that the output positions `p` see."""
    import numpy as np

    match window.kind:
        case "slide":
            first = p * window.stride - window.before
            return first, first + (window.size - 1) * window.dilation
        case "spread":  # output p is reached from input i by tap k where p = i * stride + k * dilation - before
            reach = (window.size - 1) * window.dilation
            return np.ceil((p + window.before - reach) / window.stride), np.floor((p + window.before) / window.stride)
        case "repeat":
            return np.floor(p / window.stride), np.floor(p / window.stride)
        case "resize":
            return _resize_ends(window, p)
        case "pick":
            picked = np.floor(p * window.source / window.target)
            return picked, picked
        case "adaptive":
            first = np.floor(p * window.source / window.target)
            return first, np.ceil((p + 1) * window.source / window.target) - 1
        case "cells":
            first = np.floor(p / window.size) * window.size
            return first, first + window.size - 1
        case "shift":
            return p - window.before, p - window.before
        case "whole" | "attend":
            return np.full_like(p, -np.inf), np.full_like(p, np.inf)
    unknown = np.where(np.isinf(p), p, np.nan)  # what needs all of an output needs all behind it
    return unknown, unknown


def _resize_ends(window: Window, p: np.ndarray) -> Interval:
    """Pixel centres are aligned: output p lies at `(p + 1/2) * source / target - 1/2` of the input."""
    import numpy as np

    twice = (2 * p + 1) * window.source  # whole numbers, so that the divisions below are right at the edges
    if window.size == 1:
        nearest = np.floor(twice / (2 * window.target))
        return nearest, nearest
    centre = (twice - window.target) / (2 * window.target)
    first = np.floor(centre) - (window.size // 2 - 1)
    exact = centre == np.floor(centre)  # the outer taps have weight zero on a pixel centre
    return np.where(exact, centre, first), np.where(exact, centre, first + window.size - 1)
