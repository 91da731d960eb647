"""Jobs are done where something changed and nowhere else; whatever happened to their files is noticed, none is left half done."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from zoo.errors import RenderError

sys.path.append(str(Path(__file__).parent.parent / "scripts"))
from rendering.cache import FORMAT, Cache, Job
from rendering.files import PART, files_under, write
from rendering.update import Plan, check, update


class Works:
    """A catalog of jobs whose contents are given, in a folder of its own; `made` counts what was made."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache, self.made = folder / "models", folder / "cache.json", []
        self.contents = {name: {f"{name}.md": f"page {name}", f"data/{name}.js": f"data {name}"} for name in "abc"}
        self.keys = dict.fromkeys(self.contents, "key")

    def make(self, name: str) -> dict[str, bytes]:
        self.made.append(name)
        return {file: text.encode() for file, text in self.contents[name].items()}

    def plan(self, **options: object) -> Plan:
        jobs = (
            Job(name=name, names=tuple(files), make=partial(self.make, name), key=self.keys[name])
            for name, files in self.contents.items()
        )
        return Plan(jobs=tuple(jobs), folder=self.folder, cache=self.cache, **options)

    def update(self, **options: object) -> list[str]:
        """Returns the names of the jobs that were done."""
        self.made.clear()
        update(self.plan(**options))
        return list(self.made)

    def files(self) -> dict[str, bytes]:
        return {name: (self.folder / name).read_bytes() for name in files_under(self.folder)}

    def right(self) -> dict[str, bytes]:
        return {name: text.encode() for files in self.contents.values() for name, text in files.items()}


@pytest.fixture
def works(tmp_path: Path) -> Works:
    made = Works(tmp_path)
    assert made.update() == ["a", "b", "c"]
    assert made.files() == made.right()
    return made


def test_nothing_is_made_where_nothing_changed(works):
    assert works.update() == []
    assert check(works.plan()).is_fresh
    assert works.made == []


def test_a_changed_key_makes_its_files_and_no_others(works):
    works.keys["b"] = "another"
    works.contents["b"]["b.md"] = "new"
    before = (works.folder / "data/b.js").stat().st_mtime_ns
    assert works.update() == ["b"]
    assert works.files() == works.right()
    assert (works.folder / "data/b.js").stat().st_mtime_ns == before  # the same bytes are not written again
    assert works.update() == []


def _edit(path: Path) -> None:
    stat = path.stat()
    path.write_text("DATA b")  # as long as before, and as old
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _replace(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    "harm", [_edit, lambda path: path.write_text("da"), lambda path: path.write_text(""), Path.unlink, _replace]
)
def test_an_output_that_is_not_as_it_was_made_is_noticed(works, harm):
    harm(works.folder / "data/b.js")
    assert works.update() == ["b"]
    assert works.files() == works.right()


def records(**files: object) -> bytes:
    return json.dumps({"format": FORMAT, "jobs": {"a": {"key": "key", "files": files}}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not JSON",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'{"format": 1}',
        b'{"format": 1, "jobs": 3}',
        b'{"format": 1, "jobs": {"a": 3, "b": {"key": 1, "files": {}}, "c": {"key": "key"}}}',
        records(),
        records(**{"a.md": [1]}),
        records(**{"a.md": ["x", "y"], "data/a.js": [1, 2]}),
        records(**{"a.md": [6, "0" * 64], "data/a.js": [6, "0" * 64]}),
    ],
)
def test_a_broken_or_foreign_cache_means_rendering(works, content):
    works.cache.write_bytes(content)
    assert works.update() == ["a", "b", "c"]
    assert works.files() == works.right()
    assert works.update() == []


def test_a_cache_of_another_version_means_rendering(works):
    works.cache.write_bytes(works.cache.read_bytes().replace(b'"format": %d' % FORMAT, b'"format": %d' % (FORMAT + 1)))
    assert works.update() == ["a", "b", "c"]


def test_what_no_job_makes_any_more_is_removed(works):
    (works.folder / "old" / "deep").mkdir(parents=True)
    for name in ("old.md", "old/deep/old.js", f".a.md.77{PART}"):
        (works.folder / name).write_text("old")
    del works.contents["c"]
    result = update(works.plan())
    assert result.left_over == (f".a.md.77{PART}", "c.md", "data/c.js", "old.md", "old/deep/old.js")
    assert works.files() == works.right()
    assert not (works.folder / "old").exists()
    assert set(Cache(works.cache).records) == {"a", "b"}


def test_some_jobs_alone_remove_and_forget_nothing(works):
    del works.contents["c"]
    works.keys["a"] = "another"
    assert works.update(whole=False) == ["a"]
    assert {"c.md", "data/c.js"} <= works.files().keys()
    assert set(Cache(works.cache).records) == {"a", "b", "c"}


def test_check_names_what_is_wrong_and_writes_nothing(works, tmp_path):
    works.keys["a"] = "another"
    works.contents["a"]["a.md"] = "new"
    (works.folder / "b.md").unlink()
    (works.folder / "old.md").write_text("old")
    before = {name: (tmp_path / name).read_bytes() for name in files_under(tmp_path)}
    result = check(works.plan())
    assert (result.stale, result.missing, result.left_over) == (("a.md",), ("b.md",), ("old.md",))
    assert {name: (tmp_path / name).read_bytes() for name in files_under(tmp_path)} == before


def test_check_compares_bytes_where_only_the_key_differs(works):
    works.keys["a"] = "another"
    assert check(works.plan()).is_fresh
    assert works.made == ["a", "b", "c", "a"]


def test_a_full_check_trusts_no_cache(works):
    works.contents["c"]["c.md"] = "new"  # with the key of before
    assert check(works.plan()).is_fresh
    assert check(works.plan(full=True)).stale == ("c.md",)


def test_an_interrupted_run_keeps_what_is_finished(tmp_path):
    works = Works(tmp_path)
    make = works.make

    def interrupted(name: str) -> dict[str, bytes]:
        if name == "c":
            raise KeyboardInterrupt
        return make(name)

    works.make = interrupted
    with pytest.raises(KeyboardInterrupt):
        works.update()
    assert works.files().keys() == {"a.md", "b.md", "data/a.js", "data/b.js"}
    works.make = make
    assert works.update() == ["c"]
    assert works.files() == works.right()


def test_no_half_file_stays_where_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    write(path, b"whole")
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        write(path, b"other")
    assert {name: (tmp_path / name).read_bytes() for name in files_under(tmp_path)} == {"page.md": b"whole"}


def test_an_error_names_its_job_and_keeps_the_others(tmp_path):
    works = Works(tmp_path)
    works.contents["b"] = {"b.md": 3}
    with pytest.raises(AttributeError) as caught:
        works.update()
    assert caught.value.__notes__ == ["while rendering b"]
    assert works.files().keys() == {"a.md", "data/a.js"}


def test_a_job_whose_inputs_are_not_known_is_done_every_time(works):
    works.keys["b"] = None
    assert works.update() == ["b"]
    assert works.update() == ["b"]


def test_what_was_made_while_a_source_was_touched_is_not_trusted(works):
    works.keys["b"] = "another"
    assert works.update(sources_hold=lambda: False) == ["b"]
    assert works.update() == ["b"]
    assert works.update() == []


def test_two_makers_of_one_file_are_an_error(works):
    works.contents["index"] = {"a.md": "another"}
    works.keys["index"] = "key"
    with pytest.raises(RenderError, match=r"a and index both make .*a\.md\. Rename one of them\."):
        works.plan()
