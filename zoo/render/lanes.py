"""Lanes for the picture of a block, as in the graph of a version history: each tensor is a vertical line in one lane.

Rows are in the order in which they run. A tensor takes a lane at the row that makes it and keeps it to the last row that
reads it; what a row makes goes on in a lane that the row has just freed, so that a chain of layers is one straight line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, kw_only=True)
class Wires:
    """What a row makes and reads: names of tensors, each made by one row only and read by later ones."""

    makes: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LaneRow:
    """The lines of one row; lanes are counted from the left, from 0.

    Attributes:
        mark: Lane of the row's own mark, free for it at this row; of a row that makes nothing the lane that it reads.
        through: Lanes whose tensor is alive before and after the row, whether the row reads it or not.
        joins: Lanes that the row reads, coming from above.
        starts: Lanes of what the row makes, going down; those of tensors that nobody reads are not there.
    """

    mark: int
    through: tuple[int, ...]
    joins: tuple[int, ...]
    starts: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of lanes that the row needs."""
        return 1 + max((self.mark, *self.through, *self.joins, *self.starts))


def assign_lanes(rows: Sequence[Wires]) -> tuple[LaneRow, ...]:
    """Returns the lines of each row; lanes are given from the left, first come, first served."""
    last = {tensor: step for step, row in enumerate(rows) for tensor in row.reads}
    lanes: dict[str, int] = {}  # of the tensors that are alive
    found = []
    for step, row in enumerate(rows):
        reads = tuple(dict.fromkeys(row.reads))
        joins = tuple(lanes[tensor] for tensor in reads)
        freed = sorted(lanes.pop(tensor) for tensor in reads if last[tensor] == step)
        through = tuple(sorted(lanes.values()))
        mark = freed[0] if freed else _first_free(through) if row.makes else min(joins, default=0)
        made = [tensor for tensor in row.makes if tensor in last]
        for tensor in made:
            lanes[tensor] = _first_free(lanes.values()) if mark in lanes.values() else mark
        starts = tuple(lanes[tensor] for tensor in made)
        found.append(LaneRow(mark=mark, through=through, joins=joins, starts=starts))
    return tuple(found)


def _first_free(taken: Iterable[int]) -> int:
    used = set(taken)
    return next(lane for lane in range(len(used) + 1) if lane not in used)
