"""From files to files: which result goes where, one image after the other, and what becomes of those that fail."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError, ZooError
from zoo.prediction.opening import ending_of, images_in, is_image, opened, stem_of, told
from zoo.prediction.overlay import Overlay, check_overlay
from zoo.prediction.writing import Form, check_out, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from zoo.prediction.engine import Progress
    from zoo.prediction.plan import Plan
    from zoo.prediction.sources import Source
    from zoo.prediction.task import Task

LOSSLESS = ".tif"
"""How results are written that are no class map of an image."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image, where its result goes, and where its overlay; None for an array, and for no overlay."""

    image: Path
    out: Path | None = None
    overlay: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """An image that was predicted.

    Attributes:
        item: Which.
        plan: How it was cut.
        shape: Of the result.
        result: The result, where it was to be an array.
        seconds: How long it took.
    """

    item: Item
    plan: Plan
    shape: tuple[int, ...]
    result: np.ndarray | None
    seconds: float


def items_of(
    images: Sequence[Path], task: Task, out: Path | None = None, overlay: Path | None = None, ending: str | None = None
) -> list[Item]:
    """Returns what is to be done for files and folders; nothing is read yet.

    Args:
        images: Files and folders.
        task: What is asked for.
        out: A file for one image; a folder for several, where results get the names of their images.
        overlay: The same for overlays.
        ending: Of results in a folder; by default `.png` for class maps, `.nii.gz` for NIfTI files, `.tif` for the rest.

    Raises:
        ConfigError: Two results would go into one file or into an image, or a format cannot hold the result.
        ImageError: A folder has no image.
    """
    several = len(images) != 1 or not is_image(images[0])
    paths = [path for given in images for path in ([given] if is_image(given) else images_in(given))]
    items = [
        Item(
            image=path,
            out=_target(path, out, several, ending or ending_for(path, task)),
            overlay=_target(path, overlay, several, ".png"),
        )
        for path in paths
    ]
    for item in items:
        if item.out is not None:
            check_out(item.out, ndim=task.network.ndim, dtype=task.dtype, channels=task.channels)
        if item.overlay is not None:
            check_overlay(item.overlay, task.network.ndim)
    _check_distinct(items)
    return items


def _target(image: Path, given: Path | None, several: bool, ending: str) -> Path | None:
    if given is None:
        return None
    if several and is_image(given) and (given.exists() or given.suffix):
        message = f"Several images need a folder to put their results in. Received: {given}"
        raise ConfigError(message)
    return given / f"{stem_of(image)}{ending}" if several or not is_image(given) else given


def ending_for(image: Path, task: Task) -> str:
    """Returns how a result is written where nothing else is asked for."""
    if task.network.ndim == 3:
        return ".nii.gz" if ending_of(image) in (".nii", ".nii.gz") else LOSSLESS
    return LOSSLESS if task.channels or task.dtype == "float32" else ".png"


def _check_distinct(items: Sequence[Item]) -> None:
    """Refuses results that would overwrite an image or each other."""
    images = {item.image.resolve() for item in items}
    taken: dict[Path, Item] = {}
    for item in items:
        for target in filter(None, (item.out, item.overlay)):
            place = target.resolve()
            if place in images:
                message = f"The result {target} would overwrite an image. Give another name or folder."
                raise ConfigError(message)
            if place in taken:
                both = " and ".join(dict.fromkeys((str(taken[place].image), str(item.image))))
                message = f"{target} would be written twice, for {both}. Give other names or folders."
                raise ConfigError(message)
            taken[place] = item


def run(item: Item, task: Task, progress: Progress | None = None) -> Done:
    """Predicts one image.

    Raises:
        ImageError: It cannot be read, or the result cannot be written.
        ConfigError: It does not fit the network.
    """
    from zoo.progress import shown

    start = time.perf_counter()
    with opened(item.image, task.network.ndim) as source, _named(item.image), shown(item.image.name, progress, "tiles") as tell:
        plan = task.plan(source)
        picture = Overlay(source=source, palette=task.palette) if item.overlay else None
        rows = task.rows(_told(source, item.image), plan, tell, picture.see if picture else None)
        form = Form(shape=task.shape(source), dtype=task.dtype, ndim=task.network.ndim, mask=task.is_mask, affine=source.affine)
        result = None
        if item.out is None:
            result = gathered(rows, form.shape, form.dtype)
        else:
            write(item.out, rows, form)
        if picture and item.overlay:
            picture.save(item.overlay)
    return Done(item=item, plan=plan, shape=form.shape, result=result, seconds=time.perf_counter() - start)


def gathered(rows: Iterator[np.ndarray], shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Returns rows as one array."""
    import numpy as np

    made, start = np.empty(shape, dtype), 0
    for part in rows:
        made[start : start + len(part)] = part
        start += len(part)
    return made


@contextlib.contextmanager
def _named(path: Path) -> Iterator[None]:
    """Says which image does not fit."""
    try:
        yield
    except ConfigError as error:
        message = f"{path}: {error}"
        raise ConfigError(message) from None


def _told(source: Source, path: Path) -> Source:
    """Returns a source whose errors name the file: what is cut off is often noticed only when it is read."""
    import dataclasses

    def read(start: int, stop: int) -> Any:
        with told(path):
            return source.read(start, stop)

    return dataclasses.replace(source, read=read)


def run_all(
    items: Sequence[Item], task: Task, progress: Progress | None = None, failed: Callable[[Item, ZooError], None] | None = None
) -> tuple[list[Done], dict[Path, ZooError]]:
    """Predicts all images; one that fails does not keep the others from being done.

    Returns:
        What was done, and the errors of the rest by image.
    """
    done: list[Done] = []
    failures: dict[Path, ZooError] = {}
    for item in items:
        try:
            done.append(run(item, task, progress))
        except ZooError as error:
            failures[item.image] = error
            if failed is not None:
                failed(item, error)
    return done, failures
