"""The page about prediction names tests that exist, and a test for every fault."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "guide" / "predict.md"
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def test_every_test_that_the_page_names_exists():
    named = TEST.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 20
    known = {file: re.findall(r"^def (test_\w+)\(", (HERE / file).read_text(encoding="utf-8"), re.MULTILINE) for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if test not in known[file]] == []


def test_every_fault_of_the_page_names_a_test():
    table = PAGE.read_text(encoding="utf-8").split("| Fault |")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert [row for row in rows if not TEST.search(row.rsplit("|", 2)[1])] == []
