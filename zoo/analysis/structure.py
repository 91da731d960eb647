"""Where each node stands in the U: level from how far it is down-sampled, side from reachability, never from names."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from zoo.analysis.operators import counted

if TYPE_CHECKING:
    from zoo.analysis.graph import Graph, Node, Shape, Side, Window

    Strides = tuple[float, ...]

_TO_A_SIZE = ("resize", "pick", "adaptive")

_SIDE_PREFIX = {"encoder": "enc", "bottleneck": "mid", "decoder": "dec", "": "all"}


def place(graph: Graph) -> Graph:
    """Returns the graph with level, side and block of every node.

    The level is the rank of a node's down-sampling, 0 = full resolution. The nodes of the deepest level are the
    bottleneck, what leads to them is the encoder, the rest is the decoder. A block is one side at one level; the inputs
    are a block of their own, and so is the head: the last convolution before an output, with what follows it.

    A graph with one level has no U and no sides. One that only goes down, such as a classifier, has no decoder: its last
    level is the bottleneck. In a chain of several Us everything before the last bottleneck leads to it: encoder.
    """
    strides = _total_strides(graph)
    ranks = {stride: level for level, stride in enumerate(sorted(set(strides.values()), key=lambda s: (math.prod(s), s)))}
    levels = {name: ranks[stride] for name, stride in strides.items()}
    sides = _sides(graph, levels)
    heads = _heads(graph, sides)
    nodes = []
    for node in graph.nodes:
        level, side = levels[node.name], sides[node.name]
        prefix = "input" if node.name in graph.inputs else "head" if node.name in heads else _SIDE_PREFIX[side]
        nodes.append(dataclasses.replace(node, level=level, side=side, block=f"{prefix}{level}"))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _heads(graph: Graph, sides: dict[str, Side]) -> set[str]:
    """Returns the nodes from the last convolution to each output, where they follow one another in the decoder."""
    found: set[str] = set()
    for output in graph.outputs:
        node, chain = graph.producer[output], []
        while sides[node.name] == "decoder" and len(node.inputs) == 1:
            chain.append(node.name)
            if counted(node):
                found.update(chain)
                break
            node = graph.producer[node.inputs[0]]
    return found


def _total_strides(graph: Graph) -> dict[str, Strides]:
    """Returns how far each node is down-sampled against the first input, per axis: 2.0 = halved.

    It follows from the windows on the way, not from sizes, so that unpadded convolutions and odd sizes change nothing. Only
    what resizes to a given size is where the first tensor of that size was. Explicit padding counts as part of the
    convolution or pooling that it prepares.
    """
    found: dict[str, Strides] = {}
    of_size: dict[Shape, Strides] = {}
    for node in graph.nodes:
        own = [found[graph.producer[tensor].name] for tensor in node.inputs]
        before = tuple(map(min, zip(*own, strict=True))) if own else _of_input(graph, node)
        fixed = of_size.get(node.shape[:-1]) if any(window.kind in _TO_A_SIZE for window in node.windows) else None
        factors = [_factor(window) for window in node.windows] + [1.0] * graph.ndim
        strides = fixed or tuple(round(stride * factor, 6) for stride, factor in zip(before, factors, strict=False))
        found[node.name] = strides
        of_size.setdefault(node.shape[:-1], strides)
    for node in reversed(graph.nodes):
        readers = [reader for tensor in node.outputs for reader in graph.consumers[tensor]]
        if node.windows and node.windows[0].kind == "shift" and len(readers) == 1:
            found[node.name] = found[readers[0].name]
    return found


def _of_input(graph: Graph, node: Node) -> Strides:
    """Returns 1.0 per axis, and more for a second input that is a smaller copy of the first."""
    if len(node.shape) != len(graph.input_shape):
        return (1.0,) * graph.ndim
    return tuple(first / own for first, own in zip(graph.input_shape[:-1], node.shape[:-1], strict=True))


def _factor(window: Window) -> float:
    """Returns by how much an operation coarsens an axis: 2.0 halves the resolution."""
    if window.kind == "slide":
        return float(window.stride)
    if window.kind in ("spread", "repeat"):
        return 1.0 / window.stride
    if window.kind in _TO_A_SIZE:
        return window.source / window.target
    return 1.0


def _sides(graph: Graph, levels: dict[str, int]) -> dict[str, Side]:
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
