"""Memory of activations: the inference peak by liveness, and what training keeps for the backward pass.

Assumptions, stated on every page. For the inference peak: batch 1; layers run in the order of the graph; each layer writes
its output to a new tensor (no fusion, no workspace of the convolution library, no copies inside a layer); a tensor is freed
after its last reader, outputs of the model stay; layers that only pass their input on (dropout at inference, reshape) cost
nothing.

For training: the tensors that the gradient formulas read, each once. A convolution keeps its input, and only if it is
trained; batch normalisation its input (a float32 copy in half precision); ReLU, sigmoid, tanh and softmax their output;
GELU, SiLU and the like their input; max pooling both; a product of tensors its inputs; dropout one byte for each value. Sums,
concatenation, average pooling, padding and up-sampling keep nothing. Layers before the first trained weight keep nothing.
Statistics per channel, gradients on their way and workspaces are left out.

Measured by scripts/measure_memory.py on CPUs, three networks at 256 x 256: run as one TensorFlow graph the inference peak is
1.3 to 1.9 times the prediction, for convolution workspaces and branches that run at the same time; as XLA plans it 0.8 to 1.3
times. A plain call of a Keras model, not compiled, keeps every output until it returns: that is `activation_bytes`. For
training `jax.vjp` keeps 1.0 times the prediction without batch normalisation and 1.3 to 1.7 times with it, because Keras
writes it as several operations of which each keeps a tensor; TensorFlow's eager tape keeps 1.8 to 3.1 times, because it
records the inputs and outputs of every small operation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.analysis.operators import OUTPUT_ACTIVATIONS, operator_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from zoo.analysis.graph import Graph, Node


def inference_peak(graph: Graph) -> tuple[int, str]:
    """Returns the bytes of the largest set of tensors alive at once, and the node during which it happens (the first one)."""
    peak, where = 0, ""
    for node, total in bytes_alive(graph):
        if total > peak:
            peak, where = total, node.name
    return peak, where


def bytes_alive(graph: Graph) -> Iterator[tuple[Node, int]]:
    """Yields for each node the bytes of the tensors that are alive while it runs, at inference."""
    roots = _storage_roots(graph, views=("always", "inference"))
    last_use = _last_uses(graph, roots)
    alive: dict[str, int] = {}
    for step, node in enumerate(graph.nodes):
        for tensor in node.outputs:
            if roots[tensor] == tensor:
                alive[tensor] = graph.bytes_of[tensor]
        yield node, sum(alive.values())
        alive = {tensor: size for tensor, size in alive.items() if last_use[tensor] > step}


def training_activations(graph: Graph) -> int:
    """Returns the bytes of the tensors that the backward pass needs, each counted once."""
    roots = _storage_roots(graph, views=("always",))
    learning = _learning(graph)
    kept = {roots[tensor] for node in graph.nodes for tensor in kept_for_backward(node, learning)}
    inner = sum(node.inner for node in graph.nodes if not learning.isdisjoint(node.outputs))
    return sum(graph.bytes_of[tensor] for tensor in kept) + inner


def kept_for_backward(node: Node, learning: Set[str]) -> tuple[str, ...]:
    """Returns the tensors that the gradient of a node reads; nothing for operations that are not in the table.

    Args:
        node: Whose gradient.
        learning: Tensors that depend on a trained weight: the gradient flows to them.
    """
    operator = operator_of(node)
    if operator is None or node.detail == "frozen" or learning.isdisjoint(node.outputs):
        return ()
    inputs = node.inputs
    trained = any(weight.trainable for weight in node.weights)
    reads: tuple[str, ...] = ()
    if operator.keeps == "kernel":
        reads = inputs if trained else ()
    elif operator.keeps == "others":
        reads = tuple(t for k, t in enumerate(inputs) if any(o in learning for o in (*inputs[:k], *inputs[k + 1 :])))
    elif operator.keeps in ("inputs", "both") and not (node.op == "Activation" and not node.activation):
        reads = inputs
    if node.activation in OUTPUT_ACTIVATIONS:
        return (reads if operator.keeps == "kernel" else ()) + node.outputs
    return reads + (node.outputs if operator.keeps in ("output", "both") else ())


def _learning(graph: Graph) -> frozenset[str]:
    """Returns the tensors that depend on a trained weight."""
    found: set[str] = set()
    for node in graph.nodes:
        if any(weight.trainable for weight in node.weights) or not found.isdisjoint(node.inputs):
            found.update(node.outputs)
    return frozenset(found)


def _storage_roots(graph: Graph, views: tuple[str, ...]) -> dict[str, str]:
    """Returns for each tensor the one whose memory it shares: itself, except behind layers that pass their input on."""
    roots: dict[str, str] = {}
    for node in graph.nodes:
        operator = operator_of(node)
        passes_on = operator is not None and operator.view in views
        passes_on = passes_on or (node.op == "Activation" and not node.activation)
        passes_on = passes_on or (operator is not None and operator.view != "never" and node.detail == "0")  # no dropout at all
        for tensor in node.outputs:
            same = passes_on and node.inputs and graph.bytes_of[node.inputs[0]] == graph.bytes_of[tensor]
            roots[tensor] = roots[node.inputs[0]] if same else tensor
    return roots


def _last_uses(graph: Graph, roots: dict[str, str]) -> dict[str, int]:
    """Returns the last step at which each storage is read; outputs of the model live to the end."""
    last = {roots[tensor]: step for step, node in enumerate(graph.nodes) for tensor in node.outputs}
    for step, node in enumerate(graph.nodes):
        for tensor in node.inputs:
            last[roots[tensor]] = max(last[roots[tensor]], step)
    return last | {roots[tensor]: len(graph.nodes) for tensor in graph.outputs}
