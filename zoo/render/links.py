"""Which tensors go from block to block, how they are joined there, and what their arrows say; no geometry yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.render.units import shape_text, short_bytes

if TYPE_CHECKING:
    from zoo.analysis import Report
    from zoo.analysis.graph import Graph, Node

LinkKind = Literal["flow", "down", "up", "feed", "concat", "add", "skip", "signal", "loop"]
SKIPS = ("feed", "concat", "add", "skip")
"""Kinds of links that carry a tensor of the encoder across the U."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """All tensors that one block gives another: how they get there, and the label of their arrow.

    Attributes:
        kind: `"concat"`, `"add"` and `"skip"` (joined in another way) bring the encoder's tensor to the decoder, `"feed"` to
            a gate or other work on its way; `"signal"` is what a gate reads from below; `"loop"` a recurrence.
        bytes: Size of the tensors that the label names; 0 where it names an operation.
    """

    kind: LinkKind
    source: str
    target: str
    label: str
    bytes: int = 0


def links_of(report: Report) -> tuple[Link, ...]:
    """Returns one link for each pair of blocks of which one reads the other, and one for each block that calls itself."""
    graph = report.graph
    blocks = {node.block: node for node in reversed(graph.nodes)}
    ways: dict[tuple[str, str], dict[str, Node]] = {}
    for node in graph.nodes:
        for tensor in node.inputs:
            source = graph.producer[tensor].block
            if source != node.block:
                ways.setdefault((source, node.block), {}).setdefault(tensor, node)
    links = [_link(graph, blocks[source], blocks[target], tensors) for (source, target), tensors in ways.items()]
    again = [block.name for block in report.blocks if any(trait.startswith("recurrent") for trait in block.traits)]
    return (*links, *(Link(kind="loop", source=name, target=name, label="") for name in again))


def _link(graph: Graph, source: Node, target: Node, tensors: dict[str, Node]) -> Link:
    kinds: list[LinkKind] = [_kind(graph, source, target, reader) for reader in tensors.values()]
    kind: LinkKind = next((kind for kind in kinds if kind != "skip"), "skip")
    size = 0
    if source.block_level != target.block_level:
        label = "" if kind == "signal" else _step_label(graph, source, target)
    elif kind in SKIPS:
        label, size = _tensor_label(graph, source, target, kind, tuple(tensors))
    else:
        label = ""
    return Link(kind=kind, source=source.block, target=target.block, label=label, bytes=size)


def _kind(graph: Graph, source: Node, target: Node, reader: Node) -> LinkKind:
    if source.side in ("encoder", "skip") and target.side in ("decoder", "skip") and not source.block.startswith("input"):
        return "feed" if target.side == "skip" else _merge(graph, reader)
    if target.side == "skip":
        return "signal"
    if source.block_level == target.block_level:
        return "flow"
    return "down" if target.block_level > source.block_level else "up"


def _merge(graph: Graph, reader: Node) -> LinkKind:
    """Returns how a tensor is joined with the decoder's: at its reader, or behind the resizing that it goes through first."""
    node = reader
    while len(node.inputs) == 1 and not node.weights:
        readers = [other for tensor in node.outputs for other in graph.consumers[tensor] if other.block == reader.block]
        if len(readers) != 1:
            return "skip"
        node = readers[0]
    return _MERGES.get(node.op.removeprefix("ops."), "skip")


_MERGES: dict[str, LinkKind] = {"Concatenate": "concat", "Add": "add"}


def _tensor_label(graph: Graph, source: Node, target: Node, kind: str, tensors: tuple[str, ...]) -> tuple[str, int]:
    """Names the tensors that are carried, with their size where they reach the decoder."""
    shapes = [shape_text(graph.shape_of[tensor]) for tensor in tensors]
    total = sum(graph.bytes_of[tensor] for tensor in tensors)
    size = short_bytes(total)
    several = f"{len(tensors)} × " if len(tensors) > 1 and len(set(shapes)) == 1 else ""
    more = f" + {len(tensors) - 1} more" if len(set(shapes)) > 1 else ""
    if target.side == "skip":
        return several + shapes[0] + more, total
    if source.side == "skip":  # whose box says the shape
        return (f"{kind} {len(tensors)} tensors {size}" if more else f"{kind} {several}{size}"), total
    return f"{kind} {several}{shapes[0]} · {size}{more}", total


_STEP_WORDS = {
    "MaxPooling": "max pool",
    "AveragePooling": "average pool",
    "Conv": "conv",
    "ConvTranspose": "transposed conv",
    "DepthwiseConv": "depthwise conv",
    "DepthwiseConvTranspose": "transposed conv",
    "UpSampling": "upsample",
    "UpSampleLinear": "upsample",
    "ops.GetItem": "slice",
    "ResizeLike": "resize to the skip",
    "Resizing": "resize",
}


def _step_label(graph: Graph, source: Node, target: Node) -> str:
    """Names the operation that changes the resolution on the way from one block into another."""
    steps = [
        node
        for node in graph.nodes
        if node.block == target.block and any(w.stride > 1 or w.kind in ("resize", "pick") for w in node.windows)
    ]
    own = [node for node in steps if source.block in _origins(graph, node)]
    far = abs(source.block_level - target.block_level) > 1 and source.op != "InputLayer"
    return _step_text((own or steps)[0], graph.ndim, short=far) if own or (steps and not far) else ""


def _origins(graph: Graph, node: Node) -> set[str]:
    """Returns the other blocks that a node reads from, itself or through nodes of its own block."""
    found, waiting, seen = set(), [node], {node.name}
    while waiting:
        for tensor in waiting.pop().inputs:
            producer = graph.producer[tensor]
            if producer.block != node.block:
                found.add(producer.block)
            elif producer.name not in seen:
                seen.add(producer.name)
                waiting.append(producer)
    return found


def _step_text(node: Node, ndim: int, *, short: bool) -> str:
    kind = node.op.replace(f"{ndim}D", "")
    word, detail = _STEP_WORDS.get(kind, node.op), node.detail.replace("x", "×")
    size, _, stride = detail.partition(" stride ")
    if kind in ("ResizeLike", "Resizing"):
        return word
    if "Pooling" in kind:
        return f"subsample {stride}" if all(window.size == 1 for window in node.windows) else f"{word} {size}"
    return f"{word} {detail.partition(' ')[0] if short else detail}"
