"""The site is built when something that it is made from changed, and what passes through mkdocs comes out as it went in."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import zoo

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
import build_site
from pages.as_is import as_is, ids_in, put_back, take_out
from rendering.files import files_under

ROOT = Path(build_site.__file__).resolve().parents[1]

# Notes that it ran, and makes two files.
COMMAND = """
import sys
from pathlib import Path
Path("runs").open("a").write("x")
site = Path(sys.argv[-1])
(site / "models").mkdir(parents=True)
(site / "index.html").write_text(Path("docs/index.md").read_text())
(site / "models" / "a.html").write_text("a")
sys.exit(Path("fails").exists())
"""


class Tree:
    """A small repository whose site is made by `COMMAND`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        texts = {
            "mkdocs.yml": "docs_dir: docs\nhooks: [scripts/hook.py]\ntheme: {custom_dir: overrides}\npath: [.]\n",
            "README.md": "read me",
            "CHANGELOG.md": "changes",
            "docs/index.md": 'home\n\n--8<-- "examples/train.py"\n',
            "docs/models/a.md": "a",
            "docs/models/data/a.js": "a",
            "zoo/info.py": "x = 1",
            "scripts/hook.py": "y = 1",
            "scripts/pages/entry.py": "z = 1",
            "scripts/other.py": "z = 1",
            "examples/train.py": "train()",
            "examples/other.py": "other()",
            "overrides/main.html": "<p>",
            "tests/test_a.py": "test",
        }
        for name, text in texts.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def build(self) -> bool:
        return build_site.build(self.root, [sys.executable, "-c", COMMAND])

    @property
    def site(self) -> dict[str, str]:
        return {name: (self.root / "site" / name).read_text() for name in files_under(self.root / "site")}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    made = Tree(tmp_path)
    assert made.build()
    assert not made.build()
    assert (tmp_path / "runs").read_text() == "x"
    assert made.site.keys() == {"index.html", "models/a.html"}
    (tmp_path / "runs").unlink()
    return made


@pytest.mark.parametrize(
    "name",
    [
        "mkdocs.yml",
        "CHANGELOG.md",
        "docs/index.md",
        "docs/new.md",
        "docs/models/data/a.js",
        "zoo/info.py",
        "scripts/hook.py",
        "scripts/pages/entry.py",
        "examples/train.py",
        "overrides/main.html",
    ],
)
def test_an_input_that_changed_builds_the_site(tree, name):
    tree.write(name, "changed: 1\n")
    assert tree.build()


@pytest.mark.parametrize("name", ["scripts/other.py", "examples/other.py", "tests/test_a.py", "docs/models/.a.md.7.part"])
def test_what_the_site_is_not_made_from_does_not(tree, name):
    tree.write(name, "changed")
    assert not tree.build()
    assert not (tree.root / "runs").exists()


def test_an_input_that_is_gone_builds_the_site(tree):
    (tree.root / "docs/models/a.md").unlink()
    assert tree.build()


@pytest.mark.parametrize("harm", ["edit", "remove a page", "remove all", "add"])
def test_a_site_that_is_not_as_it_was_built_is_built_again(tree, harm):
    before = tree.site
    if harm == "edit":
        tree.write("site/models/a.html", "b")
    elif harm == "add":
        tree.write("site/old.html", "old")
    else:
        for name in before if harm == "remove all" else ["models/a.html"]:
            (tree.root / "site" / name).unlink()
    assert tree.build()
    assert tree.site == before


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_a_broken_cache_builds_the_site(tree, content):
    tree.write(".cache/site.json", content)
    assert tree.build()
    assert not tree.build()


