"""The commands about weights, as people and programs read them."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import zoo
from zoo.terminal import read_setting
from zoo.weights import library
from zoo.weights.tensors import file_sha256

NAME = "resunet-v1-d2-f2.cells-v1"


@pytest.fixture
def published(tmp_path, home):
    """One set of weights, by a manifest in a file."""
    library.forget_manifests()
    card = zoo.Card(classes=("cell",), licence="CC0-1.0", data_licence="CC-BY-4.0")
    path = zoo.export_weights(zoo.get("resunet-v1-d2-f2"), tmp_path / "x.safetensors", card)
    from zoo.weights.metadata import from_metadata
    from zoo.weights.tensors import open_tensors

    with open_tensors(path) as file:
        probe = from_metadata(file.metadata, "x").probe
    dice = zoo.Metric(name="Dice", value=0.875, data="cells", split="val", protocol="as it is", images=4)
    recipe = zoo.Recipe(command="python train.py", commit="abc", versions=("keras 3",), minutes=3, machine="2 cores")
    entry = zoo.WeightsEntry(
        name=NAME, sources=(path.as_uri(),), bytes=path.stat().st_size, sha256=file_sha256(path), probe=probe, classes=("cell",),
        licence="CC0-1.0", data="cells", data_licence="CC-BY-4.0", task="cells", summary="Cells.", metrics=(dice,), recipe=recipe,
        repeats=(zoo.Repeat(score=0.86, changes=("training.seed=5",), versions=("keras 3",)),),
    )  # fmt: skip
    zoo.add_weights(entry)
    yield entry
    library.forget_manifests()


def test_list(run, published):
    done = run("weights", "list", "resunet-v1-d2-f2")
    head, row = done.out.splitlines()
    assert head.split() == ["name", "task", "size", "licence", "data", "scores"]
    assert row.split()[:2] == [NAME, "cells"]
    assert row.endswith("CC0-1.0  cells  Dice 0.875 (val)")
    rows = json.loads(run("weights", "list", "resunet-v1-d2-f2", "--json").out)
    assert rows[0]["bytes"] == published.bytes
    assert rows[0]["metrics"] == [{"name": "Dice", "value": 0.875, "data": "cells", "split": "val"}]
    nothing = run("weights", "list", "--licence", "GPL*")
    assert (nothing.code, nothing.out) == (1, "")
    assert "weights matches" in nothing.err


def test_show(run, published):
    text = run("weights", "show", NAME).out
    for part in (
        "Cells.",
        published.sha256,
        "CC-BY-4.0",
        "0.8750 on cells val (4 images; as it is)",
        "python train.py",
        "3 minutes",
        "0.8600 with training.seed=5: other weights; keras 3",
    ):
        assert part in text
    assert json.loads(run("weights", "show", NAME, "--json").out)["sha256"] == published.sha256


def test_download_and_cache(run, published, home):
    path = run("weights", "download", "resunet-v1-d2-*").out.strip()
    assert file_sha256(path) == published.sha256
    (home / "0123456789abcdef-old.safetensors").write_bytes(b"x")
    rows = json.loads(run("weights", "cache", "--json").out)
    assert {row["name"]: row["known"] for row in rows} == {NAME: True, "0123456789abcdef-old.safetensors": False}
    assert "2 files, 1 B, would be removed from" in run("weights", "cache", "--prune", "--dry-run").out
    assert (home / "0123456789abcdef-old.safetensors").exists()
    run("weights", "cache", "--prune")
    assert not (home / "0123456789abcdef-old.safetensors").exists()
    assert NAME in run("weights", "cache").out
    run("weights", "cache", "--prune", "--all")
    assert "0 files" in run("weights", "cache").out
    assert run("weights", "cache", "--all").code == 2


def test_import_by_hash(run, published, tmp_path, home):
    carried = tmp_path / "stick" / "some file.bin"
    carried.parent.mkdir()
    shutil.copy(published.sources[0].removeprefix("file://"), carried)
    assert run("weights", "import", str(carried)).out.startswith(f"{NAME}: {home}")
    carried.write_bytes(b"something else")
    done = run("weights", "import", str(carried))
    assert done.code == 2
    assert "error:" in done.err


def test_verify(run, published):
    assert NAME in run("weights", "verify", NAME).out
    found = json.loads(run("weights", "verify", NAME, "--json").out)[0]
    assert found["error"] < 1e-5
    assert found["sha256"] == published.sha256


@pytest.mark.parametrize("command", ["show", "download", "verify"])
def test_unknown_names_are_errors_of_one_line(run, published, command):
    done = run("weights", command, "resunet-v1-d2-f2.cels-v1")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert "did you mean 'cells-v1'" in done.err


def test_a_pattern_that_matches_nothing_is_an_error(run, published):
    assert "No weights match 'x*'" in run("weights", "download", "x*").err


def test_convert(run, tmp_path):
    """A file of the document's second code, as Keras 3 saves it."""
    from architectures.oracles import ResUnet2D

    original = ResUnet2D(2, None, None)
    original.save_weights(tmp_path / "old.weights.h5")
    done = run(
        "convert", str(tmp_path / "old.weights.h5"), "--to", "resunet-v2-d5-f2", "--out", str(tmp_path / "new.safetensors")
    )
    assert done.code == 0, done.err
    assert "by the table seed-2: zoo.get('resunet-v2-d5-f2', weights=" in done.err
    image = np.random.default_rng(1).random((1, 32, 32, 3), "float32")
    model = zoo.get("resunet-v2-d5-f2", weights=tmp_path / "new.safetensors")
    np.testing.assert_allclose(np.array(model(image)), np.array(original(image)), atol=1e-6)
    assert run("convert", str(tmp_path / "nothing.h5"), "--to", "resunet-v2-d5-f2").code == 2
    assert "did you mean" in run("convert", str(tmp_path / "old.weights.h5"), "--to", "resunt-v2").err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("classes=3", ("classes", 3)),
        ("strides=[2,[2,1],2]", ("strides", (2, (2, 1), 2))),
        ("activation=elu", ("activation", "elu")),
        ("norm=null", ("norm", None)),
    ],
)
def test_settings_are_read(text, expected):
    assert read_setting("--set", text) == expected


@pytest.mark.parametrize("text", ["classes", "=3", "classes=", "a b=3"])
def test_settings_that_are_none_are_errors(run, text):
    done = run("convert", "x.pt", "--to", "unet", "--set", text)
    assert (done.code, done.out) == (2, "")
    assert f"such as classes=3 or strides=[2,2,1]. Received: {text!r}" in done.err


def test_a_setting_that_is_no_field_is_an_error(run):
    assert (
        "`clases` is not a field of unet; did you mean 'classes'?"
        in run("convert", "x.pt", "--to", "unet", "--set", "clases=3").err
    )
