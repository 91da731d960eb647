"""Draws and numbers every listed entry into `docs/models/`: pages, U diagrams, layer graphs.

`--only NAME` renders one entry; `--check` writes nothing and exits 1 where a page is missing or stale.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import track

import zoo
from zoo.analysis import report
from zoo.analysis.graph import trace
from zoo.analysis.structure import place
from zoo.errors import ZooError
from zoo.registry import build_weightless
from zoo.render.diagram import draw
from zoo.render.dot import draw_dot, keras_dot
from zoo.render.svg import to_svg
from zoo.terminal import load_keras

sys.path.insert(0, str(Path(__file__).parent))
from pages.catalog import catalog_page
from pages.entry import entry_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.entry import Entry

FOLDER = Path(__file__).parent.parent / "docs" / "models"


def entry_files(entry: Entry) -> dict[str, bytes]:
    """Returns the files of one entry by name: page, U, layer graph."""
    model = build_weightless(entry.config.replace(input_shape=entry.analysis_shape))
    numbers = report(place(trace(model)))
    graph = draw_dot(keras_dot(model), "svg")
    return {
        f"{entry.name}.md": entry_page(entry, numbers).encode(),
        f"{entry.name}.svg": to_svg(draw(numbers)).encode(),
        f"{entry.name}-graph.svg": graph,
    }


def all_files(names: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yields every generated file, entry by entry, with a progress bar on stderr."""
    console = Console(stderr=True)
    for name in track(names, description="rendering", console=console, disable=not console.is_terminal):
        yield from entry_files(zoo.info(name)).items()
    yield "index.md", catalog_page(zoo.info(name) for name in zoo.list_models()).encode()


def main() -> int:
    """Renders or checks; returns the exit status."""
    load_keras()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="render one entry and the catalog page")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is stale")
    args = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = [zoo.info(args.only).name] if args.only else zoo.list_models()
    stale, expected = [], set()
    for name, content in all_files(names):
        expected.add(name)
        path = FOLDER / name
        if not path.exists() or path.read_bytes() != content:
            stale.append(name)
            if not args.check:
                path.write_bytes(content)
    left = [] if args.only else sorted(path.name for path in FOLDER.iterdir() if path.name not in expected)
    if args.check and (stale or left):
        print(f"stale in docs/models: {', '.join(stale + left)}; run `python scripts/render.py`", file=sys.stderr)
        return 1
    for name in [] if args.check else left:
        (FOLDER / name).unlink()
    print(f"docs/models: {len(expected)} files of {len(names)} entries, {len(stale)} changed")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ZooError as error:
        sys.exit(f"error: {error}")
