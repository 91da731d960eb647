"""What kind of layer a node is, whatever the size of the image: the same in two networks, or at two sizes of one.

A kind has the operation, kernel and stride in words, the channels and the number of weights; neither a name nor a spatial
size. So two blocks that hold the same kinds as often do the same work, though perhaps in another order.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.analysis.operators import kind_of

if TYPE_CHECKING:
    from collections.abc import Set

    from zoo.analysis import Report
    from zoo.analysis.graph import Graph, Node, Shape

_SIZE_IN_DETAIL = frozenset("Reshape ops.Reshape ops.Squeeze ops.ExpandDims Resizing ResizeLike ops.Resize".split())
_ONLY_SIZE_IN_DETAIL = frozenset({"CenterCrop"})
_GRID_WINDOWS = frozenset("slide spread repeat resize pick adaptive cells".split())
_GRID_OPS = frozenset("ZeroPadding Cropping CenterCrop ops.Pad".split())


@dataclass(frozen=True, kw_only=True, order=True)
class LayerKind:
    """A layer without its name and its place.

    Attributes:
        op: The operation, as in `Node`.
        detail: Kernel, stride, activation and the like in words; no size that follows from the image.
        channels: Channels of its output; 0 where its output is no image and it has no weights, such as a transposition.
        params: Scalars in the weights that are counted with it.
    """

    op: str
    detail: str
    channels: int
    params: int


def kinds_of(report: Report) -> dict[str, Counter[LayerKind]]:
    """Returns how often each kind of layer occurs in each block."""
    found: dict[str, Counter[LayerKind]] = {block.name: Counter() for block in report.blocks}
    grids = _grids(report.graph)
    for node in report.graph.nodes:
        found[node.block][_kind(node, grids)] += 1
    return found


def _kind(node: Node, grids: Set[Shape]) -> LayerKind:
    is_image = node.shape[:-1] in grids
    channels = node.shape[-1] if node.shape and (node.weights or is_image) else 0
    return LayerKind(op=node.op, detail=_detail(node), channels=channels, params=node.params)


def _detail(node: Node) -> str:
    """Returns the detail without the size of the output: `"to 32x32 bilinear" -> "bilinear"`."""
    if kind_of(node.op) in _ONLY_SIZE_IN_DETAIL:
        return ""
    return " ".join(node.detail.split()[2:]) if kind_of(node.op) in _SIZE_IN_DETAIL else node.detail


def _grids(graph: Graph) -> set[Shape]:
    """Returns the spatial sizes of images: of inputs, of what slides, resizes, pads or crops, and a single position."""
    found = {graph.shape_of[tensor][:-1] for tensor in graph.inputs} | {(1,) * graph.ndim}
    for node in graph.nodes:
        of_windows = node.windows and all(window.kind in _GRID_WINDOWS for window in node.windows)
        if len(node.shape) == graph.ndim + 1 and (of_windows or kind_of(node.op) in _GRID_OPS):
            found.add(node.shape[:-1])
    return found
