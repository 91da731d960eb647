"""Runs of equal units in a block, such as the 22 units of a ResNet-101's stage, found so that one can stand for all.

Units are equal when their layers are, one by one: operation, detail, shapes, weights and costs, and what they read, counted
from the layer itself. One tensor leads from unit to unit; nothing enters from outside of the block; what the units before the
last make is read in their own and the next unit alone. So the picture of the first unit, with what comes before it above and
what reads the last unit below, is true of all.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from zoo.analysis import LayerNumbers, Report
    from zoo.analysis.graph import Graph, Node

FEWEST_UNITS = 3
FEWEST_ROWS = 12
"""A fold that saves fewer rows costs a reader more than it saves."""


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Equal units that follow one another in a block.

    Attributes:
        start: Place of the first layer of the first unit in its block.
        size: Layers in a unit.
        count: Units.
        names: For each layer of a unit its names in all units: `"enc3_block{2…23}_conv1"`, or `"enc3_conv{4,7…67}"` where
            the number does not go up by one.
    """

    start: int
    size: int
    count: int
    names: tuple[str, ...]

    @property
    def stop(self) -> int:
        """Place of the layer after the last unit."""
        return self.start + self.size * self.count

    @property
    def worth(self) -> tuple[int, int, int, int]:
        """What to prefer: rows saved, units that are numbered as such, small units, the first of several equal ones."""
        saved = self.size * (self.count - 1)
        numbered = len({name[name.index("{") : name.index("}")] for name in self.names}) == 1
        return (saved + self.size * numbered, saved, -self.size, -self.start)


def find_folds(report: Report, rows: Sequence[LayerNumbers]) -> tuple[Fold, ...]:
    """Returns the runs of equal units among the layers of one block, in order; they do not overlap.

    Args:
        report: The network.
        rows: The layers of the block, in the order in which they run.
    """
    graph = report.graph
    nodes = [graph.producer[row.name] for row in rows]
    places = {node.name: place for place, node in enumerate(nodes)}
    looks = [_look(graph, row, node, places) for row, node in zip(rows, nodes, strict=True)]
    sound = [fold for fold in _repeats(nodes, looks) if _one_way(graph, nodes, places, fold)]
    chosen: list[Fold] = []
    for fold in sorted(sound, key=lambda fold: fold.worth, reverse=True):
        if all(fold.stop <= other.start or other.stop <= fold.start for other in chosen):
            chosen.append(fold)
    return tuple(sorted(chosen, key=lambda fold: fold.start))


def _look(graph: Graph, row: LayerNumbers, node: Node, places: dict[str, int]) -> Hashable:
    """Returns all that a picture shows of a layer but its name; unlike all others where a tensor enters the block."""
    place = places[node.name]
    makers = [graph.producer[tensor] for tensor in node.inputs]
    if not makers or any(maker.name not in places for maker in makers):
        return place
    reads = tuple((place - places[maker.name], maker.outputs.index(t)) for maker, t in zip(makers, node.inputs, strict=True))
    weights = tuple((weight.shape, weight.dtype, weight.trainable, weight.counted) for weight in node.weights)
    return row.op, row.detail, node.shapes, node.dtype, weights, row.params, row.macs, row.output_bytes, reads


def _repeats(nodes: Sequence[Node], looks: Sequence[Hashable]) -> Iterator[Fold]:
    """Yields every run of units that look alike and are numbered one after another."""
    parts = [re.split(r"(\d+)", node.name) for node in nodes]
    for size in range(1, len(looks) // FEWEST_UNITS + 1):
        alike = 0  # how many layers from here on look like the ones a unit later
        for start in range(len(looks) - size - 1, -1, -1):
            alike = alike + 1 if looks[start] == looks[start + size] else 0
            count = alike // size + 1
            if count >= FEWEST_UNITS and size * (count - 1) >= FEWEST_ROWS:
                names = tuple(_common_name(parts[start + k : start + size * count : size]) for k in range(size))
                if all(names):
                    yield Fold(start=start, size=size, count=count, names=names)


def _common_name(parts: Sequence[Sequence[str]]) -> str:
    """Returns what names have in common, with the number that goes up in braces; nothing where they are not such names.

    Args:
        parts: Each name, split so that the numbers are at odd places.
    """
    if len({len(part) for part in parts}) > 1:
        return ""
    differ = [k for k, values in enumerate(zip(*parts, strict=True)) if len(set(values)) > 1]
    if len(differ) != 1 or differ[0] % 2 == 0:
        return ""
    values = [part[differ[0]] for part in parts]
    first, step = int(values[0]), int(values[1]) - int(values[0])
    if step < 1 or values != [str(first + step * k) for k in range(len(values))]:
        return ""
    start = values[0] if step == 1 else f"{values[0]},{values[1]}"
    return "".join([*parts[0][: differ[0]], f"{{{start}…{values[-1]}}}", *parts[0][differ[0] + 1 :]])


def _one_way(graph: Graph, nodes: Sequence[Node], places: dict[str, int], fold: Fold) -> bool:
    """Whether one tensor leads from unit to unit, and nobody else reads what a unit before the last makes."""
    second = fold.start + fold.size
    entering = {t for node in nodes[second : second + fold.size] for t in node.inputs if places[graph.producer[t].name] < second}
    if len(entering) != 1 or places[graph.producer[entering.pop()].name] < fold.start:
        return False
    for place in range(fold.start, fold.stop - fold.size):
        next_end = fold.start + ((place - fold.start) // fold.size + 2) * fold.size
        outputs = nodes[place].outputs
        readers = (reader for tensor in outputs for reader in graph.consumers[tensor])
        if any(places.get(reader.name, next_end) >= next_end for reader in readers) or set(outputs) & set(graph.outputs):
            return False
    return True
