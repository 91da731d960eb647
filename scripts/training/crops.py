"""Random crops of prepared images as batches for `model.fit`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import keras
import numpy as np

from training.augmentation import Augmentation
from training.data import Sample
from training.recipe import Recipe, Training
from training.scores import scored_classes


class Crops(keras.utils.PyDataset):
    """Batches of `(N, *crop, C)` images and `(N, *crop)` labels.

    Every batch depends on the recipe's seed and its number alone, so that a run can be taken up where it stopped. `epoch` is
    set by the run: the number of the first batch is `epoch * length`.
    """

    def __init__(self, samples: Sequence[Sample], recipe: Recipe, length: int) -> None:
        super().__init__()
        prepare, ndim = recipe.preprocessing, recipe.data.ndim
        self.images = [prepare(sample.image, ndim) for sample in samples]
        self.labels = [sample.labels for sample in samples]
        self.places = [places(labels, scored_classes(recipe.data)) for labels in self.labels]
        self.chances = chances(samples, recipe.training)
        self.settings, self.length, self.epoch = recipe.training, length, 0
        self.augment = Augmentation(recipe.augmentation, recipe.training.seed)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        number = self.epoch * self.length + index
        rng = np.random.default_rng((self.settings.seed, number))
        images, labels = zip(*(self._crop(rng) for _ in range(self.settings.batch)), strict=True)
        return self.augment(np.stack(images), np.stack(labels), number)

    def first(self, count: int) -> Iterator[np.ndarray]:
        """Yields the images of the first batches of this round."""
        return (self[index][0] for index in range(count))

    def _crop(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        index = int(rng.choice(len(self.images), p=self.chances))
        image, labels, crop = self.images[index], self.labels[index], self.settings.crop
        sizes = labels.shape
        start = [int(rng.integers(max(size - side, 0) + 1)) for size, side in zip(sizes, crop, strict=True)]
        if rng.random() < self.settings.foreground and self.places[index]:
            spots = self.places[index][int(rng.integers(len(self.places[index])))]
            spot = np.unravel_index(spots[int(rng.integers(len(spots)))], sizes)
            start = [
                int(np.clip(at - int(rng.integers(side)), 0, max(size - side, 0)))
                for at, size, side in zip(spot, sizes, crop, strict=True)
            ]
        window = tuple(slice(at, at + side) for at, side in zip(start, crop, strict=True))
        return _filled(image[window], crop), _filled(labels[window], crop)


def chances(samples: Sequence[Sample], settings: Training) -> np.ndarray:
    """Returns how likely each image is to be drawn.

    Every image alike, or, with `balance`, a column of `split.csv`, each kind as likely as the square root of how many images it
    has; with `by_size` times the square root of the image's pixels.

    Raises:
        SystemExit: There is no such column.
    """
    column, rows = settings.balance, [sample.row for sample in samples]
    if column and column not in rows[0]:
        raise SystemExit(f"training.balance is a column of split.csv: {', '.join(rows[0])}. Received: {column!r}")
    found = np.ones(len(samples))
    if column:
        counts = Counter(row[column] for row in rows)
        found *= [counts[row[column]] ** -0.5 for row in rows]
    if settings.by_size:
        found *= [sample.labels.size**0.5 for sample in samples]
    return found / found.sum()


def places(labels: np.ndarray, classes: Sequence[int]) -> list[np.ndarray]:
    """Returns for each of the classes that is there where it is, at most some 4,096 flat indices of each."""
    found = (np.flatnonzero(labels == index) for index in classes)
    return [where[:: max(1, len(where) // 4096)] for where in found if len(where)]


def _filled(part: np.ndarray, crop: tuple[int, ...]) -> np.ndarray:
    """Returns the part mirrored at its ends up to the crop's size."""
    short = [(0, side - size) for side, size in zip(crop, part.shape, strict=False)]
    if not any(missing for _, missing in short):
        return part
    short += [(0, 0)] * (part.ndim - len(crop))
    return np.pad(part, short, mode="symmetric")
