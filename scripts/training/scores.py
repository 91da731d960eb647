"""Scores of a network on whole images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from training.folders import Sample

PROTOCOL = "per image, probability above 0.5, both empty counts as 1; mean over images, 95 % bootstrap interval"
RESAMPLES = 2000


def measured(
    model: keras.Model, samples: Sequence[Sample], prepare: Callable[[np.ndarray], np.ndarray] | None
) -> dict[str, tuple[float, tuple[float, float], int]]:
    """Returns mean, 95 % bootstrap interval and number of images for Dice and IoU."""
    scores = np.array([overlap(model, sample, prepare) for sample in samples])
    rng = np.random.default_rng(0)
    picks = rng.integers(len(scores), size=(RESAMPLES, len(scores)))
    low, high = np.percentile(scores[picks].mean(axis=1), (2.5, 97.5), axis=0)
    return {
        label: (float(scores[:, k].mean()), (float(low[k]), float(high[k])), len(scores))
        for k, label in enumerate(("mean Dice", "mean IoU"))
    }


def overlap(model: keras.Model, sample: Sample, prepare: Callable[[np.ndarray], np.ndarray] | None) -> tuple[float, float]:
    """Returns Dice and IoU of one image."""
    image = sample.image.astype("float32") if prepare is None else prepare(sample.image)
    found, truth = predicted(model, image) > 0.5, sample.mask > 0
    both, either = int((found & truth).sum()), int((found | truth).sum())
    return (2 * both / (both + either), both / either) if either else (1.0, 1.0)


def score(model: keras.Model, samples: Sequence[Sample], prepare: Callable[[np.ndarray], np.ndarray]) -> dict[str, Any]:
    """Returns the means over the images."""
    dice, iou = np.mean([overlap(model, sample, prepare) for sample in samples], axis=0)
    return {"dice": float(dice), "iou": float(iou), "images": len(samples)}


def predicted(model: keras.Model, image: np.ndarray, multiple: int = 32) -> np.ndarray:
    """Returns the output `(H, W, classes)` for an image of any size, mirrored at its borders to a size that divides."""
    height, width = image.shape[:2]
    padded = np.pad(image, [(0, -height % multiple), (0, -width % multiple), (0, 0)], mode="reflect")
    return np.asarray(keras.ops.convert_to_numpy(model(padded[None], training=False)))[0, :height, :width]
