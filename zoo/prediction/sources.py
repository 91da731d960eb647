"""Images that are read in bands of rows: an array in memory, or a file that stays where it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo.errors import ImageError

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Source:
    """An image of which bands can be read.

    Attributes:
        name: For messages.
        sizes: Spatial sizes, `(H, W)` or `(D, H, W)`.
        channels: Of a pixel.
        dtype: As it is stored.
        read: Returns the rows (or planes) `start` to `stop`, `(stop - start, W, C)` or `(stop - start, H, W, C)`.
        close: Ends the use of a file.
        affine: Of a NIfTI file, its 4 x 4 matrix and header; None for others.
    """

    name: str
    sizes: tuple[int, ...]
    channels: int
    dtype: np.dtype[Any]
    read: Callable[[int, int], np.ndarray]
    close: Callable[[], None] = field(default=lambda: None)
    affine: Any = None

    @property
    def pixel_bytes(self) -> int:
        """Bytes of one pixel, all channels."""
        return self.channels * self.dtype.itemsize


def array_source(image: Any, ndim: int, name: str = "the image", **more: Any) -> Source:
    """Returns the source of an array, which need not be in memory: whatever has a shape, a dtype and slices of rows.

    Args:
        image: `(H, W)` or `(H, W, C)`; `(D, H, W)` or `(D, H, W, C)` for `ndim=3`.
        ndim: Spatial axes of the network.
        name: For messages.
        **more: `close` and `affine` of the source.

    Raises:
        ImageError: It has other axes, is empty, or is no array of numbers.
    """
    import numpy as np

    array = image if hasattr(image, "shape") and hasattr(image, "dtype") and hasattr(image, "__getitem__") else np.asarray(image)
    shape, dtype = tuple(array.shape), np.dtype(array.dtype)
    check_form(name, shape, dtype, ndim)

    def read(start: int, stop: int) -> np.ndarray:
        rows = np.asarray(array[start:stop])
        return rows if rows.ndim == ndim + 1 else rows[..., None]

    channels = shape[-1] if len(shape) == ndim + 1 else 1
    return Source(name=name, sizes=shape[:ndim], channels=channels, dtype=dtype, read=read, **more)


def check_form(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], ndim: int) -> None:
    """Refuses what is no image for a network of so many axes.

    Raises:
        ImageError: It has other axes, is empty, or is no array of numbers.
    """
    if len(shape) in (ndim, ndim + 1) and 0 not in shape and dtype.kind in "biuf":
        return
    form = {2: "(H, W) or (H, W, C)", 3: "(D, H, W) or (D, H, W, C)"}[ndim]
    hint = ""
    if 0 not in shape and dtype.kind in "biuf":
        several = len(shape) > ndim + 1
        if ndim == 2:
            hint = "; a volume needs a 3D network, and images one call each" if several else ""
        else:
            hint = "; give one volume a call" if several else "; an image needs a 2D network"
    message = f"{name} must be an array of numbers, {form}, for a {ndim}D network{hint}. Received: shape {shape} of {dtype}"
    raise ImageError(message)
