"""The exact receptive field: which input positions can reach an output position, by interval propagation.

Going backwards from the outputs, each tensor gets the interval of positions that one output position needs; merges take
the hull. Intervals are not cut at the border, so the result is what an output in the middle of a large image sees.
Nearest up-sampling and even kernels make it depend on the output position: hence a smallest and a largest extent.

Normalisations that average over the image (group, instance, layer) are left out, as is usual; global pooling and
attention make it the whole input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from zoo.analysis.graph import Graph, Node, Window

    Interval = tuple[np.ndarray, np.ndarray]

Extent = tuple[int, int]


def receptive_field(graph: Graph) -> tuple[Extent | None, ...]:
    """Returns the smallest and largest receptive field over the positions of the first output, per spatial axis.

    Returns:
        `((204, 220), (204, 220))` in pixels; None for an axis of which every output sees the whole.
    """
    return tuple(_along_axis(graph, axis) for axis in range(graph.ndim))


def _along_axis(graph: Graph, axis: int) -> Extent | None:
    import numpy as np

    output = graph.outputs[0]
    shape = graph.shape_of[output]
    if axis >= len(shape) - 1:
        return None
    positions = np.arange(shape[axis], dtype=float)
    needed: dict[str, Interval] = {output: (positions, positions)}
    for node in reversed(graph.nodes):
        interval = _hull([needed[tensor] for tensor in node.outputs if tensor in needed])
        if interval is None:
            continue
        for tensor in node.inputs:
            seen = _seen(node, axis, interval)
            needed[tensor] = _hull([seen, needed[tensor]]) if tensor in needed else seen
    low, high = needed.get(graph.inputs[0], (positions * 0, positions * 0 - 1))
    extents = high - low + 1
    if not np.isfinite(extents).all():
        return None
    return int(extents.min()), int(extents.max())


def _hull(intervals: list[Interval]) -> Interval | None:
    import numpy as np

    if not intervals:
        return None
    lows, highs = zip(*intervals, strict=True)
    return np.minimum.reduce(lows), np.maximum.reduce(highs)


def _seen(node: Node, axis: int, interval: Interval) -> Interval:
    """Returns what a node needs of its inputs for an interval of its output."""
    if axis >= len(node.windows):
        return interval
    low, high = interval
    return _ends(node.windows[axis], low)[0], _ends(node.windows[axis], high)[1]


def _ends(window: Window, p: np.ndarray) -> Interval:
    """Returns the first and the last input position that the output positions `p` see."""
    import numpy as np

    if window.kind == "slide":
        first = p * window.stride - window.before
        return first, first + (window.size - 1) * window.dilation
    if window.kind == "spread":
        # output p is reached from input i by tap k where p = i * stride + k * dilation - before
        taps = [(p + window.before - k * window.dilation) / window.stride for k in range(window.size)]
        whole = [np.where(tap == np.floor(tap), tap, np.nan) for tap in taps]
        stacked = np.stack(whole)
        return np.nanmin(stacked, axis=0), np.nanmax(stacked, axis=0)
    if window.kind == "repeat":
        return np.floor(p / window.stride), np.floor(p / window.stride)
    if window.kind == "resize":
        return _resize_ends(window, p)
    if window.kind == "shift":
        return p - window.before, p - window.before
    return np.full_like(p, -np.inf), np.full_like(p, np.inf)


def _resize_ends(window: Window, p: np.ndarray) -> Interval:
    import numpy as np

    centre = (p + 0.5) * window.source / window.target - 0.5
    if window.size == 1:
        nearest = np.floor((p + 0.5) * window.source / window.target)
        return nearest, nearest
    reach = window.size // 2
    first = np.floor(centre) - (reach - 1)
    exact = centre == np.floor(centre)  # the outer taps have weight zero on a pixel centre
    return np.where(exact, centre, first), np.where(exact, centre, first + window.size - 1)
