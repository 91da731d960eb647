"""Scores of a network on whole images, from one confusion matrix per image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

import zoo
from training.data import Sample
from training.recipe import Data

RESAMPLES = 2000
FOREGROUND_PROTOCOL = "probability above 0.5"
CLASSES_PROTOCOL = "most probable class"


@dataclass(frozen=True)
class Score:
    """One score over a set of images, with its 95 % bootstrap interval over the images."""

    name: str
    value: float
    interval: tuple[float, float]
    protocol: str


def overlaps(matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns Dice and IoU per class, `(..., C, C) -> (..., C)`; 1 where a class is neither there nor found."""
    both = np.diagonal(matrices, axis1=-2, axis2=-1).astype("float64")
    total = matrices.sum(axis=-1) + matrices.sum(axis=-2)
    with np.errstate(invalid="ignore"):
        dice, iou = 2 * both / total, both / (total - both)
    return np.where(total > 0, dice, 1.0), np.where(total > 0, iou, 1.0)


def mean_dice(matrices: np.ndarray, chosen: Sequence[int]) -> float:
    """Returns the mean over images and classes of each image's Dice."""
    return float(overlaps(matrices)[0][:, list(chosen)].mean())


def mean_iou(matrices: np.ndarray, chosen: Sequence[int]) -> float:
    """Returns the mean over images and classes of each image's IoU."""
    return float(overlaps(matrices)[1][:, list(chosen)].mean())


def pooled_f1(matrices: np.ndarray, chosen: Sequence[int]) -> float:
    """Returns F1 over the pixels of all images together, the mean over classes."""
    return float(overlaps(matrices.sum(axis=0))[0][list(chosen)].mean())


def pooled_iou(matrices: np.ndarray, chosen: Sequence[int]) -> float:
    """Returns IoU over the pixels of all images together, the mean over classes."""
    return float(overlaps(matrices.sum(axis=0))[1][list(chosen)].mean())


MONITORS: dict[str, tuple[str, Callable[[np.ndarray, Sequence[int]], float], str]] = {
    "dice": ("mean Dice", mean_dice, "per image, a class neither there nor found counts as 1; mean over images and classes"),
    "iou": ("mean IoU", mean_iou, "per image, a class neither there nor found counts as 1; mean over images and classes"),
    "f1": ("F1", pooled_f1, "over the pixels of all images together; mean over classes"),
    "miou": ("mIoU", pooled_iou, "over the pixels of all images together; mean over classes"),
}
"""What can be watched in training and stands on cards: name, function, protocol."""


def scored_classes(data: Data) -> list[int]:
    """Returns the rows of the confusion matrix that count: every class but the background."""
    if len(data.classes) == 1:
        return [1]
    return [index for index, name in enumerate(data.classes) if name != "background"]


def confusions(find: Callable[[np.ndarray], np.ndarray], samples: Iterable[Sample], data: Data) -> np.ndarray:
    """Returns one confusion matrix per image, `(images, C, C)`, C being 2 for one class; `find` gives the classes of an image."""
    classes = len(data.classes)
    return np.stack([zoo.metrics.scores(each.labels, find(each.image), classes=classes).confusion for each in samples])


def summary(matrices: np.ndarray, chosen: Sequence[int]) -> dict[str, float]:
    """Returns every score by its short name."""
    return {short: function(matrices, chosen) for short, (_, function, _) in MONITORS.items()}


def scores(matrices: np.ndarray, names: Sequence[str], data: Data) -> list[Score]:
    """Returns the scores of these short names, and the first of them for each class where there are several."""
    chosen = scored_classes(data)
    how = FOREGROUND_PROTOCOL if len(data.classes) == 1 else CLASSES_PROTOCOL
    picks = np.random.default_rng(0).integers(len(matrices), size=(RESAMPLES, len(matrices)))
    made = [_score(matrices, picks, short, chosen, "", how) for short in names]
    if len(chosen) > 1:
        made += [_score(matrices, picks, names[0], [index], f", {list(data.classes)[index]}", how) for index in chosen]
    return made


def all_scores(plain: np.ndarray, mirrored: np.ndarray, names: Sequence[str], data: Data) -> list[Score]:
    """Returns the scores that a card has: those of plain predictions, then the first one averaged over mirror images, if any."""
    if not len(mirrored):
        return scores(plain, names, data)
    first = scores(mirrored, names[:1], data)[0]
    protocol = f"{first.protocol}; probabilities averaged over mirror images, zoo.predict(..., flips=True)"
    return [*scores(plain, names, data), replace(first, name=f"{first.name}, with flips", protocol=protocol)]


def _score(matrices: np.ndarray, picks: np.ndarray, short: str, chosen: list[int], suffix: str, how: str) -> Score:
    name, function, protocol = MONITORS[short]
    low, high = np.percentile([function(matrices[pick], chosen) for pick in picks], (2.5, 97.5))
    return Score(name + suffix, function(matrices, chosen), (float(low), float(high)), f"{how}; {protocol}")
