"""From a path to an image that bands can be read of, by the ending of its name."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.errors import ImageError, ZooError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo.prediction.sources import Source

    Opener = Callable[[Path, int], Source]

READABLE = "PNG (.png), JPEG (.jpg, .jpeg), TIFF (.tif, .tiff), NumPy (.npy, .npz), NIfTI (.nii, .nii.gz) and zarr (.zarr)"
OTHERS = {
    ".dcm": "DICOM: convert the series with dcm2niix, or read it with pydicom and give the array to zoo.predict",
    ".gif": "GIF: save the picture as PNG",
    ".bmp": "BMP: save the picture as PNG",
    ".webp": "WebP: save the picture as PNG",
    ".jp2": "JPEG 2000: save the picture as TIFF",
    ".czi": "Zeiss: export it as TIFF",
    ".nd2": "Nikon: export it as TIFF",
    ".lif": "Leica: export it as TIFF",
    ".mha": "MetaImage: save it as NIfTI",
    ".nrrd": "NRRD: save it as NIfTI",
    ".heic": "HEIC: save the picture as JPEG",
}
"""What people may try, and what to do then."""


def openers() -> dict[str, Opener]:
    """Returns what opens each ending."""
    from zoo.prediction.reading import arrays, pictures, tiffs, volumes

    return {
        ".png": pictures.open_picture, ".jpg": pictures.open_picture, ".jpeg": pictures.open_picture,
        ".tif": tiffs.open_tiff, ".tiff": tiffs.open_tiff, ".npy": arrays.open_npy, ".npz": arrays.open_npz,
        ".zarr": arrays.open_zarr, ".nii": volumes.open_nifti, ".nii.gz": volumes.open_nifti,
    }  # fmt: skip


def ending_of(path: Path) -> str:
    """Returns the ending of a name in lower case, `.nii.gz` as one; `.zarr` also for an array inside such a folder."""
    name = path.name.lower()
    if name.endswith(".nii.gz"):
        return ".nii.gz"
    if path.suffix == "" and any(parent.suffix.lower() == ".zarr" for parent in path.parents):
        return ".zarr"
    return path.suffix.lower()


def stem_of(path: Path) -> str:
    """Returns a name without its ending."""
    ending = ending_of(path)
    return path.name[: -len(ending)] if ending and path.name.lower().endswith(ending) else path.name


def is_image(path: Path) -> bool:
    """Whether a path is that of one image, though it may be a folder on disk."""
    return ending_of(path) == ".zarr" or not path.is_dir()


@contextlib.contextmanager
def opened(path: Path, ndim: int) -> Iterator[Source]:
    """Opens an image for a network of so many spatial axes.

    Raises:
        ImageError: It cannot be read, or is none for such a network; whatever fails is told with the path.
    """
    opener = openers().get(ending_of(path))
    if not path.exists():
        message = f"There is no file {path}."
        raise ImageError(message)
    if opener is None:
        special = OTHERS.get(ending_of(path), "")
        message = f"{path} cannot be read{f', it is {special}' if special else ''}. What can be read: {READABLE}."
        raise ImageError(message)
    if path.is_file() and path.stat().st_size == 0:
        message = f"{path} is empty."
        raise ImageError(message)
    with told(path):
        source = opener(path, ndim)
    try:
        yield source
    finally:
        source.close()


@contextlib.contextmanager
def told(path: Path) -> Iterator[None]:
    """Turns whatever a library raises about a file into an error that names the file."""
    try:
        yield
    except ZooError:
        raise
    except MemoryError:
        message = f"{path} does not fit into memory. Save it as a tiled TIFF or as zarr, which are read in parts."
        raise ImageError(message) from None
    except Exception as error:  # libraries raise all kinds of errors about damaged files
        said = " ".join(str(error).split()) or type(error).__name__
        message = f"{path} cannot be read; it may be damaged, cut off, or no {ending_of(path)[1:]} file: {said[:300]}"
        raise ImageError(message) from error


def images_in(folder: Path) -> list[Path]:
    """Returns the images of a folder, not of folders inside it, by name; hidden files are left out.

    Raises:
        ImageError: There is none.
    """
    known = openers()
    found = sorted(
        path for path in folder.iterdir() if not path.name.startswith(".") and ending_of(path) in known and is_image(path)
    )
    if not found:
        message = f"There is no image in {folder}. What can be read: {READABLE}."
        raise ImageError(message)
    return found
