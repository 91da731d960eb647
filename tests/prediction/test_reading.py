"""What can be read gives its exact pixels, in parts as well; what cannot is an error that says why."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image
from predicting import network, nuclei

import zoo
from zoo.errors import ImageError, MissingExtraError
from zoo.prediction.opening import opened

RNG = np.random.default_rng(0)
GRAY8 = RNG.integers(0, 255, (61, 47), "uint8")
RGB8 = RNG.integers(0, 255, (61, 47, 3), "uint8")
RGBA8 = RNG.integers(0, 255, (61, 47, 4), "uint8")
GRAY16 = RNG.integers(0, 65535, (61, 47), "uint16")
RGB16 = RNG.integers(0, 65535, (61, 47, 3), "uint16")
VOLUME = RNG.integers(0, 255, (7, 30, 20), "uint8")


def pixels(path, ndim=2):
    """All rows of an image, read in two parts."""
    with opened(path, ndim) as source:
        rows = source.sizes[0]
        parts = [source.read(0, rows // 2), source.read(rows // 2, rows)]
        found = np.concatenate(parts)
        assert found.shape == (*source.sizes, source.channels)
        assert found.dtype == source.dtype
        return found


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("array", [GRAY8, RGB8, RGBA8, GRAY16], ids=["gray", "rgb", "rgba", "gray16"])
def test_png(array, tmp_path):
    np.testing.assert_array_equal(pixels(saved(tmp_path / "x.png", array)), array.reshape(61, 47, -1))


def test_png_of_16_bit_colours_keeps_its_16_bits(tmp_path):
    path = tmp_path / "x.png"
    path.write_bytes(imagecodecs.png_encode(RGB16))
    np.testing.assert_array_equal(pixels(path), RGB16)


def test_png_with_a_palette_is_colours_not_indices(tmp_path):
    picture = Image.fromarray(GRAY8 // 64, "P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    picture.save(tmp_path / "x.png")
    np.testing.assert_array_equal(pixels(tmp_path / "x.png")[..., 0], 10 + 30 * (GRAY8 // 64))


def test_png_of_one_bit(tmp_path):
    Image.fromarray(GRAY8 > 99).save(tmp_path / "x.png")
    np.testing.assert_array_equal(pixels(tmp_path / "x.png")[..., 0], 255 * (GRAY8 > 99))


def test_jpeg_and_upper_case_endings(tmp_path):
    path = saved(tmp_path / "x.JPG", np.full((8, 8, 3), 77, "uint8"), format="JPEG")
    np.testing.assert_allclose(pixels(path), 77, atol=2)


@pytest.mark.parametrize("ending", [".png", ".jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright_as_exif_says(orientation, ending, tmp_path):
    from PIL import ImageOps

    block = np.zeros((32, 48, 3), "uint8")
    block[:16, :16], block[:16, 32:] = (250, 20, 20), (20, 250, 20)
    picture = Image.fromarray(block)
    exif = picture.getexif()
    exif[0x0112] = orientation
    picture.save(tmp_path / f"x{ending}", exif=exif)
    with Image.open(tmp_path / f"x{ending}") as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored))
    np.testing.assert_array_equal(pixels(tmp_path / f"x{ending}"), expected)


TIFFS = {
    "strip": (RGB8, {}),
    "strips": (GRAY16, {"rowsperstrip": 7}),
    "tiles": (RGB16, {"tile": (16, 32)}),
    "lzw": (RGB16, {"compression": "lzw", "predictor": True}),
    "deflate": (GRAY8, {"compression": "zlib", "rowsperstrip": 9}),
    "zstd": (RGB8, {"compression": "zstd", "tile": (32, 32)}),
    "bigtiff": (GRAY8, {"bigtiff": True, "tile": (16, 16)}),
    "float": (GRAY8.astype("float32") / 3, {}),
    "alpha": (RGBA8, {"photometric": "rgb", "extrasamples": ["unassalpha"], "tile": (32, 16)}),
    "planes": (np.moveaxis(RGB8, -1, 0), {"photometric": "rgb", "planarconfig": "separate"}),
    "planes in tiles": (np.moveaxis(RGB8, -1, 0), {"photometric": "rgb", "planarconfig": "separate", "tile": (16, 16)}),
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff(name, tmp_path):
    array, options = TIFFS[name]
    tifffile.imwrite(tmp_path / "x.tif", array, **options)
    expected = np.moveaxis(array, 0, -1) if name.startswith("planes") else array.reshape(61, 47, -1)
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif"), expected)


def test_tiff_with_jpeg_inside(tmp_path):
    smooth = np.add.outer(np.arange(61), np.arange(47))[..., None].repeat(3, -1).astype("uint8")
    tifffile.imwrite(tmp_path / "x.tif", smooth, compression="jpeg", tile=(32, 32), photometric="rgb")
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif"), tifffile.imread(tmp_path / "x.tif"))


def test_tiff_in_which_0_is_white(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", GRAY8, photometric="miniswhite")
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif")[..., 0], 255 - GRAY8)


def test_tiff_of_channels_in_pages(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.moveaxis(RGB8, -1, 0), metadata={"axes": "CYX"}, photometric="minisblack")
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif"), RGB8)


@pytest.mark.parametrize("options", [{}, {"compression": "lzw"}, {"tile": (16, 16)}, {"metadata": {"axes": "ZYX"}}])
def test_volumes_in_tiff(options, tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", VOLUME, photometric="minisblack", **options)
    np.testing.assert_array_equal(pixels(tmp_path / "x.tif", 3)[..., 0], VOLUME)


def test_numpy(tmp_path):
    np.save(tmp_path / "x.npy", GRAY16)
    np.testing.assert_array_equal(pixels(tmp_path / "x.npy")[..., 0], GRAY16)
    np.save(tmp_path / "f.npy", np.asfortranarray(VOLUME))
    np.testing.assert_array_equal(pixels(tmp_path / "f.npy", 3)[..., 0], VOLUME)
    np.savez(tmp_path / "x.npz", image=RGB8)
    np.testing.assert_array_equal(pixels(tmp_path / "x.npz"), RGB8)


def test_zarr(tmp_path):
    array = zarr.create_array(store=str(tmp_path / "x.zarr"), shape=RGB8.shape, dtype="uint8", chunks=(16, 16, 3))
    array[:] = RGB8
    np.testing.assert_array_equal(pixels(tmp_path / "x.zarr"), RGB8)
    group = zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    group.create_array("0", shape=RGB8.shape, dtype="uint8")[:] = RGB8
    np.testing.assert_array_equal(pixels(tmp_path / "g.zarr" / "0"), RGB8)
    with pytest.raises(ImageError, match=r"is a group of arrays. Name one of them: .*g\.zarr/0"):
        pixels(tmp_path / "g.zarr")


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_nifti(ending, tmp_path):
    path = tmp_path / f"x{ending}"
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.diag([1, 2, 3, 1])), path)
    np.testing.assert_array_equal(pixels(path, 3)[..., 0], VOLUME)
    nibabel.save(nibabel.Nifti1Image(np.stack([VOLUME, VOLUME // 2], -1), np.eye(4)), path)
    assert pixels(path, 3).shape == (*VOLUME.shape, 2)


def test_nifti_values_are_scaled_as_its_head_says(tmp_path):
    image = nibabel.Nifti1Image(VOLUME.astype("int16"), np.eye(4))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "x.nii")
    stored = nibabel.load(tmp_path / "x.nii")
    np.testing.assert_allclose(pixels(tmp_path / "x.nii", 3)[..., 0], stored.get_fdata())


def test_a_file_and_its_array_give_the_same(tmp_path, cells):
    path = saved(tmp_path / "x.png", cells)
    tifffile.imwrite(tmp_path / "x.tif", cells, tile=(64, 64), compression="zlib")
    expected = zoo.predict(nuclei(), cells)
    np.testing.assert_array_equal(zoo.predict(nuclei(), path), expected)
    np.testing.assert_array_equal(zoo.predict(nuclei(), str(tmp_path / "x.tif"), tile=128), expected)


# What cannot be read.


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(side: int) -> bytes:
    """A small PNG file that claims to be huge."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def encoded(picture: Image.Image, form: str, **options) -> bytes:
    memory = io.BytesIO()
    picture.save(memory, form, **options)
    return memory.getvalue()


