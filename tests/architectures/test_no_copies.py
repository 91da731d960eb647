"""No family copies another's code."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import zoo

LONGEST = 5
"""Like lines in a row that two families may share."""

FAMILIES = sorted((Path(zoo.__file__).parent / "architectures").glob("[!_]*.py"))


def code_lines(text):
    """The lines of a family below its imports, without blank ones and indentation."""
    return [line.strip() for line in text.partition("if TYPE_CHECKING:")[2].splitlines() if line.strip()]


def shared_runs(first, second, length):
    """Runs of like lines that both have; the imports of types, which all families have, are none."""
    imports = ("import keras", "from zoo.")
    runs = [{tuple(lines[k : k + length]) for k in range(len(lines) - length + 1)} for lines in (first, second)]
    return {run for run in runs[0] & runs[1] if not any(line.startswith(imports) for line in run)}


def test_no_two_families_share_six_like_lines_in_a_row():
    texts = {path.stem: code_lines(path.read_text(encoding="utf-8")) for path in FAMILIES}
    assert len(texts) > 15
    found = {(a, b): runs for a, b in combinations(texts, 2) if (runs := shared_runs(texts[a], texts[b], LONGEST + 1))}
    assert not found


def test_a_copied_function_would_be_found():
    lines = code_lines((FAMILIES[0]).read_text(encoding="utf-8"))
    assert shared_runs(lines, ["something else", *lines[-LONGEST - 1 :]], LONGEST + 1)
