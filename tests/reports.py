"""Reports of entries, analysed once per process: many tests go through the whole catalog."""

from __future__ import annotations

from functools import cache

import zoo


@cache
def report_of(name: str) -> zoo.Report:
    """The numbers of an entry at its own size."""
    return zoo.analyze(name)
