"""Draws and numbers every listed entry into `docs/models/`: pages, U diagrams, layer graphs, data, sources.

Only what changed is made: `.cache/render.json` remembers what each file was made from and what it held. `--check` writes
nothing and exits 1 where a file is stale, missing or left over; with `--full` it makes everything and compares the bytes.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree's own zoo, even where another one is installed

from pages.source import family_module
from rendering.keys import Keys
from rendering.makers import catalog_jobs, entry_job, family_jobs, listed_entries
from rendering.update import Plan, Result, check, update
from rendering.workers import cores

import zoo
from zoo.errors import UnknownModelError, ZooError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "models"
CACHE = ROOT / ".cache" / "render.json"
SHOWN = 20
"""Names of files that a message lists before it only counts the rest."""


def plan(only: str | None, processes: int, full: bool) -> Plan:
    """Returns what is to be fresh: everything, or one entry, its source and the pages about the whole catalog."""
    keys = Keys(ROOT)  # before any source is read, so that an edit in between is seen
    entries = listed_entries()
    if only is None:
        chosen, members = entries, entries
    else:
        chosen = (zoo.info(only),)
        family = family_module(chosen[0])
        members = tuple(entry for entry in entries if family_module(entry) == family)
    jobs = (*(entry_job(entry, keys) for entry in chosen), *family_jobs(members, keys), *catalog_jobs(entries, keys))
    return Plan(
        jobs=jobs,
        folder=FOLDER,
        cache=CACHE,
        processes=processes,
        full=full,
        whole=only is None,
        sources_hold=keys.still_hold,
    )


def complaint(result: Result) -> str:
    """Returns what is wrong with the files, and the command that mends it."""
    found = {"stale": result.stale, "missing": result.missing, "left over": result.left_over}
    lines = [f"{FOLDER.relative_to(ROOT)} is not fresh:"]
    for word, names in found.items():
        if names:
            rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            lines.append(f"  {word}: {', '.join(names[:SHOWN])}{rest}")
    return "\n".join([*lines, "Run `make site`, or `python scripts/render.py` for these files alone."])


def arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one entry, its source and the pages about the whole catalog")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something is not fresh")
    parser.add_argument("--full", action="store_true", help="make everything, whatever the cache says")
    parser.add_argument("--jobs", metavar="N", type=int, default=cores(), help="processes at once, here %(default)s by default")
    read = parser.parse_args()
    if read.jobs < 1:
        parser.error(f"`--jobs` is a number of processes from 1 on. Received: {read.jobs}")
    return read


def main() -> int:
    """Renders or checks; returns the exit status."""
    args = arguments()
    start = time.monotonic()
    wanted = plan(args.only, args.jobs, args.full)
    result = check(wanted) if args.check else update(wanted)
    if args.check and not result.is_fresh:
        print(complaint(result), file=sys.stderr)
        return 1
    files = sum(len(job.names) for job in wanted.jobs)
    written, removed = len(result.missing) + len(result.stale), len(result.left_over)
    tail = "all fresh" if args.check else f"{written} written, {removed} removed"
    seconds = time.monotonic() - start
    print(f"docs/models: {files} files, {result.made} of {len(wanted.jobs)} parts rendered, {tail}, {seconds:.1f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ZooError as error:
        print("\n".join((f"error: {error}", *getattr(error, "__notes__", ()))), file=sys.stderr)
        sys.exit(2 if isinstance(error, UnknownModelError) else 1)
    except KeyboardInterrupt:
        print("Interrupted. What is finished is kept.", file=sys.stderr)
        sys.exit(130)
