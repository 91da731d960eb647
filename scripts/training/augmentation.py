"""Random changes of batches: Keras' own layers by name, and a few that Keras does not have, for 2D and 3D.

All numbers come from a seed and the number of the batch alone, so that a run can be taken up where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

Batch = tuple[np.ndarray, np.ndarray]


class Augmentation:
    """The layers of a recipe in their order, on `(N, *spatial, C)` images and `(N, *spatial)` labels.

    Args:
        layers: One table per layer: `layer`, its name, and its arguments. The name is that of a Keras layer that changes images
            and masks alike, such as `"RandomFlip"` (2D only), or one of `OWN`.
        seed: Of all random numbers.

    Raises:
        SystemExit: There is no such layer, or it does not take the arguments.
    """

    def __init__(self, layers: Sequence[dict[str, Any]], seed: int) -> None:
        self.seed = seed
        self.steps = [_step(dict(table)) for table in layers]

    def __call__(self, images: np.ndarray, labels: np.ndarray, number: int) -> Batch:
        """Returns the changed batch of this number."""
        for index, change in enumerate(self.steps):
            images, labels = change(images, labels, (self.seed, number, index))
        return np.ascontiguousarray(images, "float32"), np.ascontiguousarray(labels)


def _step(table: dict[str, Any]) -> Callable[..., Batch]:
    name = str(table.pop("layer", None))
    base = keras.layers.Layer
    kind = OWN.get(name) or getattr(keras.layers, name, None)
    known = sorted({*OWN, *(each for each in dir(keras.layers) if each.startswith("Random"))})
    if kind is None or name not in known:
        raise SystemExit(f"An augmentation has layer = one of {', '.join(known)}. Received: {name!r}")
    try:
        made = kind(**table)
    except (TypeError, ValueError) as error:
        raise SystemExit(f"The augmentation {name} cannot be made with {table}: {error}") from None
    return KerasStep(made) if isinstance(made, base) else made


class KerasStep:
    """A Keras layer for images and masks whose random numbers are set for each batch."""

    def __init__(self, layer: keras.Layer) -> None:
        self.layer = layer

    def __call__(self, images: np.ndarray, labels: np.ndarray, key: tuple[int, ...]) -> Batch:
        """Returns the changed batch; masks are moved with the images, to the nearest pixel."""
        if images.ndim != 4:
            raise SystemExit(f"{type(self.layer).__name__} is for images, not for volumes; for those there are {', '.join(OWN)}.")
        state = self.layer.generator.state
        words = np.random.SeedSequence(key).generate_state(2)
        state.assign(keras.ops.convert_to_tensor(words.astype(str(state.dtype)), dtype=state.dtype))
        made = self.layer({"images": images, "segmentation_masks": labels[..., None].astype("float32")}, training=True)
        found = np.rint(keras.ops.convert_to_numpy(made["segmentation_masks"]))[..., 0]
        return keras.ops.convert_to_numpy(made["images"]), found.astype(labels.dtype)


class Flips:
    """Mirrors each image along each of the axes, or not: `axes=[0, 1]` are height and width, or depth and height in 3D."""

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def __call__(self, images: np.ndarray, labels: np.ndarray, key: tuple[int, ...]) -> Batch:
        """Returns the changed batch."""
        images, labels = images.copy(), labels.copy()
        for index, chosen in enumerate(np.random.default_rng(key).random((len(images), len(self.axes))) < 0.5):
            axes = tuple(axis for axis, flip in zip(self.axes, chosen, strict=True) if flip)
            images[index], labels[index] = np.flip(images[index], axes), np.flip(labels[index], axes)
        return images, labels


class Turns:
    """Turns each image by a random multiple of 90 degrees in the plane of two axes, which must be of one size."""

    def __init__(self, axes: Sequence[int] = (0, 1)) -> None:
        first, second = axes
        self.axes = (first, second)

    def __call__(self, images: np.ndarray, labels: np.ndarray, key: tuple[int, ...]) -> Batch:
        """Returns the changed batch."""
        turns = np.random.default_rng(key).integers(4, size=len(images))
        pairs = [(np.rot90(x, k, self.axes), np.rot90(y, k, self.axes)) for x, y, k in zip(images, labels, turns, strict=True)]
        return np.stack([x for x, _ in pairs]), np.stack([y for _, y in pairs])


class Intensity:
    """Changes values of prepared images, all of an image alike: contrast, brightness, gamma, noise, inversion.

    Args:
        contrast: Values are multiplied by `exp(u)`, u uniform within plus and minus this.
        brightness: A number within plus and minus this is added.
        gamma: Values, stretched to 0 to 1 and back, are raised to `exp(u)`, u uniform within plus and minus this.
        noise: Normal noise, its standard deviation uniform from 0 to this, is added to every value.
        invert: How often the sign of all values is turned.
        rate: How often each of the first four happens.
        each_channel: Whether each channel changes by itself, which changes colours.
    """

    def __init__(
        self,
        contrast: float = 0.0,
        brightness: float = 0.0,
        gamma: float = 0.0,
        noise: float = 0.0,
        invert: float = 0.0,
        rate: float = 0.5,
        each_channel: bool = False,
    ) -> None:
        self.contrast, self.brightness, self.gamma, self.noise = contrast, brightness, gamma, noise
        self.invert, self.rate, self.each_channel = invert, rate, each_channel

    def __call__(self, images: np.ndarray, labels: np.ndarray, key: tuple[int, ...]) -> Batch:
        """Returns the changed batch."""
        rng = np.random.default_rng(key)
        if not self.each_channel:
            return np.stack([self._one(image, rng) for image in images]), labels
        made = [np.stack([self._one(channel, rng) for channel in np.moveaxis(image, -1, 0)], axis=-1) for image in images]
        return np.stack(made), labels

    def _one(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        happens, size = rng.random(5) < (*(self.rate,) * 4, self.invert), rng.uniform(-1, 1, 4).astype("float32")
        if happens[2] and self.gamma:
            low, high = image.min(), image.max()
            span = np.maximum(high - low, np.float32(1e-6))
            image = ((image - low) / span) ** np.exp(self.gamma * size[2]) * span + low
        if happens[0]:
            image = image * np.exp(self.contrast * size[0])
        if happens[1]:
            image = image + self.brightness * size[1]
        if happens[3] and self.noise:
            image = image + abs(size[3]) * self.noise * rng.standard_normal(image.shape, dtype="float32")
        return -image if happens[4] else image


OWN: dict[str, Callable[..., Any]] = {"Flips": Flips, "Turns": Turns, "Intensity": Intensity}
"""Layers of our own by name: Keras' are for 2D images only, and change values between fixed ends."""
