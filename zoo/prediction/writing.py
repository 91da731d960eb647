"""Writing results: rows as they are finished, under a private name that becomes the final one when the file is complete."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, ImageError
from zoo.prediction.opening import ending_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    Rows = Iterator[np.ndarray]
    Writer = Callable[[Path, Rows, "Form"], None]

WRITABLE = ".png, .tif, .npy, .nii, .nii.gz, .zarr"
TILE = 256
"""Side of the tiles of TIFF files, and rows of the chunks of zarr arrays."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What is written.

    Attributes:
        shape: `(H, W)`, `(D, H, W)`, or either with a last axis of classes.
        dtype: `"uint8"`, `"uint16"` or `"float32"`.
        ndim: Number of spatial axes.
        mask: Whether it is a mask of one class, 0 or 1.
        affine: Of the NIfTI file that the image came from: matrix and header; else None.
    """

    shape: tuple[int, ...]
    dtype: str
    ndim: int
    mask: bool
    affine: Any = None


def check_out(path: Path, *, ndim: int, dtype: str, channels: int) -> None:
    """Refuses files that cannot hold a result, before it is computed.

    Raises:
        ConfigError: The ending is none that can be written, or the format cannot hold this result.
    """
    ending = ending_of(path)
    if ending not in writers():
        reason = "JPEG changes values" if ending in (".jpg", ".jpeg") else f"{ending or 'a name without ending'} is not known"
        message = f"A result is written as one of {WRITABLE}; {reason}. Received: {path}"
        raise ConfigError(message)
    fits = {".png": ndim == 2 and not channels and dtype != "float32", ".nii": ndim == 3, ".nii.gz": ndim == 3}
    if not fits.get(ending, True):
        what = "class maps of images" if ending == ".png" else "volumes"
        message = f"A {ending} file holds {what} alone; use .tif, .npy or .zarr for this result. Received: {path}"
        raise ConfigError(message)


def writable_ending(name: str | None) -> str | None:
    """Returns the ending of a format by name, `"tif"` or `".tif"`.

    Raises:
        ConfigError: There is no such format.
    """
    if name is None:
        return None
    ending = f".{name.lower().removeprefix('.')}"
    if ending not in writers():
        message = f"A result is written as one of {WRITABLE}. Received: {name!r}"
        raise ConfigError(message)
    return ending


def write(path: Path, rows: Rows, form: Form) -> None:
    """Writes rows as they come; until all are there the file has another name, and it is removed where that fails.

    Raises:
        ImageError: The disk is full, or the folder cannot be written to.
    """
    with replacing(path) as private:
        writers()[ending_of(path)](private, rows, form)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a private name in the same folder, which becomes the final one at the end, and is removed if that is not reached.

    Raises:
        ImageError: The folder cannot be made or written to, or the disk is full.
    """
    private = path.with_name(f".{os.getpid()}.part-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield private
        _move(private, path)
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}."
        raise ImageError(message) from error
    finally:
        _remove(private)


def _move(private: Path, path: Path) -> None:
    if not path.is_dir():
        private.replace(path)
        return
    if not private.is_dir():
        message = f"{path} is a folder, and the result is a file."
        raise ImageError(message)
    old = path.with_name(f".{os.getpid()}.old-{path.name}")  # a folder cannot be replaced in one step
    path.replace(old)
    private.replace(path)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # it was never made, or its folder is none
            path.unlink()


def writers() -> dict[str, Writer]:
    """Returns what writes each ending."""
    return {
        ".png": _png, ".tif": _tiff, ".tiff": _tiff, ".npy": _npy, ".zarr": _zarr, ".nii": _nifti, ".nii.gz": _nifti,
    }  # fmt: skip


def _gathered(rows: Rows, form: Form) -> np.ndarray:
    import numpy as np

    made = np.empty(form.shape, form.dtype)
    start = 0
    for part in rows:
        made[start : start + len(part)] = part
        start += len(part)
    return made


