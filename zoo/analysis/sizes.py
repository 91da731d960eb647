"""The sizes of all tensors of a graph as functions of the size of its input, where they provably are.

Along each spatial axis a tensor has either a size that does not depend on the input, or one that grows in proportion to it,
plus a margin: `2 * 16 - 1` behind a transposed convolution. The proportion follows from the operations on the way, as a
stride of 2 halves it. The margin follows from the traced sizes, and is the same for every input whose sizes are multiples
of the strides: `ceil((a * n + b) / s)` is `a / s * n + ceil(b / s)` where `s` divides `a`, and so it is rounded down.
"""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import TYPE_CHECKING, cast

from zoo.analysis.operators import kind_of, operator_of
from zoo.analysis.polynomial import Polynomial, UndecidedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo.analysis.graph import Graph, Node, Shape, Window

    Growth = tuple[Fraction, ...]
    """Positions that a tensor has along each of its axes per position of the input; 0 where its size is fixed."""

_BY_WINDOW = frozenset(
    "Conv DepthwiseConv SeparableConv ConvTranspose DepthwiseConvTranspose MaxPooling AveragePooling UpSampling UpSampleLinear "
    "ZeroPadding Cropping CellMax Softmax ops.Pad ops.Softmax ops.LogSoftmax".split()
)
"""Operations whose windows say all about the sizes that they make, unlike those of slices, which may end at a given position."""

_TO_ONE = frozenset("GlobalAveragePooling GlobalMaxPooling AdaptiveAveragePooling AdaptiveMaxPooling".split())
"""Operations that make one position of all; where adaptive pooling makes more, its level depends on the size of the input."""

_REDUCTIONS = frozenset("ops.Mean ops.Sum ops.Max ops.Min ops.Var ops.Std".split())

_KEEPING = frozenset(("shift", "cells", "whole"))
"""Kinds of windows that leave the size, or add a fixed margin to it."""


def with_counted_sizes(graph: Graph, multiples: Sequence[int] = ()) -> tuple[Graph, tuple[int, ...]] | None:
    """Returns the graph with polynomials for sizes, and the multiples that an input's sizes are counted in.

    In the returned graph a size that depends on the input, and what a layer keeps inside for its gradient, is a `Polynomial`
    of the counts `n`, where the input has `n * multiple` positions along each axis. Sums and products of sizes work as with
    numbers. Only `shapes` and `inner` change.

    Args:
        graph: A traced graph with one input.
        multiples: What the input's sizes must be multiples of besides the strides, one per axis.

    Returns:
        None where a size does not provably grow so, the traced input is no multiple, the smallest input is too small, or
        levels might depend on the size.
    """
    growths = _growths(graph)
    if growths is None:
        return None
    steps = _multiples(graph, growths, multiples)
    if any(size % step for size, step in zip(graph.input_shape, steps, strict=False)):
        return None
    nodes = []
    for node in graph.nodes:
        shapes = tuple(_counted(graph, steps, *both) for both in zip(node.shapes, growths[node.name], strict=True))
        inner = _counted_inner(node, shapes[0])
        if inner is None or not all(_is_possible(size) for shape in shapes for size in shape):
            return None
        nodes.append(dataclasses.replace(node, shapes=shapes, inner=inner))
    counted = dataclasses.replace(graph, nodes=tuple(nodes))
    return (counted, steps) if _stays_placed(counted) else None


def least_multiples(graph: Graph, multiples: Sequence[int] = ()) -> tuple[int, ...] | None:
    """Returns the multiples that `with_counted_sizes` needs, which also holds where the traced input is none."""
    growths = _growths(graph)
    return None if growths is None else _multiples(graph, growths, multiples)


def _growths(graph: Graph) -> dict[str, tuple[Growth, ...]] | None:
    """Returns the growth of each output of each node, or None where one is not known."""
    if len(graph.inputs) != 1:
        return None
    found: dict[str, tuple[Growth, ...]] = {}
    of_tensor: dict[str, Growth] = {}
    for node in graph.nodes:
        growth = (Fraction(1),) * graph.ndim
        if node.name not in graph.inputs:
            known = _growth(node, tuple(of_tensor[tensor] for tensor in node.inputs), graph.input_shapes(node))
            if known is None:
                return None
            growth = known
        found[node.name] = tuple((*growth, *(Fraction(0),) * len(shape))[: len(shape)] for shape in node.shapes)
        of_tensor |= zip(node.outputs, found[node.name], strict=True)
    return found


