"""A cache folder of the test's own, which must be clean in the end, and a hostile server."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hostile_server import Server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache folder, not made yet; http: is allowed. After the test there is nothing wrong or unfinished in it."""
    for name in os.environ:
        if name.lower().endswith("_proxy") or name in ("ZOO_OFFLINE", "HF_ENDPOINT"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ZOO_ALLOW_HTTP", "1")
    folder = tmp_path / "home" / "weights"
    yield folder
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.suffix != ".lock":
            assert path.suffix != ".part", f"{path.name} was left behind"
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            assert path.name[:16] == digest[:16], f"{path.name} has the wrong content"


@pytest.fixture
def server() -> Iterator[Server]:
    from hostile_server import serving

    with serving() as hostile:
        yield hostile
