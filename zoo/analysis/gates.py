"""Attention gates, found from the graph alone: a skip scaled by what the decoder makes of it.

Additive attention (Oktay et al. 2018, "Attention U-Net", section 3.2) multiplies the skip with scores that are computed from
the skip itself and from a coarser decoder tensor; ResUNet++ (Jha et al. 2019, section III) multiplies the decoder tensor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.analysis.graph import Graph, Node, Side

_FROM_LEFT = ("encoder", "skip")
_FROM_BELOW = ("decoder", "bottleneck")


def gates(graph: Graph, sides: dict[str, Side], levels: dict[str, int]) -> dict[str, int]:
    """Returns the level of the gate to which a node belongs, for the nodes of attention gates.

    A gate is a product behind the encoder together with all that only it reads, but for the tensor that it scales, if that
    reads both a tensor of the encoder and one that comes from below. A convolution right behind the product belongs to it.
    Its level is that of the encoder's tensor.
    """
    found: dict[str, int] = {}
    for product in graph.nodes:
        if product.op.removeprefix("ops.") != "Multiply" or sides[product.name] not in _FROM_BELOW or len(product.inputs) < 2:
            continue
        members = _only_for(graph, product, _scaled(graph, product))
        sources = {graph.producer[t].name for node in graph.nodes if node.name in members for t in node.inputs} - members
        left = [levels[name] for name in sources if sides[name] in _FROM_LEFT]
        below = [name for name in sources if sides[name] in _FROM_BELOW]
        if left and below:
            behind = _chain_behind(graph, product, levels)
            found |= dict.fromkeys(members | behind, min(left))
    return found


def _scaled(graph: Graph, product: Node) -> set[str]:
    """Returns the factors that others are computed from, with all that leads to them: what the product scales."""
    above = [ancestors(graph, graph.producer[tensor]) for tensor in product.inputs]
    factors = [graph.producer[tensor].name for tensor in product.inputs]
    found: set[str] = set()
    for factor, leading in zip(factors, above, strict=True):
        if any(factor in others for others in above):
            found |= {factor} | leading
    return found


def ancestors(graph: Graph, node: Node) -> set[str]:
    """Returns the names of all nodes that lead to a node."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        for tensor in waiting.pop().inputs:
            producer = graph.producer[tensor]
            if producer.name not in found:
                found.add(producer.name)
                waiting.append(producer)
    return found


def _only_for(graph: Graph, product: Node, outside: set[str]) -> set[str]:
    """Returns the product and the nodes all of whose readers lead to nothing else, without those `outside`."""
    members = {product.name}
    leading = ancestors(graph, product) - outside
    for node in reversed(graph.nodes):
        readers = {reader.name for tensor in node.outputs for reader in graph.consumers[tensor]}
        if node.name in leading and readers and readers <= members and not set(node.outputs) & set(graph.outputs):
            members.add(node.name)
    return members


def _chain_behind(graph: Graph, product: Node, levels: dict[str, int]) -> set[str]:
    """Returns the layers that alone read the product, one after the other, at its resolution."""
    found: set[str] = set()
    node = product
    while True:
        readers = [reader for tensor in node.outputs for reader in graph.consumers[tensor]]
        if len(readers) != 1 or len(readers[0].inputs) != 1 or levels[readers[0].name] != levels[product.name]:
            return found
        node = readers[0]
        if set(node.outputs) & set(graph.outputs):
            return found
        found.add(node.name)
