"""Memory of activations: the inference peak by liveness, and what training keeps for the backward pass.

Assumptions, stated on every page: batch 1; each layer writes its output to a new tensor (no fusion, no workspace of the
convolution library); layers run in the order of the graph; a tensor is freed after its last reader. Layers that only
pass their input on (dropout at inference, reshape) cost nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zoo.analysis.cost import COUNTERS, kind_of
from zoo.analysis.graph import DTYPE_BYTES

if TYPE_CHECKING:
    from zoo.analysis.graph import Graph, Node

VIEWS = frozenset(
    "Identity Dropout SpatialDropout AlphaDropout GaussianDropout GaussianNoise ActivityRegularization Flatten Reshape "
    "ops.Reshape ops.Squeeze ops.ExpandDims".split()
)
"""Layers whose output at inference is their input."""

KEEPS_INPUT = frozenset(
    "BatchNormalization GroupNormalization LayerNormalization RMSNormalization MaxPooling GlobalMaxPooling PReLU LeakyReLU ELU "
    "Multiply Maximum Minimum Dot ops.Multiply ops.Matmul ops.Einsum ops.Divide ops.Square ops.Maximum ops.Minimum".split()
)
"""Layers whose gradient needs what they read, besides convolutions and dense layers."""

KEEPS_OUTPUT = frozenset("ReLU Softmax MaxPooling ops.Relu ops.Sigmoid ops.Softmax ops.Tanh ops.Exp ops.Sqrt".split())
"""Layers whose gradient needs what they wrote."""

OUTPUT_ACTIVATIONS = frozenset("relu relu6 sigmoid tanh softmax hard_sigmoid exponential elu selu".split())
"""Activations whose gradient follows from their output; the others keep their input."""


def inference_peak(graph: Graph) -> tuple[int, str]:
    """Returns the bytes of the largest set of tensors alive at once, and the node during which it happens (the first one)."""
    roots = _storage_roots(graph)
    last_use = _last_uses(graph, roots)
    alive: dict[str, int] = {}
    peak, where = 0, ""
    for step, node in enumerate(graph.nodes):
        for tensor in node.outputs:
            if roots[tensor] == tensor:
                alive[tensor] = tensor_bytes(graph, tensor)
        total = sum(alive.values())
        if total > peak:
            peak, where = total, node.name
        alive = {tensor: size for tensor, size in alive.items() if last_use[tensor] > step}
    return peak, where


def training_activations(graph: Graph) -> int:
    """Returns the bytes of the tensors that the backward pass needs, each counted once."""
    roots = _storage_roots(graph)
    kept = {roots[tensor] for node in graph.nodes for tensor in kept_for_backward(node)}
    return sum(tensor_bytes(graph, tensor) for tensor in kept)


def kept_for_backward(node: Node) -> tuple[str, ...]:
    """Returns the tensors that the gradient of a node reads; everything where the operation is not in the table."""
    kind = kind_of(node)
    inputs, outputs = node.inputs, node.outputs
    if kind == "InputLayer":
        return ()
    if kind == "Activation":
        return outputs if node.detail in OUTPUT_ACTIVATIONS else (() if node.detail == "linear" else inputs)
    reads = kind in COUNTERS or kind in KEEPS_INPUT
    writes = kind in KEEPS_OUTPUT
    return (inputs if reads else ()) + (outputs if writes else ())


def tensor_bytes(graph: Graph, tensor: str) -> int:
    """Returns the bytes of one tensor for one image."""
    return math.prod(graph.shape_of[tensor]) * DTYPE_BYTES[graph.producer[tensor].dtype]


def _storage_roots(graph: Graph) -> dict[str, str]:
    """Returns for each tensor the one whose memory it shares: itself, except behind layers that pass their input on."""
    roots: dict[str, str] = {}
    for node in graph.nodes:
        passes_on = kind_of(node) in VIEWS or (node.op == "Activation" and node.detail == "linear")
        for tensor in node.outputs:
            roots[tensor] = roots[node.inputs[0]] if passes_on and node.inputs else tensor
    return roots


def _last_uses(graph: Graph, roots: dict[str, str]) -> dict[str, int]:
    """Returns the last step at which each storage is read; outputs of the model live to the end."""
    last = {roots[tensor]: step for step, node in enumerate(graph.nodes) for tensor in node.outputs}
    for step, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            last[roots[tensor]] = max(last[roots[tensor]], step)
    return last | {roots[tensor]: len(graph.nodes) for tensor in graph.outputs}