def _growth(node: Node, inputs: tuple[Growth, ...], shapes: tuple[Shape, ...]) -> Growth | None:
    """Returns the growth of a node's outputs along the axes where it may differ from 0, or None where it is not known."""
    if not any(map(any, inputs)):
        return ()  # what reads fixed sizes only has a fixed size
    kind, windows = kind_of(node.op), node.windows
    if operator_of(node) is None or node.dims or any(growth and growth[-1] for growth in inputs):
        return None  # not understood; a product of positions; or no axis of channels
    kinds = {window.kind for window in windows}
    if kind in _TO_ONE | _REDUCTIONS and kinds == {"whole"}:
        return ()
    if kind == "ResizeLike":
        return inputs[1][:-1]
    if kind in _REDUCTIONS and kinds == {"shift"}:  # along the channels
        return inputs[0][:-1]
    if any(len(shape) != len(growth) for shape in node.shapes for growth in inputs):
        return None
    if not windows and kind not in ("ops.BroadcastTo", "Embedding"):
        return _merged(inputs, shapes)
    factors = [_factor(window) for window in windows]
    if kind not in _BY_WINDOW or len(factors) != len(inputs[0]) - 1 or not all(factors):
        return None
    return tuple(own * factor for own, factor in zip(inputs[0], factors, strict=False))


def _factor(window: Window) -> Fraction:
    """Returns how many outputs a window makes of one input along its axis; 0 where that is not known."""
    if window.kind == "slide":
        return Fraction(1, window.stride)
    if window.kind in ("spread", "repeat"):
        return Fraction(window.stride)
    if window.kind == "resize":
        return Fraction(window.target, window.source)
    return Fraction(int(window.kind in _KEEPING))


def _merged(inputs: tuple[Growth, ...], shapes: tuple[Shape, ...]) -> Growth | None:
    """Returns the growth of tensors that are combined position by position; one position is repeated to fit the others."""
    if len(set(map(len, inputs))) != 1:
        return None
    merged = []
    for growths, sizes in list(zip(zip(*inputs, strict=True), zip(*shapes, strict=True), strict=True))[:-1]:
        along = {(growth, size) for growth, size in zip(growths, sizes, strict=True) if growth or size > 1}
        if len(along) > 1:
            return None  # they fit at this size only
        merged.append(next(iter(along))[0] if along else Fraction(0))
    return tuple(merged)


def _multiples(graph: Graph, growths: dict[str, tuple[Growth, ...]], given: Sequence[int]) -> tuple[int, ...]:
    """Returns the smallest multiples along each axis at which all tensors, and cells inside them, have whole sizes."""
    steps = list(given) if given else [1] * graph.ndim
    for node in graph.nodes:
        cells = [n // window.size if window.kind == "cells" else 1 for n, window in zip(node.shape, node.windows, strict=False)]
        for growth in growths[node.name]:
            for axis, own in enumerate(growth[: graph.ndim]):
                count = cells[axis] if axis < len(cells) else 1
                steps[axis] = math.lcm(steps[axis], (own / count).denominator)
    return tuple(steps)


def _counted(graph: Graph, steps: tuple[int, ...], shape: Shape, growth: Growth) -> Shape:
    """Returns the shape with a polynomial for each size that grows."""
    sizes: list[Polynomial | int] = []
    for axis, (size, own) in enumerate(zip(shape, growth, strict=True)):
        if own:
            margin = size - int(own * graph.input_shape[axis])
            sizes.append(Polynomial.linear(graph.ndim, axis, margin, int(own * steps[axis])))
        else:
            sizes.append(size)
    return cast("Shape", tuple(sizes))


def _counted_inner(node: Node, shape: Shape) -> int | None:
    """Returns what a layer keeps inside: a part of each output value, or of each channel in a spatial dropout."""
    if not node.inner or kind_of(node.op) == "SpatialDropout":
        return node.inner
    share = Fraction(node.inner, math.prod(node.shape))
    return int(share) * math.prod(shape) if share.denominator == 1 else None


def _is_possible(size: Polynomial | int) -> bool:
    return isinstance(size, int) or size.never_below(1)


def _stays_placed(graph: Graph) -> bool:
    """Says whether levels are the same at all sizes.

    `zoo.analysis.structure` puts what resizes to a given size where the first tensor of that size was. At all sizes this is
    the same tensor where those before it never have this size.
    """
    seen: list[Shape] = []
    for node in graph.nodes:
        sizes = node.shape[:-1]
        if any(window.kind in ("resize", "pick") for window in node.windows):
            earlier = seen[: seen.index(sizes)] if sizes in seen else seen
            if not all(any(map(_never_equal, sizes, other)) for other in earlier if len(other) == len(sizes)):
                return False
        if sizes not in seen:
            seen.append(sizes)
    return True


def _never_equal(a: Polynomial | int, b: Polynomial | int) -> bool:
    try:
        return a > b or b > a
    except UndecidedError:
        return False
