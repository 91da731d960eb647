"""The script that renders the catalog: what each page depends on, what it says, and the pages of the sources."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
import render
from pages.source import builder_link, family_module, source_page
from rendering import makers
from rendering.files import files_under
from rendering.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(render.__file__).resolve().parents[1]
SMALL = ("resunet-v1-d3-f8", "resunet-v1-3d-d3-f8", "unet-d5-f32")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, which nobody edits but the test."""
    for name in ("zoo", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def script(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Callable[..., tuple[int, str]]:
    """`script("--check")` runs the script on three small entries in one process; returns its status and what it said."""
    monkeypatch.setattr(render, "ROOT", tree)
    monkeypatch.setattr(render, "FOLDER", tree / "docs" / "models")
    monkeypatch.setattr(render, "CACHE", tree / ".cache" / "render.json")
    monkeypatch.setattr(render, "listed_entries", lambda: tuple(map(zoo.info, SMALL)))

    def run(*options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["render.py", "--jobs", "1", *options])
        status = render.main()
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def test_the_script_makes_keeps_and_checks_the_catalog(script, tree):
    folder = tree / "docs" / "models"
    status, said = script()
    files = files_under(folder)
    expected = {pattern.format(name) for pattern in makers.ENTRY_FILES for name in SMALL} | set(makers.CATALOG_FILES)
    expected |= {"source/resunet_v1.md", "source/unet.md"}
    assert set(files) == expected
    assert status == 0
    assert f"docs/models: {len(files)} files, 9 of 9 parts rendered, {len(files)} written, 0 removed" in said
    assert "0 of 9 parts rendered, 0 written, 0 removed" in script()[1]

    (tree / "zoo" / "architectures" / "unet.py").open("a").write("# touched\n")
    assert "6 of 9 parts rendered, 0 written" in script()[1]  # its entry, its source as it is imported, four pages about all

    (folder / f"{SMALL[0]}.svg").unlink()
    (folder / f"{SMALL[1]}.md").write_text("edited")
    (folder / "gone-d4.md").write_text("of an entry that was removed")
    status, said = script("--check")
    assert status == 1
    assert said.splitlines()[-5:] == [
        "docs/models is not fresh:",
        f"  stale: {SMALL[1]}.md",
        f"  missing: {SMALL[0]}.svg",
        "  left over: gone-d4.md",
        "Run `make site`, or `python scripts/render.py` for these files alone.",
    ]
    status, said = script("--only", SMALL[1])
    assert (status, "1 of 6 parts rendered, 1 written, 0 removed" in said) == (0, True)
    assert "stale" not in script("--check")[1]
    assert "1 of 9 parts rendered, 1 written, 1 removed" in script()[1]
    assert script("--check")[0] == 0
    assert "9 of 9 parts rendered, all fresh" in script("--check", "--full")[1]
    assert files_under(folder) == files


def all_keys(tree: Path) -> dict[str, str | None]:
    keys, entries = Keys(tree), [zoo.info(name) for name in SMALL]
    jobs = [makers.entry_job(entry, keys) for entry in entries]
    jobs += makers.family_jobs(entries, keys) + makers.catalog_jobs(entries, keys)
    return {job.name: job.key for job in jobs}


EVERYTHING = {*SMALL, "source of resunet_v1", "source of unet", *makers.CATALOG_FILES}


@pytest.mark.parametrize(
    ("touched", "changed"),
    [
        ("zoo/blocks.py", EVERYTHING),
        ("zoo/analysis/cost.py", EVERYTHING),
        ("zoo/render/svg.py", EVERYTHING),
        ("zoo/new_module.py", EVERYTHING),
        ("zoo/architectures/__init__.py", EVERYTHING),
        ("scripts/pages/entry.py", EVERYTHING),
        ("scripts/rendering/makers.py", EVERYTHING),
        ("zoo/architectures/unet.py", {"unet-d5-f32", "source of unet", *makers.CATALOG_FILES}),
        ("zoo/architectures/vnet.py", set(makers.CATALOG_FILES)),
        ("zoo/cli.py", set()),
        ("scripts/rendering/workers.py", set()),
        ("scripts/bench.py", set()),
        ("zoo/__pycache__/blocks.cpython-311.pyc", set()),
    ],
)
def test_an_edited_source_changes_the_keys_of_what_depends_on_it(tree, touched, changed):
    before = all_keys(tree)
    (tree / touched).parent.mkdir(exist_ok=True)
    with (tree / touched).open("a") as file:
        file.write("\n# touched\n")
    after = all_keys(tree)
    assert {name for name in before if before[name] != after[name]} == changed


def test_versions_and_settings_are_in_every_key(tree, monkeypatch):
    before = all_keys(tree)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0" if name == "pygraphviz" else "1")
    versions = all_keys(tree)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    backend = all_keys(tree)
    monkeypatch.setenv("KERAS_HOME", str(tree))
    (tree / "keras.json").write_text('{"floatx": "float16"}')
    keys = (before, versions, backend, all_keys(tree))
    assert all(len({made[name] for made in keys}) == 4 for name in before)


def test_the_settings_that_keras_writes_by_itself_change_no_key(tree, monkeypatch):
    """The first run on a machine makes Keras write its settings: the second one must still find everything fresh."""
    monkeypatch.setenv("KERAS_HOME", str(tree / "home"))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    before = all_keys(tree)
    (tree / "home").mkdir()
    defaults = {"floatx": "float32", "epsilon": 1e-07, "backend": "tensorflow", "image_data_format": "channels_last"}
    for written in (json.dumps(defaults, indent=4), "", "no JSON", "[]"):
        (tree / "home" / "keras.json").write_text(written)
        assert all_keys(tree) == before
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert all_keys(tree) == before, "the default by name"


def test_stored_numbers_are_in_the_keys_of_their_family_and_of_pages_about_all(tree, monkeypatch):
    stored = zoo.catalog.stored_rows

    def other_rows(module: str) -> dict[str, object] | None:
        rows = stored(module)
        return {name: {**row, "numbers": {}} for name, row in (rows or {}).items()} if module == "unet" else rows

    before = all_keys(tree)
    monkeypatch.setattr("zoo.catalog.stored_rows", other_rows)
    entries = tuple(map(zoo.info, SMALL))
    keys = Keys(tree)
    after = {entry.name: keys.entry(entry) for entry in entries} | dict.fromkeys(makers.CATALOG_FILES, keys.whole(entries))
    assert {name for name in after if before[name] != after[name]} == {"unet-d5-f32", *makers.CATALOG_FILES}


def test_touching_a_source_is_seen_even_when_it_is_put_back(tree):
    keys, path = Keys(tree), tree / "zoo" / "blocks.py"
    content = path.read_bytes()
    assert keys.still_hold()
    path.write_bytes(b"")
    path.write_bytes(content)
    assert not keys.still_hold()


WITNESS = """
import sys
from pathlib import Path
sys.path[:0] = [{scripts!r}, {root!r}]
root = Path({root!r})
from rendering import makers
import zoo
entries = [zoo.info(name) for name in {names!r}]
opened = set()

def hear(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.add(arguments[0])

sys.addaudithook(hear)
zoo.catalog.catalog_rows = zoo.list_models = None  # what an entry's files say of other entries would not be in its key
for entry in entries:
    makers.entry_files(entry)
opened |= {{str(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)}}
found = {{path for path in map(Path, opened) if root in path.parents and ".venv" not in path.parts and path.suffix != ".pyc"}}
print("\\n".join(sorted(str(path.relative_to(root)) for path in found)))
"""


def test_all_that_entries_are_made_from_is_in_their_keys():
    names = ("resunet-v1-3d-d3-f8", "mobilenetv3small-unet")
    program = WITNESS.format(scripts=str(ROOT / "scripts"), root=str(ROOT), names=names)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keys, families = Keys(ROOT), {family_module(zoo.info(name)) for name in names}
    own = {path for path in keys.zoo if path.parent != keys.families or path.stem in ("__init__", *families)}
    known = {path.relative_to(ROOT).as_posix() for path in (*own, *keys.pages)}
    known |= {f"scripts/rendering/{name}.py" for name in ("__init__", "cache", "files")}  # no content comes from these
    read = set(done.stdout.split())
    assert {*(f"zoo/architectures/{family}.py" for family in families), "zoo/blocks.py", "scripts/pages/entry.py"} <= read
    assert read - known - {"zoo/catalog.json"} == set()  # of which the rows of the family are in the key


def test_no_family_is_built_from_another(tree):
    for path in (tree / "zoo" / "architectures").glob("[!_]*.py"):
        assert "zoo.architectures" not in path.read_text(), f"{path.name}: its key must have the other family's file, too"


def test_nothing_to_do_loads_no_backend(script, tree, monkeypatch):
    monkeypatch.setattr(makers, "entry_files", lambda entry: {name.format(entry.name): b"" for name in makers.ENTRY_FILES})
    script()
    program = f"""
import sys
sys.path[:0] = [{str(ROOT / "scripts")!r}, {str(ROOT)!r}]
import render, zoo
from pathlib import Path
tree = Path({str(tree)!r})
render.ROOT, render.FOLDER, render.CACHE = tree, tree / "docs" / "models", tree / ".cache" / "render.json"
render.listed_entries = lambda: tuple(map(zoo.info, {SMALL!r}))
sys.argv = ["render.py", "--check"]
status = render.main()
loaded = {{"keras", "tensorflow", "numpy", "rich"}} & set(sys.modules)
sys.exit(f"status {{status}}, loaded {{loaded}}" if status or loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "0 of 9 parts rendered, all fresh" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--only", "resunet-v1-d3-f9x"], "error: Ill-formed model name"),
        (["--only", "unet-v7"], "error: Unknown model: 'unet-v7'; did you mean"),
        (["--jobs", "0"], "`--jobs` is a number of processes from 1 on. Received: 0"),
    ],
)
def test_a_mistake_on_the_command_line_has_status_2(options, message):
    command = [sys.executable, ROOT / "scripts" / "render.py", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_entries_of_other_packages_are_made_every_time_and_have_no_source_page(add_plugin, tree):
    source = (ROOT / "zoo" / "architectures" / "unet.py").read_text()
    add_plugin("nets", source.replace('family: ClassVar[str] = "unet"', 'family: ClassVar[str] = "other-net"'))
    entry = zoo.info("other-net")
    keys = Keys(tree)
    assert (family_module(entry), builder_link(entry)) == (None, "")
    assert makers.entry_job(entry, keys).key is None
    assert makers.family_jobs([entry], keys) == []
    assert {job.key for job in makers.catalog_jobs([zoo.info(SMALL[0]), entry], keys)} == {None}


# Pages of sources


@pytest.mark.parametrize("name", zoo.list_models()[::9])
def test_the_link_to_a_builder_leads_to_its_first_line(name):
    entry = zoo.info(name)
    page, _, line = builder_link(entry).partition("#line-")
    module = page.removeprefix("source/").removesuffix(".html")
    assert family_module(entry) == module
    text = (ROOT / "zoo" / "architectures" / f"{module}.py").read_text().splitlines()
    assert text[int(line) - 1].startswith("def build(config:")


def test_a_source_page_has_every_line_and_leads_back_to_the_entries(monkeypatch, tmp_path):
    code = '\n"""Doc <b> & ``` of\n\ntwo lines."""\n\n\nX = "-->" \n'
    (tmp_path / "nets.py").write_text(code)
    monkeypatch.setattr("pages.source.FAMILIES_FOLDER", str(tmp_path))
    page = source_page("nets", [zoo.info("unet"), zoo.info("unet-d5-f32")])
    lines = re.findall(r'<span id="line-(\d+)"><span class="linenos" data-linenos="(\d+) "></span>(.*?)\n</span>', page)
    assert [(int(number), shown) for number, shown, _ in lines] == [(k, str(k)) for k in range(1, 8)]
    assert "\n".join(unescape(re.sub("<[^>]*>", "", text)) for _, _, text in lines) + "\n" == code
    assert "[unet-d5-f64](../unet-d5-f64.md), [unet-d5-f32](../unet-d5-f32.md)" in page
    assert "search: {exclude: true}" in page.split("---")[1]