def animation() -> bytes:
    frames = [Image.fromarray(GRAY8), Image.fromarray(255 - GRAY8)]
    return encoded(frames[0], "PNG", save_all=True, append_images=frames[1:])


BROKEN = {
    "text.png": (b"hello, this is text", r"neither a PNG nor a JPEG file: it begins with b'hello, t'"),
    "empty.tif": (b"", "is empty"),
    "cut.png": (encoded(Image.fromarray(RGB8), "PNG")[:2000], "may be damaged, cut off, or no png file"),
    "cut.jpg": (encoded(Image.fromarray(RGB8), "JPEG", quality=95)[:3000], "may be damaged, cut off, or no jpg file"),
    "text.tif": (b"hello, this is text", "may be damaged, cut off, or no tif file"),
    "text.npy": (b"hello, this is text", "may be damaged, cut off, or no npy file"),
    "text.nii": (b"hello, this is text", "may be damaged, cut off, or no nii file"),
    "text.nii.gz": (b"hello, this is text", r"may be damaged, cut off, or no nii\.gz file"),
    "bomb.png": (bomb(40_000), "more than 178,956,970 pixels.*decompression bomb"),
    "moving.png": (animation(), "is animated"),
    "print.jpg": (encoded(Image.new("CMYK", (8, 8)), "JPEG"), "has CMYK colours, which are for print. Save it as RGB"),
    "scan.dcm": (b"DICM", r"DICOM: convert the series with dcm2niix.*What can be read: PNG \(\.png\), JPEG"),
    "moving.gif": (encoded(Image.fromarray(GRAY8), "GIF"), "GIF: save the picture as PNG"),
    "what.xyz": (b"?", r"what\.xyz cannot be read. What can be read: PNG"),
    "gif.png": (encoded(Image.fromarray(GRAY8), "GIF"), "neither a PNG nor a JPEG file: it begins with b'GIF8"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_and_foreign_files(name, tmp_path):
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        zoo.predict(network("resunet-v1-3d-d2-f4", classes=2) if ".nii" in name else nuclei(), tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_tiff_that_is_cut_off(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", RGB16, tile=(16, 16), compression="zlib")
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"x\.tif"):
        zoo.predict(nuclei(), tmp_path / "x.tif")


def test_tiff_files_that_are_no_image_of_intensities(tmp_path):
    colormap = RNG.integers(0, 65535, (3, 256), "uint16")
    tifffile.imwrite(tmp_path / "palette.tif", GRAY8, photometric="palette", colormap=colormap)
    with pytest.raises(ImageError, match="colours of the kind PALETTE"):
        pixels(tmp_path / "palette.tif")
    tifffile.imwrite(tmp_path / "print.tif", RGBA8, photometric="separated")
    with pytest.raises(ImageError, match="colours of the kind SEPARATED"):
        pixels(tmp_path / "print.tif")
    tifffile.imwrite(tmp_path / "turned.tif", GRAY8, extratags=[(274, "H", 1, 6, True)])
    with pytest.raises(ImageError, match=r"turned by a tag \(orientation 6\)"):
        pixels(tmp_path / "turned.tif")


def test_a_tiff_with_a_thumbnail_and_one_whose_first_image_is_not_the_largest(tmp_path):
    for name, arrays in (("slide.tif", (RGB8, RGB8[:20, :10])), ("odd.tif", (RGB8[:20, :10], RGB8))):
        with tifffile.TiffWriter(tmp_path / name) as file:
            for array in arrays:
                file.write(array, photometric="rgb")
    np.testing.assert_array_equal(pixels(tmp_path / "slide.tif"), RGB8)
    with pytest.raises(ImageError, match="has 2 images, and the first is not the largest"):
        pixels(tmp_path / "odd.tif")


def test_pages_for_a_network_of_images_and_an_image_for_a_network_of_volumes(tmp_path):
    tifffile.imwrite(tmp_path / "pages.tif", VOLUME, photometric="minisblack")
    with pytest.raises(ImageError, match=r"axes \w+, \(7, 30, 20\): several pages or times. A 2D network takes one image"):
        pixels(tmp_path / "pages.tif", 2)
    tifffile.imwrite(tmp_path / "one.tif", GRAY8)
    with pytest.raises(ImageError, match="A 3D network takes a volume: a TIFF file with one page for each plane"):
        pixels(tmp_path / "one.tif", 3)
    nibabel.save(nibabel.Nifti1Image(VOLUME, np.eye(4)), tmp_path / "x.nii")
    with pytest.raises(ImageError, match=r"x\.nii is a volume, \(7, 30, 20\). A 2D network"):
        zoo.predict(nuclei(), tmp_path / "x.nii")


def test_numpy_files_that_are_no_one_image(tmp_path):
    np.savez(tmp_path / "x.npz", a=GRAY8, b=GRAY8)
    with pytest.raises(ImageError, match="has 2 arrays, a, b"):
        pixels(tmp_path / "x.npz")
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(ImageError, match=r"x\.npy cannot be read"):
        pixels(tmp_path / "x.npy")


def test_values_that_are_not_finite_are_named(tmp_path):
    image = GRAY8.astype("float32")
    image[50, 3] = np.nan
    tifffile.imwrite(tmp_path / "x.tif", image, rowsperstrip=8)
    for options in ({}, {"tile": 64, "overlap": 16}):
        with pytest.raises(zoo.ZooError, match="not finite"):
            zoo.predict(nuclei(), tmp_path / "x.tif", **options)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ImageError, match=r"There is no file .*x\.png"):
        zoo.predict(nuclei(), tmp_path / "x.png")


@pytest.mark.parametrize(("package", "name", "extra"), [("nibabel", "x.nii", "nifti"), ("zarr", "x.zarr", "zarr")])
def test_packages_that_are_not_installed(package, name, extra, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(MissingExtraError, match=rf"pip install 'resunet-zoo\[{extra}\]'"):
        pixels(tmp_path / name, 3)
