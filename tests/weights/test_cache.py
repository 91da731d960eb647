"""The cache folder by hand: importing files, listing what is there, and pruning it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time

import filelock
import pytest
from downloads import BODY, OTHER, QUICK, remote
from hostile_server import good

from zoo.errors import DownloadError, IntegrityError
from zoo.weights.cache import cached_files, import_file, look_up, prune
from zoo.weights.download import fetch
from zoo.weights.parts import part_name, scratch_folder

KNOWN = remote("https://host/known", name="resunet-v1.known-v1")
UNKNOWN = remote("https://host/unknown", name="resunet-v1.unknown-v1", body=OTHER)


@pytest.fixture
def filled(home):
    """A folder with one of everything; returns the paths by what they are."""
    home.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    mine = f"-{os.getpid()}-"
    paths = {
        "known": home / KNOWN.file_name,
        "unknown": home / UNKNOWN.file_name,
        "dead": home / part_name(KNOWN.file_name).replace(mine, f"-{process.pid}-"),
        "living": home / part_name(KNOWN.file_name).replace(mine, f"-{os.getppid()}-"),
        "young": home / f"{UNKNOWN.file_name}.00000000-1-00000000.part",
        "old": home / f"{UNKNOWN.file_name}.00000000-1-00000001.part",
        "dead folder": home / part_name(UNKNOWN.file_name).replace(mine, f"-{process.pid}-"),
        "free lock": home / f"{KNOWN.file_name}.lock",
        "held lock": home / f"{UNKNOWN.file_name}.lock",
        "foreign": home / "notes.txt",
    }
    for name, path in paths.items():
        if name == "dead folder":
            path.mkdir()
            (path / "inside").write_bytes(b"1")
        else:
            path.write_bytes({"known": BODY, "unknown": OTHER}.get(name, name.encode()))
    yesterday = time.time() - 25 * 3600
    os.utime(paths["old"], (yesterday, yesterday))
    with filelock.FileLock(paths["held lock"]):
        yield paths
    for path in paths.values():
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def names(paths, items):
    by_path = {path: name for name, path in paths.items()}
    return {by_path[item.path] for item in items}


def test_a_file_is_recognised_by_its_hash(home, tmp_path):
    (tmp_path / "any name").write_bytes(OTHER)
    file, path = import_file(tmp_path / "any name", [KNOWN, UNKNOWN])
    assert file is UNKNOWN
    assert path == home / UNKNOWN.file_name
    assert path.read_bytes() == OTHER
    assert path.stat().st_mode & 0o022 == 0
    assert fetch(UNKNOWN, limits=QUICK) == path
    assert import_file(path, [KNOWN, UNKNOWN]) == (UNKNOWN, path)


def test_a_link_to_a_file_may_be_imported(home, tmp_path):
    (tmp_path / "file").write_bytes(BODY)
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert import_file(tmp_path / "link", [KNOWN])[1].read_bytes() == BODY


def test_an_import_replaces_a_damaged_file(home, tmp_path):
    home.mkdir(parents=True)
    (home / KNOWN.file_name).write_bytes(b"damaged")
    (tmp_path / "file").write_bytes(BODY)
    assert import_file(tmp_path / "file", [KNOWN])[1].read_bytes() == BODY


def test_an_unknown_file_is_refused_with_what_is_near(home, tmp_path):
    (tmp_path / "resunet-v1.unknown.bin").write_bytes(BODY[:-1])
    words = r"none of the 2 known files\. It has 149,999 bytes; known files of about that size: resunet-v1\.known-v1 \(150,000 "
    with pytest.raises(IntegrityError, match=words + r".*did you mean 'resunet-v1\.unknown-v1'"):
        import_file(tmp_path / "resunet-v1.unknown.bin", [KNOWN, UNKNOWN])
    assert not home.exists()


def test_a_damaged_file_is_told_from_an_unknown_one(home, tmp_path):
    (tmp_path / "file").write_bytes(BODY[1:] + b"x")
    with pytest.raises(
        IntegrityError, match=r"It has the size of resunet-v1\.known-v1, but the SHA-256 [0-9a-f]{64}: it is damaged"
    ):
        import_file(tmp_path / "file", [KNOWN])
    with pytest.raises(IntegrityError, match=r"none of the 0 known files.* size: none"):
        import_file(tmp_path / "file", [])


@pytest.mark.parametrize(
    ("kind", "words"), [("nothing", "No such file"), ("folder", "not a regular file"), ("pipe", "not a regular file")]
)
def test_what_is_not_a_file_cannot_be_imported(home, tmp_path, kind, words):
    path = tmp_path / "x"
    if kind == "folder":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(DownloadError, match=f"{re.escape(str(path))} cannot be imported: .*{words}"):
        import_file(path, [KNOWN])


def test_a_file_that_changes_while_it_is_imported_is_refused(home, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(BODY)

    def changing(file, folder):
        path.write_bytes(OTHER)

    monkeypatch.setattr("zoo.weights.cache.look_up", changing)
    with pytest.raises(IntegrityError, match="changed while it was imported"):
        import_file(path, [KNOWN])
    assert [*home.iterdir()] == []


def test_an_import_into_a_folder_that_cannot_be_made_is_an_error(home, tmp_path):
    (tmp_path / "file").write_bytes(BODY)
    home.parent.write_bytes(b"")
    with pytest.raises(DownloadError, match=f"cannot be put into the cache folder {home}"):
        import_file(tmp_path / "file", [KNOWN])
    home.parent.unlink()


def test_looking_up_writes_nothing(home):
    assert look_up(KNOWN, home) is None
    assert not home.parent.exists()


def test_what_is_there_is_listed(filled):
    listed = cached_files([KNOWN])
    assert names(filled, listed) == set(filled) - {"free lock", "held lock", "foreign"}
    (weights,) = [item for item in listed if item.path == filled["known"]]
    assert (weights.name, weights.bytes, weights.partial, weights.known) == (KNOWN.name, len(BODY), False, True)
    assert 0 <= weights.age < 60
    assert names(filled, [item for item in listed if item.partial]) == {
        "dead",
        "living",
        "young",
        "old",
        "dead folder",
    }
    assert names(filled, [item for item in listed if not item.known]) == {"unknown", "young", "old", "dead folder"}


def test_nothing_is_listed_where_there_is_no_folder(home):
    assert cached_files() == prune([]) == ()


def test_what_nobody_needs_is_pruned(filled):
    unwanted = {"unknown", "dead", "old", "dead folder", "free lock"}
    assert names(filled, prune([KNOWN], dry_run=True)) == unwanted
    assert all(path.exists() for path in filled.values())
    assert names(filled, prune([KNOWN])) == unwanted
    assert {name for name, path in filled.items() if not path.exists()} == unwanted
    assert prune([KNOWN]) == ()


def test_everything_is_pruned_but_what_is_in_use_or_not_ours(filled):
    prune([KNOWN], everything=True)
    assert {name for name, path in filled.items() if path.exists()} == {"living", "young", "held lock", "foreign"}


def test_a_download_under_way_is_not_pruned(home, server):
    def pruning(done, total):
        pruned.extend(prune([], everything=True))

    pruned = []
    file = remote(server.on(good(BODY)))
    assert fetch(file, progress=pruning, limits=QUICK).read_bytes() == BODY
    assert pruned == []
    with scratch_folder(home, file.file_name) as folder:
        assert folder not in [item.path for item in prune([file])]
        assert folder.is_dir()
    assert not folder.exists()


def test_a_file_that_cannot_be_removed_is_an_error(filled, monkeypatch):
    def unlink(self, missing_ok=False):
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", unlink)
        with pytest.raises(DownloadError, match="cannot be removed: Permission denied"):
            prune([KNOWN])
