"""Multiply-accumulates of each operation for one image; what is not in the table is reported, never a silent zero.

One MAC is one multiplication with its addition. Counted: convolutions, dense layers, attention and matrix products.
Element-wise work and data movement count zero MACs by convention (about 0.1 % of the arithmetic of a U-Net with 64 filters,
1.4 % with 8), and so do biases.
A kernel counts in full at the border, where some of its taps meet padding. FLOPs are 2 x MACs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from zoo.analysis.graph import Graph, Node, Shape

    Counter = Callable[[Node, tuple[Shape, ...]], int]


def macs(node: Node, inputs: tuple[Shape, ...]) -> int | None:
    """Returns the multiply-accumulates of a node for one image, or None where the operation is not understood.

    Args:
        node: What is counted.
        inputs: Shapes that it reads, without the batch.
    """
    from zoo.analysis.operators import operator_of  # the table reads the counters below: no cycle at import

    operator = operator_of(node)
    if operator is None:
        return None
    return operator.macs(node, inputs) if operator.macs else 0


def not_understood(graph: Graph) -> tuple[str, ...]:
    """Returns `"name (op)"` of the nodes whose cost is unknown."""
    return tuple(f"{node.name} ({node.op})" for node in graph.nodes if macs(node, graph.input_shapes(node)) is None)


def _kernel_size(node: Node, name: str = "kernel") -> int:
    return next(weight.size for weight in node.weights if weight.name == name)


def per_output(node: Node, inputs: tuple[Shape, ...]) -> int:
    """Every output position uses the whole kernel; grouped kernels hold `C / groups` inputs for each output."""
    return math.prod(node.shape[:-1]) * _kernel_size(node)


def per_input(node: Node, inputs: tuple[Shape, ...]) -> int:
    """A transposed convolution multiplies every input position with the whole kernel."""
    return math.prod(inputs[0][:-1]) * _kernel_size(node)


def separable(node: Node, inputs: tuple[Shape, ...]) -> int:
    """A depthwise convolution, then a 1x1 convolution, both at the output positions."""
    positions = math.prod(node.shape[:-1])
    return positions * (_kernel_size(node, "depthwise_kernel") + _kernel_size(node, "pointwise_kernel"))


def product_of_axes(node: Node, inputs: tuple[Shape, ...]) -> int:
    """An einsum multiplies once for each combination of its indices."""
    return math.prod(node.dims)


def contraction(node: Node, inputs: tuple[Shape, ...]) -> int:
    """A matrix product: every output is a sum over the contracted axis, `dims[0]`."""
    return math.prod(node.shape) * node.dims[0]


def attention(node: Node, inputs: tuple[Shape, ...]) -> int:
    """Scores and their weighted sum: `dims` is pairs of positions, MACs per score, channels of the value."""
    pairs, score, value = node.dims
    return pairs * (score + value)


def multi_head_attention(node: Node, inputs: tuple[Shape, ...]) -> int:
    """The projections, the scores and their weighted sum over all heads.

    `dims` is heads, pairs of positions, channels of a key and of a value, then the positions that each kernel works on.
    """
    heads, pairs, key_dim, value_dim, *positions = node.dims
    kernels = [weight.size for weight in node.weights if weight.name == "kernel"]
    projections = sum(count * size for count, size in zip(positions, kernels, strict=True))
    return projections + heads * pairs * (key_dim + value_dim)
