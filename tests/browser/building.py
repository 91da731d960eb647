"""The site that the tests look at: built by the steps of `make site`, once for as long as its sources stay as they are."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".cache" / "site-for-tests"
SOURCES = ("mkdocs.yml", "CHANGELOG.md", "README.md", "docs", "scripts", "zoo")
STEPS = (("scripts/render.py",), ("-m", "mkdocs", "build", "--strict", "--site-dir", str(KEPT)))


def built_site() -> Path:
    """Returns the folder of the site; builds it first where a source changed. Workers wait for the one that builds.

    ZOO_SITE names a folder with a site that is to be looked at as it is.

    Raises:
        RuntimeError: A step of the build failed; the message ends with what it printed.
    """
    if named := os.environ.get("ZOO_SITE"):
        return Path(named).resolve(strict=True)
    KEPT.parent.mkdir(exist_ok=True)
    with KEPT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        digest, stamp = _digest(), KEPT.with_suffix(".digest")
        if not (KEPT / "index.html").exists() or not stamp.exists() or stamp.read_text() != digest:
            stamp.unlink(missing_ok=True)
            for step in STEPS:
                _run(step)
            stamp.write_text(digest)
    return KEPT


def without_search(site: Path, target: Path) -> Path:
    """Makes a site with the files of another, but for one text in the index of its search; returns its folder."""
    shutil.copytree(site, target, copy_function=os.symlink)
    folder = target / "search"
    index = json.loads((folder / "search_index.json").read_text())
    small = json.dumps(index | {"docs": index["docs"][:1]})
    for name, text in (("search_index.json", small), ("search_index.js", f"var __index = {small}")):
        if (folder / name).exists():
            (folder / name).unlink()
            (folder / name).write_text(text)
    return target


def _digest() -> str:
    """Returns a digest of all that the pages are made from, but for what is itself generated."""
    total = hashlib.sha256()
    for path in sorted(path for source in SOURCES for path in [ROOT / source, *(ROOT / source).rglob("*")] if path.is_file()):
        if "__pycache__" not in path.parts and ROOT / "docs" / "models" not in path.parents:
            total.update(f"{path.relative_to(ROOT)}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def _run(step: tuple[str, ...]) -> None:
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([sys.executable, *step], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        message = f"`python {' '.join(step)}` failed with status {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"
        raise RuntimeError(message)
