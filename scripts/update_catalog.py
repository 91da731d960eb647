"""Computes the numbers of every listed entry and writes `zoo/catalog.json`; `--check` only says whether it is fresh."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import track

from zoo import catalog
from zoo.analysis import analyze
from zoo.registry import family_entries
from zoo.terminal import load_keras

if TYPE_CHECKING:
    from zoo.entry import Entry


def row(entry: Entry) -> dict[str, Any]:
    """Returns what the catalog stores of an entry."""
    return {
        "family": entry.family,
        "ndim": entry.ndim,
        "summary": entry.summary,
        "config": catalog.config_fields(entry),
        "numbers": dataclasses.asdict(analyze(entry.config, input_shape=entry.analysis_shape).numbers()),
    }


def catalog_text() -> str:
    """Returns the content of `catalog.json`, computed from the families."""
    families = {module: family_entries(module) for module in catalog.family_modules()}
    todo = [(module, entry) for module, entries in families.items() for entry in entries]
    rows: dict[str, dict[str, Any]] = {module: {} for module in families}
    for module, entry in track(todo, description="numbers", disable=not sys.stderr.isatty()):
        rows[module][entry.name] = row(entry)
    content = {module: {"checksum": catalog.module_checksum(module), "entries": rows[module]} for module in families}
    return json.dumps({"families": content}, indent=1) + "\n"


def main() -> int:
    """Writes or checks the file; returns the exit status."""
    load_keras()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is stale")
    check = parser.parse_args().check
    path = Path(catalog.CATALOG_FILE)
    text = catalog_text()
    count = text.count('"numbers"')
    if path.exists() and path.read_text(encoding="utf-8") == text:
        print(f"{path.name} is fresh: {count} entries")
        return 0
    if check:
        print(f"{path.name} is stale; run `make numbers` and commit it.", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"{path.name} is written: {count} entries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
