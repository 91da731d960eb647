"""The curve of a run and its results on some images, as PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from training.data import IGNORE, Sample
from training.recipe import Recipe

mpl.use("Agg")

import matplotlib.pyplot as plt

INK = "#1a7a6c"
OTHER = "#b4540a"


def draw_curve(curve: Sequence[dict[str, float]], recipe: Recipe, path: Path) -> None:
    """Draws the loss of the crops and the watched score on val against the steps."""
    monitor = recipe.training.monitor
    steps = [record["step"] for record in curve]
    figure, left = plt.subplots(figsize=(7, 3.6), layout="constrained")
    left.plot(steps, [record["loss"] for record in curve], color=OTHER, marker="o", markersize=3)
    left.set(xlabel="step", xlim=(0, None), ylim=(0, None))
    left.set_ylabel("loss on crops of train", color=OTHER)
    right = left.twinx()
    values = [record[monitor] for record in curve]
    right.plot(steps, values, color=INK, marker="o", markersize=3)
    right.set_ylabel(f"{monitor} on val", color=INK)
    best = int(np.argmax(values))
    right.margins(y=0.12)
    right.annotate(f"{values[best]:.4f}", (steps[best], values[best]), textcoords="offset points", xytext=(0, 6), ha="center")
    left.set_title(recipe.model.name, fontsize=10)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def evenly(samples: Sequence[Sample], count: int = 6) -> list[Sample]:
    """Returns some of the samples, evenly chosen."""
    return [samples[index] for index in np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(int)]


def draw_overlays(
    find: Callable[[np.ndarray], np.ndarray], samples: Sequence[Sample], recipe: Recipe, path: Path, titles: Sequence[str] = ()
) -> None:
    """Draws a row for each image: the image, the truth on it, and what `find` gives for it; volumes by their middle slice."""
    heights = [3 * sample.labels.shape[0] / sample.labels.shape[1] for sample in samples]
    figure, axes = plt.subplots(
        len(samples),
        3,
        figsize=(9, sum(heights) + 0.3 * len(samples)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    for row, sample, title in zip(axes, samples, titles or [sample.name[:24] for sample in samples], strict=True):
        found = find(sample.image)
        image, truth, found = (middle(values, recipe.data.ndim) for values in (sample.image, sample.labels, found))
        pictures = [shown(image), painted(image, truth, recipe), painted(image, found, recipe)]
        for axis, picture, label in zip(row, pictures, (title, "truth", "found"), strict=True):
            axis.imshow(picture)
            axis.set_title(label, fontsize=8)
            axis.axis("off")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def middle(values: np.ndarray, ndim: int) -> np.ndarray:
    """Returns the slice in the middle of the last axis of a volume; images as they are."""
    return values[:, :, values.shape[2] // 2] if ndim == 3 else values


def shown(image: np.ndarray) -> np.ndarray:
    """Returns the image as RGB from 0 to 1, its values stretched between the 0.5 and 99.5 percentiles."""
    values = image.astype("float64")
    low, high = np.percentile(values, (0.5, 99.5))
    values = np.clip((values - low) / max(high - low, 1e-9), 0, 1)
    return np.repeat(values[..., None], 3, axis=-1) if values.ndim == 2 else values[..., :3]


def painted(image: np.ndarray, labels: np.ndarray, recipe: Recipe, share: float = 0.5) -> np.ndarray:
    """Returns the image with the classes in their colours; what is ignored is gray, background stays as it is."""
    picture: Any = shown(image)
    single = recipe.classes == 1
    for index, (name, colour) in enumerate(zip(recipe.data.classes, recipe.card.palette, strict=True)):
        if single or name != "background":
            where = labels == index + single
            picture[where] = (1 - share) * picture[where] + share * np.array(colour) / 255
    picture[labels == IGNORE] = 0.5
    return picture
