"""NumPy and zarr arrays on disk, of which only the rows that are asked for are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ImageError
from zoo.extras import extra_package
from zoo.prediction.sources import array_source

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from zoo.prediction.sources import Source

ZARR = {"extra": "zarr", "what": "zarr arrays"}


class Mapped:
    """An array in a file that is mapped anew for each reading, so that what was read does not stay in memory.

    Attributes:
        shape: Of the array.
        dtype: Of the array.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        mapped = self._map()
        self.shape, self.dtype = mapped.shape, mapped.dtype

    def _map(self) -> np.ndarray:
        import numpy as np

        return np.load(self._path, mmap_mode="r", allow_pickle=False)

    def __getitem__(self, rows: slice) -> np.ndarray:
        import numpy as np

        return np.array(self._map()[rows])


def open_npy(path: Path, ndim: int) -> Source:
    """Opens a file of `numpy.save`."""
    return array_source(Mapped(path), ndim, str(path))


def open_npz(path: Path, ndim: int) -> Source:
    """Opens a file of `numpy.savez` with one array, which is read whole.

    Raises:
        ImageError: It has several arrays.
    """
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        if len(arrays.files) != 1:
            message = f"{path} has {len(arrays.files)} arrays, {', '.join(arrays.files[:5])}. Save the image as one .npy file."
            raise ImageError(message)
        return array_source(arrays[arrays.files[0]], ndim, str(path))


def open_zarr(path: Path, ndim: int) -> Source:
    """Opens a zarr array.

    Raises:
        ImageError: It is a group of arrays.
        MissingExtraError: zarr is not installed.
    """
    found = extra_package("zarr", **ZARR).open(path, mode="r")
    if not hasattr(found, "shape"):
        names = sorted(name for name, _ in found.arrays())
        message = (
            f"{path} is a group of arrays. Name one of them: {', '.join(str(path / name) for name in names) or 'it is empty'}"
        )
        raise ImageError(message)
    return array_source(found, ndim, str(path))
