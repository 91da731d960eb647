"""How an image is prepared for a set of weights, as data, and the one function that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np

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
        mean, std = self._statistics(values)
        return ((values - mean) / std).astype("float32", copy=False)

    def like(self, whole: np.ndarray, part: np.ndarray, ndim: int = 2) -> np.ndarray:
        """Prepares a part of an image with the statistics of the whole of it, or of a sample of its pixels."""
        mean, std = self._statistics(self._scaled(whole, ndim))
        return ((self._scaled(part, ndim) - mean) / std).astype("float32", copy=False)

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

    def _statistics(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns what is subtracted and what is divided by, as float32 that fit the channels."""
        import numpy as np

        if self.normalisation == "none":
            return np.zeros(1, "float32"), np.ones(1, "float32")
        if self.normalisation == "fixed":
            return np.asarray(self.mean, "float32"), np.asarray(self.std, "float32")
        axes = None if self.normalisation == "image" else tuple(range(values.ndim - 1))
        mean, std = values.mean(axis=axes, dtype="float64"), values.std(axis=axes, dtype="float64")
        return np.asarray(mean, "float32"), np.asarray(np.maximum(std, EPSILON), "float32")


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
