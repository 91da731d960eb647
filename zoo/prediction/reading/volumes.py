"""NIfTI volumes, by nibabel; the axes are those of its arrays, (x, y, z)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ImageError
from zoo.extras import extra_package
from zoo.prediction.sources import array_source

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.prediction.sources import Source

NIFTI = {"extra": "nifti", "what": "NIfTI files"}


def open_nifti(path: Path, ndim: int) -> Source:
    """Opens a NIfTI file, read whole; a fourth axis is that of channels.

    Raises:
        ImageError: Its voxels are colours, or the network is for images.
        MissingExtraError: nibabel is not installed.
    """
    import numpy as np

    image = extra_package("nibabel", **NIFTI).load(path)
    if image.get_data_dtype().fields is not None:
        message = f"{path} has voxels of several fields, {image.get_data_dtype().names}: numbers are expected."
        raise ImageError(message)
    array = np.asanyarray(image.dataobj)
    if array.ndim == 3 and ndim == 2 and array.shape[2] == 1:
        array = array[:, :, 0]
    if ndim == 2 and array.ndim > 2:
        message = f"{path} is a volume, {array.shape}. A 2D network takes one image; give its slices as arrays to zoo.predict."
        raise ImageError(message)
    return array_source(array, ndim, str(path), affine=(image.affine, image.header))
