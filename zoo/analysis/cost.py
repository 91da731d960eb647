"""Multiply-accumulates of each operation, from a table; what is not in the table is reported, never a silent zero.

One MAC is one multiplication with its addition. Counted: convolutions, dense layers, attention and matrix products.
Everything else in the table is element-wise work or data movement and counts zero MACs by convention (about 0.1 % of a
U-Net's arithmetic). Biases are not counted. FLOPs are 2 x MACs.
"""

from __future__ import annotations

import math
import re
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
    kind = kind_of(node)
    if kind in COUNTERS:
        return COUNTERS[kind](node, inputs)
    return 0 if kind in FREE else None


def kind_of(node: Node) -> str:
    """Returns the op without the number of axes in its name: `Conv2DTranspose -> ConvTranspose`."""
    return re.sub(r"[123]D", "", node.op)


def not_understood(graph: Graph) -> tuple[str, ...]:
    """Returns `"name (op)"` of the nodes whose cost is unknown."""
    return tuple(f"{node.name} ({node.op})" for node in graph.nodes if macs(node, graph.input_shapes(node)) is None)


def _kernel_size(node: Node, name: str = "kernel") -> int:
    return next(weight.size for weight in node.weights if weight.name == name)


def _per_output(node: Node, inputs: tuple[Shape, ...]) -> int:
    """Every output position uses the whole kernel; grouped kernels hold `C / groups` inputs for each output."""
    return math.prod(node.shape[:-1]) * _kernel_size(node)


def _per_input(node: Node, inputs: tuple[Shape, ...]) -> int:
    """A transposed convolution multiplies every input position with the whole kernel."""
    return math.prod(inputs[0][:-1]) * _kernel_size(node)


def _separable(node: Node, inputs: tuple[Shape, ...]) -> int:
    positions = math.prod(node.shape[:-1])
    return positions * (_kernel_size(node, "depthwise_kernel") + _kernel_size(node, "pointwise_kernel"))


def _product_of_axes(node: Node, inputs: tuple[Shape, ...]) -> int:
    return math.prod(node.dims)


def _matmul(node: Node, inputs: tuple[Shape, ...]) -> int:
    return math.prod(node.shape) * inputs[0][-1]


def _contraction(node: Node, inputs: tuple[Shape, ...]) -> int:
    return math.prod(node.shape) * node.dims[0]


def _attention(node: Node, inputs: tuple[Shape, ...]) -> int:
    """Scores and their weighted sum: `(Tq, C) x (Tk, C)` and `(Tq, Tk) x (Tk, V)`."""
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    return query[-2] * key[-2] * (query[-1] + value[-1])


def _multi_head_attention(node: Node, inputs: tuple[Shape, ...]) -> int:
    """The four projections, the scores and their weighted sum over all heads."""
    query, value = inputs[0], inputs[1] if len(inputs) > 1 else inputs[0]
    key = inputs[2] if len(inputs) > 2 else value
    heads, key_dim, value_dim = node.dims
    kernels = [weight.size for weight in node.weights if weight.name == "kernel"]
    tokens = (math.prod(query[:-1]), math.prod(key[:-1]), math.prod(value[:-1]), math.prod(query[:-1]))
    projections = sum(count * size for count, size in zip(tokens, kernels, strict=True))
    return projections + heads * tokens[0] * tokens[1] * (key_dim + value_dim)


COUNTERS: dict[str, Counter] = {
    "Conv": _per_output,
    "DepthwiseConv": _per_output,
    "SeparableConv": _separable,
    "ConvTranspose": _per_input,
    "Dense": _per_output,
    "EinsumDense": _product_of_axes,
    "Dot": _contraction,
    "Attention": _attention,
    "MultiHeadAttention": _multi_head_attention,
    "GroupedQueryAttention": _multi_head_attention,
    "ops.Matmul": _matmul,
    "ops.Einsum": _product_of_axes,
}
"""Operation (number of axes left out) to its count."""

_FREE_LAYERS = (
    "InputLayer Identity Activation ReLU LeakyReLU PReLU ELU Softmax "
    "BatchNormalization GroupNormalization LayerNormalization RMSNormalization UnitNormalization SpectralNormalization "
    "Normalization Rescaling "
    "MaxPooling AveragePooling GlobalAveragePooling GlobalMaxPooling AdaptiveAveragePooling AdaptiveMaxPooling "
    "UpSampling Resizing ZeroPadding Cropping CenterCrop Flatten Reshape Permute RepeatVector "
    "Add Subtract Multiply Average Maximum Minimum Concatenate "
    "Dropout SpatialDropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Masking "
    "MatchChannels ResizeLike"
)
_FREE_OPS = (
    "Add Subtract Multiply Divide TrueDivide Power Square Sqrt Rsqrt Abs Absolute Negative Sign Exp Log Maximum Minimum Clip "
    "Relu Relu6 LeakyRelu Elu Selu Celu Gelu Silu Sigmoid HardSigmoid HardSilu Softplus Softsign Softmax LogSoftmax Tanh Mish "
    "Mean Sum Max Min Var Std Concatenate Stack Split Reshape Transpose Squeeze ExpandDims GetItem Pad Cast Flip Repeat Tile "
    "BroadcastTo Resize Where"
)
FREE = frozenset(_FREE_LAYERS.split()) | {f"ops.{name}" for name in _FREE_OPS.split()}
"""Operations of the table that are element-wise work or data movement: zero MACs."""
