"""What the tests of training share: its modules can be imported, data and recipes are written where asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.append(str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from made_up_data import RECIPE, SCRIPTS, VOLUMES, environment, write_pictures, write_volumes

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of images, not to be changed."""
    return write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of volumes, not to be changed."""
    return write_volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    """The recipe for the images."""
    path = tmp_path / "blobs.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def volume_recipe(tmp_path: Path) -> Path:
    """The recipe for the volumes."""
    path = tmp_path / "balls.toml"
    path.write_text(VOLUMES)
    return path


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script to its end: `script("train.py", "recipe.toml", "--data", folder, backend="jax")`."""

    def run(name: str, *arguments: object, backend: str = "tensorflow") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, SCRIPTS / name, *map(str, arguments)],
            env=environment(backend), cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run
