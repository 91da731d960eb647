"""A block as the rows of its picture: its layers in order, the tensors that enter and leave it, and its equal units as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from zoo.errors import RenderError, close_matches
from zoo.render.folds import find_folds
from zoo.render.lanes import Wires

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.analysis import LayerNumbers, Report
    from zoo.analysis.graph import Graph, Node
    from zoo.render.folds import Fold

OUTPUT = "output"
"""Stands among the readers of a tensor that the network returns."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of the picture.

    Attributes:
        kind: A layer; a tensor that enters the block, or leaves it; or the head of equal units.
        wires: What the row makes and reads. Inside and behind equal units the tensors are those of the unit that is shown.
        name: Of the layer, in all its units where there are several; of the tensor that enters or leaves.
        layers: Numbers of the layer; at the head of equal units those of the layers of one unit.
        node: The layer's node.
        fold: The equal units that the row belongs to.
        blocks: Where an entering tensor comes from, or which blocks read a leaving one, in the order in which they run.
        tensor: The tensor that enters or leaves; behind equal units that of the last one.
    """

    kind: Literal["layer", "enters", "leaves", "units"]
    wires: Wires
    name: str = ""
    layers: tuple[LayerNumbers, ...] = ()
    node: Node | None = None
    fold: Fold | None = None
    blocks: tuple[str, ...] = ()
    tensor: str = ""


def block_steps(report: Report, block: str) -> tuple[Step, ...]:
    """Returns the rows of a block's picture from top to bottom.

    Raises:
        RenderError: The network has no such block.
    """
    rows = tuple(row for row in report.per_layer if row.block == block)
    if not rows:
        names = [one.name for one in report.blocks]
        near = close_matches(block, names) or "."
        message = f"{report.name!r} has the blocks {', '.join(names)}{near} Received: block={block!r}"
        raise RenderError(message)
    return tuple(_Block(report.graph, block, rows, find_folds(report, rows)).steps())


class _Block:
    """The layers of one block and the units among them."""

    def __init__(self, graph: Graph, block: str, rows: tuple[LayerNumbers, ...], folds: tuple[Fold, ...]) -> None:
        self.graph, self.block, self.rows = graph, block, rows
        self.nodes = [graph.producer[row.name] for row in rows]
        self.fold_at = {place: fold for fold in folds for place in range(fold.start, fold.stop)}
        self.entered: set[str] = set()
        self.shown: dict[str, str] = {}  # what stands for the tensors of the last of several units
        for fold in folds:
            for place in range(fold.size):
                first, last = self.nodes[fold.start + place], self.nodes[fold.stop - fold.size + place]
                self.shown.update(zip(last.outputs, first.outputs, strict=True))

    def steps(self) -> Iterator[Step]:
        for place, node in enumerate(self.nodes):
            fold = self.fold_at.get(place)
            if fold is None:
                yield from self.entering(node)
                yield self.layer(place, node.name)
                yield from self.leaving(node)
                continue
            offset = place - fold.start
            if offset == 0:
                yield Step(kind="units", wires=Wires(), fold=fold, layers=self.rows[place : place + fold.size])
            if offset < fold.size:
                yield self.layer(place, fold.names[offset], fold)
            if place == fold.stop - 1:
                for last in self.nodes[fold.stop - fold.size : fold.stop]:
                    yield from self.leaving(last)

    def layer(self, place: int, name: str, fold: Fold | None = None) -> Step:
        node = self.nodes[place]
        wires = Wires(makes=node.outputs, reads=tuple(self.shown.get(tensor, tensor) for tensor in node.inputs))
        return Step(kind="layer", wires=wires, name=name, layers=(self.rows[place],), node=node, fold=fold)

    def entering(self, node: Node) -> Iterator[Step]:
        for tensor in dict.fromkeys(node.inputs):
            source = self.graph.producer[tensor].block
            if source != self.block and tensor not in self.entered:
                self.entered.add(tensor)
                yield Step(kind="enters", wires=Wires(makes=(tensor,)), name=tensor, blocks=(source,), tensor=tensor)

    def leaving(self, node: Node) -> Iterator[Step]:
        for tensor in node.outputs:
            readers = [reader.block for reader in self.graph.consumers[tensor] if reader.block != self.block]
            blocks = (*dict.fromkeys(readers), *([OUTPUT] if tensor in self.graph.outputs else []))
            if blocks:
                wires = Wires(reads=(self.shown.get(tensor, tensor),))
                yield Step(kind="leaves", wires=wires, name=tensor, blocks=blocks, tensor=tensor)
