"""What a block is made of besides a chain of layers: residual adds, recurrence, dilated branches, attention.

All of it follows from the graph, never from names. A residual add (He et al. 2015, section 3.2) joins a shortcut with a branch
that has more convolutions; a recurrent unit (Alom et al. 2018, section III) calls the same convolution several times.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from zoo.analysis.operators import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from zoo.analysis.graph import Graph, Node

    Finder = Callable[[Graph, Sequence[Node]], str]


def traits(graph: Graph, nodes: Sequence[Node]) -> tuple[str, ...]:
    """Returns in a few words each what is found among the nodes of a block, such as `"2 residual adds"`."""
    return tuple(text for find in _FINDERS if (text := find(graph, nodes)))


def _residual_adds(graph: Graph, nodes: Sequence[Node]) -> str:
    """Sums of branches with different numbers of convolutions, or two with different reach; sums with a skip are arrows."""
    inside = {node.name for node in nodes}
    convolutions = _longest_chains(graph, nodes, counted)
    reach = _longest_chains(graph, nodes, lambda node: sum((w.size - 1) * w.dilation for w in node.windows))
    adds = 0
    for node in nodes:
        in_a_gate = node.block.startswith("gate")  # whose sum of two signals is part of the attention
        if _kind(node) != "Add" or len(node.inputs) < 2 or in_a_gate or _feeds_a_shared_layer(graph, node):
            continue
        sources = [graph.producer[tensor] for tensor in node.inputs]
        from_skip = node.side != "encoder" and any(s.side in ("encoder", "skip") and s.name not in inside for s in sources)
        measures = (convolutions, reach) if len(sources) == 2 else (convolutions,)
        if not from_skip and any(len({found.get(source.name, 0) for source in sources}) > 1 for found in measures):
            adds += 1
    return f"{adds} residual add{'s' if adds > 1 else ''}" if adds else ""


def _recurrence(graph: Graph, nodes: Sequence[Node]) -> str:
    calls = max(map(_call, nodes))
    return f"recurrent ×{calls}" if calls > 1 else ""


def _dense(graph: Graph, nodes: Sequence[Node]) -> str:
    """Concatenations onto the result of another one, as in a dense block."""
    joined = {tensor for node in nodes if _kind(node) == "Concatenate" for tensor in node.outputs}
    chained = sum(_kind(node) == "Concatenate" and not joined.isdisjoint(node.inputs) for node in nodes)
    return f"dense ×{chained + 1}" if chained > 1 else ""


def _dilations(graph: Graph, nodes: Sequence[Node]) -> str:
    found = sorted({max(window.dilation for window in node.windows) for node in nodes if counted(node) and node.windows})
    return "dilated " + " ".join(map(str, found)) if found and found[-1] > 1 else ""


def _pyramid_pooling(graph: Graph, nodes: Sequence[Node]) -> str:
    """Poolings of one tensor by different windows."""
    ways: dict[str, set[object]] = {}
    for node in nodes:
        if node.windows and not node.weights and node.windows[0].kind in ("cells", "whole", "slide", "adaptive"):
            ways.setdefault(node.inputs[0], set()).add(node.windows)
    most = max((len(found) for found in ways.values()), default=0)
    return f"pyramid pooling ×{most}" if most > 1 else ""


def _channel_attention(graph: Graph, nodes: Sequence[Node]) -> str:
    count = sum(_scales(graph, node, by_channel=True) for node in nodes)
    return f"squeeze-excite ×{count}" if count else ""


def _spatial_attention(graph: Graph, nodes: Sequence[Node]) -> str:
    count = sum(_scales(graph, node, by_channel=False) for node in nodes)
    if any(node.block.startswith("gate") for node in nodes):
        return "attention gate"
    return f"spatial excite ×{count}" if count else ""


def _self_attention(graph: Graph, nodes: Sequence[Node]) -> str:
    count = sum("MultiHeadAttention" in node.op or node.op == "Attention" for node in nodes)
    for node in nodes:
        count += _kind(node) in ("Matmul", "Einsum") and any(_kind(graph.producer[t]) == "Softmax" for t in node.inputs)
    return f"self-attention ×{count}" if count else ""


_FINDERS: tuple[Finder, ...] = (
    _residual_adds, _recurrence, _dense, _dilations, _pyramid_pooling, _channel_attention, _spatial_attention, _self_attention,
)  # fmt: skip


def _kind(node: Node) -> str:
    return node.op.removeprefix("ops.")


def _scales(graph: Graph, node: Node, *, by_channel: bool) -> bool:
    """Whether a product stretches one factor over all positions (by channel), or over all channels."""
    if _kind(node) != "Multiply" or len(node.inputs) != 2:
        return False
    shapes = graph.input_shapes(node)
    positions = [shape[:-1] for shape in shapes]
    one = [all(size == 1 for size in place) for place in positions]
    if by_channel:
        return any(one) and not all(one)
    channels = sorted(shape[-1] if shape else 1 for shape in shapes)
    return positions[0] == positions[1] and channels[0] == 1 < channels[1]


def _feeds_a_shared_layer(graph: Graph, node: Node) -> bool:
    """Whether a later call of a shared layer reads the node: the sum is a step of the recurrence."""
    return any(_call(reader) > 1 for tensor in node.outputs for reader in graph.consumers[tensor])


def _call(node: Node) -> int:
    """Which call of a shared layer or of a shared nested model a node is, as its name says: `conv@2`, `model@2/conv`."""
    return max((int(number) for number in re.findall(r"@(\d+)(?=/|$)", node.name)), default=1)


def _longest_chains(graph: Graph, nodes: Sequence[Node], weight: Callable[[Node], int]) -> dict[str, int]:
    """Returns for each node the largest sum of weights on a way from the border of the block to it, itself included."""
    found: dict[str, int] = {}
    for node in nodes:
        above = [found.get(graph.producer[tensor].name, 0) for tensor in node.inputs]
        found[node.name] = max(above, default=0) + weight(node)
    return found
