"""A data set in a folder: `split.csv`, images and masks, read whole into memory and checked before the first step."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import zoo
from training.recipe import Data

IGNORE = 255
"""The label of what is neither learned nor scored."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image with its labels.

    Attributes:
        name: Its id in `split.csv`.
        row: Its row there.
        image: `(H, W)`, `(H, W, C)` or `(D, H, W)`, as stored.
        labels: `(H, W)` or `(D, H, W)`, the number of the class; 255 where nothing is said.
    """

    name: str
    row: dict[str, str]
    image: np.ndarray
    labels: np.ndarray


def read_split(folder: Path, split: str, data: Data) -> list[Sample]:
    """Reads the samples of one split.

    Raises:
        SystemExit: Files are missing, cannot be read, or do not fit; the message names each of the first few and what to do.
    """
    table = folder / "split.csv"
    if not table.is_file():
        raise SystemExit(f"{table} does not exist: a data folder has a file `split.csv` with the columns id and split.")
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"id", "split"} <= rows[0].keys():
        raise SystemExit(f"{table} needs the columns id and split, and a row per image.")
    wanted = [row for row in rows if row["split"] == split]
    if not wanted:
        found = ", ".join(sorted({row["split"] for row in rows}))
        raise SystemExit(f"{table} lists no image of the split {split!r}; it has: {found}.")
    samples, faults = [], []
    for row in wanted:
        try:
            samples.append(_sample(folder, row, data))
        except DataError as error:
            faults.append(str(error))
    if faults:
        shown = "\n  ".join(faults[:5]) + (f"\n  and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise SystemExit(f"{len(faults)} of {len(wanted)} images of {split!r} cannot be used:\n  {shown}")
    return samples


def check_classes(samples: list[Sample], data: Data, split: str) -> None:
    """Stops where a class is never seen.

    Raises:
        SystemExit: No mask has the class.
    """
    seen = {int(label) for sample in samples for label in np.unique(sample.labels)}
    names = dict(enumerate(data.classes)) if len(data.classes) > 1 else {1: next(iter(data.classes))}
    absent = [name for index, name in names.items() if index not in seen]
    if absent:
        raise SystemExit(f"No mask of the split {split!r} has the class {', '.join(absent)}: check data.classes of the recipe.")


class DataError(Exception):
    """A sample cannot be used."""


def _sample(folder: Path, row: dict[str, str], data: Data) -> Sample:
    name = row["id"]
    image, mask = (_array(folder, pattern, row) for pattern in (data.image, data.mask))
    if image.ndim not in (data.ndim, data.ndim + 1) or image.shape[: data.ndim] != mask.shape:
        raise DataError(f"{name}: its image is {image.shape}, its mask {mask.shape}; a mask has a value per pixel.")
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        raise DataError(f"{name}: its image has values that are not finite (NaN or infinity); repair it or drop its row.")
    labels = _labels(name, mask, data)
    if data.region:
        region = _array(folder, data.region, row)
        if region.shape != mask.shape:
            raise DataError(f"{name}: its region is {region.shape}, its mask {mask.shape}; they must be of one size.")
        labels = np.where(region > 0, labels, IGNORE).astype("uint8")
    return Sample(name=name, row=row, image=image, labels=labels)


def _labels(name: str, mask: np.ndarray, data: Data) -> np.ndarray:
    table = {value: index for index, value in enumerate(data.classes.values())}
    if len(data.classes) == 1:
        table = {data.background: 0, next(iter(data.classes.values())): 1}
    table |= dict.fromkeys(data.ignore, IGNORE)
    labels = np.full(mask.shape, IGNORE, "uint8")
    values = np.unique(mask).tolist()
    unknown = [value for value in values if value not in table]
    if unknown:
        raise DataError(f"{name}: its mask has the values {unknown[:5]}; the recipe knows {sorted(table)}.")
    for value in values:
        labels[mask == value] = table[value]
    return labels


def _array(folder: Path, pattern: str, row: dict[str, str]) -> np.ndarray:
    """Returns what a path of the recipe leads to; after `.npz/` it goes on inside the archive."""
    digits = re.search(r"\d*$", row["id"])
    try:
        text = pattern.format(**row, number=digits.group() if digits else "")
    except (KeyError, IndexError, ValueError):
        raise DataError(f"{pattern!r} cannot be filled in: split.csv has the columns {', '.join(row)}.") from None
    file, archive, key = text.partition(".npz/")
    path = folder / (file + ".npz" if archive else file)
    try:
        return _of_archive(path, key) if archive else _picture(path)
    except KeyError:
        raise DataError(f"{path} has no array {key!r}.") from None
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; `split.csv` lists {row['id']}.") from None
    except (OSError, EOFError, ValueError, SyntaxError, BadZipFile, zoo.ZooError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


@lru_cache(maxsize=4)
def _archive(path: Path, changed: int) -> np.lib.npyio.NpzFile:
    return np.load(path, allow_pickle=False)


def _of_archive(path: Path, key: str) -> np.ndarray:
    """Returns an array of an archive, which stays open for the next one."""
    return np.asarray(_archive(path, path.stat().st_mtime_ns)[key])


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture)


def data_hash(folder: Path) -> str:
    """Returns the SHA-256 of the folder's `SHA256SUMS`, or of all its files where there is none."""
    sums = folder / "SHA256SUMS"
    if sums.is_file():
        return hashlib.sha256(sums.read_bytes()).hexdigest()
    total = hashlib.sha256()
    for path in _files(folder):
        total.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n".encode())
    return total.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
