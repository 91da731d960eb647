"""PNG and JPEG, read whole by Pillow; PNG with 16 bits per colour by imagecodecs, as Pillow would make 8 of them."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from zoo.errors import ImageError
from zoo.prediction.sources import array_source

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from PIL import Image

    from zoo.prediction.sources import Source

DEEP_MODES = ("I;16", "I;16B", "I", "F")
"""Modes of Pillow with one channel of more than 8 bits."""

ORIENTATION = 0x0112
"""Number of the EXIF tag."""


def open_picture(path: Path, ndim: int) -> Source:
    """Opens a PNG or JPEG file, turned upright as its EXIF orientation says.

    Raises:
        ImageError: It is animated, has the colours of print, or is so large that it may be a decompression bomb.
    """
    from PIL import Image, UnidentifiedImageError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # twice as many pixels are an error
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as picture:
                array = _upright(_pixels(path, picture), picture.getexif().get(ORIENTATION, 1))
        except Image.DecompressionBombError:
            most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            message = (
                f"{path} has more than {most:,} pixels, which for a picture may be a decompression bomb. Save it as a tiled "
                "TIFF, which is read in parts."
            )
            raise ImageError(message) from None
        except UnidentifiedImageError:
            with path.open("rb") as file:
                start = file.read(8)
            message = f"{path} is neither a PNG nor a JPEG file: it begins with {start!r}."
            raise ImageError(message) from None
    return array_source(array, ndim, str(path))


def _pixels(path: Path, picture: Image.Image) -> np.ndarray:
    import numpy as np

    if picture.format == "PNG" and getattr(picture, "n_frames", 1) > 1:
        message = f"{path} is animated. Save the frame that is meant as a picture of its own."
        raise ImageError(message)
    if picture.mode in ("CMYK", "YCCK", "LAB"):
        message = f"{path} has {picture.mode} colours, which are for print. Save it as RGB."
        raise ImageError(message)
    if picture.format == "PNG" and _bits(path) == 16 and picture.mode not in DEEP_MODES:
        import imagecodecs

        return np.asarray(imagecodecs.png_decode(path.read_bytes()))
    if picture.mode == "P":
        transparent = "transparency" in picture.info
        return np.asarray(picture.convert("RGBA" if transparent else "RGB"))
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    array = np.asarray(picture)
    return array.astype("uint16") if picture.mode == "I" else array  # 16 bits, in the 32 that Pillow has for them


def _bits(path: Path) -> int:
    """Returns the bits per channel that the head of a PNG file states."""
    with path.open("rb") as file:
        return file.read(25)[-1]


def _upright(array: np.ndarray, orientation: Any) -> np.ndarray:
    """Returns a picture as it is to be seen, from how it is stored: EXIF 2.3, tag 0x0112."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
