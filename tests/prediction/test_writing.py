"""What is written can be read back and is what `zoo.predict` gives as an array; what is not finished leaves nothing."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from predicting import OWN, network, nuclei

import zoo
from zoo.errors import ConfigError, ImageError
from zoo.prediction.overlay import LARGEST, Overlay, as_colours, outline, painted, palette_for
from zoo.prediction.sources import array_source

READERS = {
    ".png": lambda path: np.asarray(Image.open(path)),
    ".tif": tifffile.imread,
    ".npy": np.load,
    ".zarr": lambda path: zarr.open(path, mode="r")[:],
    ".nii": lambda path: np.asanyarray(nibabel.load(path).dataobj),
    ".nii.gz": lambda path: np.asanyarray(nibabel.load(path).dataobj),
}


@pytest.fixture
def picture(tmp_path, cells):
    """An image in a file."""
    Image.fromarray(cells).save(tmp_path / "cells.png")
    return tmp_path / "cells.png"


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy", ".zarr"])
def test_class_maps(ending, picture, cells):
    out = picture.with_name(f"out{ending}")
    assert zoo.predict(nuclei(), picture, out=out, tile=128) == out
    expected = zoo.predict(nuclei(), cells)
    assert expected.sum() > 0
    np.testing.assert_array_equal(READERS[ending](out), expected * (255 if ending == ".png" else 1))
    assert {path.name for path in picture.parent.iterdir()} == {"cells.png", out.name}


@pytest.mark.parametrize("ending", [".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("classes", [1, 4])
def test_probabilities(ending, classes, tmp_path):
    model = network("resunet-v1-d2-f4", classes=classes)
    image = np.random.default_rng(0).random((300, 530, 3), dtype="float32")
    np.save(tmp_path / "x.npy", image)
    out = zoo.predict(model, tmp_path / "x.npy", out=tmp_path / f"out{ending}", output="probabilities", tile=96)
    found = READERS[ending](out)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found.reshape(300, 530, classes), zoo.predict(model, image, output="probabilities"), atol=1e-5)


def test_classes_are_numbers_in_a_png(tmp_path):
    model = network("resunet-v1-d2-f4", classes=4)
    image = np.random.default_rng(0).random((40, 30, 3), dtype="float32")
    np.save(tmp_path / "x.npy", image)
    out = zoo.predict(model, tmp_path / "x.npy", out=tmp_path / "out.png")
    np.testing.assert_array_equal(READERS[".png"](out), zoo.predict(model, image))


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("output", ["classes", "probabilities"])
def test_volumes_keep_their_place_in_space(ending, output, tmp_path, volume):
    model = network("resunet-v1-3d-d2-f4", classes=3)
    affine = np.array([[0, -2, 0, 5], [1, 0, 0, -3], [0, 0, 3, 7], [0, 0, 0, 1]], float)
    image = volume.astype("float32") / 255
    nibabel.save(nibabel.Nifti1Image(image, affine), tmp_path / "x.nii.gz")
    out = zoo.predict(model, tmp_path / "x.nii.gz", out=tmp_path / f"out{ending}", output=output)
    np.testing.assert_allclose(READERS[ending](out), zoo.predict(model, image, output=output), atol=1e-6)
    if ".nii" in ending:
        made = nibabel.load(out)
        np.testing.assert_array_equal(made.affine, affine)
        np.testing.assert_allclose(made.header.get_zooms()[:3], (1, 2, 3))


def test_large_tiffs_have_tiles_that_any_reader_knows(tmp_path):
    rows = (np.full((100, 700), value, "uint8") for value in range(7))
    from zoo.prediction.writing import Form, write

    write(tmp_path / "x.tif", rows, Form(shape=(700, 700), dtype="uint8", ndim=2, mask=False))
    with Image.open(tmp_path / "x.tif") as other:  # libtiff
        np.testing.assert_array_equal(np.asarray(other)[:, 3], np.repeat(range(7), 100))
    with tifffile.TiffFile(tmp_path / "x.tif") as file:
        assert (file.pages[0].tilelength, len(file.pages)) == (256, 1)


# What is not finished.


def interrupted(done: int, total: int) -> None:
    if done > total // 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize("ending", [".png", ".tif", ".npy", ".zarr"])
@pytest.mark.parametrize("before", [False, True], ids=["new", "old"])
def test_an_interrupt_leaves_no_half_file(ending, before, picture):
    out = picture.with_name(f"out{ending}")
    if before:
        zoo.predict(nuclei(), picture, out=out, threshold=0.9)
        old = READERS[ending](out)
    with pytest.raises(KeyboardInterrupt):
        zoo.predict(nuclei(), picture, out=out, overlay=picture.with_name("o.png"), tile=64, progress=interrupted)
    assert {path.name for path in picture.parent.iterdir()} == {"cells.png", *([out.name] if before else [])}
    if before:
        np.testing.assert_array_equal(READERS[ending](out), old)
        zoo.predict(nuclei(), picture, out=out, threshold=0.1)
        assert READERS[ending](out).sum() > old.sum()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_leaves_no_half_file_of_the_command(tmp_path):
    side = 3000
    tifffile.imwrite(tmp_path / "x.tif", np.random.default_rng(0).integers(0, 255, (side, side, 3), "uint8"), tile=(256, 256))
    out = tmp_path / "out.tif"
    out.write_bytes(b"as it was")
    command = [
        Path(sys.executable).with_name("zoo"),
        "predict",
        tmp_path / "x.tif",
        "--model",
        OWN,
        "--out",
        out,
        "--memory",
        "60MB",
    ]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    parts = f".{process.pid}.part-out.tif"
    while process.poll() is None and not (tmp_path / parts).exists():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode not in (0, 2), said
    assert b"Traceback" not in said
    assert {path.name for path in tmp_path.iterdir()} == {"x.tif", "out.tif"}
    assert out.read_bytes() == b"as it was"


def test_a_full_disk_is_an_error_and_leaves_nothing(picture, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tifffile, "imwrite", full)
    with pytest.raises(ImageError, match=r"out\.tif cannot be written: No space left on device"):
        zoo.predict(nuclei(), picture, out=picture.with_name("out.tif"))
    assert [path.name for path in picture.parent.iterdir()] == ["cells.png"]


def test_a_file_in_the_place_of_a_folder(picture):
    with pytest.raises(zoo.ZooError, match=r"cannot be written"):
        zoo.predict(nuclei(), picture, out=picture / "out.tif")


def test_an_existing_folder_takes_the_result_under_the_name_of_the_image(picture):
    folder = picture.with_name("results")
    folder.mkdir()
    assert zoo.predict(nuclei(), picture, out=folder) == folder / "cells.png"
    assert zoo.predict(nuclei(), picture, out=folder, output="logits") == folder / "cells.tif"


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("cells.png", {}, "would overwrite an image"),
        ("./x/../cells.png", {}, "would overwrite an image"),
        ("out.jpg", {}, "JPEG changes values"),
        ("out.bmp", {}, r"\.bmp is not known"),
        ("out.nii", {}, "holds volumes alone"),
        ("out.png", {"output": "probabilities"}, r"holds class maps of images alone; use \.tif, \.npy or \.zarr"),
        ("out.png", {"overlay": "out.png"}, "would be written twice"),
        ("out.png", {"overlay": "o.tif"}, r"An overlay is a picture: \.png, \.jpg, \.jpeg"),
    ],
)
def test_results_that_have_no_place(out, options, message, picture):
    overlay = options.pop("overlay", None)
    options["overlay"] = picture.parent / overlay if overlay else None
    (picture.parent / "x").mkdir()
    with pytest.raises(ConfigError, match=message):
        zoo.predict(nuclei(), picture, out=picture.parent / out, **options)
    assert {path.name for path in picture.parent.iterdir()} == {"cells.png", "x"}


# Overlays.


def test_an_overlay_shows_classes_in_the_colours_of_the_weights(picture, cells):
    out = picture.with_name("o.png")
    mask = zoo.predict(nuclei(), picture, overlay=out)
    shown = np.asarray(Image.open(out)).astype(int)
    assert shown.shape == cells.shape
    np.testing.assert_array_equal(shown[mask == 0], cells[mask == 0])
    colour = zoo.weights_info(OWN).palette[0]
    inside = (mask == 1) & ~outline(mask == 1)
    np.testing.assert_allclose(shown[inside], 0.6 * cells[inside] + 0.4 * np.array(colour), atol=1)
    np.testing.assert_array_equal(shown[outline(mask == 1)], np.broadcast_to(colour, (outline(mask == 1).sum(), 3)))
    for output in ("probabilities", "logits"):
        zoo.predict(nuclei(), picture, overlay=picture.with_name("same.png"), output=output, tile=128)
        assert picture.with_name("same.png").read_bytes() == out.read_bytes()
    zoo.predict(nuclei(), picture, overlay=picture.with_name("o.jpg"))
    assert Image.open(picture.with_name("o.jpg")).format == "JPEG"


def test_an_outline_is_inside_and_ends_at_the_edge_of_the_image():
    mask = np.zeros((5, 6), bool)
    mask[1:4, 2:] = True
    np.testing.assert_array_equal(
        outline(mask).astype(int),
        [[0, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 1], [0, 0, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]],
    )


def test_black_classes_are_not_painted_and_overlapping_ones_all_are():
    gray = np.full((4, 4, 3), 100, "uint8")
    found = np.zeros((4, 4), "uint8")
    found[1] = 1
    made = painted(gray, found, ((0, 0, 0), (200, 100, 100)))
    np.testing.assert_array_equal(made[0], gray[0])
    assert (made[1, :, 0] > 100).all()
    masks = np.stack([found, found * 0 + 1], -1)
    assert (painted(gray, masks, ((255, 0, 0), (0, 255, 0))) != 100).any(-1).all()
    assert palette_for(2, ())[0] == (0, 0, 0)
    assert len(set(palette_for(6, ()))) == 6


def test_a_large_overlay_is_made_smaller():
    image = np.broadcast_to(np.arange(LARGEST + 10, dtype="uint16")[:, None, None], (LARGEST + 10, 8, 1))
    overlay = Overlay(source=array_source(image, 2), palette=((255, 0, 0),))
    mask = np.zeros((LARGEST + 10, 8), "uint8")
    mask[100] = 1
    for start in range(0, len(mask), 333):
        overlay.see(mask[start : start + 333])
    found, picture = np.concatenate(overlay._kept), overlay._thumbnail()
    assert found.shape == picture.shape[:2] == ((LARGEST + 10) // 2, 4)
    assert np.flatnonzero(found.any(1)).tolist() == [50]
    assert picture[0, 0, 0] < picture[-1, 0, 0]


@pytest.mark.parametrize("dtype", ["uint16", "float32", "int16", "bool"])
def test_any_type_can_be_shown(dtype):
    shown = as_colours((np.arange(400).reshape(20, 20, 1) * 50 % 9000).astype(dtype))
    assert (shown.shape, shown.dtype) == ((20, 20, 3), "uint8")
    assert shown.max() == 255


def test_a_volume_has_no_overlay(tmp_path, volume):
    np.save(tmp_path / "x.npy", volume / 255)
    with pytest.raises(ConfigError, match="An overlay shows one image; a volume has none"):
        zoo.predict(network("resunet-v1-3d-d2-f4", classes=3), tmp_path / "x.npy", overlay=tmp_path / "o.png")
