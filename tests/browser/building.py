"""The site that the tests look at: built by the steps of `make site`, which do nothing where it is fresh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SET_BY_TESTS = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")
"""What tests/conftest.py sets; without it pages that `make site` rendered are fresh here too."""
STEPS = ("scripts/render.py", "scripts/build_site.py")


def built_site() -> Path:
    """Returns the folder of the site, fresh; of workers that ask for it at once, one builds and the others wait.

    ZOO_SITE names a folder with a site that is to be looked at as it is.

    Raises:
        RuntimeError: A step of the build failed; the message ends with what it printed.
    """
    if named := os.environ.get("ZOO_SITE"):
        return Path(named).resolve(strict=True)
    environment = {name: value for name, value in os.environ.items() if name not in SET_BY_TESTS}
    for step in STEPS:
        done = subprocess.run([sys.executable, step], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            message = f"`python {step}` failed with status {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}"
            raise RuntimeError(message)
    return ROOT / "site"


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
