"""Builds the site from `docs/` into `site/` by mkdocs, if anything that it is made from changed, or the site itself did.

`.cache/site.json` remembers a checksum of everything that mkdocs reads and of every file that it made. The site is built in
a folder of its own and takes the place of the old one when it is complete.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # this tree's own zoo, even where another one is installed

from rendering.cache import Cache, Job
from rendering.files import digest, files_under, locked, mark_of, stamps
from rendering.inputs import package_versions, source_files

PACKAGES = (
    "mkdocs", "mkdocs-material", "mkdocs-autorefs", "mkdocstrings", "mkdocstrings-python", "griffelib", "Markdown",
    "pymdown-extensions", "Pygments", "Jinja2", "PyYAML", "backrefs", "markupsafe",
)  # fmt: skip
"""Packages whose versions may change what mkdocs makes."""

SNIPPET = re.compile(r"""^[ \t]*-{1,}8<-{1,}[ \t]+["']?([^"':\n]+)""", flags=re.MULTILINE)


def inputs(root: Path) -> set[Path]:
    """Returns the files that the site is made from.

    These are the pages, the sources whose docstrings they show, the texts that they include, and whatever `mkdocs.yml` names.
    """
    settings = root / "mkdocs.yml"
    found = {settings, *root.glob("*.md"), *source_files(root / "zoo"), *source_files(root / "scripts" / "pages")}
    found |= set(source_files(root / "docs"))
    named = re.findall(r"""[^\s"'\[\]{},]+""", settings.read_text(encoding="utf-8"))
    for page in (root / "docs").rglob("*.md"):
        named += SNIPPET.findall(page.read_text(encoding="utf-8"))
    for path in {root / name for name in named}:
        inside = root in path.resolve().parents and path.resolve() != (root / "site").resolve()
        found |= _files(path) if inside else set()
    return found


def build(root: Path, command: list[str], force: bool = False) -> bool:
    """Builds the site unless it is there already, complete and from these very inputs; returns whether it was built.

    Args:
        root: Folder of the repository; the site is its `site`.
        command: Makes the site in the folder that is added as its last argument.
        force: Whether to build it even where nothing changed.

    Raises:
        subprocess.CalledProcessError: The command failed; the site is as it was.
    """
    site, cache_file = root / "site", root / ".cache" / "site.json"
    with locked(cache_file.with_suffix(".lock")):
        cache, sources = Cache(cache_file), inputs(root)
        before, job = stamps(sources), _job(root, sources, command)
        if not force and cache.is_fresh(job, site):
            return False
        fresh = root / ".cache" / "site.new"
        shutil.rmtree(fresh, ignore_errors=True)
        environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        subprocess.run([*command, str(fresh)], cwd=root, env=environment, check=True)
        marks = {name: mark_of((fresh / name).read_bytes()) for name in files_under(fresh)}
        _put_in_place(fresh, site)
        if before == stamps(inputs(root)):  # else it may be of a version that is there no more
            cache.remember(job, marks)
    return True


def _job(root: Path, sources: set[Path], command: list[str]) -> Job:
    """Returns the site as a job whose files are those that are there."""
    parts = [digest({*sources, Path(__file__)}, root), package_versions(PACKAGES), command[1:]]
    site = root / "site"
    return Job(name="site", names=tuple(files_under(site)), make=dict, key=json.dumps(parts))


def _put_in_place(fresh: Path, site: Path) -> None:
    old = fresh.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)
    if site.exists():
        site.rename(old)
    fresh.rename(site)
    shutil.rmtree(old, ignore_errors=True)


def _files(path: Path) -> set[Path]:
    """Returns a file, or all files in a folder."""
    if path.is_file():
        return {path}
    return set(source_files(path))


def main() -> int:
    """Builds the site; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", action="store_true", help="build it even where nothing changed")
    force = parser.parse_args().force
    root = Path(__file__).resolve().parents[1]
    start = time.monotonic()
    try:
        built = build(root, [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir"], force)
    except subprocess.CalledProcessError as error:
        print(
            f"error: mkdocs ended with status {error.returncode}; what is wrong stands above. site/ is as it was.",
            file=sys.stderr,
        )
        return 1
    print(f"site: {'built' if built else 'nothing changed'}, {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("Interrupted. site/ is as it was.", file=sys.stderr)
        sys.exit(130)
