"""Where each node stands in the U: level from how far it is down-sampled, side from reachability, never from names."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from zoo.analysis.cost import COUNTERS, kind_of

if TYPE_CHECKING:
    from zoo.analysis.graph import Graph, Node, Window

_SIDE_PREFIX = {"encoder": "enc", "bottleneck": "mid", "decoder": "dec", "": "all"}


def place(graph: Graph) -> Graph:
    """Returns the graph with level, side and block of every node.

    The level is the rank of a node's down-sampling, 0 = full resolution. The nodes of the deepest level are the
    bottleneck, what leads to them is the encoder, the rest is the decoder. A block is one side at one level; the last
    convolution before an output, with what follows it, is a block of its own: the head. A graph with one level has no U.
    """
    strides = _total_strides(graph)
    ranks = {stride: level for level, stride in enumerate(sorted(set(strides.values())))}
    levels = {name: ranks[stride] for name, stride in strides.items()}
    sides = _sides(graph, levels)
    heads = _heads(graph, sides)
    nodes = []
    for node in graph.nodes:
        level, side = levels[node.name], sides[node.name]
        prefix = "head" if node.name in heads else _SIDE_PREFIX[side]
        nodes.append(dataclasses.replace(node, level=level, side=side, block=f"{prefix}{level}"))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _heads(graph: Graph, sides: dict[str, str]) -> set[str]:
    """Returns the nodes from the last convolution to each output, where they follow one another in the decoder."""
    found: set[str] = set()
    for output in graph.outputs:
        node, chain = graph.producer[output], []
        while sides[node.name] == "decoder" and len(node.inputs) == 1:
            chain.append(node.name)
            if kind_of(node) in COUNTERS:
                found.update(chain)
                break
            node = graph.producer[node.inputs[0]]
    return found


def _total_strides(graph: Graph) -> dict[str, float]:
    """Returns how far each node is down-sampled against the input: the product over the axes, 4.0 = halved in 2D."""
    per_axis: dict[str, tuple[float, ...]] = {}
    for node in graph.nodes:
        own = [per_axis[graph.producer[tensor].name] for tensor in node.inputs]
        before = tuple(map(min, zip(*own, strict=True))) if own else (1.0,) * graph.ndim
        factors = [_factor(window) for window in node.windows]
        per_axis[node.name] = tuple(
            stride * factor for stride, factor in zip(before, factors or [1.0] * len(before), strict=False)
        )
    products = {}
    for name, strides in per_axis.items():
        product = 1.0
        for stride in strides:
            product *= stride
        products[name] = round(product, 6)
    return products


def _factor(window: Window) -> float:
    """Returns by how much an operation coarsens an axis: 2.0 halves the resolution."""
    if window.kind == "slide":
        return float(window.stride)
    if window.kind in ("spread", "repeat"):
        return 1.0 / window.stride
    if window.kind == "resize" and window.source > 1:
        ratio = window.source / window.target
        return float(round(ratio)) if ratio >= 1 else 1.0 / round(1 / ratio)
    return 1.0


def _sides(graph: Graph, levels: dict[str, int]) -> dict[str, str]:
    deepest = max(levels.values())
    if deepest == 0:
        return dict.fromkeys(levels, "")
    leads_down: set[str] = set()
    for node in reversed(graph.nodes):
        readers = {reader.name for tensor in node.outputs for reader in graph.consumers[tensor]}
        if levels[node.name] == deepest or readers & leads_down:
            leads_down.add(node.name)
    return {
        name: "bottleneck" if level == deepest else "encoder" if name in leads_down else "decoder"
        for name, level in levels.items()
    }
