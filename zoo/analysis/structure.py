"""Where each node stands in the U: level from how far it is down-sampled, side from reachability, never from names."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from zoo.analysis.gates import gates
from zoo.analysis.operators import counted

if TYPE_CHECKING:
    from zoo.analysis.graph import Graph, Node, Shape, Side, Window

    Strides = tuple[float, ...]
    Block = tuple[str, int, str]  # prefix, level, number

_TO_A_SIZE = ("resize", "pick", "adaptive")

_SIDE_PREFIX = {"encoder": "enc", "bottleneck": "mid", "decoder": "dec", "skip": "skip", "": "all"}


def place(graph: Graph) -> Graph:
    """Returns the graph with level, side and block of every node.

    The level is the rank of a node's down-sampling, 0 = full resolution. The nodes of the deepest level are the
    bottleneck, what leads to them is the encoder, what comes from them the decoder; what does neither works on a skip. A
    block is one side at one level; apart from that stand the inputs, the attention gates (`zoo.analysis.gates`) and the
    heads: for each output its last convolution with what follows it.

    A graph with one level has no U and no sides. One that only goes down, such as a classifier, has no decoder: its last
    level is the bottleneck. In a chain of several Us everything before the last bottleneck leads to it: encoder.
    """
    strides = _total_strides(graph)
    ranks = {stride: level for level, stride in enumerate(sorted(set(strides.values()), key=lambda s: (math.prod(s), s)))}
    levels = {name: ranks[stride] for name, stride in strides.items()}
    sides = _sides(graph, levels)
    blocks = {name: (_SIDE_PREFIX[sides[name]], levels[name], "") for name in levels}
    blocks |= {name: blocks[reader] for name, reader in _detours(graph, sides, levels).items()}
    blocks |= {name: ("gate", level, "") for name, level in gates(graph, sides, levels).items()}
    blocks |= {name: ("input", levels[name], "") for name in graph.inputs}
    blocks |= _heads(graph, sides, levels)
    nodes = []
    for node in graph.nodes:
        prefix, level, number = blocks[node.name]
        side: Side = "skip" if prefix == "gate" else sides[node.name]
        block = f"{prefix}{level}{number}"
        nodes.append(dataclasses.replace(node, level=levels[node.name], side=side, block=block, block_level=level))
    return dataclasses.replace(graph, nodes=tuple(nodes))


def _heads(graph: Graph, sides: dict[str, Side], levels: dict[str, int]) -> dict[str, Block]:
    """Returns the block of each node that belongs to a head.

    A head goes from the last convolution to the output, where they follow one another outside the encoder. Where an output
    is computed from another one, all that lies between them belongs to its head as well. Heads at the same level are
    numbered in the order of the outputs.
    """
    owner: dict[str, str] = {}
    for output in graph.outputs:
        for name in _last_convolution(graph, output, sides):
            owner.setdefault(name, output)
    heads = [output for output in graph.outputs if graph.producer[output].name in owner]
    goal = {output: output for output in heads}
    for node in reversed(graph.nodes):
        for tensor in (tensor for tensor in node.inputs if node.outputs[0] in goal):
            goal.setdefault(tensor, goal[node.outputs[0]])
    for node in graph.nodes:
        after_a_head = any(graph.producer[tensor].name in owner for tensor in node.inputs)
        if after_a_head and node.name not in owner and node.outputs[0] in goal:
            owner[node.name] = goal[node.outputs[0]]
    level_of = {output: levels[graph.producer[output].name] for output in heads}
    together = {output: [other for other in heads if level_of[other] == level_of[output]] for output in heads}
    numbers = {output: f"_{group.index(output) + 1}" if len(group) > 1 else "" for output, group in together.items()}
    return {name: ("head", level_of[output], numbers[output]) for name, output in owner.items()}


def _last_convolution(graph: Graph, output: str, sides: dict[str, Side]) -> list[str]:
    """Returns the nodes from an output back to the last convolution, or nothing where they are no plain chain."""
    node, chain = graph.producer[output], []
    while sides[node.name] in ("decoder", "skip") and len(node.inputs) == 1:
        chain.append(node.name)
        if counted(node):
            return chain
        node = graph.producer[node.inputs[0]]
    return []


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
    leads_down: set[str] = set()  # to the bottleneck, from outside it
    to_the_deepest: set[str] = set()
    for node in reversed(graph.nodes):
        readers = {reader.name for tensor in node.outputs for reader in graph.consumers[tensor]}
        deep = levels[node.name] == deepest
        if readers & leads_down or (not deep and readers & to_the_deepest):
            leads_down.add(node.name)
        if deep or readers & to_the_deepest:
            to_the_deepest.add(node.name)
    comes_up: set[str] = set()
    for node in graph.nodes:
        sources = {graph.producer[tensor].name for tensor in node.inputs}
        if node.name not in leads_down and (levels[node.name] == deepest or sources & comes_up):
            comes_up.add(node.name)
    return {
        name: "encoder" if name in leads_down else "bottleneck" if level == deepest else "decoder" if name in comes_up else "skip"
        for name, level in levels.items()
    }


def _detours(graph: Graph, sides: dict[str, Side], levels: dict[str, int]) -> dict[str, str]:
    """Returns for each encoder node at the deepest resolution the finer one that it serves: keys of reduced attention."""
    deepest = max(levels.values())
    found: dict[str, str] = {}
    for node in reversed(graph.nodes):
        if sides[node.name] == "encoder" and levels[node.name] == deepest:
            readers = [reader.name for tensor in node.outputs for reader in graph.consumers[tensor]]
            found[node.name] = found.get(readers[0], readers[0])
    return found
