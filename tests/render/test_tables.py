from __future__ import annotations

import re

import zoo
from zoo.render.tables import block_table, layer_table, totals_table


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().split("\n")]


def test_tables_are_rectangular() -> None:
    report = zoo.analyze("resunet-v1-d3-f8")
    for table in (block_table(report), layer_table(report), totals_table(report)):
        assert len({len(row) for row in cells(table)}) == 1


def test_printed_columns_add_up_to_the_printed_totals() -> None:
    report = zoo.analyze("resunet-v1-d3-f8")
    _, _, *rows, total = cells(block_table(report))
    for column in (2, 3, 4):
        assert sum(int(row[column].replace(",", "")) for row in rows) == int(total[column].replace(",", ""))
    _, _, *layers = cells(layer_table(report))
    assert sum(int(row[5].replace(",", "")) for row in layers) == report.macs
    assert sum(int(row[4].replace(",", "")) for row in layers) == report.params


def test_totals_show_all_digits() -> None:
    report = zoo.analyze("resunet-v1-d3-f8")
    numbers = set(re.findall(r"[\d,]{4,}", totals_table(report)))
    assert {f"{report.params:,}", f"{report.macs:,}", f"{2 * report.macs:,}", f"{report.peak_bytes:,}"} <= numbers
