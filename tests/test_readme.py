from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from PIL import Image

import zoo
from zoo.weights.probe import probe_image

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"\n*^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r'^```python title="([\w.]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
ZOO = Path(sys.executable).with_name("zoo")
PAGES = [ROOT / "README.md", ROOT / "docs" / "index.md", *sorted((ROOT / "docs").glob("[gr]*/*.md"))]


def fenced(language: str, pages: list[Path]) -> list:
    """The blocks of a language as parameters, named by page and line."""
    found = []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for block in FENCE.finditer(text):
            if block[1] == language:
                place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 2}"
                found.append(pytest.param(block[2], id=place))
    return found


def examples() -> list:
    """Python blocks with the output that the page shows right after them, None where it shows none."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for block in FENCE.finditer(text):
            if block[1] == "python":
                output = OUTPUT.match(text, block.end())
                place = f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, block.start()) + 2}"
                found.append(pytest.param(block[2], output and output[1], id=place))
    return found


def transcripts() -> list:
    """Commands with the output that the page shows after them, empty where it shows none, and the page's files."""
    found = []
    for page in PAGES:
        files = dict(FILE.findall(page.read_text(encoding="utf-8")))
        for block in fenced("console", [page]):
            for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.values[0], re.MULTILINE):
                found.append(pytest.param(command, output, files, id=command))
    return found


@pytest.fixture
def quick_keras(monkeypatch):
    """Trains eagerly, as compiling takes five times longer than an example runs, and undoes a policy that an example sets."""
    owner = next(kind for kind in keras.Model.__mro__ if "compile" in vars(kind))
    compiled, policy = owner.compile, keras.config.dtype_policy()
    monkeypatch.setattr(owner, "compile", lambda *args, **options: compiled(*args, **{"run_eagerly": True, **options}))
    yield
    keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize(("code", "output"), examples())
@pytest.mark.usefixtures("own_registry", "quick_keras")
def test_a_python_example_runs_and_prints_what_its_comments_say(code, output, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "example", "exec", dont_inherit=True), {"__name__": "example"})
    printed = capsys.readouterr().out
    if output is not None:
        assert printed == output
    for said in re.findall(r"^ *print\(.*\)  +# (\d[\d ]*\d|\(\(.*\)\)|\[.*\]|height .*)$", code, re.MULTILINE):
        assert said.removesuffix("...").strip() in printed
    for name in re.findall(r'zoo\.plot\([^\n]*?"([\w.-]+\.svg)"', code):
        assert (tmp_path / name).read_text().startswith(("<svg", "<?xml"))


@pytest.mark.parametrize(("command", "output", "files"), transcripts())
def test_a_command_of_the_readme_runs_and_prints_what_is_shown(command, output, files, tmp_path):
    words = shlex.split(command)
    settings = dict(words.pop(0).split("=", 1) for word in list(words) if re.match(r"[A-Z_]+=", word))
    program, *arguments = words
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    if "cells.png" in arguments:
        Image.fromarray(probe_image((233, 317, 3))).save(tmp_path / "cells.png")
    done = subprocess.run(
        [{"zoo": ZOO, "python": sys.executable}[program], *arguments],
        cwd=tmp_path,
        env={**os.environ, "XLA_FLAGS": "--xla_backend_optimization_level=0", **settings},  # JAX compiles three times faster
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    said = [line for line in done.stderr.splitlines() if not line.startswith("Fontconfig warning")]  # of this machine's fonts
    assert (done.returncode, said) == (0, [])
    assert done.stdout
    if output:
        assert done.stdout == output


def test_the_readme_has_exactly_two_set_up_commands():
    (block,) = (parameter.values[0] for parameter in fenced("sh", [ROOT / "README.md"]))
    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["make site", "make test"]


def test_every_make_command_that_is_named_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages = [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / ".ci" / "run"]
    named = {name for page in pages for name in re.findall(r"(?:`|^|exec )make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert {"site", "test", "check"} <= named <= targets


def test_every_name_that_the_readme_lists_is_in_the_catalog_and_the_other_way_round():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text[text.index("| names |") : text.index("## Numbers")]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`([^`]+)`", row.split("|")[1] if "|" in row else "")}
    assert named == {zoo.info(name).base for name in zoo.list_models()}


def test_the_changelog_knows_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(.*?)\] - (?:Unreleased|\d{4}-\d\d-\d\d)$", text, re.MULTILINE)[0] == zoo.__version__


def test_contributing_stays_short():
    assert len((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()) <= 50


def test_links_inside_the_repository_lead_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