def _png(private: Path, rows: Rows, form: Form) -> None:
    """Writes a class map, gray; a mask has 0 and 255, so that it can be seen."""
    from PIL import Image

    made = _gathered(rows, form)
    Image.fromarray(made * 255 if form.mask else made).save(private, format="PNG")


def _npy(private: Path, rows: Rows, form: Form) -> None:
    import numpy as np

    head = {"descr": np.lib.format.dtype_to_descr(np.dtype(form.dtype)), "fortran_order": False, "shape": form.shape}
    with private.open("wb") as file:
        np.lib.format.write_array_header_2_0(file, head)
        for part in rows:
            file.write(np.ascontiguousarray(part).data)


def _tiff(private: Path, rows: Rows, form: Form) -> None:
    """Writes tiles of 256 x 256 with Deflate, as BigTIFF where 4 GB may not be enough; a volume has one page for each plane."""
    import tifffile

    several = form.shape[form.ndim :] not in ((), (1,))
    tifffile.imwrite(
        private,
        _tiles(rows, form.ndim, several),
        shape=form.shape if several else form.shape[: form.ndim],
        dtype=form.dtype,
        tile=(TILE, TILE),
        compression="zlib",
        photometric="minisblack",
        planarconfig="contig" if several else None,
        metadata={"axes": f"{'ZYX'[3 - form.ndim :]}{'S' if several else ''}"},
        maxworkers=1,
    )


def _tiles(rows: Rows, ndim: int, several: bool) -> Iterator[np.ndarray]:
    """Yields the tiles of a TIFF file in their order: of each page from left to right, from top to bottom."""
    strips = _strips(rows) if ndim == 2 else (plane[top : top + TILE] for part in rows for plane in part for top in _steps(plane))
    for strip in strips:
        for left in range(0, strip.shape[1], TILE):
            tile = _full(strip[:, left : left + TILE])
            yield tile if several else tile.reshape(TILE, TILE)


def _steps(plane: np.ndarray) -> range:
    return range(0, len(plane), TILE)


def _full(tile: np.ndarray) -> np.ndarray:
    """Returns a tile of the full size: at the edges zeros are added, which readers leave out."""
    import numpy as np

    missing = [(0, TILE - size) for size in tile.shape[:2]]
    return np.pad(tile, [*missing, *[(0, 0)] * (tile.ndim - 2)])


def _strips(rows: Rows) -> Iterator[np.ndarray]:
    """Yields rows in groups of as many as a tile has."""
    import numpy as np

    waiting: list[np.ndarray] = []
    count = 0
    for part in rows:
        waiting.append(part)
        count += len(part)
        if count >= TILE:
            joined = np.concatenate(waiting)
            whole = count // TILE * TILE
            yield from (joined[top : top + TILE] for top in range(0, whole, TILE))
            waiting, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(waiting)


def _zarr(private: Path, rows: Rows, form: Form) -> None:
    from zoo.extras import extra_package
    from zoo.prediction.reading.arrays import ZARR

    chunks = tuple(min(size, TILE if form.ndim == 2 else TILE // 4) for size in form.shape[: form.ndim])
    array = extra_package("zarr", **ZARR).create_array(
        store=str(private), shape=form.shape, dtype=form.dtype, chunks=(*chunks, *form.shape[form.ndim :])
    )
    start = 0
    for part in rows:
        array[start : start + len(part)] = part
        start += len(part)


def _nifti(private: Path, rows: Rows, form: Form) -> None:
    """Writes a volume with the place in space of the image that it came from."""
    import numpy as np

    from zoo.extras import extra_package
    from zoo.prediction.reading.volumes import NIFTI

    nibabel = extra_package("nibabel", **NIFTI)
    matrix, header = form.affine or (np.eye(4), None)
    image = nibabel.Nifti1Image(_gathered(rows, form), matrix, header, dtype=form.dtype)
    image.header.set_slope_inter(1, 0)
    image.header["cal_max"] = image.header["cal_min"] = 0  # the brightness of the image says nothing about classes
    nibabel.save(image, private)
