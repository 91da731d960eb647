"""The page of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "guide" / "weights-faults.md"
TEST = re.compile(r"`(test_\w+\.py)::(test_\w+)`")


def functions_of(name: str) -> set[str]:
    """The test functions of a file."""
    path = HERE / name
    if not path.exists():
        return set()
    return set(re.findall(r"^def (test_\w+)\(", path.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_test_that_the_page_names_exists():
    named = TEST.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 50
    known = {file: functions_of(file) for file, _ in named}
    assert [f"{file}::{test}" for file, test in named if test not in known[file]] == []


def test_every_row_of_the_page_names_a_test():
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    faults = [row for row in rows if not row.startswith("| Fault |")]
    assert [row for row in faults if not TEST.search(row.rsplit("|", 2)[1])] == []
