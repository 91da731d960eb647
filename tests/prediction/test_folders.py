"""Folders and the command: what is done, what fails, how it is told, and the exit status."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from predicting import OWN, network, nuclei

import zoo
from zoo.errors import ConfigError, ImageError


@pytest.fixture
def folder(tmp_path, cells):
    """Three images, one of them broken, and what is no image."""
    made = tmp_path / "images"
    (made / "deeper").mkdir(parents=True)
    Image.fromarray(cells).save(made / "a.png")
    tifffile.imwrite(made / "b.tif", cells[:100, :90].astype("uint16") * 257)
    (made / "c.png").write_bytes((made / "a.png").read_bytes()[:500])
    (made / "notes.txt").write_text("notes")
    (made / ".hidden.png").write_bytes(b"")
    return made


@pytest.fixture(autouse=True)
def loaded_once(monkeypatch):
    """The weights of the package are loaded once for all commands of this file."""
    loaded, get = nuclei(), zoo.get
    monkeypatch.setattr(zoo, "get", lambda name, **options: loaded if name == OWN and not options else get(name, **options))


def test_a_folder_gives_all_results_and_the_error_of_the_bad_one(folder, cells):
    with pytest.raises(ImageError, match=r"1 of 3 images failed: .*c\.png cannot be read; it may be damaged") as caught:
        zoo.predict(nuclei(), folder)
    assert set(caught.value.results) == {folder / "a.png", folder / "b.tif"}
    np.testing.assert_array_equal(caught.value.results[folder / "a.png"], zoo.predict(nuclei(), cells))
    (folder / "c.png").unlink()
    assert {path.name: mask.shape for path, mask in zoo.predict(nuclei(), str(folder)).items()} == {
        "a.png": cells.shape[:2],
        "b.tif": (100, 90),
    }


def test_a_list_of_paths_and_a_folder_for_results(folder, cells):
    out = folder.parent / "out"
    done = zoo.predict(nuclei(), [folder / "a.png", folder / "b.tif"], out=out, overlay=folder.parent / "overlays")
    assert done == {folder / "a.png": out / "a.png", folder / "b.tif": out / "b.png"}
    np.testing.assert_array_equal(np.asarray(Image.open(out / "a.png")) // 255, zoo.predict(nuclei(), cells))
    assert {path.name for path in (folder.parent / "overlays").iterdir()} == {"a.png", "b.png"}


def test_a_folder_without_images(tmp_path):
    with pytest.raises(ImageError, match=r"There is no image in .* What can be read: PNG"):
        zoo.predict(nuclei(), tmp_path)


def test_two_images_for_one_result(folder):
    (folder / "a.jpg").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"a\.png would be written twice, for .*a\.jpg and .*a\.png"):
        zoo.predict(nuclei(), folder, out=folder.parent / "out")


def test_a_folder_as_its_own_result(folder):
    with pytest.raises(ConfigError, match="would overwrite an image"):
        zoo.predict(nuclei(), folder, out=folder)
    assert Image.open(folder / "a.png").mode == "RGB"


def test_a_file_for_many_results(folder):
    with pytest.raises(ConfigError, match="Several images need a folder to put their results in"):
        zoo.predict(nuclei(), folder, out=folder.parent / "out.png")


# The command.


def test_the_command(run, folder, cells):
    out, overlay = folder.parent / "mask.png", folder.parent / "overlay.png"
    done = run("predict", str(folder / "a.png"), "--model", OWN, "--out", str(out), "--overlay", str(overlay))
    assert (done.code, done.out.splitlines(), done.err) == (0, [str(out), str(overlay)], "")
    np.testing.assert_array_equal(np.asarray(Image.open(out)) // 255, zoo.predict(nuclei(), cells))
    assert Image.open(overlay).size == cells.shape[1::-1]


def test_the_command_names_a_result_beside_its_image(run, folder):
    assert run("predict", str(folder / "b.tif"), "-m", OWN).out == f"{folder / 'b.mask.png'}\n"
    assert run("predict", str(folder / "b.tif"), "-m", OWN, "--probabilities").out == f"{folder / 'b.mask.tif'}\n"
    assert run("predict", str(folder / "b.tif"), "-m", OWN, "--format", "npy").out == f"{folder / 'b.mask.npy'}\n"
    assert np.load(folder / "b.mask.npy").shape == (100, 90)


def test_the_command_finishes_the_others_names_the_bad_one_and_fails(run, folder):
    out = folder.parent / "out"
    done = run("predict", str(folder), "--model", OWN, "--out", str(out), "--json")
    assert done.code == 1
    assert f"error: {folder / 'c.png'} cannot be read" in done.err
    assert done.err.splitlines()[-1] == f"1 of 3 images failed: {folder / 'c.png'}"
    rows = json.loads(done.out)
    assert [row["image"] for row in rows] == [str(folder / name) for name in ("a.png", "b.tif", "c.png")]
    assert (rows[0]["out"], rows[0]["tiles"], rows[0]["exact"]) == (str(out / "a.png"), 1, True)
    assert "damaged" in rows[2]["error"]
    assert {path.name for path in out.iterdir()} == {"a.png", "b.png"}


def test_an_image_that_does_not_fit_the_network_is_named_and_the_others_are_done(run, folder):
    np.save(folder / "c.npy", np.zeros((10, 10, 7), "uint8"))
    (folder / "c.png").unlink()
    done = run("predict", str(folder), "--model", OWN, "--out", str(folder.parent / "out"))
    assert done.code == 1
    assert f"error: {folder / 'c.npy'}: These weights read 3 channels" in done.err
    assert len(done.out.splitlines()) == 2


def test_one_bad_image_alone_is_a_mistake(run, folder):
    done = run("predict", str(folder / "c.png"), "--model", OWN)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {folder / 'c.png'} cannot be read")
    assert "c.mask.png" not in {path.name for path in folder.iterdir()}


def test_tiles_that_are_not_exact_are_told(run, folder):
    done = run("predict", str(folder / "a.png"), "--model", OWN, "--tile", "64", "--overlap", "16", "--batch", "4")
    assert (done.code, "was predicted in" in done.err) == (0, True)
    assert "64×64" in done.err
    exact = run("predict", str(folder / "a.png"), "--model", OWN, "--tile", "128", "--flips")
    assert (exact.code, exact.err) == (0, "")


def test_weights_in_a_file(run, folder, tmp_path, cells):
    prepare = zoo.Preprocessing(channels=("red", "green", "blue"))
    model = network("resunet-v1-d2-f4")
    path = zoo.export_weights(model, tmp_path / "own.safetensors", zoo.Card(preprocessing=prepare))
    done = run("predict", str(folder / "a.png"), "--model", str(path), "--out", str(tmp_path / "x.npy"), "--logits")
    assert done.code == 0, done.err
    expected = zoo.predict(model, cells, preprocessing=prepare, output="logits")
    np.testing.assert_allclose(np.load(tmp_path / "x.npy"), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "--model", "resunet-v1"], "names a network, not weights"),
        (["a.png", "--model", "resunet-v1-d3-f8.nucleus-v1"], "did you mean 'nuclei-v1'"),
        (["a.png", "--model", "x.weights.h5"], "does not say which network it is for"),
        (["a.png", "--model", "./no.safetensors"], "There is no file ./no.safetensors"),
        (["nothing.png", "--model", OWN], "There is no file nothing.png"),
        (["a.png", "b.tif", "--model", OWN], "Several images need a folder for their results: --out FOLDER"),
        ([".", "--model", OWN], "Several images need a folder for their results"),
        (["a.png", "--model", OWN, "--probabilities", "--logits"], "Give one of them"),
        (["a.png", "--model", OWN, "--format", "bmp"], r"A result is written as one of .png, .tif"),
        (["a.png", "--model", OWN, "--memory", "lots"], "'2GB' or '500MB'"),
        (["a.png", "--model", OWN, "--out", "a.png"], "would overwrite an image"),
        (["a.png", "--model", OWN, "--threshold", "7"], "between 0 and 1"),
    ],
)
def test_mistakes_end_in_one_line(run, folder, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    done = run("predict", *arguments)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert len(done.err.splitlines()) == 1
    assert sorted(path.name for path in folder.iterdir()) == [".hidden.png", "a.png", "b.tif", "c.png", "deeper", "notes.txt"]


PAGE = Path(__file__).parents[2] / "docs" / "guide" / "predict.md"


def test_the_help_names_the_options_of_the_guide(run):
    text = run("predict", "--help").out
    for option in set(re.findall(r"`(--[a-z]+)", PAGE.read_text(encoding="utf-8"))):
        assert option in text, option
