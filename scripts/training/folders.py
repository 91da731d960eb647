"""A data set in a folder: `split.csv`, images and masks, read whole into memory and checked before the first step."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image with its mask.

    Attributes:
        name: Its id in `split.csv`.
        image: `(H, W)` or `(H, W, C)`, as stored.
        mask: `(H, W, classes)`, 0 or 1.
    """

    name: str
    image: np.ndarray
    mask: np.ndarray


def read_split(folder: Path, split: str, *, images: str, masks: str, mask_values: list[int]) -> list[Sample]:
    """Reads the samples of one split.

    Raises:
        SystemExit: A file is missing, cannot be read, or its mask does not fit; the message names it.
    """
    table = folder / "split.csv"
    if not table.is_file():
        raise SystemExit(f"{table} does not exist: a data folder has `split.csv` with the columns id and split.")
    with table.open(newline="") as file:
        names = [row["id"] for row in csv.DictReader(file) if row["split"] == split]
    if not names:
        raise SystemExit(f"{table} lists no image of the split {split!r}.")
    return [_sample(folder, name, images, masks, mask_values) for name in names]


def _sample(folder: Path, name: str, images: str, masks: str, mask_values: list[int]) -> Sample:
    image, mask = (_picture(folder / kind / f"{name}.png") for kind in (images, masks))
    if image.shape[:2] != mask.shape:
        raise SystemExit(f"{name}: its image is {image.shape[:2]}, its mask {mask.shape}; they must be of one size.")
    unknown = sorted(set(np.unique(mask).tolist()) - {0, *mask_values})
    if unknown:
        raise SystemExit(f"{name}: its mask has the values {unknown[:5]}; allowed are 0 and {mask_values}.")
    return Sample(name=name, image=image, mask=np.stack([mask == value for value in mask_values], axis=-1).astype("uint8"))


def _picture(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            return np.asarray(picture)
    except (OSError, UnidentifiedImageError) as error:
        raise SystemExit(f"{path} cannot be read: {error}") from None


def data_hash(folder: Path) -> str:
    """Returns the SHA-256 of the folder's `SHA256SUMS`, or of `split.csv` where there is none."""
    sums = folder / "SHA256SUMS"
    return hashlib.sha256((sums if sums.is_file() else folder / "split.csv").read_bytes()).hexdigest()
