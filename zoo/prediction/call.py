"""`zoo.predict`: one image to an array, files to files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, ImageError
from zoo.prediction.plan import Wish, as_bytes
from zoo.prediction.task import Task, make_task

if TYPE_CHECKING:
    import keras
    import numpy as np

    from zoo.prediction.engine import Progress
    from zoo.weights.preprocessing import Preprocessing


def predict(
    model: keras.Model,
    image: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    overlay: str | os.PathLike[str] | None = None,
    output: str = "classes",
    preprocessing: Preprocessing | None = None,
    threshold: float = 0.5,
    tile: int | None = None,
    overlap: int | None = None,
    memory: int | str | None = None,
    batch: int | None = None,
    flips: bool = False,
    progress: Progress | None = None,
) -> Any:
    """Predicts an image or a volume of any size, or all images of a folder.

    The image is prepared as the record of the loaded weights says, mirrored at its end to a size that the network takes, and
    the result is cut back. Where that would take more than `memory`, overlapping tiles are predicted and blended: probabilities,
    or logits where those are asked for. Tiles give the result of the whole image but for rounding where the network looks no
    further than the overlap; normalisations over the image and attention look at the whole tile, so there tiles differ a little.

    Args:
        model: A 2D or 3D network, of `zoo.get` or any other functional Keras model from an image to a map of its size. Of
            several outputs `"segmentation"` is taken, or the first.
        image: `(H, W)`, `(H, W, C)`, or with `(D, …)` in front for a 3D network: an array of any dtype, or whatever has a
            shape, a dtype and slices of rows. The path of a PNG, JPEG, TIFF, NumPy, NIfTI or zarr file. A folder, or a list of
            paths.
        out: File to write, `.png`, `.tif`, `.npy`, `.zarr`, `.nii` or `.nii.gz`, for an image in a file; large ones are read
            and written in parts. A folder for several images. A file of this name is replaced when the new one is complete.
        overlay: Picture to write of the image with its classes in colour, `.png` or `.jpg`; a folder for several images.
        output: `"classes"`: where there is one class, 1 where its probability is above `threshold` and 0 elsewhere; else the
            number of the most probable class; for classes that may overlap (sigmoid), 0 or 1 for each. `"probabilities"` or
            `"logits"`.
        preprocessing: How the image is prepared; by default as the loaded weights say. A network without such a record takes
            images of floats as they are.
        threshold: For `output="classes"` of one class, or of overlapping ones.
        tile: Side of a tile in positions, a multiple of what the network divides by; by default whole images, or the largest
            tiles that fit into `memory`.
        overlap: Positions that neighbouring tiles share, rounded up; by default what makes tiles exact where that is at most
            half a tile, else a quarter.
        memory: Bound in bytes, or a text such as `"2GB"`, beside the program itself, the image and the result.
        batch: Tiles that run at once.
        flips: Whether to average over mirror images: all 4 in 2D and 8 in 3D, which take as many times longer, or those along
            the axes that the loaded weights were trained with.
        progress: Is called with `(done, total)` tiles; None shows a bar where standard error is a terminal.

    Returns:
        `(H, W)` or `(D, H, W)` of uint8 (uint16 for more than 256 classes) for `"classes"`, else `(H, W, classes)` or
        `(D, H, W, classes)` of float32; the path of the result where `out` is given. For several images a dictionary by path.

    Raises:
        ConfigError: An option is not allowed, or does not fit the network or the image.
        ImageError: The image cannot be read, is none for this network, or the result cannot be written. Of several images all
            others are done first; its `results` are those.
    """
    wish = Wish(tile=tile, overlap=overlap, memory=as_bytes(memory), batch=batch, flips=flips)
    task = make_task(model, output=output, preprocessing=preprocessing, threshold=threshold, wish=wish)
    paths = _paths(image)
    if paths is not None:
        return _from_files(task, paths, _path(out), _path(overlay), progress)
    if out is not None or overlay is not None:
        message = "`out` and `overlay` are for images in files: give the path of the image, or write the result yourself."
        raise ConfigError(message)
    return _from_array(task, image, progress)


def _path(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)


def _paths(image: Any) -> list[Path] | None:
    """Returns the files and folders that are meant; None for an array."""
    if isinstance(image, (str, os.PathLike)):
        return [Path(image)]
    if isinstance(image, (list, tuple)) and image and all(isinstance(each, (str, os.PathLike)) for each in image):
        return [Path(each) for each in image]
    return None


def _from_files(task: Task, paths: list[Path], out: Path | None, overlay: Path | None, progress: Progress | None) -> Any:
    from zoo.prediction.files import items_of, run, run_all
    from zoo.prediction.opening import is_image

    items = items_of(paths, task, out, overlay)
    if len(paths) == 1 and is_image(paths[0]):
        done = run(items[0], task, progress)
        return done.result if done.item.out is None else done.item.out
    finished, failures = run_all(items, task, progress)
    results = {done.item.image: done.result if done.item.out is None else done.item.out for done in finished}
    if failures:
        message = f"{len(failures)} of {len(items)} images failed: {' '.join(map(str, failures.values()))}"
        failure = ImageError(message)
        failure.results = results
        raise failure
    return results


def _from_array(task: Task, image: Any, progress: Progress | None) -> np.ndarray:
    from zoo.prediction.files import gathered
    from zoo.prediction.sources import array_source
    from zoo.progress import shown

    source = array_source(image, task.network.ndim)
    with shown(source.name, progress, "tiles") as tell:
        return gathered(task.rows(source, task.plan(source), tell), task.shape(source), task.dtype)
