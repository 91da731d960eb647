"""What a network in training finds in a whole image: it gives logits, and is asked often."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

import zoo
from training.recipe import Recipe


def finder(model: keras.Model, recipe: Recipe) -> Callable[[np.ndarray], np.ndarray]:
    """Returns a function from an image as it is stored to the class of each pixel."""
    multiples = zoo.info(recipe.model.name).config.replace(**recipe.model.overrides).size_multiples

    def find(image: np.ndarray) -> np.ndarray:
        return classes_of(logits(model, recipe.preprocessing(image, recipe.data.ndim), multiples))

    return find


def logits(model: keras.Model, image: np.ndarray, multiples: Sequence[int]) -> np.ndarray:
    """Returns the output `(*spatial, C)` for an image of any size, mirrored at its ends to sizes that the network takes."""
    sizes = image.shape[:-1]
    missing = [(0, -size % multiple) for size, multiple in zip(sizes, multiples, strict=True)]
    padded = np.pad(image, [*missing, (0, 0)], mode="symmetric")
    output: Any = model.predict_on_batch(padded[None])
    values = output["segmentation"] if isinstance(output, dict) else output
    return np.asarray(values, "float32")[0][tuple(slice(size) for size in sizes)]


def classes_of(values: np.ndarray) -> np.ndarray:
    """Returns the class of each pixel by its logits: with one class 1 where the logit is above 0, which is probability 0.5."""
    return (values[..., 0] > 0 if values.shape[-1] == 1 else values.argmax(axis=-1)).astype("uint8")
