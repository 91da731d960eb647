"""TIFF files by tifffile: rows are decoded tile by tile or strip by strip as they are asked for, volumes page by page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zoo.errors import ImageError
from zoo.prediction.sources import Source, array_source, check_form

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

CHANNELS_FIRST = ("CYX", "SYX")
PICTURES = ("YX", "YXS", *CHANNELS_FIRST)
INVERTED = "MINISWHITE"
PHOTOMETRIC = (INVERTED, "MINISBLACK", "RGB", "YCBCR")
"""Kinds of colour that are numbers as they are, once they are decoded."""


def open_tiff(path: Path, ndim: int) -> Source:
    """Opens the first series of a TIFF file: one image, or a stack of pages as a volume; smaller ones are thumbnails and labels.

    Raises:
        ImageError: It is no image for such a network, has a palette or the colours of print, or is turned by a tag.
    """
    import tifffile

    file = tifffile.TiffFile(path)
    try:
        return _opened(file, str(path), ndim)
    except BaseException:
        file.close()
        raise


def _opened(file: Any, name: str, ndim: int) -> Source:
    series = file.series[0]
    if any(other.size > series.size for other in file.series):
        message = f"{name} has {len(file.series)} images, and the first is not the largest. Save the one that is meant alone."
        raise ImageError(message)
    _check(series, name)
    axes, shape, dtype = _squeezed(series)
    if ndim == 2 and axes not in PICTURES:
        message = f"{name} has the axes {axes}, {shape}: several pages or times. A 2D network takes one image; save it alone."
        raise ImageError(message)
    if ndim == 3 and axes in PICTURES:
        message = f"{name} is one image, {shape}. A 3D network takes a volume: a TIFF file with one page for each plane."
        raise ImageError(message)
    if ndim == 2 and axes in ("YX", "YXS") and len(series.pages) == 1:
        check_form(name, shape, dtype, ndim)
        pages = Pages(file, series.keyframe)
        return Source(name=name, sizes=shape[:2], channels=math.prod(shape[2:]), dtype=dtype, read=pages.rows, close=file.close)
    array = series.asarray().reshape(shape)
    array = _inverted(array) if series.keyframe.photometric.name == INVERTED else array
    for letter in "CS":
        if letter in axes:
            import numpy as np

            array = np.moveaxis(array, axes.index(letter), -1)
    return array_source(array, ndim, name, close=file.close)


def _check(series: Any, name: str) -> None:
    page = series.keyframe
    kind = page.photometric.name
    if kind not in PHOTOMETRIC:
        message = f"{name} has colours of the kind {kind}, which are no intensities. Save it as gray or RGB."
        raise ImageError(message)
    orientation = page.tags.get("Orientation")
    if orientation is not None and int(orientation.value) != 1:
        message = f"{name} is turned by a tag (orientation {int(orientation.value)}). Save it upright."
        raise ImageError(message)


def _squeezed(series: Any) -> tuple[str, tuple[int, ...], np.dtype[Any]]:
    """Returns axes, shape and type of a series without axes of one position, except rows and columns."""
    import numpy as np

    kept = [(axis, size) for axis, size in zip(series.axes, series.shape, strict=True) if size > 1 or axis in "YX"]
    return "".join(axis for axis, _ in kept), tuple(size for _, size in kept), np.dtype(series.dtype)


def _inverted(array: np.ndarray) -> np.ndarray:
    """Returns brightness of what is stored as darkness."""
    import numpy as np

    if array.dtype.kind == "b":
        return ~array
    return np.iinfo(array.dtype).max - array if array.dtype.kind in "iu" else -array


class Pages:
    """Rows of one page, of which only the tiles or strips that hold them are read and decoded."""

    def __init__(self, file: Any, page: Any) -> None:
        self._file, self._page = file, page
        self._across = -(-page.imagewidth // page.tilewidth) if page.is_tiled else 1
        self._height = page.tilelength if page.is_tiled else page.rowsperstrip
        self._down = -(-page.imagelength // self._height)
        self._planes = page.samplesperpixel if page.samplesperpixel > 1 and page.planarconfig.name == "SEPARATE" else 1

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Returns some rows, `(stop - start, W, C)`."""
        import numpy as np

        page = self._page
        made = np.zeros((stop - start, page.imagewidth, page.samplesperpixel), page.dtype)
        if page.is_memmappable and not page.is_tiled:
            found = page.asarray(out="memmap")[start:stop]
            made[...] = found.reshape(made.shape)
        else:
            for number in self._numbers(start, stop):
                self._paste(made, number, start)
        return _inverted(made) if page.photometric.name == INVERTED else made

    def _numbers(self, start: int, stop: int) -> list[int]:
        """Returns the numbers of the tiles or strips that hold some rows."""
        first, last = start // self._height, (stop - 1) // self._height
        return [
            (plane * self._down + down) * self._across + across
            for plane in range(self._planes)
            for down in range(first, last + 1)
            for across in range(self._across)
        ]

    def _paste(self, made: np.ndarray, number: int, start: int) -> None:
        """Decodes a tile or strip and puts its part of the rows into their place; what a file leaves out is 0."""
        page, handle = self._page, self._file.filehandle
        if page.databytecounts[number] == 0:
            return
        handle.seek(page.dataoffsets[number])
        encoded = handle.read(page.databytecounts[number])
        decoded, (plane, _, row, column, _), _ = page.decode(encoded, number, jpegtables=page.jpegtables)
        if decoded is None:
            return
        values = decoded[0, :, : page.imagewidth - column]  # tiles reach over the edge
        low, high = max(row, start), min(row + len(values), start + len(made))
        across = slice(column, column + values.shape[1])
        channels = slice(plane, plane + 1) if self._planes > 1 else slice(None)
        made[low - start : high - start, across, channels] = values[low - row : high - row]
