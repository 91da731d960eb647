"""Lanes: no two tensors share one at the same row, chains stay straight, and few lanes are used."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from zoo.render.lanes import Wires, assign_lanes


def test_a_chain_is_one_straight_line() -> None:
    rows = assign_lanes([Wires(makes=("a",)), Wires(makes=("b",), reads=("a",)), Wires(makes=("c",), reads=("b",))])
    assert [(row.mark, row.through, row.joins, row.starts) for row in rows] == [
        (0, (), (), (0,)),
        (0, (), (0,), (0,)),
        (0, (), (0,), ()),
    ]


def test_a_shortcut_keeps_its_lane_and_the_branch_has_its_own() -> None:
    wires = [
        Wires(makes=("x",)),
        Wires(makes=("conv",), reads=("x",)),
        Wires(makes=("norm",), reads=("conv",)),
        Wires(makes=("add",), reads=("x", "norm")),
        Wires(reads=("add",)),
    ]
    rows = assign_lanes(wires)
    assert [row.mark for row in rows] == [0, 1, 1, 0, 0]
    assert rows[2].through == (0,)
    assert rows[3].joins == (0, 1)
    assert max(row.width for row in rows) == 2


def test_a_row_that_makes_nothing_stands_where_it_reads() -> None:
    rows = assign_lanes([Wires(makes=("a",)), Wires(reads=("a",)), Wires(), Wires(reads=("a",))])
    assert [(row.mark, row.through, row.width) for row in rows] == [(0, (), 1), (0, (0,), 1), (0, (0,), 1), (0, (), 1)]


@st.composite
def _graphs(draw: st.DrawFn) -> list[Wires]:
    made: list[str] = []
    rows = []
    for k in range(draw(st.integers(1, 25))):
        reads = draw(st.lists(st.sampled_from(made), max_size=4)) if made else []
        makes = tuple(f"t{k}:{n}" for n in range(draw(st.integers(0, 3))))
        made.extend(makes)
        rows.append(Wires(makes=makes, reads=tuple(reads)))
    return rows


@given(_graphs())
def test_no_two_tensors_share_a_lane(graph: list[Wires]) -> None:
    rows = assign_lanes(graph)
    last = {tensor: step for step, row in enumerate(graph) for tensor in row.reads}
    alive: dict[str, int] = {}
    for step, (wires, row) in enumerate(zip(graph, rows, strict=True)):
        assert row.joins == tuple(alive[tensor] for tensor in dict.fromkeys(wires.reads))
        alive = {tensor: lane for tensor, lane in alive.items() if last[tensor] > step}
        assert row.through == tuple(sorted(alive.values()))
        if wires.makes:
            assert row.mark not in row.through
        alive.update(zip([tensor for tensor in wires.makes if tensor in last], row.starts, strict=True))
        assert len(set(alive.values())) == len(alive)
    most = max(len({t for w in graph[:k] for t in w.makes if last.get(t, -1) >= k}) for k in range(len(graph) + 1))
    assert max(row.width for row in rows) <= most + 1
