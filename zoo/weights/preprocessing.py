"""How an image is prepared for a set of weights, as data, and the one function that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    Statistics = tuple[np.ndarray, np.ndarray]
    """What is subtracted, and what is divided by: float32, one number or one per channel."""

SCALINGS = ("dtype", "none")
NORMALISATIONS = ("none", "fixed", "image", "channel")

RGB = ("red", "green", "blue")
GRAY = ("gray",)
LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the brightness of a colour, by ITU-R BT.601."""

EPSILON = 1e-6
"""Least standard deviation that a normalisation divides by: an image of one value becomes 0."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From an image as it is stored to what the network was trained on.

    Attributes:
        channels: What each channel is. Colour images are turned into gray ones and gray ones into colour where the network
            wants `("gray",)` or `("red", "green", "blue")`; for all others the number of channels must agree.
        scaling: `"dtype"` divides whole numbers by the largest value of their type (255, 65535) and leaves floats as they
            are; `"none"` leaves all values.
        normalisation: After it, `"fixed"` subtracts `mean` and divides by `std`; `"image"` takes both from all values of the
            image, `"channel"` from each channel of it; `"none"` changes nothing.
        mean: Of `"fixed"`, one per channel.
        std: Of `"fixed"`, one per channel.

    Raises:
        ConfigError: A value is not allowed.
    """

    channels: tuple[str, ...]
    scaling: str = "dtype"
    normalisation: str = "none"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.channels:
            message = "`channels` names at least one channel, such as ('gray',). Received: channels=()"
            raise ConfigError(message)
        for field, allowed in (("scaling", SCALINGS), ("normalisation", NORMALISATIONS)):
            value = getattr(self, field)
            if value not in allowed:
                message = f"`{field}` is one of {', '.join(map(repr, allowed))}. Received: {field}={value!r}"
                raise ConfigError(message)
        expected = len(self.channels) if self.normalisation == "fixed" else 0
        if len(self.mean) != expected or len(self.std) != expected or not all(value > 0 for value in self.std):
            message = (
                "`mean` and `std` have one number per channel with normalisation='fixed', std above 0, and none otherwise. "
                f"Received: channels={self.channels}, normalisation={self.normalisation!r}, mean={self.mean}, std={self.std}"
            )
            raise ConfigError(message)

    def __call__(self, image: np.ndarray, ndim: int = 2) -> np.ndarray:
        """Prepares one image.

        Args:
            image: `(H, W)`, `(H, W, K)`, or with another axis in front for `ndim=3`; numbers or booleans.
            ndim: Number of spatial axes.

        Returns:
            float32, `(H, W, C)` or `(D, H, W, C)` with C as `channels` has them; one image, without a batch.

        Raises:
            ConfigError: The image has other axes or channels, is empty, or has values that are not finite numbers.
        """
        values = self._scaled(image, ndim)
        return _normalised(values, self._statistics([values]))

    def like(self, whole: np.ndarray, part: np.ndarray, ndim: int = 2) -> np.ndarray:
        """Prepares a part of an image with the statistics of the whole of it, or of a sample of its pixels."""
        return self.apply(part, self.statistics([whole], ndim), ndim)

    def statistics(self, parts: Iterable[np.ndarray], ndim: int = 2) -> Statistics:
        """Returns what an image is normalised by, from parts that together are the image: it need not be in memory at once.

        Nothing is read where the normalisation does not depend on the image.
        """
        return self._statistics(self._scaled(part, ndim) for part in parts)

    def apply(self, part: np.ndarray, statistics: Statistics, ndim: int = 2) -> np.ndarray:
        """Prepares a part of an image, normalised by what `statistics` gave for the whole; see `__call__`."""
        return _normalised(self._scaled(part, ndim), statistics)

    def _scaled(self, image: np.ndarray, ndim: int) -> np.ndarray:
        import numpy as np

        pixels = _checked(np.asarray(image), ndim)
        values = pixels.astype("float32")
        if self.scaling == "dtype" and pixels.dtype.kind in "iu":
            values /= np.iinfo(pixels.dtype).max
        return self._with_channels(values)

    def _with_channels(self, values: np.ndarray) -> np.ndarray:
        import numpy as np

        given, wanted = values.shape[-1], len(self.channels)
        if self.channels in (RGB, GRAY) and given in (2, 4):
            given -= 1  # the last channel is how opaque a pixel is
            values = values[..., :given]
        if given == wanted:
            return values
        if self.channels == RGB and given == 1:
            return np.repeat(values, 3, axis=-1)
        if self.channels == GRAY and given == 3:
            return values @ np.asarray(LUMA, "float32")[:, None]
        message = (
            f"These weights read {wanted} channels: {', '.join(self.channels)}. Received: an image of {given} channels. Give "
            "the image these channels, or the network its own with zoo.get(..., input_shape=(None, None, C), adapt=...)."
        )
        raise ConfigError(message)

    def _statistics(self, parts: Iterable[np.ndarray]) -> Statistics:
        """Returns the statistics of scaled parts: mean and variance are merged part by part, in double precision."""
        import numpy as np

        if self.normalisation == "none":
            return np.zeros(1, "float32"), np.ones(1, "float32")
        if self.normalisation == "fixed":
            return np.asarray(self.mean, "float32"), np.asarray(self.std, "float32")
        count, mean, squares = 0, np.zeros(()), np.zeros(())
        for values in parts:
            axes = tuple(range(values.ndim - (self.normalisation == "channel")))
            number = values.size // (values.shape[-1] if self.normalisation == "channel" else 1)
            step = values.mean(axis=axes, dtype="float64") - mean
            squares = squares + values.var(axis=axes, dtype="float64") * number + step**2 * (count * number / (count + number))
            count += number
            mean = mean + step * (number / count)
        std = np.sqrt(squares / max(count, 1))
        return np.asarray(mean, "float32"), np.asarray(np.maximum(std, EPSILON), "float32")


def _normalised(values: np.ndarray, statistics: Statistics) -> np.ndarray:
    mean, std = statistics
    return ((values - mean) / std).astype("float32", copy=False)


def _checked(image: np.ndarray, ndim: int) -> np.ndarray:
    """Returns the image with an axis of channels."""
    import numpy as np

    form = "(H, W) or (H, W, C)" if ndim == 2 else "(D, H, W) or (D, H, W, C)"
    if image.ndim not in (ndim, ndim + 1) or 0 in image.shape or image.dtype.kind not in "biuf":
        message = f"An image is an array of numbers, {form}, without a batch. Received: shape {image.shape} of {image.dtype}"
        raise ConfigError(message)
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        message = "The image has values that are not finite (NaN or infinity): replace or remove them first."
        raise ConfigError(message)
    return image if image.ndim == ndim + 1 else image[..., None]
