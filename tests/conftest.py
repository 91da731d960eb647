"""What all tests share: a quiet backend on the CPU, and registries that are as they were after each test that changes them."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from zoo import catalog, plugins, registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The same examples on every run; `--hypothesis-profile=explore` looks further.
settings.register_profile("zoo", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=5_000)
settings.load_profile("zoo")


@dataclass
class Done:
    """How a command ended: its exit status, and what it wrote to standard output and to standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs the command `zoo` in this process: `run("list", "unet*")`."""
    from zoo.cli import main

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["zoo", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capsys.readouterr()
        return Done(end.value.code or 0, captured.out, captured.err)

    return run


@pytest.fixture
def own_registry() -> Iterator[None]:
    """Undoes what a test registers, and forgets plug-ins before and after it."""
    registered, builders = dict(catalog.registered), dict(registry._builders)
    plugins.forget_plugins()
    yield
    for live, saved in ((catalog.registered, registered), (registry._builders, builders)):
        live.clear()
        live.update(saved)
    plugins.forget_plugins()


@pytest.fixture
def add_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_registry: None) -> Iterator[Callable[..., Path]]:
    """Installs a package with an entry point, as pip would: `add_plugin("nets", source, value="nets")` returns its folder."""
    before = set(sys.modules)

    def add(package: str, source: str, value: str | None = None) -> Path:
        folder = tmp_path / f"site-{package}"
        information = folder / f"{package}-1.0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text(f"[zoo.architectures]\n{package} = {value or package}\n")
        (folder / f"{package}.py").write_text(source)
        monkeypatch.syspath_prepend(folder)
        plugins.forget_plugins()
        return folder

    yield add
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the one flag that accepts new golden values."""
    parser.addoption("--update-golden", action="store_true", help="write tests/golden anew instead of comparing with it")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written."""
    return request.config.getoption("--update-golden")