def test_a_version_of_mkdocs_builds_the_site(tree, monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9.9")
    assert tree.build()


def test_a_failed_build_leaves_the_site_and_is_tried_again(tree):
    before = tree.site
    tree.write("fails", "")
    tree.write("docs/index.md", "changed")
    for _ in range(2):
        with pytest.raises(subprocess.CalledProcessError):
            tree.build()
        assert tree.site == before
    (tree.root / "fails").unlink()
    assert tree.build()
    assert tree.site["index.html"] == "changed"


def test_force_builds_what_is_fresh(tree):
    assert build_site.build(tree.root, [sys.executable, "-c", COMMAND], force=True)


def test_all_that_mkdocs_reads_here_is_an_input():
    """Files that `mkdocs.yml` and the pages name are found by their names; here they are looked for by what reads them."""
    settings = yaml.load((ROOT / "mkdocs.yml").read_text(), yaml.BaseLoader)
    named = {ROOT / path for path in settings.get("hooks", [])} | {ROOT / "CHANGELOG.md"}
    named |= {ROOT / settings["docs_dir"] / path for key in ("extra_css", "extra_javascript") for path in settings.get(key, [])}
    named |= set((ROOT / "zoo").rglob("*.py")) | {ROOT / "scripts/pages/as_is.py"}
    assert {path for path in named if path.exists()} - build_site.inputs(ROOT) == set()
    assert not any((ROOT / "site") in path.parents for path in build_site.inputs(ROOT))


# What mkdocs passes through

HTML = '<details id="enc0" class="zoo-block">\n<summary>Hidden words</summary>\n\n<p id=\'two\'>*not* _Markdown_</p>\n</details>'


def test_parts_come_back_where_they_were():
    page = f"# A\n\n{as_is(HTML)}\n\ntext\n\n{as_is('<p>two</p>')}\n\n<!-- as is 7 -->\n"
    text, parts = take_out(page)
    assert "Hidden" not in text
    assert parts == [HTML, "<p>two</p>"]
    assert ids_in(parts) == {"enc0", "two"}
    assert put_back(text.replace("<!-- as is 7 -->\n", ""), parts) == f"# A\n\n{HTML}\n\ntext\n\n<p>two</p>\n\n"
    assert put_back("<!-- as is 7 -->", []) == "<!-- as is 7 -->"  # a page without parts may speak of them


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two pages, made by mkdocs with the settings of this repository."""
    root = tmp_path_factory.mktemp("site")
    (root / "docs" / "assets").mkdir(parents=True)
    (root / "docs" / "index.md").write_text(f"# Home\n\nSeen words, [block](other.md#enc0).\n\n{as_is('<p>one</p>')}\n")
    (root / "docs" / "other.md").write_text(f"# Other\n\n[here](#two)\n\n{as_is(HTML)}\n\nAfter.\n")
    settings = (ROOT / "mkdocs.yml").read_text()
    settings = re.sub(r"^nav:.*?\n\n", "", settings, flags=re.DOTALL | re.MULTILINE)
    settings = re.sub(r"^extra_(css|javascript):.*\n", "", settings, flags=re.MULTILINE)
    settings = settings.replace("scripts/mkdocs_hooks.py", str(ROOT / "scripts" / "mkdocs_hooks.py"))
    (root / "mkdocs.yml").write_text(settings)
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(root / "site")]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr  # strict: the links to ids in the parts are good
    return root / "site"


def test_html_passes_as_it_is_and_is_not_searched(built):
    other = (built / "other.html").read_text()
    assert other.count(HTML) == 1
    assert other.index("here") < other.index(HTML) < other.index("After.")
    assert (built / "index.html").read_text().count("<p>one</p>") == 1
    index = (built / "search" / "search_index.json").read_text()
    assert "Seen words" in index
    assert "Hidden words" not in index


def test_the_index_of_the_search_is_a_script_too(built):
    text = (built / "search" / "search_index.js").read_text()
    assert json.loads(text.removeprefix("var __index = ")) == json.loads((built / "search" / "search_index.json").read_text())
    page = (built / "other.html").read_text()
    assert page.index("assets/search.js") < page.index("assets/javascripts/bundle.")  # which starts the worker


def test_no_entry_is_named_like_a_page():
    taken = {"index", "compare", "data", "source"}
    assert {name for name in zoo.list_models() if name in taken} == set()
