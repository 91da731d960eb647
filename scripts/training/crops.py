"""Random crops, flips and intensities, as batches for `model.fit`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from training.folders import Sample

if TYPE_CHECKING:
    from zoo.weights.preprocessing import Preprocessing


class Crops(keras.utils.PyDataset):
    """Batches of `(N, crop, crop, C)` images and `(N, crop, crop, classes)` masks.

    Every batch depends on the seed and its number alone, so that a run can be taken up where it stopped.
    """

    def __init__(
        self, samples: Sequence[Sample], prepare: Preprocessing, *, crop: int, batch: int, steps: int, seed: int
    ) -> None:
        super().__init__()
        self.samples, self.prepare = samples, prepare
        self.crop, self.batch, self.steps, self.seed = crop, batch, steps, seed

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng((self.seed, step))
        pairs = [self._one(rng) for _ in range(self.batch)]
        images, masks = zip(*pairs, strict=True)
        return np.stack(images), np.stack(masks).astype("float32")

    def _one(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sample = self.samples[int(rng.integers(len(self.samples)))]
        image, mask = sample.image.reshape(*sample.image.shape[:2], -1), sample.mask
        short = [(0, max(self.crop - size, 0)) for size in mask.shape[:2]]
        if any(margin for _, margin in short):
            image, mask = (np.pad(array, [*short, (0, 0)], mode="reflect") for array in (image, mask))
        y, x = (int(rng.integers(size - self.crop + 1)) for size in mask.shape[:2])
        step = max(1, min(mask.shape[:2]) // 64)
        crop, mask = (array[y : y + self.crop, x : x + self.crop] for array in (image, mask))
        image = self._prepared(crop, image[::step, ::step], rng)
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        image, mask = (np.rot90(array, turns) for array in (image, mask))
        return (image[:, ::-1], mask[:, ::-1]) if flip else (image, mask)

    def _prepared(self, crop: np.ndarray, whole: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the crop with other intensities, prepared with the statistics of the whole image, of which few pixels do."""
        change = intensity_change(rng)
        return self.prepare.like(change(whole), change(crop))


def intensity_change(rng: np.random.Generator) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from 8-bit values to values from 0 to 1 with another gamma, sometimes inverted, sometimes noisy."""
    gamma = float(np.exp(rng.uniform(-0.5, 0.5))) if rng.random() < 0.5 else 1.0
    inverted = rng.random() < 0.1
    noise = rng.uniform(0, 0.05) if rng.random() < 0.2 else 0.0
    table = (np.arange(256, dtype="float32") / 255) ** np.float32(gamma)
    table = 1 - table if inverted else table

    def change(values: np.ndarray) -> np.ndarray:
        made = table[values]
        return np.clip(made + rng.normal(0, noise, made.shape).astype("float32"), 0, 1) if noise else made

    return change
